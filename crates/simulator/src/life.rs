//! Whether a simulated process runs, is paused, or is dead. A dead one has no effect on anything any more: its calls to
//! the ports never return, and nobody hears its answers. To the rest of the world that is what a crash is.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::lock;

/// One process, from its start to its end.
#[derive(Clone)]
pub struct Life {
    /// Counts the processes of a simulation: 1, 2, 3, ...
    pub number: u64,
    shared: Arc<Shared>,
}

/// No watch channel: that one wakes its receivers in random order.
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Dead,
}

impl Life {
    /// A process that runs.
    pub fn new(number: u64) -> Life {
        Life { number, shared: Arc::new(Shared { state: Mutex::new(State::Running), changed: Notify::new() }) }
    }

    /// Ends it, at once and for ever.
    pub fn kill(&self) {
        self.set(State::Dead);
    }

    /// Stops it where it is; the world goes on.
    pub fn pause(&self) {
        if self.state() == State::Running {
            self.set(State::Paused);
        }
    }

    /// Lets it go on where it was.
    pub fn resume(&self) {
        if self.state() == State::Paused {
            self.set(State::Running);
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.state() == State::Running
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.state() == State::Dead
    }

    /// Returns when the process may go on: at once, when it is resumed, or never.
    pub async fn breathe(&self) {
        self.until(State::Running).await;
    }

    /// Returns when it is dead.
    pub async fn ended(&self) {
        self.until(State::Dead).await;
    }

    fn state(&self) -> State {
        *lock(&self.shared.state)
    }

    fn set(&self, state: State) {
        *lock(&self.shared.state) = state;
        self.shared.changed.notify_waiters();
    }

    async fn until(&self, wanted: State) {
        loop {
            let changed = self.shared.changed.notified();
            if self.state() == wanted {
                return;
            }
            changed.await;
        }
    }
}
