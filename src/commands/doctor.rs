//! `pricetime doctor`: everything that somebody who is to help needs to see first, in one file, and no secret or order.

use std::fs;
use std::path::Path;

use journal::Record;
use matching::Seq;
use serde::Serialize;
use serde_json::{Value, json};

use super::{ask, backup, say};
use crate::archive::{Archive, ArchiveError, write_bytes_surely};
use crate::config::{Settings, Storage};
use crate::exit::End;
use crate::inspect::{snapshots, status};
use crate::storage::{self, Records};

/// The last rows that are named.
const ROWS: u64 = 50;
/// Files of Linux that say how the machine does.
const MACHINE: [&str; 5] =
    ["/proc/version", "/proc/loadavg", "/proc/meminfo", "/proc/self/limits", "/proc/pressure/io"];

/// Writes what it finds to a file. What cannot be found out says why.
pub async fn doctor(settings: &Settings, to: &Path) -> Result<(), End> {
    let records = storage::records(settings).await;
    let stores = match &records {
        Ok(records) => stores(settings, records).await,
        Err(end) => json!({ "error": end.to_string() }),
    };
    let found = json!({
        "pricetime": env!("CARGO_PKG_VERSION"),
        "made_at": backup::now(),
        "settings": settings.effective.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "stores": stores,
        "last_fatal": last_fatal(settings).await,
        "archive": archive(settings),
        "service": {
            "readyz": answer(settings, "/readyz").await,
            "engine": answer(settings, "/api/engine/").await,
            "metrics": ask::ask_text(settings, "/metrics").await,
        },
        "machine": MACHINE.map(|path| json!({ path: fs::read_to_string(path).unwrap_or_else(|error| error.to_string()) })),
    });
    let text = serde_json::to_string_pretty(&found).map_err(|error| End::Output(error.into()))?;
    write_bytes_surely(to, redacted(text, settings).as_bytes())?;
    say(format!("{} is written: look through it before you send it to anybody", to.display()))
}

/// Every secret is left out where it is shown; should one have come in by another way, such as an error's text, it goes here.
fn redacted(text: String, settings: &Settings) -> String {
    let known = settings.admin_token.iter().chain(&settings.secret_key);
    let mut secrets: Vec<String> = known.map(|secret| secret.expose().to_owned()).collect();
    if let Storage::Full { redis_url, database_url } = &settings.storage {
        for url in [redis_url, database_url].map(|url| url.expose()) {
            secrets.push(url.to_owned());
            secrets.extend(password(url));
        }
    }
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret.as_str(), "***"))
}

/// The password in an address.
fn password(url: &str) -> Option<String> {
    let (user, _) = url.split_once("://")?.1.rsplit_once('@')?;
    Some(user.split_once(':')?.1.to_owned())
}

async fn stores(settings: &Settings, records: &Records) -> Value {
    let time = matching::Micros::new(backup::now()).unwrap_or(matching::Micros::ZERO);
    json!({
        "status": told(status::of(settings, records).await.map(|(status, vacant)| json!({ "stores": status, "writer_is_gone": vacant }))),
        "snapshots": told(snapshots::list(records, time).await),
        "last_rows": told(last_rows(records).await),
    })
}

/// The last rows without what clients sent: that is nobody's business.
async fn last_rows(records: &Records) -> Result<Vec<Value>, End> {
    let end = records.log.position().await?.position.seq.get();
    let after = Seq::new(end.saturating_sub(ROWS)).unwrap_or(Seq::ZERO);
    let rows = records.log.page(after, usize::try_from(ROWS).unwrap_or(usize::MAX)).await?;
    let shown = |row: &Record| {
        json!({
            "seq": row.seq.get(), "time": row.time.get(), "epoch": row.epoch.0, "kind": row.kind, "symbol": row.symbol,
            "stream_position": row.stream_id.to_string(), "engine_version": row.engine_version, "format": row.format,
            "command_bytes": row.command.len(), "events_bytes": row.events.len(), "chain": row.chain.to_string()
        })
    };
    Ok(rows.iter().map(shown).collect())
}

async fn last_fatal(settings: &Settings) -> Value {
    let last = async {
        let note = storage::fatal_record(settings).await?.last().await?;
        Ok::<_, End>(note.map(|note| json!({ "seq": note.seq.get(), "times": note.times, "error": note.error })))
    };
    told(last.await)
}

fn archive(settings: &Settings) -> Value {
    let segments = Archive::new(&settings.archive_dir)
        .segments()
        .map(|segments| segments.iter().map(crate::archive::Segment::name).collect::<Vec<_>>());
    told(segments.map_err(|error: ArchiveError| End::from(error)))
}

async fn answer(settings: &Settings, path: &str) -> Value {
    ask::ask(settings, path)
        .await
        .map_or(Value::Null, |(status, body)| json!({ "status": status.as_u16(), "body": body }))
}

/// What was found, or why it was not.
fn told(found: Result<impl Serialize, End>) -> Value {
    match found.map(serde_json::to_value) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => json!({ "error": error.to_string() }),
        Err(end) => json!({ "error": end.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_stays_wherever_it_comes_from() {
        let given = [
            ("REDIS_URL", "redis://me:hunter1@h:6379/0"),
            ("DATABASE_URL", "postgres://me:hunter2@h/d"),
            ("ADMIN_TOKEN", "hunter3hunter3hunter3hunter3hunter3"),
        ];
        let variables = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (settings, _) = Settings::from_sources(variables.clone(), []).expect("settings");
        let text: String = variables.iter().map(|(name, value)| format!("{name} refused: {value}; ")).collect();
        let redacted = redacted(format!("{text} password hunter1, hunter2"), &settings);
        assert!(!redacted.contains("hunter") && redacted.contains("REDIS_URL refused: ***"), "{redacted}");
    }
}
