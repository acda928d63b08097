//! The HTTP side: one file per resource. It meets the engine at two ports, the command queue in and the outcomes out.

pub mod access;
pub mod accounts;
pub mod admin;
pub mod amend;
pub mod batch;
pub mod batch_items;
pub mod body;
pub mod cancel;
pub mod consumers;
pub mod debug;
pub mod dist;
pub mod docs;
pub mod endpoint;
pub mod engine_panel;
pub mod event_tail;
pub mod events;
pub mod fields;
mod files;
pub mod health;
pub mod lookup;
pub mod market_data;
pub mod mass_cancel;
pub mod metrics;
pub mod order_queries;
pub mod order_request;
pub mod order_schema;
pub mod orders;
pub mod pages;
pub mod placed;
pub mod problem;
pub mod query;
pub mod recent;
pub mod session;
pub mod socket;
pub mod submit;
pub mod symbols;
mod trace;
pub mod wait;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::dev::Server;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, middleware, web};
use actors::{Feed, Instruments, Intake, Outcomes, Pace, Progress, Proof};
use journal::{Clock, EventLog, History, StreamId};
use matching::{CommandId, OrderId};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{Notify, watch};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::config::Settings;
use crate::ids::IdAllocator;
use docs::Documents;
use metrics::{Counters, Metrics};
use problem::{Code, Problem};

/// An idle connection is kept for longer than the common proxies keep theirs, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request's head is one packet: a client that takes longer only holds a connection.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a stop waits for requests under way: longer than a cancel waits for its commit.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// What the system keeps of answers beyond those on their way to their client, in bytes.
const UNSENT: u32 = 32 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// What of the engine the handlers need.
pub struct Engine {
    /// Where commands go in.
    pub intake: Arc<Intake>,
    /// Where outcomes come out.
    pub outcomes: Outcomes,
    /// How far the engine has come.
    pub progress: Arc<Progress>,
    /// Ids for orders and other commands.
    pub ids: IdAllocator,
    /// The service's clock.
    pub clock: Arc<dyn Clock>,
    /// What is listed, as committed.
    pub instruments: watch::Receiver<Instruments>,
    /// How far the log is proven right.
    pub proof: Arc<Proof>,
    /// The market, to ask and to subscribe to.
    pub feed: Feed,
    /// The event log, to read.
    pub log: Arc<dyn EventLog>,
    /// Its newest rows, for whoever follows it.
    pub recent: Arc<recent::RecentRows>,
    /// Orders and trades that left the ledger; none in embedded mode.
    pub history: Option<Arc<dyn History>>,
    /// The positions of named consumers.
    pub consumers: consumers::Registry,
    /// The last stream entry that readers see.
    pub projected: watch::Receiver<StreamId>,
    /// Where the stream stood when the service started.
    pub stream_end: StreamId,
    /// How long the start took.
    pub pace: Pace,
    /// Takes snapshots, and looks at what is shown of the engine.
    pub snapshots: Arc<engine_panel::Gauge>,
    /// Where the administrator's questions are worked on.
    pub bench: admin::Bench,
}

/// What this process does at the moment.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Another process serves.
    Standby,
    /// It took over and reads the log.
    Recovering,
    /// It serves.
    Writer,
    /// It is ending.
    Stopping,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Standby => "standby",
            Role::Recovering => "recovering",
            Role::Writer => "writer",
            Role::Stopping => "stopping",
        }
    }
}

/// The state that all handlers share. It exists before the engine does: until that is there, requests are told so.
pub struct Api {
    max_body_bytes: usize,
    auto_list_symbols: bool,
    /// What callers are judged by.
    pub gate: access::Gate,
    demo: bool,
    role: AtomicU8,
    engine: OnceLock<Engine>,
    counters: Counters,
    under_way: UnderWay,
    /// Whether the process is ending, for whoever waits for something.
    stopping: watch::Sender<bool>,
    sockets: socket::Counts,
    max_connections: usize,
    /// The age of the oldest transaction in PostgreSQL, as far as it is known.
    oldest_transaction: watch::Sender<Option<Duration>>,
    /// When the process started, by the wall clock.
    started: SystemTime,
}

/// Requests that are not answered yet.
#[derive(Default)]
struct UnderWay {
    count: AtomicUsize,
    /// Told whenever there are none.
    none: Notify,
}

/// A request that is not answered yet.
struct Entered<'a>(&'a UnderWay);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_one();
        }
    }
}

