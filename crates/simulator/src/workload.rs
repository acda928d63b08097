//! The clients of a simulation: what they ask for, and how they behave. New commands go here, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use actors::{IntakeError, Lane, Outcome};
use journal::{EnqueueError, encoding};
use matching::command::{AmendOrder, BlockAccount, CancelOrder, MassCancel, NewOrder, SetCancelAfter, UnblockAccount};
use matching::{Command, CommandId, Event, Micros, Order, OrderId, OrderType, SelfTradePrevention, Side, TimeInForce};
use tokio::time::{Instant, sleep, timeout};

use crate::adversary::Processes;
use crate::history::{Answer, ReadAnswer};
use crate::lock;
use crate::process::{MARKETS, Serving, symbol};
use crate::random::Random;
use crate::world::World;

/// How long a client waits for any answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// As the service does: how long a caller waits for a commit.
const COMMITTED_WITHIN: Duration = Duration::from_secs(2);
/// Orders that a client remembers, to cancel and look at.
const REMEMBERED: usize = 30;

/// A client.
pub struct Client {
    number: u64,
    random: Random,
    world: Arc<World>,
    processes: Arc<Processes>,
    /// Orders that it heard of.
    orders: Vec<OrderId>,
    /// Orders with a name that it may send again: what it asked for, and whether the answer is still owed.
    named: Vec<NewOrder>,
    names: u64,
    /// How long it rests between two requests, on average.
    pace: u64,
}

impl Client {
    /// A client with its own habits.
    pub fn new(number: u64, mut random: Random, world: Arc<World>, processes: Arc<Processes>) -> Client {
        let pace = random.pick(&[20, 60, 200]);
        Client { number, random, world, processes, orders: Vec::new(), named: Vec::new(), names: 0, pace }
    }

    /// Asks until the time is up.
    pub async fn run(mut self, until: u64) {
        while self.world.now() < until {
            sleep(Duration::from_millis(self.random.below(2 * self.pace))).await;
            let serving = self.processes.serving();
            if serving.is_empty() {
                continue;
            }
            // Where several serve, whether they agree is worth a look.
            let what = self.random.below(if serving.len() > 1 { 200 } else { 100 });
            let serving = Arc::clone(&serving[self.random.below(serving.len() as u64) as usize]);
            // A paused process hears of its clients when it goes on.
            if self.hear(&serving, async {}).await.is_none() {
                continue;
            }
            match what {
                0..45 => self.place(&serving).await,
                45..62 => self.place_named(&serving).await,
                62..68 => self.repeat(&serving).await,
                68..78 => self.cancel(&serving).await,
                78..83 => self.manage(&serving).await,
                83..88 => self.batch(&serving).await,
                _ => self.look(&serving).await,
            }
        }
    }

    /// An order as a client makes it up.
    fn order(&mut self, serving: &Serving) -> NewOrder {
        let random = &mut self.random;
        let now = serving.clock.now();
        let later = |milliseconds: u64| Micros::new(now.get() + milliseconds * 1_000);
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let price = match random.below(60) {
            0 => "0".to_owned(),
            1 => "100000000".to_owned(),
            _ => (95 + random.below(10)).to_string(),
        };
        let quantity = if random.below(40) == 0 { 1 + random.below(200) } else { 1 + random.below(20) };
        let id = OrderId::new(serving.next_id()).expect("an id below the limit");
        let [price, quantity] = [price, quantity.to_string()].map(|text| text.parse().expect("a number"));
        let expire_at = if random.below(5) == 0 { later(random.below(4_000)) } else { None };
        let plain = Order {
            account: (random.below(3) == 0).then(|| random.pick(&["desk", "fund"]).parse().expect("a name")),
            time_in_force: if expire_at.is_some() { TimeInForce::Gtd } else { TimeInForce::Gtc },
            expire_at,
            ..Order::limit(id, symbol(random.pick(&MARKETS)), side, price, quantity, now)
        };
        let deadline = if random.below(8) == 0 { later(random.below(1_500)) } else { None };
        let order = of_some_kind(random, plain);
        assert!(order.is_coherent(), "clients ask for what HTTP lets pass: {order:?}");
        NewOrder { deadline, ..order.into() }
    }

    /// An order without a name: the answer is that it is on disk.
    async fn place(&mut self, serving: &Arc<Serving>) {
        let order = self.order(serving);
        self.remember(order.order.order_id);
        self.send(serving, Lane::Orders, vec![Command::NewOrder(order)], self.world.now()).await;
    }

    /// Several commands in one entry.
    async fn batch(&mut self, serving: &Arc<Serving>) {
        let count = self.random.between(2, 5);
        let mut commands = Vec::new();
        for _ in 0..count {
            let command = if self.random.below(4) == 0 {
                self.cancel_command(serving)
            } else {
                let order = self.order(serving);
                self.remember(order.order.order_id);
                Command::NewOrder(order)
            };
            commands.push(command);
        }
        self.send(serving, Lane::Orders, commands, self.world.now()).await;
    }

