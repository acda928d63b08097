//! Plans a batch and has the books apply it: numbering and routing on the way there, merging on the way back.
//!
//! Invariant: events are merged by (seq, symbol, index), whatever order the books answered in.

use std::collections::BTreeMap;

use actix::Addr;
use futures_util::future::join_all;
use journal::{Entry, StreamId, encoding};
use matching::book::{Book, BookCommand, BookEvent};
use matching::command::{ListInstrument, RefuseEntry};
use matching::router::MAX_SYMBOLS;
use matching::{Command, Event, Instrument, Micros, Router, Seq, Sequenced, Symbol};
use tracing::warn;

use crate::book::{ApplyBatch, BookActor, CopyBook};
use crate::placement::{self, Placement};

/// A command and what came of it, not yet committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    pub command: Sequenced<Command>,
    /// The stream entry that it came with.
    pub stream_id: StreamId,
    pub events: Vec<Event>,
}

/// The router, the addresses of all books, and the batch that is being planned.
pub(crate) struct Matcher {
    router: Router,
    books: BTreeMap<Symbol, BookHandle>,
    placement: Placement,
    auto_list: bool,
    rows: Vec<Row>,
}

struct BookHandle {
    address: Addr<BookActor>,
    /// Batches sent so far.
    batches: u64,
    /// This batch's commands, each with its row.
    planned: Vec<(usize, Seq, BookCommand)>,
}

/// A row of the batch while the books are at work: the router's own event, or what the books answered, by symbol.
struct Row {
    command: Sequenced<Command>,
    stream_id: StreamId,
    own: Option<Event>,
    answers: Vec<(Symbol, Vec<BookEvent>)>,
}

impl Matcher {
    /// Starts an actor for each book. `auto_list`: whether an order for an unlisted symbol lists it.
    pub(crate) fn new(router: Router, books: Vec<Book>, placement: Placement, auto_list: bool) -> Matcher {
        let mut matcher = Matcher { router, books: BTreeMap::new(), placement, auto_list, rows: Vec::new() };
        for book in books {
            matcher.start_book(book);
        }
        matcher
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    fn start_book(&mut self, book: Book) {
        let symbol = book.symbol();
        let thread = self.placement.book(self.books.len());
        let address = placement::start(thread, BookActor::new(book, self.router.seq()));
        let before = self.books.insert(symbol, BookHandle { address, batches: 0, planned: Vec::new() });
        assert!(before.is_none(), "{symbol} has a book already");
    }

    /// Plans the listing of instruments from configuration.
    pub(crate) fn plan_listings(&mut self, instruments: Vec<Instrument>, stream_id: StreamId, now: Micros) {
        for instrument in instruments {
            self.plan(Command::ListInstrument(ListInstrument { instrument }), stream_id, now);
        }
    }

    /// Plans the commands of stream entries. What cannot be read becomes a refusal in the log, and the stream goes on.
    pub(crate) fn plan_entries(&mut self, entries: Vec<Entry>, now: Micros) {
        for entry in entries {
            let decoded = entry.payload.and_then(|payload| {
                encoding::decode_entry(payload.format, &payload.text).map_err(|error| error.to_string())
            });
            match decoded {
                Ok(commands) => commands.into_iter().for_each(|command| self.plan_command(command, entry.id, now)),
                Err(error) => {
                    warn!(entry = %entry.id, %error, "a stream entry cannot be read: refused in the log");
                    let refuse = RefuseEntry { stream_id: entry.id.to_string(), error };
                    self.plan(Command::RefuseEntry(refuse), entry.id, now);
                }
            }
        }
    }

    fn plan_command(&mut self, command: Command, stream_id: StreamId, now: Micros) {
        if let Command::NewOrder(order) = &command
            && self.auto_list
            && self.router.instrument(order.symbol).is_none()
            && self.books.len() < MAX_SYMBOLS
        {
            let listing = ListInstrument { instrument: Instrument::finest(order.symbol) };
            self.plan(Command::ListInstrument(listing), stream_id, now);
        }
        self.plan(command, stream_id, now);
    }

    /// Gives a command its number and sends it where it belongs.
    fn plan(&mut self, command: Command, stream_id: StreamId, now: Micros) {
        let command = Sequenced { seq: self.router.seq().next(), time: now.max(self.router.time()), value: command };
        let mut routed = Vec::new();
        let own = self.router.route(&command, &mut routed);
        if let Some(Event::InstrumentListed(listed)) = &own {
            self.start_book(Book::new(listed.instrument.symbol()));
        }
        for (symbol, book_command) in routed {
            let Some(book) = self.books.get_mut(&symbol) else { panic!("{symbol} is listed and has no book") };
            book.planned.push((self.rows.len(), command.seq, book_command));
        }
        self.rows.push(Row { command, stream_id, own, answers: Vec::new() });
    }

    /// Has the books apply what was planned, side by side, and merges their answers.
    pub(crate) async fn run(&mut self) -> Vec<Matched> {
        let mut asked = Vec::new();
        for (symbol, book) in self.books.iter_mut().filter(|(_, book)| !book.planned.is_empty()) {
            let planned = std::mem::take(&mut book.planned);
            let (rows, commands): (Vec<usize>, Vec<_>) =
                planned.into_iter().map(|(row, seq, command)| (row, (seq, command))).unzip();
            book.batches += 1;
            let answer = book.address.send(ApplyBatch { number: book.batches, commands });
            asked.push(async move { (*symbol, rows, answer.await) });
        }
        // In symbol order, so each row's answers come in symbol order too.
        for (symbol, rows, answers) in join_all(asked).await {
            let Ok(answers) = answers else { panic!("the book of {symbol} has stopped") };
            for (row, events) in rows.into_iter().zip(answers) {
                self.rows[row].answers.push((symbol, events));
            }
        }
        let rows = std::mem::take(&mut self.rows);
        rows.into_iter().map(|row| self.merge(row)).collect()
    }

    fn merge(&mut self, row: Row) -> Matched {
        let mut events: Vec<Event> = row.own.into_iter().collect();
        for (symbol, answers) in row.answers {
            events.extend(answers.into_iter().map(|event| self.router.publish(row.command.seq, symbol, event)));
        }
        assert!(!events.is_empty(), "command {} came to nothing", row.command.seq);
        Matched { command: row.command, stream_id: row.stream_id, events }
    }

    /// A copy of every book, in symbol order. Between two batches only.
    pub(crate) async fn copy_books(&self) -> Vec<Book> {
        assert!(self.rows.is_empty(), "books are copied in the middle of a batch");
        let copies = self.books.iter().map(|(symbol, book)| {
            let copy = book.address.send(CopyBook);
            async move {
                let Ok(book) = copy.await else { panic!("the book of {symbol} has stopped") };
                book
            }
        });
        join_all(copies).await
    }
}
