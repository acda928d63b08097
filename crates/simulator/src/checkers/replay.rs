//! Replay: the commands give the events and the state of the log, whatever the batches, and from any snapshot.

use std::collections::BTreeMap;

use matching::{Book, BookEvent, Changes, Engine, EngineImage, Event, Ledger, Router, StateHash, Symbol};

use super::{Facts, Row};
use crate::random::Random;
use crate::world::Violation;

const RULE: &str = "replay is bit-identical for any batching";

/// What is wrong.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut random = facts.random.clone();
    let folded = fold(facts, &mut found);
    let differs = |what: &str, hash: StateHash, found: &mut Vec<Violation>| {
        if hash != folded {
            found.push(Violation::new(RULE, format!("{what} comes to {hash}, and the fold of the log to {folded}")));
        }
    };
    let one_by_one = apply(Engine::new(facts.retain_closed), &facts.rows, &mut found);
    differs("one command after the other", one_by_one, &mut found);
    let largest = random.pick(&[2, 7, 40]);
    let batched = apply_batched(facts, &mut random.fork(), largest, &mut found);
    differs(&format!("in batches of up to {largest}"), batched, &mut found);
    let cut = random.below(facts.rows.len() as u64 + 1) as usize;
    let mut engine = Engine::new(facts.retain_closed);
    for row in &facts.rows[..cut] {
        engine.fold(row.command.seq, row.command.time, &row.events, &mut Changes::default());
    }
    match EngineImage::decode(&engine.image().encode()) {
        Ok(image) => {
            let engine = Engine::from_image(image, facts.retain_closed);
            let hash = apply(engine, &facts.rows[cut..], &mut found);
            differs(&format!("an image of row {cut} with the rest"), hash, &mut found);
        }
        Err(error) => found.push(Violation::new(RULE, format!("the image of row {cut}: {error}"))),
    }
    found
}

/// The state that the events come to, and on the way that of every snapshot.
fn fold(facts: &Facts, found: &mut Vec<Violation>) -> StateHash {
    let mut engine = Engine::new(facts.retain_closed);
    for row in &facts.rows {
        engine.fold(row.command.seq, row.command.time, &row.events, &mut Changes::default());
        for snapshot in facts.snapshots.iter().filter(|snapshot| snapshot.position.seq == row.command.seq) {
            let hash = engine.state_hash();
            if snapshot.state_hash != hash {
                let what =
                    format!("the snapshot of row {} is {}, the fold {hash}", row.command.seq, snapshot.state_hash);
                found.push(Violation::new("a snapshot is the state at its row", what));
            }
        }
    }
    engine.state_hash()
}

fn apply(mut engine: Engine, rows: &[Row], found: &mut Vec<Violation>) -> StateHash {
    for row in rows {
        let mut events = Vec::new();
        engine.apply(&row.command, &mut events);
        compare(row, &events, found);
    }
    engine.state_hash()
}

fn compare(row: &Row, events: &[Event], found: &mut Vec<Violation>) {
    if events != row.events {
        let what = format!("row {}: applied again it gives {events:?}, and gave {:?}", row.command.seq, row.events);
        found.push(Violation::new(RULE, what));
    }
}

/// Applies the commands in batches, as the dispatcher does: a batch is routed whole, then the books apply it, in any order
/// among each other, then their answers are published.
fn apply_batched(facts: &Facts, random: &mut Random, largest: u64, found: &mut Vec<Violation>) -> StateHash {
    let (mut router, mut ledger) = (Router::new(), Ledger::new(facts.retain_closed));
    let mut books: BTreeMap<Symbol, Book> = BTreeMap::new();
    let mut rows = facts.rows.as_slice();
    while !rows.is_empty() {
        let size = (random.between(1, largest) as usize).min(rows.len());
        let (batch, rest) = rows.split_at(size);
        rows = rest;
        for (row, events) in batch.iter().zip(apply_batch(batch, &mut router, &mut books, random)) {
            compare(row, &events, found);
            ledger.fold(row.command.seq, row.command.time, &events, &mut Changes::default());
        }
    }
    let image = EngineImage { router, books: books.into_values().collect(), ledger };
    StateHash::of(&image.encode())
}

fn apply_batch(
    batch: &[Row],
    router: &mut Router,
    books: &mut BTreeMap<Symbol, Book>,
    random: &mut Random,
) -> Vec<Vec<Event>> {
    let mut own = Vec::new();
    let mut planned: BTreeMap<Symbol, Vec<(usize, matching::BookCommand)>> = BTreeMap::new();
    for (index, row) in batch.iter().enumerate() {
        let (mut events, mut routed) = (Vec::new(), Vec::new());
        router.route(&row.command, &mut events, &mut routed);
        for event in &events {
            if let Event::InstrumentListed(listed) = event {
                books.insert(listed.instrument.symbol(), Book::new(listed.instrument));
            }
        }
        own.push(events);
        for (symbol, command) in routed {
            planned.entry(symbol).or_default().push((index, command));
        }
    }
    let mut planned: Vec<_> = planned.into_iter().collect();
    let turn = random.below(planned.len().max(1) as u64) as usize;
    planned.rotate_left(turn);
    let mut answers: BTreeMap<(usize, Symbol), Vec<BookEvent>> = BTreeMap::new();
    for (symbol, commands) in planned {
        let Some(book) = books.get_mut(&symbol) else { continue };
        for (index, command) in commands {
            book.apply(batch[index].command.seq, command, answers.entry((index, symbol)).or_default());
        }
    }
    let mut events: Vec<Vec<Event>> = own;
    for ((index, symbol), answered) in answers {
        let seq = batch[index].command.seq;
        events[index].extend(answered.into_iter().map(|event| router.publish(seq, symbol, event)));
    }
    events
}
