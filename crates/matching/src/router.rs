//! What is global: instruments, the ids that were seen, time, and the numbers of trades. The router sends each command
//! to the books it concerns, or answers it itself; it never uses a book's answer to decide.
//!
//! Invariant: its state after row n is the same whether rows 1 to n were routed one by one, in batches, or folded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::book::{BookCommand, BookEvent, Placed};
use crate::command::{CancelOrder, Command, NewOrder, Sequenced};
use crate::event::{
    CancelRejected, DuplicateRejected, EntryRejected, Event, InstrumentListed, ListingRejected, OrderAccepted,
    OrderCancelled, OrderExpired, OrderRejected, Reason, TimeAdvanced, Trade,
};
use crate::instrument::Instrument;
use crate::keys::{Key, Keys, Terms};
use crate::planted::{Bug, is_planted};
use crate::symbol::Symbol;
use crate::units::{CommandId, Micros, OrderId, Price, Quantity, Seq, TradeId};

/// The most symbols that can be listed: each has a book and an actor.
pub const MAX_SYMBOLS: usize = 1_000;

/// For so many rows after an order closed its id is kept, and for so many rows after it came the id of any other command.
pub const ID_WINDOW: u64 = 1_000_000;

/// Routes commands and numbers what comes of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RouterImage", into = "RouterImage")]
pub struct Router {
    /// The last row routed or folded.
    seq: Seq,
    time: Micros,
    next_trade_id: TradeId,
    /// In the order of their listing.
    instruments: Vec<Instrument>,
    by_symbol: BTreeMap<Symbol, Index>,
    /// Orders whose id is kept: open, or closed within the window.
    orders: FxHashMap<OrderId, Known>,
    /// Open orders that expire, soonest first.
    due: BTreeSet<(Micros, OrderId)>,
    /// The names under which orders came, as long as the orders' ids are kept.
    keys: Keys,
    /// Closed orders that are still kept, with the row that closed them, oldest first.
    closed: VecDeque<(Seq, OrderId)>,
    /// Ids of other commands within the window.
    commands: FxHashSet<CommandId>,
    /// The same with the row they came in, oldest first.
    command_rows: VecDeque<(Seq, CommandId)>,
}

/// An instrument's place in the order of listing.
type Index = u16;

/// The name that an order came under and what it asked for, if it has one. Of a command or an event: they share fields.
macro_rules! named {
    ($order:expr) => {
        Key::of($order.symbol, $order.account.as_ref(), $order.client_order_id.as_ref())
            .filter(|_| !is_planted(Bug::SkipDedupe))
            .map(|key| (key, Terms::of($order.side, $order.price, $order.quantity, $order.expire_at)))
    };
}

/// What is kept of an order.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Known {
    index: Index,
    expire_at: Option<Micros>,
}

impl Default for Router {
    fn default() -> Router {
        Router::new()
    }
}

impl Router {
    /// A router that knows nothing yet.
    pub fn new() -> Router {
        Router {
            seq: Seq::ZERO,
            time: Micros::ZERO,
            next_trade_id: TradeId::FIRST,
            instruments: Vec::new(),
            by_symbol: BTreeMap::new(),
            orders: FxHashMap::default(),
            due: BTreeSet::new(),
            keys: Keys::default(),
            closed: VecDeque::new(),
            commands: FxHashSet::default(),
            command_rows: VecDeque::new(),
        }
    }

    /// The last row that it knows of.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The time of that row.
    pub fn time(&self) -> Micros {
        self.time
    }

    /// When the next open order expires, as far as the router has heard which are open.
    pub fn next_due(&self) -> Option<Micros> {
        self.due.first().map(|(expire_at, _)| *expire_at).filter(|_| !is_planted(Bug::ForgetExpiry))
    }

    /// A listed instrument.
    pub fn instrument(&self, symbol: Symbol) -> Option<&Instrument> {
        self.by_symbol.get(&symbol).map(|index| &self.instruments[usize::from(*index)])
    }

