//! The fast book against the naive one on random commands, and the checks that hold for any book; each check is itself
//! tried on a book with a planted bug.

use matching::book::{Book, BookCommand, BookEvent};
use matching::naive::NaiveBook;
use matching::{Price, Side};
use proptest::prelude::*;

use crate::support::{book_commands, cancel, place, symbol, violations};

#[test]
fn the_fast_book_says_what_the_naive_book_says() {
    for seed in 1..=24 {
        let (mut fast, mut naive) = (Book::new(symbol("BTC_USDT")), NaiveBook::new());
        let mut all = Vec::new();
        for (index, command) in book_commands(seed, 4_000).into_iter().enumerate() {
            let (mut said, mut expected) = (Vec::new(), Vec::new());
            fast.apply(command.clone(), &mut said);
            naive.apply(command.clone(), &mut expected);
            assert_eq!(said, expected, "seed {seed}, command {index}: {command:?}");
            all.extend(said);
        }
        for side in [Side::Buy, Side::Sell] {
            let fast: Vec<_> =
                fast.orders(side).map(|order| (order.order_id, order.remaining, order.priority)).collect();
            let naive: Vec<_> =
                naive.orders(side).into_iter().map(|order| (order.order_id, order.remaining, order.priority)).collect();
            assert_eq!(fast, naive, "seed {seed}, {side}");
        }
        let mut folded = Book::new(symbol("BTC_USDT"));
        all.iter().for_each(|event| folded.fold(event));
        assert_eq!(folded, fast, "seed {seed}: folding the events gives another book");
    }
}

#[test]
fn the_checks_hold_on_random_commands() {
    for seed in 1..=8 {
        let mut book = Book::new(symbol("BTC_USDT"));
        let mut events = Vec::new();
        for command in book_commands(seed, 800) {
            book.apply(command, &mut events);
        }
        assert_eq!(violations(&book, &events), Vec::<String>::new(), "seed {seed}");
    }
}

proptest! {
    /// Quantity is conserved, the book is never crossed, priority holds, and folding is applying: for any commands.
    #[test]
    fn the_checks_hold_for_any_commands(
        commands in proptest::collection::vec((any::<bool>(), 1u64..12, 1u64..20, 0u64..60), 1..60),
    ) {
        let (mut book, mut folded) = (Book::new(symbol("BTC_USDT")), Book::new(symbol("BTC_USDT")));
        let mut events = Vec::new();
        for (index, (buys, at, amount, other)) in commands.into_iter().enumerate() {
            let id = index as u64 + 1;
            let side = if buys { Side::Buy } else { Side::Sell };
            let command = if other < 15 { cancel(id, 1 + other) } else { place(id, side, at, amount) };
            book.apply(command, &mut events);
        }
        events.iter().for_each(|event| folded.fold(event));
        prop_assert_eq!(violations(&book, &events), Vec::<String>::new());
        prop_assert_eq!(folded, book);
    }
}

/// The events of a story in which everything that the checks look at happens.
fn honest_events() -> (Book, Vec<BookEvent>) {
    let mut book = Book::new(symbol("BTC_USDT"));
    let mut events = Vec::new();
    let commands: [BookCommand; 6] = [
        place(1, Side::Sell, 100, 5),
        place(2, Side::Sell, 100, 5),
        place(3, Side::Sell, 101, 5),
        place(4, Side::Buy, 101, 7),
        cancel(5, 3),
        place(6, Side::Buy, 99, 1),
    ];
    commands.into_iter().for_each(|command| book.apply(command, &mut events));
    (book, events)
}

#[track_caller]
fn check_caught(bug: &str, plant: impl FnOnce(&mut Vec<BookEvent>)) {
    let (book, mut events) = honest_events();
    assert_eq!(violations(&book, &events), Vec::<String>::new());
    plant(&mut events);
    let found = violations(&book, &events);
    assert!(found.iter().any(|violation| violation.starts_with(bug)), "{bug} is not in {found:?}");
}

#[test]
fn the_checks_catch_planted_bugs() {
    check_caught("price", |events| {
        for event in events {
            if let BookEvent::Traded { price, .. } = event {
                *price = Price::new(101).expect("a price");
            }
        }
    });
    check_caught("priority", |events| {
        // The younger of two orders at one price goes first.
        for event in events {
            if let BookEvent::Traded { maker_order_id, .. } = event {
                let other = if maker_order_id.get() == 1 { 2 } else { 1 };
                *maker_order_id = crate::support::order_id(other);
            }
        }
    });
    check_caught("conservation", |events| {
        let trade = events.iter().find(|event| matches!(event, BookEvent::Traded { .. })).expect("a trade").clone();
        events.push(trade);
    });
    check_caught("conservation", |events| events.retain(|event| !matches!(event, BookEvent::Cancelled { .. })));
}
