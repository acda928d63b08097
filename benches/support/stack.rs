//! The service with what it stands on, and how far it has come.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testbed::{Postgres, Redis, Service, wait_until};

use super::cpu::{self, Cpu};

/// What is still on its way when a load ends is done within this.
const CATCH_UP: Duration = Duration::from_secs(120);

/// What the service stands on.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Redis and PostgreSQL, syncing every write.
    Full,
    /// A local file.
    Embedded,
}

/// A running service.
pub struct Stack {
    service: Service,
    servers: Option<(Redis, Postgres)>,
}

impl Stack {
    /// Starts everything, empty.
    pub fn start(mode: Mode) -> Stack {
        Stack::start_with(mode, &[])
    }

    /// The same with further settings.
    pub fn start_with(mode: Mode, settings: &[(&str, &str)]) -> Stack {
        let mut environment = vec![("DEBUG".to_owned(), "true".to_owned()), ("RUST_LOG".to_owned(), "warn".to_owned())];
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let servers = (mode == Mode::Full).then(|| {
            let redis = Redis::start().expect("Redis");
            let postgres = Postgres::start().expect("PostgreSQL");
            environment.push(("REDIS_URL".to_owned(), redis.url()));
            environment.push(("DATABASE_URL".to_owned(), postgres.create_database().expect("a database")));
            (redis, postgres)
        });
        let service = Service::start(env!("CARGO_BIN_EXE_pricetime"), environment).expect("the service");
        Stack { service, servers }
    }

    pub fn port(&self) -> u16 {
        self.service.port()
    }

    pub fn url(&self) -> String {
        self.service.base_url()
    }

    /// Time on a core so far, by process and thread.
    pub fn cpu(&self) -> Cpu {
        let mut processes = vec![("service", self.service.pid())];
        if let Some((redis, postgres)) = &self.servers {
            processes.extend([("redis", redis.pid()), ("postgres", postgres.pid())]);
        }
        cpu::used(&processes)
    }

    /// Has PostgreSQL write what it has only logged so far.
    pub fn checkpoint(&self) {
        if let Some((_, postgres)) = &self.servers {
            postgres.sql(&postgres.url(), "CHECKPOINT").expect("a checkpoint");
        }
    }

    /// Resident memory of the service in bytes.
    pub fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.service.pid())).expect("a running service");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
    }

    /// The row that readers are shown.
    pub fn projected(&self) -> u64 {
        self.metric("pricetime_projection_seq")
    }

    /// The last row of the log.
    pub fn committed(&self) -> u64 {
        self.metric("pricetime_committed_seq")
    }

    /// The row that is shown once nothing is on its way any more.
    pub fn settled(&self) -> u64 {
        let mut last = self.projected();
        wait_until(CATCH_UP, "the projection has everything", || {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.projected();
            std::mem::replace(&mut last, now) == now
        })
        .expect("an end");
        last
    }

    fn metric(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("a connection");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {answer}"))
    }
}
