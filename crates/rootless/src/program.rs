//! pasta or slirp4netns: what leads out of a user's network namespace.

use crate::message::Way;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where names are asked for, within the namespaces: both programs pass it on.
pub(crate) const NAMES: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
const OWN: &str = "10.0.2.100";
const GATEWAY: &str = "10.0.2.2";
const LINK: &str = "tap0";
/// What a program says, with its name before.
const LOG: &str = ".log";
/// Which it is: its number, and when it was started.
const NOTE: &str = "program";
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(2);

/// One of the two at work: ended when this goes.
#[derive(Debug)]
pub(crate) struct Program {
    pidfd: OwnedFd,
    /// If it is ours, and not of a holder that was killed.
    child: Option<Child>,
}

impl Program {
    fn of(pid: i32, child: Option<Child>) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { pidfd, child })
    }

    /// The one that an earlier holder noted in `folder`.
    fn find(folder: &Path) -> Option<Self> {
        let noted = fs::read_to_string(folder.join(NOTE)).ok()?;
        let (pid, started) = noted.trim().split_once(' ')?;
        let pid = pid.parse().ok()?;
        let found = Self::of(pid, None).ok()?;
        // The number may be another's by now.
        let started: u64 = started.parse().ok()?;
        let same = sys::identity::start_time(pid).ok()? == started;
        same.then_some(found)
    }

    fn note(&self, folder: &Path) -> io::Result<()> {
        let Some(child) = &self.child else {
            return Ok(());
        };
        let pid = child.id().cast_signed();
        let started = sys::identity::start_time(pid)?;
        fs::write(folder.join(NOTE), format!("{pid} {started}\n"))
    }

    /// Readable once it has ended.
    pub(crate) fn end(&self) -> &OwnedFd {
        &self.pidfd
    }

    pub(crate) fn has_ended(&self) -> bool {
        let mut end = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut end, Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended cannot be told, and need not be.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Some(child) = &mut self.child {
            drop(child.wait());
        }
    }
}

/// Starts the first of the two that works for the namespaces of process `pid`, unless one leads
/// out of them already. What each says is in a file of `folder`.
pub(crate) fn start(folder: &Path, pid: u32) -> (Option<Program>, Way) {
    let by = |program: &str| Way {
        program: Some(program.to_owned()),
        reason: String::new(),
    };
    // One that leads out of namespaces which are gone goes by this.
    if let Some(found) = Program::find(folder).filter(|_| is_up(&routes_of(pid))) {
        return (Some(found), by("a program that was there"));
    }
    let mut reasons = Vec::new();
    for program in ["pasta", "slirp4netns"] {
        match run(program, folder, pid) {
            Ok(started) => return (Some(started), by(program)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                reasons.push(format!("{program} is not installed"));
            }
            Err(error) => reasons.push(format!("{program}: {error}")),
        }
    }
    let way = Way {
        program: None,
        reason: reasons.join("; "),
    };
    (None, way)
}

/// Neither is to lead to what listens on the host's own loopback addresses.
fn command(program: &str, pid: u32) -> Command {
    let file = |name: &str| format!("/proc/{pid}/ns/{name}");
    let mut command = Command::new(program);
    match program {
        "pasta" => {
            command.args(["--foreground", "--quiet", "--config-net", "--no-map-gw"]);
            command.args(["--ns-ifname", LINK, "--address", OWN]);
            command.args(["--netmask", "255.255.255.0", "--gateway", GATEWAY]);
            command.args(["--dns-forward", &NAMES.to_string()]);
            // Ports are the holder's.
            for direction in ["-t", "-u", "-T", "-U"] {
                command.args([direction, "none"]);
            }
            command.args(["--no-netns-quit", "--userns", &file("user")]);
            command.args(["--netns", &file("net")]);
        }
        _ => {
            command.args(["--configure", "--mtu=65520", "--disable-host-loopback"]);
            command.args(["--netns-type=path", "--userns-path", &file("user")]);
            command.args([file("net").as_str(), LINK]);
        }
    }
    command
}

fn run(program: &str, folder: &Path, pid: u32) -> io::Result<Program> {
    let log = folder.join(format!("{program}{LOG}"));
    let mut child = command(program, pid)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()?;
    let routes = routes_of(pid);
    let began = Instant::now();
    loop {
        if is_up(&routes) {
            let started = Program::of(child.id().cast_signed(), Some(child))?;
            started.note(folder)?;
            return Ok(started);
        }
        if let Some(status) = child.try_wait()? {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let said = said.lines().rfind(|line| !line.contains("syslog"));
            let said = said.map_or_else(|| status.to_string(), str::to_owned);
            return Err(io::Error::other(said));
        }
        if began.elapsed() > PATIENCE {
            drop(child.kill());
            drop(child.wait());
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(STEP);
    }
}

fn routes_of(pid: u32) -> String {
    format!("/proc/{pid}/net/route")
}

/// Whether the link has a route out.
fn is_up(routes: &str) -> bool {
    let routes = fs::read_to_string(routes).unwrap_or_default();
    let mut lines = routes.lines().map(|line| line.split_whitespace());
    lines.any(|mut line| line.next() == Some(LINK) && line.next() == Some("00000000"))
}
