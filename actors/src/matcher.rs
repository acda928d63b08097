//! Plans a batch and has the books apply it: numbering and routing on the way there, merging on the way back.
//!
//! Invariant: events are merged by (seq, symbol, index), whatever order the books answered in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::join_all;
use journal::encoding::Traced;
use journal::{Clock, Entry, RequestId, StreamId, encoding};
use matching::book::{Book, BookCommand, BookEvent};
use matching::command::{AdvanceTime, ListInstrument, RefuseEntry, SetPhase};
use matching::router::MAX_SYMBOLS;
use matching::{Command, Event, Instrument, Micros, Router, Seq, Sequenced, Symbol};
use tracing::warn;

use crate::book::{ApplyBatch, BookActor, CopyBook};
use crate::measures::Stage;
use crate::placement::{self, Placement};
use crate::progress::Progress;
use crate::reopening::Reopening;

/// A command and what came of it, not yet committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    pub command: Sequenced<Command>,
    /// The stream entry that it came with.
    pub stream_id: StreamId,
    /// The id that the client gave its request.
    pub request_id: Option<RequestId>,
    pub events: Vec<Event>,
}

/// What is done before anything is read.
#[derive(Debug, Default)]
pub(crate) struct First {
    /// Instruments from configuration, on the first start.
    pub listings: Vec<Instrument>,
    /// Markets that reopen after an unclean start.
    pub reopenings: Vec<(Symbol, Reopening)>,
}

impl First {
    pub(crate) fn is_empty(&self) -> bool {
        self.listings.is_empty() && self.reopenings.is_empty()
    }
}

/// What decides about commands besides the state.
pub(crate) struct MatcherRules {
    pub clock: Arc<dyn Clock>,
    /// Whether an order for an unlisted symbol lists it.
    pub auto_list: bool,
    /// An order that waited for longer is stale; none: it may wait for ever.
    pub max_queue_age: Option<Duration>,
}

/// The router, the addresses of all books, and the batch that is being planned.
pub(crate) struct Matcher {
    rules: MatcherRules,
    router: Router,
    books: BTreeMap<Symbol, BookHandle>,
    placement: Placement,
    progress: Arc<Progress>,
    /// The stream entry of the last row.
    stream_id: StreamId,
    /// The stamp of the batch: one for all its rows, so that nothing falls due in the middle of it.
    now: Micros,
    rows: Vec<Row>,
}

struct BookHandle {
    address: Addr<BookActor>,
    /// Batches sent so far.
    batches: u64,
    /// This batch's commands, each with its row.
    planned: Vec<(usize, Seq, BookCommand)>,
}

/// A row of the batch while the books are at work: the router's own events, and what the books answered, by symbol.
struct Row {
    command: Sequenced<Command>,
    stream_id: StreamId,
    request_id: Option<RequestId>,
    own: Vec<Event>,
    answers: Vec<(Symbol, Vec<BookEvent>)>,
}

