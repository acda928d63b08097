//! The engine: applying is folding, for any batching, from any snapshot.

use std::collections::BTreeMap;

use matching::book::{Book, BookCommand, BookEvent, Ended, Owner};
use matching::command::{CancelOrder, ListInstrument, RefuseEntry};
use matching::router::{ID_WINDOW, MAX_SYMBOLS};
use matching::{Changes, Command, Engine, Event, Instrument, Micros, Order, Reason, Router, Sequenced, Side, Symbol};

use crate::engine_commands::{engine_commands, run};
use crate::support::{command_id, order_id, symbol};

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
                let (mut own, mut routed) = (Vec::new(), Vec::new());
                router.route(command, &mut own, &mut routed);
                if let Some(Event::InstrumentListed(listed)) = own.first() {
                    books.insert(listed.instrument.symbol(), Book::new(listed.instrument));
                }
                (own, routed)
            })
            .collect();
        for (command, (mut events, routed)) in batch.iter().zip(planned) {
            for (symbol, book_command) in routed {
                let mut answers: Vec<BookEvent> = Vec::new();
                books.get_mut(&symbol).expect("a book").apply(command.seq, book_command, &mut answers);
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
    let mut router = Router::new();
    let mut route = |value: Command| {
        let command = Sequenced { seq: router.seq().next(), time: Micros::ZERO, value };
        let (mut own, mut routed) = (Vec::new(), Vec::new());
        router.route(&command, &mut own, &mut routed);
        if let [(symbol, BookCommand::Cancel { command_id, order_id, .. })] = routed.as_slice() {
            let ended = Ended {
                order_id: *order_id,
                side: Side::Buy,
                remaining: matching::Quantity::ONE,
                released: None,
                owner: Owner::default(),
            };
            let (command_id, reason) = (Some(*command_id), Reason::ByUser);
            router.publish(command.seq, *symbol, BookEvent::Cancelled { ended, command_id, reason, reason_text: None });
        }
        (own.pop(), routed.len())
    };
    let market = symbol("BTC_USDT");
    let named = |id| {
        let one = "1".parse().expect("a number");
        let order = Order::limit(order_id(id), market, Side::Buy, one, one, Micros::ZERO);
        Command::from(Order { client_order_id: Some("mine".parse().expect("a name")), ..order })
    };
    let order = || named(1);
    let idle = || Command::RefuseEntry(RefuseEntry { stream_id: String::new(), error: String::new() });
    route(Command::ListInstrument(ListInstrument { command_id: None, instrument: Instrument::finest(market) }));
    assert_eq!(route(order()).1, 1);
    let cancel =
        CancelOrder { command_id: command_id(1), order_id: order_id(1), reason_text: None, received_at: Micros::ZERO };
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
    let mut router = Router::new();
    let mut list = |name: String| {
        let instrument = Instrument::finest(symbol(&name));
        let value = Command::ListInstrument(ListInstrument { command_id: None, instrument });
        let mut own = Vec::new();
        router.route(&Sequenced { seq: router.seq().next(), time: Micros::ZERO, value }, &mut own, &mut Vec::new());
        own.pop()
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
