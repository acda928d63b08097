//! The market as answers and the feed have it: decimals as strings, times in microseconds since 1970. One view for both,
//! so that what is asked for and what is subscribed to cannot drift apart.

use std::borrow::Cow;

use actors::feed::{Content, Draft, Kind, OrderChange};
use market::{Candle, Level, MarketTrade, SymbolMarket};
use matching::ledger::TradeRecord;
use matching::{Amount, Decimal, Event, Instrument, Micros, Symbol};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::answers::{Fill, OrderAnswer};

/// A price of a book: price, quantity shown, number of orders. No orders: there is none any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LevelView(pub Decimal, pub Amount, pub u64);

impl PartialSchema for LevelView {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(SchemaType::new(kind)).build();
        let element = OneOfBuilder::new().item(of(Type::String)).item(of(Type::Integer));
        let level = ArrayBuilder::new().items(element).min_items(Some(3)).max_items(Some(3));
        level
            .description(Some("Price, quantity shown, number of orders."))
            .examples([json!(["100.5", "0.6", 1])])
            .into()
    }
}

impl ToSchema for LevelView {
    fn name() -> Cow<'static, str> {
        "Level".into()
    }
}

impl LevelView {
    fn new(instrument: &Instrument, (price, level): (u64, Level)) -> LevelView {
        let price = Decimal::from_units(price, instrument.price_decimals());
        LevelView(price, instrument.quantity_amount(level.quantity), level.orders)
    }

    /// The levels of one side.
    pub fn all(instrument: &Instrument, levels: &[(u64, Level)]) -> Vec<LevelView> {
        levels.iter().map(|level| LevelView::new(instrument, *level)).collect()
    }
}

/// A trade as everyone may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "trade_id": 1, "price": "100.5", "quantity": "0.4", "quote_quantity": "40.2", "taker_side": "BUY",
    "maker_order_id": 1, "taker_order_id": 2, "time": 1732880001123456_u64, "seq": 5
}))]
pub struct TradeView {
    /// Its number.
    pub trade_id: u64,
    /// The maker's price.
    #[schema(value_type = String)]
    pub price: Decimal,
    /// How much changed hands.
    #[schema(value_type = String)]
    pub quantity: Decimal,
    /// Price times quantity, exact.
    #[schema(value_type = String)]
    pub quote_quantity: Amount,
    /// The side of the order that came.
    pub taker_side: &'static str,
    /// The order that was in the book.
    pub maker_order_id: u64,
    /// The order that came.
    pub taker_order_id: u64,
    /// When.
    #[schema(value_type = u64)]
    pub time: Micros,
    /// Its row in the event log.
    pub seq: u64,
}

impl TradeView {
    /// A trade of this instrument.
    pub fn new(instrument: &Instrument, trade: &MarketTrade) -> TradeView {
        TradeView {
            trade_id: trade.trade_id.get(),
            price: Decimal::from_units(trade.price, instrument.price_decimals()),
            quantity: Decimal::from_units(trade.quantity, instrument.quantity_decimals()),
            quote_quantity: trade.quote(instrument),
            taker_side: trade.taker_side.as_str(),
            maker_order_id: trade.maker_order_id.get(),
            taker_order_id: trade.taker_order_id.get(),
            time: trade.time,
            seq: trade.seq.get(),
        }
    }
}

impl TradeView {
    /// A trade as the ledger or the history has it.
    pub fn of_record(instrument: &Instrument, trade: &TradeRecord) -> TradeView {
        let price = trade.price.to_units(instrument.price_decimals()).unwrap_or_default();
        let quantity = trade.quantity.to_units(instrument.quantity_decimals()).unwrap_or_default();
        TradeView {
            trade_id: trade.trade_id.get(),
            price: trade.price,
            quantity: trade.quantity,
            quote_quantity: instrument.quote_amount(u128::from(price) * u128::from(quantity)),
            taker_side: trade.taker_side.as_str(),
            maker_order_id: trade.maker_order_id.get(),
            taker_order_id: trade.taker_order_id.get(),
            time: trade.time,
            seq: trade.seq.get(),
        }
    }
}

/// What was traded in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "start": 1732880000000000_u64, "open": "100", "high": "101", "low": "99.5", "close": "100.5", "volume": "12",
    "quote_volume": "1203.5", "trades": 7
}))]
pub struct CandleView {
    /// When the interval begins.
    pub start: u64,
    /// The first price.
    #[schema(value_type = String)]
    pub open: Decimal,
    /// The highest.
    #[schema(value_type = String)]
    pub high: Decimal,
    /// The lowest.
    #[schema(value_type = String)]
    pub low: Decimal,
    /// The last.
    #[schema(value_type = String)]
    pub close: Decimal,
    /// How much changed hands.
    #[schema(value_type = String)]
    pub volume: Amount,
    /// Prices times quantities.
    #[schema(value_type = String)]
    pub quote_volume: Amount,
    /// How many trades.
    pub trades: u64,
}

impl CandleView {
    /// A candle of this instrument.
    pub fn new(instrument: &Instrument, candle: &Candle) -> CandleView {
        let price = |units| Decimal::from_units(units, instrument.price_decimals());
        CandleView {
            start: candle.start,
            open: price(candle.open),
            high: price(candle.high),
            low: price(candle.low),
            close: price(candle.close),
            volume: instrument.quantity_amount(candle.volume),
            quote_volume: instrument.quote_amount(candle.quote),
            trades: candle.trades,
        }
    }
}

