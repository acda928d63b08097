//! `pricetime backup` and `pricetime restore`: under load, into nothing, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pricetime::config::Settings;
use pricetime::storage;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::support::{Mode, Said, Stack, check_log, empty, on_both, under_load};

on_both! {
    a_backup_under_load_is_restored_into_nothing
    what_is_damaged_or_not_empty_is_refused
    no_service_starts_on_half_a_restore
    a_backup_that_is_killed_is_none
    a_restore_that_is_killed_is_none
    of_two_restores_one_fills_the_stores
    a_backup_moves_to_the_other_mode
}

/// A folder that goes with the test, and a place in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("backup");
    (folder, place)
}

fn back_up(stack: &Stack, to: &Path) -> String {
    stack.tool(&["backup", "--to", to.to_str().expect("a path")]).well()
}

fn restore(stack: &Stack, from: &Path) -> Said {
    stack.tool(&["restore", "--from", from.to_str().expect("a path")])
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("backup.json")).expect("a manifest")).expect("JSON")
}

/// Takes away everything that the service stands on, archive and all.
async fn lose_everything(stack: &mut Stack, mode: Mode) {
    stack.service.kill().expect("a kill");
    let _ = fs::remove_dir_all(stack.service.folder().join("data"));
    if mode == Mode::Full {
        empty(stack.redis()).await;
        stack.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }
}

fn verified(stack: &Stack) -> Value {
    serde_json::from_str(&stack.tool(&["verify", "--full", "--json"]).well()).expect("JSON")
}

async fn some_orders(stack: &Stack, count: u64) -> u64 {
    let mut last = 0;
    for n in 0..count {
        let side = if n % 2 == 0 { "SELL" } else { "BUY" };
        last = stack.place("BTC_USDT", side, &format!("{}", 100 + n % 3), "1.5").await;
    }
    stack.state_with([last]).await;
    last
}

async fn a_backup_under_load_is_restored_into_nothing(mode: Mode) {
    let (_folder, first) = place();
    let second = first.with_file_name("second");
    let mut stack = under_load(Stack::with_settings(mode, &[("SNAPSHOT_INTERVAL", "1")]), 8, async |stack| {
        crate::service::support::progress(stack, 500).await;
        back_up(stack, &first);
        crate::service::support::progress(stack, 1_500).await;
        back_up(stack, &second);
    })
    .await;
    let saved = manifest(&second);
    let end = saved["end"]["seq"].as_u64().expect("a row");
    assert!(end >= 1_500 && manifest(&first)["end"]["seq"].as_u64() < Some(end));
    // What the lost service went on doing is not in it, and the state at its last row is.
    let then = stack.tool(&["replay", "--to-seq", &end.to_string(), "--json"]).well();
    let then: Value = serde_json::from_str(&then).expect("JSON");
    assert_eq!(then["state_hash"], saved["state_hash"]);
    let greatest = some_orders(&stack, 1).await;
    let rows: Vec<_> = stack.log().await.into_iter().take(end as usize).collect();

    lose_everything(&mut stack, mode).await;
    let said = restore(&stack, &second).well();
    assert!(said.contains(saved["state_hash"].as_str().expect("a hash")), "{said}");
    stack.service.restart().expect("a start");
    let proof = verified(&stack);
    assert_eq!(stack.log().await[..end as usize], rows);
    let id = some_orders(&stack, 10).await;
    assert!(id > greatest + (1 << 34), "order {id} may have been handed out before, as {greatest} was");
    check_log(&stack).await;
    verified(&stack);
    assert!(proof["seq"].as_u64() >= Some(end));
    // And once more from what was restored.
    let third = first.with_file_name("third");
    back_up(&stack, &third);
    let hash = manifest(&third)["state_hash"].clone();
    lose_everything(&mut stack, mode).await;
    restore(&stack, &third).well();
    let proof: Value =
        serde_json::from_str(&stack.tool(&["replay", "--to-seq", &last_row(&third), "--json"]).well()).expect("JSON");
    assert_eq!(proof["state_hash"], hash);
}

fn last_row(folder: &Path) -> String {
    manifest(folder)["end"]["seq"].to_string()
}

