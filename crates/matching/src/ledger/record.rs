//! An order and a trade as readers see them.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::event::Trade;
use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId, Metadata};
use crate::order::{Order, OrderType, SelfTradePrevention, TimeInForce};
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::units::{Micros, OrderId, Seq, Side, SymbolSeq, TradeId};

/// Where an order is in its life.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderStatus {
    /// Waiting for a trade that wakes it.
    Untriggered,
    /// In the book, nothing traded.
    Open,
    /// In the book, partly traded.
    PartiallyFilled,
    /// Nothing left.
    Filled,
    /// Taken away at somebody's wish.
    Cancelled,
    /// Taken away because its time had come, or because it does not rest.
    Expired,
    /// Never accepted.
    Rejected,
}

impl OrderStatus {
    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderStatus::Untriggered => "UNTRIGGERED",
            OrderStatus::Open => "OPEN",
            OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
            OrderStatus::Filled => "FILLED",
            OrderStatus::Cancelled => "CANCELLED",
            OrderStatus::Expired => "EXPIRED",
            OrderStatus::Rejected => "REJECTED",
        }
    }

    /// Whether the order has not ended.
    pub fn is_open(self) -> bool {
        self == OrderStatus::Untriggered || self.is_in_book()
    }

    /// Whether the order is in the book.
    pub fn is_in_book(self) -> bool {
        matches!(self, OrderStatus::Open | OrderStatus::PartiallyFilled)
    }
}

/// An order as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// Its id.
    pub order_id: OrderId,
    /// Its market.
    pub symbol: Symbol,
    /// Its side.
    pub side: Side,
    /// Its state.
    pub status: OrderStatus,
    /// Its place among the orders of its price; none if it never had one.
    pub priority: Option<SymbolSeq>,
    /// When the request was received.
    pub received_at: Micros,
    /// Whose order it is.
    pub account: Option<Account>,
    /// The client's own name for it.
    pub client_order_id: Option<ClientOrderId>,
    /// The last row of the log that changed it.
    pub seq: Seq,
    /// Why it was rejected, cancelled or expired.
    pub reason_code: Option<Reason>,
    pub(super) price_decimals: u8,
    pub(super) quantity_decimals: u8,
    /// [`NO_PRICE`]: none.
    pub(super) price: u64,
    pub(super) quantity: u64,
    pub(super) remaining: u64,
    /// Sum of price × quantity over its trades, in units of both.
    pub(super) quote: u128,
    /// What most orders do not have; none where all of it is as in [`Details::default`].
    details: Option<Box<Details>>,
}

/// No price has so many units.
const NO_PRICE: u64 = u64::MAX;

/// What most orders do not have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Details {
    order_type: OrderType,
    time_in_force: TimeInForce,
    expire_at: Option<Micros>,
    post_only: bool,
    stop_price: Option<Decimal>,
    trailing_delta: Option<Decimal>,
    quote_quantity: Option<Decimal>,
    display_quantity: Option<Decimal>,
    /// What an iceberg shows of itself.
    displayed: u64,
    min_quantity: Option<Decimal>,
    self_trade_prevention: SelfTradePrevention,
    linked_order_id: Option<OrderId>,
    metadata: Option<Metadata>,
    reason_text: Option<String>,
}

static PLAIN: Details = Details {
    order_type: OrderType::Limit,
    time_in_force: TimeInForce::Gtc,
    expire_at: None,
    post_only: false,
    stop_price: None,
    trailing_delta: None,
    quote_quantity: None,
    display_quantity: None,
    displayed: 0,
    min_quantity: None,
    self_trade_prevention: SelfTradePrevention::None,
    linked_order_id: None,
    metadata: None,
    reason_text: None,
};

