//! `/api/debug/...`: all orders and trades, for checks from outside. Each answer is one image of the ledger.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use matching::ledger::{OrderRecord, TradeRecord};
use matching::{Ledger, Phase, Symbol};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::endpoint::Endpoint;
use super::problem::{Code, Problem, problems};
use super::{Api, submit};
use crate::views::{DebugOrder, DebugTrade};

/// All orders that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct DebugOrders {
    /// Open orders and the last closed ones, by id.
    orders: Vec<DebugOrder>,
}

/// All orders and trades that are kept: one consistent cut.
#[derive(Debug, Serialize, ToSchema)]
pub struct DebugState {
    /// Open orders and the last closed ones, by id.
    orders: Vec<DebugOrder>,
    /// The trades between them, oldest first.
    trades: Vec<DebugTrade>,
    /// The markets.
    #[schema(value_type = BTreeMap<String, DebugSymbol>)]
    symbols: BTreeMap<Symbol, DebugSymbol>,
    /// The last row of the event log in it.
    seq: u64,
}

/// A market.
#[derive(Debug, Serialize, ToSchema)]
pub struct DebugSymbol {
    /// How the market trades at the moment.
    phase: &'static str,
}

/// The hash of the ledger at one row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"seq": 5, "ledger_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}))]
pub struct DebugHash {
    /// The row of the event log.
    seq: u64,
    /// BLAKE3 over the ledger's canonical bytes, in hexadecimal.
    ledger_hash: String,
}

problems! {
    /// What a debug route may refuse with.
    DebugProblems: HostNotAllowed, Unauthorized, InternalError, NotCurrent, NotReady, Standby
}

/// The resources: the orders, the whole state, and its hash.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_orders, orders))
        .service(Endpoint::new(__path_state, state))
        .service(Endpoint::new(__path_hash, hash));
}

/// All orders
///
/// Numbers are JSON numbers with every digit, times are seconds since 1970. Needs the scope admin.
#[utoipa::path(
    get,
    path = "/api/debug/orders/",
    tag = "debug",
    operation_id = "debug_orders",
    security(("admin" = [])),
    responses((status = 200, description = "The orders.", body = DebugOrders, example = json!({"orders": [order_example()]})), DebugProblems)
)]
pub async fn orders(api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let orders: Vec<OrderRecord> = read(&api, |ledger| ledger.orders().cloned().collect()).await?;
    json(move || DebugOrders { orders: orders.iter().map(DebugOrder::from).collect() }).await
}

/// All orders and trades
///
/// One consistent cut: the state after row `seq` of the event log. Needs the scope admin.
#[utoipa::path(
    get,
    path = "/api/debug/state/",
    tag = "debug",
    operation_id = "debug_state",
    security(("admin" = [])),
    responses((status = 200, description = "The state.", body = DebugState, example = json!(state_example())), DebugProblems)
)]
pub async fn state(api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let image = read(&api, Image::of).await?;
    json(move || image.view()).await
}

/// The hash of all orders and trades
///
/// The hash of the ledger after row `seq`: what `pricetime verify` compares with the log. Needs the scope admin.
#[utoipa::path(
    get,
    path = "/api/debug/hash/",
    tag = "debug",
    operation_id = "debug_hash",
    security(("admin" = [])),
    responses((status = 200, description = "The hash.", body = DebugHash), DebugProblems)
)]
pub async fn hash(api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let ledger = read(&api, Ledger::clone).await?;
    json(move || DebugHash { seq: ledger.seq().get(), ledger_hash: ledger.hash().to_string() }).await
}

/// What the state is made of, copied at one point: all that is done on the projection's thread.
struct Image {
    orders: Vec<OrderRecord>,
    trades: Vec<TradeRecord>,
    symbols: Vec<(Symbol, Phase)>,
    seq: u64,
}

impl Image {
    fn of(ledger: &Ledger) -> Image {
        Image {
            orders: ledger.orders().cloned().collect(),
            trades: ledger.trades().cloned().collect(),
            symbols: ledger.markets().map(|market| (market.instrument.symbol(), market.phase)).collect(),
            seq: ledger.seq().get(),
        }
    }

    fn view(&self) -> DebugState {
        DebugState {
            orders: self.orders.iter().map(DebugOrder::from).collect(),
            trades: self.trades.iter().map(DebugTrade::from).collect(),
            symbols: self
                .symbols
                .iter()
                .map(|(symbol, phase)| (*symbol, DebugSymbol { phase: phase.as_str() }))
                .collect(),
            seq: self.seq,
        }
    }
}

async fn read<R: Send + 'static>(
    api: &Api,
    question: impl FnOnce(&Ledger) -> R + Send + 'static,
) -> Result<R, Problem> {
    let engine = api.engine()?;
    engine.outcomes.read(question).await.map_err(submit::unanswered)
}

/// Writes an answer that may be large on a thread for such work, so that the worker's other requests do not wait for it.
async fn json<T: Serialize>(view: impl FnOnce() -> T + Send + 'static) -> Result<HttpResponse, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a debug answer could not be written");
        Problem::new(Code::InternalError, "the answer could not be written")
    };
    match web::block(move || serde_json::to_vec(&view())).await {
        Ok(Ok(body)) => Ok(HttpResponse::Ok().content_type("application/json").body(body)),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

fn order_example() -> serde_json::Value {
    serde_json::json!({
        "id": 1, "symbol": "BTC_USDT", "side": "SELL", "price": 100.5, "quantity": 1, "remaining": 0.6,
        "status": "PARTIALLY_FILLED", "created_at": 1732880000.123456, "filled": 0.4, "average_price": 100.5,
        "type": "LIMIT", "time_in_force": "GTC", "seq": 5
    })
}

fn state_example() -> serde_json::Value {
    serde_json::json!({
        "orders": [order_example()],
        "trades": [{
            "id": 1, "symbol": "BTC_USDT", "price": 100.5, "quantity": 0.4, "maker_order_id": 1, "taker_order_id": 2,
            "timestamp": 1732880001.123456
        }],
        "symbols": {"BTC_USDT": {"phase": "CONTINUOUS"}},
        "seq": 5
    })
}
