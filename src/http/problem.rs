//! What a request that was not served is answered: `application/problem+json` (RFC 9457) with a stable code.
//!
//! [`Code::ALL`] is the catalogue: status, meaning, what to do and whether anything was taken stand there once; the
//! answers, the schema and `docs/errors.md` are made from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Content, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::access::limits::Left;

/// The media type of problems.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Seconds after which a client should try again what failed for reasons of ours: restarts and take-overs last seconds.
const RETRY_AFTER: u32 = 1;

/// Whether the engine may have got the command of a request that failed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It certainly did not: the request can be repeated.
    NotTaken,
    /// It may have.
    Unknown,
    /// It did, and this is its answer; or the request had no command.
    Settled,
}

macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $code:literal, $status:ident, $taken:ident, $remedy:literal;)+) => {
        /// What went wrong. The codes are stable: clients rely on them.
        #[derive(Debug, Copy, Clone, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Code {
            /// The catalogue, in the order in which it is documented.
            pub const ALL: &[Code] = &[$(Code::$variant),+];

            /// The code as it is written everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)+ }
            }

            /// The status that it is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)+ }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => concat!($($meaning),+).trim_start(),)+ }
            }

            /// What whoever gets it should do.
            pub fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy,)+ }
            }

            /// Whether the engine may have got the command.
            pub fn taken(self) -> Taken {
                match self { $(Code::$variant => Taken::$taken,)+ }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or names a field twice.
    MalformedJson = "MALFORMED_JSON", BAD_REQUEST, NotTaken,
        "Send one JSON object, each field once; NaN and Infinity are no JSON.";
    /// A field or query parameter that the request does not have.
    UnknownField = "UNKNOWN_FIELD", BAD_REQUEST, NotTaken,
        "Leave it out, or correct its name: the schema lists what there is.";
    /// A field that must be there is not.
    MissingField = "MISSING_FIELD", BAD_REQUEST, NotTaken,
        "Send it.";
    /// A field has another JSON type than it must have.
    InvalidType = "INVALID_TYPE", BAD_REQUEST, NotTaken,
        "Send the type that the schema names.";
    /// A field has a value that is none of those it may have.
    InvalidValue = "INVALID_VALUE", BAD_REQUEST, NotTaken,
        "Send one of the values that the detail names.";
    /// The fields of an order do not go together.
    Incoherent = "INCOHERENT", BAD_REQUEST, NotTaken,
        "Leave the field that the answer names out, or send what it goes with.";
    /// A query parameter that must be there is not.
    MissingParameter = "MISSING_PARAMETER", BAD_REQUEST, NotTaken,
        "Send it.";
    /// A query parameter has a value that it cannot have.
    InvalidParameter = "INVALID_PARAMETER", BAD_REQUEST, NotTaken,
        "Send one of the values that the detail names.";
    /// A number is not written as a decimal number.
    InvalidDecimal = "INVALID_DECIMAL", BAD_REQUEST, NotTaken,
        "Write it as 100.5, as a number or a string.";
    /// A number has more than eight decimals.
    TooManyDecimals = "TOO_MANY_DECIMALS", BAD_REQUEST, NotTaken,
        "Round it to at most eight decimals.";
    /// A number is too large for the instrument.
    OutOfRange = "OUT_OF_RANGE", BAD_REQUEST, NotTaken,
        "Send a smaller one.";
    /// The price is zero or negative.
    PriceNotPositive = "PRICE_NOT_POSITIVE", BAD_REQUEST, NotTaken,
        "Send a price above zero.";
    /// The quantity is zero or negative.
    QuantityNotPositive = "QUANTITY_NOT_POSITIVE", BAD_REQUEST, NotTaken,
        "Send a quantity above zero.";
    /// The price is no multiple of the instrument's tick.
    OffTick = "OFF_TICK", BAD_REQUEST, NotTaken,
        "Round the price to a multiple of the tick that the detail names.";
    /// The quantity is no multiple of the instrument's lot.
    OffLot = "OFF_LOT", BAD_REQUEST, NotTaken,
        "Round the quantity to a multiple of the lot that the detail names.";
    /// The quantity is below the instrument's minimum.
    QuantityTooSmall = "QUANTITY_TOO_SMALL", BAD_REQUEST, NotTaken,
        "Send at least the quantity that the detail names.";
    /// The quantity is above the instrument's maximum.
    QuantityTooLarge = "QUANTITY_TOO_LARGE", BAD_REQUEST, NotTaken,
        "Send at most the quantity that the detail names.";
    /// Price times quantity, or the quote amount, is below the instrument's minimum.
    NotionalTooSmall = "NOTIONAL_TOO_SMALL", BAD_REQUEST, NotTaken,
        "Send an order that is worth at least what the detail names.";
    /// Price times quantity, or the quote amount, is above the instrument's maximum.
    NotionalTooLarge = "NOTIONAL_TOO_LARGE", BAD_REQUEST, NotTaken,
        "Send an order that is worth at most what the detail names.";
    /// An iceberg would show itself in more than 1,000 parts.
    DisplayTooSmall = "DISPLAY_TOO_SMALL", BAD_REQUEST, NotTaken,
        "Send a larger display_quantity.";
    /// The fields are those of no instrument.
    InvalidInstrument = "INVALID_INSTRUMENT", BAD_REQUEST, NotTaken,
        "Correct what the detail names.";
    /// A batch without an item, or with more than 500.
    InvalidBatch = "INVALID_BATCH", BAD_REQUEST, NotTaken,
        "Send 1 to 500 items, and no Idempotency-Key: each order has a client_order_id of its own.";
    /// An item names another item of its batch that it cannot be linked with.
    InvalidLink = "INVALID_LINK", BAD_REQUEST, NotTaken,
        "Name an order that the same batch places before it, and that is good itself.";
    /// The text is no symbol.
    InvalidSymbol = "INVALID_SYMBOL", BAD_REQUEST, NotTaken,
        "Write it as BASE_QUOTE in capitals, such as BTC_USDT.";
    /// The symbol is not listed.
    UnknownSymbol = "UNKNOWN_SYMBOL", BAD_REQUEST, NotTaken,
        "Send one of the listed symbols, or have it listed.";
    /// As many symbols are listed as there may be.
    TooManySymbols = "TOO_MANY_SYMBOLS", BAD_REQUEST, NotTaken,
        "Send one of the listed symbols.";
    /// The side is neither BUY nor SELL.
    InvalidSide = "INVALID_SIDE", BAD_REQUEST, NotTaken,
        "Send BUY or SELL.";
    /// An account or a client_order_id is no name.
    InvalidName = "INVALID_NAME", BAD_REQUEST, NotTaken,
        "Use 1 to 64 letters, digits and `.` `_` `:` `-`.";
    /// The time in force is unknown, or does not go with the other fields.
    InvalidTimeInForce = "INVALID_TIME_IN_FORCE", BAD_REQUEST, NotTaken,
        "Send GTC, IOC, FOK or DAY without expire_at, or GTD with it; a MARKET order never rests.";
    /// A point in time is none, or has passed.
    InvalidTime = "INVALID_TIME", BAD_REQUEST, NotTaken,
        "Send seconds since 1970, in the future.";
    /// The metadata is longer than 256 bytes.
    MetadataTooLong = "METADATA_TOO_LONG", BAD_REQUEST, NotTaken,
        "Shorten it.";
    /// The reason is longer than 256 bytes.
    ReasonTooLong = "REASON_TOO_LONG", BAD_REQUEST, NotTaken,
        "Shorten it.";
    /// The request's Host header names a host that the service does not answer to.
    HostNotAllowed = "HOST_NOT_ALLOWED", BAD_REQUEST, NotTaken,
        "Use a name that ALLOWED_HOSTS lists, or list this one.";
    /// The route needs a credential, and none was sent, or one that does not hold.
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, NotTaken,
        "Send `Authorization: Bearer <token>` with the token of an API key that holds, or sign the request: docs/security.md.";
    /// The credential does not allow this.
    Forbidden = "FORBIDDEN", FORBIDDEN, NotTaken,
        "Use a key with the scope that the detail names.";
    /// The key is bound to one account, and the request is about another one, or about all.
    WrongAccount = "WRONG_ACCOUNT", FORBIDDEN, NotTaken,
        "Leave the account out, name the key's own, or use a key that is not bound to one.";
    /// A request with a session's cookie would change something, and does not say the session's CSRF token.
    CsrfToken = "CSRF_TOKEN", FORBIDDEN, NotTaken,
        "Send the header X-CSRF-Token with the csrf of /api/session/.";
    /// A page of another site makes the request.
    CrossSite = "CROSS_SITE", FORBIDDEN, NotTaken,
        "Serve the page under a name in ALLOWED_HOSTS.";
    /// There is no such route.
    NotFound = "NOT_FOUND", NOT_FOUND, NotTaken,
        "Correct the path: /api/schema/ lists all routes.";
    /// No market of that symbol is listed.
    UnknownMarket = "UNKNOWN_SYMBOL", NOT_FOUND, NotTaken,
        "Use one of the symbols that /api/symbols/ lists.";
    /// No order of that id is known.
    UnknownOrder = "UNKNOWN_ORDER", NOT_FOUND, Settled,
        "Check the id: no order of it was ever acknowledged, or it ended long ago.";
    /// The rows after that cursor are not in the log any more.
    CursorTooOld = "CURSOR_TOO_OLD", GONE, NotTaken,
        "Begin anew from a snapshot, or from the first row that is still in the log, which the detail names.";
    /// There is no such row, snapshot, or book at that row.
    UnknownRow = "UNKNOWN_ROW", NOT_FOUND, NotTaken,
        "Name one that is there: /api/admin/log/ and /api/admin/snapshots/ list them.";
    /// No consumer of that name has told a position.
    UnknownConsumer = "UNKNOWN_CONSUMER", NOT_FOUND, NotTaken,
        "Put its position first; /api/consumers/ lists all.";
    /// The route does not serve this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, NotTaken,
        "Use one of the methods in the header Allow.";
    /// The body did not arrive in time.
    RequestTimeout = "REQUEST_TIMEOUT", REQUEST_TIMEOUT, NotTaken,
        "Send the body at once.";
    /// The order has ended already.
    NotOpen = "NOT_OPEN", CONFLICT, Settled,
        "Nothing: the order has ended, and `order_status` says how.";
    /// The order has changed since the row that `if_seq` names.
    SeqDiffers = "SEQ_DIFFERS", CONFLICT, Settled,
        "Look at the order again and decide anew.";
    /// The order cannot be amended so: it has no price, or no quantity, of its own.
    NotAmendable = "NOT_AMENDABLE", CONFLICT, Settled,
        "Cancel it and place another one.";
    /// The market's phase does not allow it.
    PhaseForbids = "PHASE_FORBIDS", CONFLICT, Settled,
        "Send it again in another phase: /api/symbols/{symbol}/ tells the present one.";
    /// The new price is too far from the last trade.
    OutsidePriceBand = "OUTSIDE_PRICE_BAND", CONFLICT, Settled,
        "Send a price closer to the last trade.";
    /// A post-only order would trade at the new price.
    PostOnlyWouldTrade = "POST_ONLY_WOULD_TRADE", CONFLICT, Settled,
        "Send a price that does not cross the book.";
    /// The symbol was listed while the request was under way.
    AlreadyListed = "ALREADY_LISTED", CONFLICT, Settled,
        "Look at the market, and send the change again.";
    /// An instrument keeps its decimals for ever.
    ScaleChanged = "SCALE_CHANGED", CONFLICT, Settled,
        "Leave price_decimals and quantity_decimals as they are, or list another symbol.";
    /// Nothing has happened since the newest snapshot.
    NothingNew = "NOTHING_NEW", CONFLICT, NotTaken,
        "Nothing: the newest snapshot is the state.";
    /// The client_order_id was used for another order.
    KeyReused = "KEY_REUSED", CONFLICT, Settled,
        "Give every new order a new client_order_id; `order_id` is the first order.";
    /// More orders or cancels a second than one key, or one address, may send.
    RateLimited = "RATE_LIMITED", TOO_MANY_REQUESTS, NotTaken,
        "Send it again after Retry-After seconds, more slowly.";
    /// The body is larger than the service takes.
    BodyTooLarge = "BODY_TOO_LARGE", PAYLOAD_TOO_LARGE, NotTaken,
        "Send less, or raise MAX_BODY_BYTES.";
    /// The body is not sent as JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, NotTaken,
        "Send `Content-Type: application/json`, not compressed.";
    /// The request opens no WebSocket.
    NotASocket = "NOT_A_SOCKET", UPGRADE_REQUIRED, NotTaken,
        "Use a WebSocket client; docs/feed.md says what goes over the socket.";
    /// The service failed in a way that it was not made for.
    InternalError = "INTERNAL_ERROR", INTERNAL_SERVER_ERROR, Unknown,
        "Report it with the time and the request; look for the order before sending it again.";
    /// It may have left the ledger, and only a service on PostgreSQL keeps a history beyond that.
    NeedsPostgres = "NEEDS_POSTGRES", NOT_IMPLEMENTED, NotTaken,
        "Run the service with REDIS_URL and DATABASE_URL, or raise RETAIN_CLOSED_ORDERS.";
    /// The command queue takes no commands at the moment.
    QueueUnavailable = "QUEUE_UNAVAILABLE", SERVICE_UNAVAILABLE, NotTaken,
        "Send it again after Retry-After seconds.";
    /// More commands wait than the service lets wait.
    Overloaded = "OVERLOADED", SERVICE_UNAVAILABLE, NotTaken,
        "Send it again after Retry-After seconds, more slowly.";
    /// The event log has not answered for so long that the state may have changed.
    NotCurrent = "NOT_CURRENT", SERVICE_UNAVAILABLE, NotTaken,
        "Ask again after Retry-After seconds.";
    /// The service is starting or stopping.
    NotReady = "NOT_READY", SERVICE_UNAVAILABLE, NotTaken,
        "Send it again after Retry-After seconds; behind a proxy, let it follow /readyz.";
    /// This process stands by while another one serves.
    Standby = "STANDBY", SERVICE_UNAVAILABLE, NotTaken,
        "Send it to the process that serves: let the proxy follow /readyz.";
    /// It is not known whether the command queue took the command.
    OutcomeLost = "OUTCOME_UNKNOWN", SERVICE_UNAVAILABLE, Unknown,
        "Cancels and orders with a client_order_id: send the same again. Other orders: look for order_id first.";
    /// The command was taken, and its outcome did not come in time.
    OutcomeLate = "OUTCOME_UNKNOWN", GATEWAY_TIMEOUT, Unknown,
        "Send the same again, which is safe, or look for order_id.";
}

