//! From the first look at the configuration to the last of the sockets.

use crate::host::{Host, until};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_second_daemon_is_refused_and_told_of_the_first() {
    let host = Host::new();
    let daemon = host.start(&[]);
    let said = host.refused(&[]);
    let expected = format!("another daemon is running on it, process {}", daemon.pid());
    assert!(said.contains(&expected), "{said}");
    assert!(
        daemon
            .request("GET", "/_ping", b"")
            .starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn sigterm_ends_it_in_order_also_with_clients_that_wait() {
    let host = Host::new();
    let mut daemon = host.start(&["--pidfile", host.path("pid").to_str().unwrap()]);
    let pid = std::fs::read_to_string(host.path("pid")).unwrap();
    assert_eq!(pid, daemon.pid().to_string());
    let mut idle = UnixStream::connect(host.path("run/corten.sock")).unwrap();
    let events = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| daemon.request("GET", "/events", b""));
        std::thread::sleep(Duration::from_millis(100));
        daemon.signal(Signal::TERM);
        watcher.join().unwrap()
    });
    assert!(events.starts_with("HTTP/1.1 200 "), "{events}");
    assert!(daemon.ended());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    assert!(!host.path("run/corten.sock").exists());
    assert!(!host.path("pid").exists());
}

#[test]
fn a_killed_daemon_leaves_nothing_in_the_way_of_the_next() {
    let host = Host::new();
    let mut first = host.start(&[]);
    let info = first.request("GET", "/info", b"");
    first.signal(Signal::KILL);
    assert!(!first.ended());
    let second = host.start(&[]);
    let id = |info: &str| info.split("\"ID\":\"").nth(1).unwrap()[..36].to_owned();
    assert_eq!(id(&second.request("GET", "/info", b"")), id(&info));
}

#[test]
fn a_database_that_what_a_killed_daemon_forked_still_holds_is_waited_for() {
    let host = Host::new();
    let mut first = host.start(&[]);
    first.signal(Signal::KILL);
    assert!(!first.ended());
    let database = File::open(host.path("root/metadata.redb")).unwrap();
    flock(&database, FlockOperation::LockExclusive).unwrap();
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| host.start(&[]));
        std::thread::sleep(Duration::from_millis(200));
        drop(database);
        second.join().unwrap()
    });
    let answer = second.request("GET", "/_ping", b"");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn readiness_is_told_when_it_answers_and_to_systemd_too() {
    let host = Host::new();
    let manager = UnixDatagram::bind(host.path("notify")).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (mut ready, theirs) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&theirs, rustix::io::FdFlags::empty()).unwrap();
    let number = theirs.as_raw_fd().to_string();
    let mut command = host.command(&["--ready-fd", &number, "--idle-timeout", "1"]);
    command
        .env("NOTIFY_SOCKET", host.path("notify"))
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(theirs);
    let mut byte = [0];
    if ready.read(&mut byte).unwrap() == 0 {
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        child.wait().unwrap();
        // In a container of our own the daemon refuses to start itself, as it must.
        assert!(said.contains("refused to start itself"), "{said}");
        return;
    }
    assert!(UnixStream::connect(host.path("run/corten.sock")).is_ok());
    let mut said = [0; 64];
    let length = manager.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"READY=1");
    // With nothing to do it goes by itself.
    let mut status = None;
    until("an idle daemon ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success());
    let length = manager.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"STOPPING=1");
}

#[test]
fn a_configuration_that_is_wrong_is_refused_by_name() {
    let host = Host::new();
    let file = host.path("daemon.json");
    let file = file.to_str().unwrap();
    for (content, arguments, expected) in [
        (
            "{\"bridges\":\"x\"}",
            &[][..],
            "directives don't match any configuration option: bridges",
        ),
        ("{\"bip\":\"x\"}", &[], "bip: invalid CIDR address: x"),
        (
            "{\"debug\":true}",
            &["--debug"],
            "specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)",
        ),
        ("{", &[], "unable to configure the daemon with file"),
        (
            "{}",
            &["-H", "tcp://0.0.0.0:1"],
            "give --tlsverify, or a loopback address",
        ),
        ("{}", &["-H", "fd://"], "no sockets were passed by systemd"),
        (
            "{}",
            &["--group", "no-such-group"],
            "group no-such-group not found",
        ),
    ] {
        std::fs::write(file, content).unwrap();
        let said = host.refused(&[&["--config-file", file], arguments].concat());
        assert!(said.contains(expected), "{said}");
    }
    std::fs::write(file, "{}").unwrap();
    let valid = host
        .command(&["--config-file", file, "--validate"])
        .output()
        .unwrap();
    assert_eq!(valid.stdout, b"configuration OK\n");
}

#[test]
fn sighup_reads_the_level_of_the_log_again() {
    let host = Host::new();
    let file = host.path("daemon.json");
    std::fs::write(&file, "{}").unwrap();
    let log = File::create(host.path("log")).unwrap();
    let mut command = host.command(&["--config-file", file.to_str().unwrap()]);
    let mut child = command.stderr(log).spawn().unwrap();
    let log = || std::fs::read_to_string(host.path("log")).unwrap();
    until("the daemon answers", || log().contains("daemon answers"));
    std::fs::write(&file, "{\"debug\":true}").unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    until("the configuration is reloaded", || {
        log().contains("configuration reloaded")
    });
    drop(UnixStream::connect(host.path("run/corten.sock")).unwrap());
    std::fs::write(&file, "{\"nope\":1}").unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    until("a wrong one is not", || {
        log().contains("configuration not reloaded")
    });
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
