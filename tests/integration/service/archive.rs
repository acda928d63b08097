//! `pricetime archive`: old rows leave the store, and everything goes on reading them.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::service::support::{Mode, Stack, empty, on_both};

on_both! {
    archived_rows_are_read_as_ever
    an_archive_that_is_killed_goes_on_where_it_was
    rows_of_another_log_are_no_archive_of_this_one
}

async fn some_orders(stack: &Stack, count: u64) -> Vec<u64> {
    let mut placed = Vec::new();
    for n in 0..count {
        let side = if n % 2 == 0 { "SELL" } else { "BUY" };
        placed.push(stack.place("BTC_USDT", side, &format!("{}", 100 + n % 3), "1.5").await);
    }
    stack.state_with(placed.iter().copied()).await;
    placed
}

/// Ranges of ten million rows take too long to fill: the first one becomes one of so many.
fn make_a_short_range(stack: &Stack, rows: u64) {
    stack.sql(&format!(
        "BEGIN; ALTER TABLE event_log DETACH PARTITION event_log_0; CREATE TABLE short (LIKE event_log INCLUDING ALL); \
         INSERT INTO short SELECT * FROM event_log_0 WHERE seq < {rows}; DELETE FROM event_log_0 WHERE seq < {rows}; \
         ALTER TABLE event_log ATTACH PARTITION short FOR VALUES FROM (0) TO ({rows}); \
         ALTER TABLE event_log ATTACH PARTITION event_log_0 FOR VALUES FROM ({rows}) TO (10000000); COMMIT",
    ));
}

async fn archived_rows_are_read_as_ever(mode: Mode) {
    let mut stack = Stack::on(mode);
    let old = some_orders(&stack, 120).await;
    assert!(stack.tool(&["archive"]).well().contains("there are not two snapshots yet"));
    stack.tool(&["snapshot", "take"]).well();
    let second = stack.log().await.len() as u64;
    some_orders(&stack, 60).await;
    stack.tool(&["snapshot", "take"]).well();
    some_orders(&stack, 30).await;
    if mode == Mode::Full {
        assert!(stack.tool(&["archive"]).well().contains("nothing to archive"));
        make_a_short_range(&stack, 100);
    }
    let last = if mode == Mode::Full { 99 } else { second };
    let exported = stack.tool(&["export"]).well();
    let about = ["log", "--order", &old[3].to_string(), "--json"].map(str::to_owned);
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    let life = stack.tool(&about).well();
    let explained = stack.get(&format!("/api/orders/{}/explain/", old[3])).await;
    let row = stack.get("/api/admin/log/5/").await;

    assert!(stack.tool(&["archive", "--dry-run"]).well().contains(&format!("rows 1 to {last} would be archived")));
    assert_eq!(stack.log().await[0].seq.get(), 1, "a dry run changed something");
    let said = stack.tool(&["archive"]).well();
    assert!(said.contains(&format!("rows 1 to {last} are in event_log-")), "{said}");
    assert_eq!(stack.log().await[0].seq.get(), last + 1, "the store still has them");
    assert!(stack.tool(&["archive"]).well().contains("nothing to archive") || mode == Mode::Embedded);

    // Whatever reads the log, beside the running service and in it.
    assert_eq!(stack.tool(&["export"]).well(), exported);
    assert_eq!(stack.tool(&about).well(), life);
    assert_eq!(stack.get(&format!("/api/orders/{}/explain/", old[3])).await, explained);
    assert_eq!(stack.get("/api/admin/log/5/").await, row);
    let events = stack.get("/api/events/?after=0&limit=3").await;
    assert_eq!(events["events"].as_array().expect("rows").iter().map(|row| &row["seq"]).collect::<Vec<_>>(), [1, 2, 3]);
    let proof: Value = serde_json::from_str(&stack.tool(&["verify", "--full", "--json"]).well()).expect("JSON");
    assert_eq!((&proof["from_seq"], &proof["snapshots"]), (&json!(0), &json!(2)));
    stack.service.restart().expect("a restart");
    some_orders(&stack, 10).await;
    stack.tool(&["verify"]).well();

    // A byte of the archive that changes is found, and so is a file that is gone; what is in the store goes on.
    let folder = stack.service.folder().join("data/archive");
    let rows = fs::read_dir(&folder).expect("the archive").map(|entry| entry.expect("an entry").path());
    let rows = rows.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "zst")).expect("rows");
    let good = fs::read(&rows).expect("rows");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&rows, bad).expect("a write");
    stack.tool(&["verify", "--full"]).failed(6, "");
    fs::write(&rows, good).expect("a write");
    stack.tool(&["verify", "--full"]).well();
    fs::rename(&folder, folder.with_file_name("away")).expect("a move");
    stack.tool(&["verify", "--full"]).failed(6, "row 1");
    stack.tool(&["verify"]).well();
    let backup = stack.service.folder().join("backup");
    let said = stack.tool(&["backup", "--to", backup.to_str().expect("a path")]).well();
    assert!(said.contains(&format!("rows {} to", second + 1)), "{said}");
    fs::rename(folder.with_file_name("away"), &folder).expect("a move");
    stack.service.restart().expect("a restart");
    some_orders(&stack, 10).await;
    stack.tool(&["verify", "--full"]).well();
}

