//! The same book as [`crate::Book`], written to be obviously right: one list of open orders that every question walks
//! through. Slow; random commands compare the two event by event.

mod auction;
mod engine;
mod trading;

pub use engine::NaiveEngine;

use crate::book::{BookCommand, BookEvent, BookImage, Ended, Indication, OpenImage, Owner, Placed, Selection, Wait};
use crate::image::StateHash;
use crate::instrument::{Instrument, MAX_TRANCHES};
use crate::order::{OrderType, TimeInForce};
use crate::phase::Phase;
use crate::reason::Reason;
use crate::units::{CommandId, OrderId, Price, Quantity, Seq, Side, SymbolSeq};

/// Where an open order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It came in this command and has no place yet.
    Coming,
    /// It stands in the book.
    Resting,
    /// It waits for a trade.
    Waiting,
    /// It waits for its turn to come to the book.
    Woken,
}

/// An open order.
#[derive(Debug, Clone)]
struct Open {
    /// As it was placed; price and quantity as they were amended since.
    order: Placed,
    remaining: Quantity,
    /// What is left of its quote amount.
    quote: Option<u128>,
    displayed: Quantity,
    priority: SymbolSeq,
    changed: Seq,
    linked: Option<OrderId>,
    /// The best trade that a trailing stop has seen.
    reference: Option<Price>,
    state: State,
}

/// One symbol's book, obviously right.
#[derive(Clone)]
pub struct NaiveBook {
    instrument: Instrument,
    phase: Phase,
    symbol_seq: SymbolSeq,
    last: Option<Price>,
    indicated: Option<Indication>,
    open: Vec<Open>,
    /// Orders that were woken, with the trade that did it, in the order of their turns.
    turns: Vec<(OrderId, Price)>,
    seq: Seq,
    events: Vec<BookEvent>,
}

impl NaiveBook {
    /// An empty book in phase CONTINUOUS.
    pub fn new(instrument: Instrument) -> NaiveBook {
        NaiveBook {
            instrument,
            phase: Phase::Continuous,
            symbol_seq: SymbolSeq::ZERO,
            last: None,
            indicated: None,
            open: Vec::new(),
            turns: Vec::new(),
            seq: Seq::ZERO,
            events: Vec::new(),
        }
    }

    /// Applies a command of row `seq` and adds what happened to `out`.
    pub fn apply(&mut self, seq: Seq, command: BookCommand, out: &mut Vec<BookEvent>) {
        self.seq = seq;
        match command {
            BookCommand::Place(order) => self.place(order),
            BookCommand::Amend { command_id, order_id, price, quantity, if_seq } => {
                if let Err(reason) = self.amend(command_id, order_id, price, quantity, if_seq) {
                    self.tell(BookEvent::AmendRejected { command_id, order_id, reason });
                }
            }
            BookCommand::Cancel { command_id, order_id, reason_text } if self.is_open(order_id) => {
                let ended = self.end(order_id);
                let (command_id, reason) = (Some(command_id), Reason::ByUser);
                self.tell(BookEvent::Cancelled { ended, command_id, reason, reason_text });
            }
            BookCommand::Cancel { command_id, order_id, .. } => {
                self.tell(BookEvent::CancelRejected { command_id, order_id });
            }
            BookCommand::CancelAll { command_id, selection, reason } => self.cancel_all(command_id, selection, reason),
            BookCommand::Expire { order_id } => {
                if self.is_open(order_id) {
                    let ended = self.end(order_id);
                    self.tell(BookEvent::Expired { ended, reason: Reason::Due });
                }
            }
            BookCommand::SetPhase { command_id, phase, then } => {
                if phase == Phase::Continuous {
                    self.uncross();
                }
                self.phase = phase;
                self.tell(BookEvent::PhaseChanged { command_id, phase, then });
            }
            BookCommand::UpdateInstrument { command_id, instrument } => {
                self.instrument = instrument;
                self.tell(BookEvent::InstrumentUpdated { command_id, instrument });
            }
        }
        if self.phase == Phase::Continuous {
            self.wake();
            while !self.turns.is_empty() {
                let (order_id, price) = self.turns.remove(0);
                self.trigger(order_id, price);
            }
        }
        let indication = if self.phase == Phase::Auction { self.indication() } else { None };
        if indication != self.indicated {
            self.indicated = indication;
            self.tell(BookEvent::AuctionIndicated(indication));
        }
        out.append(&mut self.events);
    }

