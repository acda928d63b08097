//! The servers keep what they acknowledged over SIGKILL, stand still when paused, and go when they are dropped.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use testbed::{Error, Postgres, Redis, Service, shared_postgres};

const SOON: Duration = Duration::from_secs(10);

/// A service that is ready at once, and ends well on SIGTERM.
const READY: &str = r#"#!/usr/bin/env python3
import http.server, os, signal

class Ready(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print(os.environ["GREETING"], flush=True)
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Ready).serve_forever()
"#;

#[test]
fn redis_keeps_its_data_and_port_over_kill_and_restart() {
    let mut redis = Redis::start().unwrap();
    let (port, pid) = (redis.port(), redis.pid());
    assert_eq!(ask_redis(port, "SET order 1"), "+OK\r\n");
    redis.kill().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!redis.is_running().unwrap());
    assert!(matches!(redis.pause(), Err(Error::NotRunning { .. })));

    redis.restart().unwrap();
    assert_eq!(redis.port(), port);
    assert_ne!(redis.pid(), pid);
    assert_eq!(ask_redis(port, "GET order"), "$1\r\n1\r\n");
}

#[test]
fn redis_syncs_every_write_and_never_evicts() {
    let redis = Redis::start().unwrap();
    let has = |setting: &str, value: &str| {
        let reply = ask_redis(redis.port(), &format!("CONFIG GET {setting}"));
        assert!(reply.ends_with(&format!("\r\n{value}\r\n")), "{setting}: {reply}");
    };
    has("appendonly", "yes");
    has("appendfsync", "always");
    has("maxmemory-policy", "noeviction");
    has("save", "");
    has("bind", "127.0.0.1");
}

#[test]
fn a_paused_redis_answers_after_it_was_resumed() {
    let mut redis = Redis::start().unwrap();
    redis.pause().unwrap();
    let mut connection = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    connection.write_all(b"PING\r\n").unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(connection.read(&mut [0; 7]).is_err());
    redis.resume().unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    let mut reply = [0; 7];
    connection.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[test]
fn postgres_recovers_what_was_committed_when_it_was_killed() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.create_database().unwrap();
    postgres.sql(&url, "CREATE TABLE log (seq bigint); INSERT INTO log VALUES (7)").unwrap();
    postgres.kill().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", postgres.port())).is_err());

    postgres.restart().unwrap();
    assert_eq!(postgres.sql(&url, "SELECT seq FROM log").unwrap(), "7");
}

#[test]
fn postgres_is_durable_and_nowhere_but_on_the_loopback_address() {
    let postgres = shared_postgres().unwrap();
    let setting = |name: &str| postgres.sql(&postgres.url(), &format!("SHOW {name}")).unwrap();
    assert_eq!(setting("fsync"), "on");
    assert_eq!(setting("synchronous_commit"), "on");
    assert_eq!(setting("listen_addresses"), "127.0.0.1");
    assert_eq!(setting("unix_socket_directories"), "");
}

#[test]
fn each_database_of_the_shared_postgres_is_its_own() {
    let postgres = shared_postgres().unwrap();
    let (one, other) = (postgres.create_database().unwrap(), postgres.create_database().unwrap());
    postgres.sql(&one, "CREATE TABLE mine (id int)").unwrap();
    let error = postgres.sql(&other, "SELECT * FROM mine").unwrap_err();
    assert!(matches!(error, Error::Tool { tool: "psql", .. }), "{error}");
    assert!(error.to_string().contains("relation \"mine\" does not exist"), "{error}");
}

#[test]
fn a_paused_postgres_commits_nothing_until_it_is_resumed() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.create_database().unwrap();
    postgres.pause().unwrap();
    let mut connection = TcpStream::connect(("127.0.0.1", postgres.port())).unwrap();
    // A request for encryption is answered by one byte; a paused server sends none.
    connection.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(connection.read(&mut [0; 1]).is_err());
    postgres.resume().unwrap();
    assert_eq!(postgres.sql(&url, "SELECT 1").unwrap(), "1");
}

#[test]
fn a_paused_server_can_be_killed_and_dropped() {
    let (mut redis, mut postgres) = (Redis::start().unwrap(), Postgres::start().unwrap());
    redis.pause().unwrap();
    postgres.pause().unwrap();
    redis.kill().unwrap();
    postgres.kill().unwrap();
    redis.restart().unwrap();
    postgres.restart().unwrap();
    redis.pause().unwrap();
    postgres.pause().unwrap();
    let ports = [redis.port(), postgres.port()];
    drop((redis, postgres));
    assert!(ports.iter().all(|&port| TcpStream::connect(("127.0.0.1", port)).is_err()));
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let redis = thread::spawn(|| Redis::start().unwrap()).join().unwrap();
    assert_eq!(ask_redis(redis.port(), "PING"), "+PONG\r\n");
}

