//! The hour before the first start: on an empty log the desks' orders of the last hour are written into it, each with the
//! time at which it would have come.
//!
//! They are rows like any others: commands with ids that are leased first, applied by the core, chained, in one
//! transaction under this writer's term, so that proofs and replays know nothing of them. What is not as usual: they never
//! were in the stream, and stand at its beginning, as what the dispatcher makes itself does. Time in the log begins with
//! them, before any live order, and so never runs backwards.

use journal::{Batch, CommandQueue, Committed, EventLog, LogError, Position, Record, StreamId, WriterPosition};
use matching::book::RestingOrder;
use matching::command::{CancelOrder, ListInstrument, NewOrder};
use matching::{
    Command, CommandId, Engine, Event, Instrument, Micros, Order, OrderId, OrderType, Sequenced, Side, Symbol,
};
use tracing::info;

use super::desk::{Action, Desk, Intent, Shown};
use super::{MARKETS, account};

/// How long ago it begins.
const HOUR_MS: u64 = 3_600_000;
/// Between two steps of one market.
const STEP_MS: u64 = 9_000;
/// Closed orders need not be kept for this.
const RETAIN_CLOSED: u64 = 0;

/// Writes the hour before `now`, if the log is empty and nothing waits in the stream; the position afterwards. `listed`:
/// what a first start lists anyway.
pub async fn write(
    log: &dyn EventLog,
    queue: &dyn CommandQueue,
    writer: WriterPosition,
    listed: &[Symbol],
    now: Micros,
) -> Result<WriterPosition, LogError> {
    let waiting = queue.last().await.map_err(|error| LogError::Unknown(error.to_string()))?;
    let Some(start) = now.get().checked_sub(HOUR_MS * 1_000).filter(|_| waiting == StreamId::ZERO) else {
        return Ok(writer);
    };
    if writer.position != Position::START {
        return Ok(writer);
    }
    let mut hour = Hour::new(writer, start);
    hour.list(listed);
    hour.trade();
    let Hour { records, first_id, next_id, .. } = hour;
    let (rows, count) = (records.len(), next_id - first_id);
    let ceiling = log.lease_ids(writer.epoch, count).await?;
    if ceiling.saturating_sub(count) > first_id {
        return Err(LogError::Refused(format!("ids from {first_id} on were expected, and {ceiling} is the ceiling")));
    }
    match log.commit(writer.epoch, &Batch::new(writer.position, records)).await? {
        Committed::Committed => info!(rows, "the demonstration's first hour is in the log"),
        Committed::Fenced => return Err(LogError::Fenced),
    }
    log.position().await
}

/// The hour in the making.
struct Hour {
    engine: Engine,
    position: Position,
    writer: WriterPosition,
    records: Vec<Record>,
    /// When it begins, in microseconds.
    start: u64,
    /// How much of it has passed.
    passed_ms: u64,
    first_id: u64,
    next_id: u64,
}

impl Hour {
    fn new(writer: WriterPosition, start: u64) -> Hour {
        // Partition 0 counts 1, 2, 3.
        let first_id = writer.id_ceiling.max(1);
        let (engine, position) = (Engine::new(RETAIN_CLOSED), writer.position);
        Hour { engine, position, writer, records: Vec::new(), start, passed_ms: 0, first_id, next_id: first_id }
    }

    fn list(&mut self, listed: &[Symbol]) {
        let usual = listed.iter().map(|symbol| Instrument::finest(*symbol));
        let usual = usual.filter(|instrument| MARKETS.iter().all(|market| market.symbol() != instrument.symbol()));
        let instruments: Vec<Instrument> = usual.chain(MARKETS.iter().map(super::MarketPlan::instrument)).collect();
        for instrument in instruments {
            self.apply(Command::ListInstrument(ListInstrument { command_id: None, instrument }));
        }
    }

    fn trade(&mut self) {
        let mut desks: Vec<Desk> = MARKETS.iter().map(|market| Desk::new(market, None, 0)).collect();
        let turn = STEP_MS / desks.len() as u64;
        while self.passed_ms + turn < HOUR_MS {
            for desk in &mut desks {
                self.passed_ms += turn;
                for action in desk.step(STEP_MS, &self.shown(desk)) {
                    self.act(desk, action);
                }
            }
        }
    }

    fn shown(&self, desk: &Desk) -> Shown {
        let book = self.engine.book(desk.market.symbol());
        let price = |order: RestingOrder| order.price.units();
        let side = |side| book.map(|book| book.orders(side).map(price).collect()).unwrap_or_default();
        Shown { bids: side(Side::Buy), asks: side(Side::Sell) }
    }

    fn act(&mut self, desk: &mut Desk, action: Action) {
        match action {
            Action::Cancel(order_id) => {
                let (command_id, received_at) = (self.id(CommandId::new), self.time());
                self.apply(Command::CancelOrder(CancelOrder { command_id, order_id, reason_text: None, received_at }));
            }
            Action::Place(intent) => {
                let order_id = self.id(OrderId::new);
                let order = order(&intent, order_id, desk.market.symbol(), self.time());
                let events = self.apply(Command::NewOrder(NewOrder::from(order)));
                if !events.iter().any(|event| matches!(event, Event::OrderRejected(_))) {
                    desk.rests(order_id, &intent);
                }
            }
        }
    }

    fn apply(&mut self, value: Command) -> Vec<Event> {
        let command = Sequenced { seq: self.position.seq.next(), time: self.time(), value };
        let mut events = Vec::new();
        self.engine.apply(&command, &mut events);
        let record = Record::new(&self.position, self.position.stream_id, self.writer.epoch, &command, &events);
        self.position = record.position();
        self.records.push(record);
        events
    }

    fn id<T>(&mut self, new: fn(u64) -> Option<T>) -> T {
        let id = self.next_id;
        self.next_id += 1;
        new(id).unwrap_or_else(|| panic!("{id} is no id"))
    }

    fn time(&self) -> Micros {
        let time = self.start + self.passed_ms * 1_000;
        Micros::new(time).unwrap_or_else(|| panic!("{time} is no time"))
    }
}

fn order(intent: &Intent, order_id: OrderId, symbol: Symbol, received_at: Micros) -> Order {
    Order {
        price: Some(intent.price),
        quantity: Some(intent.quantity),
        time_in_force: intent.time_in_force,
        post_only: intent.post_only,
        account: Some(account(intent.account)),
        ..Order::bare(order_id, symbol, intent.side, OrderType::Limit, received_at)
    }
}
