//! Full disks: nothing is acknowledged that is not kept, and all is well again once there is room. The disks are small
//! tmpfs mounts; where mounting is not permitted these tests say so and show nothing.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use testbed::{Postgres, Redis, Service, wait_until};
use tokio::time::{Instant, sleep};

use crate::service::support::{Answer, BINARY, DEADLINE, Mode, Stack, check_log};

/// A file system of its own; it goes when this is dropped.
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// None where this user may not mount one.
    pub fn of(megabytes: u32) -> Option<Disk> {
        let folder = tempfile::Builder::new().prefix("pricetime-disk-").tempdir().expect("a folder");
        let size = format!("size={megabytes}m,mode=755");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Disk { folder });
        }
        eprintln!("skipped: mounting a small disk is not permitted here, so a full one cannot be shown");
        None
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).expect("a file");
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("room");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// Places orders until one is refused; those that were acknowledged before, and the refusal.
pub async fn until_refused(stack: &Stack) -> (Vec<u64>, Answer) {
    let (mut taken, began) = (Vec::new(), Instant::now());
    loop {
        let answer = stack.order(json!({})).await;
        match answer.status {
            202 => taken.push(answer.order_id().expect("an id")),
            _ => return (taken, answer),
        }
        assert!(began.elapsed() < DEADLINE, "{} orders fit on a full disk", taken.len());
    }
}

/// Whatever of the two it is, nothing is acknowledged.
#[track_caller]
fn no_acknowledgement(refused: &Answer) {
    match refused.body["outcome"].as_str() {
        Some("unknown") => drop(refused.unknown()),
        _ => refused.not_taken("QUEUE_UNAVAILABLE"),
    }
}

/// Everything that was acknowledged is there, also after a restart, and new orders are taken.
async fn all_is_well(stack: &mut Stack, taken: Vec<u64>) {
    stack.until_readiness(200, "ok").await;
    let after = stack.place("BTC_USDT", "BUY", "1", "1").await;
    let taken: Vec<u64> = taken.into_iter().chain([after]).collect();
    stack.state_with(taken.iter().copied()).await;
    stack.service.kill().expect("a kill");
    stack.service.restart().expect("a restart");
    stack.state_with(taken).await;
    check_log(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_embedded_file_loses_nothing() {
    let Some(disk) = Disk::of(8) else { return };
    let folder = disk.path().join("data");
    let mut stack = Stack::with_settings(Mode::Embedded, &[("DATA_DIR", folder.to_str().expect("a path"))]);
    disk.fill();
    let (taken, refused) = until_refused(&stack).await;
    no_acknowledgement(&refused);
    disk.make_room();
    all_is_well(&mut stack, taken).await;

    // A start that finds no room is worth another try, and says so by its exit code.
    stack.service.kill().expect("a kill");
    disk.fill();
    for fresh in [folder.clone(), disk.path().join("new")] {
        let environment = [("DATA_DIR", fresh.to_str().expect("a path"))];
        let mut start = Service::spawn(BINARY, environment).expect("a service");
        let began = Instant::now();
        loop {
            if let Some(status) = start.exited().expect("a state") {
                assert_eq!(status.code(), Some(3), "{}", start.log());
                break;
            }
            // What is left of an older write-ahead log may be room enough for a start.
            let ready = stack.client.get(format!("{}/readyz", start.base_url())).send().await;
            if ready.is_ok_and(|ready| ready.status() == 200) {
                break;
            }
            assert!(began.elapsed() < DEADLINE, "neither an end nor a start: {}", start.log());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Redis with `appendfsync always` ends itself when it cannot write; started again with room, it has what it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_redis_loses_nothing() {
    let Some(disk) = Disk::of(8) else { return };
    let redis = Redis::start_in(&disk.path().join("redis")).expect("a Redis");
    let mut stack = Stack::on_servers(redis, None, &[]);
    disk.fill();
    let (taken, refused) = until_refused(&stack).await;
    no_acknowledgement(&refused);
    disk.make_room();
    if !stack.redis_mut().is_running().expect("a state") {
        stack.redis_mut().restart().expect("a restart");
    }
    all_is_well(&mut stack, taken).await;
}

/// Orders are taken while PostgreSQL has no room for their rows, and are executed once it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_postgres_loses_nothing() {
    let Some(disk) = Disk::of(96) else { return };
    let postgres = Postgres::start_in(&disk.path().join("postgres")).expect("a PostgreSQL");
    let redis = Redis::start().expect("a Redis");
    let mut stack = Stack::on_servers(redis, Some(postgres), &[("MAX_LAG_ORDERS", "50"), ("MAX_LAG_MS", "60000")]);
    disk.fill();
    let (taken, refused) = until_refused(&stack).await;
    refused.not_taken("OVERLOADED");
    stack.until_readiness(503, "unavailable").await;
    disk.make_room();
    if !stack.postgres_mut().is_running().expect("a state") {
        stack.postgres_mut().restart().expect("a restart");
    }
    wait_until(DEADLINE, "the log", || stack.service.log().contains("a commit is in doubt")).expect("it was in doubt");
    all_is_well(&mut stack, taken).await;
}
