//! Orders and trades as outside readers see them: in the debug answers as JSON with exact numbers, in Redis as hashes
//! and JSON. One list of fields for both, so that the two cannot drift apart.

pub mod answers;
pub mod market;

use std::fmt::{self, Display};

use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Decimal, Micros, Reason, Symbol};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

/// A [`Micros`] is a number of seconds with this many digits after the point.
const MICROS_DECIMALS: u8 = 6;

/// An order of the debug answers: decimals are JSON numbers, written digit by digit and never through a float.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DebugOrder {
    /// Its id.
    pub id: u64,
    /// Its market.
    #[schema(value_type = String)]
    pub symbol: Symbol,
    /// `BUY` or `SELL`.
    pub side: &'static str,
    /// Its limit; absent when it has none.
    #[schema(value_type = Option<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<ExactNumber>,
    /// Its whole quantity.
    #[schema(value_type = f64)]
    pub quantity: ExactNumber,
    /// What is left of it.
    #[schema(value_type = f64)]
    pub remaining: ExactNumber,
    /// Its state.
    pub status: &'static str,
    /// When the request was received, in seconds since 1970.
    #[schema(value_type = f64)]
    pub created_at: ExactNumber,
    /// What has traded.
    #[schema(value_type = f64)]
    pub filled: ExactNumber,
    /// The mean price of what has traded; absent before the first trade.
    #[schema(value_type = Option<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_price: Option<ExactNumber>,
    /// Its type.
    #[serde(rename = "type")]
    pub order_type: &'static str,
    /// How long it stays.
    pub time_in_force: &'static str,
    /// When it expires, in seconds since 1970; absent when it does not.
    #[schema(value_type = Option<f64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<ExactNumber>,
    /// Whose order it is; absent when nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The client's own name for it; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<String>,
    /// Why it was rejected, cancelled or expired; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// The caller's words; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// The last row of the log that changed it.
    pub seq: u64,
}

impl From<&OrderRecord> for DebugOrder {
    fn from(order: &OrderRecord) -> DebugOrder {
        DebugOrder {
            id: order.order_id.get(),
            symbol: order.symbol,
            side: order.side.as_str(),
            price: order.price().map(ExactNumber),
            quantity: ExactNumber(order.quantity()),
            remaining: ExactNumber(order.remaining()),
            status: order.status.as_str(),
            created_at: ExactNumber(seconds(order.received_at)),
            filled: ExactNumber(order.filled()),
            average_price: order.average_price().map(ExactNumber),
            order_type: order.order_type().as_str(),
            time_in_force: order.time_in_force().as_str(),
            expire_at: order.expire_at().map(|time| ExactNumber(seconds(time))),
            account: order.account.clone().map(String::from),
            client_order_id: order.client_order_id.clone().map(String::from),
            reason_code: order.reason_code.map(Reason::code),
            reason_text: order.reason_text().map(str::to_owned),
            seq: order.seq.get(),
        }
    }
}

impl DebugOrder {
    /// The fields of the order's Redis hash: those of the JSON, decimals as plain text, absent ones left out.
    pub fn each_field(&self, each: &mut dyn FnMut(&'static str, &dyn Display)) {
        each("id", &self.id);
        each("symbol", &self.symbol);
        each("side", &self.side);
        each("quantity", &self.quantity.0);
        each("created_at", &self.created_at.0);
        each("type", &self.order_type);
        each("time_in_force", &self.time_in_force);
        each("remaining", &self.remaining.0);
        each("status", &self.status);
        each("filled", &self.filled.0);
        each("seq", &self.seq);
        let mut optional = |name, value: Option<&dyn Display>| {
            if let Some(value) = value {
                each(name, value);
            }
        };
        optional("price", self.price.as_ref().map(|price| &price.0 as &dyn Display));
        optional("average_price", self.average_price.as_ref().map(|price| &price.0 as &dyn Display));
        optional("expire_at", self.expire_at.as_ref().map(|time| &time.0 as &dyn Display));
        optional("account", self.account.as_ref().map(|account| account as &dyn Display));
        optional("client_order_id", self.client_order_id.as_ref().map(|name| name as &dyn Display));
        optional("reason_code", self.reason_code.as_ref().map(|code| code as &dyn Display));
        optional("reason_text", self.reason_text.as_ref().map(|text| text as &dyn Display));
    }

    /// The fields of the order's Redis hash as text.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        self.each_field(&mut |name, value| fields.push((name, value.to_string())));
        fields
    }
}

/// A trade of the debug answers, and the element of the list `trades:<symbol>` in Redis.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DebugTrade {
    /// Its number.
    pub id: u64,
    /// The market.
    #[schema(value_type = String)]
    pub symbol: Symbol,
    /// The maker's price.
    #[schema(value_type = f64)]
    pub price: ExactNumber,
    /// How much changed hands.
    #[schema(value_type = f64)]
    pub quantity: ExactNumber,
    /// The order that was in the book.
    pub maker_order_id: u64,
    /// The order that came.
    pub taker_order_id: u64,
    /// When, in seconds since 1970.
    #[schema(value_type = f64)]
    pub timestamp: ExactNumber,
}

