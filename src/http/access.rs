//! Who may ask, and under which name.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError, web};

use tracing::Instrument;

use super::problem::{Code, Problem};
use super::{Api, Role, trace};

/// Asked by address, under whatever name probes and scrapers have for the machine; they tell nothing of orders.
const OPEN_TO_ANY_HOST: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Refuses requests under foreign names, so that a page of another site cannot reach the service under a name of its own;
/// and counts what is refused anywhere.
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
    let mut response = match check_host(&api, &request) {
        Ok(()) => {
            let span = id.span(&request);
            let response = id.scope(next.call(request)).instrument(span.clone()).await?;
            span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
            response.map_into_left_body()
        }
        Err(problem) => request.into_response(problem.error_response()).map_into_right_body(),
    };
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

fn check_host(api: &Api, request: &ServiceRequest) -> Result<(), Problem> {
    // HTTP/2 has the host in the address, HTTP/1 in a header.
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or(header).unwrap_or_default();
    if api.allowed_hosts().allow(host) || OPEN_TO_ANY_HOST.contains(&request.path().trim_end_matches('/')) {
        return Ok(());
    }
    let detail = "the request's Host header names a host that this service does not answer to; \
                  ask under one of its names, or add this one to ALLOWED_HOSTS";
    Err(Problem::new(Code::HostNotAllowed, detail))
}

/// Lets a request to a route of the administrator's pass: with DEBUG any, otherwise one with the credential.
pub fn check_admin(api: &Api, request: &HttpRequest) -> Result<(), Problem> {
    if api.is_debug() || is_admin(api, request) {
        return Ok(());
    }
    let detail = "this route needs the header Authorization: Bearer <ADMIN_TOKEN>, or a service with DEBUG";
    Err(Problem::new(Code::Unauthorized, detail))
}

fn is_admin(api: &Api, request: &HttpRequest) -> bool {
    let (Some(token), Some(header)) = (api.admin_token(), request.headers().get(header::AUTHORIZATION)) else {
        return false;
    };
    let Some((scheme, sent)) = header.as_bytes().split_at_checked("Bearer ".len()) else { return false };
    // Comparing hashes takes the same time wherever the texts differ; BLAKE3's comparison is made so, too.
    scheme.eq_ignore_ascii_case(b"Bearer ") && blake3::hash(sent) == blake3::hash(token.expose().as_bytes())
}
