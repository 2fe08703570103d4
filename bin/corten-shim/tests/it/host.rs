//! A private world: directories of its own, gone with it.

use oci::runtime::{Linux, Mount, Namespace, NamespaceKind, Process, Spec};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use task::{
    Ahead, Attach, Create, Directory, Event, EventKind, Exec, ExitStatus, Framing, StdinPolicy,
    Tasks,
};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use types::{ContainerId, Paths, Rootfs, Signal};

/// How long anything may take on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(240);

pub struct Host {
    pub paths: Paths,
    pub tasks: Tasks,
    events: Receiver<Event>,
    rootfs: PathBuf,
    /// Containers that must not outlive the test.
    made: Vec<ContainerId>,
    _folder: TempDir,
}

impl Host {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let paths = Paths::under(&folder.path().join("root"), &folder.path().join("run"));
        fs::create_dir_all(paths.containers()).unwrap();
        let rootfs = folder.path().join("rootfs");
        make_root(&rootfs);
        let (tasks, events) = Tasks::open(
            &paths,
            Path::new(env!("CARGO_BIN_EXE_corten-shim")),
            ahead(),
        )
        .unwrap();
        Self {
            paths,
            tasks,
            events,
            rootfs,
            made: Vec::new(),
            _folder: folder,
        }
    }

    /// Another daemon in place of this one: it knows nothing.
    pub async fn restart(&mut self) {
        // This process does not end, with which the waiting shim would.
        self.tasks.stop().await;
        let shim = Path::new(env!("CARGO_BIN_EXE_corten-shim"));
        (self.tasks, self.events) = Tasks::open(&self.paths, shim, ahead()).unwrap();
    }

    /// What runs `args` in a container of its own sandbox.
    pub fn container(&mut self, args: &[&str]) -> Create {
        let name = format!("shim-it-{}-{}", std::process::id(), unique());
        let id: ContainerId = name.parse().unwrap();
        fs::create_dir_all(self.paths.container(&id)).unwrap();
        self.made.push(id.clone());
        Create {
            sandbox: id.clone(),
            log: logs::Config::JsonFile(self.log(&id)),
            id,
            spec: spec(args),
            rootfs: Rootfs::Directory(self.rootfs.clone()),
            layers: Vec::new(),
            stdin: StdinPolicy::Null,
            auto_remove: false,
            attach: Vec::new(),
            promise: None,
        }
    }

    fn log(&self, id: &ContainerId) -> logs::JsonFile {
        logs::JsonFile {
            path: self.paths.container(id).join("log"),
            max_size: None,
            max_file: None,
            attributes: [].into(),
            exact: false,
            compress: false,
        }
    }

    /// What a container's log says, both streams.
    pub fn logged(&self, id: &ContainerId) -> String {
        let mut reader = logs::Reader::open(&self.log(id), logs::Query::default()).unwrap();
        std::iter::from_fn(|| reader.next_record().unwrap())
            .map(|record| String::from_utf8(record.line).unwrap())
            .collect()
    }

    /// The next event that `wanted` picks, of any container; others are acknowledged only.
    pub async fn event<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let next = async {
            loop {
                let event = self.events.recv().await.expect("events go on");
                self.tasks.acknowledge(&event);
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, next)
            .await
            .expect("an event in time")
    }

    /// How a container ends.
    pub async fn exit(&mut self, id: &ContainerId) -> ExitStatus {
        self.event(|event| match &event.kind {
            EventKind::Exited(status) if event.container == *id => Some(status.clone()),
            _ => None,
        })
        .await
    }

    /// Runs a container to its end and removes it: its exit code.
    pub async fn run(&mut self, create: Create) -> Option<u8> {
        let id = create.id.clone();
        self.tasks.run(create).await.unwrap();
        let status = self.exit(&id).await;
        self.tasks.delete(&id).await.unwrap();
        status.code
    }

    /// Waits until nothing is left in the run directory, what was made ahead included.
    pub async fn until_empty(&self) {
        self.tasks.stop().await;
        let empty = async {
            while fs::read_dir(self.paths.shims()).unwrap().count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, empty)
            .await
            .expect("shims leave nothing");
    }

    /// Ends whatever a test left running, and waits until it is gone.
    pub async fn end(mut self) {
        for id in std::mem::take(&mut self.made) {
            if self.tasks.kill(&id, None, Signal::KILL).await.is_ok() {
                self.exit(&id).await;
            }
            self.tasks.delete(&id).await.unwrap();
        }
        self.until_empty().await;
    }
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn make_root(root: &Path) {
    for folder in ["bin", "proc", "dev", "sys", "tmp", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].map(Path::new);
    let busybox = busybox.iter().find(|path| path.exists());
    let busybox = busybox.expect("these tests need busybox (Debian: busybox-static)");
    fs::copy(busybox, root.join("bin/busybox")).unwrap();
    for name in [
        "sh", "cat", "sleep", "echo", "head", "stty", "true", "yes", "tty",
    ] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
}

/// A process.
pub fn process(args: &[&str]) -> Process {
    Process {
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        cwd: "/".to_owned(),
        env: vec!["PATH=/bin".to_owned()],
        ..Process::default()
    }
}

fn spec(args: &[&str]) -> Spec {
    let kinds = [
        NamespaceKind::Pid,
        NamespaceKind::Mount,
        NamespaceKind::Ipc,
        NamespaceKind::Uts,
        NamespaceKind::Network,
    ];
    let namespaces = kinds.map(|kind| Namespace {
        kind,
        path: String::new(),
    });
    let mount = |destination: &str, kind: &str| Mount {
        destination: destination.to_owned(),
        source: kind.to_owned(),
        kind: kind.to_owned(),
        ..Mount::default()
    };
    Spec {
        oci_version: "1.2.0".to_owned(),
        process: Some(process(args)),
        mounts: vec![
            mount("/proc", "proc"),
            mount("/dev", "tmpfs"),
            mount("/dev/pts", "devpts"),
        ],
        linux: Some(Linux {
            namespaces: namespaces.into(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

/// A further process in `container`.
pub fn exec(container: &ContainerId, args: &[&str]) -> Exec {
    Exec {
        container: container.clone(),
        id: format!("exec-{}", unique()).parse().unwrap(),
        process: process(args),
        stdin: StdinPolicy::Null,
        attach: Vec::new(),
    }
}

/// A client, and what attaches it for everything.
pub fn client(framing: Framing) -> (UnixStream, Attach) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    let attach = Attach {
        fd: theirs.into(),
        unread: Vec::new(),
        stdin: true,
        stdout: true,
        stderr: true,
        framing,
        detach_keys: None,
    };
    (ours, attach)
}

/// Nothing but the cgroup and the namespaces is made ahead.
fn ahead() -> Ahead {
    Ahead {
        spec: Default::default(),
        devices: Vec::new(),
        cgroup_parent: Some(String::new()),
        directory: Directory {
            make: Box::new(|_| ()),
            remove: Box::new(|_| ()),
            root: Box::new(|_| None),
        },
        bare: LazyLock::new(|| None),
    }
}