impl From<&TradeRecord> for DebugTrade {
    fn from(trade: &TradeRecord) -> DebugTrade {
        DebugTrade {
            id: trade.trade_id.get(),
            symbol: trade.symbol,
            price: ExactNumber(trade.price),
            quantity: ExactNumber(trade.quantity),
            maker_order_id: trade.maker_order_id.get(),
            taker_order_id: trade.taker_order_id.get(),
            timestamp: ExactNumber(seconds(trade.time)),
        }
    }
}

/// Its JSON, written in one go: every field is a number or a text without anything to escape.
impl fmt::Display for DebugTrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DebugTrade { id, symbol, price, quantity, maker_order_id, taker_order_id, timestamp } = self;
        let (price, quantity, timestamp) = (price.0, quantity.0, timestamp.0);
        write!(f, r#"{{"id":{id},"symbol":"{symbol}","price":{price},"quantity":{quantity},"#)?;
        write!(f, r#""maker_order_id":{maker_order_id},"taker_order_id":{taker_order_id},"timestamp":{timestamp}}}"#)
    }
}

/// A decimal that is written as a JSON number with exactly its digits.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct ExactNumber(pub Decimal);

impl Serialize for ExactNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The text of a decimal is a JSON number; RawValue is serde_json's way to write one untouched.
        let text = self.0.to_string();
        let number: &RawValue = serde_json::from_str(&text).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

/// A point in time in seconds since 1970, exact to the microsecond.
pub fn seconds(time: Micros) -> Decimal {
    Decimal::from_units(time.get(), MICROS_DECIMALS)
}

/// A point in time for people: UTC as RFC 3339 has it.
pub fn utc(time: Micros) -> String {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.get()) * 1_000);
    let text = date.ok().and_then(|date| date.format(&Rfc3339).ok());
    // Some hundred thousand years from now the calendar ends; the number does not.
    text.unwrap_or_else(|| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        let check = |text: &str| {
            let number = ExactNumber(text.parse().expect("a number"));
            assert_eq!(serde_json::to_string(&number).expect("JSON"), text);
        };
        check("90071992.54740991");
        check("123456789012.12345678");
        check("0.00000001");
        check("0");
    }

    #[test]
    fn times_are_seconds_to_the_microsecond() {
        let check = |micros: u64, text: &str| {
            assert_eq!(seconds(Micros::new(micros).expect("a time")).to_string(), text);
        };
        check(1_732_880_000_123_456, "1732880000.123456");
        check(1_732_880_000_000_000, "1732880000");
        check(7, "0.000007");
    }

    #[test]
    fn people_read_utc() {
        assert_eq!(utc(Micros::new(1_732_880_000_123_456).expect("a time")), "2024-11-29T11:33:20.123456Z");
        assert_eq!(utc(Micros::new((1 << 63) - 1).expect("a time")), ((1u64 << 63) - 1).to_string());
    }

    #[test]
    fn a_trade_is_written_as_serde_writes_it() {
        let number = |text: &str| ExactNumber(text.parse().expect("a number"));
        let trade = DebugTrade {
            id: 7,
            symbol: "BTC_USDT".parse().expect("a symbol"),
            price: number("100.5"),
            quantity: number("0.00000001"),
            maker_order_id: 1,
            taker_order_id: 9_007_199_254_740_991,
            timestamp: number("1732880000.123456"),
        };
        assert_eq!(trade.to_string(), serde_json::to_string(&trade).expect("JSON"));
    }

    #[test]
    fn the_hash_and_the_json_have_the_same_fields() {
        let number = |text: &str| ExactNumber(text.parse().expect("a number"));
        let order = DebugOrder {
            id: 7,
            symbol: "BTC_USDT".parse().expect("a symbol"),
            side: "BUY",
            price: Some(number("100.5")),
            quantity: number("2"),
            remaining: number("1"),
            status: "CANCELLED",
            created_at: number("1732880000.123456"),
            filled: number("1"),
            average_price: Some(number("100.25")),
            order_type: "LIMIT",
            time_in_force: "GTD",
            expire_at: Some(number("1732890000")),
            account: Some("desk".to_owned()),
            client_order_id: Some("a-1".to_owned()),
            reason_code: Some("BY_USER"),
            reason_text: Some("changed my mind".to_owned()),
            seq: 9,
        };
        let check = |order: &DebugOrder| {
            let json = serde_json::to_string(order).expect("JSON");
            let json: std::collections::BTreeMap<String, Box<RawValue>> =
                serde_json::from_str(&json).expect("an object");
            let json: Vec<(String, String)> =
                json.iter().map(|(name, value)| (name.clone(), value.get().trim_matches('"').to_owned())).collect();
            let mut hash: Vec<_> = order.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            hash.sort();
            assert_eq!(hash, json);
        };
        check(&order);
        let (price, average_price, expire_at, account, client_order_id) = (None, None, None, None, None);
        let (reason_code, reason_text) = (None, None);
        check(&DebugOrder {
            price,
            average_price,
            expire_at,
            account,
            client_order_id,
            reason_code,
            reason_text,
            ..order
        });
    }
}
