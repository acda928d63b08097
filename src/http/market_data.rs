//! `/api/symbols/` and below: depth, trades, ticker and candles. They are asked of the feed, beside the books.

use actix_web::{HttpRequest, HttpResponse, web};
use market::{INTERVALS, Interval, SymbolMarket};
use matching::ledger::TradeRecord;
use matching::{Ledger, Micros, Seq, Symbol, TradeId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::endpoint::Endpoint;
use super::fields::shortened;
use super::lookup::{away, behind, dropped_until};
use super::order_queries::{NEXT_CURSOR, limit_of, numbered, parsed};
use super::problem::{Code, Problem, problems};
use super::{Api, Engine, query, submit};
use crate::views::market::{CandleView, LevelView, TickerView, TradeView};

const DEPTH: usize = 100;
const MAX_DEPTH: usize = 5_000;
const TRADES: usize = 100;
const MAX_TRADES: usize = 1_000;
const CANDLES: usize = 100;
const MAX_CANDLES: usize = 1_000;

/// The markets.
#[derive(Debug, Serialize, ToSchema)]
pub struct Symbols {
    /// All of them, by symbol.
    symbols: Vec<TickerView>,
    /// The row of the event log that this is true for.
    seq: u64,
}

/// A book by price.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "symbol": "BTC_USDT", "bids": [["100.4", "2", 1]], "asks": [["100.6", "1.5", 2]], "seq": 7, "book_seq": 5
}))]
pub struct DepthAnswer {
    /// The market.
    #[schema(value_type = String)]
    symbol: Symbol,
    /// Highest price first.
    bids: Vec<LevelView>,
    /// Lowest price first.
    asks: Vec<LevelView>,
    /// The row of the event log that this is true for.
    seq: u64,
    /// The last row that changed this book; at first the row that the service started from.
    book_seq: u64,
}

/// Trades, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trades {
    /// The market.
    #[schema(value_type = String)]
    symbol: Symbol,
    /// The trades.
    trades: Vec<TradeView>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The row of the event log that this is true for.
    seq: u64,
}

/// A market at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticker {
    /// The figures.
    #[serde(flatten)]
    ticker: TickerView,
    /// From when on the figures are complete, where the service was started less than 24 hours ago and no longer holds
    /// every trade.
    #[schema(value_type = Option<u64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_since: Option<Micros>,
    /// The row of the event log that this is true for.
    seq: u64,
}

/// Candles, newest first; intervals without trades have none.
#[derive(Debug, Serialize, ToSchema)]
pub struct Candles {
    /// The market.
    #[schema(value_type = String)]
    symbol: Symbol,
    /// Their length.
    interval: &'static str,
    /// The candles.
    candles: Vec<CandleView>,
    /// From when on they are complete, where the service no longer holds every trade.
    #[schema(value_type = Option<u64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_since: Option<Micros>,
    /// The row of the event log that this is true for.
    seq: u64,
}

problems! {
    /// What the list of markets may be refused with.
    SymbolsProblems: UnknownField, HostNotAllowed, InternalError, NotCurrent, NotReady, Standby
}

problems! {
    /// What a question about a market may be refused with.
    MarketProblems:
        UnknownField, InvalidParameter, HostNotAllowed, UnknownMarket, InternalError, NotCurrent, NotReady, Standby
}

/// The resources: all markets, and what there is to see of one.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_symbols, symbols))
        .service(Endpoint::new(__path_depth, depth))
        .service(Endpoint::new(__path_trades, trades))
        .service(Endpoint::new(__path_ticker, ticker))
        .service(Endpoint::new(__path_candles, candles));
}

/// Markets
///
/// Each with its phase, best prices and figures of the last 24 hours.
#[utoipa::path(
    get,
    path = "/api/symbols/",
    tag = "markets",
    operation_id = "list_symbols",
    security(("read" = [])),
    responses((status = 200, description = "The markets.", body = Symbols), SymbolsProblems)
)]
pub async fn symbols(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let now = engine.clock.now();
    let question = engine.feed.read(move |market| Symbols {
        symbols: market.symbols().map(|symbol| TickerView::new(symbol, now)).collect(),
        seq: market.seq().get(),
    });
    Ok(HttpResponse::Ok().json(question.await.map_err(submit::unanswered)?))
}

