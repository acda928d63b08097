//! A row of the log as it leaves the store: everything that its chain is made of. docs/log-format.md is the page about it.

use journal::{Chain, Epoch, Record, encoding};
use matching::{Event, Micros, Seq};
use serde::{Deserialize, Serialize};

/// A row. Command and events are the very texts that are hashed, so they are strings here.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportedRow {
    seq: u64,
    time: u64,
    epoch: u64,
    stream_position: String,
    engine_version: i32,
    format: i16,
    command: String,
    events: String,
    chain: String,
}

impl ExportedRow {
    /// A row as it is exported.
    pub fn of(row: &Record) -> ExportedRow {
        ExportedRow {
            seq: row.seq.get(),
            time: row.time.get(),
            epoch: row.epoch.0,
            stream_position: row.stream_id.to_string(),
            engine_version: row.engine_version,
            format: row.format,
            command: row.command.clone(),
            events: row.events.clone(),
            chain: row.chain.to_string(),
        }
    }

    /// The row as the log has it. Its kind and symbol are those of command and events.
    pub fn record(self) -> Result<Record, String> {
        let command = encoding::decode_command(self.format, &self.command).map_err(|error| error.to_string())?;
        let events = encoding::decode_events(self.format, &self.events).map_err(|error| error.to_string())?;
        let number = |name: &str| format!("its {name} is none");
        Ok(Record {
            seq: Seq::new(self.seq).ok_or_else(|| number("seq"))?,
            stream_id: self.stream_position.parse().map_err(|_| number("stream_position"))?,
            symbol: events.iter().find_map(Event::symbol),
            kind: command.kind().to_owned(),
            time: Micros::new(self.time).ok_or_else(|| number("time"))?,
            epoch: Epoch(self.epoch),
            engine_version: self.engine_version,
            format: self.format,
            chain: Chain::from_hex(&self.chain).ok_or_else(|| number("chain"))?,
            command: self.command,
            events: self.events,
        })
    }
}
