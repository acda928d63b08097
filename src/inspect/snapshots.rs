//! Snapshots: what there is, whether one is what the log gives, and what differs between two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use actors::recovery::row_at;
use actors::{Audit, AuditError, Replay};
use journal::{EventLog, LogError, Position, SnapshotSummary};
use matching::{Amount, Engine, EngineImage, Micros, OrderId, Seq, Side, StateHash, Symbol};
use serde::Serialize;
use utoipa::ToSchema;

use crate::exit::End;
use crate::storage::Records;

/// A snapshot as it is listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "at_seq": 1000, "created_at": 1732880001123456_u64, "size_bytes": 20480,
    "state_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "format": 1, "engine_version": 1,
    "verified_at": 1732880001223456_u64, "age_s": 12
}))]
pub struct SnapshotView {
    /// The row that it is the state after.
    pub at_seq: u64,
    /// When that row was numbered, in microseconds since 1970; when it was verified where the row is not there any more.
    pub created_at: u64,
    /// Its size as it is stored.
    pub size_bytes: u64,
    /// The hash of the state.
    pub state_hash: String,
    /// How it is written.
    pub format: i16,
    /// The matching rules of that row; null where the row is not there any more.
    pub engine_version: Option<i32>,
    /// When it was read back and verified, in microseconds since 1970.
    pub verified_at: u64,
    /// How long ago that was, in seconds.
    pub age_s: u64,
}

impl SnapshotView {
    async fn of(log: &dyn EventLog, summary: &SnapshotSummary, now: Micros) -> Result<SnapshotView, LogError> {
        let row = match row_at(log, summary.seq).await {
            Err(LogError::Damaged { .. }) => None,
            row => row?,
        };
        let verified_at = summary.verified_at.get();
        Ok(SnapshotView {
            at_seq: summary.seq.get(),
            created_at: row.as_ref().map_or(verified_at, |row| row.time.get()),
            size_bytes: summary.bytes,
            state_hash: summary.state_hash.to_string(),
            format: summary.format,
            engine_version: row.map(|row| row.engine_version),
            verified_at,
            age_s: now.get().saturating_sub(verified_at) / 1_000_000,
        })
    }
}

/// All snapshots, newest first.
pub async fn list(records: &Records, now: Micros) -> Result<Vec<SnapshotView>, End> {
    let mut views = Vec::new();
    for summary in records.snapshots.list().await? {
        views.push(SnapshotView::of(&*records.log, &summary, now).await?);
    }
    Ok(views)
}

/// Whether a snapshot is what the log gives.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "at_seq": 1000, "ok": true, "state_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "replayed_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "finding": null, "from_seq": 0,
    "rows": 1000, "took_ms": 12
}))]
pub struct Verification {
    /// The row that it is the state after.
    at_seq: u64,
    /// Whether it is.
    ok: bool,
    /// The hash of the snapshot.
    state_hash: String,
    /// The hash of the state that the log gives; null where it gives none.
    replayed_hash: Option<String>,
    /// What is wrong; null when nothing is.
    finding: Option<String>,
    /// The row from which the log was replayed: the snapshot before this one, or the beginning.
    from_seq: u64,
    /// How many rows were folded, and their commands applied again.
    rows: u64,
    /// How long it took.
    took_ms: u64,
}

