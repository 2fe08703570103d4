//! The built daemon on a directory of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory for one daemon after another.
pub(crate) struct Host {
    pub(crate) directory: tempfile::TempDir,
}

/// The built `corten-daemon`, with the executables beside it.
pub(crate) fn executable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The whole suite builds them once, before.
        if let Some(built) = std::env::var_os("CORTEN_BINARIES") {
            return PathBuf::from(built).join("corten-daemon");
        }
        let test = std::env::current_exe().unwrap();
        let built = test.ancestors().nth(2).unwrap().to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet"]);
        if built.ends_with("release") {
            cargo.arg("--release");
        }
        for package in [
            "corten-daemon",
            "corten-shim",
            "corten-unpack",
            "corten-proxy",
            "corten-hello",
        ] {
            cargo.args(["-p", package]);
        }
        assert!(
            cargo.status().unwrap().success(),
            "executables are not built"
        );
        built.join("corten-daemon")
    })
}

/// Waits for something to become so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !so() {
        assert!(Instant::now() < deadline, "{what} in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable());
        command.arg("--root").arg(self.path("root"));
        command.arg("--run").arg(self.path("run"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// A daemon that answers.
    pub(crate) fn start(&self, arguments: &[&str]) -> Daemon {
        let child = self
            .command(arguments)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = self.path("run/corten.sock");
        until("the daemon answers", || {
            UnixStream::connect(&socket).is_ok()
        });
        Daemon { child, socket }
    }

    /// A daemon that is to end by itself.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let Output { status, stderr, .. } = self.command(arguments).output().unwrap();
        assert!(!status.success());
        String::from_utf8(stderr).unwrap()
    }
}

/// A daemon that runs.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The answer's status line and body.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; whether it was a success.
    pub(crate) fn ended(&mut self) -> bool {
        let mut status = None;
        until("the daemon ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.is_some_and(|status| status.success())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already is none to be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
