//! The part of a container's configuration that depends on the host.
#![expect(missing_docs, reason = "fields bear the Engine API's own names")]

use crate::decode::words;
use crate::mount::Mount;
use crate::{List, Map, is_empty};
use serde::{Deserialize, Serialize};

/// Resources, mounts, namespaces and policy of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.HostConfig", default, rename_all = "PascalCase")]
pub struct HostConfig {
    pub binds: List<String>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    pub network_mode: String,
    pub port_bindings: Map<List<PortBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: List<String>,
    /// Height, width.
    pub console_size: [u32; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Map<String>,
    #[serde(deserialize_with = "words")]
    pub cap_add: List<String>,
    #[serde(deserialize_with = "words")]
    pub cap_drop: List<String>,
    pub cgroupns_mode: String,
    pub dns: List<String>,
    pub dns_options: List<String>,
    pub dns_search: List<String>,
    pub extra_hosts: List<String>,
    pub group_add: List<String>,
    pub ipc_mode: String,
    pub cgroup: String,
    pub links: List<String>,
    pub oom_score_adj: i32,
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security_opt: List<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_opt: Map<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Map<String>,
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    pub userns_mode: String,
    pub shm_size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctls: Map<String>,
    pub runtime: String,
    pub isolation: String,
    pub cpu_shares: i64,
    pub memory: i64,
    pub nano_cpus: i64,
    pub cgroup_parent: String,
    pub blkio_weight: u16,
    pub blkio_weight_device: List<WeightDevice>,
    pub blkio_device_read_bps: List<ThrottleDevice>,
    pub blkio_device_write_bps: List<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: List<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: List<ThrottleDevice>,
    pub cpu_period: i64,
    pub cpu_quota: i64,
    pub cpu_realtime_period: i64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub devices: List<DeviceMapping>,
    pub device_cgroup_rules: List<String>,
    pub device_requests: List<DeviceRequest>,
    #[serde(skip_serializing_if = "is_empty")]
    pub kernel_memory: i64,
    #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "is_empty")]
    pub kernel_memory_tcp: i64,
    pub memory_reservation: i64,
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub pids_limit: Option<i64>,
    pub ulimits: List<Ulimit>,
    pub cpu_count: i64,
    pub cpu_percent: i64,
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: List<Mount>,
    pub masked_paths: List<String>,
    pub readonly_paths: List<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// Where output is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.LogConfig", default, rename_all = "PascalCase")]
pub struct LogConfig {
    pub r#type: String,
    pub config: Map<String>,
}

/// A published port's place on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "nat.PortBinding", default, rename_all = "PascalCase")]
pub struct PortBinding {
    pub host_ip: String,
    pub host_port: String,
}

/// When an ended container is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.RestartPolicy", default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// Empty or `no`, `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    pub maximum_retry_count: i64,
}

/// A share of a block device's bandwidth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "*blkiodev.WeightDevice", default, rename_all = "PascalCase")]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

/// A limit on a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename = "*blkiodev.ThrottleDevice",
    default,
    rename_all = "PascalCase"
)]
pub struct ThrottleDevice {
    pub path: String,
    pub rate: u64,
}

/// A device of the host in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.DeviceMapping", default, rename_all = "PascalCase")]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    pub cgroup_permissions: String,
}

/// Devices by driver and capability: GPUs, CDI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.DeviceRequest", default, rename_all = "PascalCase")]
pub struct DeviceRequest {
    pub driver: String,
    /// -1 is all of them.
    pub count: i64,
    #[serde(rename = "DeviceIDs")]
    pub device_ids: List<String>,
    pub capabilities: List<Vec<String>>,
    pub options: Map<String>,
}

/// A resource limit of the first process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "*units.Ulimit", default, rename_all = "PascalCase")]
pub struct Ulimit {
    pub name: String,
    pub hard: i64,
    pub soft: i64,
}
