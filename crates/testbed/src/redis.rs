//! A private `redis-server` that syncs every write to disk before it answers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Error;
use crate::extras::Extras;
use crate::folder::Folder;
use crate::port::start_on_free_port;
use crate::process::{self, Orphaned, Process};
use crate::wait::poll;

const LOG: &str = "redis.log";

/// A restart reads its whole append-only file first; the largest of the tests is read in about a second.
const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A running `redis-server`; it ends, and its temporary folder goes, when this is dropped.
pub struct Redis {
    // Fields are dropped in this order: the server ends before its folder goes.
    server: Process,
    port: u16,
    extras: Extras,
    folder: Folder,
}

impl Redis {
    /// Starts a server on a free port with an empty temporary folder.
    pub fn start() -> Result<Redis, Error> {
        Redis::start_with(Folder::temporary("redis")?, Extras::default())
    }

    /// Starts a server on a free port with the data in `dir`, which is made if absent and stays afterwards.
    pub fn start_in(dir: &Path) -> Result<Redis, Error> {
        Redis::start_special(dir, Extras::default())
    }

    /// Like [`Redis::start_in`], with arguments that win over the usual ones, and variables.
    pub fn start_special(dir: &Path, extras: Extras) -> Result<Redis, Error> {
        Redis::start_with(Folder::given(dir)?, extras)
    }

    fn start_with(folder: Folder, extras: Extras) -> Result<Redis, Error> {
        let (server, port) = start_on_free_port(|port| Ok((launch(&folder, port, &extras)?, port)))?;
        Ok(Redis { server, port, extras, folder })
    }

    /// The address, as `REDIS_URL` takes it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id; a restart changes it.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Whether the server has neither been stopped nor ended by itself.
    pub fn is_running(&mut self) -> Result<bool, Error> {
        Ok(self.server.exited()?.is_none())
    }

    /// Ends the server with SIGKILL and waits for its end.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.server.kill().map(drop)
    }

    /// Ends the server as an operator would, with SIGTERM, and waits for its end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.server.signal(Signal::SIGTERM)?;
        self.server.wait_exit(STOP_WITHIN).map(drop)
    }

    /// Starts the server again on the same port and data; kills it first if it runs.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.kill()?;
        self.server = launch(&self.folder, self.port, &self.extras)?;
        Ok(())
    }

    /// Freezes the server with SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.server.pause()
    }

    /// Lets a paused server go on.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.server.signal(Signal::SIGCONT)
    }
}

fn launch(folder: &Folder, port: u16, extras: &Extras) -> Result<Process, Error> {
    let log = folder.open_log(LOG)?;
    let mut command = process::command(program()?);
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no"])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"])
        // Copies of all data cost time on a core for each key: none beside the file, and that only when it is five times them.
        .args(["--save", "", "--auto-aof-rewrite-percentage", "400"])
        .arg("--dir")
        .arg(folder.path())
        .args(&extras.arguments)
        .envs(extras.environment.iter().map(|(name, value)| (name, value)))
        .stderr(log.try_clone().map_err(Error::io("share Redis's log"))?)
        .stdout(log);
    let orphaned = Orphaned { signal: Signal::SIGKILL, remove: folder.leftover() };
    let mut server = Process::spawn("redis-server", &mut command, &orphaned)?;
    poll(START_WITHIN, "redis-server to answer", || {
        if let Some(status) = server.exited()? {
            let program = server.program().to_owned();
            return Err(Error::Ended { program, status, log: folder.end_of_log(LOG) });
        }
        Ok(answers(port, server.pid()).unwrap_or(false).then_some(()))
    })?;
    Ok(server)
}

fn program() -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|place| place.join("redis-server"));
    places.find(|file| file.is_file()).ok_or(Error::Missing { program: "redis-server", package: "redis-server" })
}

/// Whether the server on `port` has loaded its data and is ours, rather than one that took the port before it.
fn answers(port: u16, pid: u32) -> io::Result<bool> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    connection.write_all(b"INFO server\r\nPING\r\nQUIT\r\n")?;
    let mut reply = String::new();
    connection.read_to_string(&mut reply)?;
    // INFO is answered while the data is still being loaded; PING is not.
    Ok(reply.contains(&format!("process_id:{pid}\r\n")) && reply.contains("+PONG"))
}
