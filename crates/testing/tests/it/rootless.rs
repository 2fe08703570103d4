//! A user who is not root, with a daemon of its own.

use crate::space::{Neighbour, Space, Tcp, Udp};
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testing::{PATIENCE, Ran, run, run_with_input};

/// What stands for the user's machine: accounts, a device for tunnels, a network of its own. The
/// executables are where everybody finds them.
const MACHINE: &str = r#"
mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200
mkdir -p "$PLACES/bin" "$PLACES/etc" && mount --bind "$BINARIES" "$PLACES/bin"
for file in passwd group subuid subgid; do
    touch "/etc/$file" && cp "/etc/$file" "$PLACES/etc/$file"
done
echo "tester:x:$ID:$ID::/:/bin/sh" >> "$PLACES/etc/passwd"
echo "tester:x:$ID:" >> "$PLACES/etc/group"
if [ "$GIVEN" -gt 0 ]; then
    echo "tester:$GIVEN:65536" >> "$PLACES/etc/subuid"
    echo "tester:$GIVEN:65536" >> "$PLACES/etc/subgid"
fi
for file in passwd group subuid subgid; do mount --bind "$PLACES/etc/$file" "/etc/$file"; done
if [ -n "$HIDDEN" ]; then mount --bind /dev/null "$HIDDEN"; fi
ip link set lo up
echo
exec sleep 600
"#;

/// A user of a machine. What is left of its processes ends with this.
struct User {
    places: tempfile::TempDir,
    machine: Child,
    id: u32,
}

impl User {
    /// One of that number, who may give ids to containers, on a machine where no program is hidden.
    fn new(id: u32) -> Self {
        Self::on(id, id * 100, "")
    }

    fn on(id: u32, given: u32, hidden: &str) -> Self {
        let places = tempfile::Builder::new().prefix("corten-test-").tempdir();
        let places = places.expect("a temporary directory");
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(places.path(), open).expect("it is ours");
        for name in ["home", "run"] {
            let place = places.path().join(name);
            fs::create_dir(&place).expect("a directory");
            std::os::unix::fs::chown(&place, Some(id), Some(id)).expect("root may");
            fs::set_permissions(&place, Permissions::from_mode(0o700)).expect("root may");
        }
        let mut machine = Command::new("unshare");
        machine.args(["-m", "-n", "--propagation", "private", "sh", "-ec", MACHINE]);
        machine
            .env("PLACES", places.path())
            .env("BINARIES", testing::directory());
        machine
            .env("ID", id.to_string())
            .env("GIVEN", given.to_string())
            .env("HIDDEN", hidden);
        let mut machine = machine.stdout(Stdio::piped()).spawn().expect("a machine");
        let mut ready = [0];
        let out = machine.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut ready).expect("it is set up");
        Self {
            places,
            machine,
            id,
        }
    }

    fn space(&self) -> Space {
        Space(self.machine.id())
    }

    fn socket(&self) -> PathBuf {
        self.places.path().join("run/corten/corten.sock")
    }

    fn command(&self, args: &[&str]) -> Command {
        let places = self.places.path();
        let place = |name: &str| places.join(name).display().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.machine.id().to_string(), "-m", "-n", "--"]);
        command.args(["setpriv", "--reuid", &self.id.to_string()]);
        command.args([
            "--regid",
            &self.id.to_string(),
            "--clear-groups",
            "env",
            "-i",
        ]);
        command.arg(format!("HOME={}", place("home")));
        command.arg(format!("XDG_RUNTIME_DIR={}", place("run")));
        command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        command.arg(place("bin/corten")).args(args).current_dir("/");
        command
    }

    fn cli(&self, args: &[&str]) -> Ran {
        run(self.command(args))
    }

    fn import(&self) {
        let import = self.command(&["import", "-c", "CMD [\"sh\"]", "-", "busybox"]);
        run_with_input(import, testing::busybox()).success();
    }

    /// The numbers of the user's processes that have this name.
    fn processes(&self, name: &str) -> Vec<i32> {
        let mut list = Command::new("pgrep");
        list.args(["-U", &self.id.to_string(), &format!("^{name}")]);
        let found = run(list).text();
        found.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn signal(&self, name: &str, signal: &str) {
        let mut kill = Command::new("pkill");
        kill.args([
            &format!("-{signal}"),
            "-U",
            &self.id.to_string(),
            &format!("^{name}"),
        ]);
        run(kill).success();
    }

    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(
                began.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The daemon is told to stop, and then nothing of the user's runs any more.
    fn leave(&self) {
        self.signal("corten-daemon", "TERM");
        self.until("nothing of the user's runs", || {
            let mut list = Command::new("pgrep");
            list.args(["-U", &self.id.to_string(), "-l"]);
            run(list).text().is_empty()
        });
        let run = self.places.path().join("run/corten/rootless");
        assert!(!run.exists(), "the holder's directory is there");
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut kill = Command::new("pkill");
        kill.args(["-KILL", "-U", &self.id.to_string()]);
        run(kill);
        self.machine.kill().expect("it runs");
        self.machine.wait().expect("it ends");
    }
}

#[test]
fn a_user_without_root_has_containers_like_anybody() {
    let user = User::new(64_401);
    user.import();
    let ran = user.cli(&[
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map; exit 3",
    ]);
    let text = ran.code(3).text();
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "64401", "1", "1", "6440100", "65536"]);
    let socket = fs::metadata(user.socket()).expect("a socket");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&socket), 64_401);

    keeps_layers_apart(&user);
    runs_and_ends(&user);
    user.leave();
}

