//! A private PostgreSQL cluster: durable settings, trust authentication, reachable on 127.0.0.1 alone.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};

use crate::Error;
use crate::extras::Extras;
use crate::folder::Folder;
use crate::port::start_on_free_port;
use crate::process::{self, Orphaned, Process, SIGNAL_WITHIN, is_stopped, signal_if_alive};
use crate::wait::{poll, wait_until};

const LOG: &str = "postgres.log";

/// Crash recovery replays the log since the last checkpoint, a gigabyte at most by default.
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A running PostgreSQL; it ends, and its temporary folder goes, when this is dropped.
pub struct Postgres {
    // Fields are dropped in this order: the server ends before its folder goes.
    server: Process,
    port: u16,
    cluster: Cluster,
}

/// What all programs of one cluster share.
struct Cluster {
    programs: PathBuf,
    /// Whom PostgreSQL runs as where this process is root, which it refuses to run as.
    user: Option<User>,
    /// `<folder>/data`, with no link on the way: the working directory of all processes of the cluster.
    data: PathBuf,
    extras: Extras,
    folder: Folder,
}

/// One cluster for all tests of this process; each takes its own database from it with [`Postgres::create_database`].
pub fn shared_postgres() -> Result<&'static Postgres, &'static Error> {
    static SHARED: OnceLock<Result<Postgres, Error>> = OnceLock::new();
    SHARED.get_or_init(Postgres::start).as_ref()
}

impl Postgres {
    /// Starts a new cluster on a free port in a temporary folder.
    pub fn start() -> Result<Postgres, Error> {
        Postgres::start_with(Folder::temporary("postgres")?, Extras::default())
    }

    /// Starts the cluster in `dir` on a free port; the folder and the cluster are made if absent and stay afterwards.
    pub fn start_in(dir: &Path) -> Result<Postgres, Error> {
        Postgres::start_special(dir, Extras::default())
    }

    /// Like [`Postgres::start_in`], with arguments that win over the usual ones, and variables, for the server itself.
    pub fn start_special(dir: &Path, extras: Extras) -> Result<Postgres, Error> {
        Postgres::start_with(Folder::given(dir)?, extras)
    }

    fn start_with(folder: Folder, extras: Extras) -> Result<Postgres, Error> {
        let cluster = Cluster::open(folder, extras)?;
        let (server, port) = start_on_free_port(|port| Ok((cluster.launch(port)?, port)))?;
        Ok(Postgres { server, port, cluster })
    }

    /// The first folder on the way to `dir` that PostgreSQL's user may not enter, if any.
    pub fn shut_out_of(dir: &Path) -> Result<Option<PathBuf>, Error> {
        Ok(server_user()?.and_then(|user| closed_to(&user, dir)))
    }

    /// The address of the database `postgres`, as `DATABASE_URL` takes it.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster; a restart changes it.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Makes an empty database with a name of its own and gives its address.
    pub fn create_database(&self) -> Result<String, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url(), &format!("CREATE DATABASE {name}"))?;
        Ok(self.url_of(&name))
    }

    /// Runs SQL through `psql` in the database at `url`; the rows as text, columns separated by `|`.
    pub fn sql(&self, url: &str, statements: &str) -> Result<String, Error> {
        let arguments = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements, url];
        self.cluster.run("psql", &arguments.map(OsStr::new))
    }

    /// Whether the server has neither been stopped nor ended by itself.
    pub fn is_running(&mut self) -> Result<bool, Error> {
        Ok(self.server.exited()?.is_none())
    }

    /// Ends every process of the cluster with SIGKILL, as a crash of its machine would, and waits until all are gone.
    pub fn kill(&mut self) -> Result<(), Error> {
        if self.is_running()? {
            // A stopped postmaster starts no new process while the others are killed.
            self.server.pause()?;
        }
        self.cluster.signal_all(Signal::SIGKILL);
        self.server.kill()?;
        wait_until(SIGNAL_WITHIN, "PostgreSQL's processes to be gone", || self.cluster.processes().is_empty())
    }

    /// Ends the server as an operator would (fast shutdown, with a checkpoint) and waits for its end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.server.signal(Signal::SIGINT)?;
        self.server.wait_exit(STOP_WITHIN).map(drop)
    }

    /// Starts the server again on the same port and data, where it recovers; kills it first if it runs.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.kill()?;
        self.server = self.cluster.launch(self.port)?;
        Ok(())
    }

    /// Freezes all processes of the cluster with SIGSTOP: connections stay and nothing is answered.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.server.pause()?;
        self.cluster.signal_all(Signal::SIGSTOP);
        // None is started meanwhile: the postmaster stands still already. One that ended is no process any more.
        let still = || self.cluster.processes().into_iter().all(is_stopped);
        wait_until(SIGNAL_WITHIN, "PostgreSQL's processes to stand still", still)
    }

    /// Lets a paused cluster go on.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.cluster.signal_all(Signal::SIGCONT);
        self.server.signal(Signal::SIGCONT)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown, unlike SIGKILL, gives the kernel's shared memory segment back; there are 4,096.
        let ended = self.resume().and_then(|()| self.server.signal(Signal::SIGQUIT));
        if ended.and_then(|()| self.server.wait_exit(SIGNAL_WITHIN)).is_err() {
            let _ = self.kill();
        }
    }
}

