//! A host for tests: own daemon, directories and network namespace, gone without trace at the end.
//!
//! It knows how the built executables are found and started, and what they must leave behind:
//! nothing. It must not know how anything is done inside them. Read first: [`TestHost`],
//! [`Ran`], [`Pty`].
//!
//! It is for tests, so it panics where something is not as it must be.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test's way to fail is to panic"
)]

mod binaries;
mod http;
mod image;
mod pty;
mod ran;
mod skip;

pub use binaries::{binary, directory};
pub use http::{Answer, request};
pub use image::busybox;
pub use pty::Pty;
pub use ran::{Ran, run, run_with_input};
pub use skip::{missing, skipped};

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use types::Paths;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The image that every host has: a static busybox.
pub const IMAGE: &str = "busybox";

/// A daemon of its own in places of its own. When dropped, everything it made is removed, and
/// the test fails if something is left.
#[derive(Debug)]
pub struct TestHost {
    places: tempfile::TempDir,
    paths: Paths,
    daemon: Option<Child>,
    /// The network namespace of its daemons, which stands for the host's.
    network: std::os::fd::OwnedFd,
    /// A daemon that somebody else runs, in whose place ours is being compared.
    foreign: Option<String>,
    /// What its daemons see as `/etc`, if not the host's.
    etc: Option<PathBuf>,
    /// The disk that its daemons have their root on, if not the host's.
    disk: Option<PathBuf>,
}

impl TestHost {
    /// A running daemon that has the image [`IMAGE`].
    pub fn start() -> Self {
        let mut host = Self::idle();
        host.start_daemon();
        host.import_image();
        host
    }

    /// Places without a daemon: a command starts one.
    pub fn idle() -> Self {
        let places = tempfile::Builder::new()
            .prefix("corten-test-")
            .tempdir()
            .expect("a temporary directory");
        let paths = Paths::under(&places.path().join("root"), &places.path().join("run"));
        Self {
            places,
            paths,
            daemon: None,
            network: net::Namespace::new().expect("a network namespace").into(),
            foreign: std::env::var("CORTEN_TEST_HOST").ok(),
            etc: None,
            disk: None,
        }
    }

    /// Imports [`IMAGE`].
    pub fn import_image(&self) {
        let archive = busybox();
        let import = self.command(&["import", "-c", "CMD [\"sh\"]", "-", IMAGE]);
        run_with_input(import, archive).success();
    }

    /// Where the daemon's things are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// A directory for the test's own files.
    pub fn scratch(&self) -> &Path {
        self.places.path()
    }

    /// The daemon's socket as `DOCKER_HOST` has it.
    pub fn address(&self) -> String {
        match &self.foreign {
            Some(address) => address.clone(),
            None => format!("unix://{}", self.paths.socket.display()),
        }
    }

