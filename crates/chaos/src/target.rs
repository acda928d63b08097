//! What is attacked: the service with what it stands on, all as private processes in one temporary folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use signal_hook::consts::SIGKILL;
use tempfile::TempDir;
use testbed::{Extras, Postgres, Redis, Service, listens, wait_until};
use tokio::runtime::Runtime;

use crate::Error;
use crate::disk::{Disk, Shim};
use crate::proxy::Proxy;

/// A start waits 5 s for a writer that is paused, and reads the log; the rest is for a busy machine.
pub const READY_WITHIN: Duration = Duration::from_secs(60);
/// How a service may end here: asked to, without Redis or PostgreSQL, or because another one has taken over.
const EXPECTED_CODES: [i32; 3] = [0, 3, 5];

/// What the service stands on.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Redis and PostgreSQL.
    Full,
    /// A local file.
    Embedded,
}

/// How a target is built.
#[derive(Debug, Clone)]
pub struct Build {
    /// The service's program.
    pub binary: PathBuf,
    /// What it stands on.
    pub mode: Mode,
    /// Whether proxies stand before Redis and PostgreSQL.
    pub proxies: bool,
    /// How often Redis syncs: `always`, or `everysec`, which is not safe.
    pub appendfsync: &'static str,
    /// Settings of the service.
    pub settings: Vec<(String, String)>,
}

impl Build {
    /// A safe one without proxies.
    pub fn new(binary: &Path, mode: Mode) -> Build {
        // Snapshots and the trimming of the stream are to happen within the minute.
        let settings = [("SNAPSHOT_INTERVAL", "5"), ("QUEUE_RETENTION_ENTRIES", "0")];
        Build {
            binary: binary.to_owned(),
            mode,
            proxies: false,
            appendfsync: "always",
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        }
    }

    /// With proxies.
    pub fn with_proxies(self) -> Build {
        Build { proxies: true, ..self }
    }

    /// With a Redis that acknowledges before it syncs, and a service that is told to bear it.
    pub fn with_everysec(mut self) -> Build {
        self.settings.push(("ALLOW_UNSAFE_DURABILITY".to_owned(), "true".to_owned()));
        Build { appendfsync: "everysec", ..self }
    }

    /// With a bug planted, in a program that has the switch.
    pub fn with_plant(mut self, bug: &str) -> Build {
        self.settings.push(("PRICETIME_PLANT".to_owned(), bug.to_owned()));
        self
    }
}

/// The running system.
pub struct Target {
    // Fields are dropped in this order: processes end before their folder goes.
    /// The service, and a standby where there is one.
    pub services: Vec<Service>,
    /// Redis and PostgreSQL in full mode.
    pub servers: Option<Servers>,
    /// The embedded file's disk.
    pub file_disk: Option<Disk>,
    /// Where clients, watchers and proxies run.
    pub runtime: Runtime,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    // Holds the data.
    _folder: TempDir,
}

/// Redis and PostgreSQL, their disks, and what stands before them.
pub struct Servers {
    /// Redis, on a disk that forgets.
    pub redis: Redis,
    /// Its disk.
    pub redis_disk: Disk,
    /// Before it.
    pub redis_proxy: Option<Proxy>,
    /// PostgreSQL, on a disk that can be full.
    pub postgres: Postgres,
    /// Its disk.
    pub postgres_disk: Disk,
    /// Before it.
    pub postgres_proxy: Option<Proxy>,
}