/// Ownership, and layers over layers: what was removed or made anew stays so.
fn keeps_layers_apart(user: &User) {
    let script = "chown 1000:10 /root && rm -r /home && mkdir /home && echo new > /home/new \
                  && rm /bin/ls && mkfifo /pipe";
    user.cli(&["run", "--name", "changed", "busybox", "sh", "-c", script])
        .success();
    user.cli(&["commit", "changed", "second"]).success();
    let script = "[ -e /bin/ls ] || ls /home; stat -c %u:%g:%F /root /pipe";
    let ran = user.cli(&["run", "--rm", "second", "sh", "-c", script]);
    let text = ran.text();
    assert_eq!(text, "new\n1000:10:directory\n0:0:fifo\n");
    user.cli(&["rm", "changed"]).success();
}

/// Limits need a group that the user may make: without one they are discarded, and that is said.
fn runs_and_ends(user: &User) {
    let ran = user.cli(&[
        "run",
        "-d",
        "--name",
        "one",
        "--memory",
        "64m",
        "--pids-limit",
        "9",
        "busybox",
        "sleep",
        "600",
    ]);
    let driver = user
        .cli(&["info", "--format", "{{.CgroupDriver}} {{.SecurityOptions}}"])
        .text();
    assert!(driver.contains("name=rootless"), "{driver}");
    if driver.starts_with("none ") {
        assert!(ran.error().contains("Limitation discarded."), "{ran}");
        assert!(ran.error().contains("PIDs limit discarded."), "{ran}");
        let refused = user
            .cli(&["run", "--rm", "--cpus", "1", "busybox", "true"])
            .code(125);
        assert!(
            refused.error().contains("NanoCPUs can not be set"),
            "{refused}"
        );
        let refused = user.cli(&["pause", "one"]).code(1);
        assert!(refused.error().contains("freez"), "{refused}");
    }
    ran.success();
    let ran = user.cli(&[
        "exec",
        "-u",
        "alice",
        "one",
        "sh",
        "-c",
        "id -un; echo 1 > /dev/null; tty",
    ]);
    assert_eq!(ran.text(), "alice\nnot a tty\n");
    assert!(
        user.cli(&["top", "one"])
            .success()
            .text()
            .contains("sleep 600")
    );
    user.cli(&["stats", "--no-stream", "one"]).success();
    user.cli(&[
        "run",
        "--rm",
        "-v",
        "kept:/v",
        "busybox",
        "sh",
        "-c",
        "echo x > /v/f; chown 7 /v/f",
    ])
    .success();
    let ran = user.cli(&[
        "run",
        "--rm",
        "-v",
        "kept:/v:ro",
        "busybox",
        "stat",
        "-c",
        "%u",
        "/v/f",
    ]);
    assert_eq!(ran.text(), "7\n");
    user.cli(&["stop", "-t", "0", "one"]).success();
    assert_eq!(user.cli(&["wait", "one"]).text(), "137\n");
    user.cli(&["rm", "-v", "one"]).success();
    user.until("doctor finds nothing", || {
        user.cli(&["system", "doctor"]).code == 0
    });
}