#[test]
fn given_folders_stay_and_are_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let (redis_dir, postgres_dir) = (folder.path().join("redis"), folder.path().join("postgres"));

    let mut redis = Redis::start_in(&redis_dir).unwrap();
    let mut postgres = Postgres::start_in(&postgres_dir).unwrap();
    ask_redis(redis.port(), "SET kept 1");
    postgres.sql(&postgres.url(), "CREATE TABLE kept (id int)").unwrap();
    redis.stop().unwrap();
    postgres.stop().unwrap();
    drop((redis, postgres));

    let redis = Redis::start_in(&redis_dir).unwrap();
    let postgres = Postgres::start_in(&postgres_dir).unwrap();
    assert_eq!(ask_redis(redis.port(), "GET kept"), "$1\r\n1\r\n");
    assert_eq!(postgres.sql(&postgres.url(), "SELECT count(*) FROM kept").unwrap(), "0");
}

#[test]
fn a_folder_closed_to_the_user_of_postgres_is_named() {
    let closed = tempfile::tempdir().unwrap();
    set_mode(closed.path(), 0o700);
    let postgres = Postgres::start_in(&closed.path().join("below"));
    if nix::unistd::Uid::effective().is_root() {
        let error = postgres.err().unwrap().to_string();
        assert!(error.contains(&format!("may not enter {}", closed.path().display())), "{error}");
    } else {
        // Anyone else runs PostgreSQL as themselves, who may enter their own folder.
        postgres.unwrap();
    }
}

#[test]
fn a_service_that_answers_is_ready_and_can_be_steered() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(fake(folder.path(), READY), [("GREETING", "hello")]).unwrap();
    let (pid, port) = (service.pid(), service.port());
    assert_eq!(service.base_url(), format!("http://127.0.0.1:{port}"));
    assert!(service.log().starts_with("hello\n"), "{}", service.log());
    service.kill().unwrap();
    service.restart().unwrap();
    assert_ne!(service.pid(), pid);
    assert_eq!(service.port(), port);
    assert!(service.terminate(SOON).unwrap().success());
}

#[test]
fn a_service_that_ends_before_it_is_ready_says_so_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let binary = fake(folder.path(), "#!/bin/sh\necho 'REDIS_URL without DATABASE_URL'\nexit 2\n");
    let error = Service::start(&binary, [("A", "b")]).err().unwrap().to_string();
    assert!(error.contains("exit status: 2") && error.contains("REDIS_URL without DATABASE_URL"), "{error}");

    let (_, rest) = error.split_once("(log: ").unwrap();
    let log = Path::new(rest.split_once(')').unwrap().0);
    assert_eq!(fs::read_to_string(log).unwrap(), "REDIS_URL without DATABASE_URL\n", "kept for whoever looks");
    fs::remove_dir_all(log.parent().unwrap()).unwrap();

    let mut service = Service::spawn(&binary, [("A", "b")]).unwrap();
    assert_eq!(service.wait_exit(SOON).unwrap().code(), Some(2));
}

#[test]
fn nothing_of_a_dropped_server_is_left() {
    let (redis, postgres) = (Redis::start().unwrap(), Postgres::start().unwrap());
    let processes = [redis.pid(), postgres.pid()].map(|pid| PathBuf::from(format!("/proc/{pid}")));
    // Both work in their data, which is in a temporary folder.
    let data = processes.each_ref().map(|process| fs::read_link(process.join("cwd")).unwrap());
    assert!(data.iter().all(|folder| folder.to_string_lossy().contains("/pricetime-") && folder.exists()), "{data:?}");
    drop((redis, postgres));
    assert!(processes.iter().chain(&data).all(|path| !path.exists()), "{processes:?} {data:?}");
}

/// One command in Redis's inline form, its whole reply as text.
fn ask_redis(port: u16, command: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).unwrap();
    reply.strip_suffix("+OK\r\n").unwrap().to_owned()
}

/// A script in place of the service.
fn fake(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("pricetime");
    fs::write(&path, script).unwrap();
    set_mode(&path, 0o755);
    path
}

fn set_mode(folder: &Path, mode: u32) {
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
}
