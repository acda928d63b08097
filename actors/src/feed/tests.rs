//! What subscribers get: everything, in order, whenever they come and go; or nothing more.

use market::{ChangedOrder, FeedRow, touched};
use matching::command::{ListInstrument, NewOrder};
use matching::{Command, Engine, Instrument, Order, Sequenced};
use tokio::runtime;

use super::*;

/// As much of a message as is looked at: its kind, its rows, and its levels or trades.
fn text(draft: &Draft<'_>) -> String {
    let kind = match draft.kind {
        Kind::Snapshot => "snapshot",
        Kind::Update => "update",
    };
    let prev = draft.prev.map_or(String::from("-"), |prev| prev.to_string());
    let data = match &draft.content {
        Content::Book { bids, asks, .. } => {
            let levels = bids.iter().chain(asks).map(|(price, level)| (price / 100_000_000, level.orders));
            format!("{:?}", levels.collect::<Vec<_>>())
        }
        Content::Trades { trades, .. } => {
            format!("{:?}", trades.iter().map(|trade| trade.trade_id.get()).collect::<Vec<_>>())
        }
        Content::Ticker { market } => format!("{:?}", market.last_price()),
        Content::Candles { candles, .. } => format!("{} candles", candles.len()),
        Content::Orders(changes) => {
            changes.iter().map(|change| change.order.status.as_str()).collect::<Vec<_>>().join(" ")
        }
    };
    format!("{kind} {prev}..{} {data}", draft.seq)
}

struct World {
    engine: Engine,
    feed: FeedActor,
}

impl World {
    fn new() -> World {
        let engine = Engine::new(1_000);
        let feed = FeedActor::new(
            Market::of(engine.ledger()),
            text,
            Arc::default(),
            watch::channel(Seq::ZERO).0,
            Arc::default(),
        );
        let mut world = World { engine, feed };
        let instrument = Instrument::finest("BTC_USDT".parse().expect("a symbol"));
        world.commit(vec![Command::ListInstrument(ListInstrument { command_id: None, instrument })]);
        world
    }

    /// Commits some commands together.
    fn commit(&mut self, commands: Vec<Command>) {
        let mut rows = Vec::new();
        for value in commands {
            let seq = self.engine.ledger().seq().next();
            let before = self.engine.ledger().clone();
            let (time, mut events) = (matching::Micros::new(seq.get() * 1_000).expect("a time"), Vec::new());
            self.engine.apply(&Sequenced { seq, time, value }, &mut events);
            let changed = |(id, before)| {
                let order = self.engine.ledger().order(id)?.clone();
                Some(ChangedOrder { order, before })
            };
            let orders = touched(&before, &events).into_iter().filter_map(changed).collect();
            rows.push(FeedRow { seq, time, events, orders });
        }
        self.feed.take(&rows);
    }

    fn subscribe(&mut self, session: SessionId, to: &Outbox, channel: &str, after: Option<u64>) -> Subscribed {
        let (channel, to) = (channel.parse().expect("a channel"), to.clone());
        self.feed.subscribe(Subscribe { session, to, channel, after: after.and_then(Seq::new) })
    }
}

fn order(id: u64, side: &str, price: u64) -> Command {
    let text = format!(
        r#"{{"order_id":{id},"symbol":"BTC_USDT","side":"{side}","price":"{price}","quantity":"1","account":"desk","received_at":0}}"#
    );
    let order: Order = serde_json::from_str(&text).expect("an order");
    Command::NewOrder(NewOrder { order, deadline: None, stale: false })
}

fn received(inbox: &mut Inbox) -> Vec<String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut texts = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(Duration::ZERO, inbox.next()).await {
            texts.push(message.text.to_string());
        }
        texts
    })
}

