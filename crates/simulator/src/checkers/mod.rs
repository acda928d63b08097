//! The checkers, one file for each kind of promise. Each looks at what is left of a simulation: the log, the projection
//! and what the clients were told.

pub mod books;
pub mod log;
pub mod once;
pub mod replay;
pub mod told;

use std::collections::BTreeMap;

use journal::{Epoch, ProjectionPosition, Record, Snapshot, StreamId, encoding};
use matching::{Command, Event, Instrument, Micros, Seq, Sequenced};

use crate::history::{ReadAnswer, Sent};
use crate::lock;
use crate::process::ProcessSettings;
use crate::projection::Contents;
use crate::random::Random;
use crate::world::{Violation, World};

/// A row of the log, read.
#[derive(Debug, Clone)]
pub struct Row {
    /// Number, time and command.
    pub command: Sequenced<Command>,
    /// What came of it.
    pub events: Vec<Event>,
    /// Who wrote it.
    pub epoch: Epoch,
    /// The stream entry that it came with.
    pub stream_id: StreamId,
}

/// What is left of a simulation.
pub struct Facts {
    /// The rows as they are stored.
    pub records: Vec<Record>,
    /// The same, read.
    pub rows: Vec<Row>,
    /// The row that the projection shows.
    pub shown: Option<ProjectionPosition>,
    /// What the projection shows.
    pub contents: Contents,
    /// The snapshots that are kept.
    pub snapshots: Vec<Snapshot>,
    /// Closed orders that the ledger keeps.
    pub retain_closed: u64,
    /// What clients sent and were told.
    pub sent: Vec<Sent>,
    /// What clients read.
    pub reads: Vec<ReadAnswer>,
    /// When each commit ended, by its last row.
    pub commits: BTreeMap<Seq, u64>,
    /// Which process wrote in each term.
    pub writers: BTreeMap<Epoch, u64>,
    /// How long an order may wait, in milliseconds.
    pub max_queue_age: Option<u64>,
    /// The instruments of the configuration.
    pub instruments: Vec<Instrument>,
    /// Choices that the checkers make.
    pub random: Random,
    /// Rows that cannot be read.
    unreadable: Vec<Violation>,
}

impl Facts {
    /// Reads what is left.
    pub fn gather(world: &World, settings: &ProcessSettings, random: Random) -> Facts {
        let history = lock(&world.history);
        let mut facts = Facts {
            shown: world.projection.position(),
            contents: world.projection.contents(),
            snapshots: world.snapshots.all(),
            retain_closed: settings.retain_closed,
            sent: history.sent.values().cloned().collect(),
            reads: history.reads.clone(),
            commits: history.commits.clone(),
            writers: history.writers.clone(),
            max_queue_age: settings.pipeline.max_queue_age.map(|age| age.as_millis() as u64),
            instruments: settings.pipeline.instruments.clone(),
            random,
            ..Facts::of(world.log.rows())
        };
        facts.random = facts.random.fork();
        facts
    }

    /// The facts of a log alone.
    pub fn of(records: Vec<Record>) -> Facts {
        let mut unreadable = Vec::new();
        let mut rows = Vec::new();
        for record in &records {
            let command = encoding::decode_command(record.format, &record.command);
            let events = encoding::decode_events(record.format, &record.events);
            match (command, events) {
                (Ok(value), Ok(events)) => rows.push(Row {
                    command: Sequenced { seq: record.seq, time: record.time, value },
                    events,
                    epoch: record.epoch,
                    stream_id: record.stream_id,
                }),
                (command, events) => {
                    let what = format!("row {}: {:?} {:?}", record.seq, command.err(), events.err());
                    unreadable.push(Violation::new("the log is whole", what));
                }
            }
        }
        Facts {
            records,
            rows,
            shown: None,
            contents: Contents::default(),
            snapshots: Vec::new(),
            retain_closed: u64::MAX,
            sent: Vec::new(),
            reads: Vec::new(),
            commits: BTreeMap::new(),
            writers: BTreeMap::new(),
            max_queue_age: None,
            instruments: Vec::new(),
            random: Random::new(0),
            unreadable,
        }
    }

    /// The time of the last row.
    pub fn last_time(&self) -> Micros {
        self.rows.last().map_or(Micros::ZERO, |row| row.command.time)
    }

    /// When row `seq` was committed, in milliseconds since the beginning.
    pub fn committed_at(&self, seq: Seq) -> Option<u64> {
        self.commits.range(seq..).next().map(|(_, at)| *at)
    }
}

/// All promises that were broken. A log that cannot be read or followed is judged no further.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let mut found = facts.unreadable.clone();
    found.extend(log::check(facts));
    found.extend(once::check(facts));
    // The later ones fold what the earlier ones found sound.
    for check in [books::check, told::check, replay::check] {
        if found.is_empty() {
            found = check(facts);
        }
    }
    found
}

#[cfg(test)]
mod tests;
