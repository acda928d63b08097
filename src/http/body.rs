//! Takes in a request's body: as JSON, up to a limit, within a time.

use std::pin::pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::Api;
use super::problem::{Code, Problem};

/// A body is at most a few packets: one that takes longer only holds a connection.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The bytes of a body that says that it is JSON.
pub struct JsonBody(pub Bytes);

/// The bytes of a body that may be absent; a present one says that it is JSON, or nothing.
pub struct OptionalJsonBody(pub Bytes);

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<JsonBody, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = is_json(request.headers()) == Some(true) && !is_encoded(request.headers());
        let body = receive(request, payload);
        Box::pin(async move { if accepted { body.await.map(JsonBody) } else { Err(unsupported()) } })
    }
}

impl FromRequest for OptionalJsonBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<OptionalJsonBody, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = is_json(request.headers()) != Some(false) && !is_encoded(request.headers());
        let body = receive(request, payload);
        Box::pin(async move {
            let body = body.await?;
            if accepted || body.is_empty() { Ok(OptionalJsonBody(body)) } else { Err(unsupported()) }
        })
    }
}

/// The bytes of a body.
pub fn receive(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let limit = request.app_data::<web::Data<Api>>().map_or(0, |api| api.max_body_bytes());
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let payload = payload.take();
    async move {
        if announced.is_some_and(|length: u64| length > limit as u64) {
            return Err(too_large(limit));
        }
        let mut body = pin!(collect(payload, limit));
        // One that was read for its signature is there already and needs no clock; of others actix has read the head only.
        if let Some(body) = body.as_mut().now_or_never() {
            return body;
        }
        tokio::time::timeout(BODY_WITHIN, body).await.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {} s; send it again", BODY_WITHIN.as_secs());
            Err(Problem::new(Code::RequestTimeout, detail))
        })
    }
}

/// The whole body; one that comes in a piece, as nearly all do, is passed on as it is.
async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut left = limit;
    let mut next = async || {
        let Some(piece) = payload.next().await else { return Ok(None) };
        let piece = piece.map_err(|_| Problem::new(Code::MalformedJson, "the body broke off; send it again"))?;
        left = left.checked_sub(piece.len()).ok_or_else(|| too_large(limit))?;
        Ok(Some(piece))
    };
    let Some(first) = next().await? else { return Ok(Bytes::new()) };
    let Some(second) = next().await? else { return Ok(first) };
    let mut body = [first, second].concat();
    while let Some(piece) = next().await? {
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// Whether the content type is JSON; none if there is none. JSON is UTF-8, so any other charset is not.
fn is_json(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let Ok(text) = value.to_str() else { return Some(false) };
    // What nearly everybody sends.
    if text == "application/json" {
        return Some(true);
    }
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    Some(json && utf8)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
}

fn unsupported() -> Problem {
    let detail = "send the body as UTF-8 JSON with the header Content-Type: application/json, not compressed";
    Problem::new(Code::UnsupportedMediaType, detail)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body is larger than {limit} bytes; send less"))
}
