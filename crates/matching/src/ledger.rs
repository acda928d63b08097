//! What readers see: the orders that are open, the last that closed, and the trades between them. One fold of events
//! makes it; Redis mirrors it, and debug answers, recovery and verification all use it.
//!
//! Invariant: for every order `quantity = remaining + filled`, and an order with nothing left is FILLED.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::event::{Event, OrderAccepted, OrderCancelled, OrderExpired, OrderRejected, Reason, Trade};
use crate::image::StateHash;
use crate::instrument::Instrument;
use crate::names::{Account, ClientOrderId};
use crate::symbol::Symbol;
use crate::units::{Micros, OrderId, Price, Quantity, Seq, Side, SymbolSeq, TradeId};

/// Where an order is in its life.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderStatus {
    /// In the book, nothing traded.
    Open,
    /// In the book, partly traded.
    PartiallyFilled,
    /// Nothing left.
    Filled,
    /// Taken out of the book at somebody's wish.
    Cancelled,
    /// Taken out of the book because its time had come.
    Expired,
    /// Never in the book.
    Rejected,
}

impl OrderStatus {
    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            OrderStatus::Open => "OPEN",
            OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
            OrderStatus::Filled => "FILLED",
            OrderStatus::Cancelled => "CANCELLED",
            OrderStatus::Expired => "EXPIRED",
            OrderStatus::Rejected => "REJECTED",
        }
    }

    /// Whether the order is in the book.
    pub fn is_open(self) -> bool {
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
    /// When what is left of it expires.
    pub expire_at: Option<Micros>,
    /// The last row of the log that changed it.
    pub seq: Seq,
    /// Why it was rejected or cancelled.
    pub reason_code: Option<Reason>,
    /// The caller's words.
    pub reason_text: Option<String>,
    price_decimals: u8,
    quantity_decimals: u8,
    price: u64,
    quantity: u64,
    remaining: u64,
    /// Sum of price × quantity over its trades, in units of both.
    quote: u128,
}

impl OrderRecord {
    /// Its limit.
    pub fn price(&self) -> Decimal {
        Decimal::from_units(self.price, self.price_decimals)
    }

    /// Its limit in its instrument's integer units.
    pub fn price_units(&self) -> u64 {
        self.price
    }

    /// Its whole quantity.
    pub fn quantity(&self) -> Decimal {
        Decimal::from_units(self.quantity, self.quantity_decimals)
    }

    /// What is left of it.
    pub fn remaining(&self) -> Decimal {
        Decimal::from_units(self.remaining, self.quantity_decimals)
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

/// An order and the trades it took part in that are still kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    order: OrderRecord,
    /// Oldest first. Trades go in that order but for rare cases, so taking one out is at the front.
    trades: VecDeque<TradeId>,
}

/// What a run of folds changed, combined: each order once, whatever happened to it in between.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Orders that changed and are still kept.
    pub orders: BTreeSet<OrderId>,
    /// Orders that were dropped, as they last were.
    pub dropped_orders: Vec<OrderRecord>,
    /// New trades, oldest first.
    pub trades: Vec<TradeRecord>,
    /// Trades that were dropped.
    pub dropped_trades: Vec<TradeRecord>,
    /// Instruments that were listed.
    pub instruments: Vec<Instrument>,
}

/// The fold of all events that readers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    seq: Seq,
    time: Micros,
    retain_closed: u64,
    greatest_order_id: Option<OrderId>,
    instruments: BTreeMap<Symbol, Instrument>,
    orders: BTreeMap<OrderId, Kept>,
    /// Closed orders, oldest close first.
    closed: VecDeque<OrderId>,
    trades: BTreeMap<TradeId, TradeRecord>,
}

impl Ledger {
    /// An empty ledger that keeps the last `retain_closed` closed orders.
    pub fn new(retain_closed: u64) -> Ledger {
        Ledger {
            seq: Seq::ZERO,
            time: Micros::ZERO,
            retain_closed,
            greatest_order_id: None,
            instruments: BTreeMap::new(),
            orders: BTreeMap::new(),
            closed: VecDeque::new(),
            trades: BTreeMap::new(),
        }
    }

    /// How many closed orders it keeps.
    pub fn retention(&self) -> u64 {
        self.retain_closed
    }

    /// The hash of everything in it.
    pub fn hash(&self) -> StateHash {
        match postcard::to_allocvec(self) {
            Ok(bytes) => StateHash::of(&bytes),
            // Memory is the only thing that this can lack.
            Err(error) => panic!("a ledger has no encoding: {error}"),
        }
    }