    /// The hash of the state, equal to that of a [`crate::Book`] in the same state.
    pub fn hash(&self) -> StateHash {
        hash(&self.image())
    }

    /// Its state, for people.
    pub fn picture(&self) -> impl std::fmt::Debug {
        self.image()
    }

    fn tell(&mut self, event: BookEvent) {
        self.symbol_seq = self.symbol_seq.next();
        self.events.push(event);
    }

    fn is_open(&self, order_id: OrderId) -> bool {
        self.open.iter().any(|open| open.order.order_id == order_id)
    }

    fn get(&self, order_id: OrderId) -> &Open {
        self.open.iter().find(|open| open.order.order_id == order_id).unwrap_or_else(|| panic!("no order {order_id}"))
    }

    fn get_mut(&mut self, order_id: OrderId) -> &mut Open {
        self.open.iter_mut().find(|open| open.order.order_id == order_id).unwrap_or_else(|| panic!("no {order_id}"))
    }

    fn owner(&self, order_id: OrderId) -> Owner {
        let order = &self.get(order_id).order;
        Owner { account: order.account.clone(), metadata: order.extras.metadata.clone() }
    }

    /// Takes an order out and says how it ended. What it was linked with is linked no more.
    fn end(&mut self, order_id: OrderId) -> Ended {
        let owner = self.owner(order_id);
        let Open { order, remaining, quote, .. } = self.get(order_id).clone();
        self.open.retain(|open| open.order.order_id != order_id);
        for other in self.open.iter_mut().filter(|other| other.linked == Some(order_id)) {
            other.linked = None;
        }
        let released = match (order.side, quote, order.price) {
            (Side::Sell, None, _) => Some(u128::from(remaining.units())),
            (Side::Sell, Some(_), _) => None,
            (Side::Buy, Some(quote), _) => Some(quote),
            (Side::Buy, None, Some(price)) => Some(u128::from(price.units()) * u128::from(remaining.units())),
            (Side::Buy, None, None) => None,
        };
        Ended { order_id, side: order.side, remaining, released, owner }
    }

    fn place(&mut self, order: Placed) {
        let number = self.symbol_seq.next();
        if let Err(reason) = self.check(&order) {
            self.tell(BookEvent::Rejected { order, symbol_seq: number, reason });
            return;
        }
        let (order_id, waits) = (order.order_id, order.order_type.waits());
        if let Some(first) = order.extras.linked_order_id {
            self.get_mut(first).linked = Some(order_id);
        }
        let open = Open {
            remaining: order.quantity,
            quote: order.extras.quote_quantity,
            displayed: shown(&order, order.quantity),
            priority: number,
            changed: self.seq,
            linked: order.extras.linked_order_id,
            reference: if order.extras.trailing_delta.is_some() { self.last } else { None },
            state: if waits { State::Waiting } else { State::Coming },
            order: order.clone(),
        };
        self.open.push(open);
        self.tell(BookEvent::Accepted { order, priority: number });
        if !waits {
            self.enter(order_id, true);
        }
    }

