//! Every start is a standby first: it takes over at once when the last writer is surely gone, else when the writer has
//! shown no sign of life for long enough on this process's own clock.

use std::time::Duration;

use journal::{Epoch, EventLog, LogError, Standing, WriterPosition};
use matching::Seq;
use tokio::time::{Instant, sleep};
use tracing::info;

/// A writer that has not moved for this long is taken to be gone: five of its beats.
const SILENCE: Duration = Duration::from_secs(5);
/// How often a writer that is not serving yet says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How often a standby looks.
const LOOK: Duration = Duration::from_millis(250);

/// A process that is the writer now.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct TakeOver {
    /// Its term, and where the log ends.
    pub writer: WriterPosition,
    /// Whether the writer before it drained, or there was none: nothing was interrupted.
    pub clean: bool,
}

/// Waits until there is no other writer, and becomes it. An error when the log does not answer, which says nothing about
/// the other writer.
pub async fn become_writer(log: &dyn EventLog) -> Result<TakeOver, LogError> {
    let mut watched = Watched::default();
    loop {
        let standing = log.standing().await?;
        if watched.is_gone(standing, Instant::now()) {
            match log.take_over(standing.epoch).await {
                Ok(writer) => {
                    let (epoch, seq, clean) = (writer.epoch, writer.position.seq, standing.clean);
                    info!(%epoch, %seq, clean, "this process is the writer now");
                    return Ok(TakeOver { writer, clean });
                }
                // Another standby was quicker: it is the one to watch now.
                Err(LogError::Fenced) => {}
                Err(error) => return Err(error),
            }
        }
        sleep(LOOK).await;
    }
}

/// Does what the writer of `epoch` has to do before its engine runs, such as recovering the state, and says meanwhile that it
/// lives: recovery may take longer than a standby waits. Whatever goes wrong when another process has taken over is that it
/// has: what the other one wrote meanwhile must not be taken for damage.
pub async fn while_beating<T, E: From<LogError>>(
    log: &dyn EventLog,
    epoch: Epoch,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let fenced = async {
        loop {
            sleep(BEAT).await;
            if log.beat(epoch).await == Err(LogError::Fenced) {
                return;
            }
        }
    };
    let done = tokio::select! {
        biased;
        done = work => done,
        () = fenced => return Err(LogError::Fenced.into()),
    };
    // Only who is still the writer, for certain, can tell that something is wrong.
    if done.is_err() {
        log.beat(epoch).await?;
    }
    done
}

/// Whether the last writer is gone, judged as a standby does, without taking over.
pub async fn writer_is_gone(log: &dyn EventLog) -> Result<bool, LogError> {
    let mut watched = Watched::default();
    let first = log.standing().await?;
    loop {
        let standing = log.standing().await?;
        if watched.is_gone(standing, Instant::now()) {
            return Ok(true);
        }
        if (standing.epoch, standing.seq, standing.beat) != (first.epoch, first.seq, first.beat) {
            return Ok(false);
        }
        sleep(LOOK).await;
    }
}

/// The last sign of life and when it was first seen.
#[derive(Default)]
struct Watched {
    last: Option<((Epoch, Seq, u64), Instant)>,
}

impl Watched {
    fn is_gone(&mut self, standing: Standing, now: Instant) -> bool {
        let sign = (standing.epoch, standing.seq, standing.beat);
        match self.last {
            Some((last, since)) if last == sign => standing.vacant || now.duration_since(since) >= SILENCE,
            _ => {
                if !standing.vacant && self.last.is_none() {
                    info!(epoch = %standing.epoch, "another process writes: this one stands by");
                }
                self.last = Some((sign, now));
                standing.vacant
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_gone_when_it_is_vacant_or_silent_for_long_enough() {
        let start = Instant::now();
        let standing = |beat, vacant| Standing { epoch: Epoch(3), seq: Seq::ZERO, beat, vacant, clean: false };
        let mut watched = Watched::default();
        assert!(!watched.is_gone(standing(1, false), start));
        assert!(!watched.is_gone(standing(1, false), start + Duration::from_millis(4_999)));
        assert!(!watched.is_gone(standing(2, false), start + Duration::from_secs(5)), "it has moved");
        assert!(!watched.is_gone(standing(2, false), start + Duration::from_millis(9_999)));
        assert!(watched.is_gone(standing(2, false), start + Duration::from_secs(10)));
        assert!(Watched::default().is_gone(standing(1, true), start));
    }
}
