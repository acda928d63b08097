//! The service under test: the API, and the real core in memory behind its two ports.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use actix::{Actor, Context, Handler, Message, Recipient};
use actix_web::dev::Service as _;
use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, init_service, read_body};
use actors::outcomes::{Answering, ReadLedger, subject};
use actors::{Intake, IntakeLimits, Outcome, Pace, Progress, TakeSnapshot};
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use journal::{
    CommandQueue, ConsumerPosition, Consumers, EnqueueError, Entry, Epoch, HistoryError, QueueError, ServiceClock,
    Snapshot, SnapshotError, SnapshotStore, SnapshotSummary, StreamId, encoding,
};
use market::OrderIndex;
use matching::command::ListInstrument;
use matching::{Command, Instrument, InstrumentSpec, Micros, Seq, Sequenced};
use serde_json::Value;

use super::super::admin::Bench;
use super::super::consumers::Registry;
use super::super::engine_panel::Gauge;
use super::super::recent::RecentRows;
use super::super::*;

/// What the queue does with the next commands.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// It refuses them.
    Away,
    /// It executes them, and its answer is lost.
    Deaf,
    /// It takes them, and the engine never comes to them.
    Stuck,
}

/// The queue: remembers what was enqueued and hands it to the engine at once.
pub struct Queue {
    pub texts: Mutex<Vec<String>>,
    mood: Mutex<Mood>,
    engine: Recipient<Execute>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Execute(Command);

#[async_trait]
impl CommandQueue for Queue {
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError> {
        let mood = *self.mood.lock().expect("the mood");
        if mood == Mood::Away {
            return Err(EnqueueError::NotTaken("secret words".to_owned()));
        }
        let millis = {
            let mut texts = self.texts.lock().expect("the texts");
            texts.push(text.to_owned());
            texts.len() as u64
        };
        if mood != Mood::Stuck {
            for command in encoding::decode_entry(encoding::STREAM_FORMAT, text).expect("commands") {
                self.engine.send(Execute(command)).await.expect("the engine");
            }
        }
        if mood == Mood::Deaf {
            return Err(EnqueueError::Unknown("secret words".to_owned()));
        }
        Ok(StreamId { millis, index: 0 })
    }

    /// The engine has all there is already.
    async fn read(&self, _: StreamId, _: usize) -> Result<Vec<Entry>, QueueError> {
        Ok(Vec::new())
    }

    async fn last(&self) -> Result<StreamId, QueueError> {
        Ok(StreamId { millis: self.texts.lock().expect("the texts").len() as u64, index: 0 })
    }

    async fn open(&self, _: StreamId) -> Result<(), QueueError> {
        Ok(())
    }

    async fn check(&self, _: StreamId) -> Result<(), QueueError> {
        Ok(())
    }

    async fn trim(&self, _: StreamId) -> Result<(), QueueError> {
        Ok(())
    }
}

/// Keeps nothing.
struct NoConsumers;

#[async_trait]
impl Consumers for NoConsumers {
    async fn all(&self) -> Result<Vec<ConsumerPosition>, HistoryError> {
        Ok(Vec::new())
    }

    async fn put(&self, _: &ConsumerPosition) -> Result<(), HistoryError> {
        Ok(())
    }
}

/// Has none.
struct NoSnapshots;

#[async_trait]
impl SnapshotStore for NoSnapshots {
    async fn store(&self, _: &Snapshot, _: usize) -> Result<(), SnapshotError> {
        Err(SnapshotError::Store("secret words".to_owned()))
    }

    async fn newest_until(&self, _: Seq) -> Result<Option<Snapshot>, SnapshotError> {
        Ok(None)
    }

    async fn list(&self) -> Result<Vec<SnapshotSummary>, SnapshotError> {
        Ok(Vec::new())
    }
}

/// Takes none.
struct NoTaker;

impl Actor for NoTaker {
    type Context = Context<Self>;
}

impl Handler<TakeSnapshot> for NoTaker {
    type Result = Result<Seq, SnapshotError>;

