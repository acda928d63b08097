//! Router, books and ledger in one loop: what recovery folds with, and what everything else is compared with.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::command::{Command, Sequenced};
use crate::event::Event;
use crate::image::{EngineImage, StateHash};
use crate::ledger::{Changes, Ledger};
use crate::router::Router;
use crate::symbol::Symbol;
use crate::units::{Micros, Seq};

/// The whole matching engine, synchronous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    router: Router,
    books: BTreeMap<Symbol, Book>,
    ledger: Ledger,
}

impl Engine {
    /// An engine that knows nothing yet and keeps the last `retain_closed` closed orders.
    pub fn new(retain_closed: u64) -> Engine {
        Engine { router: Router::new(), books: BTreeMap::new(), ledger: Ledger::new(retain_closed) }
    }

    /// An engine in the state of an image, with its own limit on closed orders.
    pub fn from_image(image: EngineImage, retain_closed: u64) -> Engine {
        let EngineImage { router, books, mut ledger } = image;
        ledger.retain_closed(retain_closed);
        Engine { router, books: books.into_iter().map(|book| (book.symbol(), book)).collect(), ledger }
    }

    /// Its parts: router, books in symbol order, ledger.
    pub fn into_parts(self) -> (Router, Vec<Book>, Ledger) {
        (self.router, self.books.into_values().collect(), self.ledger)
    }

    /// A copy of the whole state.
    pub fn image(&self) -> EngineImage {
        EngineImage {
            router: self.router.clone(),
            books: self.books.values().cloned().collect(),
            ledger: self.ledger.clone(),
        }
    }

    /// The hash of the whole state.
    pub fn state_hash(&self) -> StateHash {
        StateHash::of(&self.image().encode())
    }

    /// What readers see.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A listed symbol's book.
    pub fn book(&self, symbol: Symbol) -> Option<&Book> {
        self.books.get(&symbol)
    }

    /// Applies a command and adds its events to `out`. It cannot fail: a refusal is an event.
    pub fn apply(&mut self, command: &Sequenced<Command>, out: &mut Vec<Event>) {
        let first = out.len();
        let mut routed = Vec::new();
        self.router.route(command, out, &mut routed);
        if let Command::ListInstrument(_) = &command.value {
            self.open_books(&out[first..]);
        }
        let mut events = Vec::new();
        for (symbol, book_command) in routed {
            self.book_mut(symbol).apply(command.seq, book_command, &mut events);
            out.extend(events.drain(..).map(|event| self.router.publish(command.seq, symbol, event)));
        }
        self.ledger.fold(command.seq, command.time, &out[first..], &mut Changes::default());
    }

    /// Takes in the events of row `seq`, the same state as applying its command, and adds to `changes` what readers see
    /// change.
    pub fn fold(&mut self, seq: Seq, time: Micros, events: &[Event], changes: &mut Changes) {
        self.router.fold(seq, time, events);
        self.open_books(events);
        for event in events {
            if let Some((symbol, book_event)) = self.router.book_event(event) {
                self.book_mut(symbol).fold(seq, &book_event);
            }
        }
        self.ledger.fold(seq, time, events, changes);
    }

    fn open_books(&mut self, events: &[Event]) {
        for event in events {
            if let Event::InstrumentListed(listed) = event {
                let symbol = listed.instrument.symbol();
                let before = self.books.insert(symbol, Book::new(listed.instrument));
                assert!(before.is_none(), "{symbol} has a book already");
            }
        }
    }

    fn book_mut(&mut self, symbol: Symbol) -> &mut Book {
        match self.books.get_mut(&symbol) {
            Some(book) => book,
            None => panic!("{symbol} is listed and has no book"),
        }
    }
}
