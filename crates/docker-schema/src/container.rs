//! Containers: what is asked for, and what is answered.

mod change;
mod config;
mod create;
mod host;
mod inspect;
mod list;
mod stats;

pub use change::FilesystemChange;
pub use config::{Config, HealthConfig};
pub use create::{
    CreateRequest, CreateResponse, PruneReport, Top, UpdateRequest, UpdateResponse, WaitError,
    WaitResponse,
};
pub use host::{
    DeviceMapping, DeviceRequest, HostConfig, LogConfig, PortBinding, RestartPolicy,
    ThrottleDevice, Ulimit, WeightDevice,
};
pub use inspect::{Address, Health, HealthResult, Inspect, NetworkSettings, State};
pub use list::{HealthSummary, Port, Summary, SummaryHostConfig, SummaryNetworkSettings};
pub use stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, Stats,
    ThrottlingData,
};
