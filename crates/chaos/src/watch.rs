//! Watchers: they remember states that were shown, which must be states of the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use reqwest::Client;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::answers;
use crate::history::{History, Projected, Shown, Span};
use crate::load::Shared;

/// Hashing a ledger takes milliseconds of the service's time.
const LOOK_AT_SERVICES: Duration = Duration::from_millis(250);
const LOOK_AT_REDIS: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Asks each service for its row and the hash of what it shows there.
pub(crate) async fn watch_services(shared: Arc<Shared>) -> History {
    let mut history = History::default();
    let http = answers::client(ANSWER_WITHIN);
    while !shared.is_stopped() {
        for url in &shared.urls {
            history.shown.extend(shown(&http, url).await);
        }
        sleep(LOOK_AT_SERVICES).await;
    }
    history
}

/// The row and the hash that a service shows, if it shows any.
pub(crate) async fn shown(http: &Client, url: &str) -> Option<Shown> {
    let from = Instant::now();
    let answer = http.get(format!("{url}/api/debug/hash/")).send().await.ok()?;
    let body: Value = answer.json().await.ok()?;
    let span = Span { from, to: Instant::now() };
    Some(Shown { span, seq: body["seq"].as_u64()?, ledger_hash: body["ledger_hash"].as_str()?.to_owned() })
}

/// Asks Redis for the row that it shows.
pub(crate) async fn watch_redis(shared: Arc<Shared>, url: String) -> History {
    let mut history = History::default();
    let Ok(client) = redis::Client::open(url) else { return history };
    let mut connection = None;
    while !shared.is_stopped() {
        // A connection that once did not answer is not used again.
        connection = match connection.take() {
            Some(open) => look(open, &mut history).await,
            None => timeout(ANSWER_WITHIN, client.get_multiplexed_async_connection()).await.ok().and_then(Result::ok),
        };
        sleep(LOOK_AT_REDIS).await;
    }
    history
}

async fn look(mut connection: MultiplexedConnection, history: &mut History) -> Option<MultiplexedConnection> {
    let mut ask = redis::cmd("HMGET");
    ask.arg("projection:seq").arg("seq").arg("chain");
    let (seq, chain): (Option<u64>, Option<String>) =
        timeout(ANSWER_WITHIN, ask.query_async(&mut connection)).await.ok()?.ok()?;
    if let (Some(seq), Some(chain)) = (seq, chain) {
        history.projected.push(Projected { at: Instant::now(), seq, chain });
    }
    Some(connection)
}
