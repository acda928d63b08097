//! Each book behind the same few calls.

use std::sync::{Arc, Mutex, PoisonError};

use matching::book::{Book, BookCommand, BookEvent, Extras, Placed};
use matching::{
    Account, CommandId, Instrument, InstrumentSpec, Micros, OrderId, OrderType, Price, Quantity, SelfTradePrevention,
    Seq, Side, TimeInForce,
};

use crate::commands::Command;

/// A trade: the commands that placed maker and taker, price, quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    pub maker: u64,
    pub taker: u64,
    pub price: u64,
    pub quantity: u64,
}

pub trait Engine {
    const NAME: &'static str;
    fn new() -> Self;
    fn apply(&mut self, index: usize, command: &Command);
    /// The trades of the last command.
    fn trades(&mut self, index: usize, out: &mut Vec<Trade>);
}

/// Ours; with `OWNED` each order has one of a hundred accounts and prevents self-trade with an account of its own side.
pub struct Core<const OWNED: bool = false> {
    book: Book,
    events: Vec<BookEvent>,
    accounts: Vec<Account>,
}

impl<const OWNED: bool> Core<OWNED> {
    pub fn is_open(&self, index: usize) -> bool {
        self.book.is_open(order_id(index))
    }
}

fn order_id(index: usize) -> OrderId {
    OrderId::new(index as u64 + 1).expect("an id")
}

impl<const OWNED: bool> Engine for Core<OWNED> {
    const NAME: &'static str = if OWNED { "core, with accounts" } else { "core" };

    fn new() -> Self {
        let symbol = "BTC_USDT".parse().expect("a symbol");
        let mut spec = InstrumentSpec { price_decimals: 0, quantity_decimals: 0, ..Instrument::finest(symbol).into() };
        (spec.tick, spec.lot) = ("1".parse().expect("a tick"), "1".parse().expect("a lot"));
        let instrument = Instrument::try_from(spec).expect("an instrument");
        let accounts = (0..100).map(|number| format!("account-{number}").parse().expect("an account")).collect();
        Core { book: Book::new(instrument), events: Vec::with_capacity(1_000), accounts }
    }

    fn apply(&mut self, index: usize, command: &Command) {
        self.events.clear();
        let book_command = match *command {
            Command::Add { buys, price, quantity } => BookCommand::Place(Placed {
                order_id: order_id(index),
                side: if buys { Side::Buy } else { Side::Sell },
                order_type: OrderType::Limit,
                price: Price::new(price),
                quantity: Quantity::new(quantity).unwrap_or_default(),
                time_in_force: TimeInForce::Gtc,
                post_only: false,
                self_trade_prevention: if OWNED { SelfTradePrevention::ExpireTaker } else { SelfTradePrevention::None },
                // Buyers and sellers are different accounts, so that the trades are the same.
                account: OWNED.then(|| self.accounts[index % 50 * 2 + usize::from(buys)].clone()),
                client_order_id: None,
                received_at: Micros::ZERO,
                extras: Extras::default(),
            }),
            Command::Cancel { index: of } => BookCommand::Cancel {
                command_id: CommandId::new(index as u64 + 1).expect("an id"),
                order_id: order_id(of),
                reason_text: None,
            },
        };
        self.book.apply(Seq::new(index as u64 + 1).expect("a row"), book_command, &mut self.events);
    }

    fn trades(&mut self, _: usize, out: &mut Vec<Trade>) {
        out.extend(self.events.iter().filter_map(|event| match event {
            BookEvent::Traded(traded) => Some(Trade {
                maker: traded.maker_order_id.get() - 1,
                taker: traded.taker_order_id.get() - 1,
                price: traded.price.units(),
                quantity: traded.quantity.units(),
            }),
            _ => None,
        }));
    }
}

pub struct Lobster {
    book: lobster::OrderBook,
    fills: Vec<lobster::FillMetadata>,
}

impl Engine for Lobster {
    const NAME: &'static str = "lobster 0.7";

    fn new() -> Self {
        Lobster { book: lobster::OrderBook::new(20_000, 1_000, false), fills: Vec::new() }
    }

    fn apply(&mut self, index: usize, command: &Command) {
        let order = match *command {
            Command::Add { buys, price, quantity: qty } => {
                let side = if buys { lobster::Side::Bid } else { lobster::Side::Ask };
                lobster::OrderType::Limit { id: index as u128, side, qty, price }
            }
            Command::Cancel { index } => lobster::OrderType::Cancel { id: index as u128 },
        };
        self.fills = match self.book.execute(order) {
            lobster::OrderEvent::PartiallyFilled { fills, .. } | lobster::OrderEvent::Filled { fills, .. } => fills,
            _ => Vec::new(),
        };
    }

