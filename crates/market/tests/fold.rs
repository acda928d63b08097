//! The fold beside the ledger tells what a scan of the ledger would tell, after every row of random orders of every kind.

use std::collections::BTreeMap;

use market::{ChangedOrder, FeedRow, Level, Market, OrderFilter, OrderIndex, RowChanges, touched};
use matching::command::{AmendOrder, CancelOrder, ListInstrument, NewOrder};
use matching::ledger::OrderStatus;
use matching::{
    Changes, Command, CommandId, Engine, Instrument, Ledger, Micros, Order, OrderId, Sequenced, Side, Symbol,
};

const ROWS: u64 = 6_000;
const CLOSED: u64 = 300;

/// A small generator: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// The engine, and the fold that follows it.
struct World {
    engine: Engine,
    ledger: Ledger,
    market: Market,
    index: OrderIndex,
    ids: u64,
}

impl World {
    fn new() -> World {
        let ledger = Ledger::new(CLOSED);
        let (market, index) = (Market::of(&ledger), OrderIndex::of(&ledger));
        let mut world = World { engine: Engine::new(CLOSED), ledger, market, index, ids: 0 };
        for name in ["BTC_USDT", "ETH_USDT"] {
            let instrument = Instrument::finest(name.parse().expect("a symbol"));
            world.apply(Command::ListInstrument(ListInstrument { command_id: None, instrument }));
        }
        world
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn apply(&mut self, value: Command) -> RowChanges {
        let seq = self.ledger.seq().next();
        let time = Micros::new(1_732_880_000_000_000 + seq.get() * 250_000).expect("a time");
        let mut events = Vec::new();
        self.engine.apply(&Sequenced { seq, time, value }, &mut events);
        let touched = touched(&self.ledger, &events);
        let mut changes = Changes::default();
        self.ledger.fold(seq, time, &events, &mut changes);
        let mut row = FeedRow { seq, time, events, orders: Vec::new() };
        for (order_id, before) in touched {
            let kept = self.ledger.order(order_id);
            if let Some(order) = kept {
                self.index.changed(before, order);
            }
            let dropped = || changes.dropped_orders.iter().find(|order| order.order_id == order_id);
            row.orders.extend(kept.or_else(dropped).cloned().map(|order| ChangedOrder { order, before }));
        }
        changes.dropped_orders.iter().for_each(|order| self.index.dropped(order));
        let mut row_changes = RowChanges::default();
        self.market.fold(&row, &mut row_changes);
        row_changes
    }
}

fn command(random: &mut Random, world: &mut World) -> Command {
    let id = world.id();
    let (command_id, received_at) = (CommandId::new(id).expect("an id"), Micros::ZERO);
    let some_order = OrderId::new(1 + random.below(id)).expect("an id");
    match random.below(10) {
        0 | 1 => Command::CancelOrder(CancelOrder { command_id, order_id: some_order, reason_text: None, received_at }),
        2 => {
            let quantity = Some((1 + random.below(9)).to_string().parse().expect("a number"));
            let order_id = some_order;
            Command::AmendOrder(AmendOrder { command_id, order_id, price: None, quantity, if_seq: None, received_at })
        }
        kind => {
            let mut order = serde_json::json!({
                "order_id": id, "symbol": random.one_of(&["BTC_USDT", "ETH_USDT"]),
                "side": random.one_of(&["BUY", "SELL"]), "received_at": 0,
                "account": format!("desk-{}", random.below(4)), "quantity": (1 + random.below(20)).to_string(),
            });
            let price = (90 + random.below(20)).to_string();
            match kind {
                3 => order["type"] = "MARKET".into(),
                4 => {
                    order["type"] = "STOP_LIMIT".into();
                    order["stop_price"] = (90 + random.below(20)).to_string().into();
                    order["price"] = price.into();
                }
                5 => {
                    order["display_quantity"] = "3".into();
                    order["price"] = price.into();
                }
                6 => {
                    order["time_in_force"] = random.one_of(&["IOC", "FOK"]).into();
                    order["price"] = price.into();
                }
                7 => {
                    order["self_trade_prevention"] =
                        random.one_of(&["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]).into();
                    order["price"] = price.into();
                }
                _ => order["price"] = price.into(),
            }
            let order: Order = serde_json::from_value(order).expect("an order");
            Command::NewOrder(NewOrder { order, deadline: None, stale: false })
        }
    }
}

/// The levels of a market as a scan of the ledger has them.
fn scanned(ledger: &Ledger, symbol: Symbol, side: Side) -> BTreeMap<u64, Level> {
    let decimals = ledger.market(symbol).expect("a market").instrument.quantity_decimals();
    let mut levels: BTreeMap<u64, Level> = BTreeMap::new();
    for order in ledger.orders().filter(|order| order.symbol == symbol && order.side == side) {
        let (Some(_), Some(price)) = (order.place(), order.price_units()) else { continue };
        let level = levels.entry(price).or_default();
        level.quantity += u128::from(order.displayed().to_units(decimals).expect("in scale"));
        level.orders += 1;
    }
    levels
}

fn told(market: &Market, symbol: Symbol, side: Side) -> BTreeMap<u64, Level> {
    let depth = market.symbol(symbol).expect("a market").depth(usize::MAX);
    let levels = if side == Side::Buy { depth.bids } else { depth.asks };
    let sorted: Vec<_> = levels.iter().map(|(price, _)| *price).collect();
    let mut best_first = sorted.clone();
    best_first.sort_by(|a, b| if side == Side::Buy { b.cmp(a) } else { a.cmp(b) });
    assert_eq!(sorted, best_first);
    levels.into_iter().collect()
}

#[test]
fn levels_and_index_are_those_of_the_ledger_after_every_row() {
    for seed in [7, 11] {
        let (mut random, mut world) = (Random(seed), World::new());
        // What a subscriber would have: a copy that only changes go into.
        let mut copy: BTreeMap<(Symbol, Side, u64), Level> = BTreeMap::new();
        for row in 0..ROWS {
            let command = command(&mut random, &mut world);
            let changes = world.apply(command);
            for (symbol, changes) in &changes.symbols {
                let market = world.market.symbol(*symbol).expect("a market");
                for (side, prices) in [(Side::Buy, &changes.bids), (Side::Sell, &changes.asks)] {
                    for price in prices {
                        match market.level(side, *price) {
                            Level { orders: 0, .. } => copy.remove(&(*symbol, side, *price)),
                            level => copy.insert((*symbol, side, *price), level),
                        };
                    }
                }
            }
            if row % 7 == 0 {
                compare(&world, &copy, seed);
            }
        }
        assert!(world.ledger.trades().count() > 100 && world.ledger.has_dropped(), "seed {seed}: too little happened");
    }
}

fn compare(world: &World, copy: &BTreeMap<(Symbol, Side, u64), Level>, seed: u64) {
    for market in world.ledger.markets() {
        let symbol = market.instrument.symbol();
        for side in [Side::Buy, Side::Sell] {
            let expected = scanned(&world.ledger, symbol, side);
            let row = world.ledger.seq();
            assert_eq!(told(&world.market, symbol, side), expected, "seed {seed}, row {row}, {symbol} {side}");
            let copied = copy.range((symbol, side, 0)..=(symbol, side, u64::MAX));
            let copied: BTreeMap<u64, Level> = copied.map(|((_, _, price), level)| (*price, *level)).collect();
            assert_eq!(copied, expected, "seed {seed}, row {row}: what changed is not all that changed");
        }
    }
    let open = [OrderStatus::Untriggered, OrderStatus::Open, OrderStatus::PartiallyFilled];
    let account = Some("desk-1".parse().expect("a name"));
    let symbol = Some("ETH_USDT".parse().expect("a symbol"));
    let filters = [
        OrderFilter::default(),
        OrderFilter { account: account.clone(), ..OrderFilter::default() },
        OrderFilter { account, statuses: open.to_vec(), ..OrderFilter::default() },
        OrderFilter { symbol, statuses: vec![OrderStatus::Filled], ..OrderFilter::default() },
        OrderFilter { statuses: open.to_vec(), side: Some(Side::Sell), ..OrderFilter::default() },
    ];
    for filter in filters {
        let fits = world.ledger.orders().filter(|order| {
            filter.symbol.is_none_or(|symbol| order.symbol == symbol)
                && filter.side.is_none_or(|side| order.side == side)
                && (filter.account.is_none() || order.account == filter.account)
                && (filter.statuses.is_empty() || filter.statuses.contains(&order.status))
        });
        let mut expected: Vec<OrderId> = fits.map(|order| order.order_id).collect();
        expected.reverse();
        let (mut found, mut below) = (Vec::new(), None);
        loop {
            let page = world.index.page(&world.ledger, &filter, below, 37);
            found.extend(page.orders.iter().map(|order| order.order_id));
            match page.next {
                Some(next) => below = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected, "seed {seed}, row {}: {filter:?}", world.ledger.seq());
    }
}

/// A start from the ledger gives the same markets as having followed it.
#[test]
fn a_market_made_from_the_ledger_is_the_one_that_followed_it() {
    let (mut random, mut world) = (Random(3), World::new());
    for _ in 0..800 {
        let command = command(&mut random, &mut world);
        world.apply(command);
    }
    let again = Market::of(&world.ledger);
    for market in world.market.symbols() {
        let symbol = market.instrument().symbol();
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(told(&again, symbol, side), told(&world.market, symbol, side));
        }
        let now = world.ledger.time();
        if !world.ledger.has_dropped() {
            assert_eq!(again.symbol(symbol).expect("a market").day(now), market.day(now));
        }
    }
}
