//! Router and naive books in a loop: what a whole log is held against.

use std::collections::BTreeMap;

use super::NaiveBook;
use crate::command::{Command, Sequenced};
use crate::event::Event;
use crate::router::Router;
use crate::symbol::Symbol;

/// The matching rules, obviously right, for all markets.
#[derive(Default)]
pub struct NaiveEngine {
    router: Router,
    books: BTreeMap<Symbol, NaiveBook>,
}

impl NaiveEngine {
    /// The events of a command.
    pub fn apply(&mut self, command: &Sequenced<Command>) -> Vec<Event> {
        let (mut events, mut routed) = (Vec::new(), Vec::new());
        self.router.route(command, &mut events, &mut routed);
        for event in &events {
            if let Event::InstrumentListed(listed) = event {
                self.books.insert(listed.instrument.symbol(), NaiveBook::new(listed.instrument));
            }
        }
        for (symbol, book_command) in routed {
            let Some(book) = self.books.get_mut(&symbol) else { panic!("{symbol} has no book") };
            let mut happened = Vec::new();
            book.apply(command.seq, book_command, &mut happened);
            events.extend(happened.into_iter().map(|event| self.router.publish(command.seq, symbol, event)));
        }
        events
    }
}