    /// Routes a command: to `out` what the books have to do, by symbol; or the router's own answer to it.
    ///
    /// # Panics
    /// If the command does not follow the last one: a broken invariant.
    pub fn route(&mut self, command: &Sequenced<Command>, out: &mut Vec<(Symbol, BookCommand)>) -> Option<Event> {
        self.advance(command.seq, command.time);
        if let Some(command_id) = command.value.id()
            && self.has_seen(command_id)
        {
            return Some(Event::DuplicateRejected(DuplicateRejected { command_id }));
        }
        match &command.value {
            Command::NewOrder(order) => self.route_order(order, out),
            Command::AdvanceTime(_) => Some(self.expire_due(out)),
            Command::CancelOrder(cancel) => self.route_cancel(cancel, out),
            Command::ListInstrument(listing) => Some(self.list(listing.instrument)),
            Command::RefuseEntry(entry) => {
                let (stream_id, error) = (entry.stream_id.clone(), entry.error.clone());
                Some(Event::EntryRejected(EntryRejected { stream_id, error }))
            }
        }
    }

    fn route_order(&mut self, order: &NewOrder, out: &mut Vec<(Symbol, BookCommand)>) -> Option<Event> {
        let named = named!(order);
        if let Some(repeated) = named.as_ref().and_then(|named| self.keys.repeated(order, named)) {
            self.remember(order.order_id.into());
            return Some(Event::OrderRepeated(repeated));
        }
        match self.check(order) {
            Ok((index, price, quantity)) => {
                self.keep_order(order.order_id, Known { index, expire_at: order.expire_at }, named);
                let placed = Placed {
                    order_id: order.order_id,
                    side: order.side,
                    price,
                    quantity,
                    received_at: order.received_at,
                    account: order.account.clone(),
                    client_order_id: order.client_order_id.clone(),
                    expire_at: order.expire_at,
                };
                out.push((order.symbol, BookCommand::Place(placed)));
                None
            }
            Err(reason_code) => {
                self.remember(order.order_id.into());
                self.keys.insert(order.order_id, named);
                Some(Event::OrderRejected(OrderRejected {
                    order_id: order.order_id,
                    symbol: order.symbol,
                    side: order.side,
                    price: order.price,
                    quantity: order.quantity,
                    received_at: order.received_at,
                    account: order.account.clone(),
                    client_order_id: order.client_order_id.clone(),
                    expire_at: order.expire_at,
                    reason_code,
                }))
            }
        }
    }

    fn check(&self, order: &NewOrder) -> Result<(Index, Price, Quantity), Reason> {
        if order.stale || order.deadline.is_some_and(|deadline| deadline < self.time) {
            return Err(Reason::Stale);
        }
        if order.expire_at.is_some_and(|expire_at| expire_at <= self.time) {
            return Err(Reason::AlreadyExpired);
        }
        let index = *self.by_symbol.get(&order.symbol).ok_or(Reason::UnknownSymbol)?;
        let instrument = &self.instruments[usize::from(index)];
        Ok((index, instrument.price(order.price)?, instrument.quantity(order.quantity)?))
    }

    /// A cancel of an order whose id is kept goes to its book, which alone knows whether it is open.
    fn route_cancel(&mut self, cancel: &CancelOrder, out: &mut Vec<(Symbol, BookCommand)>) -> Option<Event> {
        self.remember(cancel.command_id);
        let CancelOrder { command_id, order_id, .. } = *cancel;
        match self.orders.get(&order_id) {
            Some(known) => {
                let symbol = self.symbol_of(known);
                out.push((
                    symbol,
                    BookCommand::Cancel { command_id, order_id, reason_text: cancel.reason_text.clone() },
                ));
                None
            }
            None => {
                let reason_code = Reason::UnknownOrder;
                Some(Event::CancelRejected(CancelRejected { command_id, order_id, symbol: None, reason_code }))
            }
        }
    }

    /// Asks the books to take out what is due. An order may have closed in a row that is not published yet: its book
    /// knows, and then does nothing.
    fn expire_due(&mut self, out: &mut Vec<(Symbol, BookCommand)>) -> Event {
        let mut due = Vec::new();
        while let Some((_, order_id)) = self.due.first().filter(|(expire_at, _)| *expire_at <= self.time).copied() {
            self.due.pop_first();
            let Some(known) = self.orders.get(&order_id) else { panic!("order {order_id} is due and not known") };
            due.push((self.symbol_of(known), BookCommand::Expire { order_id }));
        }
        due.sort_by_key(|(symbol, _)| *symbol);
        out.extend(due);
        Event::TimeAdvanced(TimeAdvanced {})
    }

    fn symbol_of(&self, known: &Known) -> Symbol {
        self.instruments[usize::from(known.index)].symbol()
    }

