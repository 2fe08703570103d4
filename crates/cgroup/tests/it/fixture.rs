//! A uniquely named group and a process in it.

use cgroup::{Cgroup, Driver, Entrance, Error, Reach, Request};
use oci::runtime::Resources;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name that no other test has.
pub(crate) fn name() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("corten-test-{}-{number}", std::process::id())
}

/// Whether this machine lets us make groups; says why not.
pub(crate) fn possible() -> bool {
    let possible = rustix::process::geteuid().is_root() && cgroup::Hierarchies::probe().is_ok();
    if !possible {
        eprintln!("skipped: needs root and a mounted cgroup hierarchy");
    }
    possible
}

pub(crate) fn create(id: &str, resources: Option<&Resources>) -> Cgroup {
    try_create(id, resources).unwrap()
}

pub(crate) fn try_create(id: &str, resources: Option<&Resources>) -> Result<Cgroup, Error> {
    Cgroup::create(&request(id, resources))
}

pub(crate) fn request<'a>(id: &'a str, resources: Option<&'a Resources>) -> Request<'a> {
    Request {
        id,
        path: None,
        resources,
        intel_rdt: None,
        reach: Reach::Limited,
        driver: Driver::Cgroupfs,
        properties: &[],
    }
}

/// Runs a command inside the group.
pub(crate) fn spawn(cgroup: &Cgroup, program: &str, args: &[&str]) -> Child {
    let entry = cgroup.entry(Entrance::Clone).unwrap();
    let unified = entry.unified.map(|dir| {
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::openat(dir, "cgroup.procs", flags, rustix::fs::Mode::empty()).unwrap()
    });
    let tasks = entry.tasks.iter();
    let tasks = tasks.map(|door| door.try_clone_to_owned().unwrap());
    let fds: Vec<_> = tasks.chain(unified).collect();
    let mut child = Command::new("/bin/sh");
    // The shell itself joins, then becomes the program.
    let joins: String = fds
        .iter()
        .map(|fd| format!("echo 0 > /proc/self/fd/{} && ", fd.as_raw_fd()))
        .collect();
    for fd in &fds {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    }
    child
        .arg0("sh")
        .arg("-c")
        .arg(format!("{joins}exec \"$0\" \"$@\""));
    child.arg(program).args(args).stdin(Stdio::null());
    let child = child.spawn().unwrap();
    let pid = child.id().cast_signed();
    wait_for(|| cgroup.pids().unwrap().contains(&pid));
    child
}

/// Waits for a condition, five seconds at most.
pub(crate) fn wait_for(mut condition: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !condition() {
        assert!(std::time::Instant::now() < until, "not in five seconds");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