async fn what_is_damaged_or_not_empty_is_refused(mode: Mode) {
    let (_folder, backup) = place();
    let mut stack = Stack::on(mode);
    some_orders(&stack, 30).await;
    back_up(&stack, &backup);
    stack.tool(&["backup", "--to", backup.to_str().expect("a path")]).failed(3, "is not empty");
    let alive =
        if mode == Mode::Full { "a service has run on the log" } else { "another service runs on the data folder" };
    restore(&stack, &backup).failed(4, alive);
    stack.service.kill().expect("a kill");
    restore(&stack, &backup).failed(4, "a service has run on the log");
    if mode == Mode::Full {
        // An older stream would be executed again.
        stack.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        restore(&stack, &backup).failed(4, "Redis has a command stream");
    }
    lose_everything(&mut stack, mode).await;

    // Any byte of any file but the manifests, which say what they are themselves.
    for entry in fs::read_dir(backup.join("log")).expect("the rows").chain(fs::read_dir(&backup).expect("the folder")) {
        let path = entry.expect("an entry").path();
        if !path.is_file() {
            continue;
        }
        let good = fs::read(&path).expect("a file");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, &bad).expect("a write");
        restore(&stack, &backup).failed(6, "is damaged");
        fs::write(&path, &good).expect("a write");
    }
    fs::rename(backup.join("backup.json"), backup.join("gone.json")).expect("a move");
    restore(&stack, &backup).failed(3, "backup.json");
    fs::rename(backup.join("gone.json"), backup.join("backup.json")).expect("a move");
    // Nothing of all that has touched the stores.
    restore(&stack, &backup).well();
    stack.service.restart().expect("a start");
    verified(&stack);
}

/// A restore that was cut short has put rows behind the position: every start refuses, and so does another restore.
async fn no_service_starts_on_half_a_restore(mode: Mode) {
    let (_folder, backup) = place();
    let mut stack = Stack::on(mode);
    some_orders(&stack, 30).await;
    let rows = stack.log().await;
    back_up(&stack, &backup);
    lose_everything(&mut stack, mode).await;
    let data = stack.service.folder().join("data");
    let mut environment: Vec<(String, String)> =
        stack.service.environment().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    environment.push(("DATA_DIR".to_owned(), data.to_str().expect("a path").to_owned()));
    let (settings, _) = Settings::from_sources(environment, []).expect("settings");
    let (stores, shelves) = storage::empty(&settings).await.expect("empty stores");
    shelves.put(&rows[..20]).await.expect("rows");
    drop((stores, shelves));
    restore(&stack, &backup).failed(4, "was not finished");
    stack.service.relaunch(&[]).expect("a launch");
    let ended = stack.service.wait_exit(crate::service::support::DEADLINE).expect("an end");
    assert_eq!(ended.code(), Some(6), "{}", stack.service.log());
    assert!(stack.service.log().contains("the log goes on behind row 0"), "{}", stack.service.log());
}

/// They do not mix their rows: the other one is told so, or finds the stores filled.
async fn of_two_restores_one_fills_the_stores(mode: Mode) {
    let (_folder, backup) = place();
    let mut stack = Stack::on(mode);
    stack.place_many(3_000).await;
    back_up(&stack, &backup);
    lose_everything(&mut stack, mode).await;
    let said = std::thread::scope(|scope| {
        let restores = [0, 1].map(|_| scope.spawn(|| restore(&stack, &backup)));
        restores.map(|restore| restore.join().expect("a thread"))
    });
    let mut codes = said.each_ref().map(|said| said.code);
    codes.sort();
    assert_eq!(codes, [Some(0), Some(4)], "{said:#?}");
    stack.service.restart().expect("a start");
    verified(&stack);
}

async fn a_backup_moves_to_the_other_mode(mode: Mode) {
    let (_folder, backup) = place();
    let settings = [("SECRET_KEY", "0123456789abcdef0123456789abcdef")];
    let stack = Stack::with_settings(mode, &settings);
    some_orders(&stack, 40).await;
    stack.tool(&["snapshot", "take"]).well();
    some_orders(&stack, 40).await;
    let made: Value =
        serde_json::from_str(&stack.tool(&["keys", "make", "desk", "--scopes", "trade", "--json"]).well())
            .expect("JSON");
    let gone: Value =
        serde_json::from_str(&stack.tool(&["keys", "make", "old", "--scopes", "read", "--json"]).well()).expect("JSON");
    stack.tool(&["keys", "revoke", gone["id"].as_str().expect("an id")]).well();
    let keys = stack.tool(&["keys", "list", "--json"]).well();
    assert!(keys.contains(made["id"].as_str().expect("an id")));
    back_up(&stack, &backup);
    let other = if mode == Mode::Full { Mode::Embedded } else { Mode::Full };
    let mut there = Stack::with_settings(other, &settings);
    lose_everything(&mut there, other).await;
    restore(&there, &backup).well();
    there.service.restart().expect("a start");
    let state = |state: Value| (state["orders"].clone(), state["trades"].clone());
    assert_eq!(state(there.get("/api/debug/state/").await), state(stack.get("/api/debug/state/").await));
    assert_eq!(there.tool(&["keys", "list", "--json"]).well(), keys);
    some_orders(&there, 20).await;
    verified(&there);
}