impl Target {
    /// Starts all of it and waits until the service serves.
    pub fn start(build: &Build) -> Result<Target, Error> {
        // Tools run in another folder, where a relative path would mean something else.
        let binary = build.binary.canonicalize();
        let binary = binary.map_err(Error::io(format!("find the service {}", build.binary.display())))?;
        let folder = tempfile::Builder::new().prefix("pricetime-chaos-").tempdir();
        let folder = folder.map_err(Error::io("make a temporary folder"))?;
        // PostgreSQL's user passes through, and loads the shim from there.
        let opened = fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755));
        opened.map_err(Error::io("open the temporary folder to PostgreSQL's user"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(Error::io("start a runtime"))?;
        let shim = Shim::compile(folder.path())?;
        let mut environment: BTreeMap<String, String> = build.settings.iter().cloned().collect();
        environment.insert("DEBUG".to_owned(), "true".to_owned());
        environment.insert("RUST_LOG".to_owned(), "info".to_owned());
        let (mut servers, mut file_disk) = (None, None);
        match build.mode {
            Mode::Full => {
                let started = Servers::start(build, &shim, folder.path(), &runtime)?;
                environment.insert("REDIS_URL".to_owned(), started.redis_url());
                environment.insert("DATABASE_URL".to_owned(), started.database_url());
                servers = Some(started);
            }
            Mode::Embedded => {
                let disk = Disk::forgetful(&shim, &folder.path().join("data"))?;
                environment.insert("DATA_DIR".to_owned(), disk.folder().display().to_string());
                environment.extend(disk.environment());
                file_disk = Some(disk);
            }
        }
        let service = Service::start(&binary, environment.clone())?;
        let services = vec![service];
        Ok(Target { services, servers, file_disk, runtime, binary, environment, _folder: folder })
    }

    /// Starts a second service on the same servers and waits until it stands by.
    pub fn add_standby(&mut self) -> Result<(), Error> {
        let standby = Service::spawn(&self.binary, self.environment.clone())?;
        wait_until(READY_WITHIN, "the standby to answer", || standby.readiness() == Some(503))?;
        self.services.push(standby);
        Ok(())
    }

    /// The addresses of the services.
    pub fn urls(&self) -> Vec<String> {
        self.services.iter().map(Service::base_url).collect()
    }

    /// Where Redis itself is, behind any proxy.
    pub fn redis_url(&self) -> Option<String> {
        self.servers.as_ref().map(|servers| servers.redis.url())
    }

    /// The index of the service that serves, once one does.
    pub fn serving(&mut self) -> Result<usize, Error> {
        let mut found = None;
        wait_until(READY_WITHIN, "a service to be ready", || {
            found = self.services.iter().position(|service| service.readiness() == Some(200));
            found.is_some()
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Starts again whatever has ended, as an operator's supervisor would. What ended as it never should is told.
    pub fn supervise(&mut self) -> Result<Vec<String>, Error> {
        if let Some(servers) = &mut self.servers {
            servers.heal()?;
        }
        let mut told = Vec::new();
        for service in &mut self.services {
            told.extend(mend(service)?);
        }
        Ok(told)
    }

    /// Does so until a service serves.
    pub fn heal(&mut self) -> Result<Vec<String>, Error> {
        let mut told = Vec::new();
        let mut failure = None;
        let healed = wait_until(READY_WITHIN, "a service to be ready again", || {
            match self.supervise() {
                Ok(endings) => told.extend(endings),
                Err(error) => failure = Some(error),
            }
            let serves = self.services.iter().any(|service| service.readiness() == Some(200));
            serves || failure.is_some() || !told.is_empty()
        });
        match (failure, healed) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(told),
            (None, Err(error)) => Err(Error::Stuck { error: error.to_string(), log: self.logs() }),
        }
    }

    /// The last lines that each service wrote.
    pub fn logs(&self) -> String {
        let logs: Vec<String> = self.services.iter().map(Service::log).collect();
        logs.join("\n\n")
    }

    /// What the tools of the service are run with: its settings, without the disk's shim.
    pub fn tool_environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        environment.retain(|name, _| name != "LD_PRELOAD" && !name.starts_with("CHAOS_"));
        if let Some(service) = self.services.first() {
            environment.insert("PORT".to_owned(), service.port().to_string());
        }
        environment
    }

    /// The program and the folder that its tools are run in.
    pub fn tool(&self) -> (&Path, &Path) {
        (&self.binary, self._folder.path())
    }

    /// The state's hash by `pricetime verify --full`; what it finds wrong otherwise.
    pub fn verify(&self) -> Result<Result<String, String>, Error> {
        let (binary, folder) = self.tool();
        let mut command = Command::new(binary);
        command.args(["verify", "--full", "--json"]).env_clear().envs(self.tool_environment()).current_dir(folder);
        let output = command.output().map_err(Error::io("run pricetime verify"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            return Ok(Err(format!("verify ended with {}: {said}", output.status)));
        }
        let verified: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(verified["state_hash"].as_str().map(str::to_owned).ok_or_else(|| "verify told no state hash".to_owned()))
    }
}

/// Starts a service again that has ended; an ending that must not happen is told. SIGKILL is what faults send.
fn mend(service: &mut Service) -> Result<Option<String>, Error> {
    let Some(status) = service.exited()? else { return Ok(None) };
    let expected = status.signal() == Some(SIGKILL) || status.code().is_some_and(|code| EXPECTED_CODES.contains(&code));
    let told = (!expected).then(|| format!("the service ended by itself with {status}:\n{}", service.log()));
    service.relaunch(&[])?;
    Ok(told)
}

impl Servers {
    fn start(build: &Build, shim: &Shim, folder: &Path, runtime: &Runtime) -> Result<Servers, Error> {
        let redis_disk = Disk::forgetful(shim, &folder.join("redis"))?;
        let postgres_disk = Disk::finite(shim, &folder.join("postgres"))?;
        let arguments = vec!["--appendfsync".to_owned(), build.appendfsync.to_owned()];
        let extras = Extras { arguments, environment: redis_disk.environment() };
        let redis = Redis::start_special(redis_disk.folder(), extras)?;
        let postgres = Postgres::start_special(postgres_disk.folder(), postgres_disk.extras())?;
        let proxy = |port| build.proxies.then(|| Proxy::start(runtime.handle(), port)).transpose();
        let (redis_proxy, postgres_proxy) = (proxy(redis.port())?, proxy(postgres.port())?);
        Ok(Servers { redis, redis_disk, redis_proxy, postgres, postgres_disk, postgres_proxy })
    }

    fn redis_url(&self) -> String {
        let port = self.redis_proxy.as_ref().map_or(self.redis.port(), Proxy::port);
        format!("redis://127.0.0.1:{port}/0")
    }

    fn database_url(&self) -> String {
        let port = self.postgres_proxy.as_ref().map_or(self.postgres.port(), Proxy::port);
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    fn heal(&mut self) -> Result<(), Error> {
        if !self.redis.is_running()? {
            self.redis.restart()?;
        }
        if !self.postgres.is_running()? {
            self.postgres.restart()?;
        }
        Ok(())
    }
}

/// Whether this part is the one that serves: a kill of anything else would show nothing.
pub(crate) fn is_serving(pid: u32, port: u16) -> bool {
    listens(pid, port)
}
