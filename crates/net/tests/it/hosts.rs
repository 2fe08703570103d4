//! Hosts and containers for tests: network namespaces.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

/// Runs the test `name` again in a network namespace of its own, which stands for the host.
pub(crate) fn isolated(name: &str) -> bool {
    if std::env::var_os("CORTEN_TEST_ISOLATED").is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private"])
        .arg(std::env::current_exe().expect("this test has a path"))
        .args(["--include-ignored", "--exact", name, "--nocapture"])
        .env("CORTEN_TEST_ISOLATED", "1")
        .status()
        .expect("unshare starts");
    assert!(status.success());
    false
}

/// A process in a network namespace of its own, which stands for a container.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn start() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready)
            .expect("it says so");
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn netns(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.0.id())).expect("it lives")
    }

    /// Answers `hello` to every connection to port 80, of both families, until the test ends.
    pub(crate) fn serve(&self) {
        let netns = self.netns();
        let (ready, served) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("it lives");
            let listener = TcpListener::bind("[::]:80").expect("a port");
            ready.send(()).expect("someone waits");
            for connection in listener.incoming() {
                connection
                    .and_then(|mut client| client.write_all(b"hello\n"))
                    .ok();
            }
        });
        served.recv().expect("it serves");
    }

    /// What `work` gives on a thread in this namespace.
    pub(crate) fn within<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let netns = self.netns();
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("it lives");
            work()
        });
        thread.join().expect("it does not panic")
    }

    pub(crate) fn run(&self, script: &str) -> String {
        let pid = self.0.id().to_string();
        let output = Command::new("nsenter")
            .args(["-t", &pid, "-n", "sh", "-ec", script])
            .output()
            .expect("nsenter starts");
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
