//! The rows of the log, as `pricetime log --json` prints them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use journal::position::Epoch;
use journal::{Chain, Record};
use matching::{Micros, Seq, Symbol};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;

/// A row as it is printed.
#[derive(Deserialize)]
struct Row<'a> {
    seq: u64,
    time: u64,
    epoch: u64,
    stream_position: String,
    symbol: Option<Symbol>,
    kind: String,
    #[serde(borrow)]
    command: &'a RawValue,
    #[serde(borrow)]
    events: &'a RawValue,
    engine_version: i32,
    format: i16,
    chain: String,
}

/// All rows, read one by one from the running tool.
pub struct Rows {
    tool: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Rows {
    /// Reads the log of the service that has this environment and works in this folder.
    pub fn of(binary: &Path, environment: &BTreeMap<String, String>, folder: &Path) -> Result<Rows, Error> {
        let mut command = Command::new(binary);
        command.args(["log", "--json"]).env_clear().envs(environment).current_dir(folder);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut tool = spawned.map_err(Error::io(format!("run {} log", binary.display())))?;
        let Some(output) = tool.stdout.take() else { return Err(Error::Row("the tool has no output".to_owned())) };
        Ok(Rows { tool, lines: BufReader::new(output).lines() })
    }

    fn end(&mut self) -> Option<Result<Record, Error>> {
        match self.tool.wait() {
            Ok(status) if status.success() => None,
            Ok(status) => Some(Err(Error::Row(format!("the log could not be read to its end: {status}")))),
            Err(error) => Some(Err(Error::io("wait for the log's reader")(error))),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Result<Record, Error>> {
        match self.lines.next() {
            None => self.end(),
            Some(Err(error)) => Some(Err(Error::io("read a row of the log")(error))),
            Some(Ok(line)) => Some(record(&line)),
        }
    }
}

fn record(line: &str) -> Result<Record, Error> {
    let row: Row = serde_json::from_str(line).map_err(|error| Error::Row(error.to_string()))?;
    let wrong = |what: &str| Error::Row(format!("row {}: {what}", row.seq));
    Ok(Record {
        seq: Seq::new(row.seq).ok_or_else(|| wrong("its number"))?,
        stream_id: row.stream_position.parse().map_err(|_| wrong("its stream position"))?,
        symbol: row.symbol,
        kind: row.kind.clone(),
        command: row.command.get().to_owned(),
        events: row.events.get().to_owned(),
        time: Micros::new(row.time).ok_or_else(|| wrong("its time"))?,
        epoch: Epoch(row.epoch),
        engine_version: row.engine_version,
        format: row.format,
        chain: chain(&row.chain).ok_or_else(|| wrong("its chain"))?,
    })
}

fn chain(hex: &str) -> Option<Chain> {
    let digits = hex.as_bytes().chunks_exact(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    Chain::from_bytes(&bytes.collect::<Option<Vec<u8>>>()?)
}
