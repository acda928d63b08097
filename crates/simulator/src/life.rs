//! Whether a simulated process runs, is paused, or is dead. A dead one has no effect on anything any more: its calls to
//! the ports never return, and nobody hears its answers. To the rest of the world that is what a crash is.

use std::sync::Arc;

use tokio::sync::watch;

/// One process, from its start to its end.
#[derive(Clone)]
pub struct Life {
    /// Counts the processes of a simulation: 1, 2, 3, ...
    pub number: u64,
    state: Arc<watch::Sender<State>>,
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
        Life { number, state: Arc::new(watch::Sender::new(State::Running)) }
    }

    /// Ends it, at once and for ever.
    pub fn kill(&self) {
        self.state.send_replace(State::Dead);
    }

    /// Stops it where it is; the world goes on.
    pub fn pause(&self) {
        self.state.send_if_modified(|state| {
            let running = *state == State::Running;
            if running {
                *state = State::Paused;
            }
            running
        });
    }

    /// Lets it go on where it was.
    pub fn resume(&self) {
        self.state.send_if_modified(|state| {
            let paused = *state == State::Paused;
            if paused {
                *state = State::Running;
            }
            paused
        });
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        *self.state.borrow() == State::Running
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        *self.state.borrow() == State::Dead
    }

    /// Returns when the process may go on: at once, when it is resumed, or never.
    pub async fn breathe(&self) {
        self.until(State::Running).await;
    }

    /// Returns when it is dead.
    pub async fn ended(&self) {
        self.until(State::Dead).await;
    }

    async fn until(&self, wanted: State) {
        let mut watcher = self.state.subscribe();
        // The sender is held here, so waiting fails never.
        let _ = watcher.wait_for(|state| *state == wanted).await;
    }
}
