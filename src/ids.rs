//! The ids of orders and other commands: leased in blocks from the log, handed out by a counter of the process.
//!
//! Invariant: an id is handed out at most once, ever. The log raises its ceiling before a block is used, and every start
//! begins at the ceiling, so what another process was given is never given again. Ids that nobody took are gaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::{Epoch, EventLog, LogError};
use matching::units::ID_LIMIT;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Ids leased at a time. Half a block is left when the next one is asked for: at 20,000 orders a second that lasts 2.5 s
/// while PostgreSQL is away, and a lease touches the writer's row, where commits wait, only every 5 s. A start gives up
/// at most one block of the 2^45 ids that a partition has.
pub const BLOCK: u64 = 100_000;
/// How long to wait before the log is asked again after it did not answer.
const RETRY: Duration = Duration::from_millis(200);

/// Hands out ids. Dropping it ends its leasing.
pub struct IdAllocator {
    block: Arc<Block>,
    leasing: JoinHandle<()>,
}

/// The ids that are left, and the signal that more will be needed.
struct Block {
    /// The next id.
    next: AtomicU64,
    /// The first id that is not leased.
    end: AtomicU64,
    low: Notify,
}

impl IdAllocator {
    /// Leases the first block under `epoch`, and more in the background from then on.
    pub async fn start(log: Arc<dyn EventLog>, epoch: Epoch) -> Result<IdAllocator, LogError> {
        let block = Arc::new(Block { next: AtomicU64::new(0), end: AtomicU64::new(0), low: Notify::new() });
        block.add(lease(log.as_ref(), epoch).await?);
        let leasing = tokio::spawn(lease_when_low(log, epoch, Arc::clone(&block)));
        Ok(IdAllocator { block, leasing })
    }

    /// An id that nobody else has; none while the log cannot lease more.
    pub fn next(&self) -> Option<u64> {
        self.block.take()
    }

    /// No id from this one on was handed out by anyone.
    pub fn ceiling(&self) -> u64 {
        self.block.end.load(Ordering::Acquire)
    }

    /// How many ids are left before the next lease.
    pub fn left(&self) -> u64 {
        self.block.end.load(Ordering::Acquire).saturating_sub(self.block.next.load(Ordering::Relaxed))
    }
}

impl Drop for IdAllocator {
    fn drop(&mut self) {
        self.leasing.abort();
    }
}

impl Block {
    /// Takes the next id. The end is read first: [`Block::add`] writes it last, so whoever sees a new end sees the
    /// counter inside the new block too.
    fn take(&self) -> Option<u64> {
        let end = self.end.load(Ordering::Acquire);
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            if next >= end {
                return None;
            }
            match self.next.compare_exchange_weak(next, next + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(id) => {
                    // Exactly one caller gets this id, so the signal is given once a block.
                    if end - id == BLOCK / 2 {
                        self.low.notify_one();
                    }
                    return Some(id);
                }
                Err(current) => next = current,
            }
        }
    }

    /// Adds the ids from `start` to below `end`. If a lease's answer was lost, its ids are missing between the blocks:
    /// then what is left of the old block is given up, too, which keeps the counter one number.
    fn add(&self, (start, end): (u64, u64)) {
        if start != self.end.load(Ordering::Relaxed) {
            self.next.store(start, Ordering::Relaxed);
        }
        self.end.store(end, Ordering::Release);
    }
}

