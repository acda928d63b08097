//! Publishes the market behind the ledger: folds committed rows into [`Market`], answers questions about it, and sends
//! what changed to whoever subscribed. On a thread of its own, so that neither readers nor subscribers slow the books.
//!
//! Invariant: a channel's messages go out in the order of their rows, and `prev` of each is `seq` of the one before. What
//! is told is committed: rows come here from the log only.

mod channel;
mod outbox;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, Recipient};
use market::{ChangedOrder, FeedRow, Market, RowChanges, SymbolMarket};
use matching::{Account, Event, Ledger, Seq, Side, Symbol};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::warn;

use crate::outcomes::{Stopping, Unanswered};
use crate::progress::Progress;
use channel::ChannelState;
pub use channel::{Channel, Content, Draft, FeedMessage, Kind, OrderChange, ParseChannelError};
pub use outbox::{Inbox, Outbox};
pub(crate) use tail::Rows;
use tail::Tail;

/// Writes a message down. The actor knows no format.
pub type Encode = fn(&Draft<'_>) -> String;

/// The number of a session, unique in this process.
pub type SessionId = u64;

/// Rows that may wait here before every session is closed: what waits holds memory, and folding alone takes a
/// microsecond or two a row.
const BACKLOG: u64 = 100_000;
/// How often channels without subscribers are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// The trades of a trade channel's snapshot, and the candles of a candle channel's.
const SNAPSHOT_TRADES: usize = 100;
const SNAPSHOT_CANDLES: usize = 100;

/// Committed rows, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct FeedRows(pub Vec<FeedRow>);

/// Subscribes a session to a channel.
#[derive(Message)]
#[rtype(result = "Subscribed")]
pub(crate) struct Subscribe {
    pub session: SessionId,
    pub to: Outbox,
    pub channel: Channel,
    /// The last message that the subscriber has.
    pub after: Option<Seq>,
}

/// What a subscriber got first.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Subscribed {
    /// Everything after its cursor.
    Resumed,
    /// The channel's state.
    Snapshot,
    /// Nothing: the state of this channel is the ledger's to tell.
    Nothing,
    /// There is no such market.
    UnknownSymbol,
    /// It does not read fast enough even for this.
    Slow,
}

/// Ends a subscription.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Unsubscribe {
    pub session: SessionId,
    /// None: all of the session's.
    pub channel: Option<Channel>,
}

/// Asks for every row after the last one that was published.
#[derive(Message)]
#[rtype(result = "Rows")]
struct FollowRows;

/// A question to the market.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ReadMarket(Box<dyn FnOnce(&Market) + Send>);

/// What callers hold to read the market and to subscribe.
#[derive(Clone)]
pub struct Feed {
    subscribe: Recipient<Subscribe>,
    unsubscribe: Recipient<Unsubscribe>,
    read: Recipient<ReadMarket>,
    follow: Recipient<FollowRows>,
    progress: Arc<Progress>,
    /// The last row that was published.
    pub published: watch::Receiver<Seq>,
}

impl Feed {
    /// A feed on this thread that shows a ledger as it is and hears of no rows: for tests of what stands on a feed.
    pub fn showing(ledger: &Ledger, encode: Encode) -> Feed {
        let (published_to, published) = watch::channel(ledger.seq());
        let progress = Arc::new(Progress::default());
        progress.set_beaten(Instant::now());
        let actor = FeedActor::new(Market::of(ledger), encode, Arc::clone(&progress), published_to, Arc::default());
        Feed::of(&actor.start(), progress, published)
    }

    pub(crate) fn of(actor: &actix::Addr<FeedActor>, progress: Arc<Progress>, published: watch::Receiver<Seq>) -> Feed {
        Feed {
            progress,
            subscribe: actor.clone().recipient(),
            unsubscribe: actor.clone().recipient(),
            read: actor.clone().recipient(),
            follow: actor.clone().recipient(),
            published,
        }
    }

    /// Asks the market, while nobody can have taken over. The question runs on the feed's thread: it must be short, or copy
    /// what it needs.
    pub async fn read<R, Q>(&self, question: Q) -> Result<R, Unanswered>
    where
        R: Send + 'static,
        Q: FnOnce(&Market) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question = ReadMarket(Box::new(move |market| {
            // Whoever asked may have gone away; then nobody misses the answer.
            let _ = reply.send(question(market));
        }));
        self.read.send(question).await.map_err(|_| Stopping)?;
        let answer = answer.await.map_err(|_| Stopping)?;
        self.progress.while_current(answer)
    }

    /// All rows from now on, as long as they are taken.
    pub(crate) async fn rows(&self) -> Result<Rows, Stopping> {
        self.follow.send(FollowRows).await.map_err(|_| Stopping)
    }

    /// Subscribes a session to a channel, after the message `after` if it has one. Messages go to `to`; when that is full,
    /// the session is dropped from every channel, and `to` with it.
    pub async fn subscribe(
        &self,
        session: SessionId,
        to: Outbox,
        channel: Channel,
        after: Option<Seq>,
    ) -> Result<Subscribed, Stopping> {
        self.subscribe.send(Subscribe { session, to, channel, after }).await.map_err(|_| Stopping)
    }

    /// Ends a session's subscription to a channel, or to all.
    pub fn unsubscribe(&self, session: SessionId, channel: Option<Channel>) {
        self.unsubscribe.do_send(Unsubscribe { session, channel });
    }
}

