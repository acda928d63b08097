//! Compares the projection in Redis with the ledger, key by key, also while a service writes both: a group of keys is
//! read together with the row that it belongs to, and the ledger is carried on to that row.

use std::collections::{BTreeMap, BTreeSet};

use actors::Replay;
use actors::recovery::check_shown;
use journal::{EventLog, ProjectionState};
use matching::OrderId;
use serde::Serialize;

use crate::adapters::redis::{RedisAudit, Shown};
use crate::exit::End;

/// Keys that are read at once: a few milliseconds of Redis's only thread.
const KEYS_AT_ONCE: usize = 500;
/// Differences that are kept to be shown; all are counted.
const SHOWN_DIFFERENCES: usize = 10;

/// A key that does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// What it should show; empty when it should be absent.
    pub expected: Shown,
    /// What it shows; empty when it is absent.
    pub found: Shown,
}

/// What a comparison found.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// Keys that were compared.
    pub keys: usize,
    /// Keys that differ.
    pub differences: usize,
    /// The first of them.
    pub first: Vec<Difference>,
}

impl Comparison {
    fn compare(&mut self, key: String, expected: Shown, found: Shown) {
        self.keys += 1;
        if expected == found {
            return;
        }
        self.differences += 1;
        if self.first.len() < SHOWN_DIFFERENCES {
            self.first.push(Difference { key, expected, found });
        }
    }
}

/// Compares every key of the projection with the ledger at the row that the projection shows; `replay` must not be past
/// it, and ends at the last row that was compared.
pub async fn moving(audit: &RedisAudit, log: &dyn EventLog, replay: &mut Replay) -> Result<Comparison, End> {
    groups(audit, replay, async |state, replay| {
        let ProjectionState::At(at) = state else { return Err(End::NoProjection) };
        let end = log.position().await?.position.seq;
        check_shown(log, at, end).await?;
        if at.seq < replay.position.seq {
            return Err(End::ProjectionBehind { shown: at.seq, log: replay.position.seq });
        }
        replay.advance(log, at.seq, |_, _, _| Ok::<(), End>(())).await
    })
    .await
}

/// Compares every key with the ledger as it is, whatever row the projection says that it shows.
pub async fn resting(audit: &RedisAudit, replay: &mut Replay) -> Result<Comparison, End> {
    groups(audit, replay, async |_, _| Ok(())).await
}

async fn groups(
    audit: &RedisAudit,
    replay: &mut Replay,
    mut follow: impl AsyncFnMut(ProjectionState, &mut Replay) -> Result<(), End>,
) -> Result<Comparison, End> {
    let mut comparison = Comparison::default();
    let there = audit.keys().await?;
    let expected: Vec<OrderId> = replay.engine.ledger().orders().map(|order| order.order_id).collect();
    let orders: BTreeMap<String, OrderId> = expected.into_iter().map(|id| (audit.order_key(id), id)).collect();
    let order_prefix = audit.order_key(OrderId::new(0).unwrap_or_else(|| unreachable!("0 is an id")));
    let order_prefix = order_prefix.trim_end_matches('0');
    let is_order = |key: &String| {
        key.strip_prefix(order_prefix).is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
    };

    let order_keys: BTreeSet<String> = there.iter().filter(|key| is_order(key)).chain(orders.keys()).cloned().collect();
    let order_keys: Vec<String> = order_keys.into_iter().collect();
    for group in order_keys.chunks(KEYS_AT_ONCE) {
        let (state, found) = audit.read(group).await?;
        follow(state, replay).await?;
        for (key, found) in group.iter().zip(found) {
            let id = key.strip_prefix(order_prefix).and_then(|id| id.parse().ok()).and_then(OrderId::new);
            let order = id.and_then(|id| replay.engine.ledger().order(id));
            comparison.compare(key.clone(), order.map_or_else(Shown::new, RedisAudit::order), found);
        }
    }

    // Which market keys there must be depends on the row: all that may be there are read at once.
    let mut market_keys: BTreeSet<String> = there.into_iter().filter(|key| !is_order(key)).collect();
    market_keys.extend(audit.markets(replay.engine.ledger())?.into_keys());
    let market_keys: Vec<String> = market_keys.into_iter().collect();
    let (state, found) = audit.read(&market_keys).await?;
    follow(state, replay).await?;
    let mut expected = audit.markets(replay.engine.ledger())?;
    for (key, found) in market_keys.into_iter().zip(found) {
        let expected = expected.remove(&key).unwrap_or_default();
        comparison.compare(key, expected, found);
    }
    Ok(comparison)
}
