//! What readers see: the orders that are open, the last that closed, and the trades between them. One fold of events
//! makes it; Redis mirrors it, and debug answers, recovery and verification all use it.
//!
//! Invariant: for every order `quantity = remaining + filled`, and an order with nothing left is FILLED.

mod record;
mod trades;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::decimal::Decimal;
use crate::event::{
    AuctionIndicated, Event, OrderAccepted, OrderAmended, OrderReduced, OrderRejected, OrderReplenished,
    OrderTriggered, Trade,
};
use crate::image::StateHash;
use crate::instrument::Instrument;
use crate::phase::{Phase, PhaseStep};
use crate::symbol::Symbol;
use crate::units::{Micros, OrderId, Seq, Side, TradeId};

pub use record::{OrderRecord, OrderStatus, Place, TradeRecord};
use trades::OrderTrades;

/// A market as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Market {
    /// Its scale and rules.
    pub instrument: Instrument,
    /// Its phase.
    pub phase: Phase,
    /// Phases to come.
    pub then: Vec<PhaseStep>,
    /// The price of the last trade.
    pub last_price: Option<Decimal>,
    /// What the auction would give if it ended now; none outside an auction, or while nothing would trade.
    pub indicated: Option<Indicated>,
}

/// What an auction would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicated {
    /// The one price.
    pub price: Decimal,
    /// How much would trade.
    pub volume: Amount,
    /// How much more would be bought or sold at that price.
    pub imbalance: Amount,
    /// Which side has more.
    pub imbalance_side: Option<Side>,
}

/// An order and the trades it took part in that are still kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    order: OrderRecord,
    trades: OrderTrades,
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
    /// Places in books that orders left for others, or for the end. What came and went in one run may be among them.
    pub left_places: Vec<Place>,
    /// Markets that were listed or whose rules changed.
    pub instruments: Vec<Instrument>,
}