impl OrderRecord {
    /// An order of an instrument that is accepted.
    pub(super) fn accepted(order: &Order, instrument: &Instrument, priority: SymbolSeq, seq: Seq) -> OrderRecord {
        let units = |units: Option<u64>| units.unwrap_or_else(|| panic!("order {} is out of scale", order.order_id));
        let price = order.price.map_or(NO_PRICE, |price| units(price.to_units(instrument.price_decimals())));
        let quantity = order.quantity.map_or(0, |quantity| units(quantity.to_units(instrument.quantity_decimals())));
        let waits = order.order_type.waits();
        OrderRecord {
            status: if waits { OrderStatus::Untriggered } else { OrderStatus::Open },
            priority: Some(priority),
            price_decimals: instrument.price_decimals(),
            quantity_decimals: instrument.quantity_decimals(),
            price,
            quantity,
            remaining: quantity,
            ..OrderRecord::rejected(order, seq, None)
        }
    }

    /// An order that was refused, in its own scale: what was asked may fit no instrument.
    pub(super) fn rejected(order: &Order, seq: Seq, reason_code: Option<Reason>) -> OrderRecord {
        let (price, quantity) = (order.price, order.quantity.unwrap_or(Decimal::ZERO));
        let mut record = OrderRecord {
            order_id: order.order_id,
            symbol: order.symbol,
            side: order.side,
            status: OrderStatus::Rejected,
            priority: None,
            received_at: order.received_at,
            account: order.account.clone(),
            client_order_id: order.client_order_id.clone(),
            seq,
            reason_code,
            price_decimals: price.map_or(0, Decimal::decimals),
            quantity_decimals: quantity.decimals(),
            price: price.map_or(NO_PRICE, Decimal::coefficient),
            quantity: quantity.coefficient(),
            remaining: quantity.coefficient(),
            quote: 0,
            details: None,
        };
        let details = Details {
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            expire_at: order.expire_at,
            post_only: order.post_only,
            stop_price: order.stop_price,
            trailing_delta: order.trailing_delta,
            quote_quantity: order.quote_quantity,
            display_quantity: order.display_quantity,
            displayed: 0,
            min_quantity: order.min_quantity,
            self_trade_prevention: order.self_trade_prevention,
            linked_order_id: order.linked_order_id,
            metadata: order.metadata.clone(),
            reason_text: None,
        };
        if details != PLAIN {
            record.details = Some(Box::new(details));
        }
        record
    }

    fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&PLAIN)
    }

    /// Its limit, if it has one.
    pub fn price(&self) -> Option<Decimal> {
        self.price_units().map(|units| Decimal::from_units(units, self.price_decimals))
    }

    /// Its limit in its instrument's integer units.
    pub fn price_units(&self) -> Option<u64> {
        (self.price != NO_PRICE).then_some(self.price)
    }

    pub(super) fn set_price_units(&mut self, units: Option<u64>) {
        self.price = units.unwrap_or(NO_PRICE);
    }

    /// Its whole quantity; of an order by quote amount, what is filled.
    pub fn quantity(&self) -> Decimal {
        Decimal::from_units(self.quantity, self.quantity_decimals)
    }

    /// What is left of it.
    pub fn remaining(&self) -> Decimal {
        Decimal::from_units(self.remaining, self.quantity_decimals)
    }

    /// What others see of it in the book: of an iceberg a part of what is left.
    pub fn displayed(&self) -> Decimal {
        Decimal::from_units(self.displayed_units(), self.quantity_decimals)
    }

    /// The same in its instrument's integer units.
    pub fn displayed_units(&self) -> u64 {
        let details = self.details();
        if details.display_quantity.is_some() { details.displayed } else { self.remaining }
    }

    /// Takes note of what an iceberg shows; nothing for any other order.
    pub(super) fn set_displayed(&mut self, units: u64) {
        if let Some(details) = self.details.as_deref_mut().filter(|details| details.display_quantity.is_some()) {
            details.displayed = units;
        }
    }

    /// Shows as much of an iceberg as one tranche has.
    pub(super) fn show_tranche(&mut self) {
        if let Some(tranche) = self.display_quantity().and_then(|tranche| tranche.to_units(self.quantity_decimals)) {
            self.set_displayed(tranche.min(self.remaining));
        }
    }

    /// Shows less of an iceberg because less is left of it, or because `traded` of what it showed is gone.
    pub(super) fn show_less(&mut self, traded: u64) {
        let displayed = self.displayed_units();
        self.set_displayed(displayed.saturating_sub(traded).min(self.remaining));
    }

    /// What has traded.
    pub fn filled(&self) -> Decimal {
        Decimal::from_units(self.quantity - self.remaining, self.quantity_decimals)
    }

    /// The mean price of what has traded, weighted by quantity, rounded half up to the instrument's price decimals.
    pub fn average_price(&self) -> Option<Decimal> {
        let filled = u128::from(self.quantity - self.remaining);
        let mean = (self.quote + filled / 2).checked_div(filled)?;
        // A mean of prices is no greater than the greatest of them.
        u64::try_from(mean).ok().map(|units| Decimal::from_units(units, self.price_decimals))
    }

    /// Its kind.
    pub fn order_type(&self) -> OrderType {
        self.details().order_type
    }

    /// How long it stays.
    pub fn time_in_force(&self) -> TimeInForce {
        self.details().time_in_force
    }

    /// When what is left of it expires.
    pub fn expire_at(&self) -> Option<Micros> {
        self.details().expire_at
    }

    /// Whether it is refused rather than trade when it comes.
    pub fn post_only(&self) -> bool {
        self.details().post_only
    }

    /// The last trade that wakes it.
    pub fn stop_price(&self) -> Option<Decimal> {
        self.details().stop_price
    }

    /// How far behind the last trade its stop price follows.
    pub fn trailing_delta(&self) -> Option<Decimal> {
        self.details().trailing_delta
    }

    /// How much it spends or receives at most.
    pub fn quote_quantity(&self) -> Option<Decimal> {
        self.details().quote_quantity
    }

    /// How much of it is shown at once.
    pub fn display_quantity(&self) -> Option<Decimal> {
        self.details().display_quantity
    }

    /// What it had to trade at least when it came.
    pub fn min_quantity(&self) -> Option<Decimal> {
        self.details().min_quantity
    }

    /// What happens when it meets its own account.
    pub fn self_trade_prevention(&self) -> SelfTradePrevention {
        self.details().self_trade_prevention
    }

    /// The order that it named to be linked with.
    pub fn linked_order_id(&self) -> Option<OrderId> {
        self.details().linked_order_id
    }

    /// The client's own words about it.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.details().metadata.as_ref()
    }

    /// The words of whoever cancelled it.
    pub fn reason_text(&self) -> Option<&str> {
        self.details().reason_text.as_deref()
    }

    pub(super) fn set_reason_text(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.details.get_or_insert_default().reason_text = Some(text.to_owned());
        }
    }

    /// Its place in the book, if it has one now.
    pub fn place(&self) -> Option<Place> {
        let priority = self.priority.filter(|_| self.status.is_in_book() && self.price != NO_PRICE)?;
        Some(Place { symbol: self.symbol, side: self.side, priority, order_id: self.order_id })
    }
}

/// A place in a book.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The market.
    pub symbol: Symbol,
    /// The side.
    pub side: Side,
    /// The number within its price.
    pub priority: SymbolSeq,
    /// The order that has or had it.
    pub order_id: OrderId,
}

/// A trade between two orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeRecord {
    /// Its number.
    pub trade_id: TradeId,
    /// The market.
    pub symbol: Symbol,
    /// The maker's price.
    pub price: Decimal,
    /// How much changed hands.
    pub quantity: Decimal,
    /// The order that was in the book.
    pub maker_order_id: OrderId,
    /// The order that came.
    pub taker_order_id: OrderId,
    /// The side of the order that came.
    pub taker_side: Side,
    /// When.
    pub time: Micros,
    /// Its row in the log.
    pub seq: Seq,
}

impl TradeRecord {
    /// The trade of an event of row `seq`, numbered at `time`.
    pub fn of(event: &Trade, seq: Seq, time: Micros) -> TradeRecord {
        TradeRecord {
            trade_id: event.trade_id,
            symbol: event.symbol,
            price: event.price,
            quantity: event.quantity,
            maker_order_id: event.maker_order_id,
            taker_order_id: event.taker_order_id,
            taker_side: event.taker_side,
            time,
            seq,
        }
    }
}
