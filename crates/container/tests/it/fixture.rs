//! A bundle in a temporary directory, and containers made of it.

use container::{Create, Error, Gate, Init, Stdio, create};
use oci::runtime::{Linux, Mount, Namespace, NamespaceKind, Process, Root, Spec, State, Status};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::cell::Cell;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::{ContainerId, Rootfs};

pub(crate) const BUSYBOX: &str = "/usr/bin/busybox";

/// Applets that the root has as links.
const APPLETS: [&str; 26] = [
    "sh", "true", "false", "cat", "ls", "id", "mount", "umount", "stat", "hostname", "sleep",
    "readlink", "echo", "touch", "mkdir", "ps", "stty", "tty", "env", "head", "ip", "pwd", "kill",
    "dd", "grep", "unshare",
];

/// A bundle with a busybox root.
pub(crate) struct Bundle {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) spec: Spec,
    pub(crate) rootfs: Rootfs,
    pub(crate) id: ContainerId,
    pub(crate) filter: Option<seccomp::Program>,
    _turn: Turn,
}

/// The turn of one test. A child that another test's thread forks holds this one's
/// descriptors until it executes: an executable just written is busy, a listener just closed
/// still answers. The library's callers have one thread; so containers are made in turn.
#[derive(Debug)]
struct Turn(Option<MutexGuard<'static, ()>>);

static TURN: Mutex<()> = Mutex::new(());

thread_local! {
    /// How many bundles this thread has: the first takes the turn.
    static BUNDLES: Cell<usize> = const { Cell::new(0) };
}

impl Turn {
    fn take() -> Self {
        let first = BUNDLES.replace(BUNDLES.get() + 1) == 0;
        // A test that failed has let its turn go.
        Self(first.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUNDLES.set(BUNDLES.get() - 1);
        drop(self.0.take());
    }
}

/// A field, and a change that makes it wrong.
pub(crate) type Wrong<'a> = (&'static str, &'a dyn Fn(&mut Bundle));

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) output: String,
}

pub(crate) fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: kind.to_owned(),
        options: options.iter().map(|o| (*o).to_owned()).collect(),
        ..Mount::default()
    }
}

pub(crate) fn bind(source: &Path, destination: &str, options: &[&str]) -> Mount {
    Mount {
        source: source.display().to_string(),
        ..mount(destination, "bind", options)
    }
}

