//! Free ports.
//!
//! They are taken from below the range that the kernel gives to outgoing connections (32768 and up by default). From
//! inside it, a client that keeps dialling a killed server would sooner or later be given the server's own port as its
//! source, connect to itself, and keep the server from coming back.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::Error;

const FIRST: u16 = 16_384;
const COUNT: u16 = 16_384;

/// How often a start is tried again because another process was quicker to take the port.
const TRIES: usize = 5;

/// Each process begins at a random place, so that test processes side by side seldom try the same ports.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new((RandomState::new().hash_one(0) & 0xffff) as u16));

/// A port of 127.0.0.1 that nobody listens on at this moment; another process may take it before the caller does.
pub fn free_port() -> Result<u16, Error> {
    (0..COUNT)
        .map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT)
        .find(|&port| is_free(port))
        .ok_or_else(|| io::Error::from(ErrorKind::AddrInUse))
        .map_err(Error::io(format!("find a free port from {FIRST} to {}", FIRST + COUNT - 1)))
}

/// Starts a server on a free port; on another one if it ended because someone else had taken the port meanwhile.
pub(crate) fn start_on_free_port<T>(mut start: impl FnMut(u16) -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..TRIES {
        let port = free_port()?;
        match start(port) {
            Err(Error::Ended { .. }) if !is_free(port) => {}
            started_or_failed => return started_or_failed,
        }
    }
    start(free_port()?)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn ended() -> Error {
        Error::Ended { program: "it".to_owned(), status: ExitStatus::from_raw(256), log: String::new() }
    }

    #[test]
    fn a_port_is_given_once_and_can_be_bound() {
        let (first, second) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(first, second);
        TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
    }

    #[test]
    fn a_start_that_lost_its_port_is_tried_on_another() {
        let mut quicker = Vec::new();
        let port = start_on_free_port(|port| {
            if quicker.is_empty() {
                quicker.push(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
                return Err(ended());
            }
            Ok(port)
        });
        assert_ne!(port.unwrap(), quicker[0].local_addr().unwrap().port());
    }

    #[test]
    fn a_start_that_failed_by_itself_is_not_tried_again() {
        let mut starts = 0;
        let outcome: Result<(), Error> = start_on_free_port(|_| {
            starts += 1;
            Err(ended())
        });
        assert!(outcome.is_err());
        assert_eq!(starts, 1);
    }
}
