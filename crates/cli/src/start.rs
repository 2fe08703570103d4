//! Starts the daemon when there is none, and becomes it when told to.

use crate::failure::{Failure, Result};
use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use types::Paths;

/// How long a daemon may take until it answers: it may have many containers to take over.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a daemon that somebody else started is looked for.
const STEP: Duration = Duration::from_millis(5);
/// How much of its log is shown if it fails.
const SHOWN: usize = 4096;

/// Starts the daemon of `paths` and waits until it answers. Of several commands that find none
/// at the same time, one starts it and the others wait.
pub(crate) fn daemon(paths: &Paths) -> Result<()> {
    let failed = |error: anyhow::Error, log: &Path| {
        Failure::hinted(
            error.context("cannot start the corten daemon"),
            format!(
                "see {}, or run `corten daemon` in the foreground",
                log.display()
            ),
        )
    };
    let log = paths.run.join("daemon.log");
    start(paths, &log).map_err(|error| failed(error, &log))
}

fn start(paths: &Paths, log: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&paths.run)
        .with_context(|| format!("cannot make {}", paths.run.display()))?;
    let lock = paths.run.join("start.lock");
    let lock = private(&lock).with_context(|| format!("cannot open {}", lock.display()))?;
    flock(&lock, FlockOperation::LockExclusive).context("cannot lock the start of the daemon")?;
    if UnixStream::connect(&paths.socket).is_ok() {
        return Ok(());
    }
    let mut output = private(log).with_context(|| format!("cannot open {}", log.display()))?;
    let before = output.seek(SeekFrom::End(0))?;
    let (ready, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut child = spawn(paths, &output, theirs)?;
    if is_ready(&ready)? || another_answers(paths) {
        return Ok(());
    }
    explain(&mut child, &mut output, before)
}

/// Whether a daemon holds the lock that was started before ours, and answers in the end: whoever
/// started it did not live to wait for it.
fn another_answers(paths: &Paths) -> bool {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if UnixStream::connect(&paths.socket).is_ok() {
            return true;
        }
        let lock = File::open(paths.lock());
        let held = lock.is_ok_and(|lock| {
            flock(&lock, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        });
        if !held || Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(STEP);
    }
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Becomes the daemon, the registry or what speaks of artifacts, if the first of `args` names
/// one; else returns.
///
/// They are an executable of their own, so that a command need not carry them.
pub(crate) fn instead(args: &[OsString]) -> Result<()> {
    let args = match args {
        [word, args @ ..] if word == "daemon" => args,
        [word, ..] if word == "registry" || word == "artifact" => args,
        _ => return Ok(()),
    };
    let executable = executable()?;
    let error = Command::new(&executable).args(args).exec();
    let error = anyhow::Error::new(error);
    Err(error
        .context(format!("cannot execute {}", executable.display()))
        .into())
}

/// The daemon's executable: beside this one.
pub(crate) fn executable() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("corten-daemon"))
}

/// The daemon in surroundings of its own. It leaves our session, cgroup and directory itself,
/// before anything else.
fn spawn(paths: &Paths, log: &File, ready: OwnedFd) -> anyhow::Result<Child> {
    let executable = executable()?;
    // Whatever our caller left open in us must not live as long as the daemon: a pipe of a
    // script would never end.
    sys::fds::close_range(3, u32::MAX, sys::fds::Range::CloseOnExec)?;
    fcntl_setfd(&ready, FdFlags::empty())?;
    let mut command = Command::new(&executable);
    command
        .arg("--root")
        .arg(&paths.root)
        .arg("--run")
        .arg(&paths.run)
        .arg("--ready-fd")
        .arg(ready.as_raw_fd().to_string())
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    for kept in [
        "CORTEN_LOG",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
        "HOME",
    ] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
        .spawn()
        .with_context(|| format!("cannot execute {}", executable.display()))
}

/// Waits for the byte that says that the daemon answers; `false` if it ended without.
fn is_ready(ready: &OwnedFd) -> anyhow::Result<bool> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            anyhow::bail!(
                "it did not answer within {} seconds and is left running",
                DEADLINE.as_secs()
            );
        }
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(ready, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(rustix::io::read(ready, &mut [0; 16])? > 0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the daemon said before it ended.
fn explain(child: &mut Child, log: &mut File, before: u64) -> anyhow::Result<()> {
    let status = child.wait()?;
    log.seek(SeekFrom::Start(before))?;
    let mut said = Vec::new();
    log.read_to_end(&mut said)?;
    let said = said.get(said.len().saturating_sub(SHOWN)..);
    let said = String::from_utf8_lossy(said.unwrap_or_default());
    match said.trim() {
        "" => anyhow::bail!("it ended with {status} and said nothing"),
        said => anyhow::bail!("it ended with {status}:\n{said}"),
    }
}