    fn check(&self, order: &Placed) -> Result<(), Reason> {
        let waits = order.order_type.waits();
        let never_rests = order.order_type == OrderType::Market
            || order.time_in_force == TimeInForce::Ioc
            || order.time_in_force == TimeInForce::Fok;
        match self.phase {
            Phase::CancelOnly | Phase::Closed => return Err(Reason::PhaseForbids),
            Phase::PostOnly | Phase::Auction if !waits && (never_rests || order.extras.min_quantity.is_some()) => {
                return Err(Reason::PhaseForbids);
            }
            _ => {}
        }
        if let Some(first) = order.extras.linked_order_id {
            if !self.is_open(first) {
                return Err(Reason::LinkNotPossible);
            }
            let first = self.get(first);
            let untraded = first.remaining == first.order.quantity;
            let same = first.order.side == order.side && first.order.account == order.account;
            let one_waits = waits || first.state == State::Waiting;
            if order.account.is_none() || first.linked.is_some() || !untraded || !same || !one_waits {
                return Err(Reason::LinkNotPossible);
            }
        }
        if let (Some(most), Some(account)) = (self.instrument.max_open_orders(), &order.account) {
            let has = self.open.iter().filter(|open| open.order.account.as_ref() == Some(account)).count();
            if (waits || !never_rests) && has >= most as usize {
                return Err(Reason::TooManyOpenOrders);
            }
        }
        if waits {
            return Ok(());
        }
        let Some(price) = order.price else { return Ok(()) };
        self.check_band(price)?;
        self.check_post_only(order.side, price, order.post_only)
    }

    /// The lowest and the highest price that are near enough to the last trade.
    fn band(&self) -> Option<(Price, Price)> {
        self.instrument.band(self.last?)
    }

    fn check_band(&self, price: Price) -> Result<(), Reason> {
        match self.band() {
            Some((lowest, highest)) if price < lowest || price > highest => Err(Reason::OutsidePriceBand),
            _ => Ok(()),
        }
    }

    fn check_post_only(&self, side: Side, price: Price, post_only: bool) -> Result<(), Reason> {
        let must_not = self.phase == Phase::PostOnly || (post_only && self.phase != Phase::Auction);
        if must_not && self.first_maker(side, price).is_some() { Err(Reason::PostOnlyWouldTrade) } else { Ok(()) }
    }

    fn cancel_all(&mut self, command_id: Option<CommandId>, selection: Selection, reason: Reason) {
        let mut selected: Vec<(SymbolSeq, OrderId)> = Vec::new();
        for open in &self.open {
            let account = selection.account.is_none() || selection.account == open.order.account;
            if account && selection.side.is_none_or(|side| side == open.order.side) {
                selected.push((open.priority, open.order.order_id));
            }
        }
        selected.sort();
        for (_, order_id) in selected {
            let ended = self.end(order_id);
            self.tell(BookEvent::Cancelled { ended, command_id, reason, reason_text: None });
        }
    }

    fn amend(
        &mut self,
        command_id: CommandId,
        order_id: OrderId,
        price: Option<Price>,
        quantity: Option<Quantity>,
        if_seq: Option<Seq>,
    ) -> Result<(), Reason> {
        if !self.is_open(order_id) {
            return Err(Reason::NotOpen);
        }
        let Open { order, remaining, changed, state, .. } = self.get(order_id).clone();
        if if_seq.is_some_and(|seq| seq != changed) {
            return Err(Reason::SeqDiffers);
        }
        if order.price.is_none() && price.is_some() {
            return Err(Reason::NotAmendable);
        }
        let filled = order.quantity - remaining;
        let (price, quantity) = (price.or(order.price), quantity.unwrap_or(order.quantity));
        let stays = price == order.price && quantity <= order.quantity;
        match self.phase {
            Phase::Closed => return Err(Reason::PhaseForbids),
            Phase::CancelOnly if !stays => return Err(Reason::PhaseForbids),
            _ => {}
        }
        if quantity <= filled {
            let ended = self.end(order_id);
            let (command_id, reason) = (Some(command_id), Reason::AmendedBelowFilled);
            self.tell(BookEvent::Cancelled { ended, command_id, reason, reason_text: None });
            return Ok(());
        }
        if let Some(price) = price {
            self.instrument.check_notional(price.times(quantity))?;
        }
        if order.extras.display_quantity.is_some_and(|display| quantity.units() / MAX_TRANCHES >= display.units())
            && quantity.units() > order.extras.display_quantity.map_or(0, Quantity::units) * MAX_TRANCHES
        {
            return Err(Reason::DisplayTooSmall);
        }
        if let (false, State::Resting, Some(price)) = (stays, state, price) {
            if Some(price) != order.price {
                self.check_band(price)?;
            }
            self.check_post_only(order.side, price, order.post_only)?;
        }
        self.change(command_id, order_id, price, quantity, stays);
        Ok(())
    }