    fn handle(&mut self, _: TakeSnapshot, _: &mut Self::Context) -> Self::Result {
        Err(SnapshotError::Store("secret words".to_owned()))
    }
}

/// The core and those who wait for it.
struct FakeEngine {
    core: matching::Engine,
    answering: Answering,
    instruments: watch::Sender<Instruments>,
}

impl FakeEngine {
    fn apply(&mut self, value: Command) -> Outcome {
        let seq = self.core.ledger().seq().next();
        let mut events = Vec::new();
        let time = Micros::new(1_732_880_000_123_456).expect("a time");
        let command = Sequenced { seq, time, value };
        self.core.apply(&command, &mut events);
        let order = subject(&command.value, &events).and_then(|id| self.core.ledger().order(id)).cloned();
        let instruments = self.core.ledger().instruments().map(|listed| (listed.symbol(), *listed)).collect();
        self.instruments.send_replace(Arc::new(instruments));
        Outcome { seq, time, events, order }
    }
}

impl Actor for FakeEngine {
    type Context = Context<Self>;
}

impl Handler<Execute> for FakeEngine {
    type Result = ();

    fn handle(&mut self, execute: Execute, _: &mut Self::Context) {
        let id = execute.0.id();
        let outcome = self.apply(execute.0);
        if let Some(Some(caller)) = self.answering.take([id].into_iter()).pop() {
            let _ = caller.send(outcome);
        }
    }
}

impl Handler<ReadLedger> for FakeEngine {
    type Result = ();

    fn handle(&mut self, question: ReadLedger, _: &mut Self::Context) {
        question.0(self.core.ledger(), &OrderIndex::of(self.core.ledger()));
    }
}

/// A service with BTC_USDT (tick 0.05, lot 0.5, two decimals) and ETH_USDT (the finest) listed.
pub struct Market {
    pub service: Service,
    pub queue: Arc<Queue>,
}

impl Market {
    pub async fn start(settings: &str) -> Market {
        let service = Service::standby(settings).await;
        let (listed, instruments) = watch::channel(Instruments::default());
        let answering = Answering::default();
        let callers = answering.callers();
        let mut engine = FakeEngine { core: matching::Engine::new(1_000), answering, instruments: listed };
        let number = |text: &str| text.parse().expect("a number");
        let symbol = |text: &str| text.parse().expect("a symbol");
        let coarse = InstrumentSpec {
            price_decimals: 2,
            quantity_decimals: 1,
            tick: number("0.05"),
            lot: number("0.5"),
            ..Instrument::finest(symbol("BTC_USDT")).into()
        };
        for instrument in [Instrument::try_from(coarse).expect("an instrument"), Instrument::finest(symbol("ETH_USDT"))]
        {
            engine.apply(Command::ListInstrument(ListInstrument { command_id: None, instrument }));
        }
        let feed = Feed::showing(engine.core.ledger(), crate::views::market::encode);
        let engine = engine.start();
        let texts = Mutex::default();
        let queue = Arc::new(Queue { texts, mood: Mutex::new(Mood::Well), engine: engine.clone().recipient() });
        let log = crate::ids::tests::Leases::new(1);
        let progress = Arc::new(Progress::default());
        progress.set_beaten(tokio::time::Instant::now());
        service.api.open(Engine {
            intake: Intake::start(
                queue.clone(),
                StreamId::ZERO,
                IntakeLimits { orders: 100, cancels: 100, wait: Duration::from_secs(3_600) },
            ),
            outcomes: Outcomes::new(callers, engine.recipient(), Arc::clone(&progress)),
            ids: IdAllocator::start(log.clone(), Epoch(1)).await.expect("ids"),
            clock: Arc::new(ServiceClock::starting_at(Micros::ZERO)),
            instruments,
            proof: Arc::default(),
            feed,
            recent: Arc::new(RecentRows::new(log.clone())),
            log,
            history: None,
            consumers: Registry::open(Arc::new(NoConsumers)).await.expect("consumers"),
            projected: watch::channel(StreamId::ZERO).1,
            stream_end: StreamId::ZERO,
            pace: Pace::default(),
            snapshots: Gauge::new(Arc::clone(&progress), Arc::new(NoSnapshots), NoTaker.start().recipient()),
            bench: Bench::new(&service.settings),
            progress,
        });
        Market { service, queue }
    }

