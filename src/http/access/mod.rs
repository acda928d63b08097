//! Who may ask, and for what. Every request comes through [`guard`], and every one to a documented route through
//! [`authorize::authorize`], which holds it against what the route's documentation says that it needs.

pub mod authorize;
pub mod caller;
mod headers;
pub mod limits;
pub mod need;
pub mod sessions;

pub use caller::Caller;

use std::sync::{Arc, OnceLock};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use tracing::Instrument;

use super::problem::{Code, Problem};
use super::{Api, Role, trace};
use crate::config::{AllowedHosts, Secret, Settings};
use crate::keys::Keyring;
use crate::keys::replay::Replays;
use limits::Limits;
use sessions::Sessions;

/// Asked by address, under whatever name probes and scrapers have for the machine; they tell nothing of orders.
const OPEN_TO_ANY_HOST: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What callers are judged by.
pub struct Gate {
    /// Whether nobody is asked who he is.
    debug: bool,
    allowed_hosts: AllowedHosts,
    admin_token: Option<Secret>,
    /// The API keys that hold.
    pub keyring: Arc<Keyring>,
    /// Who has logged in.
    pub sessions: Sessions,
    /// How much each may do.
    pub limits: Limits,
    replays: Replays,
    /// When this process began to serve, in microseconds since 1970.
    since: OnceLock<u64>,
}

impl Gate {
    /// A gate as the settings have it, whose keyring is not filled yet.
    pub fn new(settings: &Settings) -> Gate {
        Gate {
            debug: settings.debug,
            allowed_hosts: settings.allowed_hosts.clone(),
            admin_token: settings.admin_token.clone(),
            keyring: Arc::new(Keyring::new(settings.secret_key.clone())),
            sessions: Sessions::default(),
            limits: Limits::new(settings.rate_limit_orders, settings.rate_limit_cancels, settings.rate_limit_reads),
            replays: Replays::default(),
            since: OnceLock::new(),
        }
    }

    /// This process serves from here on.
    pub fn open(&self) {
        // Only the first time counts, and there is no second.
        let _ = self.since.set(crate::keys::now().get());
    }

    /// Whether nobody is asked who he is.
    pub fn is_debug(&self) -> bool {
        self.debug
    }
}

/// Refuses requests under foreign names and those that another site's page makes, so that no page can use the service
/// through its reader's browser; and counts what is refused anywhere.
pub async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(api) = request.app_data::<web::Data<Api>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    };
    let _under_way = api.enter();
    api.counters.requested();
    let id = trace::Id::of(&request);
    let mut response = match check_host(&api, &request).and_then(|()| check_origin(&api, &request)) {
        Ok(()) => {
            let span = id.span(&request);
            let response = id.scope(next.call(request)).instrument(span.clone()).await?;
            span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
            response.map_into_left_body()
        }
        Err(problem) => request.into_response(problem.error_response()).map_into_right_body(),
    };
    headers::harden(response.headers_mut());
    if api.role() == Role::Stopping {
        // The connection would only be in the way of the stop.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(id) = id.header() {
        response.headers_mut().insert(trace::HEADER, id);
    }
    if let Some(code) = response.response().extensions().get::<Code>() {
        api.counters.refused(*code);
    }
    Ok(response)
}

/// The host that is asked for: HTTP/2 has it in the address, HTTP/1 in a header.
fn host(request: &ServiceRequest) -> &str {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or(header).unwrap_or_default()
}

fn check_host(api: &Api, request: &ServiceRequest) -> Result<(), Problem> {
    if api.gate.allowed_hosts.allow(host(request)) || OPEN_TO_ANY_HOST.contains(&request.path().trim_end_matches('/')) {
        return Ok(());
    }
    let detail = "the request's Host header names a host that this service does not answer to; \
                  ask under one of its names, or add this one to ALLOWED_HOSTS";
    Err(Problem::new(Code::HostNotAllowed, detail))
}

/// Browsers say of which site the page is that makes a request that changes something, or opens a socket.
fn check_origin(api: &Api, request: &ServiceRequest) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    if !changes_something(request.method()) && !request.headers().contains_key(header::UPGRADE) {
        return Ok(());
    }
    let site = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, site)| site);
    let listed = |site: &str| match &api.gate.allowed_hosts {
        AllowedHosts::Any => false,
        hosts => hosts.allow(site),
    };
    if site.is_some_and(|site| site.eq_ignore_ascii_case(host(request)) || listed(site)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::CrossSite,
        "the request is made by a page of another site; this service serves its own pages",
    ))
}

/// Whether requests of this method may change something.
fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}
