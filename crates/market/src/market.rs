//! The markets as a fold of rows: levels, trades, figures and candles of each symbol.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use matching::ledger::{Indicated, Market as LedgerMarket, OrderRecord, TradeRecord};
use matching::{Amount, Decimal, Event, Instrument, Ledger, Micros, OrderId, Phase, Seq, Side, Symbol, TradeId};

use crate::candles::{Candle, Candles, Interval};
use crate::day::{Day, DayFigures};
use crate::levels::{Level, Levels, Shown};
use crate::touched::ChangedOrder;

/// The trades that are kept of each market beside the ledger's: enough to take up a feed that was away for a moment.
const TRADES_KEPT: usize = 1_000;

/// A row of the log, with the orders that it changed as they are after it.
#[derive(Debug, Clone)]
pub struct FeedRow {
    /// Its number.
    pub seq: Seq,
    /// When it was numbered.
    pub time: Micros,
    /// What happened.
    pub events: Vec<Event>,
    /// The orders that it changed.
    pub orders: Vec<ChangedOrder>,
}

/// A trade as everyone may see it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct MarketTrade {
    /// Its number.
    pub trade_id: TradeId,
    /// Its row in the log.
    pub seq: Seq,
    /// When.
    pub time: Micros,
    /// The price, in the instrument's units.
    pub price: u64,
    /// How much changed hands, in the instrument's units.
    pub quantity: u64,
    /// The side of the order that came.
    pub taker_side: Side,
    /// The order that was in the book.
    pub maker_order_id: OrderId,
    /// The order that came.
    pub taker_order_id: OrderId,
}

impl MarketTrade {
    /// Price times quantity.
    pub fn quote(&self, instrument: &Instrument) -> Amount {
        instrument.quote_amount(u128::from(self.price) * u128::from(self.quantity))
    }
}

/// What some rows changed in one market.
#[derive(Debug, Clone, Default)]
pub struct SymbolChanges {
    /// Prices whose level is another one.
    pub bids: BTreeSet<u64>,
    /// The same of the other side.
    pub asks: BTreeSet<u64>,
    /// Trades, oldest first.
    pub trades: Vec<MarketTrade>,
    /// Whether the market's rules, phase or indication are others.
    pub market: bool,
}

/// What some rows changed.
#[derive(Debug, Clone, Default)]
pub struct RowChanges {
    /// By market.
    pub symbols: BTreeMap<Symbol, SymbolChanges>,
}

/// Levels of both sides, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Highest price first, in the instrument's units.
    pub bids: Vec<(u64, Level)>,
    /// Lowest price first.
    pub asks: Vec<(u64, Level)>,
}

/// One market.
#[derive(Debug, Clone)]
pub struct SymbolMarket {
    instrument: Instrument,
    phase: Phase,
    indicated: Option<Indicated>,
    levels: Levels,
    last_price: Option<Decimal>,
    trades: VecDeque<MarketTrade>,
    /// The newest trade that is kept no more.
    forgotten: Option<Seq>,
    day: Day,
    candles: Candles,
    book_seq: Seq,
    trade_seq: Seq,
}

impl SymbolMarket {
    fn new(market: &LedgerMarket, at: Seq) -> SymbolMarket {
        SymbolMarket {
            instrument: market.instrument,
            phase: market.phase,
            indicated: market.indicated.clone(),
            levels: Levels::default(),
            last_price: market.last_price,
            trades: VecDeque::new(),
            forgotten: None,
            day: Day::default(),
            candles: Candles::default(),
            book_seq: at,
            trade_seq: at,
        }
    }

    /// Its scale and rules.
    pub fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    /// Its phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What its auction would give.
    pub fn indicated(&self) -> Option<&Indicated> {
        self.indicated.as_ref()
    }

    /// The price of its last trade.
    pub fn last_price(&self) -> Option<Decimal> {
        self.last_price
    }

    /// The last row that changed its levels; at first the row that the service started from.
    pub fn book_seq(&self) -> Seq {
        self.book_seq
    }

    /// The row of its last trade; at first the row that the service started from.
    pub fn trade_seq(&self) -> Seq {
        self.trade_seq
    }

    /// The best `limit` levels of each side.
    pub fn depth(&self, limit: usize) -> Depth {
        let level = |(price, level): (&u64, &Level)| (*price, *level);
        Depth {
            bids: self.levels.side(Side::Buy).iter().rev().take(limit).map(level).collect(),
            asks: self.levels.side(Side::Sell).iter().take(limit).map(level).collect(),
        }
    }

    /// A level; empty where there is none.
    pub fn level(&self, side: Side, price: u64) -> Level {
        self.levels.side(side).get(&price).copied().unwrap_or_default()
    }

    /// The last trades, oldest first.
    pub fn trades(&self) -> impl DoubleEndedIterator<Item = &MarketTrade> + ExactSizeIterator {
        self.trades.iter()
    }

    /// Whether every trade behind row `seq` is still kept.
    pub fn has_trades_since(&self, seq: Seq) -> bool {
        self.forgotten.is_none_or(|forgotten| forgotten <= seq)
    }

    /// The figures of the 24 hours up to `now`; none when nothing was traded.
    pub fn day(&self, now: Micros) -> Option<DayFigures> {
        self.day.figures(now)
    }

    /// Candles, newest first.
    pub fn candles(&self, interval: Interval) -> impl Iterator<Item = &Candle> {
        self.candles.of(interval).iter().rev()
    }

    fn trade(&mut self, trade: MarketTrade) {
        self.day.trade(trade.time, trade.price, trade.quantity);
        self.candles.trade(trade.time, trade.price, trade.quantity);
        self.trades.push_back(trade);
        if self.trades.len() > TRADES_KEPT {
            self.forgotten = self.trades.pop_front().map(|trade| trade.seq);
        }
    }

