//! What the service says in the log's storage when it stops itself, and what a start makes of it: three stops in a row at
//! one row, and nothing starts any more until somebody has looked.
//!
//! A kill from outside says nothing, so it never counts; a commit since makes what was said void.

use std::thread;
use std::time::Duration;

use actors::guard;
use matching::Seq;
use tokio::runtime;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::config::Settings;
use crate::exit::End;
use crate::startup::StopSignals;
use crate::storage;

/// So many stops in a row at one row are no accident.
const STOPS: u32 = 3;
/// Whoever stops does not wait longer for the storage, which may be what is in trouble.
const SAID_WITHIN: Duration = Duration::from_secs(4);

/// Refuses to start when the service has stopped itself at the same row again and again; `forget` says that it is mended.
pub async fn refuse_a_crash_loop(settings: &Settings, forget: bool) -> Result<(), End> {
    let record = storage::fatal_record(settings).await?;
    let Some(last) = record.last().await? else { return Ok(()) };
    if forget {
        info!(row = %last.seq, times = last.times, "the service stopped itself here before: forgotten, as asked");
        return Ok(record.forget().await?);
    }
    if last.times >= STOPS {
        return Err(End::CrashLoop(last));
    }
    warn!(row = %last.seq, times = last.times, error = last.error, "the service stopped itself here before");
    Ok(())
}

/// From now on, a panic that ends the process is noted first.
pub fn note_panics(settings: &Settings) {
    let settings = settings.clone();
    guard::before_abort(move |message| {
        let (settings, message) = (settings.clone(), message.to_owned());
        // The thread that panicked cannot run anything any more.
        let noting = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(note(&settings, None, &message));
            }
        });
        // It has said itself what went wrong.
        let _ = noting.join();
    });
}

/// After the service has ended by itself: notes where, if it was because of the log; and gives a supervisor that starts it
/// again at once, whatever the exit code is, some time.
pub async fn after_an_end(settings: &Settings, end: &End) {
    if let Some(seq) = end.is_fatal() {
        note(settings, seq, &end.to_string()).await;
    }
    let delay = settings.final_exit_delay;
    if matches!(end.code(), 5 | 6) && !delay.is_zero() {
        error!("{}", end.last_words());
        info!("ending with exit code {} in {} s", end.code(), delay.as_secs());
        wait(delay).await;
    }
}

async fn note(settings: &Settings, seq: Option<Seq>, message: &str) {
    let noted = timeout(SAID_WITHIN, async {
        storage::fatal_record(settings).await?.note(seq, message).await.map_err(End::Log)
    });
    match noted.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "where the service stopped itself could not be noted"),
        Err(_) => warn!("where the service stopped itself could not be noted in time"),
    }
}

/// Waits, unless somebody asks for the end.
async fn wait(delay: Duration) {
    let asked = async {
        match StopSignals::new() {
            Ok(mut signals) => signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    // Either way it ends now.
    let _ = timeout(delay, asked).await;
}