    fn trades(&mut self, _: usize, out: &mut Vec<Trade>) {
        out.extend(self.fills.iter().map(|fill| Trade {
            maker: fill.order_2 as u64,
            taker: fill.order_1 as u64,
            price: fill.price,
            quantity: fill.qty,
        }));
    }
}

pub struct Matchcore {
    book: matchcore::OrderBook,
    outcome: Option<matchcore::CommandOutcome>,
}

impl Engine for Matchcore {
    const NAME: &'static str = "matchcore 0.4";

    fn new() -> Self {
        Matchcore { book: matchcore::OrderBook::new("BTC_USDT"), outcome: None }
    }

    fn apply(&mut self, index: usize, command: &Command) {
        use matchcore::{
            CancelCmd, CommandKind, CommandMeta, LimitOrder, NewOrder, OrderFlags, OrderKind, QuantityPolicy,
            SequenceNumber, SubmitCmd, TimeInForce, Timestamp,
        };
        let kind = match *command {
            Command::Add { buys, price, quantity } => {
                let side = if buys { matchcore::Side::Buy } else { matchcore::Side::Sell };
                let quantity = QuantityPolicy::Standard { quantity: matchcore::Quantity(quantity) };
                let flags = OrderFlags::new(side, false, TimeInForce::Gtc);
                let order = LimitOrder::new(matchcore::Price(price), quantity, flags);
                CommandKind::Submit(SubmitCmd { order: NewOrder::Limit(order) })
            }
            Command::Cancel { index } => CommandKind::Cancel(CancelCmd {
                order_id: matchcore::OrderId(index as u64),
                order_kind: OrderKind::Limit,
            }),
        };
        let number = index as u64;
        let meta = CommandMeta { sequence_number: SequenceNumber(number), timestamp: Timestamp(number) };
        self.outcome = Some(self.book.execute(&matchcore::Command { meta, kind }));
    }

    fn trades(&mut self, index: usize, out: &mut Vec<Trade>) {
        if let Some(matchcore::CommandOutcome::Applied(matchcore::CommandReport::Submit(effects))) = &self.outcome
            && let Some(result) = effects.target_order().match_result()
        {
            out.extend(result.trades().iter().map(|trade| Trade {
                maker: trade.maker_order_id().0,
                taker: index as u64,
                price: trade.price().0,
                quantity: trade.quantity().0,
            }));
        }
    }
}

pub struct OrderbookRs {
    book: orderbook_rs::OrderBook<()>,
    said: Arc<Mutex<Vec<(u64, u64, u64)>>>,
}

impl Engine for OrderbookRs {
    const NAME: &'static str = "orderbook-rs 0.15";

    fn new() -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&said);
        let book = orderbook_rs::OrderBook::with_trade_listener(
            "BTC_USDT",
            Arc::new(move |result: &orderbook_rs::TradeResult| {
                let mut said = listener.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend(result.match_result.trades().as_vec().iter().map(|trade| {
                    let maker = trade.maker_order_id().as_u64().unwrap_or_default();
                    (maker - 1, trade.price().as_u128() as u64, trade.quantity().as_u64())
                }));
            }),
        );
        OrderbookRs { book, said }
    }

    fn apply(&mut self, index: usize, command: &Command) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let id = |index: usize| orderbook_rs::Id::Sequential(index as u64 + 1);
        match *command {
            Command::Add { buys, price, quantity } => {
                let side = if buys { orderbook_rs::Side::Buy } else { orderbook_rs::Side::Sell };
                let gtc = orderbook_rs::TimeInForce::Gtc;
                let placed = self.book.add_limit_order(id(index), u128::from(price), quantity, side, gtc, None);
                assert!(placed.is_ok(), "order {index} is refused: {placed:?}");
            }
            Command::Cancel { index } => {
                let cancelled = self.book.cancel_order(id(index));
                assert!(cancelled.is_ok(), "order {index} is not cancelled: {cancelled:?}");
            }
        }
    }

    fn trades(&mut self, index: usize, out: &mut Vec<Trade>) {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        out.extend(said.iter().map(|(maker, price, quantity)| Trade {
            maker: *maker,
            taker: index as u64,
            price: *price,
            quantity: *quantity,
        }));
    }
}