impl Code {
    /// Whether trying again later may help.
    fn is_temporary(self) -> bool {
        matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
    }

    /// Its place in the catalogue.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that was not served, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    order_id: Option<u64>,
    order_ids: Box<[u64]>,
    order_status: Option<&'static str>,
    /// What is left to the caller, and the seconds after which there is more.
    limited: Option<Box<(Left, u32)>>,
}

impl Problem {
    /// A problem; `detail` says what is wrong with this request and what to do.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
            field: None,
            order_id: None,
            order_ids: Box::default(),
            order_status: None,
            limited: None,
        }
    }

    /// Names the field that is wrong.
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Problem {
        self.field = Some(field.into());
        self
    }

    /// Names the order that it is about.
    pub fn order(mut self, order_id: u64) -> Problem {
        self.order_id = Some(order_id);
        self
    }

    /// Names the orders that it is about.
    pub fn orders(mut self, order_ids: Vec<u64>) -> Problem {
        self.order_ids = order_ids.into();
        self
    }

    /// Tells that order's state.
    pub fn order_status(mut self, status: &'static str) -> Problem {
        self.order_status = Some(status);
        self
    }

    /// Tells what is left to the caller, and after how many seconds there is more.
    pub fn limited(mut self, left: Left, retry_after: u32) -> Problem {
        self.limited = Some(Box::new((left, retry_after)));
        self
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The answer, with the methods that would have been right.
    pub fn allowing(&self, methods: &str) -> HttpResponse {
        let mut response = self.error_response();
        if let Ok(methods) = HeaderValue::from_str(methods) {
            response.headers_mut().insert(header::ALLOW, methods);
        }
        response
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status());
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if self.code.is_temporary() {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
        }
        if let Some((_, retry_after)) = self.limited.as_deref() {
            response.insert_header((header::RETRY_AFTER, *retry_after));
        }
        if self.code == Code::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.extensions_mut().insert(self.code);
        // Nothing in a problem can fail to be written as JSON.
        let mut response = response.body(serde_json::to_vec(self).unwrap_or_default());
        if let Some((left, _)) = self.limited.as_deref() {
            left.tell(response.headers_mut());
        }
        response
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:pricetime:problem:{}", self.code))?;
        map.serialize_entry("title", self.code.meaning())?;
        map.serialize_entry("status", &self.code.status().as_u16())?;
        map.serialize_entry("code", self.code.as_str())?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(field) = &self.field {
            map.serialize_entry("field", field)?;
        }
        if let Some(order_id) = self.order_id {
            map.serialize_entry("order_id", &order_id)?;
        }
        if !self.order_ids.is_empty() {
            map.serialize_entry("order_ids", &self.order_ids)?;
        }
        if let Some(status) = self.order_status {
            map.serialize_entry("order_status", status)?;
        }
        match self.code.taken() {
            Taken::NotTaken => map.serialize_entry("outcome", "not_taken")?,
            Taken::Unknown => map.serialize_entry("outcome", "unknown")?,
            Taken::Settled => {}
        }
        map.end()
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).description(Some(description)).build()
        };
        let whole = |description: &str| {
            ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).description(Some(description)).build()
        };
        // Some stand for more than one status.
        let mut codes: Vec<&str> = Vec::with_capacity(Code::ALL.len());
        for code in Code::ALL.iter().map(|code| code.as_str()) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        let code = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some("What went wrong: stable, for programs."))
            .enum_values(Some(codes));
        let outcome = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some(
                "Whether the engine has the request's command: not_taken is certain; after unknown it may have it. \
                 Absent where this is its answer.",
            ))
            .enum_values(Some(["not_taken", "unknown"]));
        let object = ObjectBuilder::new()
            .description(Some("Why a request was not served (RFC 9457)."))
            .property("type", text("A URN of the code."))
            .property("title", text("What the code means."))
            .property("status", whole("The HTTP status."))
            .property("code", code)
            .property("detail", text("What is wrong with this request and what to do."))
            .property("field", text("The field or parameter that is wrong."))
            .property("order_id", whole("The order that it is about."))
            .property("order_ids", ArrayBuilder::new().items(whole("An order of a batch that it is about.")))
            .property("order_status", text("That order's state."))
            .property("outcome", outcome);
        ["type", "title", "status", "code", "detail"].into_iter().fold(object, ObjectBuilder::required).into()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

/// The part of the schema that lists these codes: a response for each status, an example for each code.
pub fn responses(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_str().to_owned()).or_default().push(*code);
    }
    let response = |codes: Vec<Code>| {
        let meanings: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}", code.meaning())).collect();
        let examples = codes.iter().map(|code| (code.as_str().to_owned(), example(*code)));
        let schema = utoipa::openapi::Ref::from_schema_name(Problem::name());
        let content = Content::builder().schema(Some(schema)).examples_from_iter(examples).build();
        RefOr::T(ResponseBuilder::new().description(meanings.join("\n\n")).content(PROBLEM_JSON, content).build())
    };
    by_status.into_iter().map(|(status, codes)| (status, response(codes))).collect()
}

fn example(code: Code) -> utoipa::openapi::example::Example {
    let problem = Problem::new(code, code.remedy());
    let value: Value = serde_json::to_value(problem).unwrap_or(json!(null));
    utoipa::openapi::example::ExampleBuilder::new().value(Some(value)).build()
}

/// Declares the problems of an operation for its documentation.
macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($code:ident),+ $(,)?) => {
        $(#[$doc])*
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::http::problem::responses(&[$($crate::http::problem::Code::$code),+])
            }
        }
    };
}

pub(crate) use problems;
