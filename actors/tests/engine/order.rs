//! Order and batching: the log is the stream in its order, and nothing depends on how commands came together.

use actors::{Fatal, Placement};
use journal::{EventLog, Payload, Record, encoding};
use matching::{Event, Reason, Seq, Sequenced, Side};

use crate::harness::{Engine, World, buy, cancel, events_of, mixed_commands, place, sell, settings, until};

#[actix::test]
async fn orders_trade_at_the_makers_price_in_order_of_price_and_time() {
    let engine = Engine::fresh().await;
    for command in [sell(1, "101", "2"), sell(2, "100", "1"), sell(3, "100", "1"), buy(4, "101", "3.5"), cancel(5, 1)] {
        engine.world.queue.push(&[command]);
    }
    engine.committed(5).await;
    let story: Vec<String> = engine
        .world
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Trade(trade) => Some(format!("{} {}x{}", trade.maker_order_id, trade.price, trade.quantity)),
            Event::OrderCancelled(cancelled) => {
                Some(format!("{} cancelled {}", cancelled.order_id, cancelled.remaining))
            }
            _ => None,
        })
        .collect();
    assert_eq!(story, ["2 100x1", "3 100x1", "1 101x1.5", "1 cancelled 0.5"]);
}

/// The same commands, one an entry, all in few entries, on one thread or many, give the rows that a plain loop gives.
#[actix::test]
async fn events_do_not_depend_on_batches_or_threads() {
    let commands = mixed_commands(7, 2_000);
    let expected = plain_loop(&commands);
    for (size, placement) in [(1, Placement::here()), (7, Placement::threads(2)), (500, Placement::threads(3))] {
        let world = World::default();
        for entry in commands.chunks(size) {
            world.queue.push(entry);
        }
        let engine = world.start(&placement).await;
        // Two of the four markets are listed in front of their first order.
        engine.committed(commands.len() + 2).await;
        let rows: Vec<(String, Vec<Event>)> =
            world.log.rows().iter().map(|row| (row.kind.clone(), events_of(row))).collect();
        assert!(rows == expected, "entries of {size} differ from the plain loop");
    }
}

/// Wherever the engine ends, the next one reads on behind a whole entry: none is in the log by half.
#[actix::test]
async fn an_entry_is_never_split_over_two_commits() {
    let world = World::default();
    let (mut id, mut ends) = (0, vec![settings().instruments.len()]);
    for size in [1, 500, 499, 500, 2, 500, 500, 500, 3] {
        let entry: Vec<_> = (id + 1..=id + size).map(|id| buy(id, "100", "1")).collect();
        world.queue.push(&entry);
        id += size;
        ends.push(ends[0] + id as usize);
    }
    let engine = world.start(&Placement::here()).await;
    engine.committed(id as usize).await;
    let mut row = 0;
    let commits = world.log.batches();
    for rows in &commits {
        row += rows;
        assert!(ends.contains(&row), "a commit ends at row {row}, within an entry: {ends:?}");
    }
    assert!(commits.len() > 3, "{commits:?}: all at once says nothing");
}

fn plain_loop(commands: &[matching::Command]) -> Vec<(String, Vec<Event>)> {
    let mut engine = matching::Engine::new(crate::harness::RETAIN_CLOSED);
    let mut listed = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    let list = |instrument| {
        matching::Command::ListInstrument(matching::command::ListInstrument { command_id: None, instrument })
    };
    for instrument in settings().instruments {
        listed.insert(instrument.symbol());
        all.push(list(instrument));
    }
    for command in commands {
        if let matching::Command::NewOrder(matching::command::NewOrder { order, .. }) = command
            && listed.insert(order.symbol)
        {
            all.push(list(matching::Instrument::finest(order.symbol)));
        }
        all.push(command.clone());
    }
    let mut seq = Seq::ZERO;
    all.into_iter()
        .map(|command| {
            seq = seq.next();
            let kind = command.kind().to_owned();
            let mut events = Vec::new();
            engine.apply(&Sequenced { seq, time: matching::Micros::ZERO, value: command }, &mut events);
            (kind, events)
        })
        .collect()
}

