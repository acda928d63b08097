//! One process's ways to the stores of the world: everything it asks passes through here, where it is traced, delayed,
//! lost, or the end of the process.
//!
//! A request that was sent happens whether or not the process that sent it still lives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use journal::{
    Batch, CommandQueue, Committed, EnqueueError, Entry, Epoch, EventLog, LogError, Projection, ProjectionError,
    ProjectionPosition, ProjectionState, ProjectionWrite, QueueError, Record, Snapshot, SnapshotError, SnapshotStore,
    SnapshotSummary, Standing, StreamId, WriterPosition, Written,
};
use matching::{Ledger, Seq};
use tokio::time::sleep;

use crate::faults::{Fate, Port};
use crate::life::Life;
use crate::lock;
use crate::world::World;

/// A process's connection to the world.
#[derive(Clone)]
pub struct Link {
    /// The world.
    pub world: Arc<World>,
    /// The process.
    pub life: Life,
}

/// A call without an answer.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum Failure {
    /// It certainly did not happen.
    NotDone,
    /// It may have happened, or may still.
    InDoubt,
}

impl Link {
    /// Sends a request; its effect happens as fate will have it.
    async fn call<T: Send + 'static>(
        &self,
        port: Port,
        text: String,
        effect: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        self.life.breathe().await;
        let (fate, crash) = self.world.fate(port);
        let number = self.life.number;
        self.world.trace(|| format!("p{number} {text} {fate:?}"));
        if crash {
            self.world.trace(|| format!("p{number} dies in its call"));
            self.life.kill();
        }
        let world = Arc::clone(&self.world);
        let happen = move |after| async move {
            pass(after).await;
            let result = effect.await;
            world.trace(|| format!("p{number} {text} happens"));
            result
        };
        let result = match fate {
            Fate::Refused(after) => {
                pass(after).await;
                Err(Failure::NotDone)
            }
            Fate::RequestLost(after) => {
                pass(after).await;
                Err(Failure::InDoubt)
            }
            Fate::Unanswered { by, gives_up } => {
                actix::spawn(happen(by));
                pass(gives_up).await;
                Err(Failure::InDoubt)
            }
            Fate::Answered { before, after } => {
                let result = actix::spawn(happen(before)).await.map_err(|_| Failure::InDoubt);
                pass(after).await;
                result
            }
        };
        self.life.breathe().await;
        result
    }
}

async fn pass(milliseconds: u64) {
    if milliseconds > 0 {
        sleep(Duration::from_millis(milliseconds)).await;
    }
}

fn why() -> String {
    "as the simulation will have it".to_owned()
}

fn log_failure(_: Failure) -> LogError {
    LogError::Unknown(why())
}

fn projection_failure(_: Failure) -> ProjectionError {
    ProjectionError(why())
}

/// The stream, as one process reaches it.
pub struct QueueLink(pub Link);

#[async_trait]
impl CommandQueue for QueueLink {
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError> {
        let (queue, text) = (Arc::clone(&self.0.world.queue), text.to_owned());
        let line = format!("enqueue {text}");
        match self.0.call(Port::Queue, line, async move { queue.enqueue(&text).await }).await {
            Ok(enqueued) => enqueued,
            Err(Failure::NotDone) => Err(EnqueueError::NotTaken(why())),
            Err(Failure::InDoubt) => Err(EnqueueError::Unknown(why())),
        }
    }

    async fn read(&self, after: StreamId, limit: usize) -> Result<Vec<Entry>, QueueError> {
        let queue = Arc::clone(&self.0.world.queue);
        let mut from = after;
        if let Some(back) = self.0.world.reread() {
            from.millis = from.millis.saturating_sub(back);
        }
        let read = self.0.call(Port::Queue, format!("read after {from}"), async move { queue.read(from, limit).await });
        read.await.unwrap_or_else(|_| Err(QueueError::Unreachable(why())))
    }

    async fn check(&self, read_to: StreamId) -> Result<(), QueueError> {
        let queue = Arc::clone(&self.0.world.queue);
        let check = self.0.call(Port::Queue, format!("check {read_to}"), async move { queue.check(read_to).await });
        check.await.unwrap_or_else(|_| Err(QueueError::Unreachable(why())))
    }

    async fn last(&self) -> Result<StreamId, QueueError> {
        let queue = Arc::clone(&self.0.world.queue);
        let last = self.0.call(Port::Queue, "last".to_owned(), async move { queue.last().await });
        last.await.unwrap_or_else(|_| Err(QueueError::Unreachable(why())))
    }

    async fn open(&self, last: StreamId) -> Result<(), QueueError> {
        let queue = Arc::clone(&self.0.world.queue);
        let open = self.0.call(Port::Queue, format!("open {last}"), async move { queue.open(last).await });
        open.await.unwrap_or_else(|_| Err(QueueError::Unreachable(why())))
    }

    async fn trim(&self, oldest_kept: StreamId) -> Result<(), QueueError> {
        let queue = Arc::clone(&self.0.world.queue);
        let trim =
            self.0.call(Port::Queue, format!("trim {oldest_kept}"), async move { queue.trim(oldest_kept).await });
        trim.await.unwrap_or_else(|_| Err(QueueError::Unreachable(why())))
    }
}

/// The log, as one process reaches it.
pub struct LogLink(pub Link);

