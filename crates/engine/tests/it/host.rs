//! A daemon's worth of engine in a private directory.

use engine::{Config, ContainerSpec, Engine, ImageUsers, Removal, Stop, WaitCondition};
use images::{Images, Import, Options};
use metadata::Database;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use types::{ContainerId, Paths};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// An engine with an image `busybox` over a directory of its own; gone on drop.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) dir: Arc<tempfile::TempDir>,
    change: Change,
}

/// What a test has otherwise than a daemon has it.
type Change = fn(&mut Config);

/// An executable next to the tests; `None`, with a word, if it was not built.
fn sibling(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let found = test
        .ancestors()
        .flat_map(|dir| [dir.join(name), dir.join("bin").join(name)])
        .find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: {name} is not built");
    }
    found
}

impl Host {
    /// `None`, with a word why, where containers cannot be run.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_over(|paths| Database::open(&paths.database()).unwrap()).await
    }

    /// The same, with a change to how it is set up.
    pub(crate) async fn start_with(change: Change) -> Option<Self> {
        let open = |paths: &Paths| Database::open(&paths.database()).unwrap();
        Self::start_changed(open, change).await
    }

    /// The same, over the database that `open` gives.
    pub(crate) async fn start_over(open: impl FnOnce(&Paths) -> Database) -> Option<Self> {
        Self::start_changed(open, |_| {}).await
    }

    async fn start_changed(open: impl FnOnce(&Paths) -> Database, change: Change) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/busybox").is_file() {
            println!("skipped: needs root and a static /usr/bin/busybox");
            return None;
        }
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let host = Self::open_over(dir, open, change).await?;
        let archive = busybox();
        let import = Import {
            reference: Some("busybox".parse().unwrap()),
            changes: vec!["CMD [\"sh\"]".to_owned(), "ENV PATH=/bin".to_owned()],
            ..Import::default()
        };
        let input = Box::pin(std::io::Cursor::new(archive));
        host.engine.images().import(import, input).await.unwrap();
        Some(host)
    }

    /// An engine over what is in `dir`.
    async fn open_changed(dir: Arc<tempfile::TempDir>, change: Change) -> Option<Self> {
        let open = |paths: &Paths| Database::open(&paths.database()).unwrap();
        Self::open_over(dir, open, change).await
    }

    async fn open_over(
        dir: Arc<tempfile::TempDir>,
        open: impl FnOnce(&Paths) -> Database,
        change: Change,
    ) -> Option<Self> {
        let (shim, unpack) = (sibling("corten-shim")?, sibling("corten-unpack")?);
        let paths = Paths::under(&dir.path().join("root"), &dir.path().join("run"));
        std::fs::create_dir_all(&paths.root).unwrap();
        std::fs::create_dir_all(&paths.run).unwrap();
        let database = Arc::new(open(&paths));
        let options = Options {
            unpack,
            hello: None,
            snapshotter: None,
            registries: images::Settings::default(),
            at_once: images::AtOnce::default(),
            users: Arc::new(ImageUsers::new(Arc::clone(&database))),
            steps: images::Steps::default(),
        };
        let images = Images::open(&paths, Arc::clone(&database), options).unwrap();
        let mut config = Config::new(paths, shim);
        change(&mut config);
        let engine = Engine::open(config, database, Arc::new(images))
            .await
            .unwrap();
        Some(Self {
            engine,
            dir,
            change,
        })
    }

    /// Ends the engine as a daemon that is killed, and opens another over the same directory.
    pub(crate) async fn again(self) -> Self {
        let (dir, change) = (Arc::clone(&self.dir), self.change);
        assert!(self.engine.stop(DEADLINE).await, "the engine did not stop");
        drop(self);
        // The database is let go when its last user ends.
        let start = std::time::Instant::now();
        let path = dir.path().join("root/metadata.redb");
        while matches!(Database::open(&path), Err(metadata::Error::InUse { .. })) {
            assert!(start.elapsed() < DEADLINE, "the database stays in use");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self::open_changed(dir, change).await.unwrap()
    }

    pub(crate) async fn create(&self, spec: ContainerSpec) -> ContainerId {
        self.engine
            .containers()
            .create(None, spec)
            .await
            .unwrap()
            .id
    }

    pub(crate) async fn run(&self, spec: ContainerSpec) -> ContainerId {
        let id = self.create(spec).await;
        self.engine.containers().start(&id).await.unwrap();
        id
    }

    pub(crate) async fn wait(&self, id: &ContainerId) -> u8 {
        let wait = self
            .engine
            .containers()
            .wait(id, WaitCondition::NotRunning)
            .unwrap();
        within(wait.ended()).await.unwrap().exit_code
    }

    /// Runs to the end; gives the exit code and the log.
    pub(crate) async fn output(&self, spec: ContainerSpec) -> (u8, String) {
        let id = self.run(spec).await;
        let code = self.wait(&id).await;
        (code, self.log(&id).await)
    }

    pub(crate) async fn log(&self, id: &ContainerId) -> String {
        let query = engine::LogQuery {
            stdout: true,
            stderr: true,
            ..engine::LogQuery::default()
        };
        let mut log = self.engine.containers().logs(id, query).unwrap();
        let mut text = String::new();
        while let Some(record) = within(log.next()).await.unwrap() {
            text.push_str(std::str::from_utf8(&record.line).unwrap());
        }
        text
    }

    /// Removes every container, and asserts that nothing is left of them.
    pub(crate) async fn clear(&self) {
        let containers = self.engine.containers();
        let filter = engine::ContainerFilter {
            all: true,
            ..engine::ContainerFilter::default()
        };
        for container in containers.list(&filter).unwrap() {
            let removal = Removal {
                force: true,
                volumes: true,
            };
            containers.remove(container.id(), removal).await.unwrap();
        }
        self.assert_nothing_left().await;
    }

    /// Ends the engine, and asserts that nothing is left on disk or among control groups.
    pub(crate) async fn assert_nothing_left(&self) {
        assert!(self.engine.stop(DEADLINE).await, "the engine did not stop");
        let empty = |name: &str| {
            let entries = std::fs::read_dir(self.dir.path().join(name));
            entries.map_or(0, Iterator::count)
        };
        let start = std::time::Instant::now();
        while empty("root/containers") + empty("run/shims") > 0 {
            assert!(
                start.elapsed() < DEADLINE,
                "something is left in {:?}",
                self.dir.path()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(self.engine.stop(DEADLINE).await, "the engine did not stop");
        let instance = self.engine.system().config().paths.instance();
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap() {
            let group = hierarchy.unwrap().path().join(&instance);
            assert!(!group.exists(), "{} is left", group.display());
        }
    }

    pub(crate) async fn stop(&self, id: &ContainerId, seconds: i64) {
        let stop = Stop {
            timeout: Some(seconds),
            ..Stop::default()
        };
        within(self.engine.containers().stop(id, stop))
            .await
            .unwrap();
    }
}

/// A future that must not take longer than anything may.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it took too long")
}

/// A container of the image `busybox` that runs a shell script.
pub(crate) fn sh(script: &str) -> ContainerSpec {
    let mut spec = ContainerSpec {
        image: "busybox".to_owned(),
        ..ContainerSpec::default()
    };
    let words = ["sh", "-c", script];
    spec.process.command = Some(words.into_iter().map(str::to_owned).collect());
    spec
}

/// A root file system of busybox and some accounts, as an archive.
fn busybox() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let header = || {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header
    };
    let mut add = |path: &str, mode: u32, content: &[u8]| {
        let mut header = header();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, path, content).unwrap();
    };
    let program = std::fs::read("/usr/bin/busybox").unwrap();
    add("bin/busybox", 0o755, &program);
    add(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:50:App:/home/app:/bin/sh\n",
    );
    add(
        "etc/group",
        0o644,
        b"root:x:0:root\nwheel:x:10:root,app\nstaff:x:50:\nvideo:x:44:\n",
    );
    for applet in [
        "sh", "cat", "echo", "sleep", "id", "true", "false", "ls", "env", "kill", "hostname",
        "touch", "mount", "grep", "pwd", "head", "test", "stat", "yes", "wc", "dd", "tail",
    ] {
        let mut header = header();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        archive
            .append_link(&mut header, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    archive.into_inner().unwrap()
}