async fn lease_when_low(log: Arc<dyn EventLog>, epoch: Epoch, block: Arc<Block>) {
    loop {
        block.low.notified().await;
        let mut failures: u64 = 0;
        loop {
            match lease(log.as_ref(), epoch).await {
                Ok(leased) => {
                    block.add(leased);
                    break;
                }
                Err(LogError::Fenced) => {
                    tracing::warn!("no more ids are leased: another writer has taken over");
                    return;
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "ids cannot be leased; trying again until they can");
                    }
                    failures += 1;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// Leases a block: its first id and the one after its last. Id 0 is never handed out: partition 0 counts 1, 2, 3.
async fn lease(log: &dyn EventLog, epoch: Epoch) -> Result<(u64, u64), LogError> {
    let ceiling = log.lease_ids(epoch, BLOCK).await?;
    match ceiling.checked_sub(BLOCK) {
        Some(start) if ceiling <= ID_LIMIT => Ok((start.max(1), ceiling)),
        _ => Err(LogError::Refused(format!("a lease of {BLOCK} ids up to {ceiling} is impossible"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::AtomicBool;

    use async_trait::async_trait;
    use journal::{Batch, Committed, Record, Standing, WriterPosition};
    use matching::Seq;

    use super::*;

    /// A log that can do nothing but lease; else it is away.
    pub(crate) struct Leases {
        ceiling: AtomicU64,
        leased: Notify,
        away: AtomicBool,
        /// Raises the ceiling and loses the answer, once.
        lose_answer: AtomicBool,
    }

    impl Leases {
        pub(crate) fn new(ceiling: u64) -> Arc<Leases> {
            let (away, lose_answer) = (AtomicBool::new(false), AtomicBool::new(false));
            Arc::new(Leases { ceiling: AtomicU64::new(ceiling), leased: Notify::new(), away, lose_answer })
        }
    }

    #[async_trait]
    impl EventLog for Leases {
        async fn lease_ids(&self, _: Epoch, count: u64) -> Result<u64, LogError> {
            if self.away.load(Ordering::SeqCst) {
                self.leased.notify_one();
                return Err(LogError::Unknown("away".to_owned()));
            }
            let ceiling = self.ceiling.fetch_add(count, Ordering::SeqCst) + count;
            self.leased.notify_one();
            if self.lose_answer.swap(false, Ordering::SeqCst) {
                return Err(LogError::Unknown("lost".to_owned()));
            }
            Ok(ceiling)
        }

        async fn commit(&self, _: Epoch, _: &Batch) -> Result<Committed, LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }

        async fn standing(&self) -> Result<Standing, LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }

        async fn take_over(&self, _: Epoch) -> Result<WriterPosition, LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }

        async fn position(&self) -> Result<WriterPosition, LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }

        async fn page(&self, _: Seq, _: usize) -> Result<Vec<Record>, LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }

        async fn beat(&self, _: Epoch) -> Result<(), LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }

        async fn drained(&self, _: Epoch) -> Result<(), LogError> {
            Err(LogError::Unknown("nothing but leases".to_owned()))
        }
    }

    async fn start(log: &Arc<Leases>) -> IdAllocator {
        let log: Arc<dyn EventLog> = log.clone();
        IdAllocator::start(log, Epoch(1)).await.expect("a lease")
    }

    #[tokio::test]
    async fn ids_count_from_one_and_a_restart_begins_at_the_ceiling() {
        for first_ceiling in [0, 1] {
            let log = Leases::new(first_ceiling);
            let ids = start(&log).await;
            assert_eq!([ids.next(), ids.next(), ids.next()], [Some(1), Some(2), Some(3)]);
            drop(ids);
            let ids = start(&log).await;
            assert_eq!(ids.next(), Some(BLOCK + first_ceiling));
        }
    }

    #[tokio::test]
    async fn more_are_leased_at_half_a_block_and_none_is_missing() {
        let log = Leases::new(1);
        let ids = start(&log).await;
        log.leased.notified().await;
        let taken: Vec<u64> = (0..BLOCK / 2 + 1).map(|_| ids.next().expect("an id")).collect();
        assert_eq!(taken.last(), Some(&(BLOCK / 2 + 1)));
        log.leased.notified().await;
        tokio::task::yield_now().await;
        assert_eq!(ids.left(), BLOCK + BLOCK / 2 - 1);
    }

    #[tokio::test]
    async fn without_the_log_ids_run_out_and_come_back_with_it() {
        let log = Leases::new(1);
        let ids = start(&log).await;
        log.leased.notified().await;
        log.away.store(true, Ordering::SeqCst);
        let taken = std::iter::from_fn(|| ids.next()).count();
        assert_eq!(taken as u64, BLOCK);
        log.leased.notified().await;
        assert_eq!(ids.next(), None);
        log.away.store(false, Ordering::SeqCst);
        while ids.left() == 0 {
            log.leased.notified().await;
            tokio::task::yield_now().await;
        }
        assert_eq!(ids.next(), Some(BLOCK + 1));
    }

    #[tokio::test]
    async fn a_lease_whose_answer_was_lost_is_never_used() {
        let log = Leases::new(1);
        let ids = start(&log).await;
        log.leased.notified().await;
        log.lose_answer.store(true, Ordering::SeqCst);
        while ids.next().expect("an id") != BLOCK / 2 + 1 {}
        while ids.left() < BLOCK {
            log.leased.notified().await;
            tokio::task::yield_now().await;
        }
        assert_eq!(ids.next(), Some(2 * BLOCK + 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_id_is_handed_out_twice() {
        let log = Leases::new(1);
        let ids = Arc::new(start(&log).await);
        let take = |ids: Arc<IdAllocator>| {
            std::thread::spawn(move || {
                let mut taken = Vec::new();
                while taken.len() < 200_000 {
                    match ids.next() {
                        Some(id) => taken.push(id),
                        None => std::thread::yield_now(),
                    }
                }
                taken
            })
        };
        let takers: Vec<_> = (0..4).map(|_| take(Arc::clone(&ids))).collect();
        let taken: Vec<u64> = tokio::task::spawn_blocking(|| {
            takers.into_iter().flat_map(|taker| taker.join().expect("a taker")).collect()
        })
        .await
        .expect("the takers");
        assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 800_000);
        assert!(!taken.contains(&0));
    }
}
