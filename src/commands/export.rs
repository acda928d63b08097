//! `pricetime export`: the event log as JSON Lines, with everything that its chain is made of. docs/log-format.md is the
//! page about it.

use std::io::{self, BufWriter, Write};

use journal::LogError;
use matching::Seq;

use crate::archive::ExportedRow;
use crate::config::Settings;
use crate::exit::End;
use crate::inspect::log::PAGE_ROWS;
use crate::storage;

/// Prints the rows `from` to `to`; without `to`, up to where the log ended when this began.
pub async fn export(settings: &Settings, from: u64, to: Option<u64>) -> Result<(), End> {
    let records = storage::records(settings).await?;
    let end = records.log.position().await?.position.seq;
    let mut at = Seq::new(from.saturating_sub(1)).unwrap_or(Seq::LAST);
    let last = to.map_or(end, |to| Seq::new(to).unwrap_or(Seq::LAST).min(end));
    let mut out = BufWriter::new(io::stdout().lock());
    while at < last {
        let wanted = (last.get() - at.get()).min(PAGE_ROWS as u64) as usize;
        let rows = records.log.page(at, wanted).await?;
        if rows.is_empty() {
            return Err(missing(at.next()).into());
        }
        for row in &rows {
            if row.seq != at.next() {
                return Err(missing(at.next()).into());
            }
            serde_json::to_writer(&mut out, &ExportedRow::of(row)).map_err(|error| End::Output(error.into()))?;
            out.write_all(b"\n").map_err(End::Output)?;
            at = row.seq;
        }
    }
    out.flush().map_err(End::Output)
}

fn missing(seq: Seq) -> LogError {
    LogError::Damaged { seq, error: "the row is missing".to_owned() }
}
