//! The log and the snapshots on a real PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chaos::proxy::{Proxy, Weather};
use journal::{Committed, Epoch, EventLog, LogError, Position, SnapshotError, SnapshotStore};
use pricetime::adapters::postgres::{
    Postgres, PostgresError, PostgresFatalRecord, PostgresLog, PostgresSnapshots, PostgresWatch,
};
use testbed::shared_postgres;

use super::fixtures::{batch, eventually};
use super::{fatal_suite, log_suite, snapshot_suite};

/// An empty database of the shared cluster, brought up to date.
async fn database() -> (Postgres, String) {
    let url = shared_postgres().expect("PostgreSQL starts").create_database().expect("a database");
    (prepare(&url).await, url)
}

async fn prepare(url: &str) -> Postgres {
    Postgres::prepare(url, "pricetime test", false).await.expect("ready")
}

/// Runs SQL as the owner.
fn sql(url: &str, statements: &str) -> String {
    shared_postgres().expect("PostgreSQL starts").sql(url, statements).expect("runs")
}

macro_rules! log_suite {
    ($($part:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $part() {
            let (postgres, _) = database().await;
            log_suite::$part(&move || -> Arc<dyn EventLog> { Arc::new(PostgresLog::new(&postgres)) }).await;
        }
    )*};
}

log_suite! {
    commits_move_the_position_and_fence
    rows_come_back_unchanged
    ids_are_leased_once
    one_of_two_takes_over
    standing_tells_whether_the_writer_lives
    racing_writers_leave_contiguous_rows
}

#[tokio::test]
async fn stops_are_counted() {
    let (postgres, _) = database().await;
    fatal_suite::counts_stops_at_one_row(&PostgresLog::new(&postgres), &PostgresFatalRecord::new(&postgres)).await;
}

#[tokio::test]
async fn snapshots_are_kept_and_pruned() {
    let (postgres, url) = database().await;
    snapshot_suite::keeps_the_newest_snapshots(&PostgresSnapshots::new(&postgres)).await;
    assert_eq!(sql(&url, "SELECT count(*) FROM snapshot"), "2");
    assert_eq!(sql(&url, "SELECT count(DISTINCT at_seq) FROM snapshot_part"), "2", "parts go with their snapshot");
}

#[tokio::test]
async fn damaged_snapshots_are_refused_and_found() {
    let (postgres, url) = database().await;
    let store = PostgresSnapshots::new(&postgres);
    snapshot_suite::refuses_what_is_damaged(&store).await;
    let newest = async || store.newest().await.map(|newest| newest.expect("one is there").open().map(drop));
    assert!(matches!(newest().await, Ok(Ok(()))));
    sql(&url, "UPDATE snapshot_part SET bytes = set_byte(bytes, 20, get_byte(bytes, 20) # 1)");
    assert!(matches!(newest().await, Ok(Err(_))), "a flipped bit");
    sql(&url, "DELETE FROM snapshot_part");
    let missing = newest().await;
    assert!(matches!(&missing, Err(SnapshotError::Damaged { error, .. }) if error.contains("missing")), "{missing:?}");
}

/// The writer's session is killed while its commit waits for the position row: nothing is in the log, and the batch can
/// be sent again.
#[tokio::test]
async fn a_commit_cut_off_before_its_end_is_unknown_and_can_be_repeated() {
    for rows in [1, 100] {
        let (postgres, url) = database().await;
        let log = Arc::new(PostgresLog::new(&postgres));
        let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
        let first = batch(Position::START, epoch, 2, "first");
        log.commit(epoch, &first).await.expect("committed");

        let mut blocker = client(&url).await;
        sqlx::raw_sql("BEGIN; SELECT FROM writer_position FOR UPDATE").execute(&mut blocker).await.expect("locks");
        let second = batch(first.end(), epoch, rows, "second");
        let commit = tokio::spawn({
            let (log, second) = (Arc::clone(&log), second.clone());
            async move { log.commit(epoch, &second).await }
        });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND application_name = 'pricetime test' AND wait_event_type = 'Lock'";
        eventually("the commit to wait", async || sql(&url, waiting) == "1").await;
        sql(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'pricetime test' AND wait_event_type = 'Lock'",
        );
        let outcome = commit.await.expect("ends");
        assert!(matches!(outcome, Err(LogError::Unknown(_))), "{outcome:?}");
        sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.expect("unlocks");

        assert_eq!(log.position().await.expect("a position").position, first.end(), "nothing happened");
        assert_eq!(log.commit(epoch, &second).await, Ok(Committed::Committed));
        assert!(!log.standing().await.expect("a standing").vacant, "the new session is known");
        log_suite::check_pages(&*log, second.end()).await;
    }
}

