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
use matching::ledger::OrderRecord;
use matching::{Ledger, Seq};
use redis::{Script, cmd};
use uuid::Uuid;

use super::durability::RedisError;
use super::keys::{self, Keys};
use super::link::{Link, LinkError};
use super::words::{Writes, Writing};
use crate::views::DebugOrder;

/// The one way in which anything here is written.
const SCRIPT: &str = include_str!("projection.lua");
/// The beginning of a rebuild: what follows builds upon its token, and finds it no more in a Redis that was restarted.
const BEGIN: &str = r"
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'token', ARGV[2])
redis.set_repl(redis.REPL_REPLICA)
redis.call('HSET', KEYS[1], 'live', ARGV[2])
";
/// A write of some thousands of orders takes tens of milliseconds; nobody waits longer for a Redis that is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Words of one script call while rebuilding: about ten milliseconds of Redis's only thread, and a few hundred kB.
const WORDS_PER_CHUNK: usize = 4_000;
/// Keys that SCAN looks at per call, and that one DEL takes.
const SCAN_COUNT: usize = 1_000;

/// The keys `order:<id>`, `book:…`, `trades:…`, `order:id:seq` and `projection:seq`.
pub struct RedisProjection {
    keys: Keys,
    asks: Link,
    /// Opened by the first write, so that it is served on the thread that writes.
    writes: Link,
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
        let link = || Link::new(url, ANSWER_WITHIN).map_err(RedisError::url);
        let (asks, writes) = (link()?, link()?);
        asks.send::<redis::Value>(&cmd("PING")).await.map_err(RedisError::unreachable)?;
        Ok(RedisProjection { keys: Keys::new(), asks, writes, script: Script::new(SCRIPT) })
    }

    /// Runs the script by its hash, which Redis knows unless it was restarted since. Sending it whole after `NOSCRIPT`
    /// repeats nothing: a script that is not known did not run.
    async fn run(
        &self,
        expected: &Expected,
        to: Option<&ProjectionPosition>,
        writes: &Writes,
    ) -> Result<Ran, ProjectionError> {
        let [seq, epoch, chain] =
            to.map_or_else(Default::default, |to| [keys::position(to.seq), to.epoch.to_string(), to.chain.to_string()]);
        let (orders, commands) = (writes.orders.packed(), writes.commands.packed());
        let call = |name: &str, script: &str| {
            let mut call = cmd(name);
            call.arg(script).arg(1).arg(self.keys.projection());
            call.arg(&expected.seq).arg(&expected.token).arg(&seq).arg(&epoch).arg(&chain);
            call.arg(&orders).arg(&commands);
            call
        };
        let found: Result<Option<String>, LinkError> = self.writes.send(&call("EVALSHA", self.script.get_hash())).await;
        let found = match found {
            Err(LinkError::Refused(error)) if error.code() == Some("NOSCRIPT") => {
                self.writes.send(&call("EVAL", SCRIPT)).await
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
        writes: &Writes,
    ) -> Result<(), ProjectionError> {
        match self.run(ours, to, writes).await? {
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
                let (next, found): (String, Vec<String>) = self.writes.send(&scan).await.map_err(failed)?;
                let mut writes = Writes::default();
                for key in &found {
                    writes.commands.command(&["UNLINK", key]);
                }
                if !found.is_empty() {
                    self.rebuild_step(ours, None, &writes).await?;
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
        get.arg(self.keys.projection()).arg(&POSITION_FIELDS);
        self.asks.send(&get).await.map(state_of).map_err(failed)
    }

    async fn write(&self, write: &ProjectionWrite) -> Result<Written, ProjectionError> {
        let writes = writes_of(&self.keys, write);
        let expected = Expected { seq: keys::position(write.from), token: String::new() };
        Ok(match self.run(&expected, Some(&write.to), &writes).await? {
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
        let mut begin = cmd("EVAL");
        begin.arg(BEGIN).arg(1).arg(self.keys.projection()).arg(&ours.seq).arg(&ours.token);
        self.writes.send::<redis::Value>(&begin).await.map_err(failed)?;

        self.clear(&ours).await?;
        let mut writing = Writing::new(&self.keys);
        for order in ledger.orders() {
            writing.order(order);
            writing = self.flush(&ours, writing).await?;
        }
        for trade in ledger.trades() {
            writing.trade(trade);
            writing = self.flush(&ours, writing).await?;
        }
        writing.greatest_order_id(ledger.greatest_order_id());
        self.rebuild_step(&ours, Some(&position), &writing.finish(&[])).await
    }
}

impl RedisProjection {
    /// Sends what is written of a rebuild once it is enough for one call.
    async fn flush<'a>(&'a self, ours: &Expected, writing: Writing<'a>) -> Result<Writing<'a>, ProjectionError> {
        if writing.len() < WORDS_PER_CHUNK {
            return Ok(writing);
        }
        self.rebuild_step(ours, None, &writing.finish(&[])).await?;
        Ok(Writing::new(&self.keys))
    }
}

/// A write as the script takes it.
fn writes_of(keys: &Keys, write: &ProjectionWrite) -> Writes {
    let mut writing = Writing::new(keys);
    write.left_places.iter().for_each(|place| writing.leave_book(place));
    write.orders.iter().for_each(|order| writing.order(order));
    write.dropped_orders.iter().for_each(|order| writing.drop_order(order));
    write.trades.iter().for_each(|trade| writing.trade(trade));
    writing.greatest_order_id(write.greatest_order_id);
    writing.finish(&write.dropped_trades)
}

/// The commands that have the effect of a write, one line each, for people.
pub fn written_as(write: &ProjectionWrite) -> Vec<String> {
    let keys = Keys::new();
    let hash = |order: &OrderRecord| {
        let fields = DebugOrder::from(order).fields().into_iter().map(|(name, value)| format!(" {name} {value}"));
        format!("HSET {}{}", keys.order(order.order_id), fields.collect::<String>())
    };
    let orders = write.orders.iter().map(hash);
    orders.chain(writes_of(&keys, write).commands.lines()).collect()
}

/// The fields of the position's hash that say what is shown.
pub(super) const POSITION_FIELDS: [&str; 4] = ["seq", "epoch", "chain", "live"];

/// Their values.
pub(super) type PositionFields = (Option<String>, Option<String>, Option<String>, Option<String>);

/// What the position's hash says.
pub(super) fn state_of((seq, epoch, chain, live): PositionFields) -> ProjectionState {
    let is_live = live == seq;
    let position = || {
        let seq = Seq::new(seq?.parse().ok()?)?;
        Some(ProjectionPosition { seq, epoch: Epoch(epoch?.parse().ok()?), chain: Chain::from_hex(&chain?)? })
    };
    match position() {
        Some(position) if is_live => ProjectionState::At(position),
        Some(position) => ProjectionState::Lost(position),
        None => ProjectionState::Unusable,
    }
}

pub(super) fn failed(error: impl Display) -> ProjectionError {
    ProjectionError(error.to_string())
}
