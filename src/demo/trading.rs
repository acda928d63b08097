//! The desks at work on the running service, over HTTP as anybody else: a turn reads one market's book, and sends what is to
//! be done as one batch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use matching::{Decimal, OrderId, TimeInForce};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::desk::{Action, Desk, Intent, Shown};
use super::{MAKER, MARKETS, MarketPlan};
use crate::commands::ask::url_of;
use crate::config::Secret;
use crate::http::Api;

/// Between two turns while somebody watches by a socket: each brings about five commands.
const WATCHED: Duration = Duration::from_millis(150);
/// Between two turns while nobody does: enough for candles, and little for the disk.
const UNWATCHED: Duration = Duration::from_secs(1);
/// Where the demonstration ends, so that one that is forgotten does not fill the disk.
const MOST_ROWS: u64 = 2_000_000;
/// Between two attempts to begin.
const RETRY: Duration = Duration::from_secs(1);
/// Longer than the service takes for any answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// More levels than the desks make.
const DEPTH: usize = 1_000;

/// Trades until the process ends, or the log has [`MOST_ROWS`].
pub async fn trade(api: Arc<Api>, address: SocketAddr, token: Option<Secret>) {
    let Ok(client) = Client::builder().timeout(ANSWER_WITHIN).no_proxy().build() else {
        return warn!("the demonstration cannot trade: there is no HTTP client");
    };
    let service = Service { client, url: url_of(address), token };
    // After a restart the numbers are others than before it.
    let salt = api.committed_seq();
    let mut desks = loop {
        match service.begin(salt).await {
            Ok(desks) => break desks,
            Err(reason) => warn!(reason, "the demonstration cannot begin yet; trying again"),
        }
        sleep(RETRY).await;
    };
    info!("the demonstration trades in {}", MARKETS.map(|market| market.symbol).join(", "));
    while api.committed_seq() < MOST_ROWS {
        for (desk, last) in &mut desks {
            sleep(if api.open_sockets() > 0 { WATCHED } else { UNWATCHED }).await;
            let elapsed = last.elapsed();
            *last = Instant::now();
            if let Err(reason) = service.turn(desk, elapsed).await {
                debug!(reason, "a turn of the demonstration was refused");
            }
        }
    }
    warn!("the demonstration ends: the log has {MOST_ROWS} rows");
}

/// The service as its clients see it.
struct Service {
    client: Client,
    url: String,
    token: Option<Secret>,
}

impl Service {
    /// Makes sure that the markets are listed and the orders of an earlier process gone; the desks, each with the time of
    /// its last turn.
    async fn begin(&self, salt: u64) -> Result<Vec<(Desk, Instant)>, String> {
        let mut desks = Vec::new();
        for market in &MARKETS {
            let last_price = self.listed(market).await?;
            let path = format!("/api/orders/?account={MAKER}&symbol={}", market.symbol);
            answered(self.send(Method::DELETE, &path, None).await?)?;
            desks.push((Desk::new(market, last_price, salt), Instant::now()));
        }
        Ok(desks)
    }

    /// Lists a market where that has not been done; its last price in units.
    async fn listed(&self, market: &MarketPlan) -> Result<Option<u64>, String> {
        let path = format!("/api/symbols/{}/", market.symbol);
        let (status, found) = self.send(Method::GET, &path, None).await?;
        if status != StatusCode::NOT_FOUND {
            let found = answered((status, found))?;
            let price = found["last_price"].as_str().and_then(|price| price.parse::<Decimal>().ok());
            return Ok(price.and_then(|price| price.to_units(market.price_decimals)));
        }
        let (price_decimals, quantity_decimals) = (market.price_decimals, market.quantity_decimals);
        let instrument = json!({"price_decimals": price_decimals, "quantity_decimals": quantity_decimals});
        answered(self.send(Method::PUT, &path, Some(instrument)).await?).map(|_| None)
    }

    async fn turn(&self, desk: &mut Desk, elapsed: Duration) -> Result<(), String> {
        let shown = self.shown(desk.market).await?;
        let actions = desk.step(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), &shown);
        if actions.is_empty() {
            return Ok(());
        }
        let items: Vec<Value> = actions.iter().map(|action| item(desk.market, action)).collect();
        let batch = Some(json!({ "items": items }));
        let answer = answered(self.send(Method::POST, "/api/orders/batch/?ack=committed", batch).await?)?;
        let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (action, result) in actions.iter().zip(results) {
            let order_id = result["order_id"].as_u64().and_then(OrderId::new);
            if let (Action::Place(intent), Some(order_id)) = (action, order_id)
                && result["order"]["status"] != "REJECTED"
            {
                desk.rests(order_id, intent);
            }
        }
        Ok(())
    }

    async fn shown(&self, market: &MarketPlan) -> Result<Shown, String> {
        let path = format!("/api/symbols/{}/depth/?limit={DEPTH}", market.symbol);
        let depth = answered(self.send(Method::GET, &path, None).await?)?;
        let price = |level: &Value| level[0].as_str()?.parse::<Decimal>().ok()?.to_units(market.price_decimals);
        let side = |name: &str| depth[name].as_array().into_iter().flatten().filter_map(price).collect();
        Ok(Shown { bids: side("bids"), asks: side("asks") })
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value), String> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }
}

fn item(market: &MarketPlan, action: &Action) -> Value {
    match action {
        Action::Cancel(order_id) => json!({"op": "cancel", "order_id": order_id.get()}),
        Action::Place(Intent { account, side, price, quantity, time_in_force, post_only }) => json!({
            "op": "place", "symbol": market.symbol, "side": side.as_str(), "price": price.to_string(),
            "quantity": quantity.to_string(), "account": account, "post_only": post_only,
            "time_in_force": if *time_in_force == TimeInForce::Ioc { "IOC" } else { "GTC" }
        }),
    }
}

/// The body of a good answer.
fn answered((status, body): (StatusCode, Value)) -> Result<Value, String> {
    if status.is_success() { Ok(body) } else { Err(format!("{status}: {body}")) }
}
