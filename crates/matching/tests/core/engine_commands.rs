//! Random commands for a whole engine: what the books get, and beside it names, times, accounts, rules, and what is refused.

use matching::book::{BookCommand, Placed};
use matching::command::{
    AdvanceTime, AmendOrder, BlockAccount, CancelByKey, CancelOrder, ListInstrument, MassCancel, NewOrder,
    SetCancelAfter, SetPhase, UnblockAccount, UpdateInstrument,
};
use matching::{
    Command, Decimal, Engine, Event, Instrument, InstrumentSpec, Micros, Order, Phase, PhaseStep, Price, Quantity, Seq,
    Sequenced, Symbol, TimeInForce,
};

use crate::generate;
use crate::support::{Random, command_id, order_id, symbol};

const MARKETS: [&str; 3] = ["BTC_USDT", "ETH_USDT", "XRP_USDT"];

/// How far the clock goes on with each command.
const TICK: u64 = 7;

fn units(units: u64) -> Decimal {
    Decimal::from_units(units, 0)
}

fn instrument(symbol: Symbol) -> Instrument {
    let spec = InstrumentSpec { symbol, ..generate::instrument().into() };
    Instrument::try_from(spec).expect("an instrument")
}

fn order(placed: Placed, symbol: Symbol) -> Order {
    let price = |price: Option<Price>| price.map(|price| units(price.units()));
    let quantity = |quantity: Option<Quantity>| quantity.map(|quantity| units(quantity.units()));
    Order {
        price: price(placed.price),
        quantity: quantity(Some(placed.quantity).filter(|quantity| !quantity.is_zero())),
        quote_quantity: placed.extras.quote_quantity.map(|quote| units(quote as u64)),
        time_in_force: placed.time_in_force,
        post_only: placed.post_only,
        stop_price: price(placed.extras.stop_price),
        trailing_delta: price(placed.extras.trailing_delta),
        display_quantity: quantity(placed.extras.display_quantity),
        min_quantity: quantity(placed.extras.min_quantity),
        self_trade_prevention: placed.self_trade_prevention,
        linked_order_id: placed.extras.linked_order_id,
        account: placed.account,
        metadata: placed.extras.metadata.clone(),
        ..Order::bare(placed.order_id, symbol, placed.side, placed.order_type, placed.received_at)
    }
}

struct Source {
    random: Random,
    /// The number of the command, its id too.
    number: u64,
    now: u64,
}

pub fn engine_commands(seed: u64, count: u64) -> Vec<Sequenced<Command>> {
    let list =
        |text| Command::ListInstrument(ListInstrument { command_id: None, instrument: instrument(symbol(text)) });
    let mut values = vec![list(MARKETS[0]), list(MARKETS[1]), list(MARKETS[0]), list(MARKETS[2])];
    let mut source = Source { random: Random::new(seed + 1_000_000), number: 0, now: 0 };
    let per_market = MARKETS.map(|name| (symbol(name), generate::commands(seed ^ name.len() as u64, count)));
    for index in 0..count as usize {
        source.number += 1;
        source.now = values.len() as u64 * TICK;
        let (symbol, commands) = &per_market[source.random.below(3) as usize];
        values.push(source.command(*symbol, commands[index].1.clone()));
    }
    let mut seq = Seq::ZERO;
    let sequence = |(index, value)| {
        seq = seq.next();
        Sequenced { seq, time: Micros::new(index as u64 * TICK).expect("a time"), value }
    };
    values.into_iter().enumerate().map(sequence).collect()
}