impl Api {
    /// An API without an engine: a standby.
    pub fn new(settings: &Settings) -> Arc<Api> {
        Arc::new(Api {
            max_body_bytes: settings.max_body_bytes,
            auto_list_symbols: settings.auto_list_symbols,
            gate: access::Gate::new(settings),
            demo: settings.demo,
            role: AtomicU8::new(Role::Standby as u8),
            engine: OnceLock::new(),
            counters: Counters::default(),
            under_way: UnderWay::default(),
            stopping: watch::Sender::new(false),
            sockets: socket::Counts::new(settings.max_sockets),
            max_connections: files::room_for(settings.max_connections),
            oldest_transaction: watch::Sender::new(None),
            started: SystemTime::now(),
        })
    }

    /// This process took over and reads the log.
    pub fn recovering(&self) {
        self.role.store(Role::Recovering as u8, Ordering::Release);
    }

    /// The engine runs: from here on, orders are taken. Once.
    ///
    /// # Panics
    /// If there is an engine already: a mistake in the start-up.
    pub fn open(&self, engine: Engine) {
        assert!(self.engine.set(engine).is_ok(), "the API has its engine already");
        self.gate.open();
        self.role.store(Role::Writer as u8, Ordering::Release);
    }

    /// The process is ending: nothing is taken any more. Returns once every request under way is answered, or has had
    /// its time.
    pub async fn close(&self) {
        self.role.store(Role::Stopping as u8, Ordering::Release);
        self.stopping.send_replace(true);
        let all_answered = async {
            while self.under_way.count.load(Ordering::Acquire) > 0 {
                self.under_way.none.notified().await;
            }
        };
        // Whoever takes longer finds out by what became of its command.
        let _ = tokio::time::timeout(ANSWERED_WITHIN, all_answered).await;
    }

    /// Tells when the process is ending.
    fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// A request has come; it is answered when this is dropped.
    fn enter(&self) -> Entered<'_> {
        self.under_way.count.fetch_add(1, Ordering::AcqRel);
        Entered(&self.under_way)
    }

    /// What this process does at the moment.
    pub fn role(&self) -> Role {
        let role = self.role.load(Ordering::Acquire);
        let roles = [Role::Standby, Role::Recovering, Role::Writer, Role::Stopping];
        roles.into_iter().find(|known| *known as u8 == role).unwrap_or(Role::Stopping)
    }

    /// The engine, for requests; a problem when this process does not serve.
    fn engine(&self) -> Result<&Engine, Problem> {
        match (self.role(), self.engine.get()) {
            (Role::Writer, Some(engine)) => Ok(engine),
            (Role::Standby, _) => {
                Err(Problem::new(Code::Standby, "this process stands by; send it to the one that serves"))
            }
            (Role::Stopping, _) => Err(Problem::new(Code::NotReady, "the service is stopping; send it again later")),
            (Role::Recovering | Role::Writer, _) => {
                Err(Problem::new(Code::NotReady, "the service is starting; send it again later"))
            }
        }
    }

    /// The engine, for health and metrics, whatever this process does.
    fn running_engine(&self) -> Option<&Engine> {
        self.engine.get()
    }

    /// The age of the oldest transaction in PostgreSQL was looked at.
    pub fn set_oldest_transaction(&self, age: Option<Duration>) {
        self.oldest_transaction.send_replace(age);
    }

    fn oldest_transaction(&self) -> Option<Duration> {
        *self.oldest_transaction.borrow()
    }

    /// When the process started, in seconds since 1970.
    fn started_at(&self) -> u64 {
        self.started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }

    fn auto_list_symbols(&self) -> bool {
        self.auto_list_symbols
    }

    /// Whether the demonstration's desks trade here.
    pub fn is_demo(&self) -> bool {
        self.demo
    }

    /// Sockets that are open: whether anybody watches.
    pub fn open_sockets(&self) -> u64 {
        self.sockets.open()
    }

    /// The last row of the event log; 0 before the engine runs.
    pub fn committed_seq(&self) -> u64 {
        self.running_engine().map_or(0, |engine| engine.progress.committed())
    }
}

impl Engine {
    /// An id for a command.
    fn next_id(&self) -> Result<u64, Problem> {
        self.ids.next().ok_or_else(no_ids)
    }

    /// An id for a new order.
    fn order_id(&self) -> Result<OrderId, Problem> {
        self.next_id().and_then(|id| OrderId::new(id).ok_or_else(no_ids))
    }

    /// An id for any other command.
    fn command_id(&self) -> Result<CommandId, Problem> {
        self.next_id().and_then(|id| CommandId::new(id).ok_or_else(no_ids))
    }
}

fn no_ids() -> Problem {
    Problem::new(Code::NotReady, "the event log does not answer, and there are no ids left; send it again later")
}

