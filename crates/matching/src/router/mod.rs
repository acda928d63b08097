//! What is global: instruments, the ids that were seen, accounts, time and what is due, and the numbers of trades. The
//! router sends each command to the books it concerns, or answers it itself; it never uses a book's answer to decide.
//!
//! Invariant: its state after row n is the same whether rows 1 to n were routed one by one, in batches, or folded.

mod due;
mod image;
mod markets;
mod orders;
mod window;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::book::{BookCommand, BookEvent, Selection};
use crate::command::{Command, MassCancel, Sequenced, SetCancelAfter};
use crate::decimal::Decimal;
use crate::event::{
    AccountBlocked, AccountUnblocked, CancelAfterSet, CommandRejected, DuplicateRejected, EntryRejected, Event,
    MassCancelled,
};
use crate::instrument::Instrument;
use crate::names::Account;
use crate::planted::{Bug, is_planted};
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::translate;
use crate::units::{CommandId, Micros, Seq, TradeId};

use due::Due;
use image::RouterImage;
pub use markets::MAX_SYMBOLS;
use markets::Markets;
pub use window::ID_WINDOW;
use window::Window;

/// What the books have to do for a command, by symbol.
pub type Routed = Vec<(Symbol, BookCommand)>;

/// Routes commands and numbers what comes of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RouterImage", into = "RouterImage")]
pub struct Router {
    /// The last row routed or folded.
    seq: Seq,
    time: Micros,
    next_trade_id: TradeId,
    markets: Markets,
    /// Ids that were seen, and the names of orders.
    window: Window,
    /// What happens at times to come.
    due: Due,
    /// Accounts whose orders are refused.
    blocked: BTreeSet<Account>,
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
            markets: Markets::default(),
            window: Window::default(),
            due: Due::default(),
            blocked: BTreeSet::new(),
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

    /// When something is due next, as far as the router has heard which orders are open.
    pub fn next_due(&self) -> Option<Micros> {
        self.due.first().filter(|_| !is_planted(Bug::ForgetExpiry))
    }

    /// A listed instrument.
    pub fn instrument(&self, symbol: Symbol) -> Option<&Instrument> {
        self.markets.get(symbol)
    }

