//! `/api/session/`: logging in with a browser. The cookie cannot be read by scripts and is sent by this site's pages only; what
//! changes something says the session's CSRF token beside it.

use std::time::Instant;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::access::authorize::{by_token, confirm, forbidden, session, session_id, unauthorized};
use super::access::sessions::{COOKIE, LIFETIME, Opened};
use super::body::JsonBody;
use super::endpoint::Endpoint;
use super::problem::{Problem, problems};
use super::{Api, fields, query};
use crate::keys::Scope;

/// The fields of a login, as [`LogIn`] documents them.
const FIELDS: [&str; 1] = ["token"];

/// A login.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"token": "pt_5f1d7a8e90b3_…"}))]
#[allow(dead_code, reason = "requests are read field by field, without this type; it documents them")]
pub struct LogIn {
    /// The ADMIN_TOKEN, or the token of an API key with the scope admin.
    token: String,
}

/// A session that was opened; its cookie is in the header Set-Cookie.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"admin": true, "csrf": "0b6f…"}))]
pub struct LoggedIn {
    /// Always true.
    admin: bool,
    /// What requests that change something say in the header X-CSRF-Token.
    csrf: String,
}

/// What this browser may do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"debug": false, "admin": true, "demo": false, "csrf": "0b6f…"}))]
pub struct SessionState {
    /// Whether the service runs with DEBUG, which asks nobody for a credential.
    debug: bool,
    /// Whether everything is allowed: with DEBUG, or in a session.
    admin: bool,
    /// Whether the orders are those of a demonstration.
    demo: bool,
    /// What requests that change something say in the header X-CSRF-Token; null without a session.
    csrf: Option<String>,
}

problems! {
    /// What the question for a session may be refused with.
    StateProblems: UnknownField, HostNotAllowed
}

problems! {
    /// What a login may be refused with.
    LogInProblems:
        MalformedJson, UnknownField, MissingField, InvalidType, HostNotAllowed, Unauthorized, Forbidden, RequestTimeout,
        BodyTooLarge, UnsupportedMediaType, RateLimited, NotReady, Standby
}

problems! {
    /// What a logout may be refused with.
    LogOutProblems: UnknownField, HostNotAllowed, CsrfToken
}

/// The resource.
pub fn endpoint() -> Endpoint {
    let endpoint = Endpoint::new(__path_state, state);
    endpoint.and(__path_log_in, log_in).and(__path_log_out, log_out)
}

/// Who this browser is
#[utoipa::path(
    get,
    path = "/api/session/",
    tag = "session",
    operation_id = "session",
    security(()),
    responses((status = 200, description = "What it may do.", body = SessionState), StateProblems)
)]
pub async fn state(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    query::refuse(&request)?;
    let debug = api.gate.is_debug();
    let session = session(&api.gate, request.headers());
    let csrf = session.as_ref().map(|session| session.csrf().to_owned());
    let admin = debug || session.is_some_and(|session| Caller::Session(session).may(Scope::Admin));
    Ok(HttpResponse::Ok().json(SessionState { debug, admin, demo: api.is_demo(), csrf }))
}

/// Log in
///
/// Opens a session for whoever has the administrator's credential. It ends after twelve hours, with the service, or with the
/// key that it was opened with.
#[utoipa::path(
    post,
    path = "/api/session/",
    tag = "session",
    operation_id = "log_in",
    security(()),
    request_body = LogIn,
    responses((status = 200, description = "The session is open.", body = LoggedIn), LogInProblems)
)]
pub async fn log_in(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    api.engine()?;
    query::refuse(&request)?;
    api.gate.limits.log_in(&caller)?;
    let [token] = fields::read(&body.0, &FIELDS)?;
    let token = fields::required(token, FIELDS[0])?.text()?;
    let opened = match by_token(&api.gate, token.trim()) {
        Some(Caller::Administrator) => Opened::Token,
        Some(Caller::Key(key)) if key.allows(Scope::Admin) => Opened::Key(key),
        Some(_) => return Err(forbidden(Scope::Admin)),
        None => return Err(unauthorized()),
    };
    let new = api.gate.sessions.open(opened, Instant::now());
    let cookie = cookie(&request, &new.id, LIFETIME.as_secs());
    Ok(HttpResponse::Ok().insert_header((header::SET_COOKIE, cookie)).json(LoggedIn { admin: true, csrf: new.csrf }))
}

/// Log out
///
/// Ends the session and the sockets and streams that were opened in it.
#[utoipa::path(
    delete,
    path = "/api/session/",
    tag = "session",
    operation_id = "log_out",
    security(()),
    responses((status = 204, description = "There is no session any more."), LogOutProblems)
)]
pub async fn log_out(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    query::refuse(&request)?;
    if let (Some(session), Some(id)) = (session(&api.gate, request.headers()), session_id(request.headers())) {
        confirm(request.method(), request.headers(), &session)?;
        api.gate.sessions.end(id);
    }
    Ok(HttpResponse::NoContent().insert_header((header::SET_COOKIE, cookie(&request, "", 0))).finish())
}

/// The cookie. Behind a proxy that says that the browser came by HTTPS, it is kept to HTTPS.
fn cookie(request: &HttpRequest, id: &str, seconds: u64) -> String {
    let secure = if request.connection_info().scheme() == "https" { "; Secure" } else { "" };
    format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}
