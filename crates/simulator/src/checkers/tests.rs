//! Each checker against a broken promise of its kind: a checker that misses one is broken.

use journal::{Chain, Epoch, Position, ProjectionPosition, Record, StreamId};
use matching::command::{AdvanceTime, CancelOrder, ListInstrument, NewOrder};
use matching::{
    Changes, Command, CommandId, Engine, Event, Instrument, Ledger, Micros, Order, OrderId, Seq, Sequenced, Side,
    TimeInForce,
};

use super::{Facts, check};
use crate::history::{Answer, Sent};
use crate::process::symbol;
use crate::projection::Contents;

fn order(id: u64, side: Side, price: u64, quantity: u64) -> Order {
    let [price, quantity] = [price, quantity].map(|number| number.to_string().parse().expect("a number"));
    Order::limit(OrderId::new(id).expect("an id"), symbol("BTC_USDT"), side, price, quantity, Micros::ZERO)
}

fn cancel(id: u64, order: u64) -> Command {
    let (command_id, order_id) = (CommandId::new(id).expect("an id"), OrderId::new(order).expect("an id"));
    Command::CancelOrder(CancelOrder { command_id, order_id, reason_text: None, received_at: Micros::ZERO })
}

/// A market in which two orders rest, one trades with the elder, one has a name that comes again, one expires.
fn commands() -> Vec<Command> {
    let named = Order { client_order_id: Some("mine".parse().expect("a name")), ..order(4, Side::Sell, 110, 1) };
    let again = Order { order_id: OrderId::new(5).expect("an id"), ..named.clone() };
    let expiring =
        Order { time_in_force: TimeInForce::Gtd, expire_at: Micros::new(65), ..order(6, Side::Sell, 120, 1) };
    let list = ListInstrument { command_id: None, instrument: Instrument::finest(symbol("BTC_USDT")) };
    let mut commands = vec![Command::ListInstrument(list)];
    commands.extend(
        [order(1, Side::Buy, 100, 5), order(2, Side::Buy, 100, 5), order(3, Side::Sell, 99, 7), named, again, expiring]
            .map(Command::from),
    );
    commands.extend([Command::AdvanceTime(AdvanceTime {}), cancel(7, 2)]);
    commands
}

/// A log, as an engine that keeps all promises writes it, and what its clients were told.
fn sound() -> Facts {
    log(commands(), |_, _| {})
}

/// The same with the events of some rows altered before they are chained.
fn log(commands: Vec<Command>, mut alter: impl FnMut(u64, &mut Vec<Event>)) -> Facts {
    let mut engine = Engine::new(u64::MAX);
    let (mut position, mut records, mut sent) = (Position::START, Vec::new(), Vec::new());
    for (index, value) in commands.into_iter().enumerate() {
        let command =
            Sequenced { seq: position.seq.next(), time: Micros::new(index as u64 * 10).expect("a time"), value };
        let mut events = Vec::new();
        engine.apply(&command, &mut events);
        alter(command.seq.get(), &mut events);
        let record =
            Record::new(&position, StreamId { millis: 1 + index as u64, index: 0 }, Epoch(1), &command, &events);
        position = record.position();
        records.push(record);
        if command.value.id().is_some() {
            sent.push(Sent {
                command: command.value,
                life: 1,
                at: 0,
                answers: vec![Answer::Acknowledged],
                excused: false,
            });
        }
    }
    Facts { sent, ..Facts::of(records) }
}

#[track_caller]
fn caught(rule: &str, facts: &Facts) {
    let found = check(facts);
    assert!(found.iter().any(|violation| violation.rule == rule), "{rule:?} is not among {found:?}");
}

/// Chains altered records anew, so that only what was altered is wrong.
fn chained(mut facts: Facts, alter: impl FnOnce(&mut Vec<Record>)) -> Facts {
    alter(&mut facts.records);
    let mut chain = Chain::START;
    for record in &mut facts.records {
        chain = chain.next(record.seq, record.stream_id, record.epoch, record.time, &record.command, &record.events);
        record.chain = chain;
    }
    Facts { sent: facts.sent, ..Facts::of(facts.records) }
}

#[test]
fn a_sound_log_is_sound() {
    let facts = sound();
    assert_eq!(check(&facts), []);
    assert_eq!(super::once::count(&facts), (7, 0, 0));
}

#[test]
fn a_row_that_is_altered_or_missing_is_found() {
    let alterations: [fn(&mut Vec<Record>); 3] =
        [|rows| rows[2].events.push(' '), |rows| drop(rows.remove(3)), |rows| rows.swap(2, 3)];
    for alter in alterations {
        let mut facts = sound();
        alter(&mut facts.records);
        caught("sequence and chain are contiguous", &facts);
    }
}

