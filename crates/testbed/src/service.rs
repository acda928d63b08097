//! The service as a child process, steered as an operator steers it: by environment, signals and HTTP.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Error;
use crate::folder::Folder;
use crate::port::{free_port, start_on_free_port};
use crate::process::{self, Orphaned, Process};
use crate::wait::poll;

const LOG: &str = "service.log";

/// A start waits 5 s for a paused writer to be given up, and reads the log; the rest is for a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A running service; it ends when this is dropped, and its log goes too unless the test is failing.
pub struct Service {
    // Fields are dropped in this order: the service ends before its folder goes.
    process: Process,
    port: u16,
    binary: PathBuf,
    /// Behind `serve`, at every start.
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    key: Option<String>,
    folder: Folder,
}

impl Service {
    /// Runs `binary serve` on a free port of 127.0.0.1 and waits until `/readyz` answers 200.
    ///
    /// A service that is given a SECRET_KEY and no DEBUG asks for keys: one that allows everything is made first, see
    /// [`Service::key`]. The environment is exactly the given one with `PATH`, `HOST` and `PORT`; the working directory is empty, so no
    /// `.env` is read.
    pub fn start<K: Into<String>, V: Into<String>>(
        binary: impl AsRef<Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Service, Error> {
        Service::start_with(binary, &[], environment)
    }

    /// Like [`Service::start`] with words behind `serve`, which every later start has too.
    pub fn start_with<K: Into<String>, V: Into<String>>(
        binary: impl AsRef<Path>,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Service, Error> {
        let environment: BTreeMap<_, _> = environment.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        start_on_free_port(|port| {
            let mut service = Service::spawn_on(port, binary.as_ref(), arguments, environment.clone())?;
            service.wait_ready(READY_WITHIN)?;
            Ok(service)
        })
    }

    /// Like [`Service::start`], but does not wait: for a standby, or a start that is to fail.
    pub fn spawn<K: Into<String>, V: Into<String>>(
        binary: impl AsRef<Path>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Service, Error> {
        let environment = environment.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Service::spawn_on(free_port()?, binary.as_ref(), &[], environment)
    }

    fn spawn_on(
        port: u16,
        binary: &Path,
        arguments: &[&str],
        environment: BTreeMap<String, String>,
    ) -> Result<Service, Error> {
        // The process runs in another folder, where a relative path would mean something else.
        let binary = binary.canonicalize().map_err(Error::io(format!("find the service {}", binary.display())))?;
        let folder = Folder::temporary("service")?;
        let asks_for_keys = environment.get("DEBUG").is_some_and(|debug| debug == "false");
        let key = if asks_for_keys && environment.contains_key("SECRET_KEY") {
            Some(make_key(&binary, &environment, &folder)?)
        } else {
            None
        };
        let process = launch(&binary, arguments, port, &environment, &folder)?;
        let arguments = arguments.iter().copied().map(str::to_owned).collect();
        Ok(Service { process, port, binary, arguments, environment, key, folder })
    }

    /// Waits until `/readyz` answers 200; an error at once, with the end of the log, when the service has ended.
    pub fn wait_ready(&mut self, within: Duration) -> Result<(), Error> {
        let what = format!("the service's /readyz to answer 200 (log: {})", self.log_path().display());
        let ready = poll(within, &what, || {
            if let Some(status) = self.process.exited()? {
                let program = format!("the service (log: {})", self.log_path().display());
                return Err(Error::Ended { program, status, log: self.log() });
            }
            Ok((get_status(self.port, "/readyz").ok() == Some(200)).then_some(()))
        });
        if ready.is_err() {
            self.folder.keep();
        }
        ready
    }

    /// The address, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id; a restart changes it.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder that the service runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The token of a key that allows everything, where the service asks for one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What the service is run with.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the service's output is; a restart continues it.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join(LOG)
    }

    /// The last lines of the service's output.
    pub fn log(&self) -> String {
        self.folder.end_of_log(LOG)
    }

    /// How the service ended, if it did.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.process.exited()
    }

    /// Waits for the service to end by itself.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        self.process.wait_exit(within)
    }

    /// Ends the service with SIGKILL and waits for its end.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.kill().map(drop)
    }

    /// The status that `/readyz` answers now; none when nobody answers.
    pub fn readiness(&self) -> Option<u16> {
        get_status(self.port, "/readyz").ok()
    }

    /// Asks the service to end with SIGTERM and gives its exit status.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait_exit(within)
    }

    /// Freezes the service with SIGSTOP.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.process.pause()
    }

    /// Lets a paused service go on.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Starts the service again with the same port and environment, and waits until it is ready; kills it first if it
    /// runs.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.relaunch(&[])?;
        self.wait_ready(READY_WITHIN)
    }

    /// Like [`Service::restart`] with more words on its command line, but does not wait.
    pub fn relaunch(&mut self, arguments: &[&str]) -> Result<(), Error> {
        self.kill()?;
        let all: Vec<&str> = self.arguments.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        self.process = launch(&self.binary, &all, self.port, &self.environment, &self.folder)?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.keep();
            eprintln!("the service's log: {}", self.log_path().display());
        }
    }
}

/// Makes a key as an operator does before the first start; its token.
fn make_key(binary: &Path, environment: &BTreeMap<String, String>, folder: &Folder) -> Result<String, Error> {
    let program = "pricetime keys make";
    let output = process::command(binary)
        .args(["keys", "make", "tests", "--scopes", "admin"])
        .current_dir(folder.path())
        .env_clear()
        .envs(environment)
        .output()
        .map_err(Error::io(format!("run {program}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match said.lines().last() {
        Some(token) if output.status.success() => Ok(token.to_owned()),
        _ => {
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(Error::Ended { program: program.to_owned(), status: output.status, log })
        }
    }
}

fn launch(
    binary: &Path,
    arguments: &[&str],
    port: u16,
    environment: &BTreeMap<String, String>,
    folder: &Folder,
) -> Result<Process, Error> {
    let log = folder.open_log(LOG)?;
    let mut command = process::command(binary);
    command
        .arg("serve")
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(environment)
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string())
        .stderr(log.try_clone().map_err(Error::io("share the service's log"))?)
        .stdout(log);
    Process::spawn("the service", &mut command, &Orphaned { signal: Signal::SIGKILL, remove: folder.leftover() })
}

/// The status of a GET: the least that HTTP/1.1 needs, so that this crate needs no client.
fn get_status(port: u16, path: &str) -> io::Result<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut connection = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    connection.set_read_timeout(Some(ANSWER_WITHIN))?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    // "HTTP/1.1 200" is twelve bytes long.
    let mut start = [0; 12];
    connection.read_exact(&mut start)?;
    let status = std::str::from_utf8(&start).ok().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer does not begin like HTTP/1.1"))
}
