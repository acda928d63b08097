//! Rows, batches, ledgers and writes to feed the ports with.

use std::time::{Duration, Instant};

use journal::{Batch, Chain, Epoch, Position, ProjectionPosition, ProjectionWrite, Record, StreamId};
use matching::event::{InstrumentListed, OrderAccepted, OrderCancelled, Trade};
use matching::{
    Amount, Changes, Command, CommandId, Decimal, Event, Instrument, Ledger, Micros, Order, OrderId, Reason, Seq,
    Sequenced, Side, Symbol, SymbolSeq, TradeId,
};

/// The market of all fixtures.
pub fn symbol() -> Symbol {
    "BTC_USDT".parse().expect("a symbol")
}

pub fn seq(number: u64) -> Seq {
    Seq::new(number).expect("a row number")
}

pub fn order_id(number: u64) -> OrderId {
    OrderId::new(number).expect("an order id")
}

pub fn micros(number: u64) -> Micros {
    Micros::new(number).expect("a time")
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}

/// Waits for what another process does, without a fixed sleep.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < Duration::from_secs(10), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A batch of `rows` rows after `start`. `note` goes into each command, so that batches of different notes differ. The
/// texts hold what a row must survive: quotes, backslashes, tabs, line ends, other alphabets.
pub fn batch(start: Position, epoch: Epoch, rows: usize, note: &str) -> Batch {
    let mut before = start;
    let mut records = Vec::new();
    for _ in 0..rows {
        let record = record(&before, epoch, note);
        before = record.position();
        records.push(record);
    }
    Batch::new(start, records)
}

fn record(before: &Position, epoch: Epoch, note: &str) -> Record {
    let number = before.seq.get() + 1;
    let stream_id = StreamId { millis: 1_000 + number, index: number % 3 };
    let order = Order::limit(
        order_id(number),
        symbol(),
        Side::Buy,
        decimal("100.5"),
        decimal("0.00000001"),
        micros(1_732_880_000_000_000 + number),
    );
    let accepted = OrderAccepted { order: order.clone(), priority: SymbolSeq::new(number).expect("a number") };
    let cancelled = OrderCancelled {
        order_id: order.order_id,
        symbol: order.symbol,
        side: order.side,
        command_id: CommandId::new(number),
        remaining: decimal("0.00000001"),
        released: None,
        reason_code: Reason::ByUser,
        reason_text: Some(format!("{note} \"quoted\" \\ back\tslash\r\n\\N \u{0} Ünïcödé 注文")),
        account: None,
        metadata: None,
    };
    let command = Sequenced { seq: seq(number), time: order.received_at, value: Command::NewOrder(order.into()) };
    let events = [Event::OrderAccepted(accepted), Event::OrderCancelled(cancelled)];
    let mut record = Record::new(before, stream_id, epoch, &command, &events);
    if number.is_multiple_of(5) {
        // A row that concerns no market.
        record.symbol = None;
    }
    record
}

/// A made-up market: orders come, meet and go by the numbers of a small generator, and the ledger folds what happens.
pub struct Market {
    pub ledger: Ledger,
    pub position: ProjectionPosition,
    random: u64,
    open: Vec<(OrderId, Side, u64)>,
    next_order: u64,
    next_trade: TradeId,
    changes: Changes,
    from: Seq,
}

impl Market {
    /// An empty market whose ledger keeps `retain_closed` closed orders.
    pub fn new(seed: u64, retain_closed: u64) -> Market {
        let ledger = Ledger::new(retain_closed);
        Market {
            ledger,
            position: ProjectionPosition { seq: Seq::ZERO, epoch: Epoch(1), chain: Chain::START },
            random: seed,
            open: Vec::new(),
            next_order: 1,
            next_trade: TradeId::FIRST,
            changes: Changes::default(),
            from: Seq::ZERO,
        }
    }

