//! On which threads the actors live. A parameter, so that tests and simulation run the same actors on one thread.

use actix::{Actor, Addr, Arbiter, ArbiterHandle, Context};
use tokio::task;

use crate::guard;

/// The threads of the engine. Never those of the HTTP workers: beside a busy actor a 1 ms sleep took 443 ms.
#[derive(Clone)]
pub struct Placement {
    pub(crate) dispatcher: ArbiterHandle,
    pub(crate) event_log: ArbiterHandle,
    pub(crate) projection: ArbiterHandle,
    pub(crate) feed: ArbiterHandle,
    books: Vec<ArbiterHandle>,
    computing: Computing,
}

impl Placement {
    /// A thread for each stage, and `books` threads that the books share.
    ///
    /// # Panics
    /// Outside an actix system, or if `books` is zero.
    pub fn threads(books: usize) -> Placement {
        assert!(books > 0, "the books need at least one thread");
        let thread = |name: &'static str| {
            let arbiter = Arbiter::new().handle();
            guard::mark_engine_thread(&arbiter);
            arbiter.spawn_fn(move || name_thread(name));
            arbiter
        };
        Placement {
            dispatcher: thread("dispatcher"),
            event_log: thread("event log"),
            projection: thread("projection"),
            feed: thread("feed"),
            books: (0..books).map(|_| thread("books")).collect(),
            computing: Computing::Aside,
        }
    }

    /// Everything on the thread that calls.
    ///
    /// # Panics
    /// Outside an actix system.
    pub fn here() -> Placement {
        let here = Arbiter::current();
        Placement {
            dispatcher: here.clone(),
            event_log: here.clone(),
            projection: here.clone(),
            feed: here.clone(),
            books: vec![here],
            computing: Computing::Here,
        }
    }

    /// The thread of the book that is listed as number `index`.
    pub(crate) fn book(&self, index: usize) -> &ArbiterHandle {
        &self.books[index % self.books.len()]
    }

    /// Where long computations run.
    pub(crate) fn computing(&self) -> Computing {
        self.computing
    }
}

/// Where long computations run.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Computing {
    /// On threads of their own.
    Aside,
    /// At once, on the thread that asks: in simulation, where nothing may depend on how long it takes.
    Here,
}

impl Computing {
    /// Runs a computation; none if it panicked.
    pub(crate) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self {
            Computing::Aside => task::spawn_blocking(work).await.ok(),
            Computing::Here => Some(work()),
        }
    }
}

/// Names the calling thread for whoever looks at the process from outside: `top -H`, the benchmarks' budget.
pub fn name_thread(name: &str) {
    // Only a name; where the system has none to give, nothing is lost.
    let _ = std::fs::write("/proc/thread-self/comm", name);
}

/// Starts an actor on a thread of the engine.
pub(crate) fn start<A>(on: &ArbiterHandle, actor: A) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Send,
{
    A::start_in_arbiter(on, |_| actor)
}
