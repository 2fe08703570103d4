//! The daemon that starts itself.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testing::TestHost;

fn foreign() -> bool {
    std::env::var_os("CORTEN_TEST_HOST").is_some()
}

#[test]
fn a_command_starts_the_daemon_when_there_is_none() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    assert_eq!(host.cli(&["ps", "-q"]).success().text(), "");
    assert!(std::fs::exists(&host.paths().socket).unwrap());
    host.cli(&["ps"]).success();
}

#[test]
fn the_daemon_it_starts_runs_containers() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    host.import_image();
    assert_eq!(
        host.cli(&["run", "--rm", "--network", "none", "busybox", "echo", "x"])
            .success()
            .text(),
        "x\n"
    );
}

#[test]
fn of_many_commands_at_once_one_starts_it() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| host.cli(&["ps"]).success());
        }
    });
}

#[test]
fn it_holds_nothing_of_its_callers() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    // The runner reads both pipes to their end: a daemon that kept one would hang it.
    host.cli(&["version"]).success();
    let answer = host.http("GET", "/info", None);
    assert_eq!(answer.status, 200);
    let pid = daemon(&host);
    assert_eq!(
        std::fs::read_link(format!("/proc/{pid}/cwd"))
            .unwrap()
            .to_str(),
        Some("/")
    );
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(!environment.contains("CARGO"), "{environment}");
    let session = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = session
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(fields[3], pid.to_string(), "it leads a session of its own");
}

fn daemon(host: &TestHost) -> u32 {
    let root = host.paths().root.to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = entries.filter_map(|entry| {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let ours = line.contains("daemon") && line.contains(&root);
        ours.then(|| entry.file_name().to_str()?.parse().ok())?
    });
    pids.next().unwrap()
}

#[test]
fn an_open_descriptor_of_the_caller_is_not_kept() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    let mut shell = Command::new("sh");
    let corten = testing::binary("corten");
    host.surround(&mut shell);
    // The output of the command substitution ends only when nobody holds descriptor 7.
    shell.args([
        "-c",
        &format!(
            "out=$({{ {} ps -q 7>&1 >/dev/null; }}); echo done$out",
            corten.display()
        ),
    ]);
    assert_eq!(testing::run(shell).success().text(), "done\n");
}

#[test]
fn a_daemon_that_cannot_start_is_explained_in_its_own_words() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    std::fs::create_dir_all(host.paths().root.parent().unwrap()).unwrap();
    std::fs::write(&host.paths().root, "a file where the root should be").unwrap();
    let ran = host.cli(&["ps"]).code(1);
    let error = ran.error();
    assert!(
        error.starts_with("error: cannot start the corten daemon\n"),
        "{ran}"
    );
    assert!(error.contains(host.paths().root.to_str().unwrap()), "{ran}");
    assert!(error.contains("\nhint: "), "{ran}");
    std::fs::remove_file(&host.paths().root).unwrap();
    host.cli(&["ps"]).success();
}

#[test]
fn the_socket_is_for_its_owner() {
    if foreign() {
        return;
    }
    let host = TestHost::idle();
    host.cli(&["ps"]).success();
    let mode = std::fs::metadata(&host.paths().socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}

#[test]
fn a_daemon_whose_files_were_removed_is_named_by_the_next_one() {
    if foreign() {
        return;
    }
    let places = tempfile::tempdir().expect("a directory");
    let place = |name: &str| places.path().join(name).display().to_string();
    let daemon = || {
        let mut command = Command::new("unshare");
        command
            .args(["-n", "--"])
            .arg(testing::binary("corten-daemon"));
        command.args(["--root", &place("root"), "--run", &place("run")]);
        command
    };
    let mut first = daemon();
    first.stdout(Stdio::null()).stderr(Stdio::null());
    let first = Started(first.spawn().expect("it starts"));
    let socket = places.path().join("run/corten.sock");
    let began = std::time::Instant::now();
    while testing::request(&socket, "GET", "/_ping", None).is_none() {
        assert!(began.elapsed() < testing::PATIENCE, "it answers");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // A run leaves a supervisor that waits for the next.
    let mut hello = Command::new(testing::binary("corten"));
    hello.env("CORTEN_HOST", format!("unix://{}", socket.display()));
    hello.args(["run", "--rm", "--network", "none", "corten/hello"]);
    testing::run(hello).success();
    for name in ["root", "run"] {
        // The daemon may still write of the container it removes.
        while std::fs::exists(place(name)).expect("its parent is a directory") {
            assert!(began.elapsed() < testing::PATIENCE, "{name} can be removed");
            drop(std::fs::remove_dir_all(place(name)));
        }
    }
    let second = testing::run(daemon());
    let named = format!("another daemon, process {}, still makes", first.0.id());
    drop(first);
    assert_eq!(second.code, 1, "{second}");
    assert!(second.error().contains(&named), "{second}");
}

#[test]
fn daemons_in_mount_namespaces_of_their_own_have_the_same_paths_in_peace() {
    if foreign() {
        return;
    }
    let places = tempfile::tempdir().expect("a directory");
    let inside = places.path().strip_prefix("/").expect("an absolute path");
    let daemon = || {
        let script = r#"mount -t tmpfs tmpfs "$1" && exec "$0" --root "$1/root" --run "$1/run""#;
        let mut command = Command::new("unshare");
        command.args(["-n", "-m", "--", "sh", "-c", script]);
        command
            .arg(testing::binary("corten-daemon"))
            .arg(places.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Started(command.spawn().expect("it starts"));
        let root = PathBuf::from(format!("/proc/{}/root", started.0.id()));
        let socket = root.join(inside).join("run/corten.sock");
        let began = std::time::Instant::now();
        while testing::request(&socket, "GET", "/_ping", None).is_none() {
            assert!(began.elapsed() < testing::PATIENCE, "it answers");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        (started, socket)
    };
    let corten = |socket: &Path, args: &[&str]| {
        let mut command = Command::new(testing::binary("corten"));
        command.env("CORTEN_HOST", format!("unix://{}", socket.display()));
        command.args(args);
        testing::run(command).success().text()
    };
    let (first, socket) = daemon();
    // A run leaves a supervisor that waits for the next.
    let run = ["run", "--name", "one", "--network", "none", "corten/hello"];
    corten(&socket, &run);
    let (second, other) = daemon();
    assert_eq!(corten(&other, &["ps", "-aq"]), "");
    drop(second);
    let names = corten(&socket, &["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(names, "one\n");
    drop(first);
}

/// A daemon that is asked to end with its test, however that ends.
struct Started(std::process::Child);

impl Drop for Started {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.0.wait().expect("it ends");
    }
}