impl Source {
    fn command(&mut self, symbol: Symbol, command: BookCommand) -> Command {
        let received_at = Micros::new(self.now).expect("a time");
        let number = self.number - self.random.below(40) / 39;
        let command_id = command_id(number);
        let account = ["ann", "bob", "cy"][self.random.below(3) as usize].parse().expect("a name");
        match self.random.below(60) {
            0..4 => return Command::AdvanceTime(AdvanceTime {}),
            4 => return Command::BlockAccount(BlockAccount { command_id, account, received_at }),
            5..7 => return Command::UnblockAccount(UnblockAccount { command_id, account, received_at }),
            7..9 => {
                let timeout = self.random.below(4) * 100;
                return Command::SetCancelAfter(SetCancelAfter { command_id, account, timeout, received_at });
            }
            9..11 => {
                let client_order_id = self.name();
                let account = Some(account).filter(|_| self.random.below(2) == 0);
                let reason_text = Some("changed my mind".to_owned());
                return Command::CancelByKey(CancelByKey {
                    command_id,
                    symbol,
                    account,
                    client_order_id,
                    reason_text,
                    received_at,
                });
            }
            11 => {
                let at = Micros::new(self.now + self.random.below(300)).expect("a time");
                let then = vec![PhaseStep { at, phase: Phase::Continuous }];
                return Command::SetPhase(SetPhase {
                    command_id: Some(command_id),
                    symbol,
                    phase: Phase::Auction,
                    then,
                });
            }
            _ => {}
        }
        match command {
            BookCommand::Place(placed) => Command::NewOrder(self.new_order(order(placed, symbol))),
            BookCommand::Amend { order_id: id, price, quantity, if_seq, .. } => Command::AmendOrder(AmendOrder {
                command_id,
                order_id: order_id(self.near(id.get())),
                price: price.map(|price| units(price.units())),
                quantity: quantity.map(|quantity| units(quantity.units())),
                if_seq,
                received_at,
            }),
            BookCommand::Cancel { .. } | BookCommand::Expire { .. } => Command::CancelOrder(CancelOrder {
                command_id,
                order_id: order_id(self.near(number)),
                reason_text: None,
                received_at,
            }),
            BookCommand::CancelAll { selection, .. } => {
                let symbol = (self.random.below(3) > 0).then_some(symbol);
                let (account, side) = (selection.account, selection.side);
                Command::MassCancel(MassCancel { command_id, account, symbol, side, received_at })
            }
            BookCommand::SetPhase { phase, then, .. } => {
                Command::SetPhase(SetPhase { command_id: Some(command_id), symbol, phase, then })
            }
            BookCommand::UpdateInstrument { instrument, .. } => {
                let spec = InstrumentSpec { symbol, ..instrument.into() };
                let instrument = Instrument::try_from(spec).expect("an instrument");
                Command::UpdateInstrument(UpdateInstrument { command_id, instrument })
            }
        }
    }

    /// An id of an order that came lately.
    fn near(&mut self, id: u64) -> u64 {
        let recent = self.number.saturating_sub(self.random.below(40)).max(1);
        if self.random.below(8) == 0 { id } else { recent }
    }

    fn name(&mut self) -> matching::ClientOrderId {
        (self.number - self.random.below(self.number.min(60))).to_string().parse().expect("a name")
    }

    fn new_order(&mut self, order: Order) -> NewOrder {
        let id = self.number - self.random.below(40) / 39 * self.random.below(self.number);
        let mut order = Order { order_id: order_id(id), ..order };
        if let Some(linked) = order.linked_order_id {
            order.linked_order_id = Some(order_id(self.near(linked.get())));
        }
        if order.time_in_force == TimeInForce::Gtc && order.order_type.has_limit() {
            match self.random.below(6) {
                0 => order.time_in_force = TimeInForce::Day,
                1 => {
                    order.time_in_force = TimeInForce::Gtd;
                    order.expire_at = Micros::new(self.now + self.random.below(400));
                }
                _ => {}
            }
        }
        if self.random.below(4) == 0 {
            order.client_order_id = Some(self.name());
        }
        match self.random.below(60) {
            0 => order.price = Some(Decimal::ZERO),
            1 => order.symbol = symbol("NOT_LISTED"),
            2 => order.post_only = true,
            _ => {}
        }
        let deadline =
            (self.random.below(9) == 0).then(|| Micros::new(self.now + self.random.below(60)).expect("a time"));
        NewOrder { order, deadline, stale: self.random.below(40) == 0 }
    }
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