/// The fold of all events that readers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    seq: Seq,
    time: Micros,
    retain_closed: u64,
    greatest_order_id: Option<OrderId>,
    markets: BTreeMap<Symbol, Market>,
    /// Each apart: ids mostly grow, which leaves the pages of the map little more than half full.
    orders: BTreeMap<OrderId, Box<Kept>>,
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
            markets: BTreeMap::new(),
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

    /// The orders kept whose ids are below `end`, greatest first.
    pub fn orders_below(&self, end: OrderId) -> impl Iterator<Item = &OrderRecord> {
        self.orders.range(..end).rev().map(|(_, kept)| &kept.order)
    }

    /// The trades of an order that are kept, oldest first.
    pub fn trades_of(&self, order_id: OrderId) -> impl Iterator<Item = &TradeRecord> {
        let trades = self.orders.get(&order_id).into_iter().flat_map(|kept| kept.trades.iter());
        trades.filter_map(|trade_id| self.trades.get(&trade_id))
    }

    /// The trades kept whose numbers are below `end`, newest first.
    pub fn trades_below(&self, end: TradeId) -> impl Iterator<Item = &TradeRecord> {
        self.trades.range(..end).rev().map(|(_, trade)| trade)
    }

    /// The row that the oldest closed order kept ended in.
    pub fn oldest_closed(&self) -> Option<Seq> {
        self.closed.front().and_then(|order_id| self.order(*order_id)).map(|order| order.seq)
    }

    /// Whether orders may have been dropped: what is not in it may have been.
    pub fn has_dropped(&self) -> bool {
        self.closed.len() as u64 >= self.retain_closed
    }

    /// All trades kept, oldest first.
    pub fn trades(&self) -> impl Iterator<Item = &TradeRecord> {
        self.trades.values()
    }

    /// All instruments, by symbol.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.markets.values().map(|market| &market.instrument)
    }

    /// All markets, by symbol.
    pub fn markets(&self) -> impl Iterator<Item = &Market> {
        self.markets.values()
    }

    /// A market.
    pub fn market(&self, symbol: Symbol) -> Option<&Market> {
        self.markets.get(&symbol)
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
            self.fold_event(event, changes);
        }
        self.drop_oldest_closed(changes);
    }

    fn fold_event(&mut self, event: &Event, changes: &mut Changes) {
        match event {
            Event::InstrumentListed(event) => self.list(event.instrument, changes),
            Event::InstrumentUpdated(event) => {
                self.market_mut(event.instrument.symbol()).instrument = event.instrument;
                changes.instruments.push(event.instrument);
            }
            Event::PhaseChanged(event) => {
                let market = self.market_mut(event.symbol);
                market.phase = event.phase;
                market.then.clone_from(&event.then);
            }
            Event::AuctionIndicated(event) => self.market_mut(event.symbol).indicated = Indicated::of(event),
            Event::OrderAccepted(event) => self.accept(event, changes),
            Event::OrderRejected(event) => self.reject(event, changes),
            Event::OrderTriggered(event) => self.trigger(event, changes),
            Event::OrderAmended(event) => self.amend(event, changes),
            Event::OrderReduced(event) => self.reduce(event, changes),
            Event::OrderReplenished(event) => self.replenish(event, changes),
            Event::Trade(event) => self.trade(event, changes),
            Event::OrderFilled(event) => {
                self.close(event.order_id, None, OrderStatus::Filled, changes);
            }
            Event::OrderCancelled(event) => {
                let order = self.close(event.order_id, Some(event.remaining), OrderStatus::Cancelled, changes);
                order.reason_code = Some(event.reason_code);
                order.set_reason_text(event.reason_text.as_deref());
            }
            Event::OrderExpired(event) => {
                let order = self.close(event.order_id, Some(event.remaining), OrderStatus::Expired, changes);
                order.reason_code = Some(event.reason_code);
            }
            Event::ListingRejected(_)
            | Event::OrderRepeated(_)
            | Event::CancelRejected(_)
            | Event::AmendRejected(_)
            | Event::MassCancelled(_)
            | Event::CancelAfterSet(_)
            | Event::CancelAfterFired(_)
            | Event::AccountBlocked(_)
            | Event::AccountUnblocked(_)
            | Event::CommandRejected(_)
            | Event::DuplicateRejected(_)
            | Event::TimeAdvanced(_)
            | Event::EntryRejected(_) => {}
        }
    }

    fn list(&mut self, instrument: Instrument, changes: &mut Changes) {
        let market =
            Market { instrument, phase: Phase::Continuous, then: Vec::new(), last_price: None, indicated: None };
        self.markets.insert(instrument.symbol(), market);
        changes.instruments.push(instrument);
    }

    fn market_mut(&mut self, symbol: Symbol) -> &mut Market {
        self.markets.get_mut(&symbol).unwrap_or_else(|| panic!("{symbol} is not listed"))
    }

    fn accept(&mut self, event: &OrderAccepted, changes: &mut Changes) {
        let order = &event.order;
        let instrument = self.market_mut(order.symbol).instrument;
        let mut record = OrderRecord::accepted(order, &instrument, event.priority, self.seq);
        record.show_tranche();
        self.insert(record, changes);
    }

    fn reject(&mut self, event: &OrderRejected, changes: &mut Changes) {
        self.insert(OrderRecord::rejected(&event.order, self.seq, Some(event.reason_code)), changes);
        self.closed.push_back(event.order.order_id);
    }

    fn trigger(&mut self, event: &OrderTriggered, changes: &mut Changes) {
        let order = self.change(event.order_id, changes);
        assert!(order.status == OrderStatus::Untriggered, "order {} is triggered twice", event.order_id);
        order.status = OrderStatus::Open;
        order.priority = Some(event.priority);
    }

    fn amend(&mut self, event: &OrderAmended, changes: &mut Changes) {
        let order = self.change(event.order_id, changes);
        let place = order.place();
        let keeps_its_place = order.priority == Some(event.priority);
        let units = |decimal: Decimal, decimals| match decimal.to_units(decimals) {
            Some(units) => units,
            None => panic!("order {} is amended out of scale", event.order_id),
        };
        order.set_price_units(event.price.map(|price| units(price, order.price_decimals)));
        order.quantity = units(event.quantity, order.quantity_decimals);
        order.remaining = units(event.remaining, order.quantity_decimals);
        order.priority = Some(event.priority);
        if keeps_its_place {
            order.show_less(0);
        } else {
            order.show_tranche();
            changes.left_places.extend(place);
        }
    }

    fn reduce(&mut self, event: &OrderReduced, changes: &mut Changes) {
        let order = self.change(event.order_id, changes);
        let units = |decimal: Decimal| match decimal.to_units(order.quantity_decimals) {
            Some(units) => units,
            None => panic!("order {} is reduced out of scale", event.order_id),
        };
        (order.quantity, order.remaining) = (units(event.quantity), units(event.remaining));
        order.show_less(0);
    }

    fn replenish(&mut self, event: &OrderReplenished, changes: &mut Changes) {
        let order = self.change(event.order_id, changes);
        let place = order.place();
        order.priority = Some(event.priority);
        order.show_tranche();
        assert!(order.displayed() == event.displayed, "order {} shows {}", event.order_id, order.displayed());
        changes.left_places.extend(place);
    }

    /// An open order that this row changes.
    fn change(&mut self, order_id: OrderId, changes: &mut Changes) -> &mut OrderRecord {
        let order = &mut open_order(&mut self.orders, order_id).order;
        order.seq = self.seq;
        changes.orders.insert(order_id);
        order
    }

    fn insert(&mut self, order: OrderRecord, changes: &mut Changes) {
        let order_id = order.order_id;
        self.greatest_order_id = self.greatest_order_id.max(Some(order_id));
        changes.orders.insert(order_id);
        let before = self.orders.insert(order_id, Box::new(Kept { order, trades: OrderTrades::default() }));
        assert!(before.is_none(), "order {order_id} is there already");
    }

    fn trade(&mut self, event: &Trade, changes: &mut Changes) {
        self.fill(event, event.maker_order_id, changes);
        self.fill(event, event.taker_order_id, changes);
        self.market_mut(event.symbol).last_price = Some(event.price);
        let record = TradeRecord::of(event, self.seq, self.time);
        changes.trades.push(record.clone());
        self.trades.insert(event.trade_id, record);
    }

    /// What a trade means for one of its two orders.
    fn fill(&mut self, event: &Trade, order_id: OrderId, changes: &mut Changes) {
        let seq = self.seq;
        let kept = open_order(&mut self.orders, order_id);
        kept.trades.push(event.trade_id);
        let order = &mut kept.order;
        let price = event.price.to_units(order.price_decimals);
        let quantity = event.quantity.to_units(order.quantity_decimals);
        let (Some(price), Some(quantity)) = (price, quantity) else {
            panic!("trade {} is outside its instrument", event.trade_id);
        };
        let by_quote = order.quote_quantity().is_some();
        if by_quote {
            order.quantity += quantity;
        } else {
            let left = order.remaining.checked_sub(quantity);
            order.remaining =
                left.unwrap_or_else(|| panic!("trade {} takes more than order {order_id} has", event.trade_id));
        }
        let remaining = if order_id == event.maker_order_id { event.maker_remaining } else { event.taker_remaining };
        assert!(order.remaining() == remaining, "order {order_id} has {} left, not {remaining}", order.remaining());
        if event.auction || order_id == event.taker_order_id {
            order.show_tranche();
        } else {
            order.show_less(quantity);
        }
        order.quote += u128::from(price) * u128::from(quantity);
        order.seq = seq;
        let filled = !by_quote && order.remaining == 0;
        let place = order.place().filter(|_| filled);
        order.status = if filled { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        if filled {
            self.closed.push_back(order_id);
        }
        changes.left_places.extend(place);
        changes.orders.insert(order_id);
    }

    /// Ends an open order with what is left of it; none where that is not said.
    fn close(
        &mut self,
        order_id: OrderId,
        remaining: Option<Decimal>,
        status: OrderStatus,
        changes: &mut Changes,
    ) -> &mut OrderRecord {
        self.closed.push_back(order_id);
        let order = self.change(order_id, changes);
        let left = order.remaining();
        assert!(remaining.is_none_or(|remaining| remaining == left), "order {order_id} has {left} left");
        changes.left_places.extend(order.place());
        order.status = status;
        order
    }

    /// Drops closed orders over the limit, and with each the trades it took part in: a trade is kept as long as both of
    /// its orders are.
    fn drop_oldest_closed(&mut self, changes: &mut Changes) {
        while self.closed.len() as u64 > self.retain_closed {
            let Some(kept) = self.closed.pop_front().and_then(|order_id| self.orders.remove(&order_id)) else {
                panic!("a closed order is not kept");
            };
            for trade_id in kept.trades.iter() {
                changes.dropped_trades.push(self.drop_trade(trade_id, kept.order.order_id));
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
        if let Some(other) = self.orders.get_mut(&other) {
            other.trades.remove(trade_id);
        }
        trade
    }
}

impl Indicated {
    /// What an event tells; none when nothing would trade.
    pub fn of(event: &AuctionIndicated) -> Option<Indicated> {
        let AuctionIndicated { price, volume, imbalance, imbalance_side, .. } = *event;
        Some(Indicated { price: price?, volume, imbalance, imbalance_side })
    }
}

/// An order that the state says is open.
fn open_order(orders: &mut BTreeMap<OrderId, Box<Kept>>, order_id: OrderId) -> &mut Kept {
    match orders.get_mut(&order_id) {
        Some(kept) if kept.order.status.is_open() => kept,
        Some(kept) => panic!("order {order_id} is {} and cannot change", kept.order.status.as_str()),
        None => panic!("order {order_id} is not in the ledger"),
    }
}
