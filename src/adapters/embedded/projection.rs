//! The projection is the ledger in memory: there is nothing to mirror, and only its position is kept.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use journal::{
    Chain, Epoch, EventLog, LogError, Projection, ProjectionError, ProjectionPosition, ProjectionState,
    ProjectionWrite, Written,
};
use matching::{Ledger, Seq};

/// The position of the ledger.
pub struct EmbeddedProjection {
    shown: Mutex<Option<ProjectionPosition>>,
}

impl EmbeddedProjection {
    /// Shows the end of the log: the ledger is always recovered up to there.
    pub async fn at_the_end_of(log: &dyn EventLog) -> Result<EmbeddedProjection, LogError> {
        let end = log.position().await?.position;
        let last = match end.seq.previous() {
            Some(before) => log.page(before, 1).await?.into_iter().next(),
            None => None,
        };
        let shown = last
            .map_or(ProjectionPosition { seq: Seq::ZERO, epoch: Epoch::default(), chain: Chain::START }, |row| {
                ProjectionPosition { seq: row.seq, epoch: row.epoch, chain: row.chain }
            });
        Ok(EmbeddedProjection { shown: Mutex::new(Some(shown)) })
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Option<ProjectionPosition>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Projection for EmbeddedProjection {
    async fn state(&self) -> Result<ProjectionState, ProjectionError> {
        Ok(self.shown().map_or(ProjectionState::Unusable, ProjectionState::At))
    }

    async fn write(&self, write: &ProjectionWrite) -> Result<Written, ProjectionError> {
        let mut shown = self.shown();
        match *shown {
            Some(at) if at.seq >= write.to.seq => Ok(Written::Older),
            Some(at) if at.seq == write.from => {
                *shown = Some(write.to);
                Ok(Written::Written)
            }
            _ => Ok(Written::Gap),
        }
    }

    async fn rebuild(&self, _: Arc<Ledger>, position: ProjectionPosition) -> Result<(), ProjectionError> {
        *self.shown() = Some(position);
        Ok(())
    }
}