/// Who asks whom, with the program that leads out.
fn asks(id: u32, program: &str, hidden: &str) {
    let user = User::on(id, id * 100, hidden);
    let neighbour = Neighbour::of(user.space());
    user.space().run("ip route add default via 192.0.2.2");
    neighbour.space().serve();
    user.import();
    user.cli(&["network", "create", "n"]).success();
    let server = [
        "run",
        "-d",
        "--network",
        "n",
        "--name",
        "web",
        "-p",
        "8080:80",
        "-p",
        "8081:81/udp",
        "-p",
        "127.0.0.1:8082:80",
        "busybox",
        "sleep",
        "600",
    ];
    user.cli(&server).success();
    let pid = user
        .cli(&["inspect", "--format", "{{.State.Pid}}", "web"])
        .text();
    let container = Space(pid.trim().parse().expect("a pid"));
    container.serve();
    let log = user.places.path().join("run/corten/daemon.log");
    assert_eq!(
        user.processes(program).len(),
        1,
        "{}",
        fs::read_to_string(log).expect("a log")
    );

    is_reached(&user, &neighbour);
    leads_out(&user, container);
    takes_ports_of_the_host(&user);
    // The way out is mended when its program ends.
    user.signal(program, "KILL");
    user.until("the container reaches its neighbour again", || {
        container.seen("192.0.2.2:80", Tcp).is_some()
    });
    user.cli(&["rm", "-f", "web"]).success();
    user.leave();
}

fn is_reached(user: &User, neighbour: &Neighbour) {
    let host = user.space();
    for (from, to, transport) in [
        (host, "127.0.0.1:8080", Tcp),
        (host, "192.0.2.1:8080", Tcp),
        (host, "127.0.0.1:8082", Tcp),
        (host, "127.0.0.1:8081", Udp),
        (neighbour.space(), "192.0.2.1:8080", Tcp),
        (neighbour.space(), "192.0.2.1:8081", Udp),
    ] {
        assert!(from.seen(to, transport).is_some(), "{to} {transport:?}");
    }
    assert_eq!(
        neighbour.space().seen("192.0.2.1:8082", Tcp),
        None,
        "it is loopback's alone"
    );
}

fn leads_out(user: &User, container: Space) {
    let host = user.space();
    // What goes out is the host's.
    assert_eq!(
        container.seen("192.0.2.2:80", Tcp).as_deref(),
        Some("192.0.2.1")
    );
    assert_eq!(
        container.seen("192.0.2.2:81", Udp).as_deref(),
        Some("192.0.2.1")
    );
    host.serve();
    for own in ["10.0.2.2:80", "127.0.0.1:80"] {
        let seen = container.seen(own, Tcp);
        let itself = own.starts_with("127") && seen.as_deref() == Some("127.0.0.1");
        assert!(
            seen.is_none() || itself,
            "what the host has on its loopback addresses: {own}"
        );
    }
}

