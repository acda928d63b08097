//! The ledger: what it keeps, what it drops, what it says of an order.

use std::collections::BTreeSet;

use matching::command::{AmendOrder, CancelOrder, ListInstrument, UpdateInstrument};
use matching::event::CommandRejected;
use matching::ledger::{OrderRecord, Place, TradeRecord};
use matching::{
    Changes, Command, Engine, Event, Instrument, InstrumentSpec, Ledger, Micros, Order, Reason, SelfTradePrevention,
    Seq, Sequenced, Side,
};

use crate::engine_commands::{engine_commands, run};
use crate::support::{command_id, order_id, symbol};

struct Market {
    engine: Engine,
    seq: Seq,
}

impl Market {
    fn new(retain_closed: u64) -> Market {
        let mut market = Market { engine: Engine::new(retain_closed), seq: Seq::ZERO };
        market.apply(Command::ListInstrument(ListInstrument {
            command_id: None,
            instrument: Instrument::finest(symbol("BTC_USDT")),
        }));
        market
    }

    fn apply(&mut self, value: Command) -> Vec<Event> {
        self.seq = self.seq.next();
        let mut events = Vec::new();
        self.engine.apply(&Sequenced { seq: self.seq, time: Micros::ZERO, value }, &mut events);
        events
    }

    fn place(&mut self, id: u64, side: Side, price: &str, quantity: &str) {
        self.apply(Command::from(Order::limit(
            order_id(id),
            symbol("BTC_USDT"),
            side,
            price.parse().expect("a price"),
            quantity.parse().expect("a quantity"),
            Micros::ZERO,
        )));
    }

    fn cancel(&mut self, id: u64) -> Vec<Event> {
        let (command_id, reason_text) = (command_id(id), Some("enough".to_owned()));
        self.apply(Command::CancelOrder(CancelOrder {
            command_id,
            order_id: order_id(id),
            reason_text,
            received_at: Micros::ZERO,
        }))
    }

    /// Amends an order; the places that were left by that.
    fn amend(&mut self, id: u64, price: Option<&str>, quantity: Option<&str>) -> Vec<Place> {
        let mut before = self.engine.image().ledger;
        let number = |text: &str| text.parse().expect("a number");
        let events = self.apply(Command::AmendOrder(AmendOrder {
            command_id: command_id(self.seq.get()),
            order_id: order_id(id),
            price: price.map(number),
            quantity: quantity.map(number),
            if_seq: None,
            received_at: Micros::ZERO,
        }));
        let mut changes = Changes::default();
        before.fold(self.seq, Micros::ZERO, &events, &mut changes);
        assert!(before == *self.engine.ledger());
        changes.left_places
    }

    /// An order as `status remaining/quantity mean`.
    fn say(&self, id: u64) -> String {
        let order = self.engine.ledger().order(order_id(id)).expect("a kept order");
        let mean = order.average_price().map_or_else(|| "-".to_owned(), |price| price.to_string());
        format!("{} {}/{} {mean}", order.status.as_str(), order.remaining(), order.quantity())
    }

    fn kept(&self) -> (Vec<u64>, Vec<u64>) {
        let ledger = self.engine.ledger();
        let orders = ledger.orders().map(|order| order.order_id.get()).collect();
        (orders, ledger.trades().map(|trade| trade.trade_id.get()).collect())
    }
}

#[test]
fn an_order_goes_through_its_states() {
    let mut market = Market::new(100);
    market.place(1, Side::Sell, "100.5", "3");
    assert_eq!(market.say(1), "OPEN 3/3 -");
    let order = market.engine.ledger().order(order_id(1)).expect("a kept order");
    assert_eq!((order.price(), order.price_units()), (Some("100.5".parse().expect("a price")), Some(10_050_000_000)));
    market.place(2, Side::Buy, "101", "1");
    assert_eq!(market.say(1), "PARTIALLY_FILLED 2/3 100.5");
    assert_eq!(market.say(2), "FILLED 0/1 100.5");
    market.cancel(1);
    assert_eq!(market.say(1), "CANCELLED 2/3 100.5");
    let order = market.engine.ledger().order(order_id(1)).expect("a kept order");
    assert_eq!((order.reason_code, order.reason_text()), (Some(Reason::ByUser), Some("enough")));
    market.place(3, Side::Buy, "0", "1");
    assert_eq!(market.say(3), "REJECTED 1/1 -");
}