/// A book by price
///
/// Quantities are what is shown: of an iceberg its displayed part.
#[utoipa::path(
    get,
    path = "/api/symbols/{symbol}/depth/",
    tag = "markets",
    operation_id = "get_depth",
    security(("read" = [])),
    params(
        ("symbol" = String, Path, description = "The market.", example = "BTC_USDT"),
        ("limit" = Option<usize>, Query, description = "Levels of each side, 1 to 5000; 100 if not sent.")
    ),
    responses((status = 200, description = "The book.", body = DepthAnswer), MarketProblems)
)]
pub async fn depth(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [limit] = query::read(&request, ["limit"])?;
    let limit = limit_of(limit, DEPTH, MAX_DEPTH)?;
    let (depth, at) =
        of(engine, &path, move |market| (market.depth(limit), market.book_seq().get(), *market.instrument())).await?;
    let (depth, book_seq, instrument) = depth;
    Ok(HttpResponse::Ok().json(DepthAnswer {
        symbol: instrument.symbol(),
        bids: LevelView::all(&instrument, &depth.bids),
        asks: LevelView::all(&instrument, &depth.asks),
        seq: at.seq,
        book_seq,
    }))
}

/// A market's trades
///
/// Newest first. On PostgreSQL the pages go back to the first trade; in embedded mode to the oldest that is kept.
#[utoipa::path(
    get,
    path = "/api/symbols/{symbol}/trades/",
    tag = "markets",
    operation_id = "list_trades",
    security(("read" = [])),
    params(
        ("symbol" = String, Path, description = "The market.", example = "BTC_USDT"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 100 if not sent.")
    ),
    responses((status = 200, description = "A page of trades.", body = Trades), MarketProblems)
)]
pub async fn trades(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [cursor, limit] = query::read(&request, ["cursor", "limit"])?;
    let end = numbered(cursor, NEXT_CURSOR, TradeId::new)?;
    let limit = limit_of(limit, TRADES, MAX_TRADES)?;
    let ((instrument, mut trades, whole), at) = of(engine, &path, move |market| {
        let newest = market.trades().rev().filter(|trade| end.is_none_or(|end| trade.trade_id < end));
        let trades: Vec<_> = newest.map(|trade| TradeView::new(market.instrument(), trade)).take(limit + 1).collect();
        (*market.instrument(), trades, market.has_trades_since(Seq::ZERO))
    })
    .await?;
    if trades.len() <= limit && !whole {
        let end = trades.last().and_then(|trade| TradeId::new(trade.trade_id)).or(end);
        trades.extend(older(engine, &instrument, end, limit + 1 - trades.len()).await?);
    }
    let more = trades.len() > limit;
    trades.truncate(limit);
    let next_cursor = trades.last().filter(|_| more).map(|trade| trade.trade_id.to_string());
    Ok(HttpResponse::Ok().json(Trades { symbol: instrument.symbol(), trades, next_cursor, seq: at.seq }))
}

/// Trades below `end` that the feed does not hold: from the history, or from the ledger without one.
async fn older(
    engine: &Engine,
    instrument: &matching::Instrument,
    end: Option<TradeId>,
    limit: usize,
) -> Result<Vec<TradeView>, Problem> {
    let (instrument, symbol) = (*instrument, instrument.symbol());
    let end = end.or_else(|| TradeId::new((1 << 63) - 1)).unwrap_or(TradeId::FIRST);
    let kept = engine.outcomes.read(move |ledger| kept(ledger, symbol, end, limit));
    let (mut records, until) = kept.await.map_err(submit::unanswered)?;
    if let (Some(history), Some(until)) = (&engine.history, until)
        && records.len() < limit
    {
        // The history may lag behind the ledger, so it is asked for what is below the ledger's last one, and how far it is
        // before that: a page without a trade that is nowhere yet would be taken for the whole.
        if history.position().await.map_err(|error| away(&error))? < until {
            return Err(behind());
        }
        let end = records.last().map_or(end, |trade| trade.trade_id);
        let past = history.trades(symbol, end, limit - records.len()).await.map_err(|error| away(&error))?;
        records.extend(past);
    }
    Ok(records.iter().map(|trade| TradeView::of_record(&instrument, trade)).collect())
}

