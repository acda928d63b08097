//! The mirror of the ledger that outside readers look at.
//!
//! Invariant: `projection:seq` names the row whose state the other keys show. Everything is written by one script that
//! compares that position first, so neither a write that is repeated nor one that was stuck in a connection and comes
//! late can change a projection that has moved on. Nothing here is fsynced for its own sake: it can all be rebuilt.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use journal::{
    Chain, Epoch, Projection, ProjectionError, ProjectionPosition, ProjectionState, ProjectionWrite, Written,
};
use matching::ledger::{OrderRecord, Place, TradeRecord};
use matching::{Ledger, OrderId, Seq};
use redis::{Script, cmd};
use uuid::Uuid;

use super::durability::RedisError;
use super::keys::{self, Keys};
use super::link::{Link, LinkError};
use crate::views::{DebugOrder, DebugTrade};

/// The one way in which anything here is written.
const SCRIPT: &str = include_str!("projection.lua");
/// A write of some thousands of orders takes tens of milliseconds; nobody waits longer for a Redis that is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Words of one script call while rebuilding: about ten milliseconds of Redis's only thread, and a few hundred kB.
const WORDS_PER_CHUNK: usize = 20_000;
/// Keys that SCAN looks at per call, and that one DEL takes.
const SCAN_COUNT: usize = 1_000;

/// The keys `order:<id>`, `book:…`, `trades:…`, `order:id:seq` and `projection:seq`.
pub struct RedisProjection {
    keys: Keys,
    link: Link,
    script: Script,
}

/// Which position the script expects to find.
struct Expected {
    seq: String,
    token: String,
}

/// What the script said.
enum Ran {
    Done,
    /// The position was another one.
    Found(String),
}

impl RedisProjection {
    /// Connects; an address that cannot be used or a server that does not answer is an error.
    pub async fn connect(url: &str) -> Result<RedisProjection, RedisError> {
        let link = Link::new(url, ANSWER_WITHIN).map_err(RedisError::url)?;
        link.send::<redis::Value>(&cmd("PING")).await.map_err(RedisError::unreachable)?;
        Ok(RedisProjection { keys: Keys::new(), link, script: Script::new(SCRIPT) })
    }

    /// Runs the script by its hash, which Redis knows unless it was restarted since. Sending it whole after `NOSCRIPT`
    /// repeats nothing: a script that is not known did not run.
    async fn run(
        &self,
        expected: &Expected,
        to: Option<&ProjectionPosition>,
        words: Words,
    ) -> Result<Ran, ProjectionError> {
        let [seq, epoch, chain] =
            to.map_or_else(Default::default, |to| [keys::position(to.seq), to.epoch.to_string(), to.chain.to_string()]);
        let call = |name: &str, script: &str| {
            let mut call = cmd(name);
            call.arg(script).arg(1).arg(self.keys.projection());
            call.arg(&expected.seq).arg(&expected.token).arg(&seq).arg(&epoch).arg(&chain).arg(&words.0);
            call
        };
        let found: Result<Option<String>, LinkError> = self.link.send(&call("EVALSHA", self.script.get_hash())).await;
        let found = match found {
            Err(LinkError::Refused(error)) if error.code() == Some("NOSCRIPT") => {
                self.link.send(&call("EVAL", SCRIPT)).await
            }
            found => found,
        };
        Ok(found.map_err(failed)?.map_or(Ran::Done, Ran::Found))
    }

    /// One step of a rebuild; an error when another rebuild has taken over meanwhile.
    async fn rebuild_step(
        &self,
        ours: &Expected,
        to: Option<&ProjectionPosition>,
        words: Words,
    ) -> Result<(), ProjectionError> {
        match self.run(ours, to, words).await? {
            Ran::Done => Ok(()),
            Ran::Found(found) => Err(ProjectionError(format!(
                "the rebuild was overtaken: {} is {found:?} now, not {:?}",
                self.keys.projection(),
                ours.seq
            ))),
        }
    }

