//! A channel: its name, its messages, who gets them, and the last ones for whoever comes back.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use market::{Candle, Interval, Level, MarketTrade, SymbolMarket};
use matching::ledger::OrderRecord;
use matching::{Account, Event, Micros, Seq, Symbol};
use tokio::time::Instant;

use super::{Encode, Outbox, SessionId};

/// The messages that a channel keeps for subscribers that come back.
const KEPT: usize = 256;
/// And their length in bytes.
const KEPT_BYTES: usize = 1 << 20;
/// How long a channel keeps messages when nobody listens.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A market's levels.
    Book(Symbol),
    /// A market's trades.
    Trades(Symbol),
    /// A market's best prices and figures of the day.
    Ticker(Symbol),
    /// A market's candles.
    Candles(Interval, Symbol),
    /// An account's orders.
    Orders(Account),
}

/// The text is no channel.
#[derive(Debug, Copy, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a channel is book:<symbol>, trades:<symbol>, ticker:<symbol>, candles:<interval>:<symbol>, orders:<account> or events"
)]
pub struct ParseChannelError;

impl Channel {
    /// The market that it is about, if one.
    pub fn symbol(&self) -> Option<Symbol> {
        match self {
            Channel::Book(symbol) | Channel::Trades(symbol) | Channel::Ticker(symbol) => Some(*symbol),
            Channel::Candles(_, symbol) => Some(*symbol),
            Channel::Orders(_) => None,
        }
    }
}

impl FromStr for Channel {
    type Err = ParseChannelError;

    fn from_str(text: &str) -> Result<Channel, ParseChannelError> {
        let (name, of) = text.split_once(':').ok_or(ParseChannelError)?;
        let symbol = |text: &str| text.parse().map_err(|_| ParseChannelError);
        match name {
            "book" => Ok(Channel::Book(symbol(of)?)),
            "trades" => Ok(Channel::Trades(symbol(of)?)),
            "ticker" => Ok(Channel::Ticker(symbol(of)?)),
            "orders" => of.parse().map(Channel::Orders).map_err(|_| ParseChannelError),
            "candles" => {
                let (interval, of) = of.split_once(':').ok_or(ParseChannelError)?;
                Ok(Channel::Candles(interval.parse().map_err(|_| ParseChannelError)?, symbol(of)?))
            }
            _ => Err(ParseChannelError),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Book(symbol) => write!(f, "book:{symbol}"),
            Channel::Trades(symbol) => write!(f, "trades:{symbol}"),
            Channel::Ticker(symbol) => write!(f, "ticker:{symbol}"),
            Channel::Candles(interval, symbol) => write!(f, "candles:{interval}:{symbol}"),
            Channel::Orders(account) => write!(f, "orders:{account}"),
        }
    }
}

/// Whether a message is the whole state or what changed.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Snapshot,
    /// What changed since `prev`.
    Update,
}

/// A row's change of one order.
#[derive(Debug, Clone)]
pub struct OrderChange {
    /// The row.
    pub seq: Seq,
    /// The order after it.
    pub order: OrderRecord,
    /// What happened to it.
    pub events: Vec<Event>,
}

/// What a message is about.
#[derive(Debug)]
pub enum Content<'a> {
    /// Levels as they are now, those that are gone with nothing.
    Book {
        /// The market.
        market: &'a SymbolMarket,
        /// Highest price first.
        bids: Vec<(u64, Level)>,
        /// Lowest price first.
        asks: Vec<(u64, Level)>,
    },
    /// Trades, oldest first.
    Trades {
        /// The market.
        market: &'a SymbolMarket,
        /// The trades.
        trades: Vec<MarketTrade>,
    },
    /// Best prices and figures.
    Ticker {
        /// The market.
        market: &'a SymbolMarket,
    },
    /// Candles as they are now, oldest first.
    Candles {
        /// The market.
        market: &'a SymbolMarket,
        /// Their length.
        interval: Interval,
        /// The candles.
        candles: Vec<Candle>,
    },
    /// Orders as they are after each row.
    Orders(&'a [OrderChange]),
}

/// A message before it is written down.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Its channel.
    pub channel: &'a Channel,
    /// What it is.
    pub kind: Kind,
    /// The row up to which it tells everything.
    pub seq: Seq,
    /// `seq` of the message before it; none of a snapshot.
    pub prev: Option<Seq>,
    /// The time of the newest row.
    pub time: Micros,
    /// What it is about.
    pub content: Content<'a>,
}

/// A message, written down once for all subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedMessage {
    /// Its channel.
    pub channel: Channel,
    /// The row up to which it tells everything.
    pub seq: Seq,
    /// As it is sent.
    pub text: Arc<str>,
}

impl FeedMessage {
    pub(super) fn of(draft: &Draft<'_>, encode: Encode) -> FeedMessage {
        FeedMessage { channel: draft.channel.clone(), seq: draft.seq, text: encode(draft).into() }
    }
}

pub(super) struct ChannelState {
    subscribers: Vec<(SessionId, Outbox)>,
    /// `seq` of the last message; at first the row at which the channel was opened.
    last: Seq,
    /// The last messages, oldest first.
    kept: VecDeque<Arc<FeedMessage>>,
    kept_bytes: usize,
    /// From where on `kept` tells everything.
    kept_since: Seq,
    deserted: Option<Instant>,
}

impl ChannelState {
    pub(super) fn new(now: Seq) -> ChannelState {
        ChannelState {
            subscribers: Vec::new(),
            last: now,
            kept: VecDeque::new(),
            kept_bytes: 0,
            kept_since: now,
            deserted: None,
        }
    }

    /// `seq` of the last message.
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    pub(super) fn join(&mut self, session: SessionId, to: Outbox) {
        self.deserted = None;
        self.subscribers.push((session, to));
    }

    pub(super) fn leave(&mut self, session: SessionId) {
        self.subscribers.retain(|(subscriber, _)| *subscriber != session);
        if self.subscribers.is_empty() {
            self.deserted.get_or_insert_with(Instant::now);
        }
    }

    /// Tells every subscriber that it gets nothing more.
    pub(super) fn give_up(&self) {
        self.subscribers.iter().for_each(|(_, to)| to.give_up());
    }

    /// Whether somebody listens, or may come back soon.
    pub(super) fn is_wanted(&self) -> bool {
        self.deserted.is_none_or(|since| since.elapsed() < KEPT_FOR)
    }

    /// The messages after a cursor, if all of them are kept.
    pub(super) fn since(&self, after: Seq) -> Option<Vec<Arc<FeedMessage>>> {
        let kept = self.kept.iter().filter(|message| message.seq > after);
        (after >= self.kept_since).then(|| kept.cloned().collect())
    }

    /// Writes a message down and sends it to everyone; whoever does not read is dropped.
    pub(super) fn publish(&mut self, channel: &Channel, encode: Encode, seq: Seq, time: Micros, content: Content<'_>) {
        assert!(seq > self.last, "a message of {channel} for row {seq} after row {}", self.last);
        let draft = Draft { channel, kind: Kind::Update, seq, prev: Some(self.last), time, content };
        let message = Arc::new(FeedMessage::of(&draft, encode));
        self.last = seq;
        self.subscribers.retain(|(_, to)| to.send(Arc::clone(&message)));
        if self.subscribers.is_empty() {
            self.deserted.get_or_insert_with(Instant::now);
        }
        self.kept_bytes += message.text.len();
        self.kept.push_back(message);
        while self.kept.len() > KEPT || self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes -= oldest.text.len();
            self.kept_since = oldest.seq;
        }
    }
}