    /// Lets `rows` rows happen.
    pub fn run(&mut self, rows: usize) {
        for _ in 0..rows {
            let events = self.events();
            let number = self.position.seq.next();
            self.ledger.fold(number, micros(1_732_880_000_000_000 + number.get()), &events, &mut self.changes);
            let chain =
                self.position.chain.next(number, StreamId::ZERO, self.position.epoch, Micros::ZERO, "command", "[]");
            self.position = ProjectionPosition { seq: number, chain, ..self.position };
        }
    }

    /// What changed since the last call, as it is written to a projection.
    pub fn write(&mut self) -> ProjectionWrite {
        let changes = std::mem::take(&mut self.changes);
        let from = std::mem::replace(&mut self.from, self.position.seq);
        let order = |id: &OrderId| self.ledger.order(*id).expect("a changed order is kept").clone();
        ProjectionWrite {
            from,
            to: self.position,
            orders: changes.orders.iter().map(order).collect(),
            left_places: changes.left_places,
            dropped_orders: changes.dropped_orders,
            trades: changes.trades,
            dropped_trades: changes.dropped_trades,
            instruments: changes.instruments,
            greatest_order_id: self.ledger.greatest_order_id(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    /// The events of one row: a cancel now and then, else an order that trades with up to two others.
    fn events(&mut self) -> Vec<Event> {
        if self.position.seq == Seq::ZERO {
            let instrument = Instrument::finest(symbol());
            return vec![Event::InstrumentListed(InstrumentListed { command_id: None, instrument })];
        }
        if self.open.len() > 3 && self.below(4) == 0 {
            let index = self.below(self.open.len() as u64) as usize;
            let (order_id, side, remaining) = self.open.remove(index);
            return vec![Event::OrderCancelled(OrderCancelled {
                order_id,
                symbol: symbol(),
                side,
                command_id: CommandId::new(1),
                remaining: Decimal::from_units(remaining, 8),
                released: None,
                reason_code: Reason::ByUser,
                reason_text: (self.below(2) == 0).then(|| "a \"reason\" ✓".to_owned()),
                account: None,
                metadata: None,
            })];
        }
        let taker = order_id(self.next_order);
        self.next_order += 1;
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        let mut remaining = 1 + self.below(1_000_000_000);
        let mut events = vec![Event::OrderAccepted(OrderAccepted {
            order: Order::limit(
                taker,
                symbol(),
                side,
                Decimal::from_units(1 + self.below(90_000_000_000), 8),
                Decimal::from_units(remaining, 8),
                micros(1_732_880_000_000_000 + self.below(1_000_000)),
            ),
            priority: SymbolSeq::new(taker.get()).expect("a number"),
        })];
        for _ in 0..self.below(3) {
            let Some(index) = self.open.iter().position(|(_, maker_side, _)| *maker_side != side) else { break };
            if remaining == 0 {
                break;
            }
            let traded = remaining.min(self.open[index].2);
            remaining -= traded;
            self.open[index].2 -= traded;
            events.push(Event::Trade(Trade {
                trade_id: self.next_trade,
                symbol: symbol(),
                price: Decimal::from_units(1 + self.below(90_000_000_000), 8),
                quantity: Decimal::from_units(traded, 8),
                maker_order_id: self.open[index].0,
                taker_order_id: taker,
                taker_side: side,
                maker_remaining: Decimal::from_units(self.open[index].2, 8),
                taker_remaining: Decimal::from_units(remaining, 8),
                quote_quantity: Amount::ZERO,
                taker_quote_remaining: None,
                improvement: None,
                auction: false,
                maker_account: None,
                taker_account: None,
                maker_metadata: None,
                taker_metadata: None,
            }));
            self.next_trade = self.next_trade.next();
            if self.open[index].2 == 0 {
                self.open.remove(index);
            }
        }
        if remaining > 0 {
            self.open.push((taker, side, remaining));
        }
        events
    }
}