#[test]
#[should_panic(expected = "order 1 is CANCELLED and cannot change")]
fn an_order_that_ended_does_not_change() {
    let mut market = Market::new(100);
    market.place(1, Side::Sell, "100.5", "3");
    let ended = market.cancel(1);
    let mut ledger = market.engine.image().ledger;
    ledger.fold(ledger.seq().next(), Micros::ZERO, &ended, &mut Changes::default());
}

#[test]
fn an_amended_order_leaves_its_place_or_keeps_it_with_what_it_shows() {
    let mut market = Market::new(100);
    let (price, quantity) =
        (|text: &str| text.parse().expect("a price"), |text: &str| text.parse().expect("a quantity"));
    market.apply(Command::from(Order {
        display_quantity: Some(quantity("4")),
        ..Order::limit(order_id(1), symbol("BTC_USDT"), Side::Sell, price("100"), quantity("20"), Micros::ZERO)
    }));
    market.place(2, Side::Buy, "100", "1");
    let order = |market: &Market| market.engine.ledger().order(order_id(1)).expect("a kept order").clone();
    let displayed = |market: &Market| order(market).displayed().to_string();
    let first = order(&market).place();
    assert_eq!((displayed(&market).as_str(), first.is_some()), ("3", true));

    assert_eq!(market.amend(1, None, Some("10")), [], "less keeps the place");
    assert_eq!((displayed(&market).as_str(), order(&market).place()), ("3", first));
    assert_eq!(market.amend(1, Some("101"), None), Vec::from_iter(first), "another price loses it");
    let second = order(&market).place();
    assert_eq!(order(&market).price(), Some(price("101")));
    assert_eq!((displayed(&market).as_str(), second != first), ("4", true));
    assert_eq!(market.amend(1, None, Some("12")), Vec::from_iter(second), "and so does more");
}

#[test]
fn the_mean_price_is_weighted_and_rounded_half_up() {
    let mut market = Market::new(100);
    market.place(1, Side::Sell, "0.00000001", "1");
    market.place(2, Side::Sell, "0.00000002", "1");
    market.place(3, Side::Sell, "0.00000002", "2");
    market.place(4, Side::Buy, "1", "2");
    assert_eq!(market.say(4), "FILLED 0/2 0.00000002", "1.5 units are 2");
    market.place(5, Side::Buy, "1", "2");
    assert_eq!(market.say(5), "FILLED 0/2 0.00000002");
}

#[test]
fn the_last_closed_orders_are_kept_and_the_trades_between_kept_orders() {
    let mut market = Market::new(2);
    assert_eq!(market.engine.ledger().retention(), 2);
    market.place(1, Side::Sell, "100", "10");
    market.place(2, Side::Buy, "100", "1");
    let ledger = market.engine.ledger();
    assert!(!ledger.has_dropped());
    let closed = ledger.oldest_closed();
    assert!(closed.is_some() && closed == ledger.order(order_id(2)).map(|order| order.seq), "{closed:?}");
    for id in 3..=5 {
        market.place(id, Side::Buy, "100", "1");
    }
    assert!(market.engine.ledger().has_dropped());
    assert_eq!(market.kept(), (vec![1, 4, 5], vec![3, 4]), "the open maker stays, with its trades with 4 and 5");
    assert_eq!(market.say(1), "PARTIALLY_FILLED 6/10 100", "what it traded is not forgotten");
    market.cancel(1);
    assert_eq!(market.kept(), (vec![1, 5], vec![4]));
    market.place(6, Side::Buy, "0", "1");
    assert_eq!(market.kept(), (vec![1, 6], vec![]), "a rejected order counts as closed");
}

#[test]
fn an_order_releases_an_amount_in_the_market_s_decimals() {
    let mut market = Market::new(10);
    market.place(1, Side::Buy, "0.5", "1.25");
    market.place(2, Side::Sell, "0.75", "1.25");
    let released = |events: Vec<Event>| match &events[..] {
        [Event::OrderCancelled(cancelled)] => cancelled.released.map(|amount| amount.to_string()),
        others => panic!("{others:?}"),
    };
    assert_eq!(released(market.cancel(1)).as_deref(), Some("0.625"), "price times quantity");
    assert_eq!(released(market.cancel(2)).as_deref(), Some("1.25"), "quantity");
}