/// A market's trades below `end` in the ledger, newest first, at most `limit`; and the row up to which there may be others,
/// that left the ledger or were not looked at.
fn kept(ledger: &Ledger, symbol: Symbol, end: TradeId, limit: usize) -> (Vec<TradeRecord>, Option<Seq>) {
    let (mut trades, mut until) = (Vec::new(), dropped_until(ledger));
    for (index, trade) in ledger.trades_below(end).enumerate() {
        if index == LOOKED_AT {
            until = until.max(Some(trade.seq));
            break;
        }
        if trade.symbol == symbol {
            trades.push(trade.clone());
        }
        if trades.len() == limit {
            break;
        }
    }
    (trades, until)
}

/// The trades of all markets that are looked through in the ledger: bounds what a quiet market's page costs.
const LOOKED_AT: usize = 20_000;

/// A market at a glance
///
/// Phase, last price, best prices, and the figures of the last 24 hours, to the minute.
#[utoipa::path(
    get,
    path = "/api/symbols/{symbol}/ticker/",
    tag = "markets",
    operation_id = "get_ticker",
    security(("read" = [])),
    params(("symbol" = String, Path, description = "The market.", example = "BTC_USDT")),
    responses((status = 200, description = "The figures.", body = Ticker), MarketProblems)
)]
pub async fn ticker(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    query::refuse(&request)?;
    let now = engine.clock.now();
    let (ticker, at) = of(engine, &path, move |market| TickerView::new(market, now)).await?;
    let day_ago = now.get().saturating_sub(86_400_000_000);
    let complete_since = at.complete_since.filter(|since| since.get() > day_ago);
    Ok(HttpResponse::Ok().json(Ticker { ticker, complete_since, seq: at.seq }))
}

/// Candles
///
/// Newest first, the running one included. The last 1,000 of each length are kept.
#[utoipa::path(
    get,
    path = "/api/symbols/{symbol}/candles/",
    tag = "markets",
    operation_id = "list_candles",
    security(("read" = [])),
    params(
        ("symbol" = String, Path, description = "The market.", example = "BTC_USDT"),
        ("interval" = Option<String>, Query, description = "1s, 1m, 5m, 15m, 1h, 4h or 1d; 1m if not sent.", example = "1m"),
        ("end" = Option<u64>, Query, description = "Only candles that begin before this: microseconds since 1970."),
        ("limit" = Option<usize>, Query, description = "1 to 1000; 100 if not sent.")
    ),
    responses((status = 200, description = "The candles.", body = Candles), MarketProblems)
)]
pub async fn candles(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let engine = api.engine()?;
    let [interval, end, limit] = query::read(&request, ["interval", "end", "limit"])?;
    let interval: Interval = parsed(interval, "send 1s, 1m, 5m, 15m, 1h, 4h or 1d")?.unwrap_or(INTERVALS[1]);
    let end = parsed::<u64>(end, "send microseconds since 1970")?.unwrap_or(u64::MAX);
    let limit = limit_of(limit, CANDLES, MAX_CANDLES)?;
    let ((symbol, candles), at) = of(engine, &path, move |market| {
        let candles = market.candles(interval).filter(|candle| candle.start < end).take(limit);
        let candles = candles.map(|candle| CandleView::new(market.instrument(), candle)).collect();
        (market.instrument().symbol(), candles)
    })
    .await?;
    let (complete_since, interval) = (at.complete_since, interval.as_str());
    Ok(HttpResponse::Ok().json(Candles { symbol, interval, candles, complete_since, seq: at.seq }))
}

/// What an answer is true for.
struct At {
    seq: u64,
    complete_since: Option<Micros>,
}

/// Asks about one market.
async fn of<R: Send + 'static>(
    engine: &Engine,
    symbol: &str,
    question: impl FnOnce(&SymbolMarket) -> R + Send + 'static,
) -> Result<(R, At), Problem> {
    let unknown = || {
        let detail = format!("{:?} is not listed; /api/symbols/ lists all", shortened(symbol));
        Problem::new(Code::UnknownMarket, detail).field("symbol")
    };
    let parsed: Symbol = symbol.parse().map_err(|_| unknown())?;
    let answer = engine.feed.read(move |market| {
        let at = At { seq: market.seq().get(), complete_since: market.complete_since() };
        market.symbol(parsed).map(|symbol| (question(symbol), at))
    });
    answer.await.map_err(submit::unanswered)?.ok_or_else(unknown)
}
