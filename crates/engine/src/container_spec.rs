//! What a caller asked for, validated: every field is understood, or was refused by the edge.

mod bind;
mod device;
mod endpoint;
mod health;
mod link;
mod log;
mod mount;
mod namespace;
mod parse;
mod port;
mod process;
mod resource;
mod restart;
mod security;

pub use bind::{Bind, Propagation, Relabel};
pub use device::{Device, DeviceKind, DeviceRule};
pub use endpoint::{AddressSpec, EndpointSpec};
pub(crate) use health::{Probe, inherit as inherit_health};
pub use link::Link;
pub use log::LogSpec;
pub use mount::{Mount, MountKind, ReadOnlyRecursion};
pub use namespace::{CgroupMode, IpcMode, NamespaceSpec, NetworkMode, PidMode, UserMode, UtsMode};
pub use parse::ParseError;
pub use port::PortBinding;
pub(crate) use port::{PORT_SPECIFICATION, Publication, port as read_port, protocol_name};
pub use process::{ProcessSpec, Streams};
pub use resource::{BlockDevices, BlockRate, BlockWeight, ResourceSpec, Ulimit};
pub use restart::RestartPolicy;
pub use security::{SeccompMode, SecuritySpec};

use oci::image::Healthcheck;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use types::Signal;

/// A container as it was asked for.
///
/// As the edge makes it, what the image decides is empty; at creation the image's
/// configuration fills it, and that form is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// The image, in the caller's words: a reference or an id.
    pub image: String,
    /// The program.
    pub process: ProcessSpec,
    /// Its standard streams.
    pub streams: Streams,
    /// The host name; empty: the first twelve digits of the id.
    pub hostname: String,
    /// The NIS domain name.
    pub domainname: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the OCI configuration.
    pub annotations: BTreeMap<String, String>,
    /// Ports the program listens on, `80/tcp`: information only.
    pub exposed_ports: BTreeSet<String>,
    /// Directories that get an anonymous volume.
    pub volumes: BTreeSet<String>,
    /// The signal that asks the program to end; `None`: the image's, else TERM.
    pub stop_signal: Option<Signal>,
    /// Seconds between that signal and KILL; negative: for ever; `None`: 10.
    pub stop_timeout: Option<i64>,
    /// How its health is asked for; the image fills in what is empty.
    pub health: Option<Healthcheck>,
    /// Build triggers of the image: information only.
    pub on_build: Vec<String>,
    /// The shell of the image's shell forms: information only.
    pub shell: Vec<String>,
    /// Bind mounts in the short form.
    pub binds: Vec<Bind>,
    /// Mounts in the long form.
    pub mounts: Vec<Mount>,
    /// Temporary file systems: where, and their options.
    pub tmpfs: BTreeMap<String, String>,
    /// The driver of volumes that binds name; empty: `local`.
    pub volume_driver: String,
    /// Containers whose volumes are mounted here too, `name[:ro|rw]`.
    pub volumes_from: Vec<String>,
    /// The root file system is read-only.
    pub read_only_root: bool,
    /// The size of `/dev/shm` in bytes; `None`: 64 MiB.
    pub shm_size: Option<u64>,
    /// Which namespaces are its own.
    pub namespaces: NamespaceSpec,
    /// Its places in networks, by the networks' names as they were given.
    pub networks: BTreeMap<String, EndpointSpec>,
    /// Where its ports are published, by port and protocol: `80/tcp`.
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    /// Exposed ports without a binding are published at any port.
    pub publish_all_ports: bool,
    /// Containers that it finds under other names on the default bridge.
    pub links: Vec<Link>,
    /// Name servers of `/etc/resolv.conf`; empty: the host's.
    pub dns: Vec<String>,
    /// Options of `/etc/resolv.conf`.
    pub dns_options: Vec<String>,
    /// Search domains of `/etc/resolv.conf`.
    pub dns_search: Vec<String>,
    /// Further lines of `/etc/hosts`, `name:address`.
    pub extra_hosts: Vec<String>,
    /// What it may do.
    pub security: SecuritySpec,
    /// What it may use.
    pub resources: ResourceSpec,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// It is removed when it ends.
    pub auto_remove: bool,
    /// An init of ours is PID 1 and reaps; `None`: the daemon's default, no.
    pub init: Option<bool>,
    /// Where its output is kept.
    pub log: LogSpec,
    /// The isolation in the caller's words; empty: the daemon's.
    pub isolation: String,
    /// The runtime in the caller's words; empty: the daemon's.
    pub runtime: String,
    /// The terminal's first size, rows and columns.
    pub console_size: Option<(u16, u16)>,
    /// Lists that the caller gave with nothing in them; others that are empty were not given.
    pub empty_lists: BTreeSet<String>,
    /// Fields that are shown as the caller gave them, by the edge's names.
    pub given: BTreeMap<String, serde_json::Value>,
    /// Why it cannot be started as it was asked for, in the edge's words.
    pub unmet: Option<String>,
}
