//! The checker itself: a true history of a true log passes, and each planted lie is found.

use std::time::{Duration, Instant};

use chaos::check::{Checker, Report};
use chaos::history::{
    CancelAnswer, CancelSent, Crash, History, OrderSent, Outage, PlaceAnswer, Projected, Rests, Shown, Span, Try,
};
use journal::position::{Epoch, StreamId};
use journal::{Position, Record, encoding};
use matching::command::{AdvanceTime, CancelOrder, ListInstrument};
use matching::{
    Account, Command, CommandId, Engine, Event, Instrument, Micros, Order, OrderId, Seq, Sequenced, Side, Symbol,
    TimeInForce,
};

/// A log that is written row by row; `edit` falsifies the events of the rows that it is given.
struct Script {
    rows: Vec<Record>,
    position: Position,
    engine: Engine,
}

impl Script {
    fn of(commands: Vec<Command>, mut edit: impl FnMut(u64, &mut Vec<Event>)) -> Script {
        let mut script = Script { rows: Vec::new(), position: Position::START, engine: Engine::new(500_000) };
        for value in commands {
            let seq = script.position.seq.next();
            let time = Micros::new(seq.get() * 1_000).expect("a time");
            let command = Sequenced { seq, time, value };
            let mut events = Vec::new();
            script.engine.apply(&command, &mut events);
            edit(seq.get(), &mut events);
            let stream_id = StreamId { millis: seq.get(), index: 0 };
            let row = Record::new(&script.position, stream_id, Epoch(1), &command, &events);
            script.position = row.position();
            script.rows.push(row);
        }
        script
    }

    fn true_one() -> Script {
        Script::of(commands(), |_, _| {})
    }
}

fn symbol() -> Symbol {
    "BTC_USDT".parse().expect("a symbol")
}

fn order(id: u64, side: Side, price: &str, quantity: &str, name: Option<(&str, &str)>) -> Command {
    let (price, quantity) = (price.parse().expect("a price"), quantity.parse().expect("a quantity"));
    let order_id = OrderId::new(id).expect("an id");
    let mut order = Order::limit(order_id, symbol(), side, price, quantity, Micros::new(1).expect("a time"));
    if let Some((account, key)) = name {
        order.account = Some(account.parse::<Account>().expect("an account"));
        order.client_order_id = Some(key.parse().expect("a key"));
    }
    Command::from(order)
}

/// Row 1 lists the market, 2 is a sell of 5, 3 a buy of 3 that trades with it, 4 cancels what is left of the sell.
fn commands() -> Vec<Command> {
    vec![
        Command::ListInstrument(ListInstrument { command_id: None, instrument: Instrument::finest(symbol()) }),
        order(1, Side::Sell, "100", "5", None),
        order(2, Side::Buy, "101", "3", Some(("a", "k"))),
        Command::CancelOrder(CancelOrder {
            command_id: CommandId::new(3).expect("an id"),
            order_id: OrderId::new(1).expect("an id"),
            reason_text: None,
            received_at: Micros::new(1).expect("a time"),
        }),
    ]
}

fn span() -> Span {
    let now = Instant::now();
    Span { from: now, to: now }
}

fn sent(side: Side, price: &str, quantity: &str, name: Option<(&str, &str)>, answers: &[PlaceAnswer]) -> OrderSent {
    OrderSent {
        symbol: "BTC_USDT".to_owned(),
        side,
        price: price.parse().expect("a price"),
        quantity: quantity.parse().expect("a quantity"),
        account: name.map(|(account, _)| account.to_owned()),
        key: name.map(|(_, key)| key.to_owned()),
        tries: answers.iter().map(|answer| Try { span: span(), answer: answer.clone() }).collect(),
    }
}

const COMMITTED: PlaceAnswer = PlaceAnswer::Committed { order_id: 2, duplicate: false };
const AGAIN: PlaceAnswer = PlaceAnswer::Committed { order_id: 2, duplicate: true };

fn true_history(script: &Script) -> History {
    let cancelled = CancelAnswer::Cancelled { remaining: "2".parse().expect("a decimal"), seq: 4 };
    let end = &script.rows[3];
    let mut refused = sent(Side::Buy, "7", "7", None, &[PlaceAnswer::NotTaken]);
    refused.account = Some("alone".to_owned());
    History {
        orders: vec![
            sent(Side::Sell, "100", "5", None, &[PlaceAnswer::Enqueued { order_id: 1 }]),
            sent(Side::Buy, "101", "3", Some(("a", "k")), &[PlaceAnswer::Unknown { order_id: None }, COMMITTED, AGAIN]),
            refused,
        ],
        cancels: vec![CancelSent { order_id: 1, span: span(), answer: cancelled }],
        shown: vec![Shown { span: span(), seq: 4, ledger_hash: script.engine.ledger().hash().to_string() }],
        projected: vec![Projected { at: Instant::now(), seq: 4, chain: end.chain.to_string() }],
        outages: Vec::new(),
        crashes: Vec::new(),
    }
}