    fn kept_trade(&self, trade: &TradeRecord) -> MarketTrade {
        let price = trade.price.to_units(self.instrument.price_decimals());
        let quantity = trade.quantity.to_units(self.instrument.quantity_decimals());
        let (Some(price), Some(quantity)) = (price, quantity) else {
            panic!("trade {} is outside its instrument", trade.trade_id);
        };
        MarketTrade {
            trade_id: trade.trade_id,
            seq: trade.seq,
            time: trade.time,
            price,
            quantity,
            taker_side: trade.taker_side,
            maker_order_id: trade.maker_order_id,
            taker_order_id: trade.taker_order_id,
        }
    }
}

/// All markets at one row.
#[derive(Debug, Clone)]
pub struct Market {
    seq: Seq,
    time: Micros,
    symbols: BTreeMap<Symbol, SymbolMarket>,
    /// The time of the oldest trade that the figures were made from; what was before it is not in them.
    complete_since: Option<Micros>,
}

impl Market {
    /// The markets as a ledger shows them. Figures and candles are those of the trades that it holds.
    pub fn of(ledger: &Ledger) -> Market {
        let seq = ledger.seq();
        let symbols = ledger.markets();
        let symbols = symbols.map(|market| (market.instrument.symbol(), SymbolMarket::new(market, seq))).collect();
        let oldest = ledger.trades().next().map_or(ledger.time(), |trade| trade.time);
        let complete_since = ledger.has_dropped().then_some(oldest);
        let mut market = Market { seq, time: ledger.time(), symbols, complete_since };
        let mut changes = RowChanges::default();
        for order in ledger.orders().filter(|order| order.status.is_open()) {
            market.order(order, None, &mut changes);
        }
        for trade in ledger.trades() {
            let symbol = market.symbol_mut(trade.symbol);
            let trade = symbol.kept_trade(trade);
            symbol.trade(trade);
        }
        if ledger.has_dropped() {
            // Some before the oldest may be gone.
            market.symbols.values_mut().for_each(|symbol| {
                let first = symbol.trades.front().map_or(seq, |trade| trade.seq);
                symbol.forgotten = symbol.forgotten.max(first.previous());
            });
        }
        market
    }

    /// The last row in it.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The time of that row.
    pub fn time(&self) -> Micros {
        self.time
    }

    /// From when on candles and figures are complete; none: from the first trade on.
    pub fn complete_since(&self) -> Option<Micros> {
        self.complete_since
    }

    /// A market.
    pub fn symbol(&self, symbol: Symbol) -> Option<&SymbolMarket> {
        self.symbols.get(&symbol)
    }

    /// All markets, by symbol.
    pub fn symbols(&self) -> impl Iterator<Item = &SymbolMarket> {
        self.symbols.values()
    }

    /// Takes a row in and adds what it changed to `changes`.
    ///
    /// # Panics
    /// If it is not the next row.
    pub fn fold(&mut self, row: &FeedRow, changes: &mut RowChanges) {
        assert!(row.seq == self.seq.next(), "row {} cannot come after row {}", row.seq, self.seq);
        (self.seq, self.time) = (row.seq, row.time);
        for event in &row.events {
            self.event(event, changes);
        }
        for ChangedOrder { order, before } in &row.orders {
            self.order(order, before.and_then(|before| before.shown), changes);
        }
    }

    fn event(&mut self, event: &Event, changes: &mut RowChanges) {
        let (seq, time) = (self.seq, self.time);
        let symbol = match event {
            Event::InstrumentListed(event) => {
                let instrument = event.instrument;
                let market = LedgerMarket {
                    instrument,
                    phase: Phase::Continuous,
                    then: Vec::new(),
                    last_price: None,
                    indicated: None,
                };
                self.symbols.insert(instrument.symbol(), SymbolMarket::new(&market, seq));
                instrument.symbol()
            }
            Event::InstrumentUpdated(event) => {
                self.symbol_mut(event.instrument.symbol()).instrument = event.instrument;
                event.instrument.symbol()
            }
            Event::PhaseChanged(event) => {
                self.symbol_mut(event.symbol).phase = event.phase;
                event.symbol
            }
            Event::AuctionIndicated(event) => {
                self.symbol_mut(event.symbol).indicated = Indicated::of(event);
                event.symbol
            }
            Event::Trade(event) => {
                let symbol = self.symbol_mut(event.symbol);
                let trade = symbol.kept_trade(&TradeRecord::of(event, seq, time));
                symbol.trade(trade);
                symbol.trade_seq = seq;
                symbol.last_price = Some(event.price);
                changes.symbols.entry(event.symbol).or_default().trades.push(trade);
                return;
            }
            _ => return,
        };
        changes.symbols.entry(symbol).or_default().market = true;
    }

    fn order(&mut self, order: &OrderRecord, before: Option<Shown>, changes: &mut RowChanges) {
        // A rejected order may name a market that is not listed.
        let Some(market) = self.symbols.get_mut(&order.symbol) else { return };
        let mut changed = false;
        market.levels.change(order.side, before, Shown::of(order), &mut |price| {
            changed = true;
            let changes = changes.symbols.entry(order.symbol).or_default();
            match order.side {
                Side::Buy => changes.bids.insert(price),
                Side::Sell => changes.asks.insert(price),
            };
        });
        if changed {
            market.book_seq = self.seq;
        }
    }

    fn symbol_mut(&mut self, symbol: Symbol) -> &mut SymbolMarket {
        self.symbols.get_mut(&symbol).unwrap_or_else(|| panic!("{symbol} is not listed"))
    }
}