pub(crate) struct FeedActor {
    market: Market,
    encode: Encode,
    channels: HashMap<Channel, ChannelState>,
    progress: Arc<Progress>,
    published: watch::Sender<Seq>,
    /// Rows that were sent here and are not folded.
    backlog: Arc<AtomicU64>,
    /// Who takes the rows on.
    tail: Option<Tail>,
}

impl FeedActor {
    pub(crate) fn new(
        market: Market,
        encode: Encode,
        progress: Arc<Progress>,
        published: watch::Sender<Seq>,
        backlog: Arc<AtomicU64>,
    ) -> FeedActor {
        FeedActor { market, encode, channels: HashMap::new(), progress, published, backlog, tail: None }
    }

    fn take(&mut self, rows: &[FeedRow]) {
        let mut changes = RowChanges::default();
        let mut orders: BTreeMap<Account, Vec<OrderChange>> = BTreeMap::new();
        for row in rows {
            self.market.fold(row, &mut changes);
            self.order_changes(row, &mut orders);
        }
        if changes.symbols.values().any(|changes| changes.market) {
            self.count_markets();
        }
        let symbols: Vec<Symbol> = changes.symbols.keys().copied().collect();
        for symbol in symbols {
            self.publish_symbol(symbol, &changes);
        }
        for (account, changes) in orders {
            let channel = Channel::Orders(account);
            let (seq, time) = (changes.last().map_or(self.market.seq(), |last| last.seq), self.market.time());
            if let Some(state) = self.channels.get_mut(&channel) {
                let content = Content::Orders(&changes);
                state.publish(&channel, self.encode, seq, time, content);
            }
        }
    }

    fn count_markets(&self) {
        self.progress.set_markets(self.market.symbols().map(SymbolMarket::phase));
    }

    /// The row's orders whose accounts somebody listens to.
    fn order_changes(&self, row: &FeedRow, changes: &mut BTreeMap<Account, Vec<OrderChange>>) {
        for ChangedOrder { order, .. } in &row.orders {
            let Some(account) = &order.account else { continue };
            let listened = |account: &Account| self.channels.contains_key(&Channel::Orders(account.clone()));
            if !changes.contains_key(account) && !listened(account) {
                continue;
            }
            let events: Vec<Event> =
                row.events.iter().filter(|event| event.concerns(order.order_id)).cloned().collect();
            changes.entry(account.clone()).or_default().push(OrderChange {
                seq: row.seq,
                order: order.clone(),
                events,
            });
        }
    }

    fn publish_symbol(&mut self, symbol: Symbol, changes: &RowChanges) {
        let Some(changes) = changes.symbols.get(&symbol) else { return };
        let Some(market) = self.market.symbol(symbol) else { return };
        let (encode, seq, time) = (self.encode, self.market.seq(), self.market.time());
        let mut publish = |channel: Channel, seq: Seq, content: Content<'_>| {
            if let Some(state) = self.channels.get_mut(&channel) {
                state.publish(&channel, encode, seq, time, content);
            }
        };
        let levels_changed = !(changes.bids.is_empty() && changes.asks.is_empty());
        if levels_changed {
            let level = |side: Side, price: &u64| (*price, market.level(side, *price));
            let bids = changes.bids.iter().rev().map(|price| level(Side::Buy, price)).collect();
            let asks = changes.asks.iter().map(|price| level(Side::Sell, price)).collect();
            publish(Channel::Book(symbol), market.book_seq(), Content::Book { market, bids, asks });
        }
        if !changes.trades.is_empty() {
            let content = Content::Trades { market, trades: changes.trades.clone() };
            publish(Channel::Trades(symbol), market.trade_seq(), content);
            for interval in market::INTERVALS {
                let first = changes.trades.first().map_or(0, |trade| interval.start(trade.time));
                let mut candles: Vec<_> =
                    market.candles(interval).take_while(|candle| candle.start >= first).copied().collect();
                candles.reverse();
                let content = Content::Candles { market, interval, candles };
                publish(Channel::Candles(interval, symbol), market.trade_seq(), content);
            }
        }
        if levels_changed || changes.market || !changes.trades.is_empty() {
            publish(Channel::Ticker(symbol), seq, Content::Ticker { market });
        }
    }

    fn subscribe(&mut self, subscribe: Subscribe) -> Subscribed {
        let Subscribe { session, to, channel, after } = subscribe;
        let symbol = match channel.symbol().map(|symbol| self.market.symbol(symbol)) {
            Some(None) => return Subscribed::UnknownSymbol,
            Some(Some(symbol)) => Some(symbol),
            None => None,
        };
        let now = self.market.seq();
        let last = match (&channel, symbol) {
            (Channel::Book(_), Some(symbol)) => symbol.book_seq(),
            (Channel::Trades(_), Some(symbol)) => symbol.trade_seq(),
            _ => now,
        };
        let state = self.channels.entry(channel.clone()).or_insert_with(|| ChannelState::new(last));
        state.leave(session);
        // A cursor of the future is one of another log.
        let after = after.filter(|after| *after <= now);
        let missed = after.and_then(|after| state.since(after)).or_else(|| {
            let (after, symbol) = (after?, symbol?);
            let Channel::Trades(_) = channel else { return None };
            trades_since(symbol, &channel, self.encode, &self.market, after, state.last())
        });
        let (first, subscribed) = match (missed, symbol) {
            (Some(missed), _) => (missed, Subscribed::Resumed),
            (None, Some(symbol)) => {
                let content = snapshot(&channel, symbol);
                let draft = Draft {
                    channel: &channel,
                    kind: Kind::Snapshot,
                    seq: now,
                    prev: None,
                    time: self.market.time(),
                    content,
                };
                (vec![Arc::new(FeedMessage::of(&draft, self.encode))], Subscribed::Snapshot)
            }
            (None, None) => (Vec::new(), Subscribed::Nothing),
        };
        if !first.into_iter().all(|message| to.send(message)) {
            return Subscribed::Slow;
        }
        state.join(session, to);
        subscribed
    }

    /// Drops every subscriber: what waits here holds more memory than it may.
    fn shed(&mut self) {
        warn!("the feed is behind: every session is closed, to come back with its cursor");
        self.channels.values().for_each(ChannelState::give_up);
        self.channels.clear();
    }
}

