//! A daemon of our own to measure, in places of its own, and an image for it.

use crate::build;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A root file system of nothing but busybox, as a tar archive.
pub(crate) fn busybox(home: &Path, archive: &Path) -> Result<()> {
    let tree = home.join("busybox/bin");
    std::fs::create_dir_all(&tree)?;
    std::fs::copy("/bin/busybox", tree.join("busybox"))
        .context("needs busybox-static: apt-get install busybox-static")?;
    for applet in ["true", "sh", "cat", "sleep", "dd", "tr"] {
        std::os::unix::fs::symlink("busybox", tree.join(applet))?;
    }
    build::succeed(
        Command::new("tar")
            .arg("-C")
            .arg(home.join("busybox"))
            .arg("-cf")
            .arg(archive)
            .arg("."),
    )
}

/// A running `corten daemon`; ended by [`Daemon::stop`].
pub(crate) struct Daemon {
    child: std::process::Child,
    /// `unix://PATH`
    pub(crate) socket: String,
    corten: PathBuf,
}

impl Daemon {
    /// Starts it with its directories in `home`, and waits until it answers.
    pub(crate) fn start(binaries: &Path, home: &Path) -> Result<Self> {
        Self::start_with(binaries, home, &[])
    }

    /// The same with more flags.
    pub(crate) fn start_with(binaries: &Path, home: &Path, flags: &[&str]) -> Result<Self> {
        let command = Command::new(binaries.join("corten"));
        Self::start_by(command, binaries, home, flags)
    }

    /// The same by a command that executes corten with its further arguments.
    pub(crate) fn start_by(
        mut command: Command,
        binaries: &Path,
        home: &Path,
        flags: &[&str],
    ) -> Result<Self> {
        let socket = format!("unix://{}", home.join("run/corten.sock").display());
        let log = std::fs::File::create(home.join("daemon.log"))?;
        let child = command
            .arg("daemon")
            .arg("--root")
            .arg(home.join("root"))
            .arg("--run")
            .arg(home.join("run"))
            .args(["-H", &socket])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let daemon = Self {
            child,
            socket,
            corten: binaries.join("corten"),
        };
        for _ in 0..200 {
            if home.join("run/corten.sock").exists() {
                return Ok(daemon);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!(
            "the daemon did not answer: {}",
            std::fs::read_to_string(home.join("daemon.log"))?
        )
    }

    /// The client's command against it.
    pub(crate) fn corten(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.corten);
        command.args(["-H", &self.socket]).args(arguments);
        command
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and insists on its ending well.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        build::succeed(Command::new("kill").arg(pid))?;
        ensure!(self.child.wait()?.success(), "the daemon did not end well");
        Ok(())
    }
}

impl Drop for Daemon {
    /// Of a measurement that broke off nothing stays.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.stop());
        }
    }
}
