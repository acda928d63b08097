//! The engine: applying is folding, for any batching, from any snapshot.

use std::collections::BTreeMap;

use matching::book::{Book, BookEvent};
use matching::{Changes, Command, Engine, Event, Router, Sequenced, Symbol};

use crate::support::{engine_commands, run};

const RETAIN: u64 = 50;

#[test]
fn folding_the_events_gives_the_state_that_applying_gave() {
    for seed in 1..=6 {
        let commands = engine_commands(seed, 1_500);
        let (engine, events) = run(&commands, RETAIN);
        let mut folded = Engine::new(RETAIN);
        for (command, events) in commands.iter().zip(&events) {
            folded.fold(command.seq, command.time, events, &mut Changes::default());
        }
        assert_eq!(folded.state_hash(), engine.state_hash(), "seed {seed}");
        assert!(folded == engine, "seed {seed}: equal bytes and other state");
    }
}

/// Routes whole batches before any book answers, as the dispatcher does when it is busy.
fn run_in_batches(commands: &[Sequenced<Command>], size: usize) -> (Router, BTreeMap<Symbol, Book>, Vec<Vec<Event>>) {
    let (mut router, mut books, mut all) = (Router::new(), BTreeMap::new(), Vec::new());
    for batch in commands.chunks(size) {
        let planned: Vec<_> = batch
            .iter()
            .map(|command| {
                let mut routed = Vec::new();
                let own = router.route(command, &mut routed);
                if let Some(Event::InstrumentListed(listed)) = &own {
                    let symbol = listed.instrument.symbol();
                    books.insert(symbol, Book::new(symbol));
                }
                (own, routed)
            })
            .collect();
        for (command, (own, routed)) in batch.iter().zip(planned) {
            let mut events: Vec<Event> = own.into_iter().collect();
            for (symbol, book_command) in routed {
                let mut answers: Vec<BookEvent> = Vec::new();
                books.get_mut(&symbol).expect("a book").apply(book_command, &mut answers);
                events.extend(answers.into_iter().map(|answer| router.publish(command.seq, symbol, answer)));
            }
            all.push(events);
        }
    }
    (router, books, all)
}

#[test]
fn the_size_of_batches_does_not_matter() {
    let commands = engine_commands(3, 1_500);
    let (engine, expected) = run(&commands, RETAIN);
    let (expected_router, expected_books, _) = engine.into_parts();
    for size in [1, 2, 7, 100, 5_000] {
        let (router, books, events) = run_in_batches(&commands, size);
        assert!(events == expected, "batches of {size} gave other events");
        assert!(router == expected_router, "batches of {size} left another router");
        assert!(books.into_values().eq(expected_books.iter().cloned()), "batches of {size} left other books");
    }
}

#[test]
fn a_snapshot_anywhere_and_the_rest_of_the_log_give_the_same_state() {
    let commands = engine_commands(9, 600);
    let (whole, events) = run(&commands, RETAIN);
    for cut in [0, 1, 5, 299, 300, 603] {
        let (first, _) = run(&commands[..cut], RETAIN);
        let image = matching::EngineImage::decode(&first.image().encode()).expect("an image");
        let mut rest = Engine::from_image(image, RETAIN);
        for (command, events) in commands[cut..].iter().zip(&events[cut..]) {
            rest.fold(command.seq, command.time, events, &mut Changes::default());
        }
        assert_eq!(rest.state_hash(), whole.state_hash(), "cut at {cut}");
    }
}

/// What the changes of a run say is what a reader needs to follow it, however the run is cut.
#[test]
fn changes_carry_a_mirror_from_one_state_to_the_next() {
    let commands = engine_commands(4, 900);
    let (_, events) = run(&commands, RETAIN);
    for size in [1, 10, 1_000] {
        let mut engine = Engine::new(RETAIN);
        let (mut orders, mut trades) = (BTreeMap::new(), BTreeMap::new());
        for rows in commands.iter().zip(&events).collect::<Vec<_>>().chunks(size) {
            let mut changes = Changes::default();
            for (command, events) in rows {
                engine.fold(command.seq, command.time, events, &mut changes);
            }
            for order_id in changes.orders {
                orders.insert(order_id, engine.ledger().order(order_id).expect("a kept order").clone());
            }
            trades.extend(changes.trades.into_iter().map(|trade| (trade.trade_id, trade)));
            for order in changes.dropped_orders {
                orders.remove(&order.order_id);
            }
            for trade in changes.dropped_trades {
                trades.remove(&trade.trade_id);
            }
        }
        assert!(orders.values().eq(engine.ledger().orders()), "runs of {size}: other orders");
        assert!(trades.values().eq(engine.ledger().trades()), "runs of {size}: other trades");
    }
}