    fn list(&mut self, instrument: Instrument) -> Event {
        let symbol = instrument.symbol();
        let refused = |reason_code| Event::ListingRejected(ListingRejected { symbol, reason_code });
        if self.by_symbol.contains_key(&symbol) {
            return refused(Reason::AlreadyListed);
        }
        if self.instruments.len() >= MAX_SYMBOLS {
            return refused(Reason::TooManySymbols);
        }
        self.add_instrument(instrument);
        Event::InstrumentListed(InstrumentListed { instrument })
    }

    fn add_instrument(&mut self, instrument: Instrument) {
        let Ok(index) = Index::try_from(self.instruments.len()) else { panic!("more instruments than {MAX_SYMBOLS}") };
        self.instruments.push(instrument);
        let before = self.by_symbol.insert(instrument.symbol(), index);
        assert!(before.is_none(), "{} is listed twice", instrument.symbol());
    }

    /// Makes a book's event the one that is logged: gives a trade its number, and learns which orders closed. To be
    /// called in the order of (seq, symbol, index).
    pub fn publish(&mut self, seq: Seq, symbol: Symbol, event: BookEvent) -> Event {
        let Some(instrument) = self.instrument(symbol).copied() else {
            panic!("an event of {symbol}, which is not listed")
        };
        match event {
            BookEvent::Accepted { order, priority } => Event::OrderAccepted(OrderAccepted {
                order_id: order.order_id,
                symbol,
                side: order.side,
                price: instrument.price_decimal(order.price),
                quantity: instrument.quantity_decimal(order.quantity),
                priority,
                received_at: order.received_at,
                account: order.account,
                client_order_id: order.client_order_id,
                expire_at: order.expire_at,
            }),
            BookEvent::Traded {
                price,
                quantity,
                maker_order_id,
                taker_order_id,
                taker_side,
                maker_remaining,
                taker_remaining,
            } => {
                let trade_id = self.next_trade_id;
                self.learn_trade(seq, trade_id, (maker_order_id, maker_remaining), (taker_order_id, taker_remaining));
                Event::Trade(Trade {
                    trade_id,
                    symbol,
                    price: instrument.price_decimal(price),
                    quantity: instrument.quantity_decimal(quantity),
                    maker_order_id,
                    taker_order_id,
                    taker_side,
                    maker_remaining: instrument.quantity_decimal(maker_remaining),
                    taker_remaining: instrument.quantity_decimal(taker_remaining),
                })
            }
            BookEvent::Cancelled { order_id, command_id, remaining, reason_text } => {
                self.learn_close(seq, order_id);
                let (remaining, reason_code) = (instrument.quantity_decimal(remaining), Reason::ByUser);
                Event::OrderCancelled(OrderCancelled {
                    order_id,
                    symbol,
                    command_id,
                    remaining,
                    reason_code,
                    reason_text,
                })
            }
            BookEvent::Expired { order_id, remaining } => {
                self.learn_close(seq, order_id);
                let remaining = instrument.quantity_decimal(remaining);
                Event::OrderExpired(OrderExpired { order_id, symbol, remaining })
            }
            BookEvent::CancelRejected { command_id, order_id } => {
                let (symbol, reason_code) = (Some(symbol), Reason::NotOpen);
                Event::CancelRejected(CancelRejected { command_id, order_id, symbol, reason_code })
            }
        }
    }

    /// Takes in the events of row `seq`: the same state as routing its command and publishing what the books said.
    pub fn fold(&mut self, seq: Seq, time: Micros, events: &[Event]) {
        self.advance(seq, time);
        for event in events {
            match event {
                Event::InstrumentListed(listed) => self.add_instrument(listed.instrument),
                Event::OrderAccepted(order) => {
                    let index = self.by_symbol.get(&order.symbol).copied();
                    let index =
                        index.unwrap_or_else(|| panic!("order {} in the unlisted {}", order.order_id, order.symbol));
                    self.keep_order(order.order_id, Known { index, expire_at: order.expire_at }, named!(order));
                }
                Event::OrderRejected(order) => {
                    self.remember(order.order_id.into());
                    self.keys.insert(order.order_id, named!(order));
                }
                Event::OrderRepeated(repeated) => self.remember(repeated.order_id.into()),
                Event::Trade(trade) => {
                    let Some(instrument) = self.instrument(trade.symbol) else {
                        panic!("trade {} in the unlisted {}", trade.trade_id, trade.symbol)
                    };
                    let maker = units_of(instrument, trade.maker_remaining);
                    let taker = units_of(instrument, trade.taker_remaining);
                    self.learn_trade(seq, trade.trade_id, (trade.maker_order_id, maker), (trade.taker_order_id, taker));
                }
                Event::OrderCancelled(cancelled) => {
                    self.remember(cancelled.command_id);
                    self.learn_close(seq, cancelled.order_id);
                }
                Event::OrderExpired(expired) => self.learn_close(seq, expired.order_id),
                Event::CancelRejected(rejected) => self.remember(rejected.command_id),
                Event::ListingRejected(_)
                | Event::DuplicateRejected(_)
                | Event::TimeAdvanced(_)
                | Event::EntryRejected(_) => {}
            }
        }
    }

