//! A panic in an engine actor ends the process. actix would keep the process alive with the actor gone, and every
//! later message would fail; a process that ended is restarted and recovers from the log, which is the tested path.

use std::cell::Cell;
use std::panic;
use std::process;

use actix::ArbiterHandle;

thread_local! {
    static ENGINE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Makes a panic on an engine thread abort the process, after the panic's message has been printed. Once per process.
pub fn abort_on_engine_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        if ENGINE_THREAD.with(Cell::get) {
            eprintln!(
                "an engine actor panicked: the process ends here and recovers from the log when it is started again"
            );
            process::abort();
        }
    }));
}

/// Marks an arbiter's thread as one whose panics end the process.
pub(crate) fn mark_engine_thread(arbiter: &ArbiterHandle) {
    arbiter.spawn_fn(|| ENGINE_THREAD.with(|engine| engine.set(true)));
}