/// Replays the log from the snapshot before this one, folding events and applying commands, and compares.
pub async fn verify(records: &Records, at_seq: Seq) -> Result<Verification, End> {
    let began = Instant::now();
    let (image, state_hash) = image(records, at_seq).await?;
    let retain_closed = image.ledger.retention();
    let before = match at_seq.previous() {
        Some(before) => Replay::from_snapshot(&*records.snapshots, before, retain_closed).await?,
        None => Replay::from_the_start(retain_closed),
    };
    let mut replay = from_where_the_log_begins(records, before).await?;
    let from_seq = replay.position.seq.get();
    let (replayed_hash, finding) = match replayed(records, &mut replay, at_seq).await {
        // What an earlier snapshot kept of closed orders may have been another number.
        Ok(replayed) => {
            let differs = replayed.router != image.router || replayed.books != image.books;
            let finding = differs.then(|| AuditError::SnapshotDiffers { seq: at_seq }.to_string());
            (Some(StateHash::of(&replayed.encode()).to_string()), finding)
        }
        Err(AuditError::Log(LogError::Unknown(error))) => return Err(LogError::Unknown(error).into()),
        Err(finding) => (None, Some(finding.to_string())),
    };
    Ok(Verification {
        at_seq: at_seq.get(),
        ok: finding.is_none(),
        state_hash: state_hash.to_string(),
        replayed_hash,
        finding,
        from_seq,
        rows: at_seq.get() - from_seq,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The state at a row, by folding the events and by applying the commands, which must give the same.
async fn replayed(records: &Records, replay: &mut Replay, to: Seq) -> Result<EngineImage, AuditError> {
    let mut audit = Audit::new(replay.engine.clone());
    replay.advance(&*records.log, to, |_, row, events| audit.take(row, events)).await?;
    audit.agree(&replay.engine)?;
    Ok(replay.engine.image())
}

/// A replay that can be carried on; an error that says so where the rows behind it are not there any more.
async fn from_where_the_log_begins(records: &Records, replay: Replay) -> Result<Replay, End> {
    let next = replay.position.seq.next();
    match records.log.page(replay.position.seq, 1).await?.first() {
        Some(row) if row.seq > next && replay.position == Position::START => {
            Err(End::Usage(format!("the log begins at row {}, and no snapshot is there to go on from", row.seq)))
        }
        _ => Ok(replay),
    }
}

/// The image of a snapshot, proven to be the one that was stored, and its hash.
async fn image(records: &Records, at_seq: Seq) -> Result<(EngineImage, StateHash), End> {
    let snapshot = records.snapshots.newest_until(at_seq).await?.filter(|snapshot| snapshot.position.seq == at_seq);
    let snapshot = snapshot.ok_or_else(|| End::Usage(format!("there is no snapshot at row {at_seq}")))?;
    let damaged = |error: journal::snapshot::OpenError| {
        AuditError::from(journal::SnapshotError::Damaged { seq: at_seq, error: error.to_string() })
    };
    Ok((snapshot.open().map_err(damaged)?, snapshot.state_hash))
}

/// A side of a market in one of the snapshots.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SideTotals {
    /// Its orders.
    orders: u64,
    /// Its prices.
    levels: u64,
    /// What is left of its orders.
    #[schema(value_type = String)]
    quantity: Amount,
}

/// A market in one of the snapshots.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MarketTotals {
    /// Its phase.
    phase: &'static str,
    /// The price of the last trade; null before the first.
    last_price: Option<String>,
    /// Orders to buy.
    bids: SideTotals,
    /// Orders to sell.
    asks: SideTotals,
}

/// What differs in a market.
#[derive(Debug, Serialize, ToSchema)]
pub struct MarketDifference {
    /// The market.
    #[schema(value_type = String)]
    symbol: Symbol,
    /// In the first snapshot; null where it is not listed.
    a: Option<MarketTotals>,
    /// In the second one.
    b: Option<MarketTotals>,
    /// Orders that are in the second book and not in the first.
    came: u64,
    /// Orders that are in the first book and not in the second.
    left: u64,
    /// Orders that are in both, and of which more or less is left, or at another price.
    changed: u64,
}

/// What differs between two snapshots.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotDifference {
    /// The first.
    a: u64,
    /// The second.
    b: u64,
    /// Whether the two states are the same but for what is kept of closed orders.
    same: bool,
    /// Markets in which something differs.
    symbols: Vec<MarketDifference>,
}

/// What differs between the snapshots at two rows.
pub async fn compare(records: &Records, a: Seq, b: Seq) -> Result<SnapshotDifference, End> {
    let (first, second) = (engine(records, a).await?, engine(records, b).await?);
    let listed = |engine: &Engine| engine.ledger().instruments().map(|one| one.symbol()).collect::<BTreeSet<Symbol>>();
    let symbols = listed(&first).union(&listed(&second)).copied().collect::<Vec<_>>();
    let differences = symbols.into_iter().map(|symbol| difference(&first, &second, symbol));
    let symbols: Vec<MarketDifference> = differences.filter(MarketDifference::is_one).collect();
    Ok(SnapshotDifference { a: a.get(), b: b.get(), same: symbols.is_empty(), symbols })
}

async fn engine(records: &Records, at_seq: Seq) -> Result<Engine, End> {
    let (image, _) = image(records, at_seq).await?;
    let retain_closed = image.ledger.retention();
    Ok(Engine::from_image(image, retain_closed))
}

impl MarketDifference {
    fn is_one(&self) -> bool {
        self.a != self.b || self.came + self.left + self.changed > 0
    }
}

fn difference(first: &Engine, second: &Engine, symbol: Symbol) -> MarketDifference {
    let (before, after) = (resting(first, symbol), resting(second, symbol));
    let came = after.keys().filter(|order_id| !before.contains_key(order_id)).count();
    let left = before.keys().filter(|order_id| !after.contains_key(order_id)).count();
    let changed = before.iter().filter(|(order_id, was)| after.get(order_id).is_some_and(|is| is != *was)).count();
    MarketDifference {
        symbol,
        a: totals(first, symbol),
        b: totals(second, symbol),
        came: came as u64,
        left: left as u64,
        changed: changed as u64,
    }
}

/// Price and rest of each order of a book, in units.
fn resting(engine: &Engine, symbol: Symbol) -> BTreeMap<OrderId, (u64, u64)> {
    let sides = [Side::Buy, Side::Sell].into_iter();
    let orders = engine.book(symbol).into_iter().flat_map(|book| sides.clone().flat_map(|side| book.orders(side)));
    orders.map(|order| (order.order_id, (order.price.units(), order.remaining.units()))).collect()
}

fn totals(engine: &Engine, symbol: Symbol) -> Option<MarketTotals> {
    let (market, book) = (engine.ledger().market(symbol)?, engine.book(symbol)?);
    let side = |side| {
        let quantity: u128 = book.orders(side).map(|order| u128::from(order.remaining.units())).sum();
        let prices: BTreeSet<u64> = book.orders(side).map(|order| order.price.units()).collect();
        SideTotals {
            orders: book.orders(side).count() as u64,
            levels: prices.len() as u64,
            quantity: market.instrument.quantity_amount(quantity),
        }
    };
    Some(MarketTotals {
        phase: market.phase.as_str(),
        last_price: market.last_price.map(|price| price.to_string()),
        bids: side(Side::Buy),
        asks: side(Side::Sell),
    })
}