/// The writer's session is killed after its commit took place and before it was told so, which PostgreSQL makes
/// reproducible by waiting for a standby that does not exist.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_found_by_its_position() {
    let cluster = testbed::Postgres::start().expect("PostgreSQL starts");
    for rows in [1, 100] {
        let url = cluster.create_database().expect("a database");
        let log = Arc::new(PostgresLog::new(&prepare(&url).await));
        let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
        let run = |statements: &str| cluster.sql(&url, statements).expect("runs");
        let standbys = |names: &str| {
            run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
            run("SELECT pg_reload_conf()");
        };
        let first = batch(Position::START, epoch, 2, "first");
        log.commit(epoch, &first).await.expect("committed");

        standbys("nobody");
        let second = batch(first.end(), epoch, rows, "second");
        let commit = tokio::spawn({
            let (log, second) = (Arc::clone(&log), second.clone());
            async move { log.commit(epoch, &second).await }
        });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' \
                       AND datname = current_database()";
        eventually("the commit to wait for its standby", async || run(waiting) == "1").await;
        run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        let outcome = commit.await.expect("ends");
        assert!(matches!(outcome, Err(LogError::Unknown(_))), "{outcome:?}");
        standbys("");
        testbed::wait_until(Duration::from_secs(5), "the setting to be gone", || {
            run("SHOW synchronous_standby_names").is_empty()
        })
        .expect("gone");

        assert_eq!(log.position().await.expect("a position").position, second.end(), "it happened");
        assert_eq!(log.commit(epoch, &second).await, Ok(Committed::Committed), "and is not done twice");
        log_suite::check_pages(&*log, second.end()).await;
    }
}

/// A server that hangs does not hang the writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_leaves_the_commit_unknown() {
    let mut cluster = testbed::Postgres::start().expect("PostgreSQL starts");
    let url = cluster.create_database().expect("a database");
    let log = PostgresLog::new(&prepare(&url).await);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let first = batch(Position::START, epoch, 1, "first");
    log.commit(epoch, &first).await.expect("committed");
    cluster.pause().expect("paused");
    let second = batch(first.end(), epoch, 1, "second");
    let begin = Instant::now();
    let outcome = log.commit(epoch, &second).await;
    assert!(matches!(outcome, Err(LogError::Unknown(_))), "{outcome:?}");
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(matches!(log.position().await, Err(LogError::Unknown(_))));
    cluster.resume().expect("resumed");
    assert_eq!(log.commit(epoch, &second).await, Ok(Committed::Committed), "whether or not it was done meanwhile");

    cluster.kill().expect("killed");
    let third = batch(second.end(), epoch, 1, "third");
    assert!(matches!(log.commit(epoch, &third).await, Err(LogError::Unknown(_))));
    cluster.restart().expect("restarted");
    assert_eq!(log.commit(epoch, &third).await, Ok(Committed::Committed));
    log_suite::check_pages(&log, third.end()).await;
}

/// A session that holds the position row holds the writer up for its own limit, and then the commit can be repeated.
#[tokio::test]
async fn a_locked_position_row_leaves_the_commit_unknown_and_soon() {
    let (postgres, url) = database().await;
    let log = PostgresLog::new(&postgres);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let first = batch(Position::START, epoch, 1, "first");
    let mut other = client(&url).await;
    sqlx::raw_sql("BEGIN; SELECT FROM writer_position FOR UPDATE").execute(&mut other).await.expect("a lock");
    let begin = Instant::now();
    let outcome = log.commit(epoch, &first).await;
    assert!(matches!(outcome, Err(LogError::Unknown(_))), "{outcome:?}");
    assert!(begin.elapsed() < Duration::from_secs(4), "the limit of the server's lock comes first");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("no lock");
    assert_eq!(log.commit(epoch, &first).await, Ok(Committed::Committed));
}

/// A long transaction is seen, also one of another user than the service's.
#[tokio::test]
async fn the_age_of_the_oldest_transaction_is_seen() {
    let (postgres, url) = database().await;
    let watch = PostgresWatch::new(&postgres);
    let age = async || watch.oldest_transaction().await.expect("an answer");
    assert_eq!(age().await, Duration::ZERO);
    let mut other = client(&url).await;
    sqlx::raw_sql("BEGIN; SELECT 1").execute(&mut other).await.expect("a transaction");
    eventually("the transaction to be seen", async || age().await > Duration::from_millis(30)).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("an end");
    assert_eq!(age().await, Duration::ZERO);
}

