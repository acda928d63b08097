//! `/api/ws/`: the live feed, and orders, over one socket. docs/feed.md says exactly what goes over it.

mod operation;
mod request;
mod rest;
mod session;

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{HttpRequest, HttpResponse, web};
use actors::feed::{Outbox, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::endpoint::Endpoint;
use super::problem::{Code, Problem, problems};
use super::{Api, query};
use session::Session;

/// Messages that wait for one session; more means that its client does not read.
const QUEUE: usize = 1_024;
/// The longest message of a client: an order is a few hundred bytes.
const MAX_FRAME: usize = 64 * 1_024;
/// How many sockets there are and were.
#[derive(Debug)]
pub struct Counts {
    /// As many as may be open: each holds a connection, and at most its queue.
    most: u64,
    open: AtomicU64,
    opened: AtomicU64,
    slow: AtomicU64,
    writes: rest::Writes,
}

impl Counts {
    /// None yet; as many as `most` may be.
    pub fn new(most: usize) -> Counts {
        Counts {
            most: most as u64,
            open: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            writes: rest::Writes::default(),
        }
    }

    /// Sockets that are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Sockets that were closed because their clients did not read.
    pub fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    fn enter(&self) -> Option<SessionId> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.leave();
            return None;
        }
        Some(self.opened.fetch_add(1, Ordering::Relaxed))
    }

    fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The first message of a socket.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hello {
    /// Always `hello`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The last row of the event log that is published.
    seq: u64,
    /// Whether this socket's open orders are cancelled when it closes.
    cancel_on_disconnect: bool,
}

problems! {
    /// What a socket may be refused with.
    SocketProblems:
        UnknownField, InvalidParameter, HostNotAllowed, NotASocket, InternalError, Overloaded, NotReady, Standby
}

/// The resource.
pub fn endpoint() -> Endpoint {
    Endpoint::new(__path_socket, socket)
}

/// The socket
///
/// A WebSocket: channels of books, trades, tickers, candles, orders and events to subscribe to, and orders, cancels and
/// amends to send. The page `docs/feed.md` has its protocol. Whoever shows no credential here sends one in the first message.
#[utoipa::path(
    get,
    path = "/api/ws/",
    tag = "feed",
    operation_id = "socket",
    security(("socket" = [])),
    params(("cancel_on_disconnect" = Option<bool>, Query, description = "Whether what was placed over this socket and is open is cancelled when it closes; false if not sent.")),
    responses((status = 101, description = "The socket is open."), SocketProblems)
)]
pub async fn socket(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [cancel_on_disconnect] = query::read(&request, ["cancel_on_disconnect"])?;
    let cancel_on_disconnect =
        super::order_queries::parsed(cancel_on_disconnect, "send true or false")?.unwrap_or(false);
    let (response, handle, messages) = actix_ws::handle(&request, body).map_err(|_| {
        Problem::new(Code::NotASocket, "the request opens no WebSocket: send Upgrade: websocket and what belongs to it")
    })?;
    let Some(id) = api.sockets.enter() else {
        return Err(Problem::new(
            Code::Overloaded,
            format!("{} sockets are open, as many as may be", api.sockets.most),
        ));
    };
    let (outbox, inbox) = Outbox::new(QUEUE);
    let feed = engine.feed.clone();
    let messages = messages.max_frame_size(MAX_FRAME).aggregate_continuations().max_continuation_size(MAX_FRAME);
    let session = Session::new(api, caller, handle, feed, id, outbox, cancel_on_disconnect);
    actix_web::rt::spawn(session.run(messages, inbox));
    Ok(response)
}
