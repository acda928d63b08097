//! Properties of any commands, and of each check that it notices its bug.

use matching::book::{Book, BookEvent};
use proptest::prelude::*;

use crate::checks::violations;
use crate::compare::difference;
use crate::engine_commands::{engine_commands, run};
use crate::generate::{Commands, commands, instrument};
use matching::{Changes, Engine, EngineImage};

/// Of a seed's commands those that are kept: so a failure shrinks to few.
fn some_commands() -> impl Strategy<Value = Commands> {
    (any::<u32>(), proptest::collection::vec(any::<bool>(), 1..250)).prop_map(|(seed, keep)| {
        let all = commands(u64::from(seed), keep.len() as u64);
        all.into_iter().zip(keep).filter_map(|(command, keep)| keep.then_some(command)).collect()
    })
}

fn applied(commands: &Commands) -> (Book, Vec<BookEvent>) {
    let (mut book, mut events) = (Book::new(instrument()), Vec::new());
    commands.iter().for_each(|(seq, command)| book.apply(*seq, command.clone(), &mut events));
    (book, events)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Quantity is conserved, priority holds, nothing crosses.
    #[test]
    fn the_checks_hold_for_any_commands(commands in some_commands()) {
        let (book, events) = applied(&commands);
        prop_assert_eq!(violations(&book, &events), Vec::<String>::new());
    }

    /// The naive book agrees, folding is applying, an image is read back.
    #[test]
    fn the_books_agree_on_any_commands(commands in some_commands()) {
        prop_assert_eq!(difference(&commands), None);
    }

    /// A snapshot anywhere and the rest of the log, folded or applied, give the same state.
    #[test]
    fn a_snapshot_may_be_taken_anywhere(seed in any::<u32>(), count in 1u64..200, at in 0usize..200) {
        let commands = engine_commands(u64::from(seed), count);
        let (whole, events) = run(&commands, 20);
        let at = at.min(commands.len());
        let (first, _) = run(&commands[..at], 20);
        let image = first.image().encode();
        let read = || Engine::from_image(EngineImage::decode(&image).expect("an image"), 20);
        let (mut folded, mut applied) = (read(), read());
        for (command, events) in commands[at..].iter().zip(&events[at..]) {
            folded.fold(command.seq, command.time, events, &mut Changes::default());
            let mut said = Vec::new();
            applied.apply(command, &mut said);
            prop_assert_eq!(&said, events);
        }
        prop_assert_eq!(folded.state_hash(), whole.state_hash());
        prop_assert_eq!(applied.state_hash(), whole.state_hash());
    }
}

/// Events in which everything that the checks look at happens.
fn honest() -> (Book, Vec<BookEvent>) {
    applied(&commands(11, 400))
}

#[track_caller]
fn check_caught(bug: &str, plant: impl FnOnce(&mut Vec<BookEvent>)) {
    let (book, mut events) = honest();
    assert_eq!(violations(&book, &events), Vec::<String>::new());
    plant(&mut events);
    let found = violations(&book, &events);
    assert!(found.iter().any(|violation| violation.starts_with(bug)), "{bug} is not in {found:?}");
}

fn first_trade(events: &mut [BookEvent]) -> &mut matching::book::Traded {
    let trade = events.iter_mut().find_map(|event| match event {
        BookEvent::Traded(traded) if !traded.auction => Some(traded),
        _ => None,
    });
    trade.expect("a trade")
}

#[test]
fn the_checks_catch_planted_bugs() {
    check_caught("price", |events| {
        let traded = first_trade(events);
        traded.price = crate::support::price(traded.price.units() + 1);
    });
    check_caught("conservation", |events| {
        let traded = first_trade(events);
        traded.maker_remaining = crate::support::quantity(traded.maker_remaining.units() + 1);
    });
    check_caught("empty", |events| first_trade(events).quantity = matching::Quantity::ZERO);
    check_caught("sides", |events| {
        let traded = first_trade(events);
        traded.taker_side = traded.taker_side.opposite();
    });
    check_caught("book", |events| events.retain(|event| !matches!(event, BookEvent::Cancelled { .. })));
    check_caught("ids", |events| {
        let first = events.iter().find(|event| matches!(event, BookEvent::Accepted { .. })).cloned();
        events.push(first.expect("an order"));
    });
    check_caught("priority", |events| {
        // Every order has the last place but one: the order of events no longer tells who goes first.
        for event in events {
            if let BookEvent::Accepted { priority, order } = event {
                *priority = matching::SymbolSeq::new(10_000_000 - order.order_id.get()).expect("a number");
            }
        }
    });
}