impl Cluster {
    /// Opens the cluster in `folder`, made first if there is none.
    fn open(folder: Folder, extras: Extras) -> Result<Cluster, Error> {
        let user = server_user()?;
        let root = folder.path().canonicalize().map_err(Error::io("find the folder of PostgreSQL"))?;
        if let Some(user) = &user {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            chown(&root, Some(uid), Some(gid)).map_err(Error::io(format!(
                "give {} to the user {}",
                root.display(),
                user.name
            )))?;
            if let Some(folder) = closed_to(user, &root) {
                return Err(Error::ShutOut { user: user.name.clone(), folder });
            }
        }
        let cluster = Cluster { programs: programs()?, user, data: root.join("data"), extras, folder };
        if !cluster.data.exists() {
            cluster.initialise()?;
        }
        Ok(cluster)
    }

    /// Makes the cluster beside its place and moves it there, so that a half-made one is never taken for a cluster.
    fn initialise(&self) -> Result<(), Error> {
        let unfinished = self.data.with_extension("unfinished");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io(format!("remove {}", unfinished.display()))(error));
            }
            _ => {}
        }
        let arguments = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"].map(OsStr::new);
        self.run("initdb", &[&arguments, [unfinished.as_os_str()].as_slice()].concat())?;
        fs::rename(&unfinished, &self.data)
            .map_err(Error::io(format!("move the new cluster to {}", self.data.display())))
    }

    fn launch(&self, port: u16) -> Result<Process, Error> {
        let log = self.folder.open_log(LOG)?;
        let mut command = self.as_user(process::command(self.programs.join("postgres")));
        command.arg("-D").arg(&self.data);
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "fsync=on".to_owned(),
            "synchronous_commit=on".to_owned(),
            // Tests side by side have a pool each in the shared cluster.
            "max_connections=300".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        command.args(&self.extras.arguments);
        command.envs(self.extras.environment.iter().map(|(name, value)| (name, value)));
        command.stderr(log.try_clone().map_err(Error::io("share PostgreSQL's log"))?).stdout(log);
        let orphaned = Orphaned { signal: Signal::SIGQUIT, remove: self.folder.leftover() };
        let mut server = Process::spawn("postgres", &mut command, &orphaned)?;
        poll(START_WITHIN, "PostgreSQL to accept connections", || {
            if let Some(status) = server.exited()? {
                let program = server.program().to_owned();
                return Err(Error::Ended { program, status, log: self.folder.end_of_log(LOG) });
            }
            Ok(self.accepts(server.pid()).then_some(()))
        })?;
        Ok(server)
    }

    /// What `pg_ctl` looks at: the first line of `postmaster.pid` is the pid, the eighth the state.
    fn accepts(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    /// Runs `command` as the cluster's user, in a folder that this user may enter, free of `PG...` variables.
    fn as_user(&self, mut command: Command) -> Command {
        command.env_clear().current_dir(self.data.parent().unwrap_or(&self.data));
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Runs one of PostgreSQL's tools to its end and gives its output.
    fn run(&self, tool: &'static str, arguments: &[&OsStr]) -> Result<String, Error> {
        let mut command = self.as_user(Command::new(self.programs.join(tool)));
        let output = command.args(arguments).output().map_err(Error::io(format!("run {tool}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        Err(Error::Tool { tool, status: output.status, message })
    }

    fn signal_all(&self, signal: Signal) {
        for pid in self.processes() {
            signal_if_alive(pid, signal);
        }
    }

    /// All processes of the cluster: those whose working directory is its data, whoever their parent is by now.
    fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == self.data)).collect()
    }
}

/// The newest installed version, as Debian lays them out, else what `PATH` has.
fn programs() -> Result<PathBuf, Error> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let mut installed: Vec<(u32, PathBuf)> = versions.map(|(version, path)| (version, path.join("bin"))).collect();
    installed.sort_by(|(one, _), (other, _)| other.cmp(one));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = installed.into_iter().map(|(_, path)| path).chain(std::env::split_paths(&path));
    places
        .find(|place| place.join("postgres").is_file() && place.join("initdb").is_file())
        .ok_or(Error::Missing { program: "postgres", package: "postgresql" })
}

/// Whom PostgreSQL is to run as; nobody special unless this process is root.
fn server_user() -> Result<Option<User>, Error> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let find =
        |name| User::from_name(name).map_err(|errno| Error::io(format!("look up the user {name}"))(errno.into()));
    match find("postgres")? {
        Some(user) => Ok(Some(user)),
        None => find("nobody")?.map(Some).ok_or(Error::NoUser),
    }
}

fn closed_to(user: &User, dir: &Path) -> Option<PathBuf> {
    let enters = |path: &Path| {
        fs::metadata(path).is_ok_and(|folder| {
            let needed = match () {
                () if folder.uid() == user.uid.as_raw() => 0o100,
                () if folder.gid() == user.gid.as_raw() => 0o010,
                () => 0o001,
            };
            folder.mode() & needed != 0
        })
    };
    let mut folders: Vec<&Path> = dir.ancestors().collect();
    folders.reverse();
    folders.into_iter().find(|folder| !enters(folder)).map(Path::to_path_buf)
}