/// How often a command is killed at least, how often in the middle, and how often at most until that has happened.
const KILLS: u32 = 8;
const WITHIN: u32 = 3;
const TRIES: u32 = 60;

/// What a kill has found of a command's work.
enum Found {
    Nothing,
    Half,
    All,
}

/// Kills at moments that go where the work is half done, until that has been met often enough.
async fn kills(mut kill: impl AsyncFnMut(u32, Duration) -> Found) {
    let (mut nothing, mut half, mut all) = (0, 0, 0);
    let mut after = Duration::from_millis(200);
    while half < WITHIN || nothing + half + all < KILLS {
        let tries = nothing + half + all;
        assert!(tries < TRIES, "nothing {nothing}, half {half}, all {all}");
        let (count, next) = match kill(tries, after).await {
            Found::Nothing => (&mut nothing, 1.2),
            Found::Half => (&mut half, 1.05),
            Found::All => (&mut all, 0.85),
        };
        *count += 1;
        after = after.mul_f64(next);
    }
    println!("nothing {nothing}, half {half}, all {all}");
}

/// Killed in the middle of its work, or before or behind it, it leaves a folder that every restore refuses, or a whole
/// backup.
async fn a_backup_that_is_killed_is_none(mode: Mode) {
    let (_folder, whole) = place();
    let mut stack = Stack::on(mode);
    stack.place_many(3_000).await;
    stack.tool(&["snapshot", "take"]).well();
    stack.place_many(500).await;
    let mut finished = Vec::new();
    kills(async |kill, after| {
        let to = whole.with_file_name(format!("killed-{kill}"));
        stack.tool_killed_after(&["backup", "--to", to.to_str().expect("a path")], after);
        if to.join("backup.json").exists() {
            finished.push(to);
            return Found::All;
        }
        restore(&stack, &to).failed(3, "backup.json");
        if to.join("log").exists() { Found::Half } else { Found::Nothing }
    })
    .await;
    // What a kill left does not stand in the way of the next one.
    let last = whole.with_file_name("last");
    back_up(&stack, &last);
    finished.push(last);
    for backup in finished {
        lose_everything(&mut stack, mode).await;
        restore(&stack, &backup).well();
    }
    stack.service.restart().expect("a start");
    verified(&stack);
}

/// Killed in the middle of its work, or before or behind it, it leaves what no service starts on and no restore fills,
/// empty stores, or all.
async fn a_restore_that_is_killed_is_none(mode: Mode) {
    let (_folder, backup) = place();
    let mut stack = Stack::on(mode);
    stack.place_many(3_000).await;
    stack.tool(&["snapshot", "take"]).well();
    stack.place_many(500).await;
    back_up(&stack, &backup);
    lose_everything(&mut stack, mode).await;
    let arguments = ["restore", "--from", backup.to_str().expect("a path")];
    kills(async |_, after| {
        lose_everything(&mut stack, mode).await;
        stack.tool_killed_after(&arguments, after);
        let again = restore(&stack, &backup);
        let found = if again.code == Some(0) {
            Found::Nothing
        } else if again.error.contains("a service has run on the log") {
            Found::All
        } else {
            again.failed(4, "was not finished");
            stack.service.relaunch(&[]).expect("a launch");
            let ended = stack.service.wait_exit(crate::service::support::DEADLINE).expect("an end");
            assert_eq!(ended.code(), Some(6), "{}", stack.service.log());
            return Found::Half;
        };
        // All of it is there.
        let replayed = stack.tool(&["replay", "--to-seq", &last_row(&backup), "--json"]).well();
        let replayed: Value = serde_json::from_str(&replayed).expect("JSON");
        assert_eq!(replayed["state_hash"], manifest(&backup)["state_hash"]);
        found
    })
    .await;
    lose_everything(&mut stack, mode).await;
    restore(&stack, &backup).well();
    stack.service.restart().expect("a start");
    verified(&stack);
}