    /// The last row of the log in it.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The time of that row.
    pub fn time(&self) -> Micros {
        self.time
    }

    /// An order that is open or was among the last closed.
    pub fn order(&self, order_id: OrderId) -> Option<&OrderRecord> {
        self.orders.get(&order_id).map(|kept| &kept.order)
    }

    /// All orders kept, by id.
    pub fn orders(&self) -> impl Iterator<Item = &OrderRecord> {
        self.orders.values().map(|kept| &kept.order)
    }

    /// All trades kept, oldest first.
    pub fn trades(&self) -> impl Iterator<Item = &TradeRecord> {
        self.trades.values()
    }

    /// All instruments, by symbol.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.instruments.values()
    }

    /// The greatest id of an order that was ever in it.
    pub fn greatest_order_id(&self) -> Option<OrderId> {
        self.greatest_order_id
    }

    /// Takes another limit on closed orders, from configuration; what is over it goes with the next fold.
    pub fn retain_closed(&mut self, retain_closed: u64) {
        self.retain_closed = retain_closed;
    }

    /// Folds the events of row `seq` in, and adds what changed to `changes`.
    ///
    /// # Panics
    /// If the events do not fit the state: a broken invariant.
    pub fn fold(&mut self, seq: Seq, time: Micros, events: &[Event], changes: &mut Changes) {
        assert!(seq == self.seq.next(), "row {seq} cannot be folded after row {}", self.seq);
        self.seq = seq;
        self.time = time;
        for event in events {
            match event {
                Event::InstrumentListed(listed) => {
                    self.instruments.insert(listed.instrument.symbol(), listed.instrument);
                    changes.instruments.push(listed.instrument);
                }
                Event::OrderAccepted(accepted) => self.accept(accepted, changes),
                Event::OrderRejected(rejected) => self.reject(rejected, changes),
                Event::Trade(trade) => self.trade(trade, changes),
                Event::OrderCancelled(cancelled) => self.cancel(cancelled, changes),
                Event::OrderExpired(expired) => self.expire(expired, changes),
                Event::ListingRejected(_)
                | Event::CancelRejected(_)
                | Event::DuplicateRejected(_)
                | Event::OrderRepeated(_)
                | Event::TimeAdvanced(_)
                | Event::EntryRejected(_) => {}
            }
        }
        self.drop_oldest_closed(changes);
    }

    fn accept(&mut self, event: &OrderAccepted, changes: &mut Changes) {
        let instrument = self.instruments.get(&event.symbol);
        let instrument =
            instrument.unwrap_or_else(|| panic!("order {} in the unlisted {}", event.order_id, event.symbol));
        let (Ok(price), Ok(quantity)) = (instrument.price(event.price), instrument.quantity(event.quantity)) else {
            panic!("order {} is accepted outside its instrument", event.order_id);
        };
        let record = OrderRecord {
            order_id: event.order_id,
            symbol: event.symbol,
            side: event.side,
            status: OrderStatus::Open,
            priority: Some(event.priority),
            received_at: event.received_at,
            account: event.account.clone(),
            client_order_id: event.client_order_id.clone(),
            expire_at: event.expire_at,
            seq: self.seq,
            reason_code: None,
            reason_text: None,
            price_decimals: instrument.price_decimals(),
            quantity_decimals: instrument.quantity_decimals(),
            price: price.units(),
            quantity: quantity.units(),
            remaining: quantity.units(),
            quote: 0,
        };
        self.insert(record, changes);
    }

    fn reject(&mut self, event: &OrderRejected, changes: &mut Changes) {
        let record = OrderRecord {
            order_id: event.order_id,
            symbol: event.symbol,
            side: event.side,
            status: OrderStatus::Rejected,
            priority: None,
            received_at: event.received_at,
            account: event.account.clone(),
            client_order_id: event.client_order_id.clone(),
            expire_at: event.expire_at,
            seq: self.seq,
            reason_code: Some(event.reason_code),
            reason_text: None,
            // What was asked may fit no instrument: it is kept in its own scale.
            price_decimals: event.price.decimals(),
            quantity_decimals: event.quantity.decimals(),
            price: event.price.coefficient(),
            quantity: event.quantity.coefficient(),
            remaining: event.quantity.coefficient(),
            quote: 0,
        };
        self.insert(record, changes);
        self.closed.push_back(event.order_id);
    }

    fn insert(&mut self, order: OrderRecord, changes: &mut Changes) {
        let order_id = order.order_id;
        self.greatest_order_id = self.greatest_order_id.max(Some(order_id));
        changes.orders.insert(order_id);
        let before = self.orders.insert(order_id, Kept { order, trades: VecDeque::new() });
        assert!(before.is_none(), "order {order_id} is there already");
    }

    fn trade(&mut self, event: &Trade, changes: &mut Changes) {
        self.fill(event, event.maker_order_id, event.maker_remaining, changes);
        self.fill(event, event.taker_order_id, event.taker_remaining, changes);
        let record = TradeRecord {
            trade_id: event.trade_id,
            symbol: event.symbol,
            price: event.price,
            quantity: event.quantity,
            maker_order_id: event.maker_order_id,
            taker_order_id: event.taker_order_id,
            taker_side: event.taker_side,
            time: self.time,
            seq: self.seq,
        };
        changes.trades.push(record.clone());
        self.trades.insert(event.trade_id, record);
    }

    /// What a trade means for one of its two orders.
    fn fill(&mut self, event: &Trade, order_id: OrderId, remaining: Decimal, changes: &mut Changes) {
        let kept = open_order(&mut self.orders, order_id);
        kept.trades.push_back(event.trade_id);
        let order = &mut kept.order;
        let price = event.price.to_units(order.price_decimals).and_then(Price::new);
        let quantity = event.quantity.to_units(order.quantity_decimals).and_then(Quantity::new);
        let (Some(price), Some(quantity)) = (price, quantity) else {
            panic!("trade {} is outside its instrument", event.trade_id);
        };
        let left = order.remaining.checked_sub(quantity.units());
        let left = left.unwrap_or_else(|| panic!("trade {} takes more than order {order_id} has", event.trade_id));
        order.remaining = left;
        assert!(order.remaining() == remaining, "order {order_id} has {} left, not {remaining}", order.remaining());
        order.quote += u128::from(price.units()) * u128::from(quantity.units());
        order.seq = self.seq;
        order.status = if left == 0 { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        if left == 0 {
            self.closed.push_back(order_id);
        }
        changes.orders.insert(order_id);
    }

    fn cancel(&mut self, event: &OrderCancelled, changes: &mut Changes) {
        let order = self.close(event.order_id, event.remaining, OrderStatus::Cancelled, changes);
        order.reason_code = Some(event.reason_code);
        order.reason_text.clone_from(&event.reason_text);
    }

    fn expire(&mut self, event: &OrderExpired, changes: &mut Changes) {
        self.close(event.order_id, event.remaining, OrderStatus::Expired, changes);
    }

    /// Takes an open order out of the book with what is left of it.
    fn close(
        &mut self,
        order_id: OrderId,
        remaining: Decimal,
        status: OrderStatus,
        changes: &mut Changes,
    ) -> &mut OrderRecord {
        let order = &mut open_order(&mut self.orders, order_id).order;
        assert!(order.remaining() == remaining, "order {order_id} has {} left, not {remaining}", order.remaining());
        order.status = status;
        order.seq = self.seq;
        self.closed.push_back(order_id);
        changes.orders.insert(order_id);
        order
    }

    /// Drops closed orders over the limit, and with each the trades it took part in: a trade is kept as long as both of
    /// its orders are.
    fn drop_oldest_closed(&mut self, changes: &mut Changes) {
        while self.closed.len() as u64 > self.retain_closed {
            let Some(kept) = self.closed.pop_front().and_then(|order_id| self.orders.remove(&order_id)) else {
                panic!("a closed order is not kept");
            };
            for trade_id in &kept.trades {
                changes.dropped_trades.push(self.drop_trade(*trade_id, kept.order.order_id));
            }
            changes.orders.remove(&kept.order.order_id);
            changes.dropped_orders.push(kept.order);
        }
    }

    /// Drops a trade because `dropped`, one of its two orders, went; the other one forgets it.
    fn drop_trade(&mut self, trade_id: TradeId, dropped: OrderId) -> TradeRecord {
        let Some(trade) = self.trades.remove(&trade_id) else {
            panic!("trade {trade_id} of order {dropped} is not kept")
        };
        let other = if trade.maker_order_id == dropped { trade.taker_order_id } else { trade.maker_order_id };
        if let Some(other) = self.orders.get_mut(&other)
            && let Ok(index) = other.trades.binary_search(&trade_id)
        {
            other.trades.remove(index);
        }
        trade
    }
}

/// An order that the state says is open.
fn open_order(orders: &mut BTreeMap<OrderId, Kept>, order_id: OrderId) -> &mut Kept {
    match orders.get_mut(&order_id) {
        Some(kept) if kept.order.status.is_open() => kept,
        Some(kept) => panic!("order {order_id} is {} and cannot change", kept.order.status.as_str()),
        None => panic!("order {order_id} is not in the ledger"),
    }
}