impl LogLink {
    async fn ask<T: Send + 'static>(
        &self,
        text: String,
        effect: impl Future<Output = Result<T, LogError>> + Send + 'static,
    ) -> Result<T, LogError> {
        self.0.call(Port::Log, text, effect).await.unwrap_or_else(|failure| Err(log_failure(failure)))
    }

    fn log(&self) -> Arc<crate::MemoryLog> {
        Arc::clone(&self.0.world.log)
    }
}

#[async_trait]
impl EventLog for LogLink {
    async fn commit(&self, epoch: Epoch, batch: &Batch) -> Result<Committed, LogError> {
        let (log, batch, world) = (self.log(), batch.clone(), Arc::clone(&self.0.world));
        let line =
            format!("commit {}..{} epoch {epoch} chain {}", batch.start().seq, batch.end().seq, batch.end().chain);
        let commit = async move {
            let committed = log.commit(epoch, &batch).await;
            if committed == Ok(Committed::Committed) {
                lock(&world.history).committed(batch.end().seq, world.now());
            }
            committed
        };
        self.ask(line, commit).await
    }

    async fn standing(&self) -> Result<Standing, LogError> {
        let log = self.log();
        self.ask("standing".to_owned(), async move { log.standing().await }).await
    }

    async fn take_over(&self, last: Epoch) -> Result<WriterPosition, LogError> {
        let (log, world, life) = (self.log(), Arc::clone(&self.0.world), self.0.life.number);
        let take_over = async move {
            let taken = log.take_over(last).await;
            if let Ok(position) = &taken {
                lock(&world.history).took_over(position.epoch, life);
            }
            taken
        };
        self.ask(format!("take over after {last}"), take_over).await
    }

    async fn position(&self) -> Result<WriterPosition, LogError> {
        let log = self.log();
        self.ask("position".to_owned(), async move { log.position().await }).await
    }

    async fn page(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        let log = self.log();
        self.ask(format!("page {after} {limit}"), async move { log.page(after, limit).await }).await
    }

    async fn lease_ids(&self, epoch: Epoch, count: u64) -> Result<u64, LogError> {
        let log = self.log();
        self.ask(format!("lease {count}"), async move { log.lease_ids(epoch, count).await }).await
    }

    async fn beat(&self, epoch: Epoch) -> Result<(), LogError> {
        let log = self.log();
        self.ask(format!("beat {epoch}"), async move { log.beat(epoch).await }).await
    }

    async fn drained(&self, epoch: Epoch) -> Result<(), LogError> {
        let log = self.log();
        self.ask(format!("drained {epoch}"), async move { log.drained(epoch).await }).await
    }
}

/// The snapshots, as one process reaches them.
pub struct SnapshotLink(pub Link);

impl SnapshotLink {
    async fn ask<T: Send + 'static>(
        &self,
        text: String,
        effect: impl Future<Output = Result<T, SnapshotError>> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let asked = self.0.call(Port::Snapshots, text, effect).await;
        asked.unwrap_or_else(|_| Err(SnapshotError::Store(why())))
    }
}

#[async_trait]
impl SnapshotStore for SnapshotLink {
    async fn store(&self, snapshot: &Snapshot, retain: usize) -> Result<(), SnapshotError> {
        let (store, snapshot) = (Arc::clone(&self.0.world.snapshots), snapshot.clone());
        let line = format!("store snapshot {} {}", snapshot.position.seq, snapshot.state_hash);
        self.ask(line, async move { store.store(&snapshot, retain).await }).await
    }

    async fn newest_until(&self, seq: Seq) -> Result<Option<Snapshot>, SnapshotError> {
        let store = Arc::clone(&self.0.world.snapshots);
        self.ask(format!("newest snapshot until {seq}"), async move { store.newest_until(seq).await }).await
    }

    async fn list(&self) -> Result<Vec<SnapshotSummary>, SnapshotError> {
        let store = Arc::clone(&self.0.world.snapshots);
        self.ask("list snapshots".to_owned(), async move { store.list().await }).await
    }
}

/// The projection, as one process reaches it.
pub struct ProjectionLink(pub Link);

impl ProjectionLink {
    async fn ask<T: Send + 'static>(
        &self,
        text: String,
        effect: impl Future<Output = Result<T, ProjectionError>> + Send + 'static,
    ) -> Result<T, ProjectionError> {
        let asked = self.0.call(Port::Projection, text, effect).await;
        asked.unwrap_or_else(|failure| Err(projection_failure(failure)))
    }
}

#[async_trait]
impl Projection for ProjectionLink {
    async fn state(&self) -> Result<ProjectionState, ProjectionError> {
        let projection = Arc::clone(&self.0.world.projection);
        self.ask("projection state".to_owned(), async move { projection.state().await }).await
    }

    async fn write(&self, write: &ProjectionWrite) -> Result<Written, ProjectionError> {
        let (world, write) = (Arc::clone(&self.0.world), write.clone());
        let line = format!("project {}..{}", write.from, write.to.seq);
        let effect = async move {
            let written = world.projection.write(&write).await;
            if written == Ok(Written::Written) {
                world.check_shown("a write of the projection", write.to);
            }
            written
        };
        self.ask(line, effect).await
    }

    async fn rebuild(&self, ledger: Arc<Ledger>, position: ProjectionPosition) -> Result<(), ProjectionError> {
        let world = Arc::clone(&self.0.world);
        let effect = async move {
            let rebuilt = world.projection.rebuild(ledger, position).await;
            world.check_shown("a rebuild of the projection", position);
            rebuilt
        };
        self.ask(format!("rebuild projection at {}", position.seq), effect).await
    }
}