fn check(rows: &[Record], history: &History) -> Report {
    let mut checker = Checker::new(history);
    rows.iter().for_each(|row| checker.row(row));
    checker.finish()
}

#[track_caller]
fn found(report: &Report, expected: &str) {
    let found = &report.findings.first;
    assert!(found.iter().any(|finding| finding.contains(expected)), "{expected:?} is not in {found:#?}");
}

#[test]
fn the_truth_passes() {
    let script = Script::true_one();
    let report = check(&script.rows, &true_history(&script));
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!((report.acknowledged, report.lost, report.twice, report.rows), (3, 0, 0, 4));
    assert_eq!(report.state_hash, script.engine.state_hash().to_string());
}

/// Logs that are not what was promised, or that no service could write.
#[test]
fn lies_of_the_log_are_found() {
    let history = true_history(&Script::true_one());
    let without = |row: usize| {
        let mut commands = commands();
        commands.remove(row - 1);
        Script::of(commands, |_, _| {}).rows
    };
    let trade_at = |price: &'static str, left: &'static str| {
        Script::of(commands(), move |_, events| {
            for event in events {
                if let Event::Trade(trade) = event {
                    trade.price = price.parse().expect("a price");
                    trade.maker_remaining = left.parse().expect("a quantity");
                }
            }
        })
        .rows
    };
    let mut altered = Script::true_one().rows;
    altered[1].time = Micros::new(1_001).expect("a time");
    let mut older = Script::true_one().rows;
    older[2].epoch = Epoch(0);
    let twice = Script::of(commands(), |_, events| {
        if let Some(Event::OrderAccepted(order)) = events.first().cloned() {
            events.push(Event::OrderAccepted(order));
        }
    });
    let no_trade = Script::of(commands(), |_, events| events.retain(|event| !matches!(event, Event::Trade(_))));
    for (rows, expected) in [
        (without(2), "order 1 was acknowledged and is lost"),
        (without(3), "order 2 was acknowledged and is lost"),
        (without(4), "was said to be CANCELLED"),
        (Script::true_one().rows[..3].to_vec(), "the log ends at 3"),
        (altered, "the chain is broken"),
        (older, "is of term 0 after term 1"),
        (trade_at("101", "2"), "the naive book gives other events"),
        (trade_at("101", "2"), "not the price of its maker"),
        (trade_at("100", "1"), "left, not"),
        (twice.rows, "was executed 2 times"),
        (no_trade.rows, "is crossed"),
    ] {
        found(&check(&rows, &history), expected);
    }
}

/// A row that cannot be read at all.
#[test]
fn a_row_that_is_no_command_is_found() {
    let mut rows = Script::true_one().rows;
    rows[3].command = encoding::encode_events(&[]);
    found(&check(&rows, &History::default()), "cannot be read");
}

