//! What clients and readers were told, held against the log: answers, reads, the projection at rest, and orders refused
//! for having waited.

use std::collections::BTreeMap;

use matching::{Changes, Command, CommandId, Event, Ledger, Reason, Seq};

use super::{Facts, Row};
use crate::history::{Answer, ReadAnswer, Sent};
use crate::projection::Contents;
use crate::world::Violation;

/// By how many milliseconds a wait may be told longer than it was: the clock takes a step of up to 100 ms for drift, and
/// there may be a few.
const DRIFT: u64 = 300;

/// What is wrong.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    answers(facts, &mut found);
    reads(facts, &mut found);
    waited(facts, &mut found);
    found
}

/// A final answer is the row that it names.
fn answers(facts: &Facts, found: &mut Vec<Violation>) {
    let rows: BTreeMap<Seq, &Row> = facts.rows.iter().map(|row| (row.command.seq, row)).collect();
    for sent in &facts.sent {
        for answer in &sent.answers {
            let Answer::Final(outcome) = answer else { continue };
            let row = rows.get(&outcome.seq);
            let held =
                row.is_some_and(|row| row.command.value.id() == sent.command.id() && row.events == outcome.events);
            if !held {
                let what = format!("{:?} was answered with {outcome:?}, and the log has {row:?}", sent.command.id());
                found.push(Violation::new("an answer is what the log says", what));
            }
        }
    }
}

/// What was read is the ledger at that row; what the projection shows is the ledger at its end.
fn reads(facts: &Facts, found: &mut Vec<Violation>) {
    let mut reads: BTreeMap<Seq, Vec<&ReadAnswer>> = BTreeMap::new();
    for read in &facts.reads {
        reads.entry(read.seq).or_default().push(read);
    }
    let mut ledger = Ledger::new(facts.retain_closed);
    let mut compare = |ledger: &Ledger, found: &mut Vec<Violation>| {
        for read in reads.remove(&ledger.seq()).unwrap_or_default() {
            if read.order.as_ref() != ledger.order(read.order_id) {
                let what =
                    format!("at row {}: {:?} was read as {:?}", read.seq, ledger.order(read.order_id), read.order);
                found.push(Violation::new("what is read is the ledger", what));
            }
        }
    };
    compare(&ledger, found);
    for row in &facts.rows {
        ledger.fold(row.command.seq, row.command.time, &row.events, &mut Changes::default());
        compare(&ledger, found);
    }
    if facts.shown.is_some() && facts.contents != Contents::of(&ledger) {
        let what = difference(&facts.contents, &Contents::of(&ledger));
        found.push(Violation::new("the projection equals the ledger at rest", what));
    }
}

fn difference(shown: &Contents, right: &Contents) -> String {
    let order = right.orders.iter().find(|(id, order)| shown.orders.get(id) != Some(order));
    match order {
        Some((id, order)) => format!("order {id} is shown as {:?}, and is {order:?}", shown.orders.get(id)),
        None => format!("{} orders and {} trades too many", shown.orders.len(), shown.trades.len()),
    }
}

/// An order that is refused for having waited did wait, as far as one process measured it: what the wall clock leapt is
/// no time that passed.
fn waited(facts: &Facts, found: &mut Vec<Violation>) {
    let Some(most) = facts.max_queue_age else { return };
    let sent: BTreeMap<CommandId, &Sent> =
        facts.sent.iter().filter_map(|sent| Some((sent.command.id()?, sent))).collect();
    for row in &facts.rows {
        let Command::NewOrder(order) = &row.command.value else { continue };
        let refused = row
            .events
            .iter()
            .any(|event| matches!(event, Event::OrderRejected(rejected) if rejected.reason_code == Reason::Stale));
        if !order.stale || !refused {
            continue;
        }
        let Some(sent) = row.command.value.id().and_then(|id| sent.get(&id)) else { continue };
        let (Some(at), Some(writer)) = (facts.committed_at(row.command.seq), facts.writers.get(&row.epoch)) else {
            continue;
        };
        if *writer == sent.life && at.saturating_sub(sent.at) + DRIFT < most {
            let what = format!("row {}: an order is stale after {} ms", row.command.seq, at - sent.at);
            found.push(Violation::new("an order's age is time that it waited", what));
        }
    }
}
