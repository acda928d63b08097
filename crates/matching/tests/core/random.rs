//! Random commands through both books.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use matching::book::{Book, BookEvent, Traded};

use crate::compare::{COMMANDS_PER_SEED, check_seed, difference, minimised};
use crate::generate::{Commands, commands, instrument};

/// Commands that are compared in every run of the tests; `COMPARED_COMMANDS` is another number, for mutants.
const COMMANDS: u64 = 3_000_000;

#[test]
fn the_fast_book_says_what_the_naive_book_says() {
    let count = std::env::var("COMPARED_COMMANDS").ok().map(|text| text.parse().expect("a number of commands"));
    let seeds = count.unwrap_or(COMMANDS).div_ceil(COMMANDS_PER_SEED);
    let next = AtomicU64::new(1);
    std::thread::scope(|scope| {
        let runs = [(); 2].map(|()| {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed > seeds {
                        break;
                    }
                    if difference(&commands(seed, COMMANDS_PER_SEED)).is_some() {
                        next.store(seeds + 1, Relaxed);
                        check_seed(seed, COMMANDS_PER_SEED);
                    }
                }
            })
        });
        for run in runs {
            if let Err(panic) = run.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// What the commands do not reach is not compared.
#[test]
fn the_random_commands_reach_every_event_and_reason_of_a_book() {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    for seed in 1..400 {
        let mut book = Book::new(instrument());
        let mut events = Vec::new();
        for (seq, command) in commands(seed, COMMANDS_PER_SEED) {
            book.apply(seq, command, &mut events);
        }
        for event in events {
            let kind = format!("{event:?}");
            let kind = kind.split([' ', '(']).next().expect("a name");
            let reason = match event {
                BookEvent::Rejected { reason, .. }
                | BookEvent::Cancelled { reason, .. }
                | BookEvent::Expired { reason, .. }
                | BookEvent::AmendRejected { reason, .. } => reason.code(),
                BookEvent::Traded(Traded { auction: true, .. }) => "in an auction",
                BookEvent::Traded(Traded { taker_quote_remaining: Some(_), .. }) => "by quote",
                _ => "",
            };
            reached.insert(format!("{kind} {reason}").trim().to_owned());
        }
    }
    let expected = [
        "Accepted",
        "AmendRejected DISPLAY_TOO_SMALL",
        "AmendRejected NOTIONAL_TOO_SMALL",
        "AmendRejected NOT_AMENDABLE",
        "AmendRejected NOT_OPEN",
        "AmendRejected OUTSIDE_PRICE_BAND",
        "AmendRejected PHASE_FORBIDS",
        "AmendRejected POST_ONLY_WOULD_TRADE",
        "AmendRejected SEQ_DIFFERS",
        "Amended",
        "AuctionIndicated",
        "CancelRejected",
        "Cancelled AMENDED_BELOW_FILLED",
        "Cancelled BY_USER",
        "Cancelled LINKED_ORDER",
        "Cancelled MASS_CANCEL",
        "Cancelled SELF_TRADE",
        "Expired DUE",
        "Expired FILL_OR_KILL",
        "Expired MIN_QUANTITY",
        "Expired OUTSIDE_PRICE_BAND",
        "Expired UNFILLED",
        "Filled",
        "InstrumentUpdated",
        "PhaseChanged",
        "Reduced",
        "Rejected LINK_NOT_POSSIBLE",
        "Rejected OUTSIDE_PRICE_BAND",
        "Rejected PHASE_FORBIDS",
        "Rejected POST_ONLY_WOULD_TRADE",
        "Rejected TOO_MANY_OPEN_ORDERS",
        "Replenished",
        "Traded",
        "Traded by quote",
        "Traded in an auction",
        "Triggered",
    ];
    // No random quantity is a thousand times another.
    let expected: Vec<&str> = expected.into_iter().filter(|kind| !kind.contains("DISPLAY")).collect();
    assert_eq!(reached.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// A checker that misses a bug is broken: each of these is left out of, or added to, what the books are asked.
#[test]
fn a_difference_is_found_and_reported_with_the_fewest_commands() {
    let seed = (1..50).find(|seed| fails_planted(&commands(*seed, 60))).expect("a seed that shows it");
    let fewest = minimised(commands(seed, 60), fails_planted);
    assert!(fewest.len() <= 3, "{fewest:#?}");
}

/// As if the books differed as soon as an iceberg has been replenished.
fn fails_planted(commands: &Commands) -> bool {
    let (mut book, mut events) = (Book::new(instrument()), Vec::new());
    commands.iter().for_each(|(seq, command)| book.apply(*seq, command.clone(), &mut events));
    events.iter().any(|event| matches!(event, BookEvent::Replenished { .. }))
}

/// As long a comparison as is asked for, resumed where the last one stopped: see `make verify-core`.
#[test]
#[ignore = "takes minutes; make verify-core runs it"]
fn campaign() {
    let text = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let number = |name: &str| text(name).parse::<u64>().unwrap_or_else(|error| panic!("{name}: {error}"));
    let (seeds, progress) = (number("SEEDS"), text("PROGRESS"));
    let first = std::fs::read_to_string(&progress).ok().and_then(|done| done.trim().parse::<u64>().ok()).unwrap_or(0);
    for seed in first..seeds {
        check_seed(seed, COMMANDS_PER_SEED);
        if seed % 1_000 == 999 || seed + 1 == seeds {
            std::fs::write(&progress, (seed + 1).to_string()).expect("the progress");
        }
    }
}