/// A market at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "symbol": "BTC_USDT", "phase": "CONTINUOUS", "last_price": "100.5", "bid": ["100.4", "2", 1],
    "ask": ["100.6", "1.5", 2], "open_24h": "98", "high_24h": "101", "low_24h": "97.5", "volume_24h": "12",
    "quote_volume_24h": "1203.5", "trades_24h": 7
}))]
pub struct TickerView {
    /// The market.
    #[schema(value_type = String)]
    pub symbol: Symbol,
    /// How it trades at the moment.
    pub phase: &'static str,
    /// The price of the last trade; absent before the first.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_price: Option<Decimal>,
    /// The best price to sell at; absent when nobody buys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid: Option<LevelView>,
    /// The best price to buy at; absent when nobody sells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<LevelView>,
    /// The first price of the last 24 hours; this and what follows is absent when nothing was traded in them.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_24h: Option<Decimal>,
    /// The highest.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_24h: Option<Decimal>,
    /// The lowest.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_24h: Option<Decimal>,
    /// How much changed hands.
    #[schema(value_type = String)]
    pub volume_24h: Amount,
    /// Prices times quantities.
    #[schema(value_type = String)]
    pub quote_volume_24h: Amount,
    /// How many trades.
    pub trades_24h: u64,
    /// What the auction would give if it ended now; absent outside an auction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auction: Option<AuctionView>,
}

/// What an auction would give if it ended now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuctionView {
    /// The one price for all.
    #[schema(value_type = String)]
    pub price: Decimal,
    /// How much would trade.
    #[schema(value_type = String)]
    pub volume: Amount,
    /// How much more would be bought or sold at that price.
    #[schema(value_type = String)]
    pub imbalance: Amount,
    /// Which side has more; absent when neither has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imbalance_side: Option<&'static str>,
}

impl TickerView {
    /// The market as it is at `now`.
    pub fn new(market: &SymbolMarket, now: Micros) -> TickerView {
        let instrument = market.instrument();
        let day = market.day(now).map(|day| CandleView::new(instrument, &day.candle));
        let best = market.depth(1);
        TickerView {
            symbol: instrument.symbol(),
            phase: market.phase().as_str(),
            last_price: market.last_price(),
            bid: LevelView::all(instrument, &best.bids).pop(),
            ask: LevelView::all(instrument, &best.asks).pop(),
            open_24h: day.as_ref().map(|day| day.open),
            high_24h: day.as_ref().map(|day| day.high),
            low_24h: day.as_ref().map(|day| day.low),
            volume_24h: day.as_ref().map_or(Amount::ZERO, |day| day.volume),
            quote_volume_24h: day.as_ref().map_or(Amount::ZERO, |day| day.quote_volume),
            trades_24h: day.as_ref().map_or(0, |day| day.trades),
            auction: market.indicated().map(|indicated| AuctionView {
                price: indicated.price,
                volume: indicated.volume,
                imbalance: indicated.imbalance,
                imbalance_side: indicated.imbalance_side.map(matching::Side::as_str),
            }),
        }
    }
}

/// The levels of a message.
#[derive(Serialize)]
struct BookData {
    bids: Vec<LevelView>,
    asks: Vec<LevelView>,
}

/// A row's change of one order, as its account is told.
#[derive(Serialize)]
struct OrderChangeView {
    seq: u64,
    /// What happened, in the words of the log.
    events: Vec<&'static str>,
    order: OrderAnswer,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fills: Vec<Fill>,
}

impl OrderChangeView {
    fn new(change: &OrderChange) -> OrderChangeView {
        let trades = change.events.iter().filter_map(|event| match event {
            Event::Trade(trade) => Some(Fill::from(trade)),
            _ => None,
        });
        OrderChangeView {
            seq: change.seq.get(),
            events: change.events.iter().map(Event::kind).collect(),
            fills: trades.collect(),
            order: OrderAnswer::from(&change.order),
        }
    }
}

/// A message of the feed around its data.
#[derive(Serialize)]
struct Message<'a, T> {
    channel: String,
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    prev: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a Symbol>,
    data: T,
}

/// Writes a message of the feed.
pub fn encode(draft: &Draft<'_>) -> String {
    match &draft.content {
        Content::Book { market, bids, asks } => {
            let instrument = market.instrument();
            let (bids, asks) = (LevelView::all(instrument, bids), LevelView::all(instrument, asks));
            write(draft, BookData { bids, asks })
        }
        Content::Trades { market, trades } => {
            let trades: Vec<_> = trades.iter().map(|trade| TradeView::new(market.instrument(), trade)).collect();
            write(draft, trades)
        }
        Content::Ticker { market } => write(draft, TickerView::new(market, draft.time)),
        Content::Candles { market, candles, .. } => {
            let candles: Vec<_> = candles.iter().map(|candle| CandleView::new(market.instrument(), candle)).collect();
            write(draft, candles)
        }
        Content::Orders(changes) => write(draft, changes.iter().map(OrderChangeView::new).collect::<Vec<_>>()),
    }
}

fn write<T: Serialize>(draft: &Draft<'_>, data: T) -> String {
    let symbol = draft.channel.symbol();
    let message = Message {
        channel: draft.channel.to_string(),
        kind: match draft.kind {
            Kind::Snapshot => "snapshot",
            Kind::Update => "update",
        },
        seq: draft.seq.get(),
        prev: draft.prev.map(matching::Seq::get),
        symbol: symbol.as_ref(),
        data,
    };
    // Nothing in a message can fail to be written as JSON.
    serde_json::to_string(&message).unwrap_or_default()
}
