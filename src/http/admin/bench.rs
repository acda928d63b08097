//! Where the administrator's questions are worked on: on a thread of its own, apart from those that answer requests and those
//! that match, with connections of its own to the stores, as the tools have them. What takes long is done one thing after the
//! other; what takes a moment goes between its pages.

use std::sync::Arc;

use actix::{Arbiter, ArbiterHandle};
use tokio::sync::{OnceCell, Semaphore, oneshot};

use crate::config::Settings;
use crate::exit::End;
use crate::http::problem::{Code, Problem};
use crate::storage::{self, Records};

/// How many may wait for their turn.
const WAITING: usize = 8;

/// The bench.
pub struct Bench {
    thread: ArbiterHandle,
    shared: Arc<Shared>,
    /// Of those who wait and the one whose turn it is.
    places: Arc<Semaphore>,
}

struct Shared {
    settings: Settings,
    /// Opened by whoever comes first.
    records: OnceCell<Records>,
    turn: Semaphore,
}

impl Bench {
    /// A bench for the stores of these settings. Opens nothing yet.
    pub fn new(settings: &Settings) -> Bench {
        let shared = Shared { settings: settings.clone(), records: OnceCell::new(), turn: Semaphore::new(1) };
        Bench {
            thread: Arbiter::new().handle(),
            shared: Arc::new(shared),
            places: Arc::new(Semaphore::new(WAITING + 1)),
        }
    }

    /// The settings of the service.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Does some work with the stores when its turn comes, to the end even if nobody waits for it any more.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(Records) -> Result<T, End> + Send + 'static,
    ) -> Result<T, Problem> {
        let shared = Arc::clone(&self.shared);
        self.look(async move |records| {
            // It is never closed.
            let _turn = shared.turn.acquire().await;
            work(records).await
        })
        .await
    }

    /// Answers what takes a moment, without waiting for a turn.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl AsyncFnOnce(Records) -> Result<T, End> + Send + 'static,
    ) -> Result<T, Problem> {
        let full = || Problem::new(Code::Overloaded, format!("{WAITING} questions wait already; ask again later"));
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| full())?;
        let (reply, done) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let stopping = || Problem::new(Code::NotReady, "the service is stopping; ask again later");
        let taken = self.thread.spawn_fn(move || {
            actix::spawn(async move {
                let done = shared.look(look).await;
                drop(place);
                // Whoever asked may have gone away.
                let _ = reply.send(done);
            });
        });
        if !taken {
            return Err(stopping());
        }
        match done.await {
            Ok(done) => done.map_err(|end| problem(&end)),
            // A panic, which says that the log holds what is impossible.
            Err(_) => {
                Err(Problem::new(Code::InternalError, "the question could not be answered; the service's log says why"))
            }
        }
    }
}

impl Shared {
    async fn look<T>(&self, look: impl AsyncFnOnce(Records) -> Result<T, End>) -> Result<T, End> {
        let records = self.records.get_or_try_init(async || storage::records(&self.settings).await).await?;
        look(records.clone()).await
    }
}

/// What a tool would have ended with, as an answer. Internals are for the operator only.
fn problem(end: &End) -> Problem {
    match end {
        End::Usage(detail) => Problem::new(Code::UnknownRow, detail.clone()),
        end if end.code() == 3 => {
            tracing::warn!(error = %end, "a question of the administrator's was not answered");
            Problem::new(Code::NotReady, "the event log does not answer; ask again later")
        }
        end => {
            tracing::error!(error = %end, "a question of the administrator's was not answered");
            Problem::new(Code::InternalError, "what is stored is not what it must be; the service's log says more")
        }
    }
}