    /// All listed symbols, sorted.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.markets.symbols()
    }

    /// Whether an account's orders are refused.
    pub fn is_blocked(&self, account: &Account) -> bool {
        self.blocked.contains(account)
    }

    /// Routes a command: to `own` the router's answer, to `routed` what the books have to do. At least one of them.
    ///
    /// # Panics
    /// If the command does not follow the last one: a broken invariant.
    pub fn route(&mut self, command: &Sequenced<Command>, own: &mut Vec<Event>, routed: &mut Routed) {
        self.advance(command.seq, command.time);
        if let Some(command_id) = command.value.id()
            && self.window.has_seen(command_id)
        {
            own.push(Event::DuplicateRejected(DuplicateRejected { command_id }));
            return;
        }
        match &command.value {
            Command::NewOrder(new) => self.route_order(new, own, routed),
            Command::AmendOrder(amend) => self.route_amend(amend, own, routed),
            Command::CancelOrder(cancel) => self.route_cancel(cancel, own, routed),
            Command::CancelByKey(cancel) => self.route_cancel_by_key(cancel, own, routed),
            Command::MassCancel(cancel) => self.route_mass_cancel(cancel, own, routed),
            Command::SetCancelAfter(set) => own.push(self.set_cancel_after(set)),
            Command::BlockAccount(block) => {
                self.remember(block.command_id);
                let (command_id, account) = (block.command_id, block.account.clone());
                self.blocked.insert(account.clone());
                self.cancel_all(Some(command_id), &account, Reason::AccountBlocked, routed);
                own.push(Event::AccountBlocked(AccountBlocked { command_id, account }));
            }
            Command::UnblockAccount(unblock) => {
                self.remember(unblock.command_id);
                let (command_id, account) = (unblock.command_id, unblock.account.clone());
                self.blocked.remove(&account);
                own.push(Event::AccountUnblocked(AccountUnblocked { command_id, account }));
            }
            Command::AdvanceTime(_) => self.do_due(own, routed),
            Command::ListInstrument(listing) => own.push(self.list(listing)),
            Command::UpdateInstrument(update) => self.route_update(update, own, routed),
            Command::SetPhase(set) => self.route_phase(set, own, routed),
            Command::RefuseEntry(entry) => {
                let (stream_id, error) = (entry.stream_id.clone(), entry.error.clone());
                own.push(Event::EntryRejected(EntryRejected { stream_id, error }));
            }
        }
    }

    fn route_mass_cancel(&mut self, cancel: &MassCancel, own: &mut Vec<Event>, routed: &mut Routed) {
        let MassCancel { command_id, symbol, side, .. } = *cancel;
        self.remember(command_id);
        if symbol.is_some_and(|symbol| self.markets.get(symbol).is_none()) {
            own.push(rejected(Some(command_id), symbol, Reason::UnknownSymbol));
            return;
        }
        let account = cancel.account.clone();
        for market in self.markets.symbols().filter(|market| symbol.is_none_or(|symbol| symbol == *market)) {
            let selection = Selection { account: account.clone(), side };
            let reason = Reason::MassCancel;
            routed.push((market, BookCommand::CancelAll { command_id: Some(command_id), selection, reason }));
        }
        own.push(Event::MassCancelled(MassCancelled { command_id, account, symbol, side }));
    }

    /// Has every book cancel an account's orders: the router does not know where it has any.
    fn cancel_all(&self, command_id: Option<CommandId>, account: &Account, reason: Reason, routed: &mut Routed) {
        for symbol in self.markets.symbols() {
            let selection = Selection { account: Some(account.clone()), side: None };
            routed.push((symbol, BookCommand::CancelAll { command_id, selection, reason }));
        }
    }

    fn set_cancel_after(&mut self, set: &SetCancelAfter) -> Event {
        self.remember(set.command_id);
        let (command_id, account) = (set.command_id, set.account.clone());
        let due = match set.timeout {
            0 => None,
            timeout => match self.time.get().checked_add(timeout).and_then(Micros::new) {
                Some(due) => Some(due),
                None => return rejected(Some(command_id), None, Reason::OutOfRange),
            },
        };
        self.due.set_timer(&account, due);
        Event::CancelAfterSet(CancelAfterSet { command_id, account, due })
    }

    /// Makes a book's event the one that is logged: gives a trade its number, and learns which orders closed. To be
    /// called in the order of (seq, symbol, index).
    pub fn publish(&mut self, seq: Seq, symbol: Symbol, event: BookEvent) -> Event {
        match &event {
            BookEvent::Traded(traded) => {
                if traded.maker_remaining.is_zero() {
                    self.learn_close(seq, traded.maker_order_id);
                }
                if traded.taker_remaining.is_zero() && traded.taker_quote_remaining.is_none() {
                    self.learn_close(seq, traded.taker_order_id);
                }
            }
            BookEvent::Rejected { order, .. } => self.learn_close(seq, order.order_id),
            BookEvent::Filled(ended) | BookEvent::Cancelled { ended, .. } | BookEvent::Expired { ended, .. } => {
                self.learn_close(seq, ended.order_id);
            }
            _ => {}
        }
        let trade_id = self.next_trade_id;
        if matches!(event, BookEvent::Traded(_)) {
            self.next_trade_id = trade_id.next();
        }
        let Some(instrument) = self.markets.get(symbol) else { panic!("an event of {symbol}, which is not listed") };
        translate::to_event(instrument, trade_id, event)
    }

    /// A logged event as the book of its symbol knows it; none for an event that no book made.
    pub fn book_event(&self, event: &Event) -> Option<(Symbol, BookEvent)> {
        let symbol = event.symbol()?;
        let instrument = self.markets.get(symbol)?;
        Some((symbol, translate::to_book_event(instrument, event)?))
    }

    /// Takes in the events of row `seq`: the same state as routing its command and publishing what the books said.
    pub fn fold(&mut self, seq: Seq, time: Micros, events: &[Event]) {
        self.advance(seq, time);
        for event in events {
            match event {
                Event::InstrumentListed(listed) => {
                    self.remember_if(listed.command_id);
                    self.markets.add(listed.instrument);
                }
                Event::InstrumentUpdated(updated) => {
                    self.remember(updated.command_id);
                    self.markets.update(updated.instrument);
                }
                Event::PhaseChanged(changed) => {
                    self.remember_if(changed.command_id);
                    self.due.set_phases(changed.symbol, &changed.then);
                }
                Event::ListingRejected(event) => self.remember_if(event.command_id),
                Event::CommandRejected(event) => self.remember_if(event.command_id),
                Event::MassCancelled(event) => self.remember(event.command_id),
                Event::CancelRejected(event) => self.remember(event.command_id),
                Event::AmendRejected(event) => self.remember(event.command_id),
                Event::OrderAmended(event) => self.remember(event.command_id),
                Event::CancelAfterSet(set) => {
                    self.remember(set.command_id);
                    self.due.set_timer(&set.account, set.due);
                }
                Event::CancelAfterFired(fired) => self.due.set_timer(&fired.account, None),
                Event::AccountBlocked(event) => {
                    self.remember(event.command_id);
                    self.blocked.insert(event.account.clone());
                }
                Event::AccountUnblocked(event) => {
                    self.remember(event.command_id);
                    self.blocked.remove(&event.account);
                }
                Event::OrderAccepted(event) => self.keep_order(&event.order),
                Event::OrderRejected(event) if event.symbol_seq.is_some() => {
                    self.keep_order(&event.order);
                    self.learn_close(seq, event.order.order_id);
                }
                Event::OrderRejected(event) => self.keep_refused(&event.order),
                Event::OrderRepeated(event) => self.remember(event.order_id.into()),
                Event::Trade(trade) => {
                    assert!(trade.trade_id == self.next_trade_id, "a trade {} out of order", trade.trade_id);
                    self.next_trade_id = trade.trade_id.next();
                    if trade.maker_remaining == Decimal::ZERO {
                        self.learn_close(seq, trade.maker_order_id);
                    }
                    if trade.taker_remaining == Decimal::ZERO && trade.taker_quote_remaining.is_none() {
                        self.learn_close(seq, trade.taker_order_id);
                    }
                }
                Event::OrderFilled(event) => self.learn_close(seq, event.order_id),
                Event::OrderExpired(event) => self.learn_close(seq, event.order_id),
                Event::OrderCancelled(event) => {
                    // Any other reason's command has told of itself by an event of its own.
                    if matches!(event.reason_code, Reason::ByUser | Reason::AmendedBelowFilled) {
                        self.remember_if(event.command_id);
                    }
                    self.learn_close(seq, event.order_id);
                }
                Event::OrderTriggered(_)
                | Event::OrderReduced(_)
                | Event::OrderReplenished(_)
                | Event::AuctionIndicated(_)
                | Event::DuplicateRejected(_)
                | Event::TimeAdvanced(_)
                | Event::EntryRejected(_) => {}
            }
        }
    }

    /// Goes on to row `seq`, and forgets what has left its window there.
    fn advance(&mut self, seq: Seq, time: Micros) {
        assert!(seq == self.seq.next(), "command {seq} cannot follow {}", self.seq);
        assert!(time >= self.time, "command {seq} is of {time}, before {}", self.time);
        self.seq = seq;
        self.time = time;
        self.window.forget_until(seq);
    }

    fn remember(&mut self, command_id: CommandId) {
        self.window.remember(self.seq, command_id);
    }

    fn remember_if(&mut self, command_id: Option<CommandId>) {
        if let Some(command_id) = command_id {
            self.remember(command_id);
        }
    }
}

/// A command that is about no order is refused.
fn rejected(command_id: Option<CommandId>, symbol: Option<Symbol>, reason_code: Reason) -> Event {
    Event::CommandRejected(CommandRejected { command_id, symbol, reason_code })
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("seq", &self.seq).field("markets", &self.markets).finish_non_exhaustive()
    }
}
