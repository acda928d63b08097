//! The wall clock leaps under a running service: Debian's libfaketime moves it, and leaves the monotonic clock alone.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tempfile::TempDir;

use crate::service::support::{Mode, Stack, check_log, id, on_both, orders, until};

/// The difference between the service's wall clock and the true one, in a file that libfaketime reads at each call.
struct WallClock {
    folder: TempDir,
}

impl WallClock {
    fn new() -> WallClock {
        let clock = WallClock { folder: tempfile::tempdir().expect("a folder") };
        clock.set(0);
        clock
    }

    fn set(&self, seconds: i64) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{seconds:+}\n")).expect("a file");
        std::fs::rename(new, self.file()).expect("a file");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let library =
            ["/usr/lib", "/usr/lib64"].iter().flat_map(|place| std::fs::read_dir(place).into_iter().flatten());
        let library = library.flatten().map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
        let library = library.into_iter().find(|file| file.is_file()).expect("libfaketime: run `make prepare`");
        vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("MAX_QUEUE_AGE", "5".to_owned()),
        ]
    }
}

on_both! {
    a_leap_of_the_wall_clock_expires_what_is_due_and_nothing_else
}

const HOUR: i64 = 3_600;

fn in_seconds(seconds: i64) -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs_f64() + seconds as f64
}

async fn until_gtd(stack: &Stack, at: f64) -> u64 {
    let answer = stack
        .order(json!({"time_in_force": "GTD", "expire_at": format!("{at:.3}").parse::<f64>().expect("a number")}))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.order_id().expect("an id")
}

/// Places orders while the clock leaps by so much; all of them are fresh.
async fn orders_around_a_leap(stack: &Stack, clock: &WallClock, to: i64) {
    let mut placed = Vec::new();
    for n in 0..60 {
        if n == 20 {
            clock.set(to);
        }
        placed.push(stack.place("BTC_USDT", "BUY", "1", "1").await);
    }
    let state = stack.state_with(placed.iter().copied()).await;
    for order in orders(&state).filter(|order| placed.contains(&id(order))) {
        assert_eq!(order["status"], "OPEN", "{order}");
    }
}

async fn status(stack: &Stack, order_id: u64) -> String {
    let state = stack.state_with([order_id]).await;
    let order = orders(&state).find(|order| id(order) == order_id).expect("the order").clone();
    order["status"].as_str().expect("a status").to_owned()
}

async fn a_leap_of_the_wall_clock_expires_what_is_due_and_nothing_else(mode: Mode) {
    let clock = WallClock::new();
    let settings = clock.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stack = Stack::with_settings(mode, &settings);
    let soon = until_gtd(&stack, in_seconds(HOUR / 2)).await;
    let later = until_gtd(&stack, in_seconds(HOUR * 3 / 2)).await;

    orders_around_a_leap(&stack, &clock, HOUR).await;
    until("what fell due to expire", async || (status(&stack, soon).await == "EXPIRED").then_some(())).await;
    assert_eq!(status(&stack, later).await, "OPEN");

    // Back to the true time: an hour behind what is recorded.
    orders_around_a_leap(&stack, &clock, 0).await;
    assert_eq!(status(&stack, later).await, "OPEN");
    let refused = stack.order(json!({"time_in_force": "GTD", "expire_at": in_seconds(HOUR / 2).floor()})).await;
    assert_eq!(refused.body["code"], "INVALID_TIME", "the service's time has not gone back: {refused:?}");

    // And over a start with a wall clock that is behind the log.
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    orders_around_a_leap(&stack, &clock, 0).await;
    let times: Vec<_> = stack.log().await.iter().map(|row| row.time).collect();
    assert!(times.is_sorted(), "recorded time ran backwards");
    let leapt = times.last().zip(times.first()).map(|(last, first)| last.get() - first.get());
    assert!(leapt > Some(HOUR.cast_unsigned() * 1_000_000), "the service saw no leap: {leapt:?}");
    check_log(&stack).await;
}
