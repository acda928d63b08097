//! Private real servers for tests and local runs: `redis-server`, PostgreSQL and the service itself as child processes.
//!
//! Each server has a free port of 127.0.0.1 and a folder of its own, so tests run side by side and leave nothing behind:
//! a server ends when its value is dropped, and also when this process is killed with SIGKILL (see `process`).
//! Everything is blocking; nothing here knows async, SQL or the service's API. Linux only: it reads `/proc`.

mod error;
mod extras;
mod folder;
mod listener;
mod port;
mod postgres;
mod process;
mod redis;
mod service;
pub mod stack;
mod wait;

pub use error::Error;
pub use extras::Extras;
pub use listener::listens;
pub use port::free_port;
pub use postgres::{Postgres, shared_postgres};
pub use redis::Redis;
pub use service::Service;
pub use wait::wait_until;
