//! `pricetime archive`: old rows leave the store, and everything goes on reading them.

use std::fs;

use serde_json::{Value, json};

use crate::service::support::{Mode, Stack, on_both};

on_both! {
    archived_rows_are_read_as_ever
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

/// Ranges of ten million rows take too long to fill: the first one becomes one of a hundred.
fn make_a_short_range(stack: &Stack) {
    stack.sql(
        "BEGIN; ALTER TABLE event_log DETACH PARTITION event_log_0; CREATE TABLE short (LIKE event_log INCLUDING ALL); \
         INSERT INTO short SELECT * FROM event_log_0 WHERE seq < 100; DELETE FROM event_log_0 WHERE seq < 100; \
         ALTER TABLE event_log ATTACH PARTITION short FOR VALUES FROM (0) TO (100); \
         ALTER TABLE event_log ATTACH PARTITION event_log_0 FOR VALUES FROM (100) TO (10000000); COMMIT",
    );
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
        make_a_short_range(&stack);
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
