//! Finds out who makes a request, and holds it against what its route needs: the one place where that is done.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, ResponseError, web};
use futures_util::{StreamExt, stream};

use super::limits::Left;
use super::need::Need;
use super::sessions::Session;
use super::{Caller, Gate, changes_something, sessions};
use crate::http::problem::{Code, Problem};
use crate::http::wait::IDEMPOTENCY_KEY;
use crate::http::{Api, body};
use crate::keys::replay::Shown;
use crate::keys::signature::{SCHEME, Signature, Signed};
use crate::keys::{Scope, now, same};

/// What each method of a resource needs.
pub type Needs = Arc<[(Method, Need)]>;

/// Lets a request through to its handler, together with its caller, or refuses it.
pub async fn authorize(
    needs: Needs,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let need = needs.iter().find(|(method, _)| method == request.method()).map(|(_, need)| *need);
    // A method that is not served is refused behind this, whoever asks.
    let Some(need) = need else { return next.call(request).await };
    let left = match judge(need, &mut request).await {
        Ok(left) => left,
        Err(problem) => return Ok(request.into_response(problem.error_response())),
    };
    let mut response = next.call(request).await?;
    let left = left.or_else(|| response.request().extensions().get::<Left>().copied());
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

/// Keeps the caller with the request; what is left to him, where the route counts.
async fn judge(need: Need, request: &mut ServiceRequest) -> Result<Option<Left>, Problem> {
    let api = request.app_data::<web::Data<Api>>().cloned().ok_or_else(unauthorized)?;
    let address = request.peer_addr().map(|address| address.ip());
    let debug = api.gate.is_debug();
    let caller = match need {
        Need::Scope { .. } | Need::Socket if !debug => {
            // A process that does not serve does not know the keys either.
            api.engine()?;
            match identify(&api.gate, request).await? {
                Some(caller) => caller,
                None if need == Need::Socket => Caller::Anyone { address, debug },
                None => return Err(unauthorized()),
            }
        }
        _ => Caller::Anyone { address, debug },
    };
    let mut left = None;
    if let Need::Scope { scope, counts } = need {
        if !caller.may(scope) {
            return Err(forbidden(scope));
        }
        if scope == Scope::Admin && changes_something(request.method()) {
            // With the request's method, path and id: who changed what stands in the log.
            tracing::info!(%caller, "a change of the administrator's");
        }
        if let Some(counts) = counts {
            left = api.gate.limits.take(&caller, counts, 1)?;
        }
    }
    request.extensions_mut().insert(caller);
    Ok(left)
}

/// Whom a request's credential is of; none if it has none.
async fn identify(gate: &Gate, request: &mut ServiceRequest) -> Result<Option<Caller>, Problem> {
    let Some(header) = request.headers().get(header::AUTHORIZATION) else {
        let Some(session) = session(gate, request.headers()) else { return Ok(None) };
        return confirm(request.method(), request.headers(), &session).map(|()| Some(Caller::Session(session)));
    };
    let header = header.to_str().map_err(|_| unauthorized())?;
    let (scheme, credential) = header.split_once(' ').ok_or_else(unauthorized)?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        return by_token(gate, credential.trim()).map(Some).ok_or_else(unauthorized);
    }
    if scheme.eq_ignore_ascii_case(SCHEME) {
        let signature = Signature::read(credential).ok_or_else(unauthorized)?;
        return by_signature(gate, signature, request).await.map(Some);
    }
    Err(unauthorized())
}

/// Whose token this is.
pub fn by_token(gate: &Gate, token: &str) -> Option<Caller> {
    if let Some(key) = gate.keyring.by_token(token) {
        return Some(Caller::Key(key));
    }
    let admin = gate.admin_token.as_ref()?;
    same(token.as_bytes(), admin.expose().as_bytes()).then_some(Caller::Administrator)
}

/// The session whose cookie is among these headers.
pub fn session(gate: &Gate, headers: &HeaderMap) -> Option<Arc<Session>> {
    gate.sessions.find(session_id(headers)?, &gate.keyring, Instant::now())
}

/// The id that the cookie holds.
pub fn session_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut cookies = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == sessions::COOKIE).map(|(_, id)| id)
}

/// Holds that a request that changes something says its session's CSRF token, which another site's page cannot know.
pub fn confirm(method: &Method, headers: &HeaderMap, session: &Session) -> Result<(), Problem> {
    let sent = headers.get(sessions::CSRF_HEADER).map(|token| token.as_bytes());
    if !changes_something(method) || sent.is_some_and(|sent| same(sent, session.csrf().as_bytes())) {
        return Ok(());
    }
    let detail = "a request that changes something sends, beside the session's cookie, the header X-CSRF-Token with the \
                  csrf of /api/session/";
    Err(Problem::new(Code::CsrfToken, detail))
}

/// Who signed the request. Its body is read for that, and put back.
async fn by_signature(gate: &Gate, signature: Signature, request: &mut ServiceRequest) -> Result<Caller, Problem> {
    let key = gate.keyring.get(&signature.key).ok_or_else(unauthorized)?;
    let shown_at = now().get();
    let since = gate.since.get().copied().unwrap_or(u64::MAX);
    if !signature.is_timely(shown_at, since) {
        let detail = "the signature's timestamp is too far from the service's clock, or before its start; sign the request \
                      again";
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    let changes = changes_something(request.method());
    let body = if changes {
        let (parts, payload) = request.parts_mut();
        body::receive(parts, payload).await?
    } else {
        // A question has no body; what follows an upgrade never ends.
        Bytes::new()
    };
    let idempotency_key = request.headers().get(&IDEMPOTENCY_KEY).map_or(Ok(""), |value| value.to_str());
    let signed = Signed {
        method: request.method().as_str(),
        target: request.uri().path_and_query().map_or("/", |target| target.as_str()),
        idempotency_key: idempotency_key.map_err(|_| unauthorized())?,
        body: &body,
    };
    if !signature.fits(key.secret(), signed) {
        let detail =
            "the signature is not that of this request under the key's secret; docs/security.md has an example";
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    match gate.replays.show(&signature.key, &signature.signature, shown_at) {
        Shown::First => {}
        Shown::Again => {
            let detail = "the signature was shown before; give every request a timestamp of its own and sign it again";
            return Err(Problem::new(Code::Unauthorized, detail));
        }
        Shown::Full => {
            let detail = "more signed requests came in a minute than can be remembered; send it again later";
            return Err(Problem::new(Code::Overloaded, detail));
        }
    }
    if changes {
        request.set_payload(Payload::Stream { payload: stream::once(async { Ok(body) }).boxed_local() });
    }
    Ok(Caller::Key(key))
}

/// The problem of a request without a credential that holds.
pub fn unauthorized() -> Problem {
    let detail = "this needs a credential: the header Authorization: Bearer <token>, with the token of an API key or the \
                  ADMIN_TOKEN, a signature, or a session's cookie; the one that was sent, if any, does not hold";
    Problem::new(Code::Unauthorized, detail)
}

/// The problem of a credential without the scope.
pub fn forbidden(scope: Scope) -> Problem {
    Problem::new(Code::Forbidden, format!("this needs a key with the scope {}", scope.as_str()))
}