#[test]
fn a_market_keeps_its_scale() {
    let mut market = Market::new(10);
    let finest = Instrument::finest(symbol("BTC_USDT"));
    let coarser = Instrument::try_from(InstrumentSpec {
        quantity_decimals: 2,
        lot: "0.01".parse().expect("a lot"),
        ..InstrumentSpec::from(finest)
    });
    let command_id = command_id(1);
    let events = market
        .apply(Command::UpdateInstrument(UpdateInstrument { command_id, instrument: coarser.expect("an instrument") }));
    assert_eq!(
        events,
        [Event::CommandRejected(CommandRejected {
            command_id: Some(command_id),
            symbol: Some(finest.symbol()),
            reason_code: Reason::ScaleChanged,
        })]
    );
    assert_eq!(market.engine.ledger().market(finest.symbol()).map(|market| market.instrument), Some(finest));
    let (router, ..) = market.engine.into_parts();
    assert_eq!(router.instrument(finest.symbol()), Some(&finest));
}

/// With a limit that was lowered between two runs, what is over it goes with the first row.
#[test]
fn an_engine_from_an_image_keeps_as_many_as_it_is_now_told() {
    let mut market = Market::new(10);
    for id in 1..=5 {
        market.place(id, Side::Buy, "100", "1");
        market.cancel(id);
    }
    market.engine = Engine::from_image(market.engine.image(), 2);
    assert_eq!(market.kept().0, vec![1, 2, 3, 4, 5], "the image is what it was");
    market.place(6, Side::Buy, "100", "1");
    assert_eq!(market.kept().0, vec![4, 5, 6]);
}

/// For random commands: what an auction would give is what its market was last told.
#[test]
fn a_market_shows_what_its_auction_would_give() {
    let mut indicated = 0;
    for seed in 1..40 {
        let (engine, events) = run(&engine_commands(seed, 200), 100);
        for market in engine.ledger().markets() {
            let symbol = market.instrument.symbol();
            let last = events.iter().flatten().rev().find_map(|event| match event {
                Event::AuctionIndicated(event) if event.symbol == symbol => Some(event),
                _ => None,
            });
            let price = last.and_then(|last| last.price);
            assert_eq!(market.indicated.as_ref().map(|indicated| indicated.price), price, "seed {seed}, {symbol}");
            indicated += usize::from(price.is_some());
        }
    }
    assert!(indicated > 0, "no market was in an auction at the end");
}

/// A maker that stays open for ever forgets the trades whose takers were dropped: what is kept is bounded.
#[test]
fn what_is_kept_is_bounded() {
    let mut market = Market::new(10);
    market.place(1, Side::Sell, "100", "100000");
    let mut largest = 0;
    for id in 2..=2_000 {
        market.place(id, Side::Buy, "100", "1");
        let ledger = serde_json::to_vec(&market.engine.image().ledger).expect("JSON");
        largest = largest.max(ledger.len());
    }
    let (orders, trades) = market.kept();
    assert_eq!((orders.len(), trades.len()), (11, 10));
    assert!(largest < 20_000, "the ledger grew to {largest} bytes");
}

/// For random commands: every order's quantity is what is left and what its trades took, while all of them are kept.
#[test]
fn quantities_add_up() {
    let (engine, _) = run(&engine_commands(5, 3_000), 1_000_000);
    let ledger = engine.ledger();
    for order in ledger.orders() {
        let traded: u64 = ledger
            .trades()
            .filter(|trade| trade.maker_order_id == order.order_id || trade.taker_order_id == order.order_id)
            .map(|trade| trade.quantity.to_units(8).expect("a quantity"))
            .sum();
        assert_eq!(order.filled().to_units(8), Some(traded), "{order:?}");
    }
}

/// For random commands: pages are what lies below their cursor, newest first, and each order has its trades.
#[test]
fn what_is_kept_is_found_from_every_side() {
    let (engine, _) = run(&engine_commands(6, 3_000), 1_000_000);
    let ledger = engine.ledger();
    let orders: Vec<_> = ledger.orders().map(|order| order.order_id).collect();
    let trades: Vec<_> = ledger.trades().collect();
    assert!(
        orders.is_sorted() && orders.len() > 300 && trades.len() > 100,
        "{} orders, {} trades",
        orders.len(),
        trades.len()
    );
    assert_eq!(ledger.greatest_order_id(), orders.last().copied());
    let below = |end| ledger.orders_below(end).map(|order| order.order_id).collect::<Vec<_>>();
    for (index, end) in orders.iter().enumerate().step_by(97) {
        assert_eq!(below(*end), orders[..index].iter().rev().copied().collect::<Vec<_>>());
    }
    for (index, end) in trades.iter().enumerate().step_by(31) {
        let expected = trades[..index].iter().rev().copied().collect::<Vec<_>>();
        assert_eq!(ledger.trades_below(end.trade_id).collect::<Vec<_>>(), expected);
    }
    for order_id in &orders {
        let parties = |trade: &TradeRecord| [trade.maker_order_id, trade.taker_order_id];
        let expected: Vec<_> = trades.iter().copied().filter(|trade| parties(trade).contains(order_id)).collect();
        assert_eq!(ledger.trades_of(*order_id).collect::<Vec<_>>(), expected, "of {order_id}");
        assert_eq!(ledger.order(*order_id).map(|order| order.order_id), Some(*order_id));
    }
    let symbols: Vec<_> = ledger.instruments().map(|instrument| instrument.symbol()).collect();
    assert_eq!(symbols, ledger.markets().map(|market| market.instrument.symbol()).collect::<Vec<_>>());
    assert!(symbols.len() == 3 && symbols.iter().all(|symbol| ledger.market(*symbol).is_some()));
}

