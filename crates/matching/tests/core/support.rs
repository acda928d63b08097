//! Commands in short, a random stream of them, and the checks that hold for every book.

use std::collections::BTreeMap;

use matching::book::{Book, BookCommand, BookEvent, Placed};
use matching::command::{AdvanceTime, CancelOrder, ListInstrument, NewOrder};
use matching::units::ID_LIMIT;
use matching::{
    Command, CommandId, Engine, Event, Instrument, Micros, OrderId, Price, Quantity, Seq, Sequenced, Side, Symbol,
};

pub fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

pub fn order_id(id: u64) -> OrderId {
    OrderId::new(id).expect("an id")
}

/// Ids of cancels count down from the top, out of the way of orders.
pub fn command_id(number: u64) -> CommandId {
    CommandId::new(ID_LIMIT - 1 - number).expect("an id")
}

pub fn price(units: u64) -> Price {
    Price::new(units).expect("a price")
}

pub fn quantity(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

pub fn place(id: u64, side: Side, at: u64, amount: u64) -> BookCommand {
    BookCommand::Place(Placed {
        order_id: order_id(id),
        side,
        price: price(at),
        quantity: quantity(amount),
        received_at: Micros::ZERO,
        account: None,
        client_order_id: None,
        expire_at: None,
    })
}

pub fn cancel(number: u64, id: u64) -> BookCommand {
    BookCommand::Cancel { command_id: command_id(number), order_id: order_id(id), reason_text: None }
}

/// A generator whose numbers depend on its seed alone.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*: small, and good in its upper bits.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// Commands for one book: few prices, so that levels are deep and trades are many; some cancels miss.
pub fn book_commands(seed: u64, count: u64) -> Vec<BookCommand> {
    let mut random = Random::new(seed);
    (1..=count)
        .map(|number| {
            match random.below(20) {
                0..6 => return cancel(number, 1 + random.below(number)),
                6 => return BookCommand::Expire { order_id: order_id(1 + random.below(number)) },
                _ => {}
            }
            let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
            let amount = if random.below(50) == 0 { 1 + random.below(5_000) } else { 1 + random.below(30) };
            place(number, side, 90 + random.below(21), amount)
        })
        .collect()
}

/// Commands for a whole engine: three markets, some orders that are refused, ids and names that come again, orders that
/// expire, come late or have waited for too long.
pub fn engine_commands(seed: u64, count: u64) -> Vec<Sequenced<Command>> {
    let mut random = Random::new(seed);
    let list = |text| Command::ListInstrument(ListInstrument { instrument: Instrument::finest(symbol(text)) });
    let mut commands = vec![list("BTC_USDT"), list("ETH_USDT"), list("BTC_USDT"), list("XRP_USDT")];
    for number in 1..=count {
        let received_at = Micros::new(number * 10).expect("a time");
        let now = number * 7;
        let command = match random.below(21) {
            20 => Command::AdvanceTime(AdvanceTime {}),
            0..5 => Command::CancelOrder(CancelOrder {
                command_id: command_id(number - random.below(2)),
                order_id: order_id(1 + random.below(number + 3)),
                reason_text: (random.below(3) == 0).then(|| "changed my mind".to_owned()),
                received_at,
            }),
            kind => Command::NewOrder(NewOrder {
                account: (random.below(2) == 0).then(|| "desk".parse().expect("a name")),
                client_order_id: (kind > 14)
                    .then(|| (number - random.below(number.min(60))).to_string().parse().expect("a name")),
                expire_at: (random.below(3) == 0).then(|| Micros::new(now + random.below(400)).expect("a time")),
                deadline: (random.below(9) == 0).then(|| Micros::new(now + random.below(60)).expect("a time")),
                stale: random.below(40) == 0,
                ..NewOrder::limit(
                    order_id(if kind == 5 { 1 + random.below(number) } else { number }),
                    symbol(["BTC_USDT", "ETH_USDT", "XRP_USDT", "NOT_LISTED"][random.below(13) as usize / 4]),
                    if random.below(2) == 0 { Side::Buy } else { Side::Sell },
                    if kind == 6 { "0" } else { ["99.5", "100", "100.25", "101"][random.below(4) as usize] }
                        .parse()
                        .expect("a price"),
                    (1 + random.below(9)).to_string().parse().expect("a quantity"),
                    received_at,
                )
            }),
        };
        commands.push(command);
    }
    let mut seq = Seq::ZERO;
    let mut sequenced = Vec::new();
    for (index, value) in commands.into_iter().enumerate() {
        seq = seq.next();
        sequenced.push(Sequenced { seq, time: Micros::new(index as u64 * 7).expect("a time"), value });
    }
    sequenced
}

/// An engine that has applied these commands, and the events of each.
pub fn run(commands: &[Sequenced<Command>], retain_closed: u64) -> (Engine, Vec<Vec<Event>>) {
    let mut engine = Engine::new(retain_closed);
    let events = commands
        .iter()
        .map(|command| {
            let mut events = Vec::new();
            engine.apply(command, &mut events);
            events
        })
        .collect();
    (engine, events)
}

/// What an order has been through, by the events.
#[derive(Debug, Clone, Copy)]
struct Life {
    side: Side,
    limit: Price,
    quantity: u64,
    traded: u64,
    cancelled: u64,
}

/// What is wrong with a book and the events that led to it. Nothing is the right answer.
pub fn violations(book: &Book, events: &[BookEvent]) -> Vec<String> {
    let mut found = Vec::new();
    let mut lives: BTreeMap<OrderId, Life> = BTreeMap::new();
    for event in events {
        match event {
            BookEvent::Accepted { order, .. } => {
                let Placed { side, price: limit, .. } = *order;
                let life = Life { side, limit, quantity: order.quantity.units(), traded: 0, cancelled: 0 };
                lives.insert(order.order_id, life);
            }
            BookEvent::Traded { price, quantity, maker_order_id, taker_order_id, .. } => {
                check_trade(&lives, *price, *maker_order_id, *taker_order_id, &mut found);
                for order_id in [maker_order_id, taker_order_id] {
                    lives.get_mut(order_id).expect("an order").traded += quantity.units();
                }
            }
            BookEvent::Cancelled { order_id, remaining, .. } | BookEvent::Expired { order_id, remaining } => {
                lives.get_mut(order_id).expect("an order").cancelled += remaining.units();
            }
            BookEvent::CancelRejected { .. } => {}
        }
    }
    let mut resting: BTreeMap<OrderId, u64> = BTreeMap::new();
    for side in [Side::Buy, Side::Sell] {
        check_side(book, side, &mut resting, &mut found);
    }
    for (order_id, life) in &lives {
        let left = resting.get(order_id).copied().unwrap_or_default();
        if life.quantity != life.traded + life.cancelled + left {
            found.push(format!("conservation: order {order_id} {life:?} and {left} left"));
        }
    }
    if let (Some(bid), Some(ask)) = (book.best_bid(), book.best_ask())
        && bid >= ask
    {
        found.push(format!("crossed: {bid:?} {ask:?}"));
    }
    found
}

fn check_trade(lives: &BTreeMap<OrderId, Life>, price: Price, maker: OrderId, taker: OrderId, found: &mut Vec<String>) {
    let (maker_life, taker_life) = (lives[&maker], lives[&taker]);
    if price != maker_life.limit {
        found.push(format!("price: maker {maker} traded at {price:?}, not at its own"));
    }
    // An older order of the maker's side at a better price, or at the same price, would have gone first.
    let passed_over = lives.iter().find(|(other, life)| {
        let better = match life.side {
            Side::Buy => life.limit > price,
            Side::Sell => life.limit < price,
        };
        let open = life.quantity > life.traded + life.cancelled;
        let first = better || (life.limit == price && **other < maker);
        life.side == maker_life.side && **other != taker && open && first
    });
    if let Some((other, _)) = passed_over {
        found.push(format!("priority: {maker} traded before {other}"));
    }
    if maker_life.side == taker_life.side {
        found.push(format!("sides: {maker} and {taker} are on one side"));
    }
}

fn check_side(book: &Book, side: Side, resting: &mut BTreeMap<OrderId, u64>, found: &mut Vec<String>) {
    let orders: Vec<_> = book.orders(side).collect();
    for pair in orders.windows(2) {
        let better = match side {
            Side::Buy => pair[0].price > pair[1].price,
            Side::Sell => pair[0].price < pair[1].price,
        };
        if !better && (pair[0].price != pair[1].price || pair[0].priority >= pair[1].priority) {
            found.push(format!("order: {:?} stands before {:?}", pair[0], pair[1]));
        }
    }
    for order in orders {
        if order.remaining.is_zero() {
            found.push(format!("empty: order {} rests with nothing left", order.order_id));
        }
        resting.insert(order.order_id, order.remaining.units());
    }
}
