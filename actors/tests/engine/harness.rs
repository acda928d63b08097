//! An engine on ports in memory, and short words for commands.

use std::sync::Arc;
use std::time::Duration;

use actors::{
    Computing, Fatal, IntakeLimits, Outcome, Pipeline, PipelineSettings, Placement, Ports, Recovered, recover, standby,
};
use journal::{EventLog, Record, encoding};
use matching::command::CancelOrder;
use matching::{Command, CommandId, Event, Instrument, Micros, Order, OrderId, Side, Symbol};
use simulator::{ManualClock, MemoryLog, MemoryProjection, MemoryQueue, MemorySnapshots};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);
pub const RETAIN_CLOSED: u64 = 500_000;

/// What outlives an engine.
#[derive(Clone, Default)]
pub struct World {
    pub queue: Arc<MemoryQueue>,
    pub log: Arc<MemoryLog>,
    pub snapshots: Arc<MemorySnapshots>,
    pub projection: Arc<MemoryProjection>,
    pub clock: Arc<ManualClock>,
}

/// A running engine.
pub struct Engine {
    pub world: World,
    pub pipeline: Pipeline,
    pub fatal: mpsc::UnboundedReceiver<Fatal>,
}

impl World {
    /// Recovers the state from the log, as every start does.
    pub async fn recover(&self) -> Recovered {
        let end = self.log.position().await.expect("a position").position;
        recover(&*self.log, &*self.snapshots, &*self.projection, end, RETAIN_CLOSED, Computing::Here)
            .await
            .expect("a state")
    }

    /// Takes over, recovers and starts.
    pub async fn start(&self, placement: &Placement) -> Engine {
        self.start_with(placement, settings()).await
    }

    /// The same with other settings.
    pub async fn start_with(&self, placement: &Placement, settings: PipelineSettings) -> Engine {
        let writer = standby::become_writer(&*self.log).await.expect("the log answers").writer;
        let recovered = self.recover().await;
        let ports = Ports {
            queue: self.queue.clone(),
            log: self.log.clone(),
            snapshots: self.snapshots.clone(),
            projection: self.projection.clone(),
            clock: self.clock.clone(),
        };
        let (pipeline, fatal) = Pipeline::start(ports, settings, recovered, writer.epoch, placement);
        Engine { world: self.clone(), pipeline, fatal }
    }

    /// The events of all rows, in order.
    pub fn events(&self) -> Vec<Event> {
        self.log.rows().iter().flat_map(events_of).collect()
    }
}

impl Engine {
    /// An engine on an empty world, everything on this thread.
    pub async fn fresh() -> Engine {
        World::default().start(&Placement::here()).await
    }

    /// Waits until the log has as many rows as instruments were seeded and commands were pushed.
    pub async fn committed(&self, commands: usize) {
        let rows = commands + settings().instruments.len();
        until("all commands are committed", || self.world.log.rows().len() >= rows).await;
        assert_eq!(self.world.log.rows().len(), rows, "a row too many");
    }

    /// Waits until the projection shows the last row of the log.
    pub async fn projected(&self) {
        let world = &self.world;
        until("the projection shows the last row", || {
            world.log.rows().last().map(|row| row.seq) == world.projection.position().map(|shown| shown.seq)
        })
        .await;
    }

    /// Registers for a command's outcome and enqueues it. The task ends with the outcome, if there ever is one.
    pub fn submit(&self, command: Command) -> JoinHandle<Outcome> {
        let id = command.id().expect("a command with an id");
        let outcome = self.pipeline.outcomes.expect(id).expect("a running engine");
        self.world.queue.push(&[command]);
        actix::spawn(async move {
            match outcome.until(Instant::now() + DEADLINE).await {
                Ok(outcome) => outcome,
                Err(_) => std::future::pending().await,
            }
        })
    }
}

pub fn settings() -> PipelineSettings {
    PipelineSettings {
        reopening: None,
        auto_list_symbols: true,
        instruments: ["BTC_USDT", "ETH_USDT"].map(|text| Instrument::finest(symbol(text))).to_vec(),
        snapshot_interval: Duration::from_secs(3_600),
        snapshot_rows: 1_000_000,
        retain_snapshots: 3,
        queue_retention_entries: 1_000,
        max_queue_age: None,
        intake: IntakeLimits { orders: 1_000_000, cancels: 1_000_000, wait: Duration::from_secs(3_600) },
        encode: |_| String::new(),
    }
}

pub fn events_of(row: &Record) -> Vec<Event> {
    encoding::decode_events(row.format, &row.events).expect("events")
}

/// Lets everything else run until the condition holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < DEADLINE, "in vain waited until {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Lets every task that can run do so many times over: for "it does not happen".
pub async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

pub fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

pub fn order_id(id: u64) -> OrderId {
    OrderId::new(id).expect("an id")
}

pub fn place(id: u64, market: &str, side: Side, price: &str, quantity: &str) -> Command {
    Command::from(Order::limit(
        order_id(id),
        symbol(market),
        side,
        price.parse().expect("a price"),
        quantity.parse().expect("a quantity"),
        Micros::ZERO,
    ))
}

pub fn buy(id: u64, price: &str, quantity: &str) -> Command {
    place(id, "BTC_USDT", Side::Buy, price, quantity)
}

pub fn sell(id: u64, price: &str, quantity: &str) -> Command {
    place(id, "BTC_USDT", Side::Sell, price, quantity)
}

pub fn cancel(command_id: u64, order: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        command_id: CommandId::new(command_id).expect("an id"),
        order_id: order_id(order),
        reason_text: None,
        received_at: Micros::ZERO,
    })
}

/// Commands that trade, rest and cancel in four markets, different for each seed and always the same for one.
pub fn mixed_commands(seed: u64, count: u64) -> Vec<Command> {
    let mut state = seed;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (1..=count)
        .map(|id| {
            if random(4) == 0 {
                return cancel(id, 1 + random(id));
            }
            let market = ["BTC_USDT", "ETH_USDT", "XRP_USDT", "SOL_USDT"][random(4) as usize];
            let side = if random(2) == 0 { Side::Buy } else { Side::Sell };
            place(id, market, side, &(95 + random(10)).to_string(), &(1 + random(20)).to_string())
        })
        .collect()
}
