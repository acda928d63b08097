//! The ports on one local file.

use std::path::Path;
use std::sync::Arc;

use journal::{CommandQueue, Committed, EnqueueError, Epoch, EventLog, LogError, Position, SnapshotStore, StreamId};
use pricetime::adapters::embedded::{
    Embedded, EmbeddedError, EmbeddedFatalRecord, EmbeddedLog, EmbeddedProjection, EmbeddedQueue, EmbeddedSnapshots,
};
use sqlx::{Connection, SqliteConnection};

use super::fixtures::batch;
use super::{fatal_suite, log_suite, projection_suite, queue_suite, snapshot_suite};

async fn file(folder: &Path) -> Embedded {
    Embedded::open(folder).await.expect("opens")
}

/// Runs SQL on the file, as nobody ever should.
async fn sql(folder: &Path, statement: &'static str) {
    let path = folder.join("pricetime.db");
    let mut connection = SqliteConnection::connect(path.to_str().expect("a path")).await.expect("opens");
    sqlx::query(statement).execute(&mut connection).await.expect("runs");
}

macro_rules! log_suite {
    ($($part:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $part() {
            let folder = tempfile::tempdir().expect("a folder");
            drop(file(folder.path()).await);
            // Each handle has a connection of its own that writes, as another process would.
            let handles: Vec<Embedded> =
                futures_util::future::join_all((0..6).map(|_| Embedded::open_beside(folder.path())))
                    .await.into_iter().collect::<Result<_, _>>().expect("opens");
            let next = std::sync::atomic::AtomicUsize::new(0);
            log_suite::$part(&move || -> Arc<dyn EventLog> {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Arc::new(EmbeddedLog::new(&handles[index % handles.len()]))
            }).await;
        }
    )*};
}

log_suite! {
    commits_move_the_position_and_fence
    rows_come_back_unchanged
    ids_are_leased_once
    one_of_two_takes_over
    racing_writers_leave_contiguous_rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_queue() {
    let folder = tempfile::tempdir().expect("a folder");
    queue_suite::is_a_queue(Arc::new(EmbeddedQueue::new(&file(folder.path()).await))).await;
}

#[tokio::test]
async fn stops_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = file(folder.path()).await;
    fatal_suite::counts_stops_at_one_row(&EmbeddedLog::new(&file), &EmbeddedFatalRecord::new(&file)).await;
}

#[tokio::test]
async fn snapshots_are_kept_and_pruned() {
    let folder = tempfile::tempdir().expect("a folder");
    snapshot_suite::keeps_the_newest_snapshots(&EmbeddedSnapshots::new(&file(folder.path()).await)).await;
}

#[tokio::test]
async fn damaged_snapshots_are_refused_and_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedSnapshots::new(&file(folder.path()).await);
    snapshot_suite::refuses_what_is_damaged(&store).await;
    let sound = async || store.newest().await.map(|newest| newest.expect("one is there").open().is_ok());
    assert_eq!(sound().await, Ok(true));
    sql(folder.path(), "UPDATE snapshot_part SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'ff' AS BLOB)")
        .await;
    assert_eq!(sound().await, Ok(false), "a changed byte");
    sql(folder.path(), "DELETE FROM snapshot_part").await;
    assert!(sound().await.is_err(), "a missing part");
}

#[tokio::test]
async fn projected_writes_follow_one_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = EmbeddedLog::new(&file(folder.path()).await);
    projection_suite::writes_follow_one_another(&EmbeddedProjection::at_the_end_of(&log).await.expect("a log")).await;
}

