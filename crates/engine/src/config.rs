//! How a daemon is set up.

use crate::{CgroupDriver, Defaults, LogSpec, NetworkMode, NetworkSettings};
use net::reservation::{Binder, Here};
use oci::runtime::IdMaps;
use std::path::PathBuf;
use std::sync::Arc;
use types::{ContainerId, Paths};

/// How a daemon is set up: what its command line and file say.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything lives.
    pub paths: Paths,
    /// The supervisor's executable, `corten-shim`.
    pub shim: PathBuf,
    /// The executable that is PID 1 of containers which ask for an init, `corten-init`.
    pub init_program: PathBuf,
    /// The executable that reads and writes archives, `corten-unpack`.
    pub unpack: PathBuf,
    /// The executable that serves names and holds ports, `corten-proxy`.
    pub proxy: PathBuf,
    /// Who takes the host's ports.
    pub binder: Arc<dyn Binder>,
    /// The network of a container whose caller named none.
    pub network: NetworkMode,
    /// What is said of networks.
    pub networks: NetworkSettings,
    /// The log of a container whose caller named none.
    pub log: LogSpec,
    /// The cgroup under which containers' are made; empty: the instance's name under
    /// the daemon's own.
    pub cgroup_parent: String,
    /// Who makes them.
    pub cgroup_driver: CgroupDriver,
    /// What containers have that say nothing of it.
    pub defaults: Defaults,
    /// Whether containers get an init of ours unless their caller says.
    pub init: bool,
    /// The ids of containers that do not ask for the host's; `None`: the host's.
    pub users: Option<IdMaps>,
}

impl Config {
    /// The defaults, in these places; other executables are looked for next to the supervisor.
    ///
    /// Until networks are here a container has none unless its caller asks for the host's.
    pub fn new(paths: Paths, shim: PathBuf) -> Self {
        Self {
            paths,
            init_program: shim.with_file_name("corten-init"),
            unpack: shim.with_file_name("corten-unpack"),
            proxy: shim.with_file_name("corten-proxy"),
            shim,
            binder: Arc::new(Here),
            network: NetworkMode::None,
            networks: NetworkSettings::default(),
            log: LogSpec {
                driver: "json-file".to_owned(),
                ..LogSpec::default()
            },
            cgroup_parent: String::new(),
            cgroup_driver: CgroupDriver::default(),
            defaults: Defaults::default(),
            init: false,
            users: None,
        }
    }

    /// Whether containers' groups are below one that is ours alone.
    pub(crate) fn has_own_group(&self) -> bool {
        self.cgroup_parent.is_empty() && self.cgroup_driver == CgroupDriver::Cgroupfs
    }

    /// The cgroup of a container, under `parent` or, if that is empty, the daemon's. COMPAT: the
    /// scopes of systemd are called as docker's, and are in its slice.
    pub(crate) fn cgroups_path(&self, parent: &str, id: &ContainerId) -> String {
        let asked = match parent {
            "" => self.cgroup_parent.as_str(),
            parent => parent,
        };
        match (self.cgroup_driver, asked) {
            (CgroupDriver::Systemd, slice) => format!("{slice}:docker:{id}"),
            (CgroupDriver::Cgroupfs, "") => format!("{}/{id}", self.cgroup_parent()),
            (CgroupDriver::Cgroupfs, asked) => format!("{}/{id}", asked.trim_end_matches('/')),
        }
    }

    /// The cgroup under which containers' are made.
    pub(crate) fn cgroup_parent(&self) -> String {
        match self.cgroup_parent.as_str() {
            "" => self.paths.instance(),
            parent => parent.to_owned(),
        }
    }
}

/// Why a group is none to make systemd's scopes in. COMPAT: in dockerd's words.
pub const NO_SLICE: &str =
    "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"";

/// Whether a name is a slice's.
pub fn is_slice(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@\\".contains(c);
    name.strip_suffix(".slice")
        .is_some_and(|stem| !stem.is_empty() && stem.chars().all(plain))
}