    /// Changes an order; what does not stay in its place comes to the book anew.
    fn change(
        &mut self,
        command_id: CommandId,
        order_id: OrderId,
        price: Option<Price>,
        quantity: Quantity,
        stays: bool,
    ) {
        let (seq, next, owner) = (self.seq, self.symbol_seq.next(), self.owner(order_id));
        let open = self.get_mut(order_id);
        let filled = open.order.quantity - open.remaining;
        open.changed = seq;
        (open.order.price, open.order.quantity, open.remaining) = (price, quantity, quantity - filled);
        if stays {
            open.displayed = open.displayed.min(open.remaining);
        } else {
            open.priority = next;
            open.displayed = shown(&open.order, open.remaining);
        }
        let (priority, remaining, moves) = (open.priority, open.remaining, !stays && open.state == State::Resting);
        if moves {
            open.state = State::Coming;
        }
        self.tell(BookEvent::Amended { command_id, order_id, price, quantity, remaining, priority, owner });
        if moves {
            self.enter(order_id, false);
        }
    }

    /// A trade was made: trailing stops follow it, and it wakes what it reaches.
    fn print(&mut self, price: Price) {
        self.last = Some(price);
        for open in self.open.iter_mut().filter(|open| open.order.extras.trailing_delta.is_some()) {
            open.reference = Some(match (open.reference, open.order.side) {
                (None, _) => price,
                (Some(seen), Side::Sell) => seen.max(price),
                (Some(seen), Side::Buy) => seen.min(price),
            });
        }
        self.wake();
    }

    /// Wakes the orders that the last trade reaches, oldest first.
    fn wake(&mut self) {
        let Some(last) = self.last else { return };
        let mut reached: Vec<(SymbolSeq, OrderId)> = Vec::new();
        for open in self.open.iter_mut().filter(|open| open.state == State::Waiting) {
            if open.is_reached(last) {
                open.state = State::Woken;
                reached.push((open.priority, open.order.order_id));
            }
        }
        reached.sort();
        self.turns.extend(reached.into_iter().map(|(_, order_id)| (order_id, last)));
    }

    fn trigger(&mut self, order_id: OrderId, price: Price) {
        if !self.is_open(order_id) {
            return;
        }
        let (seq, priority, owner) = (self.seq, self.symbol_seq.next(), self.owner(order_id));
        let open = self.get_mut(order_id);
        (open.state, open.priority, open.changed) = (State::Coming, priority, seq);
        self.tell(BookEvent::Triggered { order_id, price, priority, owner });
        self.cancel_linked(order_id);
        if let Some(limit) = self.get(order_id).order.price
            && self.check_band(limit).is_err()
        {
            let ended = self.end(order_id);
            self.tell(BookEvent::Expired { ended, reason: Reason::OutsidePriceBand });
            return;
        }
        self.enter(order_id, true);
    }

    /// An order traded or was triggered: what it is linked with is taken away.
    fn cancel_linked(&mut self, order_id: OrderId) {
        if let Some(linked) = self.get_mut(order_id).linked.take() {
            let ended = self.end(linked);
            let reason = Reason::LinkedOrder;
            self.tell(BookEvent::Cancelled { ended, command_id: None, reason, reason_text: None });
        }
    }

