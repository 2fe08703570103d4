//! Gates: held by the parent, or waiting for whoever comes.

use crate::fixture::{Bundle, Streams, reap};
use container::{Error, Gate, Waiting, start};
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::AsFd as _;
use std::time::Duration;

#[test]
fn a_container_waits_for_a_start_by_path_and_starts_once() {
    let mut bundle = Bundle::new();
    bundle.args(&["echo", "started"]);
    // Longer than the address of a Unix socket can be.
    let dir = bundle.dir.path().join("d".repeat(120));
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("start.sock");
    let gate = Waiting::create(&path).unwrap();
    let streams = Streams::new();
    let init = bundle
        .create(streams.stdio(), Gate::Waiting(&gate))
        .unwrap();
    drop(gate);
    start(&path).unwrap();
    let outcome = streams.finish(init.pidfd());
    assert_eq!(outcome.output, "started\n");
    assert!(matches!(start(&path), Err(Error::NotWaiting { .. })));
}

#[test]
fn a_program_that_is_not_executed_was_started_and_says_why() {
    let mut bundle = Bundle::new();
    let script = bundle.root().join("bin/script");
    std::fs::write(&script, "#!/nothing\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    bundle.args(&["script"]);
    let path = bundle.dir.path().join("start.sock");
    let gate = Waiting::create(&path).unwrap();
    let streams = Streams::new();
    let init = bundle
        .create(streams.stdio(), Gate::Waiting(&gate))
        .unwrap();
    start(&path).unwrap();
    let outcome = streams.finish(init.pidfd());
    let said = "exec /bin/script: no such file or directory\n";
    assert_eq!((outcome.status, &*outcome.output), (255, said));
}

#[test]
fn the_start_of_a_container_that_has_died_is_refused_at_once() {
    let bundle = Bundle::new();
    let path = bundle.dir.path().join("start.sock");
    let gate = Waiting::create(&path).unwrap();
    let streams = Streams::new();
    let init = bundle
        .create(streams.stdio(), Gate::Waiting(&gate))
        .unwrap();
    drop(gate);
    let signal = rustix::process::Signal::KILL;
    rustix::process::pidfd_send_signal(init.pidfd(), signal).unwrap();
    reap(init.pidfd());
    assert!(matches!(start(&path), Err(Error::NotWaiting { .. })));
}

#[test]
fn a_waiting_init_ends_when_it_is_asked_to() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let bundle = Bundle::new();
        let path = bundle.dir.path().join("start.sock");
        let gate = Waiting::create(&path).unwrap();
        let streams = Streams::new();
        let init = bundle
            .create(streams.stdio(), Gate::Waiting(&gate))
            .unwrap();
        let soon = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        // One that does not wait yet is not ended by it.
        for _ in 0..1000 {
            let _ = rustix::process::pidfd_send_signal(init.pidfd(), signal);
            let fd = init.pidfd();
            let mut ended = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            if poll(&mut ended, Some(&soon)).unwrap() > 0 {
                break;
            }
        }
        assert_eq!(streams.finish(init.pidfd()).status, 1);
    }
}

#[test]
fn an_init_ends_when_the_gate_that_held_it_goes() {
    let bundle = Bundle::new();
    let streams = Streams::new();
    let init = bundle.create(streams.stdio(), Gate::Held).unwrap();
    let pidfd = init.into_pidfd();
    assert_eq!(streams.finish(std::os::fd::AsFd::as_fd(&pidfd)).status, 1);
}

#[test]
fn a_waiting_init_cannot_be_looked_into_and_holds_no_descriptors() {
    let bundle = Bundle::new();
    let extra = std::fs::File::open("/").unwrap();
    let extra = rustix::io::fcntl_dupfd_cloexec(&extra, 500).unwrap();
    let streams = Streams::new();
    let init = bundle.create(streams.stdio(), Gate::Held).unwrap();
    let pid = init.pid();
    let fds: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert_eq!(fds.len(), 4, "{fds:?}");
    // Files of a process that is not dumpable are root's, whoever it runs as.
    let mut other = Bundle::new();
    other.process().user.uid = 1000;
    let streams = Streams::new();
    let as_user = other.create(streams.stdio(), Gate::Held).unwrap();
    let status = std::fs::metadata(format!("/proc/{}/mem", as_user.pid())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&status), 0);
    for made in [init, as_user] {
        let pidfd = made.into_pidfd();
        reap(std::os::fd::AsFd::as_fd(&pidfd));
    }
    drop(extra);
}

#[test]
fn a_promised_program_runs_once_its_byte_has_come_and_gets_no_descriptor() {
    let mut bundle = Bundle::new();
    bundle.args(&["sh", "-c", "ls /proc/self/fd | wc -w"]);
    let (promise, kept) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut &kept, b"1").unwrap();
    let streams = Streams::new();
    let gate = Gate::Promised(promise.as_fd());
    let init = bundle.create(streams.stdio(), gate).unwrap();
    // The three, and the directory.
    assert_eq!(streams.finish(init.pidfd()).output, "4\n");
}

#[test]
fn a_promised_program_does_not_run_when_the_promise_is_broken() {
    let mut bundle = Bundle::new();
    bundle.args(&["touch", "/ran"]);
    let (promise, kept) = std::io::pipe().unwrap();
    let streams = Streams::new();
    std::thread::scope(|scope| {
        let gate = Gate::Promised(promise.as_fd());
        let waits = scope.spawn(|| bundle.create(streams.stdio(), gate));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waits.is_finished());
        drop(kept);
        let failed = waits.join().unwrap().unwrap_err();
        assert!(
            failed.to_string().contains("wait for the start"),
            "{failed}"
        );
    });
    assert!(!bundle.root().join("ran").exists());
}
