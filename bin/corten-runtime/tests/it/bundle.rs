//! A bundle with busybox as its root, and the runtime run on it.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BUSYBOX: &str = "/usr/bin/busybox";
const APPLETS: [&str; 13] = [
    "sh", "true", "false", "sleep", "echo", "cat", "id", "env", "kill", "stty", "tty", "ls",
    "touch",
];

/// Directories of a test, and the containers in them, which are deleted at its end.
pub(crate) struct Bundle {
    directory: TempDir,
    pub(crate) id: String,
    /// Runs the runtime in a mount namespace of its own, whatever its configuration says.
    pub(crate) apart: bool,
    /// Runs the runtime as this user.
    pub(crate) user: Option<u32>,
    /// Runs the user's runtime in this control group of version 2.
    pub(crate) group: Option<PathBuf>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bundle {
    /// A bundle that runs a command; nothing, with a reason, where there can be none.
    pub(crate) fn new(args: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new(BUSYBOX).exists() {
            eprintln!("skipped: needs root and a static {BUSYBOX}");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let rootfs = directory.path().join("bundle/rootfs");
        for name in ["bin", "proc", "sys", "dev", "tmp", "etc"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        fs::copy(BUSYBOX, rootfs.join("bin/busybox")).unwrap();
        for name in APPLETS {
            symlink("busybox", rootfs.join("bin").join(name)).unwrap();
        }
        let unique = directory.path().file_name().unwrap().to_str().unwrap();
        let id = format!("corten-test{}", unique.replace('.', "-"));
        let bundle = Self {
            directory,
            id,
            apart: false,
            user: None,
            group: None,
        };
        let made = bundle.run(&["spec", "--bundle", bundle.path().to_str().unwrap()]);
        assert_eq!(made.code, Some(0), "{made:?}");
        bundle.change(|spec| {
            spec["process"]["args"] = json!(args);
            spec["process"]["terminal"] = json!(false);
        });
        Some(bundle)
    }

    /// The bundle of a user without rights, who has further ids by `/etc/subuid`.
    pub(crate) fn of_user(user: u32, args: &[&str]) -> Option<Self> {
        let mut bundle = Self::new(args)?;
        give(bundle.directory.path(), user);
        fs::remove_file(bundle.path().join("config.json")).unwrap();
        bundle.user = Some(user);
        bundle.ok(&[
            "spec",
            "--rootless",
            "--bundle",
            bundle.path().to_str().unwrap(),
        ]);
        bundle.change(|spec| {
            spec["process"]["args"] = json!(args);
            spec["process"]["terminal"] = json!(false);
        });
        Some(bundle)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Edits the configuration.
    pub(crate) fn change(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.path().join("config.json");
        let mut spec: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut spec);
        fs::write(path, spec.to_string()).unwrap();
    }

    /// The command, not started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        const RUNTIME: &str = env!("CARGO_BIN_EXE_corten-runtime");
        let mut words: Vec<String> = Vec::new();
        if let (Some(group), Some(user)) = (&self.group, self.user) {
            let enter = format!(
                "echo $$ > {}/cgroup.procs; exec setpriv --reuid={user} --regid={user} --clear-groups \"$@\"",
                group.display()
            );
            words.extend(["sh", "-c", &enter, "sh"].map(str::to_owned));
        }
        if self.apart {
            words.extend(["unshare", "--mount", "--propagation", "private"].map(str::to_owned));
        }
        words.push(RUNTIME.to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if let (None, Some(user)) = (&self.group, self.user) {
            command.uid(user).gid(user);
        }
        if let Some(user) = self.user {
            command
                .env("XDG_RUNTIME_DIR", format!("/run/user/{user}"))
                .env_remove("DBUS_SESSION_BUS_ADDRESS");
        }
        command.arg("--root").arg(self.state()).args(arguments);
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let log = tempfile::NamedTempFile::new().unwrap();
        let err = log.reopen().unwrap();
        // Not a pipe: a detached container keeps it open.
        let out = tempfile::NamedTempFile::new().unwrap();
        let status = self
            .command(arguments)
            .stdout(out.reopen().unwrap())
            .stderr(err)
            .status()
            .unwrap();
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Said {
            code: status.code(),
            out: text(out.path()),
            err: text(log.path()),
        }
    }

    /// Runs a command that must succeed; what it wrote.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said.out
    }

    /// Runs a command that must fail; what it said.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_ne!(said.code, Some(0), "{arguments:?}: {said:?}");
        said.err
    }

    pub(crate) fn create(&self) {
        let path = self.path();
        self.ok(&["create", "--bundle", path.to_str().unwrap(), &self.id]);
    }

    pub(crate) fn status(&self) -> String {
        let state: Value = serde_json::from_str(&self.ok(&["state", &self.id])).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn wait_for(&self, status: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.status() != status {
            assert!(Instant::now() < until, "{} is not {status}", self.status());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The groups of this container that are left.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let hierarchies = cgroup::Hierarchies::probe().unwrap();
        // Where version 2 is all there is a group is beside ours, not below it.
        let above = |own: &Path| own.parent().unwrap_or(own).to_owned();
        let base = |one: &cgroup::Hierarchy| match hierarchies.unified() && one.own != one.mount {
            true => above(&one.own),
            false => one.own.clone(),
        };
        let paths = hierarchies.iter().map(|one| base(one).join(&self.id));
        paths.filter(|path| path.exists()).collect()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let deleted: std::io::Result<Output> = self.command(&["delete", "-f", &self.id]).output();
        assert!(deleted.is_ok());
        assert!(self.groups().is_empty(), "{:?}", self.groups());
    }
}

/// Makes a tree a user's.
fn give(tree: &Path, user: u32) {
    chown(tree, Some(user), Some(user)).unwrap();
    for entry in fs::read_dir(tree).unwrap().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => give(&entry.path(), user),
            kind if kind.is_file() => chown(entry.path(), Some(user), Some(user)).unwrap(),
            _ => {}
        }
    }
}
