//! A host with pods.

use crate::hosts::Peer;
use cni::{Attachment, Limits, Network, Runtime};
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where Debian has the reference plugins.
pub(crate) const REFERENCE: &str = "/usr/lib/cni";

/// How the reference plugins' part is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By themselves.
    Executed,
    /// In process: there are none.
    InProcess,
}

pub(crate) const WAYS: [Way; 2] = [Way::Executed, Way::InProcess];

/// Runs a script on the host.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output();
    let output = output.expect("sh starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// Directories of a host's own, with plugins of a test's own before the reference ones.
pub(crate) struct Host {
    directory: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        sh("ip link set lo up");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("bin")).expect("a directory");
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes an executable plugin; `$DIR` in it is the host's directory.
    pub(crate) fn plugin(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let directory = self.directory.path().display();
        let text = format!("#!/bin/sh\nDIR={directory}\n{script}\n");
        std::fs::write(&path, text).expect("a plugin");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("a mode");
    }

    /// A plugin that speaks these versions and runs `script` for other operations than VERSION.
    pub(crate) fn speaking(&self, name: &str, versions: &[&str], script: &str) {
        let told = json!({ "cniVersion": versions.last(), "supportedVersions": versions });
        let version = format!("if [ $CNI_COMMAND = VERSION ]; then echo '{told}'; exit 0; fi");
        self.plugin(name, &format!("{version}\n{script}"));
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime_with(Limits::default())
    }

    pub(crate) fn runtime_of(&self, way: Way) -> Runtime {
        match way {
            Way::Executed => self.runtime(),
            Way::InProcess => {
                let path = vec![self.path("bin")];
                Runtime::new(path, self.directory.path(), Limits::default()).in_process()
            }
        }
    }

    pub(crate) fn runtime_with(&self, limits: Limits) -> Runtime {
        let path = vec![self.path("bin"), REFERENCE.into()];
        Runtime::new(path, self.directory.path(), limits)
    }

    /// Names of what is kept of attachments.
    pub(crate) fn kept(&self) -> Vec<String> {
        names(&self.path("results"))
    }

    /// What a plugin wrote to a file of the host's directory.
    pub(crate) fn told(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

pub(crate) fn network(document: Value) -> Network {
    Network::of_list(document, "test").expect("a network")
}

/// The attachment `eth0` of a container.
pub(crate) fn attachment(container: &str, netns: &str) -> Attachment {
    Attachment {
        container: container.into(),
        netns: netns.into(),
        interface: "eth0".into(),
        ..Attachment::default()
    }
}

pub(crate) fn netns_of(peer: &Peer) -> String {
    format!("/proc/{}/ns/net", peer.pid())
}

/// Whether somebody gets the answer of a pod's server at this address.
pub(crate) fn can_get(from: Option<&Peer>, target: &str) -> bool {
    let target: SocketAddr = target.parse().expect("an address");
    let get = move || {
        let mut answer = String::new();
        let connection = TcpStream::connect_timeout(&target, Duration::from_secs(2));
        let read = connection.and_then(|mut server| server.read_to_string(&mut answer));
        read.is_ok() && answer == "hello\n"
    };
    from.map_or_else(get, |peer| peer.within(get))
}

/// The same, some seconds long if it should: the reference plugins' addresses of IPv6 are usable
/// only when the kernel has looked for duplicates.
pub(crate) fn gets(from: Option<&Peer>, target: &str, should: bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let got = can_get(from, target);
        if got == should || Instant::now() > end {
            return got;
        }
    }
}

/// A neighbour of the host at 192.0.2.2, the host at 192.0.2.1; the same in IPv6.
pub(crate) fn neighbour() -> Peer {
    let peer = Peer::start();
    sh(
        "ip link add out0 type veth peer name out1; ip addr add 192.0.2.1/24 dev out0; ip addr add 2001:db8::1/64 dev out0 nodad; ip link set out0 up",
    );
    sh(&format!("ip link set out1 netns {}", peer.pid()));
    peer.run("ip link set lo up; ip addr add 192.0.2.2/24 dev out1; ip addr add 2001:db8::2/64 dev out1 nodad; ip link set out1 up");
    peer
}
