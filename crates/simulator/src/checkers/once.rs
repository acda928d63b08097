//! Exactly once: what was acknowledged is executed or rejected once; what was refused is not; a name is used once; and
//! nothing is executed that nobody sent.

use std::collections::BTreeMap;

use matching::command::NewOrder;
use matching::{Account, ClientOrderId, Command, CommandId, Event, Order, OrderId, Seq, Symbol};

use super::{Facts, Row};
use crate::history::Sent;
use crate::world::Violation;

const RULE: &str = "every acknowledged command is executed or rejected exactly once";

/// What is wrong.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    let executions = executions(facts);
    for sent in &facts.sent {
        let Some(id) = sent.command.id() else { continue };
        let rows = executions.get(&id).map(Vec::as_slice).unwrap_or_default();
        if let Some(what) = judge(id, sent, rows) {
            found.push(Violation::new(RULE, what));
        }
    }
    invented(facts, &mut found);
    names(facts, &mut found);
    found
}

/// Of the promised commands: how many there are, how many of them the log does not hold, and how many it holds twice.
pub fn count(facts: &Facts) -> (u64, u64, u64) {
    let executions = executions(facts);
    let (mut promised, mut lost, mut twice) = (0, 0, 0);
    for sent in facts.sent.iter().filter(|sent| sent.is_promised() && !sent.excused) {
        let times = sent.command.id().and_then(|id| executions.get(&id)).map_or(0, Vec::len);
        promised += 1;
        lost += u64::from(times == 0);
        twice += u64::from(times > 1);
    }
    (promised, lost, twice)
}

fn judge(id: CommandId, sent: &Sent, rows: &[Seq]) -> Option<String> {
    match rows {
        [] if sent.is_promised() && !sent.excused => Some(format!("command {id} is lost")),
        [_, _, ..] => Some(format!("command {id} is executed in rows {rows:?}")),
        [seq] if sent.is_refused() => Some(format!("command {id} was not taken, and is executed in row {seq}")),
        _ => None,
    }
}

/// The rows that did something about each command: all but those that refuse a repetition.
fn executions(facts: &Facts) -> BTreeMap<CommandId, Vec<Seq>> {
    let mut executions: BTreeMap<CommandId, Vec<Seq>> = BTreeMap::new();
    for row in &facts.rows {
        let repeated = matches!(row.events.as_slice(), [Event::DuplicateRejected(_)]);
        if let Some(id) = row.command.value.id().filter(|_| !repeated) {
            executions.entry(id).or_default().push(row.command.seq);
        }
    }
    executions
}

/// Commands of the log that are not what a client sent, but for the mark that the dispatcher sets.
fn invented(facts: &Facts, found: &mut Vec<Violation>) {
    if facts.sent.is_empty() {
        return;
    }
    let sent: BTreeMap<CommandId, &Sent> =
        facts.sent.iter().filter_map(|sent| Some((sent.command.id()?, sent))).collect();
    for row in &facts.rows {
        let Some(id) = row.command.value.id() else { continue };
        let as_sent = match &row.command.value {
            Command::NewOrder(order) => Command::NewOrder(NewOrder { stale: false, ..order.clone() }),
            other => other.clone(),
        };
        if sent.get(&id).is_none_or(|sent| sent.command != as_sent) {
            let what = format!("row {}: nobody sent {:?}", row.command.seq, row.command.value);
            found.push(Violation::new("nothing is executed that nobody sent", what));
        }
    }
}

type Name<'a> = (Symbol, Option<&'a Account>, &'a ClientOrderId);

/// The first order of a name is the only one, and every later one is told which it is.
fn names(facts: &Facts, found: &mut Vec<Violation>) {
    let mut firsts: BTreeMap<Name, OrderId> = BTreeMap::new();
    for row in &facts.rows {
        let Command::NewOrder(NewOrder { order, .. }) = &row.command.value else { continue };
        let Some(name) = &order.client_order_id else { continue };
        if let Some(what) = use_name(row, order, (order.symbol, order.account.as_ref(), name), &mut firsts) {
            found.push(Violation::new("a name is used once", what));
        }
    }
}

fn use_name<'a>(row: &Row, order: &Order, name: Name<'a>, firsts: &mut BTreeMap<Name<'a>, OrderId>) -> Option<String> {
    let seq = row.command.seq;
    match (row.events.first(), firsts.get(&name)) {
        (Some(Event::DuplicateRejected(_)), _) => None,
        (Some(Event::OrderRepeated(repeated)), Some(first)) if repeated.first_order_id == *first => None,
        (Some(Event::OrderRepeated(repeated)), first) => {
            Some(format!("row {seq}: {name:?} is said to be order {}, and is {first:?}", repeated.first_order_id))
        }
        (_, Some(first)) => Some(format!("row {seq}: {name:?} of order {first} is executed again")),
        (_, None) => {
            firsts.insert(name, order.order_id);
            None
        }
    }
}
