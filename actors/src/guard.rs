//! A panic in an engine actor ends the process. actix would keep the process alive with the actor gone, and every
//! later message would fail; a process that ended is restarted and recovers from the log, which is the tested path.

use std::cell::Cell;
use std::panic;
use std::process;
use std::sync::{Mutex, OnceLock, PoisonError};

use actix::ArbiterHandle;

use crate::runbook::Runbook;

thread_local! {
    static ENGINE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// What is done with a panic's message before the process aborts.
type LastWords = Box<dyn Fn(&str) + Send + Sync>;

static LAST_WORDS: OnceLock<LastWords> = OnceLock::new();
/// Held by the thread that ends the process; another one that panics meanwhile waits for that end.
static ENDING: Mutex<()> = Mutex::new(());

/// What is done with the panic's message before the process aborts; it may take a moment. Once per process.
pub fn before_abort(last_words: impl Fn(&str) + Send + Sync + 'static) {
    let before = LAST_WORDS.set(Box::new(last_words));
    assert!(before.is_ok(), "the last words are set twice");
}

/// Makes a panic on an engine thread abort the process, after the panic's message has been printed. Once per process.
pub fn abort_on_engine_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        if ENGINE_THREAD.with(Cell::get) {
            let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(last_words) = LAST_WORDS.get() {
                last_words(&info.to_string());
            }
            eprintln!(
                "an engine actor panicked: the process ends here and recovers from the log when it is started again\n{}",
                Runbook::BadRow
            );
            process::abort();
        }
    }));
}

/// Marks the thread that calls as one whose panics end the process.
pub fn mark_this_thread() {
    ENGINE_THREAD.with(|engine| engine.set(true));
}

/// Marks an arbiter's thread as one whose panics end the process.
pub(crate) fn mark_engine_thread(arbiter: &ArbiterHandle) {
    arbiter.spawn_fn(mark_this_thread);
}