#[actix::test]
async fn rows_are_contiguous_and_chained() {
    let engine = Engine::fresh().await;
    for entry in mixed_commands(3, 300).chunks(11) {
        engine.world.queue.push(entry);
    }
    until("the commands are committed", || engine.world.log.rows().len() >= 300).await;
    let rows = engine.world.log.page(Seq::ZERO, usize::MAX).await.expect("rows");
    let mut position = journal::Position::START;
    for row in &rows {
        assert!(Record::follows(row, &position), "row {} does not follow", row.seq);
        position = row.position();
    }
}

#[actix::test]
async fn an_entry_that_cannot_be_read_is_refused_in_the_log_and_the_stream_goes_on() {
    let engine = Engine::fresh().await;
    let payload = |format, text: &str| Ok(Payload { format, text: text.to_owned() });
    let entries = [
        Err("it has no field v".to_owned()),
        payload(encoding::STREAM_FORMAT, "{\"type\":\"NewOrder\""),
        payload(encoding::STREAM_FORMAT, "{\"type\":\"Unheard\"}"),
        payload(encoding::STREAM_FORMAT, "[]"),
        payload(encoding::STREAM_FORMAT - 1, "{}"),
    ];
    let ids: Vec<String> =
        entries.into_iter().map(|entry| engine.world.queue.push_payload(entry).to_string()).collect();
    engine.world.queue.push(&[buy(1, "100", "1")]);
    engine.committed(6).await;
    let refused: Vec<String> = engine
        .world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::EntryRejected(rejected) => Some(rejected.stream_id),
            _ => None,
        })
        .collect();
    assert_eq!(refused, ids);
    assert!(matches!(engine.world.events().last(), Some(Event::OrderAccepted(_))));
}

/// What a newer release has acknowledged is not refused, which would lose it: what is before it is executed, and the engine
/// ends.
#[actix::test]
async fn an_entry_of_a_newer_format_ends_the_engine() {
    let mut engine = Engine::fresh().await;
    engine.world.queue.push(&[buy(1, "100", "1")]);
    let newer = Payload { format: encoding::STREAM_FORMAT + 1, text: "{}".to_owned() };
    let entry = engine.world.queue.push_payload(Ok(newer));
    engine.world.queue.push(&[buy(2, "100", "1")]);
    let format = encoding::STREAM_FORMAT + 1;
    assert_eq!(engine.fatal.recv().await, Some(Fatal::NewerStream { entry, format }));
    engine.committed(1).await;
    assert!(!engine.world.events().iter().any(|event| matches!(event, Event::EntryRejected(_))));
}

#[actix::test]
async fn what_depends_on_the_sequence_is_refused_by_an_event() {
    let engine = Engine::fresh().await;
    for command in [buy(1, "100", "1"), cancel(2, 99), cancel(3, 1), cancel(4, 1), buy(1, "100", "1")] {
        engine.world.queue.push(&[command]);
    }
    engine.committed(5).await;
    let events = engine.world.events();
    let tail = &events[events.len() - 4..];
    assert!(matches!(&tail[0], Event::CancelRejected(e) if e.reason_code == Reason::UnknownOrder), "{tail:?}");
    assert!(matches!(&tail[1], Event::OrderCancelled(_)), "{tail:?}");
    assert!(matches!(&tail[2], Event::CancelRejected(e) if e.reason_code == Reason::NotOpen), "{tail:?}");
    assert!(matches!(&tail[3], Event::DuplicateRejected(_)), "{tail:?}");
}

#[actix::test]
async fn an_unlisted_symbol_is_listed_in_front_of_its_first_order() {
    let engine = Engine::fresh().await;
    engine.world.queue.push(&[place(1, "NEW_COIN", Side::Buy, "1", "1"), place(2, "NEW_COIN", Side::Buy, "1", "1")]);
    engine.committed(3).await;
    let kinds: Vec<String> = engine.world.log.rows().iter().map(|row| row.kind.clone()).collect();
    assert_eq!(kinds[2..], ["ListInstrument", "NewOrder", "NewOrder"]);
    until("the market is announced", || engine.pipeline.instruments.borrow().len() == 3).await;
}
