//! One symbol's book behind a mailbox. Its handler is synchronous: commands are applied in the order of their
//! messages, which a future in between would break.

use actix::{Actor, Context, Handler, Message, MessageResult};
use matching::Seq;
use matching::book::{Book, BookCommand, BookEvent};

/// Applies a symbol's commands of one batch, in order.
#[derive(Message)]
#[rtype(result = "Vec<Vec<BookEvent>>")]
pub(crate) struct ApplyBatch {
    /// Counts this book's batches: 1, 2, 3, ... without gaps.
    pub number: u64,
    /// Each with its number in the log, which only grows.
    pub commands: Vec<(Seq, BookCommand)>,
}

/// Asks for a copy of the book as it is between two batches.
#[derive(Message)]
#[rtype(result = "Book")]
pub(crate) struct CopyBook;

pub(crate) struct BookActor {
    book: Book,
    batches: u64,
    applied: Seq,
}

impl BookActor {
    /// `applied`: the last number of the log that the book may know of.
    pub(crate) fn new(book: Book, applied: Seq) -> BookActor {
        BookActor { book, batches: 0, applied }
    }
}

impl Actor for BookActor {
    type Context = Context<Self>;
}

impl Handler<ApplyBatch> for BookActor {
    type Result = MessageResult<ApplyBatch>;

    fn handle(&mut self, batch: ApplyBatch, _: &mut Self::Context) -> Self::Result {
        let symbol = self.book.symbol();
        assert!(batch.number == self.batches + 1, "batch {} came to {symbol} after {}", batch.number, self.batches);
        self.batches = batch.number;
        let apply = |(seq, command): (Seq, BookCommand)| {
            assert!(seq >= self.applied, "command {seq} came to {symbol} after {}", self.applied);
            self.applied = seq;
            let mut events = Vec::new();
            self.book.apply(seq, command, &mut events);
            events
        };
        MessageResult(batch.commands.into_iter().map(apply).collect())
    }
}

impl Handler<CopyBook> for BookActor {
    type Result = MessageResult<CopyBook>;

    fn handle(&mut self, _: CopyBook, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.book.clone())
    }
}