    /// An order with a name: the answer comes after its commit, and without one it is sent again.
    async fn place_named(&mut self, serving: &Arc<Serving>) {
        self.names += 1;
        let name = format!("c{}-{}", self.number, self.names);
        let mut order = self.order(serving);
        order.order.client_order_id = Some(name.parse().expect("a name"));
        self.named.push(order.clone());
        self.insist(serving, order).await;
    }

    /// An old order with a name once more, now and then with other terms.
    async fn repeat(&mut self, serving: &Arc<Serving>) {
        if self.named.is_empty() {
            return;
        }
        let mut order = self.named[self.random.below(self.named.len() as u64) as usize].clone();
        if self.random.below(4) == 0 {
            order.order.side = order.order.side.opposite();
        }
        let order = self.again(serving, order);
        self.insist(serving, order).await;
    }

    fn again(&mut self, serving: &Serving, order: NewOrder) -> NewOrder {
        let order_id = OrderId::new(serving.next_id()).expect("an id below the limit");
        Order { order_id, received_at: serving.clock.now(), ..order.order }.into()
    }

    async fn insist(&mut self, serving: &Arc<Serving>, mut order: NewOrder) {
        let mut serving = Arc::clone(serving);
        for _ in 0..3 {
            let outcome = self.commit(&serving, Lane::Orders, Command::NewOrder(order.clone())).await;
            if let Some(outcome) = outcome {
                match outcome.events.first() {
                    Some(Event::OrderRepeated(repeated)) => self.remember(repeated.first_order_id),
                    _ => self.remember(order.order.order_id),
                }
                return;
            }
            sleep(Duration::from_millis(self.random.between(50, 500))).await;
            let now = self.processes.serving();
            if now.is_empty() {
                return;
            }
            serving = Arc::clone(&now[self.random.below(now.len() as u64) as usize]);
            order = self.again(&serving, order);
        }
    }

    /// An order that this client heard of, or any other.
    fn some_order(&mut self) -> OrderId {
        let known = self.orders.len() as u64;
        if known == 0 || self.random.below(20) == 0 {
            return OrderId::new(self.random.between(1, 300)).expect("an id below the limit");
        }
        self.orders[self.random.below(known) as usize]
    }

    /// What changes orders otherwise than by a cancel.
    async fn manage(&mut self, serving: &Arc<Serving>) {
        let command_id = CommandId::new(serving.next_id()).expect("an id below the limit");
        let received_at = serving.clock.now();
        let account = || "desk".parse().expect("a name");
        let command = match self.random.below(10) {
            0..6 => {
                let number = |value: u64| Some(value.to_string().parse().expect("a number"));
                let price = if self.random.below(2) == 0 { number(95 + self.random.below(10)) } else { None };
                let quantity =
                    if price.is_none() || self.random.below(2) == 0 { number(1 + self.random.below(20)) } else { None };
                let order_id = self.some_order();
                Command::AmendOrder(AmendOrder { command_id, order_id, price, quantity, if_seq: None, received_at })
            }
            6 => Command::MassCancel(MassCancel {
                command_id,
                account: None,
                symbol: Some(symbol(self.random.pick(&MARKETS))),
                side: Some(Side::Buy),
                received_at,
            }),
            7 => {
                let timeout = self.random.below(3_000_000);
                Command::SetCancelAfter(SetCancelAfter { command_id, account: account(), timeout, received_at })
            }
            8 => Command::BlockAccount(BlockAccount { command_id, account: account(), received_at }),
            _ => Command::UnblockAccount(UnblockAccount { command_id, account: account(), received_at }),
        };
        self.commit(serving, Lane::Cancels, command).await;
    }

    fn cancel_command(&mut self, serving: &Serving) -> Command {
        let order_id = self.some_order();
        Command::CancelOrder(CancelOrder {
            command_id: CommandId::new(serving.next_id()).expect("an id below the limit"),
            order_id,
            reason_text: (self.random.below(4) == 0).then(|| "changed my mind".to_owned()),
            received_at: serving.clock.now(),
        })
    }

    async fn cancel(&mut self, serving: &Arc<Serving>) {
        let command = self.cancel_command(serving);
        self.commit(serving, Lane::Cancels, command).await;
    }

    /// Asks how an order is.
    async fn look(&mut self, serving: &Arc<Serving>) {
        let Some(order_id) = self.orders.last().copied() else { return };
        let heard = lock(&self.world.history).newest_heard;
        let read = serving.outcomes.read(move |ledger| (ledger.seq(), ledger.order(order_id).cloned()));
        let Some(Ok((seq, order))) = self.hear(serving, read).await else { return };
        self.world.trace(|| format!("c{} reads order {order_id} at row {seq}", self.number));
        if seq.get() < heard && !self.processes.may_be_stale() {
            let what = format!("p{} answers at row {seq} after row {heard} was heard of", serving.life.number);
            self.world.violate("what is read never goes back", what);
        }
        if self.world.log.row(seq).is_none() && seq.get() > 0 {
            self.world.violate(
                "nothing is visible before its commit",
                format!("a read at row {seq}, which is not in the log"),
            );
        }
        let mut history = lock(&self.world.history);
        history.heard(seq);
        history.reads.push(ReadAnswer { seq, order_id, order });
    }