/// Killed at moments all over its way, each next run ends what the one before has begun, and nothing is missing in between.
async fn an_archive_that_is_killed_goes_on_where_it_was(mode: Mode) {
    let stack = Stack::on(mode);
    stack.place_many(5_500).await;
    stack.tool(&["snapshot", "take"]).well();
    let second = stack.log().await.len() as u64;
    some_orders(&stack, 5).await;
    stack.tool(&["snapshot", "take"]).well();
    if mode == Mode::Full {
        make_a_short_range(&stack, 5_001);
    }
    let last = if mode == Mode::Full { 5_000 } else { second };
    let exported = stack.tool(&["export"]).well();
    // As long as a run takes, near enough: a copy of the same rows.
    let began = Instant::now();
    stack.tool(&["backup", "--to", "measured"]).well();
    let whole = began.elapsed();

    let mut kills = 0;
    for step in 1..=200 {
        let ended = stack.tool_killed_after(&["archive"], whole.mul_f64(f64::from(step) / 40.0));
        assert_eq!(stack.tool(&["export"]).well(), exported, "after kill {step}");
        if ended {
            break;
        }
        kills += 1;
    }
    println!("{kills} kills within {whole:?}");
    assert!(kills > 3, "it was over too soon for that to show anything: {kills} kills");
    let oldest = stack.log().await[0].seq.get();
    assert_eq!(oldest, last + 1, "the store still has rows after {kills} kills");
    stack.tool(&["verify", "--full"]).well();
    let folder = stack.service.folder().join("data/archive");
    let names: Vec<String> = fs::read_dir(&folder)
        .expect("the archive")
        .map(|entry| entry.expect("an entry").file_name().to_str().expect("a name").to_owned())
        .collect();
    assert!(!names.iter().any(|name| name.ends_with(".unfinished")), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".zst")).count(), 1, "written twice: {names:?}");

    // Who writes there keeps others away.
    let lock = fs::File::open(folder.join("archive.lock")).expect("the lock");
    lock.lock().expect("it is locked");
    some_orders(&stack, 5).await;
    stack.tool(&["snapshot", "take"]).well();
    if mode == Mode::Embedded {
        stack.tool(&["archive"]).failed(4, "another process archives");
        assert_eq!(stack.log().await[0].seq.get(), oldest);
        drop(lock);
        assert!(stack.tool(&["archive"]).well().contains("the store has let go of them"));
    }
    stack.tool(&["verify", "--full"]).well();
}

/// What a lost service archived behind the backup that its successor was made of is neither read as the successor's nor taken
/// for an archive of its rows.
async fn rows_of_another_log_are_no_archive_of_this_one(mode: Mode) {
    let mut stack = Stack::on(mode);
    some_orders(&stack, 60).await;
    stack.tool(&["backup", "--to", "saved"]).well();
    some_orders(&stack, 60).await;
    stack.tool(&["snapshot", "take"]).well();
    some_orders(&stack, 10).await;
    stack.tool(&["snapshot", "take"]).well();
    if mode == Mode::Full {
        make_a_short_range(&stack, 100);
    }
    assert!(stack.tool(&["archive", "--up-to", "99"]).well().contains("rows 1 to 99 are in"));

    // Everything is lost but the archive.
    stack.service.kill().expect("a kill");
    let (data, kept) = (stack.service.folder().join("data"), stack.service.folder().join("kept"));
    fs::rename(data.join("archive"), &kept).expect("a move");
    fs::remove_dir_all(&data).expect("a removal");
    if mode == Mode::Full {
        empty(stack.redis()).await;
        stack.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }
    fs::create_dir(&data).expect("a folder");
    fs::rename(&kept, data.join("archive")).expect("a move");
    stack.tool(&["restore", "--from", "saved"]).failed(4, "has rows up to 99");
    fs::rename(data.join("archive"), &kept).expect("a move");
    stack.tool(&["restore", "--from", "saved"]).well();

    // It comes back only when the log has other rows there.
    stack.service.restart().expect("a start");
    some_orders(&stack, 70).await;
    stack.tool(&["snapshot", "take"]).well();
    some_orders(&stack, 10).await;
    stack.tool(&["snapshot", "take"]).well();
    if mode == Mode::Full {
        make_a_short_range(&stack, 100);
    }
    fs::rename(&kept, data.join("archive")).expect("a move");
    let exported = stack.tool(&["export"]).well();
    stack.tool(&["archive", "--up-to", "99"]).failed(4, "holds other rows than the log");
    assert_eq!(stack.log().await[0].seq.get(), 1, "the only copy of its rows is gone");
    fs::rename(data.join("archive"), &kept).expect("a move");
    assert!(stack.tool(&["archive", "--up-to", "99"]).well().contains("rows 1 to 99 are in"));
    assert_eq!(stack.tool(&["export"]).well(), exported);
    stack.tool(&["verify", "--full"]).well();
}