/// An id and a name are refused for exactly their window and taken again after it.
#[test]
fn ids_are_kept_for_exactly_their_window() {
    use matching::command::{CancelOrder, ListInstrument, RefuseEntry};
    use matching::router::ID_WINDOW;
    use matching::{Instrument, Micros, Side};

    let mut router = Router::new();
    let mut route = |value: Command| {
        let command = Sequenced { seq: router.seq().next(), time: Micros::ZERO, value };
        let mut routed = Vec::new();
        let own = router.route(&command, &mut routed);
        if let [(symbol, matching::BookCommand::Cancel { command_id, order_id, .. })] = routed.as_slice() {
            let remaining = matching::Quantity::ONE;
            let cancelled =
                BookEvent::Cancelled { order_id: *order_id, command_id: *command_id, remaining, reason_text: None };
            router.publish(command.seq, *symbol, cancelled);
        }
        (own, routed.len())
    };
    let symbol = crate::support::symbol("BTC_USDT");
    let named = |id| {
        let order = matching::command::NewOrder::limit(
            crate::support::order_id(id),
            symbol,
            Side::Buy,
            "1".parse().expect("a price"),
            "1".parse().expect("a quantity"),
            Micros::ZERO,
        );
        let client_order_id = Some("mine".parse().expect("a name"));
        Command::NewOrder(matching::command::NewOrder { client_order_id, ..order })
    };
    let order = || named(1);
    let idle = || Command::RefuseEntry(RefuseEntry { stream_id: String::new(), error: String::new() });
    route(Command::ListInstrument(ListInstrument { instrument: Instrument::finest(symbol) }));
    assert_eq!(route(order()).1, 1);
    let cancel = CancelOrder {
        command_id: crate::support::command_id(1),
        order_id: crate::support::order_id(1),
        reason_text: None,
        received_at: Micros::ZERO,
    };
    assert_eq!(route(Command::CancelOrder(cancel.clone())).1, 1, "row 3 closes the order");
    for _ in 0..ID_WINDOW - 2 {
        route(idle());
    }
    let (refused, _) = route(named(2));
    assert!(matches!(refused, Some(Event::OrderRepeated(_))), "{refused:?}");
    // This is row 3 + ID_WINDOW: the last one at which both ids and the name are known.
    let (refused, _) = route(order());
    assert!(matches!(refused, Some(Event::DuplicateRejected(_))), "{refused:?}");
    assert_eq!(route(order()).1, 1, "a row later the id and the name are free");
    assert_eq!(route(Command::CancelOrder(cancel)).1, 1, "and so is the cancel's");
}

#[test]
fn a_symbol_is_listed_once_and_only_so_many_are() {
    use matching::command::ListInstrument;
    use matching::router::MAX_SYMBOLS;
    use matching::{Instrument, Micros, Reason};

    let mut router = Router::new();
    let mut list = |name: String| {
        let instrument = Instrument::finest(crate::support::symbol(&name));
        let value = Command::ListInstrument(ListInstrument { instrument });
        router.route(&Sequenced { seq: router.seq().next(), time: Micros::ZERO, value }, &mut Vec::new())
    };
    for number in 0..MAX_SYMBOLS {
        assert!(matches!(list(format!("C{number}_USDT")), Some(Event::InstrumentListed(_))), "symbol {number}");
    }
    let refusal = |event| match event {
        Some(Event::ListingRejected(rejected)) => rejected.reason_code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(list("C7_USDT".to_owned())), Reason::AlreadyListed);
    assert_eq!(refusal(list("NEW_USDT".to_owned())), Reason::TooManySymbols);
}