/// The API's general description; paths and schemas come from the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "pricetime",
        description = "An order-matching engine as a service: orders are matched by price and time, and what is \
                       acknowledged is never lost.\n\nAn order that is answered with 202 is on disk and will be executed; \
                       a final state, such as the answer of a cancel, is committed in the event log. All routes work with \
                       and without the slash at the end. Decimals are taken exactly; send them as strings if your JSON \
                       library makes binary floating point of numbers.\n\nErrors are `application/problem+json` with a \
                       stable `code`. `outcome` says whether the command may have been taken; after `not_taken` the \
                       request can be sent again.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(Problem)),
    tags(
        (name = "orders", description = "Placing and cancelling orders."),
        (name = "feed", description = "What happens, as it happens: the event stream, its consumers, and the socket."),
        (name = "accounts", description = "What is done to all orders of an account at once."),
        (name = "markets", description = "Instruments, their rules and phases."),
        (name = "session", description = "Logging in with a browser."),
        (name = "debug", description = "All orders and trades, for checks; with the scope admin."),
        (name = "admin", description = "The log, the books as they were, the snapshots; with the scope admin."),
        (name = "operation", description = "For probes and scrapers."),
        (name = "documentation", description = "This description.")
    )
)]
struct Description;

/// The schema of all routes. With DEBUG it says that no credential need be shown.
pub fn openapi(debug: bool) -> OpenApi {
    let mut openapi = described();
    access::need::publish(&mut openapi, debug);
    openapi
}

/// The routes as they are declared beside their handlers.
fn described() -> OpenApi {
    App::new().into_utoipa_app().openapi(Description::openapi()).configure(routes).split_for_parts().1
}

/// All routes that are documented.
fn routes(config: &mut ServiceConfig) {
    config
        .service(orders::endpoint())
        .service(batch::endpoint())
        .service(cancel::named_endpoint())
        .service(cancel::endpoint())
        .service(order_queries::explain_endpoint())
        .service(order_queries::account_endpoint())
        .configure(market_data::routes)
        .service(events::endpoint())
        .configure(consumers::routes)
        .service(socket::endpoint())
        .service(session::endpoint())
        // Behind the routes that have a word where this one has an id.
        .service(order_queries::order_endpoint())
        .configure(accounts::routes)
        .configure(symbols::routes)
        .configure(debug::routes)
        .service(engine_panel::endpoint())
        .configure(admin::routes)
        .configure(docs::routes)
        .configure(health::routes);
}

/// What every worker's application is made of.
#[derive(Clone)]
struct Shared {
    api: web::Data<Api>,
    metrics: web::Data<Metrics>,
    documents: web::Data<Documents>,
}

impl Shared {
    fn new(api: Arc<Api>) -> Shared {
        let metrics = web::Data::new(Metrics::new(Arc::clone(&api)));
        let documents = web::Data::new(Documents::new(&openapi(api.gate.is_debug())));
        Shared { api: web::Data::from(api), metrics, documents }
    }

    /// Adds routes and state to an application.
    fn configure(self, config: &mut web::ServiceConfig) {
        config
            .app_data(self.api)
            .app_data(self.metrics)
            .app_data(self.documents)
            .app_data(web::PathConfig::default().error_handler(|_, _| no_route().into()));
        routes(&mut ServiceConfig::new(config));
        docs::files(config);
        pages::pages(config);
        config.default_service(web::to(not_found));
    }
}

async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = fields::shortened(request.path()).into_owned();
    Err(Problem::new(Code::NotFound, format!("there is no route {path:?}; /api/schema/ lists them")))
}

fn no_route() -> Problem {
    Problem::new(Code::NotFound, "there is no such route; /api/schema/ lists them")
}

/// Listens at an address. Connections have the options of their listener. What they keep unsent is bounded: left to itself the
/// system takes megabytes for a client that reads nothing before it says that there is no room, and all that while it costs as
/// much as one that reads. And nothing is held back until what was sent before is acknowledged: clients acknowledge 40 ms late.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves the API on a listener. Signals are the caller's: it stops the server by its handle.
pub fn serve(api: Arc<Api>, listener: TcpListener) -> io::Result<Server> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let connections_per_worker = api.max_connections.div_ceil(workers);
    let shared = Shared::new(api);
    let app = move || {
        // The factory runs once on each worker's thread.
        actors::name_thread("http");
        let shared = shared.clone();
        App::new().wrap(middleware::from_fn(access::guard)).configure(|config| shared.configure(config))
    };
    let server = HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_WITHIN)
        .workers(workers)
        .max_connections(connections_per_worker)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}
