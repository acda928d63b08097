//! Room for connections among the files that the process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files of the service's own: stores, logs, threads' wake-ups.
const OWN_FILES: u64 = 128;

/// Raises the process's limit of open files, as far as it may, so that `wanted` connections leave room for the service's own
/// files: clients must not keep it from opening a new connection to PostgreSQL. Returns for how many there is room.
pub fn room_for(wanted: usize) -> usize {
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let needed = (wanted as u64 + OWN_FILES).min(most);
    if now >= needed {
        return fitting(wanted, now);
    }
    match setrlimit(Resource::RLIMIT_NOFILE, needed, most) {
        Ok(()) => fitting(wanted, needed),
        Err(_) => fitting(wanted, now),
    }
}

/// Of `wanted` connections as many as fit beside the service's own files.
fn fitting(wanted: usize, files: u64) -> usize {
    let room = usize::try_from(files.saturating_sub(OWN_FILES)).unwrap_or(usize::MAX).max(1);
    if room < wanted {
        tracing::warn!(
            files,
            connections = room,
            "this process may open too few files for MAX_CONNECTIONS={wanted}: raise the limit, as with ulimit -n"
        );
    }
    room.min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_services_own_files() {
        assert_eq!(fitting(100, 1_024), 100);
        assert_eq!(fitting(4_096, 1_024), 896);
        assert_eq!(fitting(10, 64), 1);
        assert_eq!(room_for(10), 10);
    }
}
