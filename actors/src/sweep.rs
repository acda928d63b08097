//! Proves the log again and again beside the running service: the chain of every row from the first one on, and from the
//! oldest kept snapshot on that its commands give its events and every later snapshot.
//!
//! It lives on a thread of its own, apart from those that match, and works for at most a twentieth of the time: after
//! each page it rests for as long as nineteen such pages take. It holds one state, and only during a sweep. That router
//! and books come out the same when they are folded is proven by every start and by `pricetime verify`; the ledger is a
//! fold in any case.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Arbiter;
use futures_util::FutureExt;
use journal::{Clock, EventLog, LogError, Position, Snapshot, SnapshotError, SnapshotStore};
use matching::{Engine, Seq};
use tokio::time::{Instant, sleep};
use tracing::{debug, error, info};

use crate::audit::{Audit, AuditError, check_snapshot};
use crate::recovery::{Replay, damaged, next_events};
use crate::runbook::Runbook;

/// Rows read at once: a few milliseconds of work.
const PAGE_ROWS: u64 = 500;
/// How many times as long as it works it rests: at most one part in twenty of a core.
const REST: u32 = 19;

/// What is proven; read by health and metrics.
#[derive(Debug, Default)]
pub struct Proof {
    seq: AtomicU64,
    at: AtomicU64,
    /// The row that is being looked at.
    looking_at: AtomicU64,
    damage: Mutex<Option<String>>,
}

impl Proof {
    /// The last row up to which everything was proven right.
    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Relaxed)
    }

    /// When that was, in microseconds since 1970; 0 before the first time.
    pub fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Whether the last sweep found nothing wrong.
    pub fn is_sound(&self) -> bool {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn set_damage(&self, damage: Option<String>) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
    }
}

/// What a sweep reads.
pub struct Sweep {
    /// The log to prove.
    pub log: Arc<dyn EventLog>,
    /// The snapshots to begin at and to prove.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// The service's clock.
    pub clock: Arc<dyn Clock>,
    /// How many closed orders the ledger keeps.
    pub retain_closed: u64,
    /// The time from the beginning of one sweep to the next; one that takes longer is followed at once.
    pub period: Duration,
}

impl Sweep {
    /// Sweeps for as long as the process lives, on a thread of its own.
    pub fn start(self) -> Arc<Proof> {
        let proof = Arc::new(Proof::default());
        let told = Arc::clone(&proof);
        // Not a thread of the engine: a panic here is a finding, and the engine goes on.
        Arbiter::new().spawn(async move { self.go_on(&told).await });
        proof
    }

    async fn go_on(&self, proof: &Proof) {
        loop {
            let began = Instant::now();
            // A failed assertion says that the state is impossible: as good as any other finding.
            let swept = AssertUnwindSafe(self.sweep(proof)).catch_unwind().await;
            match swept {
                Ok(Ok(seq)) => {
                    proof.seq.store(seq.get(), Ordering::Relaxed);
                    proof.at.store(self.clock.now().get(), Ordering::Relaxed);
                    if !proof.is_sound() {
                        info!(%seq, "the event log is proven right again");
                    }
                    proof.set_damage(None);
                    debug!(%seq, milliseconds = began.elapsed().as_millis() as u64, "the event log is proven right");
                }
                Ok(Err(
                    AuditError::Log(LogError::Unknown(error)) | AuditError::Snapshot(SnapshotError::Store(error)),
                )) => {
                    debug!(error, "the event log does not answer; it is proven later");
                }
                Ok(Err(finding)) => found(proof, &finding.to_string()),
                Err(_) => {
                    let row = proof.looking_at.load(Ordering::Relaxed);
                    found(proof, &format!("row {row}: what it does is impossible in the state before it"));
                }
            }
            sleep(self.period.saturating_sub(began.elapsed())).await;
        }
    }