    /// A logged event as the book of its symbol knows it; none for an event that no book made.
    pub fn book_event(&self, event: &Event) -> Option<(Symbol, BookEvent)> {
        let symbol = event.symbol()?;
        let instrument = self.instrument(symbol)?;
        let quantity = |decimal| units_of(instrument, decimal);
        let price = |decimal| match instrument.price(decimal) {
            Ok(price) => price,
            Err(reason) => panic!("{decimal} in the log is no price of {symbol}: {}", reason.code()),
        };
        let book_event = match event {
            Event::OrderAccepted(order) => BookEvent::Accepted {
                order: Placed {
                    order_id: order.order_id,
                    side: order.side,
                    price: price(order.price),
                    quantity: quantity(order.quantity),
                    received_at: order.received_at,
                    account: order.account.clone(),
                    client_order_id: order.client_order_id.clone(),
                    expire_at: order.expire_at,
                },
                priority: order.priority,
            },
            Event::Trade(trade) => BookEvent::Traded {
                price: price(trade.price),
                quantity: quantity(trade.quantity),
                maker_order_id: trade.maker_order_id,
                taker_order_id: trade.taker_order_id,
                taker_side: trade.taker_side,
                maker_remaining: quantity(trade.maker_remaining),
                taker_remaining: quantity(trade.taker_remaining),
            },
            Event::OrderCancelled(cancelled) => BookEvent::Cancelled {
                order_id: cancelled.order_id,
                command_id: cancelled.command_id,
                remaining: quantity(cancelled.remaining),
                reason_text: cancelled.reason_text.clone(),
            },
            Event::OrderExpired(expired) => {
                BookEvent::Expired { order_id: expired.order_id, remaining: quantity(expired.remaining) }
            }
            Event::CancelRejected(rejected) => {
                BookEvent::CancelRejected { command_id: rejected.command_id, order_id: rejected.order_id }
            }
            Event::InstrumentListed(_)
            | Event::ListingRejected(_)
            | Event::OrderRejected(_)
            | Event::OrderRepeated(_)
            | Event::DuplicateRejected(_)
            | Event::TimeAdvanced(_)
            | Event::EntryRejected(_) => return None,
        };
        Some((symbol, book_event))
    }

    /// Goes on to row `seq`, and forgets the ids whose window ends before it.
    fn advance(&mut self, seq: Seq, time: Micros) {
        assert!(seq == self.seq.next(), "row {seq} cannot follow row {}", self.seq);
        assert!(time >= self.time, "row {seq} is before the time of row {}", self.seq);
        self.seq = seq;
        self.time = time;
        let expired = |since: Seq| seq.get() - since.get() > ID_WINDOW;
        while let Some((since, order_id)) = self.closed.front().copied()
            && expired(since)
        {
            self.closed.pop_front();
            self.orders.remove(&order_id);
            self.keys.remove(order_id);
        }
        while let Some((since, command_id)) = self.command_rows.front().copied()
            && expired(since)
        {
            self.command_rows.pop_front();
            self.commands.remove(&command_id);
            if let Some(order_id) = OrderId::new(command_id.get()) {
                self.keys.remove(order_id);
            }
        }
    }

    fn has_seen(&self, command_id: CommandId) -> bool {
        let order_id = OrderId::new(command_id.get());
        let seen = self.commands.contains(&command_id) || order_id.is_some_and(|id| self.orders.contains_key(&id));
        seen && !is_planted(Bug::SkipDedupe)
    }

