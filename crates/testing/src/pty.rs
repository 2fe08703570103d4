//! A command on a terminal of its own.

use crate::{PATIENCE, ran};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command with a pseudo-terminal as its controlling terminal.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    child: Child,
    output: String,
    /// How much of the output was looked at by [`Self::expect`].
    seen: usize,
}

impl Pty {
    /// Starts `command` on a terminal of this many rows and columns.
    pub fn spawn(command: &Command, size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).expect("the terminal is ours");
        unlockpt(&master).expect("the terminal is unlocked");
        let name = ptsname(&master, Vec::new()).expect("the terminal has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty()).expect("the terminal opens");
        let second = || Stdio::from(slave.try_clone().expect("a second descriptor"));
        // setsid makes the terminal the session's own, which only the child itself can do.
        let mut wrapped = Command::new("setsid");
        wrapped
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .stdin(second())
            .stdout(second())
            .stderr(second());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(name, value);
            }
        }
        // Before it starts, or it can find a terminal without a size.
        resize(&master, size);
        let child = wrapped.spawn().expect("setsid starts");
        Self {
            master,
            child,
            output: String::new(),
            seen: 0,
        }
    }

    /// Changes the terminal's size.
    pub fn resize(&self, size: (u16, u16)) {
        resize(&self.master, size);
    }

    /// Types.
    pub fn send(&self, text: impl AsRef<[u8]>) {
        let mut bytes = text.as_ref();
        while !bytes.is_empty() {
            let written = rustix::io::write(&self.master, bytes).expect("the terminal takes it");
            bytes = bytes.get(written..).unwrap_or_default();
        }
    }

    /// Waits until the output goes on with something that has `text` in it, and gives all up
    /// to its end.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let unseen = self.output.get(self.seen..).unwrap_or_default();
            if let Some(at) = unseen.find(text) {
                let passed = unseen.get(..at + text.len()).unwrap_or_default().to_owned();
                self.seen += passed.len();
                return passed;
            }
            assert!(
                self.read(deadline),
                "the terminal does not show {text:?}: {:?}",
                self.output
            );
        }
    }

    /// Whether the terminal is in raw mode.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.master).expect("the terminal has modes");
        !modes.local_modes.contains(LocalModes::ICANON)
    }

    /// Everything shown so far.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The command's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the command's end, and gives its exit code.
    pub fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                // What it wrote last is still in the terminal.
                while self.read(Instant::now() + Duration::from_millis(20)) {}
                return ran::code(status);
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {:?}",
                self.output
            );
            self.read(Instant::now() + Duration::from_millis(5));
        }
    }

    /// Reads what there is; `false` if nothing came until the deadline, or nothing will.
    fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a short time");
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        if poll(&mut fds, Some(&left)).unwrap_or(0) == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        match rustix::io::read(&self.master, &mut buffer) {
            Ok(length) if length > 0 => {
                let bytes = buffer.get(..length).unwrap_or_default();
                self.output.push_str(&String::from_utf8_lossy(bytes));
                true
            }
            // EIO: nobody has the other side open.
            _ => false,
        }
    }
}

fn resize(master: &OwnedFd, (rows, columns): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("the size is set");
}

impl Drop for Pty {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // The test failed, or detached: either way it is over.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
