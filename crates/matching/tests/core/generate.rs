//! Random commands for one book: every kind of order and flag, few prices, so that levels are deep and meetings many.

use matching::book::{BookCommand, Extra, Extras, Placed, Selection};
use matching::{
    Account, CommandId, Instrument, InstrumentSpec, Micros, OrderId, OrderType, Phase, Price, Quantity, Reason,
    SelfTradePrevention, Seq, Side, TimeInForce,
};

use crate::support::{Random, command_id, order_id, price, quantity, symbol};

/// Commands that a seed stands for, each with its row.
pub type Commands = Vec<(Seq, BookCommand)>;

/// What a seed's market is like: so that some seeds are about one thing and others about all at once.
struct Market {
    random: Random,
    /// One above the last order's id.
    next_id: u64,
    /// How far from the middle prices go.
    width: u64,
    /// Whether phases change, and rules.
    phases: bool,
    /// Of ten orders so many are plain limit orders.
    plain: u64,
    row: u64,
    step: u64,
}

const MIDDLE: u64 = 1_000;

/// An instrument of whole units.
pub fn instrument() -> Instrument {
    whole(|_| {})
}

fn whole(change: impl FnOnce(&mut InstrumentSpec)) -> Instrument {
    let mut spec =
        InstrumentSpec { price_decimals: 0, quantity_decimals: 0, ..Instrument::finest(symbol("BTC_USDT")).into() };
    (spec.tick, spec.lot) = ("1".parse().expect("a tick"), "1".parse().expect("a lot"));
    change(&mut spec);
    Instrument::try_from(spec).expect("an instrument")
}

pub fn commands(seed: u64, count: u64) -> Commands {
    let mut random = Random::new(seed);
    let width = [2, 5, 10, 30][random.below(4) as usize];
    let (phases, plain) = (random.below(3) == 0, random.below(10));
    let mut market = Market { random, next_id: 1, width, phases, plain, row: 0, step: 0 };
    (0..count).map(|_| market.next()).collect()
}

impl Market {
    fn next(&mut self) -> (Seq, BookCommand) {
        self.step += 1;
        // A batch's commands each have their row; a time's work of many orders shares one.
        self.row += u64::from(self.random.below(4) > 0);
        (Seq::new(self.row).expect("a row"), self.command())
    }

    fn command(&mut self) -> BookCommand {
        let id = command_id(self.step);
        match self.random.below(100) {
            0..18 => BookCommand::Cancel { command_id: id, order_id: self.some_order(), reason_text: None },
            18..32 => self.amend(id),
            32..35 => BookCommand::Expire { order_id: self.some_order() },
            35..37 => self.cancel_all(id),
            37..40 if self.phases => {
                let phase = Phase::ALL[self.random.below(5) as usize];
                BookCommand::SetPhase { command_id: Some(id), phase, then: Vec::new() }
            }
            40..43 if self.phases => {
                BookCommand::SetPhase { command_id: None, phase: Phase::Continuous, then: Vec::new() }
            }
            43..44 if self.phases => self.rules(id),
            _ => BookCommand::Place(self.order()),
        }
    }

    fn maybe<T>(&mut self, one_in: u64, make: impl FnOnce(&mut Market) -> T) -> Option<T> {
        (self.random.below(one_in) == 0).then(|| make(self))
    }

    fn some_order(&mut self) -> OrderId {
        // Mostly a recent one, which may be open still.
        let back = if self.random.below(4) == 0 { self.next_id } else { self.next_id.min(30) };
        order_id((self.next_id + 1).saturating_sub(1 + self.random.below(back)).max(1))
    }

    fn price(&mut self) -> Price {
        price(MIDDLE - self.width + self.random.below(2 * self.width + 1))
    }

    fn quantity(&mut self) -> Quantity {
        let most = if self.random.below(20) == 0 { 500 } else { 20 };
        quantity(1 + self.random.below(most))
    }

    fn side(&mut self) -> Side {
        if self.random.below(2) == 0 { Side::Buy } else { Side::Sell }
    }

    fn account(&mut self) -> Account {
        ["ann", "bob", "cy"][self.random.below(3) as usize].parse().expect("a name")
    }

    fn amend(&mut self, command_id: CommandId) -> BookCommand {
        let order_id = self.some_order();
        let price = self.maybe(2, Market::price);
        let quantity = self.maybe(2, Market::quantity).or(price.is_none().then_some(quantity(5)));
        let row = self.row;
        let if_seq = self.maybe(6, |market| Seq::new(row - market.random.below(row.min(8) + 1)).expect("a row"));
        BookCommand::Amend { command_id, order_id, price, quantity, if_seq }
    }

