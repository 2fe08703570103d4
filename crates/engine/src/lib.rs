//! What people asked for: containers by name, with their policy, over the mechanisms.
//!
//! It knows names, restart policies, what Docker's defaults are as an OCI configuration, and
//! what happened. It must not know any API's documents, nor how a process is made. Read
//! first: [`Engine`], [`ContainerSpec`], [`Containers`].

mod admission;
mod ahead;
mod config;
mod container_record;
mod container_spec;
mod container_state;
mod containers;
mod context;
mod defaults;
mod engine;
mod error;
mod event;
mod events;
mod execs;
mod files;
mod filter;
mod health;
mod image;
mod index;
mod limits;
mod links;
mod log;
mod mount_points;
mod names;
mod network_record;
mod network_state;
mod networks;
mod owner;
mod processors;
mod recovery;
mod resolv_conf;
mod spec;
mod system;
mod top;
mod user;
mod volume_record;
mod volumes;

pub use cgroup::Driver as CgroupDriver;
pub use cgroup::Stats;
pub use config::{Config, NO_SLICE, is_slice};
pub use container_record::{Container, ContainerRecord, MountPoint};
pub use container_spec::{
    AddressSpec, Bind, BlockDevices, BlockRate, BlockWeight, CgroupMode, ContainerSpec, Device,
    DeviceKind, DeviceRule, EndpointSpec, IpcMode, Link, LogSpec, Mount, MountKind, NamespaceSpec,
    NetworkMode, ParseError, PidMode, PortBinding, ProcessSpec, Propagation, ReadOnlyRecursion,
    Relabel, ResourceSpec, RestartPolicy, SeccompMode, SecuritySpec, Streams, Ulimit, UserMode,
    UtsMode,
};
pub use container_state::{ContainerState, Status};
pub use containers::{
    Archive, Attachment, Change, ChangeKind, CommitSpec, Containers, Created, Ended, Extraction,
    Flow, Inspection, Log, LogQuery, PathStat, Processes, Pruned, Removal, Stop, Traffic, Update,
    Wait, WaitCondition,
};
pub use defaults::Defaults;
pub use engine::Engine;
pub use error::{Error, Problem};
pub use event::{Event, EventType};
pub use events::{Events, Subscription};
pub use execs::{Exec, ExecSpec, ExecStart, Execs};
pub use filter::{ContainerFilter, LabelFilter, Pattern};
pub use health::{Health, HealthResult, HealthStatus};
pub use image::ImageUsers;
pub use log::DRIVERS as LOG_DRIVERS;
pub use logs::{Record as LogRecord, Stream as LogStream};
pub use metadata::{Entry, Span};
pub use network_record::{AddressPool, NetworkDriver, NetworkRecord};
pub use network_state::{EndpointState, NetworkState, PublishedPort, mac_text, parse_mac};
pub use networks::{
    Allocated, DefaultBridge, Member, NetworkError, NetworkFilter, NetworkSettings, NetworkSpec,
    Networks, PoolSpec,
};
pub use oci::image::{ExecConfig, Healthcheck};
pub use system::{Counts, System};
pub use task::{Attach, DetachKeys, Framing, Size};
pub use volume::Name as VolumeName;
pub use volume_record::{ANONYMOUS, VolumeRecord, VolumeSpec};
pub use volumes::{Absent, Named, VolumeFilter, Volumes, VolumesPruned};