fn snapshot<'a>(channel: &Channel, market: &'a SymbolMarket) -> Content<'a> {
    match channel {
        Channel::Trades(_) => {
            let skipped = market.trades().len().saturating_sub(SNAPSHOT_TRADES);
            Content::Trades { market, trades: market.trades().skip(skipped).copied().collect() }
        }
        Channel::Candles(interval, _) => {
            let mut candles: Vec<_> = market.candles(*interval).take(SNAPSHOT_CANDLES).copied().collect();
            candles.reverse();
            Content::Candles { market, interval: *interval, candles }
        }
        Channel::Ticker(_) => Content::Ticker { market },
        Channel::Book(_) | Channel::Orders(_) => {
            let depth = market.depth(usize::MAX);
            Content::Book { market, bids: depth.bids, asks: depth.asks }
        }
    }
}

/// One message of the trades after a cursor up to `last`, the row of the channel's last message, if all of them are kept.
fn trades_since(
    symbol: &SymbolMarket,
    channel: &Channel,
    encode: Encode,
    market: &Market,
    after: Seq,
    last: Seq,
) -> Option<Vec<Arc<FeedMessage>>> {
    if !symbol.has_trades_since(after) {
        return None;
    }
    let trades: Vec<_> = symbol.trades().filter(|trade| trade.seq > after).copied().collect();
    // Also without a trade the next message follows this row.
    let (kind, seq, prev, time) = (Kind::Update, last, Some(after), market.time());
    let draft = Draft { channel, kind, seq, prev, time, content: Content::Trades { market: symbol, trades } };
    Some(vec![Arc::new(FeedMessage::of(&draft, encode))])
}

impl Actor for FeedActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.published.send_replace(self.market.seq());
        self.progress.set_fed(self.market.seq().get());
        self.count_markets();
        ctx.run_interval(SWEEP, |actor, _| actor.channels.retain(|_, state| state.is_wanted()));
    }
}

impl Handler<FeedRows> for FeedActor {
    type Result = ();

    fn handle(&mut self, rows: FeedRows, _: &mut Self::Context) {
        self.take(&rows.0);
        let waiting = self.backlog.fetch_sub(rows.0.len() as u64, Ordering::Relaxed);
        if waiting > BACKLOG && !self.channels.is_empty() {
            self.shed();
        }
        self.progress.set_fed(self.market.seq().get());
        self.published.send_replace(self.market.seq());
        self.tail = self.tail.take().and_then(|tail| tail.pass(rows.0));
    }
}

impl Handler<FollowRows> for FeedActor {
    type Result = MessageResult<FollowRows>;

    fn handle(&mut self, _: FollowRows, _: &mut Self::Context) -> Self::Result {
        let (tail, rows) = tail::after(self.market.seq());
        self.tail = Some(tail);
        MessageResult(rows)
    }
}

impl Handler<Subscribe> for FeedActor {
    type Result = MessageResult<Subscribe>;

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.subscribe(subscribe))
    }
}

impl Handler<Unsubscribe> for FeedActor {
    type Result = ();

    fn handle(&mut self, unsubscribe: Unsubscribe, _: &mut Self::Context) {
        match unsubscribe.channel {
            Some(channel) => {
                if let Some(state) = self.channels.get_mut(&channel) {
                    state.leave(unsubscribe.session);
                }
            }
            None => self.channels.values_mut().for_each(|state| state.leave(unsubscribe.session)),
        }
    }
}

impl Handler<ReadMarket> for FeedActor {
    type Result = ();

    fn handle(&mut self, question: ReadMarket, _: &mut Self::Context) {
        question.0(&self.market);
    }
}