    fn cancel_all(&mut self, command_id: CommandId) -> BookCommand {
        let selection = Selection { account: self.maybe(2, Market::account), side: self.maybe(2, Market::side) };
        // A whole book is emptied now and then only.
        let account = selection.account.clone().or_else(|| (self.random.below(4) > 0).then(|| self.account()));
        BookCommand::CancelAll {
            command_id: Some(command_id),
            selection: Selection { account, ..selection },
            reason: Reason::MassCancel,
        }
    }

    fn rules(&mut self, command_id: CommandId) -> BookCommand {
        let decimal = |units: u64| units.to_string().parse().expect("a number");
        let band = self.maybe(2, |market| 20 + market.random.below(400) as u32);
        let most = self.maybe(3, |market| 1 + market.random.below(6) as u32);
        let notional = self.maybe(4, |market| decimal(1_000 * (1 + market.random.below(4))));
        let (tick, lot) = (1 + self.random.below(2), 1 + self.random.below(3));
        let instrument = whole(|spec| {
            (spec.tick, spec.lot) = (decimal(tick), decimal(lot));
            (spec.price_band, spec.max_open_orders, spec.min_notional) = (band, most, notional);
        });
        BookCommand::UpdateInstrument { command_id, instrument }
    }

    fn order(&mut self) -> Placed {
        let id = self.next_id;
        self.next_id += 1;
        let order_type = match self.random.below(10) {
            kind if kind < self.plain => OrderType::Limit,
            // The first, a limit order, twice as often as each other.
            _ => OrderType::ALL[self.random.below(8).saturating_sub(1) as usize],
        };
        let mut order = Placed {
            order_id: order_id(id),
            side: self.side(),
            order_type,
            price: order_type.has_limit().then(|| self.price()),
            quantity: self.quantity(),
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            self_trade_prevention: SelfTradePrevention::None,
            account: None,
            client_order_id: None,
            received_at: Micros::ZERO,
            extras: Extras::default(),
        };
        let mut extra = Extra {
            stop_price: order_type.has_stop_price().then(|| self.price()),
            trailing_delta: (order_type == OrderType::TrailingStop).then(|| price(1 + self.random.below(self.width))),
            metadata: self.maybe(8, |_| "mine".to_owned().try_into().expect("short words")),
            ..Extra::NONE
        };
        if id % 10 >= self.plain {
            self.adorn(&mut order, &mut extra);
        }
        Placed { extras: extra.into(), ..order }
    }

    /// Gives an order whatever goes with its kind.
    fn adorn(&mut self, order: &mut Placed, extra: &mut Extra) {
        let waits = order.order_type.waits();
        order.account = self.maybe(2, Market::account);
        if self.random.below(5) < 2 {
            order.time_in_force = if self.random.below(2) == 0 { TimeInForce::Ioc } else { TimeInForce::Fok };
        }
        let immediate = order.time_in_force != TimeInForce::Gtc;
        if order.order_type == OrderType::Market && self.random.below(3) == 0 {
            extra.quote_quantity = Some(u128::from(MIDDLE * (1 + self.random.below(20)) + self.random.below(MIDDLE)));
            order.quantity = Quantity::ZERO;
        }
        let by_quote = extra.quote_quantity.is_some();
        order.self_trade_prevention = [
            SelfTradePrevention::None,
            SelfTradePrevention::ExpireTaker,
            SelfTradePrevention::ExpireMaker,
            SelfTradePrevention::ExpireBoth,
            SelfTradePrevention::Decrement,
        ][self.random.below(if by_quote { 4 } else { 5 }) as usize];
        let part = quantity(1 + self.random.below(order.quantity.units().max(1)));
        if order.order_type.has_limit() && !immediate {
            extra.display_quantity = self.maybe(3, |_| part);
        }
        if order.order_type == OrderType::Limit && !immediate && self.random.below(5) == 0 {
            order.post_only = true;
        } else if !waits && !by_quote && order.time_in_force != TimeInForce::Fok {
            extra.min_quantity = self.maybe(5, |_| part);
        }
        if order.account.is_some() && order.order_type != OrderType::Market && (waits || !immediate) {
            extra.linked_order_id = self.maybe(2, Market::some_order);
        }
    }
}
