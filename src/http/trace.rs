//! The id of a request: the client's own, from its `X-Request-Id`, else one that is made. It stands in the request's log
//! lines and in its answer. The client's own also goes with the request's commands through the stream and the log out to
//! whoever follows the log; one that was made does not, since the commands have ids of their own, which the answer tells.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use journal::RequestId;
use tracing::Span;

/// Where a client says its id, and an answer repeats it.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Requests since the start. A number of the process rather than a random one: those cost a call of the kernel each.
static REQUESTS: AtomicU64 = AtomicU64::new(1);
/// When its first request came, in seconds since 1970: makes ids of one process differ from those of another.
static STARTED: LazyLock<u64> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));

tokio::task_local! {
    /// The client's own id of the request that this task serves.
    static SENT: RequestId;
}

/// The id of a request.
pub enum Id {
    /// The client's own.
    Sent(RequestId),
    /// Made here: the request's number.
    Made(u64),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Sent(id) => id.fmt(f),
            Id::Made(number) => write!(f, "{:x}-{number:x}", *STARTED),
        }
    }
}

impl Id {
    /// The id of a request that has come. What the client says and is no id is passed over.
    pub fn of(request: &ServiceRequest) -> Id {
        let sent = request.headers().get(&HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        sent.map_or_else(|| Id::Made(REQUESTS.fetch_add(1, Ordering::Relaxed)), Id::Sent)
    }

    /// As a header of the answer.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }

    /// The span of the request: method and path, never its body or query.
    pub fn span(&self, request: &ServiceRequest) -> Span {
        // The path is what the client wrote; it has no secret, and a route that does not exist has no pattern.
        tracing::info_span!("request", id = %self, method = %request.method(), path = request.path())
    }

    /// Serves the request: [`sent`] tells its id meanwhile.
    pub async fn scope<T>(&self, serve: impl Future<Output = T>) -> T {
        match self {
            Id::Sent(id) => with(id.clone(), serve).await,
            Id::Made(_) => serve.await,
        }
    }
}

/// Does what a client asked under an id of its own.
pub async fn with<T>(id: RequestId, work: impl Future<Output = T>) -> T {
    SENT.scope(id, work).await
}

/// The client's own id of what is being done.
pub fn sent() -> Option<RequestId> {
    SENT.try_with(Clone::clone).ok()
}
