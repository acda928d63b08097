//! The disk that forgets, by itself: what is synced stays, what is not goes.

use std::fs;
use std::process::Command;

use chaos::disk::{Disk, Shim};
use tempfile::TempDir;

/// Runs Python on a disk; it ends as a killed server does, with nothing tidied up.
fn on_disk(disk: &Disk, script: &str) {
    let script = format!("import os\nos.chdir({:?})\n{script}\nos.kill(os.getpid(), 9)", disk.folder());
    let ended = Command::new("python3").args(["-c", &script]).envs(disk.environment()).output().expect("python3");
    assert!(ended.status.code().is_none(), "{}", String::from_utf8_lossy(&ended.stderr));
}

fn disk() -> (TempDir, Disk) {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = Shim::compile(folder.path()).expect("cc");
    let disk = Disk::forgetful(&shim, &folder.path().join("data")).expect("a disk");
    (folder, disk)
}

const OPEN: &str = "f = os.open('f', os.O_RDWR | os.O_CREAT)\nd = os.open('.', os.O_RDONLY)";

#[test]
fn what_is_synced_stays_and_what_is_not_goes() {
    // What is done, and what the file holds after the power cut; none: it is not there.
    let table: &[(&str, Option<&str>)] = &[
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.write(f, b'two')", Some("one")),
        ("os.write(f, b'one'); os.fdatasync(f); os.fsync(d); os.write(f, b'two'); os.fdatasync(f)", Some("onetwo")),
        ("os.write(f, b'one'); os.fsync(f)", None),
        ("os.fsync(d); os.write(f, b'one')", Some("")),
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.pwrite(f, b'X', 1); os.fsync(f)", Some("oXe")),
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.pwrite(f, b'X', 1)", Some("one")),
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.ftruncate(f, 1)", Some("one")),
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.ftruncate(f, 1); os.fsync(f)", Some("o")),
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.unlink('f')", Some("one")),
        ("os.write(f, b'one'); os.fsync(f); os.fsync(d); os.unlink('f'); os.fsync(d)", None),
        (
            "os.write(f, b'one'); os.fsync(f); os.fsync(d)\ng = os.open('g', os.O_WRONLY | os.O_CREAT)\n\
             os.write(g, b'new'); os.fsync(g); os.rename('g', 'f')",
            Some("one"),
        ),
        (
            "os.write(f, b'one'); os.fsync(f); os.fsync(d)\ng = os.open('g', os.O_WRONLY | os.O_CREAT)\n\
             os.write(g, b'new'); os.fsync(g); os.rename('g', 'f'); os.fsync(d)",
            Some("new"),
        ),
        ("os.writev(f, [b'on', b'e']); os.fsync(f); os.fsync(d); os.pwritev(f, [b'X'], 0)", Some("one")),
    ];
    for (script, expected) in table {
        let (_folder, disk) = disk();
        on_disk(&disk, &format!("{OPEN}\n{script}"));
        disk.cut().expect("a cut");
        let found = fs::read_to_string(disk.folder().join("f")).ok();
        assert_eq!(found.as_deref(), *expected, "{script}");
    }
}

/// What an earlier process wrote is on disk once a later one has synced the file, and not before.
#[test]
fn a_later_process_can_sync_what_an_earlier_one_wrote() {
    for (later, expected) in [("os.fsync(f)", "onetwo"), ("pass", "one")] {
        let (_folder, disk) = disk();
        on_disk(&disk, &format!("{OPEN}\nos.write(f, b'one'); os.fsync(f); os.fsync(d); os.write(f, b'two')"));
        on_disk(&disk, &format!("{OPEN}\n{later}"));
        disk.cut().expect("a cut");
        assert_eq!(fs::read_to_string(disk.folder().join("f")).expect("a file"), expected, "{later}");
    }
}

/// A cut is where the next run begins: what was left is durable.
#[test]
fn cuts_follow_one_another() {
    let (_folder, disk) = disk();
    on_disk(&disk, &format!("{OPEN}\nos.write(f, b'one'); os.fsync(f); os.fsync(d)"));
    assert_eq!(disk.cut().expect("a cut"), chaos::disk::Cut::default());
    on_disk(&disk, &format!("{OPEN}\nos.pwrite(f, b'two', 3)"));
    assert_eq!(disk.cut().expect("a cut"), chaos::disk::Cut { files: 1, bytes: 3 });
    assert_eq!(fs::read_to_string(disk.folder().join("f")).expect("a file"), "one");
}

#[test]
fn a_full_disk_cuts_a_write_short_and_refuses_the_next() {
    let (_folder, disk) = disk();
    on_disk(&disk, &format!("{OPEN}\nos.write(f, b'one'); os.fsync(f); os.fsync(d)"));
    disk.set_full(true).expect("full");
    let script = "os.pwrite(f, b'X', 0)\nos.lseek(f, 0, 2)\nassert os.write(f, b'abcd') == 2\nrefused = 0\n\
                  try: os.write(f, b'abcd')\nexcept OSError as error: refused = error.errno\nassert refused == 28, refused";
    on_disk(&disk, &format!("{OPEN}\n{script}"));
    assert_eq!(fs::read_to_string(disk.folder().join("f")).expect("a file"), "Xneab");
    disk.set_full(false).expect("room");
    on_disk(&disk, &format!("{OPEN}\nassert os.pwrite(f, b'abcd', 5) == 4"));
}