    /// The daemon's process id, if this host started it.
    pub fn daemon_pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Child::id)
    }

    /// Starts the daemon, in a network namespace of its own, and waits until it answers.
    pub fn start_daemon(&mut self) {
        self.start_daemon_with(&[]);
    }

    /// The same with more flags.
    pub fn start_daemon_with(&mut self, flags: &[&str]) {
        if self.foreign.is_some() {
            return;
        }
        let log = self.places.path().join("daemon.log");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        // The whole suite runs with another way to keep layers too.
        let storage = std::env::var("CORTEN_TEST_STORAGE").ok();
        let storage = storage.map(|driver| format!("--storage-driver={driver}"));
        let storage = storage.filter(|_| !flags.contains(&"--storage-driver"));
        let mut enter = self.entering();
        if self.etc.is_some() || self.disk.is_some() {
            let mounts = "[ -z \"$ETC\" ] || mount --bind \"$ETC\" /etc
                [ -z \"$DISK\" ] || mount -o loop,errors=remount-ro \"$DISK\" \"$0\"
                unset ETC DISK; exec \"$@\"";
            let own = ["unshare", "-m", "--propagation", "slave", "sh", "-ec"];
            enter.args(own).arg(mounts).arg(&self.paths.root);
            let given = [("ETC", &self.etc), ("DISK", &self.disk)];
            let given = given
                .into_iter()
                .filter_map(|(name, path)| Some((name, path.as_ref()?)));
            enter.envs(given);
        }
        let daemon = enter
            .arg(binary("corten"))
            .args(["daemon", "--root"])
            .arg(&self.paths.root)
            .arg("--run")
            .arg(&self.paths.run)
            .args(storage)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"))
            .stderr(log)
            .spawn()
            .expect("nsenter starts");
        self.daemon = Some(daemon);
        self.await_daemon();
    }

    /// Gives daemons that are started from now on a copy of `/etc` of their own, where lines are
    /// added to files.
    pub fn own_etc(&mut self, lines: &[(&str, &str)]) -> PathBuf {
        let etc = self.places.path().join("etc");
        let mut copy = Command::new("cp");
        run({
            copy.arg("-a").arg("/etc").arg(&etc);
            copy
        })
        .success();
        for (file, line) in lines {
            let path = etc.join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_default() + line + "\n";
            std::fs::write(path, text).expect("a file of ours");
        }
        self.etc = Some(etc.clone());
        etc
    }

    /// Gives daemons that are started from now on a disk of their own for their root, of this
    /// size. Gives why there cannot be one.
    pub fn own_disk(&mut self, megabytes: u64) -> Result<(), String> {
        let disk = self.places.path().join("disk");
        let file = std::fs::File::create(&disk).expect("a file of ours");
        file.set_len(megabytes << 20).expect("a size");
        std::fs::create_dir_all(&self.paths.root).expect("a directory of ours");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-m", "0"]).arg(&disk);
        let made = make
            .output()
            .map_err(|error| format!("mkfs.ext4: {error}"))?;
        let mut attempt = Command::new("unshare");
        attempt.args(["-m", "mount", "-o", "loop"]);
        let mounted = attempt.arg(&disk).arg(&self.paths.root).output();
        let mounted = mounted.map_err(|error| format!("unshare: {error}"))?;
        for output in [made, mounted] {
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        self.disk = Some(disk);
        Ok(())
    }

    /// Ends the daemon and all that has that disk, as when the machine is switched off, and
    /// repairs it.
    pub fn repair_disk(&mut self) {
        let space = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
        let own = space(&self.daemon_pid().expect("a daemon").to_string());
        self.kill_daemon();
        let all = std::fs::read_dir("/proc").expect("it is there").flatten();
        for process in all.filter_map(|entry| entry.file_name().into_string().ok()) {
            let pid = process
                .parse()
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid.filter(|_| own.is_some() && space(&process) == own) {
                // It may have ended since it was listed.
                let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        self.until("nobody has the disk", |host| {
            let disk = host.disk.as_ref().and_then(|disk| disk.to_str());
            let loops = std::fs::read_dir("/sys/block")
                .expect("it is there")
                .flatten();
            let mut backing = loops.filter_map(|block| {
                std::fs::read_to_string(block.path().join("loop/backing_file")).ok()
            });
            backing.all(|file| Some(file.trim()) != disk)
        });
        let disk = self.disk.as_ref().expect("it has one");
        let mut check = Command::new("e2fsck");
        check.arg("-fy").arg(disk);
        let done = check.output().expect("it is there").status.code();
        assert!(done.is_some_and(|code| code < 4), "{done:?}");
    }

    /// A path below the root as its daemon sees it.
    pub fn seen(&self, path: &str) -> PathBuf {
        let pid = self.daemon_pid().expect("a daemon");
        let root = self.paths.root.strip_prefix("/").expect("it is absolute");
        PathBuf::from(format!("/proc/{pid}/root"))
            .join(root)
            .join(path)
    }

    fn await_daemon(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let daemon = self.daemon.as_mut().expect("a daemon was started");
        loop {
            if request(&self.paths.socket, "GET", "/_ping", None).is_some() {
                return;
            }
            if let Some(status) = daemon.try_wait().expect("the daemon is our child") {
                panic!("the daemon ended with {status}:\n{}", self.daemon_log());
            }
            assert!(
                Instant::now() < deadline,
                "the daemon does not answer:\n{}",
                self.daemon_log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the daemon wrote.
    pub fn daemon_log(&self) -> String {
        let started = std::fs::read_to_string(self.places.path().join("daemon.log"));
        let own = std::fs::read_to_string(self.paths.run.join("daemon.log"));
        started.unwrap_or_default() + &own.unwrap_or_default()
    }

    /// Kills the daemon without warning.
    pub fn kill_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("the daemon is our child");
            daemon.wait().expect("the daemon is our child");
        }
    }

    /// Stops the daemon as a service manager does, and gives its exit code.
    pub fn stop_daemon(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take()?;
        let pid = rustix::process::Pid::from_child(&daemon);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it can be told");
        let status = ran::wait(&mut daemon, PATIENCE).expect("the daemon ends when told to");
        status.code()
    }

    /// A command, still without its words, that runs in this host's network namespace.
    fn entering(&self) -> Command {
        let (own, fd) = (
            std::process::id(),
            std::os::fd::AsRawFd::as_raw_fd(&self.network),
        );
        let mut enter = Command::new("nsenter");
        enter.arg(format!("--net=/proc/{own}/fd/{fd}"));
        enter
    }

    /// Runs a script in this host's network.
    pub fn in_network(&self, script: &str) -> Ran {
        let mut command = self.entering();
        command.args(["sh", "-c", script]);
        run(command)
    }

    /// What `work` gives on a thread in this host's network.
    pub fn within_network<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let network = self.network.try_clone().expect("a second descriptor");
        let thread = std::thread::spawn(move || {
            use std::os::fd::AsFd as _;
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(network.as_fd(), kind)
                .expect("it may be joined");
            work()
        });
        thread.join().expect("it does not panic")
    }

    /// Whether a program of this host cannot have a port, because somebody has it.
    pub fn is_bound(&self, address: &'static str) -> bool {
        let bound = self.within_network(move || std::net::TcpListener::bind(address));
        bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    }

    /// The process that serves names and holds ports.
    pub fn proxy(&self) -> rustix::process::Pid {
        let folder = self.paths.proxy().to_string_lossy().into_owned();
        let pids = processes_with("corten-proxy", &["--directory", &folder]);
        assert_eq!(pids.len(), 1, "one proxy runs");
        pids[0]
    }

    /// Kills the process that serves names and holds ports.
    pub fn kill_proxy(&self) {
        rustix::process::kill_process(self.proxy(), rustix::process::Signal::KILL)
            .expect("it may be killed");
    }

    /// A `corten` command that talks to this host's daemon, or starts it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.daemon.is_some() || self.foreign.is_some() {
            true => Command::new(binary("corten")),
            // A daemon that it starts is in this host's network, not in the tests'.
            false => {
                let mut command = self.entering();
                command.arg(binary("corten"));
                command
            }
        };
        self.surround(&mut command);
        command.args(args);
        command
    }

    /// A docker command that talks to this host's daemon.
    pub fn docker_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.places.path())
            .env("DOCKER_HOST", self.address())
            .args(args);
        command
    }

    /// Gives a command the surroundings of this host, and nothing of ours.
    pub fn surround(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC");
        match &self.foreign {
            Some(address) => command.env("DOCKER_HOST", address),
            None => command
                .env("CORTEN_ROOT", &self.paths.root)
                .env("CORTEN_RUN", &self.paths.run),
        };
    }

    /// Runs `corten` to its end, with nothing on standard input.
    pub fn cli(&self, args: &[&str]) -> Ran {
        run(self.command(args))
    }

    /// Runs `corten` to its end with this on standard input.
    pub fn cli_with_input(&self, args: &[&str], input: impl Into<Vec<u8>>) -> Ran {
        run_with_input(self.command(args), input.into())
    }

    /// Runs docker's own client to its end.
    pub fn docker(&self, args: &[&str]) -> Ran {
        run(self.docker_command(args))
    }

    /// Runs `corten` on a terminal of this many rows and columns.
    pub fn terminal(&self, args: &[&str], size: (u16, u16)) -> Pty {
        Pty::spawn(&self.command(args), size)
    }

    /// Sends one request to the daemon's socket.
    pub fn http(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let address = self.address();
        let socket = PathBuf::from(address.trim_start_matches("unix://"));
        request(&socket, method, path, body).expect("the daemon answers")
    }

    /// Runs a container in the background and gives its id.
    pub fn run_detached(&self, args: &[&str]) -> String {
        let args: Vec<_> = ["run", "-d"].iter().chain(args).copied().collect();
        self.cli(&args).success().text().trim().to_owned()
    }

    /// Asks again and again until `condition` holds.
    pub fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(
                Instant::now() < deadline,
                "not within {PATIENCE:?}: {what}\n{}",
                self.daemon_log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One field of a container by a Go template.
    pub fn inspect(&self, name: &str, template: &str) -> String {
        let found = self.cli(&["inspect", "--format", template, name]);
        found.success().text().trim().to_owned()
    }

    /// Removes all containers, and ends the daemon, whoever started it.
    fn clear(&mut self) -> Vec<String> {
        if self.foreign.is_some() {
            return Vec::new();
        }
        let mut left = Vec::new();
        let listed = self.http_if_answering("/containers/json?all=1");
        for id in listed.iter().filter_map(|one| one["Id"].as_str()) {
            let path = format!("/containers/{id}?force=1&v=1");
            let answer = request(&self.paths.socket, "DELETE", &path, None);
            if answer.is_none_or(|answer| answer.status >= 300 && answer.status != 404) {
                left.push(format!("container {id} cannot be removed"));
            }
        }
        self.stop_daemon();
        left.extend(self.stop_self_started());
        left.extend(self.leaks());
        left
    }

    fn http_if_answering(&self, path: &str) -> Vec<serde_json::Value> {
        request(&self.paths.socket, "GET", path, None)
            .and_then(|answer| serde_json::from_slice(&answer.body).ok())
            .unwrap_or_default()
    }

    /// Stops the daemon that a command started, if there is one: it is no child of ours. Gives
    /// words if it does not end.
    pub fn stop_self_started(&self) -> Option<String> {
        request(&self.paths.socket, "GET", "/_ping", None)?;
        let pids = processes_of(&self.paths);
        for pid in &pids {
            // It may have ended since it was listed.
            let _gone = rustix::process::kill_process(*pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while !processes_of(&self.paths).is_empty() {
            if Instant::now() > deadline {
                return Some("the daemon that a command started does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// What nothing owns any more.
    fn leaks(&self) -> Vec<String> {
        let records = doctor::Records::Containers(std::collections::BTreeSet::new());
        let found = doctor::examine(&self.paths, &records);
        let leaks = found.leaks.iter().map(ToString::to_string);
        leaks.chain(found.unread.iter().cloned()).collect()
    }
}

/// Daemons whose command line names this root.
fn processes_of(paths: &Paths) -> Vec<rustix::process::Pid> {
    processes_with("corten-daemon", &[&paths.root.to_string_lossy()])
}

/// Living processes of this program whose command line has all these words.
fn processes_with(program: &str, wanted: &[&str]) -> Vec<rustix::process::Pid> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there");
    let pids = entries.flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        let state = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let dead = state.rsplit(')').next()?.trim_start().starts_with('Z');
        let named = words.first()?.ends_with(program.as_bytes());
        let ours = named && wanted.iter().all(|word| words.contains(&word.as_bytes()));
        (ours && !dead)
            .then(|| rustix::process::Pid::from_raw(pid))
            .flatten()
    });
    pids.collect()
}

impl Drop for TestHost {
    fn drop(&mut self) {
        let left = self.clear();
        if left.is_empty() {
            return;
        }
        let text = format!("left behind:\n{}\n{}", left.join("\n"), self.daemon_log());
        match std::thread::panicking() {
            true => eprintln!("{text}"),
            false => panic!("{text}"),
        }
    }
}
