//! The instruments: listed once, changed by commands, never taken away.

use std::collections::BTreeMap;

use crate::book::BookCommand;
use crate::command::{ListInstrument, MAX_PHASE_STEPS, SetPhase, UpdateInstrument};
use crate::event::{Event, InstrumentListed, ListingRejected};
use crate::instrument::Instrument;
use crate::phase::PhaseStep;
use crate::reason::Reason;
use crate::symbol::Symbol;

use super::{Routed, Router, rejected};

/// The most symbols that can be listed: each has a book and an actor.
pub const MAX_SYMBOLS: usize = 1_000;

/// An instrument's place in the order of listing.
pub(super) type Index = u16;

/// All instruments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markets {
    /// In the order of their listing.
    instruments: Vec<Instrument>,
    by_symbol: BTreeMap<Symbol, Index>,
}

impl Markets {
    pub(super) fn len(&self) -> usize {
        self.instruments.len()
    }

    pub(super) fn index(&self, symbol: Symbol) -> Option<Index> {
        self.by_symbol.get(&symbol).copied()
    }

    pub(super) fn get(&self, symbol: Symbol) -> Option<&Instrument> {
        self.index(symbol).map(|index| self.at(index))
    }

    pub(super) fn at(&self, index: Index) -> &Instrument {
        &self.instruments[usize::from(index)]
    }

    pub(super) fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.by_symbol.keys().copied()
    }

    /// In the order of their listing.
    pub(super) fn into_instruments(self) -> Vec<Instrument> {
        self.instruments
    }

    /// # Panics
    /// If the symbol is listed, or too many are: a broken invariant.
    pub(super) fn add(&mut self, instrument: Instrument) {
        let Ok(index) = Index::try_from(self.instruments.len()) else { panic!("more instruments than {MAX_SYMBOLS}") };
        self.instruments.push(instrument);
        let before = self.by_symbol.insert(instrument.symbol(), index);
        assert!(before.is_none(), "{} is listed twice", instrument.symbol());
    }

    /// # Panics
    /// If the symbol is not listed, or its scale changes: a broken invariant.
    pub(super) fn update(&mut self, instrument: Instrument) {
        let Some(index) = self.index(instrument.symbol()) else { panic!("{} is not listed", instrument.symbol()) };
        let listed = &mut self.instruments[usize::from(index)];
        assert!(listed.has_scale_of(&instrument), "the scale of {} changes", instrument.symbol());
        *listed = instrument;
    }
}

impl Router {
    pub(super) fn list(&mut self, listing: &ListInstrument) -> Event {
        let ListInstrument { command_id, instrument } = *listing;
        self.remember_if(command_id);
        let symbol = instrument.symbol();
        let refused = |reason_code| Event::ListingRejected(ListingRejected { command_id, symbol, reason_code });
        if self.markets.get(symbol).is_some() {
            return refused(Reason::AlreadyListed);
        }
        if self.markets.len() >= MAX_SYMBOLS {
            return refused(Reason::TooManySymbols);
        }
        self.markets.add(instrument);
        Event::InstrumentListed(InstrumentListed { command_id, instrument })
    }

    /// New rules hold for every command behind this one; the book hears of them at its place among the market's commands.
    pub(super) fn route_update(&mut self, update: &UpdateInstrument, own: &mut Vec<Event>, routed: &mut Routed) {
        let UpdateInstrument { command_id, instrument } = *update;
        let symbol = instrument.symbol();
        self.remember(command_id);
        match self.markets.get(symbol) {
            None => own.push(rejected(Some(command_id), Some(symbol), Reason::UnknownSymbol)),
            Some(listed) if !listed.has_scale_of(&instrument) => {
                own.push(rejected(Some(command_id), Some(symbol), Reason::ScaleChanged));
            }
            Some(_) => {
                self.markets.update(instrument);
                routed.push((symbol, BookCommand::UpdateInstrument { command_id, instrument }));
            }
        }
    }

    pub(super) fn route_phase(&mut self, set: &SetPhase, own: &mut Vec<Event>, routed: &mut Routed) {
        let SetPhase { command_id, symbol, phase, ref then } = *set;
        self.remember_if(command_id);
        if self.markets.get(symbol).is_none() {
            own.push(rejected(command_id, Some(symbol), Reason::UnknownSymbol));
        } else if !self.is_schedule(then) {
            own.push(rejected(command_id, Some(symbol), Reason::InvalidSchedule));
        } else {
            self.due.set_phases(symbol, then);
            routed.push((symbol, BookCommand::SetPhase { command_id, phase, then: then.clone() }));
        }
    }

    fn is_schedule(&self, steps: &[PhaseStep]) -> bool {
        steps.len() <= MAX_PHASE_STEPS
            && steps.first().is_none_or(|first| first.at > self.time)
            && steps.windows(2).all(|pair| pair[0].at < pair[1].at)
    }
}