pub(crate) fn namespace(kind: NamespaceKind, path: &str) -> Namespace {
    Namespace {
        kind,
        path: path.to_owned(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Docker's mounts, masks and namespaces, as far as they need no cgroup.
pub(crate) fn docker_like() -> Spec {
    let kinds = [
        NamespaceKind::Mount,
        NamespaceKind::Network,
        NamespaceKind::Uts,
        NamespaceKind::Pid,
        NamespaceKind::Ipc,
        NamespaceKind::Cgroup,
    ];
    Spec {
        oci_version: "1.3.0".to_owned(),
        hostname: "box".to_owned(),
        root: Some(Root {
            path: "rootfs".to_owned(),
            readonly: false,
        }),
        process: Some(Process {
            cwd: "/".to_owned(),
            env: words(&["PATH=/bin"]),
            args: words(&["true"]),
            capabilities: Some(capabilities()),
            oom_score_adj: Some(0),
            ..Process::default()
        }),
        mounts: vec![
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount(
                "/dev",
                "tmpfs",
                &["nosuid", "strictatime", "mode=755", "size=65536k"],
            ),
            mount(
                "/dev/pts",
                "devpts",
                &[
                    "nosuid",
                    "noexec",
                    "newinstance",
                    "ptmxmode=0666",
                    "mode=0620",
                    "gid=5",
                ],
            ),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount(
                "/dev/shm",
                "tmpfs",
                &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"],
            ),
        ],
        linux: Some(Linux {
            namespaces: kinds.map(|kind| namespace(kind, "")).to_vec(),
            masked_paths: words(&[
                "/proc/acpi",
                "/proc/asound",
                "/proc/interrupts",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/sched_debug",
                "/proc/scsi",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/sys/devices/virtual/powercap",
                "/sys/firmware",
            ]),
            readonly_paths: words(&[
                "/proc/bus",
                "/proc/fs",
                "/proc/irq",
                "/proc/sys",
                "/proc/sysrq-trigger",
            ]),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

fn capabilities() -> oci::runtime::Capabilities {
    let names = words(&[
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ]);
    oci::runtime::Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..oci::runtime::Capabilities::default()
    }
}

impl Bundle {
    pub(crate) fn new() -> Self {
        let turn = Turn::take();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("rootfs");
        populate(&root);
        let name = dir.path().file_name().unwrap().to_str().unwrap();
        let id = format!("t{}", name.replace('.', "-")).parse().unwrap();
        Self {
            rootfs: Rootfs::Directory(root),
            spec: docker_like(),
            id,
            dir,
            filter: None,
            _turn: turn,
        }
    }

    /// The root on the host.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.spec.process.as_mut().unwrap()
    }

    pub(crate) fn linux(&mut self) -> &mut Linux {
        self.spec.linux.as_mut().unwrap()
    }

    pub(crate) fn args(&mut self, args: &[&str]) {
        self.process().args = words(args);
    }

    /// Joins the namespace at this path instead of making one.
    pub(crate) fn namespace(&mut self, kind: NamespaceKind, path: &str) {
        self.without(kind);
        self.linux().namespaces.push(namespace(kind, path));
    }

    pub(crate) fn without(&mut self, kind: NamespaceKind) {
        self.linux().namespaces.retain(|n| n.kind != kind);
    }

    pub(crate) fn create(&self, stdio: Stdio<'_>, gate: Gate<'_>) -> Result<Init, Error> {
        create(&self.request(stdio, gate))
    }

    pub(crate) fn request<'a>(&'a self, stdio: Stdio<'a>, gate: Gate<'a>) -> Create<'a> {
        Create {
            id: &self.id,
            spec: &self.spec,
            bundle: self.dir.path(),
            rootfs: &self.rootfs,
            stdio,
            cgroup: None,
            seccomp: self.filter.as_ref(),
            gate,
            preserve_fds: 0,
            keep_keyring: false,
            no_pivot: false,
            stock: None,
            cloned: None,
        }
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self) -> Result<Outcome, Error> {
        let streams = Streams::new();
        let mut init = self.create(streams.stdio(), Gate::Held)?;
        let started = init.start();
        let outcome = streams.finish(init.pidfd());
        started.map(|()| outcome)
    }

    /// Runs a shell script that must succeed, and gives what it wrote.
    pub(crate) fn script(&mut self, script: &str) -> String {
        self.args(&["sh", "-c", script]);
        let outcome = self.run().unwrap();
        assert_eq!(outcome.status, 0, "{}", outcome.output);
        outcome.output
    }

    /// Starts a container that stays.
    pub(crate) fn running(&mut self) -> Running {
        self.args(&["sleep", "1000"]);
        let streams = Streams::new();
        let mut init = self.create(streams.stdio(), Gate::Held).unwrap();
        init.start().unwrap();
        Running { init }
    }

    pub(crate) fn state(&self, pid: i32) -> State {
        State {
            oci_version: "1.3.0".to_owned(),
            id: self.id.to_string(),
            status: Status::Running,
            bundle: self.dir.path().display().to_string(),
            pid,
            annotations: self.spec.annotations.clone(),
        }
    }
}

/// A busybox root.
pub(crate) fn populate(root: &Path) {
    for dir in ["bin", "proc", "sys", "dev", "etc", "tmp", "root"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
}

/// A container that is ended and reaped at the end of the test.
pub(crate) struct Running {
    pub(crate) init: Init,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(self.init.pidfd(), Signal::KILL);
        reap(self.init.pidfd());
    }
}

/// Waits for the end: the exit status, or 128 and the signal.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> i32 {
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED));
    match status {
        Ok(Some(status)) => status
            .exit_status()
            .or(status.terminating_signal().map(|signal| 128 + signal))
            .unwrap_or(-1),
        _ => -1,
    }
}

/// Standard streams: nothing to read, and both outputs collected.
pub(crate) struct Streams {
    null: fs::File,
    reader: fs::File,
    writer: OwnedFd,
}

impl Streams {
    pub(crate) fn new() -> Self {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        Self {
            null: fs::File::open("/dev/null").unwrap(),
            reader: reader.into(),
            writer,
        }
    }

    pub(crate) fn stdio(&self) -> Stdio<'_> {
        Stdio::Descriptors {
            stdin: self.null.as_fd(),
            stdout: self.writer.as_fd(),
            stderr: self.writer.as_fd(),
        }
    }

    pub(crate) fn finish(self, pidfd: BorrowedFd<'_>) -> Outcome {
        let Self {
            mut reader, writer, ..
        } = self;
        drop(writer);
        let mut output = String::new();
        reader.read_to_string(&mut output).unwrap();
        Outcome {
            status: reap(pidfd),
            output,
        }
    }
}