/// Answers that the log does not bear out.
#[test]
fn lies_to_clients_are_found() {
    let script = Script::true_one();
    let lie = |edit: &dyn Fn(&mut History), expected: &str| {
        let mut history = true_history(&script);
        edit(&mut history);
        found(&check(&script.rows, &history), expected);
    };
    let answer = |order: usize, answer: PlaceAnswer| {
        move |history: &mut History| history.orders[order].tries.push(Try { span: span(), answer: answer.clone() })
    };
    let cancel = |answer: CancelAnswer| move |history: &mut History| history.cancels[0].answer = answer.clone();
    let cancelled = |remaining: &str, seq| CancelAnswer::Cancelled { remaining: remaining.parse().expect("it"), seq };
    lie(&answer(0, PlaceAnswer::Enqueued { order_id: 9 }), "order 9 was acknowledged and is lost");
    lie(&answer(1, PlaceAnswer::Committed { order_id: 9, duplicate: true }), "several ids");
    lie(&answer(1, COMMITTED), "a repetition is called new");
    lie(&answer(0, PlaceAnswer::Unexpected("500".to_owned())), "a good order was answered 500");
    lie(&|history| history.orders[0].price = "99".parse().expect("a price"), "not what was acknowledged");
    lie(&|history| history.orders[0].side = Side::Buy, "not what was acknowledged");
    lie(
        &|history| history.orders[1].tries.iter_mut().for_each(|one| one.answer = PlaceAnswer::NotTaken),
        "not to be taken",
    );
    lie(&cancel(cancelled("1", 4)), "with 1 left");
    lie(&cancel(cancelled("2", 3)), "at row 3");
    lie(&cancel(CancelAnswer::NotOpen { status: "FILLED".to_owned() }), "was said to be FILLED");
    lie(&cancel(CancelAnswer::UnknownOrder), "found no such order");
    lie(&cancel(CancelAnswer::Unexpected("500".to_owned())), "a good cancel was answered 500");
    lie(&|history| history.shown[0].ledger_hash = "0".to_owned(), "the service showed the state 0");
    lie(&|history| history.shown[0].seq = 9, "the service showed row 9");
    lie(&|history| history.projected[0].chain = "0".to_owned(), "Redis showed another row");
    lie(&|history| history.projected[0].seq = 9, "Redis showed row 9");
    for (of, expected) in [(Rests::Queue, "acknowledged while"), (Rests::Log, "final while")] {
        lie(
            &|history| {
                let span = history.cancels[0].span;
                history.outages.push(Outage { of, from: span.from, to: span.to });
            },
            expected,
        );
    }
}

/// What was told before a crash was in the log that the crash left.
#[test]
fn what_was_told_before_its_commit_is_found() {
    let script = Script::true_one();
    let mut history = true_history(&script);
    let at = Instant::now();
    history.crashes.push(Crash { at, log_end: 4 });
    assert!(check(&script.rows, &history).findings.is_empty());
    history.crashes.push(Crash { at, log_end: 2 });
    let report = check(&script.rows, &history);
    for what in
        ["committed by row 3", "cancelled by row 4", "the service showed the state by row 4", "Redis showed the state"]
    {
        found(&report, what);
    }
}

/// Of two orders whose time has come one is still there.
#[test]
fn an_order_that_outlives_its_time_is_found() {
    let mut until = order(8, Side::Buy, "1", "3", None);
    if let Command::NewOrder(new) = &mut until {
        (new.order.time_in_force, new.order.expire_at) = (TimeInForce::Gtd, Micros::new(6_000));
    }
    let (later, expiry) = (order(9, Side::Buy, "1", "3", None), Command::AdvanceTime(AdvanceTime {}));
    let after = |last: Command| [commands(), vec![until.clone(), last]].concat();
    let history = true_history(&Script::true_one());
    assert!(check(&Script::of(after(expiry), |_, _| {}).rows, &history).findings.is_empty());
    found(&check(&Script::of(after(later), |_, _| {}).rows, &history), "row 6: order 8 was due");
}

/// A state without a row that somebody was told of before; who asked before that may be shown it.
#[test]
fn a_stale_state_is_found() {
    let script = Script::true_one();
    let (before, now) = (span(), span());
    let later = Span { from: now.to + Duration::from_secs(1), to: now.to + Duration::from_secs(1) };
    let ledger_hash = Script::of(commands()[..3].to_vec(), |_, _| {}).engine.ledger().hash().to_string();
    let history = |asked: Span| {
        let mut history = true_history(&script);
        history.shown.push(Shown { span: asked, seq: 3, ledger_hash: ledger_hash.clone() });
        history
    };
    assert!(check(&script.rows, &history(before)).findings.is_empty());
    found(&check(&script.rows, &history(later)), "stale state of row 3: row 4");
    let mut told = history(later);
    told.shown.remove(0);
    found(&check(&script.rows, &told), "stale state of row 3: row 4");
    told.cancels.clear();
    assert!(check(&script.rows, &told).findings.is_empty());
    told.shown[0].seq = 2;
    found(&check(&script.rows, &told), "stale state of row 2: row 3");
}

/// One order of a client under two ids.
#[test]
fn a_key_that_was_executed_twice_is_found() {
    let mut commands = commands();
    commands.push(order(8, Side::Buy, "1", "3", Some(("a", "other"))));
    let rows = Script::of(commands, |seq, events| {
        if let (5, Some(Event::OrderAccepted(order))) = (seq, events.first_mut()) {
            order.order.client_order_id = Some("k".parse().expect("a key"));
        }
    })
    .rows;
    let history = true_history(&Script::true_one());
    let report = check(&rows, &history);
    found(&report, "was executed as");
    assert_eq!(report.twice, 1);
    assert_eq!(rows[4].seq, Seq::new(5).expect("a row"));
}
