//! The stack: what it starts, how it stops, and that a SIGKILL of it leaves nothing running.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use testbed::wait_until;

/// Includes a new cluster on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A stack in a temporary folder; the service is a script there that appends to the file `starts`.
struct Stack {
    folder: TempDir,
    process: Child,
}

impl Stack {
    fn start(script: &str) -> Stack {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let process = run_in(folder.path(), script);
        Stack { folder, process }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn wait_for_starts(&self, count: usize) {
        wait_until(SOON, "the service to start", || self.file("starts").lines().count() >= count)
            .unwrap_or_else(|error| panic!("{error}; the stack says:\n{}", self.file("output")));
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        wait_until(SOON, "the stack to end", || self.process.try_wait().unwrap().is_some()).unwrap();
        self.process.wait().unwrap().code()
    }

    fn wait_until_nothing_runs(&self) {
        wait_until(SOON, "all processes to be gone", || processes_below(self.folder.path()).is_empty())
            .unwrap_or_else(|error| panic!("{error}: {:?}", processes_below(self.folder.path())));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Only now may the folder go: the guards end what a failed test has left.
        self.wait_until_nothing_runs();
    }
}

fn run_in(folder: &Path, script: &str) -> Child {
    let service = folder.join("pricetime");
    fs::write(&service, format!("#!/bin/sh\necho \"$1 $DEBUG $REDIS_URL $DATABASE_URL\" >> starts\n{script}")).unwrap();
    fs::set_permissions(&service, fs::Permissions::from_mode(0o755)).unwrap();
    let output = fs::File::options().create(true).append(true).open(folder.join("output")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(["stack", "--"]).arg(service).current_dir(folder).env_remove("DEBUG");
    command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output).spawn().unwrap()
}

/// Every process that works in `folder` or below it, but the stack itself.
fn processes_below(folder: &Path) -> Vec<PathBuf> {
    let links = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let inside = |process: &PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
            && fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() != "testbed")
    };
    links.filter(inside).collect()
}

#[test]
fn a_sigkill_of_the_stack_leaves_nothing_running() {
    let mut stack = Stack::start("exec sleep 600\n");
    stack.wait_for_starts(1);
    // The service, its guard, Redis and its guard, PostgreSQL's guard and at least six processes of its own.
    let running = processes_below(stack.folder.path());
    assert!(running.len() >= 11, "{running:?}");
    stack.signal(Signal::SIGKILL);
    stack.process.wait().unwrap();
    stack.wait_until_nothing_runs();
    assert!(stack.folder.path().join("data/stack/postgres/data").exists(), "the data stays");

    stack.process = run_in(stack.folder.path(), "exec sleep 600\n");
    stack.wait_for_starts(2);
}

#[test]
fn a_request_to_stop_ends_the_service_first_and_the_servers_in_good_order() {
    let mut stack = Stack::start("trap 'echo drained >> drained; exit 0' TERM\nwhile :; do sleep 0.05; done\n");
    stack.wait_for_starts(1);
    let start = stack.file("starts");
    assert!(start.starts_with("serve true redis://127.0.0.1:"), "{start}");
    assert!(start.contains(" postgres://postgres@127.0.0.1:"), "{start}");
    stack.signal(Signal::SIGTERM);
    assert_eq!(stack.exit_code(), Some(0));
    assert_eq!(stack.file("drained"), "drained\n");
    assert!(stack.file("data/stack/postgres/postgres.log").contains("database system is shut down"));
    assert!(stack.file("data/stack/redis/redis.log").contains("Redis is now ready to exit"));
    stack.wait_until_nothing_runs();
}

#[test]
fn a_service_that_crashes_is_started_again() {
    let mut stack = Stack::start("exit 101\n");
    stack.wait_for_starts(2);
    stack.signal(Signal::SIGINT);
    assert_eq!(stack.exit_code(), Some(0));
}

#[test]
fn a_damaged_log_stops_the_stack_with_its_code() {
    let mut stack = Stack::start("exit 6\n");
    assert_eq!(stack.exit_code(), Some(6));
    assert_eq!(stack.file("starts").lines().count(), 1);
    assert!(stack.file("output").contains("the stack stops"), "{}", stack.file("output"));
    stack.wait_until_nothing_runs();
}

#[test]
fn killed_servers_are_started_again_on_their_ports() {
    let mut stack = Stack::start("exec sleep 600\n");
    stack.wait_for_starts(1);
    let pid_file = stack.file("data/stack/postgres/data/postmaster.pid");
    let old: i32 = pid_file.lines().next().unwrap().parse().unwrap();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    wait_until(SOON, "a new postmaster to be ready", || {
        let now = lines(&stack.file("data/stack/postgres/data/postmaster.pid"));
        now.first() != Some(&old.to_string()) && now.get(7).is_some_and(|state| state == "ready")
    })
    .unwrap();
    let now = lines(&stack.file("data/stack/postgres/data/postmaster.pid"));
    assert_eq!(now[3], lines(&pid_file)[3], "the port");
    stack.signal(Signal::SIGTERM);
    assert_eq!(stack.exit_code(), Some(0));
}

#[test]
fn two_stacks_never_share_a_folder() {
    let stack = Stack::start("exec sleep 600\n");
    stack.wait_for_starts(1);
    let mut second = run_in(stack.folder.path(), "exec sleep 600\n");
    wait_until(SOON, "the second stack to end", || second.try_wait().unwrap().is_some()).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert!(stack.file("output").contains("another stack is using"), "{}", stack.file("output"));
}