    fn keep_order(&mut self, order_id: OrderId, known: Known, named: Option<(Key, Terms)>) {
        self.orders.insert(order_id, known);
        if let Some(expire_at) = known.expire_at {
            self.due.insert((expire_at, order_id));
        }
        self.keys.insert(order_id, named);
    }

    fn remember(&mut self, command_id: CommandId) {
        self.commands.insert(command_id);
        self.command_rows.push_back((self.seq, command_id));
    }

    fn learn_trade(&mut self, seq: Seq, trade_id: TradeId, maker: (OrderId, Quantity), taker: (OrderId, Quantity)) {
        assert!(trade_id == self.next_trade_id, "trade {trade_id} cannot follow {}", self.next_trade_id);
        self.next_trade_id = trade_id.next();
        for (order_id, remaining) in [maker, taker] {
            if remaining.is_zero() {
                self.learn_close(seq, order_id);
            }
        }
    }

    /// An order closed in row `seq`. Learnt while later rows may have been routed already, but long before its window
    /// ends: so nothing depends on when.
    fn learn_close(&mut self, seq: Seq, order_id: OrderId) {
        assert!(self.seq.get() - seq.get() < ID_WINDOW, "row {seq} is published after row {}", self.seq);
        self.closed.push_back((seq, order_id));
        let expire_at = self.orders.get(&order_id).and_then(|known| known.expire_at);
        if let Some(expire_at) = expire_at {
            self.due.remove(&(expire_at, order_id));
        }
    }
}

fn units_of(instrument: &Instrument, decimal: crate::decimal::Decimal) -> Quantity {
    match decimal.to_units(instrument.quantity_decimals()).and_then(Quantity::new) {
        Some(quantity) => quantity,
        None => panic!("{decimal} in the log is no quantity of {}", instrument.symbol()),
    }
}

/// A router as an image holds it: ids sorted, nothing that follows from the rest.
#[derive(Serialize, Deserialize)]
struct RouterImage {
    seq: Seq,
    time: Micros,
    next_trade_id: TradeId,
    instruments: Vec<Instrument>,
    orders: Vec<(OrderId, Known)>,
    keys: Keys,
    closed: Vec<(Seq, OrderId)>,
    commands: Vec<(Seq, CommandId)>,
}

impl From<Router> for RouterImage {
    fn from(router: Router) -> RouterImage {
        let mut orders: Vec<(OrderId, Known)> = router.orders.into_iter().collect();
        if !is_planted(Bug::HashOverMapOrder) {
            orders.sort_unstable();
        }
        RouterImage {
            seq: router.seq,
            time: router.time,
            next_trade_id: router.next_trade_id,
            instruments: router.instruments,
            orders,
            keys: router.keys,
            closed: router.closed.into(),
            commands: router.command_rows.into(),
        }
    }
}

/// The image is of no possible router.
#[derive(Debug, thiserror::Error)]
#[error("the image of the router lists an instrument twice or names one that it does not list")]
pub struct ImpossibleRouter;

impl TryFrom<RouterImage> for Router {
    type Error = ImpossibleRouter;

    fn try_from(image: RouterImage) -> Result<Router, ImpossibleRouter> {
        let mut router =
            Router { seq: image.seq, time: image.time, next_trade_id: image.next_trade_id, ..Router::new() };
        for instrument in image.instruments {
            if router.by_symbol.contains_key(&instrument.symbol()) || router.instruments.len() >= MAX_SYMBOLS {
                return Err(ImpossibleRouter);
            }
            router.add_instrument(instrument);
        }
        let listed = router.instruments.len();
        if image.orders.iter().any(|(_, known)| usize::from(known.index) >= listed) {
            return Err(ImpossibleRouter);
        }
        router.orders = image.orders.into_iter().collect();
        router.keys = image.keys;
        router.closed = image.closed.into();
        let expiring = router.orders.iter().filter_map(|(order_id, known)| Some((known.expire_at?, *order_id)));
        router.due = expiring.collect();
        for (_, order_id) in &router.closed {
            if let Some(expire_at) = router.orders.get(order_id).and_then(|known| known.expire_at) {
                router.due.remove(&(expire_at, *order_id));
            }
        }
        router.commands = image.commands.iter().map(|(_, command_id)| *command_id).collect();
        router.command_rows = image.commands.into();
        Ok(router)
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("seq", &self.seq).field("instruments", &self.instruments).finish_non_exhaustive()
    }
}
