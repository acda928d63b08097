//! What happens at times to come: orders expire, dead man's switches go off, markets change phase.
//!
//! What is due together happens by market; in a market by time; of one time, orders expire first, then switches go off,
//! then the phase changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::{BookCommand, Selection};
use crate::event::{CancelAfterFired, Event, TimeAdvanced};
use crate::names::Account;
use crate::phase::PhaseStep;
use crate::reason::Reason;
use crate::symbol::Symbol;
use crate::units::{Micros, OrderId};

use super::{Routed, Router};

/// Everything that has a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Open orders that expire, soonest first.
    orders: BTreeSet<(Micros, OrderId)>,
    /// Armed switches, soonest first.
    timers: BTreeSet<(Micros, Account)>,
    timer_of: BTreeMap<Account, Micros>,
    /// Markets' next phases, soonest first.
    phases: BTreeSet<(Micros, Symbol)>,
    phases_of: BTreeMap<Symbol, Vec<PhaseStep>>,
}

impl Due {
    /// When something is due next.
    pub(super) fn first(&self) -> Option<Micros> {
        let order = self.orders.first().map(|(at, _)| *at);
        let timer = self.timers.first().map(|(at, _)| *at);
        let phase = self.phases.first().map(|(at, _)| *at);
        [order, timer, phase].into_iter().flatten().min()
    }

    pub(super) fn add_order(&mut self, at: Micros, order_id: OrderId) {
        self.orders.insert((at, order_id));
    }

    pub(super) fn remove_order(&mut self, at: Micros, order_id: OrderId) {
        self.orders.remove(&(at, order_id));
    }

    /// Arms an account's switch, in place of what it was; none disarms it.
    pub(super) fn set_timer(&mut self, account: &Account, due: Option<Micros>) {
        if let Some(before) = self.timer_of.remove(account) {
            self.timers.remove(&(before, account.clone()));
        }
        if let Some(due) = due {
            self.timer_of.insert(account.clone(), due);
            self.timers.insert((due, account.clone()));
        }
    }

    /// Sets a market's phases to come, in place of what they were.
    pub(super) fn set_phases(&mut self, symbol: Symbol, steps: &[PhaseStep]) {
        if let Some(before) = self.phases_of.remove(&symbol).and_then(|steps| steps.first().copied()) {
            self.phases.remove(&(before.at, symbol));
        }
        if let Some(first) = steps.first() {
            self.phases.insert((first.at, symbol));
            self.phases_of.insert(symbol, steps.to_vec());
        }
    }

    /// Takes out the next order that is due.
    fn next_order(&mut self, now: Micros) -> Option<(Micros, OrderId)> {
        self.orders.first().filter(|(at, _)| *at <= now)?;
        self.orders.pop_first()
    }

    /// Takes out the next switch that goes off.
    fn next_timer(&mut self, now: Micros) -> Option<(Micros, Account)> {
        let (at, account) = self.timers.first().filter(|(at, _)| *at <= now)?.clone();
        self.set_timer(&account, None);
        Some((at, account))
    }

    /// Takes out the next change of a phase, with what is to come after it.
    fn next_phase(&mut self, now: Micros) -> Option<(Symbol, PhaseStep, Vec<PhaseStep>)> {
        let (_, symbol) = *self.phases.first().filter(|(at, _)| *at <= now)?;
        let steps = self.phases_of.get(&symbol).cloned().unwrap_or_default();
        let (step, then) = steps.split_first()?;
        self.set_phases(symbol, then);
        Some((symbol, *step, then.to_vec()))
    }

    /// Armed switches, by account.
    pub(super) fn timers(&self) -> Vec<(Account, Micros)> {
        self.timer_of.clone().into_iter().collect()
    }

    /// Phases to come, by symbol.
    pub(super) fn phases(&self) -> Vec<(Symbol, Vec<PhaseStep>)> {
        self.phases_of.clone().into_iter().collect()
    }
}

/// In which order things of one time happen.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Order,
    Timer,
    Phase,
}

impl Router {
    /// Asks the books for what is due. An order may have closed in a row that is not published yet: its book knows, and
    /// then does nothing.
    pub(super) fn do_due(&mut self, own: &mut Vec<Event>, routed: &mut Routed) {
        own.push(Event::TimeAdvanced(TimeAdvanced {}));
        let mut due = Vec::new();
        while let Some((at, order_id)) = self.due.next_order(self.time) {
            due.push((self.symbol_of(order_id), at, Kind::Order, BookCommand::Expire { order_id }));
        }
        while let Some((at, account)) = self.due.next_timer(self.time) {
            for symbol in self.markets.symbols() {
                let selection = Selection { account: Some(account.clone()), side: None };
                let cancel = BookCommand::CancelAll { command_id: None, selection, reason: Reason::CancelAfter };
                due.push((symbol, at, Kind::Timer, cancel));
            }
            own.push(Event::CancelAfterFired(CancelAfterFired { account }));
        }
        while let Some((symbol, PhaseStep { at, phase }, then)) = self.due.next_phase(self.time) {
            due.push((symbol, at, Kind::Phase, BookCommand::SetPhase { command_id: None, phase, then }));
        }
        // Stable: of one market, time and kind, the order in which they were taken out stays.
        due.sort_by_key(|(symbol, at, kind, _)| (*symbol, *at, *kind));
        routed.extend(due.into_iter().map(|(symbol, _, _, command)| (symbol, command)));
    }
}
