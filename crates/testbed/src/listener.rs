//! Who listens on a port, by what the kernel says: a fault counts only if it hits the process that serves.

use std::fs;

/// The state LISTEN in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Whether the process `pid` itself listens on `port` of 127.0.0.1 or of every address.
pub fn listens(pid: u32, port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let Some(inode) = table.lines().find_map(|line| inode_of_listener(line, port)) else { return false };
    let socket = format!("socket:[{inode}]");
    let opened = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    opened.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target.as_os_str() == socket.as_str())
}

/// The socket's inode, where this line of `/proc/net/tcp` is a listener on `port`.
fn inode_of_listener(line: &str, port: u16) -> Option<&str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, hex_port) = fields.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(hex_port, 16).ok()? == port && *fields.get(3)? == LISTEN;
    is_it.then(|| fields.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn a_listener_is_known_by_its_process() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(std::process::id(), port));
        assert!(!listens(1, port), "another process");
        drop(listener);
        assert!(!listens(std::process::id(), port), "nobody any more");
    }
}
