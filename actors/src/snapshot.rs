//! Takes snapshots: asks for a copy of the whole state at one row, encodes it off the matching threads, and has it
//! stored. The store shows a snapshot only after it was read back and verified.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, Message, Recipient, WrapFuture};
use journal::{Clock, Position, Snapshot, SnapshotError, SnapshotStore};
use matching::{EngineImage, Seq};
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::placement::Placement;
use crate::progress::Progress;

/// How often the length of the log is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Asks the dispatcher for a copy of the state between two batches.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SnapshotNow(pub oneshot::Sender<StateCopy>);

/// The whole state at one row.
#[derive(Debug)]
pub(crate) struct StateCopy {
    pub position: Position,
    pub image: EngineImage,
}

/// Takes a snapshot now, unless nothing has happened since the last one; answers the row it stands at.
#[derive(Message)]
#[rtype(result = "Result<Seq, SnapshotError>")]
pub struct TakeSnapshot;

pub(crate) struct SnapshotActor {
    pub(crate) dispatcher: Recipient<SnapshotNow>,
    pub(crate) store: Arc<dyn SnapshotStore>,
    pub(crate) interval: Duration,
    /// One is taken as well when the log has grown by this many rows since the last.
    pub(crate) rows: u64,
    pub(crate) progress: Arc<Progress>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the image is encoded.
    pub(crate) placement: Placement,
    /// How many snapshots the store keeps.
    pub(crate) retain: usize,
    /// The row of the newest snapshot.
    pub(crate) newest: Seq,
}

impl Actor for SnapshotActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.interval, |_, ctx| ctx.notify(TakeSnapshot));
        ctx.run_interval(LOOK, |actor, ctx| {
            if actor.progress.committed() >= actor.newest.get() + actor.rows {
                ctx.notify(TakeSnapshot);
            }
        });
    }
}

impl Handler<TakeSnapshot> for SnapshotActor {
    type Result = AtomicResponse<Self, Result<Seq, SnapshotError>>;

    fn handle(&mut self, _: TakeSnapshot, _: &mut Self::Context) -> Self::Result {
        let (dispatcher, store, placement) = (self.dispatcher.clone(), Arc::clone(&self.store), self.placement.clone());
        let (retain, newest) = (self.retain, self.newest);
        let taken = async move { take(dispatcher, store, placement, retain, newest).await };
        AtomicResponse::new(Box::pin(taken.into_actor(self).map(|taken, actor, _| {
            match &taken {
                Ok(Taken::Now { seq, bytes }) => {
                    actor.newest = *seq;
                    actor.progress.snapshot_stored(seq.get(), actor.clock.now().get(), *bytes);
                }
                Ok(Taken::Before) => {}
                Err(error) => {
                    actor.progress.measures.snapshot_failed();
                    error!(%error, "no snapshot was taken; recovery reads more of the log until one is");
                }
            }
            taken.map(|_| actor.newest)
        })))
    }
}

/// What came of taking a snapshot.
enum Taken {
    /// There is a new one.
    Now { seq: Seq, bytes: u64 },
    /// Nothing has happened since the last one.
    Before,
}

async fn take(
    dispatcher: Recipient<SnapshotNow>,
    store: Arc<dyn SnapshotStore>,
    placement: Placement,
    retain: usize,
    newest: Seq,
) -> Result<Taken, SnapshotError> {
    let stopping = || SnapshotError::Store("the engine is stopping".to_owned());
    let (reply, copy) = oneshot::channel();
    dispatcher.send(SnapshotNow(reply)).await.map_err(|_| stopping())?;
    let copy = copy.await.map_err(|_| stopping())?;
    let seq = copy.position.seq;
    if seq == newest {
        return Ok(Taken::Before);
    }
    let encoded = placement.computing().run(move || Snapshot::new(copy.position, &copy.image)).await;
    let snapshot = match encoded {
        Some(Ok(snapshot)) => snapshot,
        Some(Err(error)) => return Err(SnapshotError::Store(format!("the image cannot be compressed: {error}"))),
        None => return Err(stopping()),
    };
    store.store(&snapshot, retain).await?;
    info!(%seq, state_hash = %snapshot.state_hash, "snapshot taken and verified");
    Ok(Taken::Now { seq, bytes: snapshot.size() })
}
