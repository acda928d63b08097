//! A child process that does not outlive this one, not even when this one is killed with SIGKILL.
//!
//! The kernel's parent-death signal would not do: it fires when the *thread* that started the child ends, and tests
//! start servers from short-lived threads. So every child has a reaper: a small shell that reads from a pipe whose
//! other end only this process holds. The pipe closes when this process is gone, however it went; then the reaper ends
//! the child. It is told to stand down when the child was ended properly, before the child's pid can belong to another.
//!
//! The child itself tells the reaper its pid, before it becomes the server: if this process did, a SIGKILL between the
//! start and the telling would leave the child running (a test on a busy machine did hit that moment).

use std::ffi::OsStr;
use std::fs;
use std::io::{PipeWriter, Write, pipe};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::Error;
use crate::wait::{poll, wait_until};

/// What a child does first: its standard input is the pipe to the reaper, until it becomes the program `$0`.
const ANNOUNCE: &str = r#"echo "$$" >&0; exec "$0" "$@" </dev/null"#;

/// `$1`: the signal that ends the child; `$2`: a folder to remove afterwards, or nothing. Reads the child's pid (`done`
/// if the child never came so far), then waits: a line means that the child was ended, the end of input that the parent
/// died. CONT lets a paused child take a signal that it can handle; after ten seconds KILL ends what is left.
const REAPER: &str = r#"
trap '' HUP INT TERM
read -r pid && [ "$pid" != done ] || exit 0
read -r word && exit 0
kill -s "$1" "$pid"
kill -s CONT "$pid"
tries=100
while kill -0 "$pid" && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
kill -s KILL "$pid"
[ -z "$2" ] || rm -rf -- "$2"
"#;

/// A command for [`Process::spawn`]; arguments and the rest are added to it as to any other.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ANNOUNCE]).arg(program);
    command
}

/// Killed and stopped processes are so in milliseconds; the rest is for a busy machine.
pub(crate) const SIGNAL_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Process {
    program: String,
    child: Child,
    reaper: Reaper,
}

/// What is done to a child whose parent died, and to its folder.
pub(crate) struct Orphaned<'a> {
    pub(crate) signal: Signal,
    pub(crate) remove: Option<&'a Path>,
}

impl Process {
    /// Starts a [`command`] in a process group of its own: Ctrl-C in a terminal reaches this process, which then ends
    /// its children in the right order.
    pub(crate) fn spawn(program: &str, command: &mut Command, orphaned: &Orphaned) -> Result<Process, Error> {
        let (reaper, announcement) = Reaper::spawn(orphaned)?;
        let child = command.process_group(0).stdin(announcement).spawn();
        let child = child.map_err(Error::io(format!("start {program}")))?;
        Ok(Process { program: program.to_owned(), child, reaper })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// How the process ended, if it did.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self.child.try_wait().map_err(Error::io(format!("ask for the state of {}", self.program)))?;
        if status.is_some() {
            self.reaper.stand_down();
        }
        Ok(status)
    }

    /// Sends a signal; an error if the process has ended, since its pid may belong to another by now.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.exited()?.is_some() {
            return Err(Error::NotRunning { program: self.program.clone() });
        }
        signal::kill(pid(self.child.id()), signal)
            .map_err(|errno| Error::io(format!("send {signal} to {}", self.program))(errno.into()))
    }

    /// Stops the process with SIGSTOP and waits until it stands still.
    pub(crate) fn pause(&mut self) -> Result<(), Error> {
        self.signal(Signal::SIGSTOP)?;
        let pid = self.pid();
        wait_until(SIGNAL_WITHIN, "a stopped process to stand still", || is_stopped(pid))
    }

    /// Waits for the process to end by itself or by a signal that was sent.
    pub(crate) fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        let what = format!("{} to end", self.program);
        poll(within, &what, || self.exited())
    }

    /// Ends the process with SIGKILL and waits for its end; nothing if it has ended already.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus, Error> {
        let killed = self.child.kill();
        // From here on its end is certain, and its pid stays its own until the wait below.
        self.reaper.stand_down();
        killed.and_then(|()| self.child.wait()).map_err(Error::io(format!("kill {}", self.program)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A destructor cannot report; the child is ours, so killing it does not fail.
        let _ = self.kill();
    }
}

/// Sends a signal to a process that is no child of ours; one that has gone meanwhile is what the caller wanted.
pub(crate) fn signal_if_alive(process: u32, signal: Signal) {
    let _ = signal::kill(pid(process), signal);
}

/// Whether a process stands still after SIGSTOP.
pub(crate) fn is_stopped(pid: u32) -> bool {
    // The state follows the name, which is in parentheses and may contain any character.
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}

struct Reaper {
    shell: Child,
    pipe: Option<PipeWriter>,
}

impl Reaper {
    /// Starts the shell; the second end of its pipe is for the child's standard input.
    fn spawn(orphaned: &Orphaned) -> Result<(Reaper, PipeWriter), Error> {
        let signal = orphaned.signal.as_str().trim_start_matches("SIG");
        let folder = orphaned.remove.unwrap_or(Path::new(""));
        let pipes = pipe().and_then(|(input, output)| Ok((input, output.try_clone()?, output)));
        let (input, announcement, output) = pipes.map_err(Error::io("make the pipe to a child's guard"))?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", REAPER, "reaper", signal]).arg(folder);
        command.process_group(0).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.spawn().map_err(Error::io("start the shell that guards a child process"))?;
        Ok((Reaper { shell, pipe: Some(output) }, announcement))
    }

    /// Dismisses the shell; the child is no longer its business.
    fn stand_down(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // A shell that is gone already needs no word.
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.stand_down();
    }
}