/// For random commands: every place in a book that an order had before a row and not after it is told as left, and so is
/// every order that changed or was dropped; no place that an order has.
#[test]
fn what_a_row_changes_is_told() {
    let mut left = 0;
    for seed in 1..10 {
        let commands = engine_commands(seed, 300);
        let (_, events) = run(&commands, 20);
        let mut ledger = Ledger::new(20);
        for (command, events) in commands.iter().zip(events) {
            let before = ledger.clone();
            let mut changes = Changes::default();
            ledger.fold(command.seq, command.time, &events, &mut changes);
            let places = |ledger: &Ledger| ledger.orders().filter_map(OrderRecord::place).collect::<BTreeSet<_>>();
            let (old, new) = (places(&before), places(&ledger));
            let told: BTreeSet<_> = changes.left_places.iter().copied().collect();
            let gone: BTreeSet<_> = old.difference(&new).copied().collect();
            assert!(told.is_superset(&gone) && told.is_disjoint(&new), "{command:?}: {told:?}, not {gone:?}");
            left += gone.len();

            let changed = ledger.orders().filter(|order| before.order(order.order_id) != Some(*order));
            assert_eq!(changed.map(|order| order.order_id).collect::<BTreeSet<_>>(), changes.orders, "{command:?}");
            let dropped: BTreeSet<_> = changes.dropped_orders.iter().map(|order| order.order_id).collect();
            let is_kept = |order: &OrderRecord| ledger.order(order.order_id).is_some();
            assert!(before.orders().all(|order| is_kept(order) || dropped.contains(&order.order_id)), "{command:?}");
        }
    }
    assert!(left > 100, "{left} places were left");
}

/// For random commands: what is kept of an order is what was asked, of all that never changes.
#[test]
fn an_order_is_kept_as_it_was_asked_for() {
    let mut kinds = BTreeSet::new();
    for seed in 1..20 {
        let (engine, events) = run(&engine_commands(seed, 400), 1_000_000);
        for event in events.iter().flatten() {
            let order = match event {
                Event::OrderAccepted(accepted) => &accepted.order,
                Event::OrderRejected(rejected) => &rejected.order,
                _ => continue,
            };
            let kept = engine.ledger().order(order.order_id).expect("a kept order");
            let kept = Order {
                order_id: kept.order_id,
                symbol: kept.symbol,
                side: kept.side,
                order_type: kept.order_type(),
                time_in_force: kept.time_in_force(),
                expire_at: kept.expire_at(),
                post_only: kept.post_only(),
                stop_price: kept.stop_price(),
                trailing_delta: kept.trailing_delta(),
                quote_quantity: kept.quote_quantity(),
                display_quantity: kept.display_quantity(),
                min_quantity: kept.min_quantity(),
                self_trade_prevention: kept.self_trade_prevention(),
                linked_order_id: kept.linked_order_id(),
                metadata: kept.metadata().cloned(),
                account: kept.account.clone(),
                client_order_id: kept.client_order_id.clone(),
                received_at: kept.received_at,
                // An amend changes these.
                price: order.price,
                quantity: order.quantity,
            };
            assert_eq!(&kept, order);
            let has = [
                ("stop price", kept.stop_price.is_some()),
                ("delta", kept.trailing_delta.is_some()),
                ("quote quantity", kept.quote_quantity.is_some()),
                ("tranche", kept.display_quantity.is_some()),
                ("least quantity", kept.min_quantity.is_some()),
                ("end", kept.expire_at.is_some()),
                ("post only", kept.post_only),
                ("prevention", kept.self_trade_prevention != SelfTradePrevention::None),
            ];
            kinds.extend(has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name));
        }
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}