    fn image(&self) -> BookImage {
        let list = |state: State, side: Option<Side>| {
            let fits = |open: &&Open| open.state == state && side.is_none_or(|side| side == open.order.side);
            let mut list: Vec<&Open> = self.open.iter().filter(fits).collect();
            list.sort_by_key(|open| (open.rank(), open.priority));
            list.into_iter().map(Open::image).collect()
        };
        BookImage {
            instrument: self.instrument,
            phase: self.phase,
            symbol_seq: self.symbol_seq,
            last: self.last,
            indicated: self.indicated,
            bids: list(State::Resting, Some(Side::Buy)),
            asks: list(State::Resting, Some(Side::Sell)),
            waiting: list(State::Waiting, None),
        }
    }
}

impl crate::book::Book {
    /// The hash of the state, as [`NaiveBook::hash`] has it.
    pub fn hash(&self) -> StateHash {
        hash(&BookImage::from(self))
    }
}

fn hash(image: &BookImage) -> StateHash {
    match postcard::to_allocvec(image) {
        Ok(bytes) => StateHash::of(&bytes),
        // Memory is the only thing that this can lack.
        Err(error) => panic!("a book has no encoding: {error}"),
    }
}

/// What is shown of an order of which so much is left.
fn shown(order: &Placed, remaining: Quantity) -> Quantity {
    order.extras.display_quantity.map_or(remaining, |display| display.min(remaining))
}

impl Open {
    /// How good its price is: smaller goes first. What waits has none.
    fn rank(&self) -> u64 {
        match (self.state, self.order.price, self.order.side) {
            (State::Waiting, ..) | (_, None, _) => 0,
            (_, Some(price), Side::Buy) => u64::MAX - price.units(),
            (_, Some(price), Side::Sell) => price.units(),
        }
    }

    /// Whether a trade at this price wakes it.
    fn is_reached(&self, last: Price) -> bool {
        let last = last.units();
        let stop = self.order.extras.stop_price.map_or(0, Price::units);
        let (delta, seen) =
            (self.order.extras.trailing_delta.map_or(0, Price::units), self.reference.map(Price::units));
        match (self.order.order_type, self.order.side, seen) {
            (OrderType::Stop | OrderType::StopLimit, Side::Buy, _) => last >= stop,
            (OrderType::Stop | OrderType::StopLimit, Side::Sell, _) => last <= stop,
            (OrderType::TakeProfit | OrderType::TakeProfitLimit, Side::Buy, _) => last <= stop,
            (OrderType::TakeProfit | OrderType::TakeProfitLimit, Side::Sell, _) => last >= stop,
            (OrderType::TrailingStop, Side::Buy, Some(seen)) => last >= seen + delta,
            (OrderType::TrailingStop, Side::Sell, Some(seen)) => last + delta <= seen,
            (OrderType::TrailingStop | OrderType::Limit | OrderType::Market, ..) => false,
        }
    }

    fn image(&self) -> OpenImage {
        let waits = self.state == State::Waiting;
        OpenImage {
            order_id: self.order.order_id,
            side: self.order.side,
            price: self.order.price.filter(|_| !waits),
            quantity: self.order.quantity,
            remaining: self.remaining,
            priority: self.priority,
            changed: self.changed,
            account: self.order.account.clone(),
            prevention: self.order.self_trade_prevention,
            post_only: self.order.post_only,
            metadata: self.order.extras.metadata.clone(),
            display: self.order.extras.display_quantity,
            displayed: self.displayed,
            linked: self.linked,
            wait: waits.then_some(Wait {
                order_type: self.order.order_type,
                time_in_force: self.order.time_in_force,
                limit: self.order.price,
                stop: self.order.extras.stop_price,
                delta: self.order.extras.trailing_delta,
                reference: self.reference,
            }),
        }
    }
}
