//! The matching rules once more, with the naive books: what every row of the log is held against.

use std::collections::BTreeMap;

use matching::naive::NaiveBook;
use matching::{Command, Event, Router, Sequenced, Symbol};

/// Router and naive books in a loop.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    router: Router,
    books: BTreeMap<Symbol, NaiveBook>,
}

impl Reference {
    /// The events of a command.
    pub(crate) fn apply(&mut self, command: &Sequenced<Command>) -> Vec<Event> {
        let mut routed = Vec::new();
        let mut events: Vec<Event> = self.router.route(command, &mut routed).into_iter().collect();
        for (symbol, book_command) in routed {
            let mut happened = Vec::new();
            self.books.entry(symbol).or_default().apply(book_command, &mut happened);
            events.extend(happened.into_iter().map(|event| self.router.publish(command.seq, symbol, event)));
        }
        events
    }
}
