//! The log as such: numbers without gaps, a chain that holds, one writer at a time, time that never goes back.

use journal::{Position, Record};
use matching::{Event, TradeId};

use super::Facts;
use crate::world::Violation;

/// What is wrong with the log.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut position = Position::START;
    let mut before: Option<&Record> = None;
    for record in &facts.records {
        if !record.follows(&position) {
            let what = format!("row {} does not follow row {}", record.seq, position.seq);
            found.push(Violation::new("sequence and chain are contiguous", what));
        }
        if let Some(before) = before {
            follow(before, record, &mut found);
        }
        position = record.position();
        before = Some(record);
    }
    trade_numbers(facts, &mut found);
    found
}

fn follow(before: &Record, record: &Record, found: &mut Vec<Violation>) {
    let seq = record.seq;
    if record.epoch < before.epoch {
        let what = format!("row {seq} is of term {}, behind one of term {}", record.epoch, before.epoch);
        found.push(Violation::new("one writer", what));
    }
    if record.time < before.time {
        let what = format!("row {seq} is at {}, the one before at {}", record.time, before.time);
        found.push(Violation::new("time never goes back", what));
    }
    if record.stream_id < before.stream_id {
        let what = format!("row {seq} is of entry {}, the one before of {}", record.stream_id, before.stream_id);
        found.push(Violation::new("the stream is read once", what));
    }
}

fn trade_numbers(facts: &Facts, found: &mut Vec<Violation>) {
    let mut next = TradeId::FIRST;
    for row in &facts.rows {
        for event in &row.events {
            let Event::Trade(trade) = event else { continue };
            if trade.trade_id != next {
                let what = format!("row {}: trade {} where {next} must come", row.command.seq, trade.trade_id);
                found.push(Violation::new("trades are numbered without gaps", what));
            }
            next = trade.trade_id.next();
        }
    }
}