impl Matcher {
    /// Starts an actor for each book. `stream_id`: the entry of the last row.
    pub(crate) fn new(
        rules: MatcherRules,
        router: Router,
        books: Vec<Book>,
        placement: Placement,
        stream_id: StreamId,
        progress: Arc<Progress>,
    ) -> Matcher {
        let (now, rows) = (router.time(), Vec::new());
        let mut matcher = Matcher { rules, router, books: BTreeMap::new(), placement, progress, stream_id, now, rows };
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

    /// Plans what is done before anything is read.
    pub(crate) fn plan_first(&mut self, first: First) {
        self.plan_expiry();
        for instrument in first.listings {
            self.plan(Command::ListInstrument(ListInstrument { command_id: None, instrument }));
        }
        for (symbol, reopening) in first.reopenings {
            let (phase, then) = reopening.schedule(self.now);
            self.plan(Command::SetPhase(SetPhase { command_id: None, symbol, phase, then }));
        }
    }

    /// Whether something expires now.
    pub(crate) fn is_due(&self) -> bool {
        self.router.next_due().is_some_and(|due| due <= self.rules.clock.now())
    }

    /// How long until something expires, as far as is known.
    pub(crate) fn next_due_in(&self) -> Option<Duration> {
        let due = self.router.next_due()?;
        Some(Duration::from_micros(due.get().saturating_sub(self.rules.clock.now().get())))
    }

    /// Plans the expiry of what is due, if something is.
    pub(crate) fn plan_expiry(&mut self) {
        self.stamp();
        if self.router.next_due().is_some_and(|due| due <= self.now) {
            self.plan(Command::AdvanceTime(AdvanceTime {}));
        }
    }

    /// Plans the commands of stream entries, behind what is due before them, and takes them out of `entries`: whole ones
    /// until there are `enough` rows. What cannot be read becomes a refusal in the log, and the stream goes on.
    pub(crate) fn plan_entries(&mut self, entries: &mut VecDeque<Entry>, enough: usize) {
        self.plan_expiry();
        while self.rows.len() < enough
            && let Some(entry) = entries.pop_front()
        {
            self.stream_id = entry.id;
            let decoded = entry.payload.and_then(|payload| {
                encoding::decode_traced(payload.format, &payload.text).map_err(|error| error.to_string())
            });
            match decoded {
                Ok(commands) => commands.into_iter().for_each(|traced| self.plan_traced(traced)),
                Err(error) => {
                    warn!(entry = %entry.id, %error, "a stream entry cannot be read: refused in the log");
                    let refuse = RefuseEntry { stream_id: entry.id.to_string(), error };
                    self.plan(Command::RefuseEntry(refuse));
                }
            }
        }
    }

    fn stamp(&mut self) {
        self.now = self.rules.clock.now().max(self.router.time());
    }

    fn plan_traced(&mut self, traced: Traced) {
        let Traced { mut command, request_id } = traced;
        if let Command::NewOrder(new) = &mut command {
            let order = &new.order;
            let unlisted = self.router.instrument(order.symbol).is_none();
            if unlisted && self.rules.auto_list && self.books.len() < MAX_SYMBOLS {
                let instrument = Instrument::finest(order.symbol);
                self.plan(Command::ListInstrument(ListInstrument { command_id: None, instrument }));
            }
            let queued = Duration::from_micros(self.now.get().saturating_sub(order.received_at.get()));
            self.progress.measures.took(Stage::Queue, queued);
            let waited = || self.rules.clock.since(order.received_at);
            new.stale = self.rules.max_queue_age.is_some_and(|most| waited() > most);
        }
        self.plan_with(command, request_id);
    }

    /// Plans a command of the service's own.
    fn plan(&mut self, command: Command) {
        self.plan_with(command, None);
    }

    /// Gives a command its number and sends it where it belongs.
    fn plan_with(&mut self, command: Command, request_id: Option<RequestId>) {
        let command = Sequenced { seq: self.router.seq().next(), time: self.now, value: command };
        let (mut own, mut routed) = (Vec::new(), Vec::new());
        self.router.route(&command, &mut own, &mut routed);
        if let [Event::InstrumentListed(listed)] = own.as_slice() {
            self.start_book(Book::new(listed.instrument));
        }
        for (symbol, book_command) in routed {
            let Some(book) = self.books.get_mut(&symbol) else { panic!("{symbol} is listed and has no book") };
            book.planned.push((self.rows.len(), command.seq, book_command));
        }
        self.rows.push(Row { command, stream_id: self.stream_id, request_id, own, answers: Vec::new() });
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
        let mut events = row.own;
        for (symbol, answers) in row.answers {
            events.extend(answers.into_iter().map(|event| self.router.publish(row.command.seq, symbol, event)));
        }
        assert!(!events.is_empty(), "command {} came to nothing", row.command.seq);
        Matched { command: row.command, stream_id: row.stream_id, request_id: row.request_id, events }
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