    pub fn mood(&self, mood: Mood) {
        *self.queue.mood.lock().expect("the mood") = mood;
    }

    /// What was enqueued last.
    pub fn enqueued(&self) -> Value {
        let texts = self.queue.texts.lock().expect("the texts");
        serde_json::from_str(texts.last().expect("a command")).expect("JSON")
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        self.service.send(request).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request("POST", path).insert_header(header::ContentType::json()).set_payload(body.to_owned())).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path)).await
    }
}

/// What the administrator of every service of these tests has.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A request of the administrator.
pub fn request(method: &str, path: &str) -> TestRequest {
    anonymous(method, path).insert_header((header::AUTHORIZATION, format!("Bearer {TOKEN}")))
}

/// A request without a credential.
pub fn anonymous(method: &str, path: &str) -> TestRequest {
    let method: Method = method.parse().expect("a method");
    TestRequest::with_uri(path).method(method).insert_header((header::HOST, "localhost:8000"))
}

pub struct Answer {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.text))
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Holds that it is this problem, well-formed and free of internals.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        let temporary = [429, 503, 504].contains(&status);
        assert_eq!(self.header(header::RETRY_AFTER).is_empty(), !temporary);
        assert!(!self.text.contains("secret words"), "{}", self.text);
    }
}

/// Holds that the schema lists the answer among those of a POST to `path`.
#[track_caller]
pub fn is_documented(schema: &Value, path: &str, answer: &Answer) {
    let response = &schema["paths"][path]["post"]["responses"][answer.status.to_string()];
    let example =
        &response["content"]["application/problem+json"]["examples"][answer.json()["code"].as_str().expect("a code")];
    assert!(example.is_object(), "{path} does not list {}", answer.text);
}

/// An application as it is served, without a socket.
pub struct Service {
    pub api: Arc<Api>,
    settings: Settings,
    call: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>,
}

impl Service {
    /// A service without an engine.
    pub async fn standby(settings: &str) -> Service {
        let given = format!("REDIS_URL=redis://h/0 DATABASE_URL=postgres://h/d ADMIN_TOKEN={TOKEN} {settings}");
        let variable = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (settings, _) = Settings::from_sources(given.split(' ').filter_map(variable), []).expect("settings");
        let api = Api::new(&settings);
        let shared = Shared::new(Arc::clone(&api));
        let app = App::new().wrap(middleware::from_fn(access::guard)).configure(|config| shared.configure(config));
        let app = Rc::new(init_service(app).await);
        let call = move |request: TestRequest| {
            let app = Rc::clone(&app);
            async move {
                let response = app.call(request.to_request()).await.expect("a response");
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = read_body(response).await;
                Answer { status, headers, text: String::from_utf8_lossy(&body).into_owned() }
            }
            .boxed_local()
        };
        Service { api, settings, call: Box::new(call) }
    }

    pub fn send(&self, request: TestRequest) -> LocalBoxFuture<'static, Answer> {
        (self.call)(request)
    }
}

pub fn order(price: &str, quantity: &str) -> String {
    format!(r#"{{"symbol":"ETH_USDT","side":"BUY","price":{price},"quantity":{quantity}}}"#)
}

pub fn coarse(price: &str, quantity: &str) -> String {
    order(price, quantity).replace("ETH", "BTC")
}