    fn remember(&mut self, order_id: OrderId) {
        if self.orders.len() == REMEMBERED {
            self.orders.remove(0);
        }
        self.orders.push(order_id);
    }

    /// Waits for what a process has to say, as long as it lives and patience lasts.
    async fn hear<T>(&self, serving: &Serving, answer: impl Future<Output = T>) -> Option<T> {
        let life = &serving.life;
        let heard = async {
            life.breathe().await;
            let answer = answer.await;
            life.breathe().await;
            answer
        };
        tokio::select! {
            biased;
            () = life.ended() => None,
            heard = timeout(PATIENCE, heard) => heard.ok(),
        }
    }

    /// Sends commands, made up at `at`, as one entry; the answer is that they are on disk.
    async fn send(&mut self, serving: &Arc<Serving>, lane: Lane, commands: Vec<Command>, at: u64) -> bool {
        let ids: Vec<CommandId> = commands.iter().filter_map(Command::id).collect();
        let texts: Vec<String> = commands.iter().map(encoding::encode_command).collect();
        let text = if let [one] = texts.as_slice() { one.clone() } else { format!("[{}]", texts.join(",")) };
        for (id, command) in ids.iter().zip(commands) {
            lock(&self.world.history).sent(*id, command, serving.life.number, at);
        }
        // In a task of its own, as the service has it.
        let intake = Arc::clone(&serving.pipeline.intake);
        let count = ids.len();
        let enqueued = actix::spawn(async move { intake.admit_entry(lane, count)?.enqueue(text).await });
        let answer = match self.hear(serving, enqueued).await {
            Some(Ok(Ok(()))) => Answer::Acknowledged,
            Some(Ok(Err(IntakeError::Queue(EnqueueError::Unknown(_))))) | Some(Err(_)) | None => Answer::Unknown,
            Some(Ok(Err(_))) => Answer::NotTaken,
        };
        self.world.trace(|| format!("c{} hears of {ids:?} from p{}: {answer:?}", self.number, serving.life.number));
        for id in &ids {
            lock(&self.world.history).answered(*id, answer.clone());
        }
        answer != Answer::NotTaken
    }

    /// Sends a command and waits for what becomes of it, as the service does.
    async fn commit(&mut self, serving: &Arc<Serving>, lane: Lane, command: Command) -> Option<Outcome> {
        let (id, at) = (command.id()?, self.world.now());
        let awaited = serving.outcomes.expect(id).ok()?;
        let deadline = Instant::now() + COMMITTED_WITHIN;
        if !self.send(serving, lane, vec![command], at).await {
            return None;
        }
        let outcome = self.hear(serving, awaited.until(deadline)).await?.ok()?;
        self.world.trace(|| format!("c{} hears of {id}: row {}", self.number, outcome.seq));
        if self.world.log.row(outcome.seq).is_none() {
            let what = format!("command {id} is answered with row {}, which is not in the log", outcome.seq);
            self.world.violate("nothing is visible before its commit", what);
        }
        lock(&self.world.history).answered(id, Answer::Final(Box::new(outcome.clone())));
        Some(outcome)
    }
}

/// The order, or one of another kind with its terms.
fn of_some_kind(random: &mut Random, plain: Order) -> Order {
    let number = |value: u64| Some(value.to_string().parse().expect("a number"));
    let around = number(95 + random.below(10));
    let unlimited = Order { price: None, time_in_force: TimeInForce::Gtc, expire_at: None, ..plain.clone() };
    let at_once = |time_in_force| Order { time_in_force, expire_at: None, ..plain.clone() };
    match random.below(20) {
        0 => at_once(TimeInForce::Ioc),
        1 => at_once(TimeInForce::Fok),
        2 => Order { post_only: true, ..plain },
        3 => Order { order_type: OrderType::Market, ..unlimited },
        4 => Order { order_type: OrderType::Market, quantity: None, quote_quantity: number(500), ..unlimited },
        5 => Order { order_type: OrderType::Stop, stop_price: around, ..unlimited },
        6 => Order { order_type: OrderType::TakeProfitLimit, stop_price: around, ..plain },
        7 => Order { order_type: OrderType::TrailingStop, trailing_delta: number(2), ..unlimited },
        8 => Order { display_quantity: number(1), ..plain },
        9 => Order { min_quantity: number(1), ..plain },
        10 => Order {
            account: Some("desk".parse().expect("a name")),
            self_trade_prevention: random.pick(&[
                SelfTradePrevention::ExpireTaker,
                SelfTradePrevention::ExpireMaker,
                SelfTradePrevention::ExpireBoth,
                SelfTradePrevention::Decrement,
            ]),
            ..plain
        },
        _ => plain,
    }
}
