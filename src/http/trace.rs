//! The span that a request's log lines are in: method, path, and a number to find them by. Never its body or query.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::ServiceRequest;
use tracing::Span;

/// Requests since the start. A number of the process rather than a random one: those cost a call of the kernel each.
static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// The span of a request.
pub fn span(request: &ServiceRequest) -> Span {
    // The path is what the client wrote; it has no secret, and a route that does not exist has no pattern.
    tracing::info_span!(
        "request",
        id = REQUESTS.fetch_add(1, Ordering::Relaxed),
        method = %request.method(),
        path = request.path()
    )
}