/// What nobody can mend by trying again is said as such.
#[tokio::test]
async fn refusals_are_told_from_outages() {
    let (postgres, url) = database().await;
    let log = PostgresLog::new(&postgres);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    sql(&url, "ALTER TABLE event_log ADD CONSTRAINT planted CHECK (kind <> 'NewOrder')");
    for rows in [1, 100] {
        let refused = log.commit(epoch, &batch(Position::START, epoch, rows, "a")).await;
        assert!(matches!(&refused, Err(LogError::Refused(why)) if why.contains("planted")), "{refused:?}");
    }
    sql(&url, "ALTER TABLE event_log DROP CONSTRAINT planted");

    // Rows beyond the position: somebody wrote past the fence.
    let first = batch(Position::START, epoch, 1, "first");
    log.commit(epoch, &first).await.expect("committed");
    sql(&url, "UPDATE writer_position SET seq = 0, stream_position = '0-0', chain = decode(repeat('00', 32), 'hex')");
    let refused = log.commit(epoch, &batch(Position::START, epoch, 1, "other")).await;
    assert!(matches!(&refused, Err(LogError::Refused(why)) if why.contains("event_log goes on")), "{refused:?}");
}

#[tokio::test]
async fn the_service_may_only_append() {
    let (_, url) = database().await;
    let cluster = shared_postgres().expect("PostgreSQL starts");
    for (statement, allowed) in [
        ("SELECT count(*) FROM event_log", true),
        ("DELETE FROM event_log", false),
        ("UPDATE event_log SET kind = ''", false),
        ("TRUNCATE event_log", false),
        ("DELETE FROM event_log_0", false),
        ("DROP TABLE event_log", false),
        ("DELETE FROM snapshot", true),
        ("UPDATE snapshot SET parts = 0", false),
        ("DELETE FROM writer_position", false),
        ("SELECT event_log_make_room(1)", true),
        ("CREATE TABLE mine ()", false),
    ] {
        let ran = cluster.sql(&url, &format!("SET ROLE pricetime_service; {statement}"));
        assert_eq!(ran.is_ok(), allowed, "{statement}: {ran:?}");
    }
}

/// What the tables promise for later: keys that begin with the partition, so that a second one can live beside the first
/// (names of consumers and keys are the whole service's); text that is stored as it was hashed; a position row that is
/// updated in place.
#[tokio::test]
async fn the_tables_are_made_for_partitions_and_for_the_chain() {
    let (_, url) = database().await;
    let first_columns = "SELECT string_agg(format('%s:%s', c.relname, a.attname), ' ' ORDER BY c.relname) \
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
        WHERE i.indisprimary AND c.relnamespace = current_schema()::regnamespace \
        AND NOT c.relispartition AND c.relname <> '_sqlx_migrations'";
    assert_eq!(
        sql(&url, first_columns),
        "api_key:id consumer:name event_log:partition history_order:partition history_position:partition \
         history_trade:partition last_fatal:partition snapshot:partition snapshot_part:partition \
         writer_position:partition"
    );
    let types = "SELECT string_agg(data_type, ' ') FROM information_schema.columns \
        WHERE table_name = 'event_log' AND column_name IN ('command', 'events')";
    assert_eq!(sql(&url, types), "text text");
    assert_eq!(sql(&url, "SELECT reloptions FROM pg_class WHERE relname = 'writer_position'"), "{fillfactor=10}");
}