#[test]
fn a_subscriber_that_comes_back_misses_nothing() {
    let mut world = World::new();
    world.commit(vec![order(1, "SELL", 100)]);
    let (to, mut from) = Outbox::new(10);
    assert_eq!(world.subscribe(1, &to, "book:BTC_USDT", None), Subscribed::Snapshot);
    assert_eq!(world.subscribe(1, &to, "trades:BTC_USDT", None), Subscribed::Snapshot);
    assert_eq!(received(&mut from), ["snapshot -..2 [(100, 1)]", "snapshot -..2 []"]);

    // Rows that are committed together come in one message; a row that changes nothing of a channel is passed over.
    world.commit(vec![order(2, "SELL", 101), order(3, "BUY", 99)]);
    world.commit(vec![order(4, "BUY", 100)]);
    assert_eq!(
        received(&mut from),
        ["update 2..4 [(99, 1), (101, 1)]", "update 4..5 [(100, 0)]", "update 1..5 [1]"],
        "the book, and the first trade"
    );

    world.feed.channels.values_mut().for_each(|state| state.leave(1));
    world.commit(vec![order(5, "BUY", 101)]);
    assert_eq!(received(&mut from), [""; 0]);
    assert_eq!(world.subscribe(2, &to, "book:BTC_USDT", Some(4)), Subscribed::Resumed);
    assert_eq!(world.subscribe(2, &to, "trades:BTC_USDT", Some(5)), Subscribed::Resumed);
    assert_eq!(received(&mut from), ["update 4..5 [(100, 0)]", "update 5..6 [(101, 0)]", "update 5..6 [2]"]);
    assert_eq!(world.subscribe(3, &to, "book:BTC_USDT", Some(1_000)), Subscribed::Snapshot, "of another log");
    assert_eq!(world.subscribe(3, &to, "book:NO_SUCH", None), Subscribed::UnknownSymbol);
}

/// A process that has just started has sent nothing: what it can prove to be all it sends, else it begins anew.
#[test]
fn after_a_restart_trades_go_on_and_a_book_begins_anew() {
    let mut world = World::new();
    world.commit(vec![order(1, "SELL", 100), order(2, "BUY", 100), order(3, "SELL", 100), order(4, "BUY", 100)]);
    world.commit(vec![order(5, "SELL", 103)]);
    world.feed = FeedActor::new(
        Market::of(world.engine.ledger()),
        text,
        Arc::default(),
        watch::channel(Seq::ZERO).0,
        Arc::default(),
    );
    let (to, mut from) = Outbox::new(10);
    assert_eq!(world.subscribe(1, &to, "trades:BTC_USDT", Some(3)), Subscribed::Resumed);
    assert_eq!(world.subscribe(1, &to, "book:BTC_USDT", Some(5)), Subscribed::Snapshot);
    assert_eq!(received(&mut from), ["update 3..6 [2]", "snapshot -..6 [(103, 1)]"]);
    world.commit(vec![order(6, "BUY", 103)]);
    assert_eq!(received(&mut from), ["update 6..7 [(103, 0)]", "update 6..7 [3]"]);
}

#[test]
fn an_account_is_told_each_state_and_a_slow_session_is_given_up_alone() {
    let mut world = World::new();
    let ((slow, mut slow_from), (quick, mut quick_from)) = (Outbox::new(1), Outbox::new(10));
    for (session, to) in [(1, &slow), (2, &quick)] {
        assert_eq!(world.subscribe(session, to, "orders:desk", None), Subscribed::Nothing);
    }
    world.commit(vec![order(1, "SELL", 100)]);
    world.commit(vec![order(2, "BUY", 100)]);
    assert_eq!(received(&mut quick_from), ["update 1..2 OPEN", "update 2..3 FILLED FILLED"]);
    assert_eq!(received(&mut slow_from), [""; 0], "it would have a gap");
    assert!(!slow.send(Arc::new(FeedMessage {
        channel: "orders:desk".parse().expect("a channel"),
        seq: Seq::ZERO,
        text: "".into()
    })));
}