#[test]
fn an_old_writer_an_old_time_and_an_old_entry_are_found() {
    caught("one writer", &chained(sound(), |rows| rows[3].epoch = Epoch(2)));
    caught("time never goes back", &chained(sound(), |rows| rows[3].time = Micros::ZERO));
    caught("the stream is read once", &chained(sound(), |rows| rows[3].stream_id = StreamId { millis: 1, index: 0 }));
}

#[test]
fn a_lost_a_doubled_a_refused_and_an_invented_command_are_found() {
    let rule = "every acknowledged command is executed or rejected exactly once";
    let mut lost = sound();
    lost.rows.remove(2);
    caught(rule, &lost);
    assert_eq!(super::once::count(&lost), (7, 1, 0));
    let mut twice = sound();
    twice.rows.push(twice.rows[2].clone());
    caught(rule, &twice);
    assert_eq!(super::once::count(&twice), (7, 0, 1));
    let mut refused = sound();
    refused.sent[0].answers = vec![Answer::NotTaken];
    caught(rule, &refused);
    let mut invented = sound();
    invented.sent.remove(0);
    caught("nothing is executed that nobody sent", &invented);
    let mut excused = sound();
    excused.rows.pop();
    excused.sent.last_mut().expect("a command").excused = true;
    assert_eq!(super::once::check(&excused), []);
}

#[test]
fn a_name_that_is_used_twice_is_found() {
    let mut facts = sound();
    let first = facts.rows[4].events.clone();
    facts.rows[5].events = first;
    caught("a name is used once", &facts);
}

/// The third order takes from the two that rest: from the elder first, at its price.
#[test]
fn a_trade_in_the_wrong_order_at_the_wrong_price_or_of_the_wrong_amount_is_found() {
    let trade = |alter: fn(&mut matching::event::Trade)| {
        log(commands(), move |seq, events| {
            let Some(Event::Trade(trade)) = events.get_mut(1).filter(|_| seq == 4) else { return };
            alter(trade);
        })
    };
    caught("a trade is at the maker's price", &trade(|trade| trade.price = "99".parse().expect("a number")));
    caught("conservation", &trade(|trade| trade.maker_remaining = "1".parse().expect("a number")));
    let mut until_then = commands();
    until_then.truncate(4);
    let younger = log(until_then, |seq, events| {
        for event in events.iter_mut().filter(|_| seq == 4) {
            let Event::Trade(trade) = event else { continue };
            let other = 3 - trade.maker_order_id.get();
            trade.maker_order_id = OrderId::new(other).expect("an id");
        }
    });
    caught("price-time priority, as the naive book has it", &younger);
}

#[test]
fn a_crossed_book_and_what_came_too_late_are_found() {
    caught("never crossed", &log(commands(), |seq, events| events.truncate(if seq == 4 { 1 } else { usize::MAX })));
    let not_expired = log(commands(), |seq, events| events.truncate(if seq == 8 { 1 } else { usize::MAX }));
    caught("price-time priority, as the naive book has it", &not_expired);
    let mut late = commands();
    late[2] = Command::NewOrder(NewOrder { deadline: Micros::new(19), ..order(2, Side::Buy, 100, 5).into() });
    let accepted = sound().rows[2].events.clone();
    let facts = log(late, |seq, events| {
        if seq == 3 {
            events.clone_from(&accepted);
        }
    });
    caught("nothing late is executed", &facts);
}

#[test]
fn an_answer_that_the_log_does_not_hold_is_found() {
    let mut facts = sound();
    let outcome =
        actors::Outcome { seq: Seq::new(2).expect("a row"), time: Micros::ZERO, events: Vec::new(), order: None };
    facts.sent[0].answers.push(Answer::Final(Box::new(outcome)));
    caught("an answer is what the log says", &facts);
}

#[test]
fn a_projection_that_is_not_the_ledger_is_found() {
    let mut facts = sound();
    let mut ledger = Ledger::new(u64::MAX);
    for row in &facts.rows {
        ledger.fold(row.command.seq, row.command.time, &row.events, &mut Changes::default());
    }
    facts.contents = Contents::of(&ledger);
    let last = facts.records.last().expect("a row");
    facts.shown = Some(ProjectionPosition { seq: last.seq, epoch: last.epoch, chain: last.chain });
    assert_eq!(check(&facts), []);
    facts.contents.orders.pop_first();
    caught("the projection equals the ledger at rest", &facts);
}

#[test]
fn a_snapshot_of_another_state_is_found() {
    let mut facts = sound();
    let position = facts.records[3].position();
    let snapshot = journal::Snapshot::new(position, &Engine::new(u64::MAX).image()).expect("a snapshot");
    facts.snapshots.push(snapshot);
    caught("a snapshot is the state at its row", &facts);
}