fn takes_ports_of_the_host(user: &User) {
    // Names, and a port that is taken.
    let names = [
        "run",
        "--rm",
        "--network",
        "n",
        "busybox",
        "nslookup",
        "-type=a",
        "web",
    ];
    user.cli(&names).success();
    let taken = user
        .cli(&["run", "--rm", "-p", "8080:80", "busybox", "true"])
        .code(125);
    assert!(
        taken.error().contains("port is already allocated"),
        "{taken}"
    );
    user.space().within(|| {
        let other = std::net::TcpListener::bind("127.0.0.1:8080");
        assert!(other.is_err(), "the port is reserved on the host");
    });
    let low = user
        .cli(&["run", "--rm", "-p", "80:80", "busybox", "true"])
        .code(126);
    assert!(low.error().contains("permission denied"), "{low}");
}

#[test]
fn containers_of_a_user_reach_and_are_reached_through_pasta() {
    // Its processes have the name of the whole.
    asks(64_402, "passt", "");
}

#[test]
fn containers_of_a_user_reach_and_are_reached_through_slirp4netns() {
    asks(64_403, "slirp4netns", "/usr/bin/pasta");
}

#[test]
fn a_users_daemon_that_was_killed_is_followed_in_its_namespaces() {
    let user = User::new(64_404);
    user.import();
    let server = [
        "run",
        "-d",
        "--name",
        "one",
        "-p",
        "127.0.0.1:8080:80",
        "busybox",
        "sleep",
        "600",
    ];
    user.cli(&server).success();
    let pid = user
        .cli(&["inspect", "--format", "{{.State.Pid}}", "one"])
        .text();
    let container = Space(pid.trim().parse().expect("a pid"));
    container.serve();
    let host = user.space();
    assert!(host.seen("127.0.0.1:8080", Tcp).is_some());
    for _ in 0..2 {
        user.signal("corten-daemon", "KILL");
        user.until("the daemon has gone", || {
            user.processes("corten-daemon").is_empty()
        });
        // Without a daemon it goes on.
        assert!(host.seen("127.0.0.1:8080", Tcp).is_some());
        assert_eq!(
            user.cli(&["exec", "one", "echo", "hi"]).success().text(),
            "hi\n"
        );
        assert_eq!(
            user.cli(&["inspect", "--format", "{{.State.Pid}}", "one"])
                .text(),
            pid
        );
    }
    assert!(host.seen("127.0.0.1:8080", Tcp).is_some());
    // Nor is anything lost with the process that keeps its namespaces.
    user.signal("corten-rootless", "KILL");
    user.signal("corten-daemon", "KILL");
    user.until("both have gone", || {
        user.processes("corten-[dr]").is_empty()
    });
    let ran = user.cli(&["exec", "one", "echo", "hi"]).success();
    assert_eq!(ran.text(), "hi\n");
    assert_eq!(user.processes("corten-rootless").len(), 1);
    assert!(host.seen("127.0.0.1:8080", Tcp).is_some());
    user.cli(&[
        "run",
        "--rm",
        "--network",
        "container:one",
        "busybox",
        "true",
    ])
    .success();
    user.cli(&["rm", "-f", "one"]).success();
    user.until("doctor finds nothing", || {
        user.cli(&["system", "doctor"]).code == 0
    });
    user.leave();
}

#[test]
fn a_user_without_ids_to_give_is_told_what_to_do() {
    let user = User::on(64_405, 0, "");
    let refused = user.cli(&["images"]).code(1);
    let error = refused.error();
    assert!(
        error.contains("no subordinate ids for tester in /etc/subuid"),
        "{refused}"
    );
    assert!(error.contains("`tester:100000:65536`"), "{refused}");
    let open = user.cli(&["daemon", "-H", "tcp://127.0.0.1:2375"]).code(1);
    assert!(
        open.error()
            .contains("a daemon without root is reached by Unix sockets alone"),
        "{open}"
    );
}