#[tokio::test]
async fn the_next_range_of_the_log_is_made_when_the_current_one_is_half_full() {
    let (postgres, url) = database().await;
    let ranges = "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid) FROM pg_inherits \
                  WHERE inhparent = 'event_log'::regclass";
    assert_eq!(sql(&url, ranges), "event_log_0");
    let log = PostgresLog::new(&postgres);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;

    // Put the position where the half and the end of the range are crossed.
    for (before, expected) in
        [(4_999_900, "event_log_0 event_log_10000000"), (9_999_900, "event_log_0 event_log_10000000")]
    {
        sql(&url, &format!("UPDATE writer_position SET seq = {before}"));
        let at = Position { seq: super::fixtures::seq(before), ..Position::START };
        let batch = batch(at, epoch, 150, "a");
        assert_eq!(log.commit(epoch, &batch).await, Ok(Committed::Committed));
        assert_eq!(sql(&url, ranges), expected);
        sql(&url, "UPDATE writer_position SET stream_position = '0-0', chain = decode(repeat('00', 32), 'hex')");
    }
    assert_eq!(sql(&url, "SELECT count(*) FROM event_log_10000000"), "51");
    assert_eq!(sql(&url, "SELECT event_log_make_room(15000000)"), "25000000");
    assert_eq!(sql(&url, ranges), "event_log_0 event_log_10000000 event_log_20000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_one_cluster_can_be_made_ready_at_once() {
    let cluster = testbed::Postgres::start().expect("PostgreSQL starts");
    let urls: Vec<String> = (0..6).map(|_| cluster.create_database().expect("a database")).collect();
    // Twice each: two processes that start at once migrate once.
    let starts: Vec<_> =
        urls.iter().chain(&urls).cloned().map(|url| tokio::spawn(async move { prepare(&url).await })).collect();
    for start in starts {
        start.await.expect("ready");
    }
}

/// An owner who is no superuser, as most hosting services give one, suffices once the role is there; before that, the
/// error says what a superuser has to do.
#[tokio::test]
async fn an_ordinary_owner_suffices() {
    let cluster = testbed::Postgres::start().expect("PostgreSQL starts");
    let run = |statement: &str| cluster.sql(&cluster.url(), statement).expect("runs");
    run("CREATE ROLE plain LOGIN");
    run("CREATE DATABASE plain OWNER plain");
    let url = format!("postgres://plain@127.0.0.1:{}/plain", cluster.port());
    let error = Postgres::prepare(&url, "pricetime test", false).await.expect_err("no role");
    assert!(error.to_string().contains("CREATE ROLE pricetime_service NOLOGIN; GRANT"), "{error}");
    run("CREATE ROLE pricetime_service NOLOGIN");
    let error = Postgres::prepare(&url, "pricetime test", false).await.expect_err("no member");
    assert!(error.to_string().contains("GRANT pricetime_service TO plain"), "{error}");
    run("GRANT pricetime_service TO plain");

    let log = PostgresLog::new(&prepare(&url).await);
    let epoch = log.take_over(Epoch(0)).await.expect("nobody else is here").epoch;
    let batch = batch(Position::START, epoch, 100, "a");
    assert_eq!(log.commit(epoch, &batch).await, Ok(Committed::Committed));
    // PostgreSQL hides the start of a session from other roles, also from the one that the session itself took on.
    assert!(!log.standing().await.expect("a standing").vacant);
    drop(log);
    let observer = PostgresLog::new(&prepare(&url).await);
    eventually("a vacant place", async || observer.standing().await.expect("a standing").vacant).await;
}

#[tokio::test]
async fn unsafe_settings_are_named_with_their_remedy() {
    let cluster = testbed::Postgres::start().expect("PostgreSQL starts");
    let url = cluster.create_database().expect("a database");
    let database = url.rsplit('/').next().expect("a name");
    let commit = format!("ALTER DATABASE {database} SET synchronous_commit");
    for (setting, set) in [("full_page_writes", "ALTER SYSTEM SET full_page_writes"), ("synchronous_commit", &commit)] {
        let set = |value: &str| {
            cluster.sql(&url, &format!("{set} = {value}")).expect("runs");
            cluster.sql(&url, "SELECT pg_reload_conf()").expect("runs");
            testbed::wait_until(Duration::from_secs(5), "the setting", || {
                cluster.sql(&url, &format!("SHOW {setting}")).expect("runs").trim() == value
            })
            .expect("set");
        };
        set("off");
        let error = Postgres::prepare(&url, "pricetime test", false).await.expect_err("unsafe").to_string();
        assert!(error.contains(&format!("{setting} is off")), "{error}");
        assert!(error.contains(&format!("SET {setting} = on")), "{error}");
        Postgres::prepare(&url, "pricetime test", true).await.expect("allowed");
        set("on");
    }
    prepare(&url).await;

    let error = Postgres::prepare("postgres://127.0.0.1:1/x", "pricetime test", false).await.expect_err("nobody there");
    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error}");
    let error = Postgres::attach("nonsense", "pricetime test").expect_err("no address");
    assert!(matches!(error, PostgresError::Url(_)), "{error}");
}

/// A server that goes away before its tables are up to date cannot be reached; nothing is wrong with the tables.
#[test]
fn a_server_that_goes_away_during_migrations_is_unreachable() {
    let cluster = shared_postgres().expect("PostgreSQL starts");
    let url = cluster.create_database().expect("a database");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let proxy = Proxy::start(runtime.handle(), cluster.port()).expect("a proxy");
    proxy.set(Weather::Cutting { text: "_sqlx_migrations", delivered: false });
    let url = url.replace(&format!(":{}/", cluster.port()), &format!(":{}/", proxy.port()));
    let error = runtime.block_on(Postgres::prepare(&url, "pricetime test", false)).expect_err("it is cut");
    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error}");
    assert!(proxy.hits() > 0);
    proxy.set(Weather::Fair);
    runtime.block_on(Postgres::prepare(&url, "pricetime test", false)).expect("the next start brings them up to date");
}

async fn client(url: &str) -> sqlx::postgres::PgConnection {
    use sqlx::Connection;
    sqlx::postgres::PgConnection::connect(url).await.expect("connects")
}