/// What was acknowledged or committed is there when the file is opened again, and numbers go on.
#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = file(folder.path()).await;
    let (queue, log) = (EmbeddedQueue::new(&opened), EmbeddedLog::new(&opened));
    queue.open(StreamId::ZERO).await.expect("opens");
    let entry = queue.enqueue("{}").await.expect("taken");
    queue.trim(StreamId { millis: 100, index: 0 }).await.expect("trims");
    let kept = queue.enqueue("{}").await.expect("taken");
    assert!(kept > entry);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let rows = batch(Position::START, epoch, 5, "a");
    assert_eq!(log.commit(epoch, &rows).await, Ok(Committed::Committed));
    drop((queue, log, opened));

    let again = reopened(folder.path()).await;
    let (queue, log) = (EmbeddedQueue::new(&again), EmbeddedLog::new(&again));
    assert_eq!(queue_suite::read_ids(&queue, StreamId::ZERO, 10).await, [kept]);
    assert_eq!(log.position().await.expect("a position").position, rows.end());
    assert_eq!(log.page(matching::Seq::ZERO, 10).await.expect("a page"), rows.records());
    queue.open(StreamId::ZERO).await.expect("opens");
    assert!(queue.enqueue("{}").await.expect("taken") > kept, "a number was given again");
}

/// The lock goes with the last handle, which a task may still hold for a moment.
async fn reopened(folder: &Path) -> Embedded {
    for _ in 0..500 {
        match Embedded::open(folder).await {
            Err(EmbeddedError::Locked { .. }) => tokio::task::yield_now().await,
            opened => return opened.expect("opens"),
        }
    }
    panic!("the lock was never released")
}

#[tokio::test]
async fn a_folder_belongs_to_one_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Embedded::open_beside(folder.path()).await;
    assert!(matches!(missing, Err(EmbeddedError::Missing { .. })));
    let first = file(folder.path()).await;
    assert!(matches!(Embedded::open(folder.path()).await, Err(EmbeddedError::Locked { .. })));
    let beside = Embedded::open_beside(folder.path()).await.expect("tools may look");
    assert!(EmbeddedSnapshots::new(&beside).newest().await.expect("readable").is_none());
    drop(first);
    reopened(folder.path()).await;
}

/// One caller's failure is no other's: changes are undone alone, though they share a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_change_takes_no_other_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = file(folder.path()).await;
    let (queue, log) = (Arc::new(EmbeddedQueue::new(&opened)), Arc::new(EmbeddedLog::new(&opened)));
    queue.open(StreamId::ZERO).await.expect("opens");
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    // A row that is there already: every commit is refused by its number.
    sql(folder.path(), "INSERT INTO event_log VALUES (1, '0-1', NULL, 'k', 'c', 'e', 1, 1, 1, 1, zeroblob(32))").await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
            tokio::spawn(async move {
                if number % 5 == 0 {
                    let refused = log.commit(epoch, &batch(Position::START, epoch, 1, "a")).await;
                    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
                } else {
                    queue.enqueue("{}").await.expect("taken");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("ends");
    }
    assert_eq!(queue_suite::read_ids(&*queue, StreamId::ZERO, 100).await.len(), 40);
    assert_eq!(log.position().await.expect("a position").position, Position::START, "a refused commit moved it");
}

/// A full disk: nothing is acknowledged, nothing is half there, and it goes on once there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_takes_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user may not mount a small disk");
        return;
    }
    let _mount = Mount(folder.path());
    let opened = file(folder.path()).await;
    let queue = EmbeddedQueue::new(&opened);
    queue.open(StreamId::ZERO).await.expect("opens");
    let text = "x".repeat(50_000);
    let mut taken = Vec::new();
    let error = loop {
        match queue.enqueue(&text).await {
            Ok(id) => taken.push(id),
            Err(error) => break error,
        }
        assert!(taken.len() < 100, "a disk of 1 MB took 5 MB");
    };
    assert!(matches!(error, EnqueueError::NotTaken(_) | EnqueueError::Unknown(_)), "{error:?}");
    assert!(!taken.is_empty());
    let remount = std::process::Command::new("mount").args(["-o", "remount,size=20m"]).arg(folder.path()).status();
    assert!(remount.is_ok_and(|status| status.success()), "more room");
    let next = queue.enqueue(&text).await.expect("taken again");
    let there = queue_suite::read_ids(&queue, StreamId::ZERO, 1_000).await;
    assert!(taken.iter().all(|id| there.contains(id)), "an acknowledged entry is lost");
    assert!(there.contains(&next) && there.len() <= taken.len() + 2, "{} of {}", there.len(), taken.len());
}

/// Unmounts when the test ends.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0).status();
    }
}