    /// One sweep: the row up to which everything is right.
    async fn sweep(&self, proof: &Proof) -> Result<Seq, AuditError> {
        let end = self.log.position().await?.position;
        let mut snapshots: Vec<Seq> = self.snapshots.list().await?.iter().map(|snapshot| snapshot.seq).collect();
        snapshots.retain(|seq| *seq <= end.seq);
        let mut at = Position::START;
        let mut audit = loop {
            // The oldest first, which is the last of the list.
            let Some(seq) = snapshots.pop() else {
                at = Position::START;
                break Audit::new(Engine::new(self.retain_closed));
            };
            match self.open(seq).await? {
                Some(snapshot) => {
                    self.prove_chain(proof, &mut at, snapshot.position).await?;
                    break Audit::new(Replay::of(&snapshot, self.retain_closed)?.engine);
                }
                None => continue,
            }
        };
        while at.seq < end.seq {
            let stop = snapshots.pop().unwrap_or(end.seq).min(end.seq);
            self.prove(proof, &mut at, stop, |row, events| audit.take(row, events)).await?;
            if stop < end.seq {
                let began = Instant::now();
                match check_snapshot(&*self.snapshots, audit.engine()).await {
                    Err(AuditError::Snapshot(SnapshotError::Damaged { seq, error })) => damaged_snapshot(seq, &error),
                    checked => drop(checked?),
                }
                rest(began).await;
            }
        }
        if at == end { Ok(end.seq) } else { Err(damaged(end.seq, "the writer's position names another row").into()) }
    }

    /// The snapshot at this row, if it is still kept and sound. One that is not costs time at the next start and is no
    /// danger to what the log says, so it is told and passed over.
    async fn open(&self, seq: Seq) -> Result<Option<Snapshot>, AuditError> {
        let began = Instant::now();
        let read = self.snapshots.newest_until(seq).await;
        let opened = match read {
            Ok(Some(snapshot)) if snapshot.position.seq == seq => match snapshot.verify() {
                Ok(()) => Some(snapshot),
                Err(error) => {
                    damaged_snapshot(seq, &error.to_string());
                    None
                }
            },
            Ok(_) => None,
            Err(SnapshotError::Damaged { seq, error }) => {
                damaged_snapshot(seq, &error);
                None
            }
            Err(error) => return Err(error.into()),
        };
        rest(began).await;
        Ok(opened)
    }

    /// Proves that the rows up to `to` are chained. An operator may have detached the oldest of them: then it begins at
    /// the first that is there.
    async fn prove_chain(&self, proof: &Proof, at: &mut Position, to: Position) -> Result<(), AuditError> {
        match self.log.page(at.seq, 1).await?.first() {
            Some(first) if first.seq > at.seq.next() && first.seq <= to.seq => *at = first.position(),
            Some(first) if first.seq <= to.seq => {}
            _ => *at = to,
        }
        self.prove(proof, at, to.seq, |_, _| Ok(())).await?;
        if *at == to { Ok(()) } else { Err(AuditError::SnapshotDiffers { seq: to.seq }) }
    }

    /// Reads the rows up to `to`, each proven to follow the one before, and rests after each page.
    async fn prove(
        &self,
        proof: &Proof,
        at: &mut Position,
        to: Seq,
        mut each: impl FnMut(&journal::Record, &[matching::Event]) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        while at.seq < to {
            let began = Instant::now();
            let wanted = (to.get() - at.seq.get()).min(PAGE_ROWS) as usize;
            let rows = self.log.page(at.seq, wanted).await?;
            if rows.is_empty() {
                return Err(damaged(at.seq.next(), "the row is missing").into());
            }
            for row in &rows {
                proof.looking_at.store(row.seq.get(), Ordering::Relaxed);
                let events = next_events(at, row)?;
                each(row, &events)?;
                *at = row.position();
            }
            rest(began).await;
        }
        Ok(())
    }
}

/// Rests in proportion to the work that was begun then.
async fn rest(began: Instant) {
    sleep(began.elapsed() * REST).await;
}

fn found(proof: &Proof, finding: &str) {
    error!(
        "FATAL: the event log is not what it must be: {finding}\nThis service is not ready any more. Keep the storage as \
         it is, and see `pricetime verify --full`; restore the log from a copy that verifies\n{}",
        Runbook::BadRow
    );
    proof.set_damage(Some(finding.to_owned()));
}

fn damaged_snapshot(seq: Seq, error: &str) {
    error!(%seq, error, "a snapshot is damaged: a start would use the one before it, or the log");
}
