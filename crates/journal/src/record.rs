//! A row of the log, and the batch of rows that one transaction commits.

use matching::{Command, ENGINE_VERSION, Event, Micros, Sequenced, Symbol};

use crate::chain::Chain;
use crate::encoding;
use crate::position::{Epoch, Position, StreamId};
use crate::trace::RequestId;

/// A row of the log: one command and what came of it, as text exactly as hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The row's number.
    pub seq: matching::Seq,
    /// The stream entry that the command came with.
    pub stream_id: StreamId,
    /// The market, if the command concerns one.
    pub symbol: Option<Symbol>,
    /// The command's kind.
    pub kind: String,
    /// The command, canonically encoded.
    pub command: String,
    /// Its events, canonically encoded: a JSON array.
    pub events: String,
    /// When it was numbered.
    pub time: Micros,
    /// Who wrote it.
    pub epoch: Epoch,
    /// The matching rules that made the events.
    pub engine_version: i32,
    /// How command and events are encoded: [`encoding::LOG_FORMAT`].
    pub format: i16,
    /// The chain's value at this row.
    pub chain: Chain,
}

impl Record {
    /// The row that follows `before` for a command and its events.
    pub fn new(
        before: &Position,
        stream_id: StreamId,
        epoch: Epoch,
        command: &Sequenced<Command>,
        events: &[Event],
    ) -> Record {
        Record::traced(before, stream_id, epoch, command, events, None)
    }

    /// The same with the id of the request that the command came with.
    pub fn traced(
        before: &Position,
        stream_id: StreamId,
        epoch: Epoch,
        command: &Sequenced<Command>,
        events: &[Event],
        request_id: Option<&RequestId>,
    ) -> Record {
        assert!(command.seq == before.seq.next(), "row {} cannot follow row {}", command.seq, before.seq);
        assert!(stream_id >= before.stream_id, "row {} goes back in the stream", command.seq);
        let text = encoding::encode_traced(&command.value, request_id);
        let events_text = encoding::encode_events(events);
        let chain = before.chain.next(command.seq, stream_id, epoch, command.time, &text, &events_text);
        Record {
            seq: command.seq,
            stream_id,
            symbol: events.iter().find_map(Event::symbol),
            kind: command.value.kind().to_owned(),
            command: text,
            events: events_text,
            time: command.time,
            epoch,
            engine_version: ENGINE_VERSION,
            format: encoding::LOG_FORMAT,
            chain,
        }
    }

    /// The position after this row.
    pub fn position(&self) -> Position {
        Position { seq: self.seq, stream_id: self.stream_id, chain: self.chain }
    }

    /// Whether this row is the one that `before` says must come next, unaltered.
    pub fn follows(&self, before: &Position) -> bool {
        self.seq == before.seq.next()
            && self.chain
                == before.chain.next(self.seq, self.stream_id, self.epoch, self.time, &self.command, &self.events)
    }
}

/// Rows that are committed together, and the position they start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    start: Position,
    records: Vec<Record>,
}

impl Batch {
    /// A batch of rows that follow one another from `start`.
    ///
    /// # Panics
    /// If there is no row or a row does not follow the one before it.
    pub fn new(start: Position, records: Vec<Record>) -> Batch {
        assert!(!records.is_empty(), "a batch has at least one row");
        let mut before = start.seq;
        for record in &records {
            assert!(record.seq == before.next(), "row {} cannot follow row {before}", record.seq);
            before = record.seq;
        }
        Batch { start, records }
    }

    /// The position before the first row: what the commit compares with.
    pub fn start(&self) -> Position {
        self.start
    }

    /// The position after the last row: what the commit sets.
    pub fn end(&self) -> Position {
        self.records.last().map_or(self.start, Record::position)
    }

    /// The rows, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}
