//! The service on private real Redis and PostgreSQL, in the foreground, started again when it stops: `make stack`.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::process::{self, Orphaned, Process};
use crate::wait::poll;
use crate::{Error, Postgres, Redis, wait_until};

/// Where the data is; relative to the folder that the stack is started in.
const FOLDER: &str = "data/stack";

/// Where the data is instead when PostgreSQL's user may not enter the folder above, as in a checkout below `/root`.
const FALLBACK: &str = "/var/lib/pricetime/stack";

/// Exit codes of the service that a new start would not mend: its configuration, a damaged log.
const FINAL_CODES: [i32; 2] = [2, 6];
/// Exit codes after which a new start waits: a dependency that cannot be reached, another writer.
const PATIENT_CODES: [i32; 2] = [3, 5];
const PATIENCE: Duration = Duration::from_secs(1);

/// The service drains before it ends; what takes longer hangs.
const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// Runs the stack with the service `binary` until `asked_to_stop`; gives the exit code for this process.
pub fn run(binary: &Path, asked_to_stop: &AtomicBool) -> Result<u8, Error> {
    let binary = binary.canonicalize().map_err(Error::io(format!("find the service {}", binary.display())))?;
    let folder = choose_folder()?;
    let _lock = lock(&folder)?;
    let mut redis = Redis::start_in(&folder.join("redis"))?;
    let mut postgres = Postgres::start_in(&folder.join("postgres"))?;
    let port = std::env::var("PORT").unwrap_or_else(|_| "8000".to_owned());
    println!("data        {}", folder.display());
    println!("Redis       {}", redis.url());
    println!("PostgreSQL  {}", postgres.url());
    println!("service     http://127.0.0.1:{port}/   (Ctrl-C stops all three)");

    let mut command = process::command(binary);
    command.arg("serve").env("REDIS_URL", redis.url()).env("DATABASE_URL", postgres.url()).env("PORT", port);
    if std::env::var_os("DEBUG").is_none() {
        command.env("DEBUG", "true");
    }
    let code = supervise(&mut command, &mut redis, &mut postgres, asked_to_stop)?;
    postgres.stop()?;
    redis.stop()?;
    println!("stopped     the data stays in {}", folder.display());
    Ok(code)
}

/// Keeps all three running until the stack is asked to stop or the service cannot be helped.
fn supervise(
    command: &mut Command,
    redis: &mut Redis,
    postgres: &mut Postgres,
    asked_to_stop: &AtomicBool,
) -> Result<u8, Error> {
    let stop = || asked_to_stop.load(Ordering::Relaxed);
    while !stop() {
        let begin = Instant::now();
        let mut service = Process::spawn("pricetime", command, &Orphaned { signal: Signal::SIGKILL, remove: None })?;
        let Some(status) = watch(&mut service, redis, postgres, &stop)? else {
            end(&mut service)?;
            break;
        };
        let code = status.code().unwrap_or_default();
        if FINAL_CODES.contains(&code) {
            eprintln!("the service ended with {status}, which a new start would not mend: the stack stops");
            return Ok(u8::try_from(code).unwrap_or(1));
        }
        eprintln!("the service ended with {status}: it is started again");
        if PATIENT_CODES.contains(&code) || begin.elapsed() < PATIENCE {
            // In vain is the usual case: nobody asks to stop in this second.
            let _ = wait_until(PATIENCE, "a request to stop", stop);
        }
    }
    Ok(0)
}

/// Waits for the service's end, or for the request to stop (`None`); starts a server again that was killed.
fn watch(
    service: &mut Process,
    redis: &mut Redis,
    postgres: &mut Postgres,
    stop: &impl Fn() -> bool,
) -> Result<Option<ExitStatus>, Error> {
    poll(Duration::MAX, "the service to end", || {
        if stop() {
            return Ok(Some(None));
        }
        if !redis.is_running()? {
            eprintln!("Redis ended: it is started again");
            redis.restart()?;
        }
        if !postgres.is_running()? {
            eprintln!("PostgreSQL ended: it is started again");
            postgres.restart()?;
        }
        Ok(service.exited()?.map(Some))
    })
}

fn end(service: &mut Process) -> Result<(), Error> {
    if service.exited()?.is_none() {
        service.signal(Signal::SIGTERM)?;
    }
    if service.wait_exit(DRAIN_WITHIN).is_err() {
        eprintln!("the service has not ended within {DRAIN_WITHIN:?} after SIGTERM: it is killed");
        service.kill()?;
    }
    Ok(())
}

fn choose_folder() -> Result<PathBuf, Error> {
    let folder = make(Path::new(FOLDER))?;
    match Postgres::shut_out_of(&folder)? {
        None => Ok(folder),
        Some(closed) => {
            println!("note        PostgreSQL's user may not enter {}: the data goes elsewhere", closed.display());
            make(Path::new(FALLBACK))
        }
    }
}

fn make(folder: &Path) -> Result<PathBuf, Error> {
    let made = fs::create_dir_all(folder)
        // PostgreSQL's user passes through on the way to its own folder, whatever the umask is.
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o755)))
        .and_then(|()| folder.canonicalize());
    made.map_err(Error::io(format!("make the folder {}", folder.display())))
}

/// Two servers on the same append-only file would ruin it, so a folder serves one stack at a time.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(Error::io(format!("make {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::FolderTaken { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Error::io(format!("lock {}", path.display()))(error)),
    }
}