    /// Deletes every key of the projection but its position.
    async fn clear(&self, ours: &Expected) -> Result<(), ProjectionError> {
        for pattern in self.keys.projected() {
            let mut cursor = String::from("0");
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
                let (next, found): (String, Vec<Vec<u8>>) = self.link.send(&scan).await.map_err(failed)?;
                let mut words = Words::default();
                for key in &found {
                    words.command(&[b"UNLINK", key.as_slice()]);
                }
                if !found.is_empty() {
                    self.rebuild_step(ours, None, words).await?;
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Projection for RedisProjection {
    async fn state(&self) -> Result<ProjectionState, ProjectionError> {
        let mut get = cmd("HMGET");
        get.arg(self.keys.projection()).arg("seq").arg("epoch").arg("chain");
        self.link.send(&get).await.map(state_of).map_err(failed)
    }

    async fn write(&self, write: &ProjectionWrite) -> Result<Written, ProjectionError> {
        let words = Words::of(&self.keys, write)?;
        let expected = Expected { seq: keys::position(write.from), token: String::new() };
        Ok(match self.run(&expected, Some(&write.to), words).await? {
            Ran::Done => Written::Written,
            Ran::Found(found) => match found.parse::<u64>() {
                Ok(seq) if seq >= write.to.seq.get() => Written::Older,
                _ => Written::Gap,
            },
        })
    }

    async fn rebuild(&self, ledger: Arc<Ledger>, position: ProjectionPosition) -> Result<(), ProjectionError> {
        // The token tells this rebuild's steps from those of one that was given up and may still be in some buffer.
        let ours = Expected { seq: keys::rebuilding(position.epoch), token: Uuid::new_v4().to_string() };
        let mut begin = redis::pipe();
        begin.atomic().del(self.keys.projection()).ignore();
        begin.hset_multiple(self.keys.projection(), &[("seq", &ours.seq), ("token", &ours.token)]).ignore();
        self.link.send_all::<()>(&begin).await.map_err(failed)?;

        self.clear(&ours).await?;
        let mut words = Words::default();
        for order in ledger.orders() {
            words.order(&self.keys, order);
            words.place_in_book(&self.keys, order);
            self.flush(&ours, &mut words).await?;
        }
        for trade in ledger.trades() {
            words.trade(&self.keys, trade)?;
            self.flush(&ours, &mut words).await?;
        }
        words.greatest_order_id(&self.keys, ledger.greatest_order_id());
        self.rebuild_step(&ours, Some(&position), words).await
    }
}

impl RedisProjection {
    /// Sends the words of a rebuild once they are enough for one call.
    async fn flush(&self, ours: &Expected, words: &mut Words) -> Result<(), ProjectionError> {
        if words.0.len() < WORDS_PER_CHUNK {
            return Ok(());
        }
        self.rebuild_step(ours, None, std::mem::take(words)).await
    }
}

/// The commands that Redis is sent for a write, one line each, for people.
pub fn written_as(write: &ProjectionWrite) -> Result<Vec<String>, ProjectionError> {
    Ok(Words::of(&Keys::new(), write)?.lines())
}

/// Commands for the script: how many words, and the words, one command after the other.
#[derive(Default)]
struct Words(Vec<Vec<u8>>);

impl Words {
    /// The commands of a run of rows.
    fn of(keys: &Keys, write: &ProjectionWrite) -> Result<Words, ProjectionError> {
        let mut words = Words::default();
        for place in &write.left_places {
            words.leave_book(keys, place);
        }
        for order in &write.orders {
            words.order(keys, order);
            words.place_in_book(keys, order);
        }
        for order in &write.dropped_orders {
            words.drop_order(keys, order);
        }
        for trade in &write.trades {
            words.trade(keys, trade)?;
        }
        // After the new ones: a trade of this very run may be among the dropped.
        for trade in &write.dropped_trades {
            words.drop_trade(keys, trade)?;
        }
        words.greatest_order_id(keys, write.greatest_order_id);
        Ok(words)
    }

    /// One line for each command, for people.
    fn lines(&self) -> Vec<String> {
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let (mut lines, mut rest) = (Vec::new(), self.0.as_slice());
        while let Some((count, behind)) = rest.split_first() {
            let count = text(count).parse().unwrap_or(behind.len());
            let (command, behind) = behind.split_at(count.min(behind.len()));
            lines.push(command.iter().map(text).collect::<Vec<_>>().join(" "));
            rest = behind;
        }
        lines
    }

    fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        self.0.push(words.len().to_string().into_bytes());
        self.0.extend(words.iter().map(|word| word.as_ref().to_vec()));
    }

    /// The order's hash. No field ever goes away again, so those that are there need not be deleted first.
    fn order(&mut self, keys: &Keys, order: &OrderRecord) {
        let fields = DebugOrder::from(order).fields();
        self.0.push((2 + 2 * fields.len()).to_string().into_bytes());
        self.0.push(b"HSET".to_vec());
        self.0.push(keys.order(order.order_id).into_bytes());
        for (name, value) in fields {
            self.0.push(name.as_bytes().to_vec());
            self.0.push(value.into_bytes());
        }
    }

    /// Puts the order into its place in the book, if it has one.
    fn place_in_book(&mut self, keys: &Keys, order: &OrderRecord) {
        if let (Some(place), Some(price)) = (order.place(), order.price_units()) {
            let book = keys.book(place.symbol, place.side);
            let member = keys::member(place.priority, place.order_id);
            self.command(&["ZADD", &book, &keys::score(place.side, price), &member]);
        }
    }

    /// Empties a place that an order left, if it was filled before this run.
    fn leave_book(&mut self, keys: &Keys, place: &Place) {
        let member = keys::member(place.priority, place.order_id);
        self.command(&["ZREM", &keys.book(place.symbol, place.side), &member]);
    }

    fn drop_order(&mut self, keys: &Keys, order: &OrderRecord) {
        self.command(&["DEL", &keys.order(order.order_id)]);
    }

    fn trade(&mut self, keys: &Keys, trade: &TradeRecord) -> Result<(), ProjectionError> {
        self.command(&["RPUSH", &keys.trades(trade.symbol), &trade_json(trade)?]);
        Ok(())
    }

    /// Trades go in about the order they came, so the search from the head is short.
    fn drop_trade(&mut self, keys: &Keys, trade: &TradeRecord) -> Result<(), ProjectionError> {
        self.command(&["LREM", &keys.trades(trade.symbol), "1", &trade_json(trade)?]);
        Ok(())
    }

    fn greatest_order_id(&mut self, keys: &Keys, order_id: Option<OrderId>) {
        if let Some(order_id) = order_id {
            self.command(&["SET", &keys.order_id(), &order_id.to_string()]);
        }
    }
}

/// The fields `seq`, `epoch` and `chain` of the position's hash.
pub(super) type PositionFields = (Option<String>, Option<String>, Option<String>);

/// What the position's hash says.
pub(super) fn state_of((seq, epoch, chain): PositionFields) -> ProjectionState {
    let position = || {
        let seq = Seq::new(seq?.parse().ok()?)?;
        Some(ProjectionPosition { seq, epoch: Epoch(epoch?.parse().ok()?), chain: chain_of_hex(&chain?)? })
    };
    position().map_or(ProjectionState::Unusable, ProjectionState::At)
}

pub(super) fn trade_json(trade: &TradeRecord) -> Result<String, ProjectionError> {
    serde_json::to_string(&DebugTrade::from(trade)).map_err(|error| failed(format!("a trade has no JSON: {error}")))
}

pub(super) fn failed(error: impl Display) -> ProjectionError {
    ProjectionError(error.to_string())
}

fn chain_of_hex(text: &str) -> Option<Chain> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1])).collect::<Result<_, _>>().ok()?;
    Chain::from_bytes(&bytes)
}
