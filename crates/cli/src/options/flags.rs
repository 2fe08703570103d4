//! The flags themselves, as docker names them, in groups that are given together.

use super::group::Group;
use crate::units;
use clap::Args;
use std::path::PathBuf;

const LIMITS: &str = "Limits";
const NETWORK: &str = "Network";
const SECURITY: &str = "Security and isolation";
const STORAGE: &str = "Storage";
const HEALTH: &str = "Health";
const WINDOWS: &str = "Windows only";

/// How a container's image is had.
#[derive(Debug, Default, Args)]
pub(crate) struct Image {
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
    /// Pull image before running ("always", "missing", "never") (default "missing")
    #[arg(long, value_name = "string")]
    pub(crate) pull: Option<String>,
    /// Suppress the pull output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Skip image verification
    #[arg(long, hide = true, value_name = "")]
    pub(super) disable_content_trust: Option<String>,
}

impl Group for Image {
    const NAMES: &'static [&'static str] =
        &["platform", "pull", "quiet", "q", "disable-content-trust"];
}

/// What its first process is, and what becomes of it.
#[derive(Debug, Default, Args)]
pub(super) struct Process {
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "list")]
    pub(super) attach: Vec<String>,
    /// Restart policy to apply when a container exits (default "no")
    #[arg(long, value_name = "string")]
    pub(super) restart: Option<String>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "string")]
    pub(super) entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(super) env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    pub(super) env_file: Vec<PathBuf>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub(super) init: bool,
    /// Runtime to use for this container
    #[arg(long, value_name = "string")]
    pub(super) runtime: Option<String>,
    /// Signal to stop the container
    #[arg(long, value_name = "string")]
    pub(super) stop_signal: Option<String>,
    /// Timeout (in seconds) to stop a container
    #[arg(long, value_name = "int")]
    pub(super) stop_timeout: Option<i64>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string")]
    pub(super) user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string")]
    pub(super) workdir: Option<String>,
}

impl Group for Process {
    const NAMES: &'static [&'static str] = &[
        "attach",
        "a",
        "restart",
        "entrypoint",
        "env",
        "e",
        "env-file",
        "init",
        "runtime",
        "stop-signal",
        "stop-timeout",
        "user",
        "u",
        "workdir",
        "w",
    ];
}

/// What is said of a container.
#[derive(Debug, Default, Args)]
pub(crate) struct Labels {
    /// Write the container ID to the file
    #[arg(long, value_name = "string")]
    pub(crate) cidfile: Option<PathBuf>,
    /// Add an annotation to the container (passed through to the OCI runtime)
    #[arg(long, value_name = "map")]
    pub(super) annotation: Vec<String>,
    /// Set meta data on a container
    #[arg(short, long, value_name = "list")]
    pub(super) label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "list")]
    pub(super) label_file: Vec<PathBuf>,
}

impl Group for Labels {
    const NAMES: &'static [&'static str] = &["cidfile", "annotation", "label", "l", "label-file"];
}

/// Where its output goes.
#[derive(Debug, Default, Args)]
pub(super) struct Log {
    /// Logging driver for the container
    #[arg(long, value_name = "string")]
    pub(super) log_driver: Option<String>,
    /// Log driver options
    #[arg(long, value_name = "list")]
    pub(super) log_opt: Vec<String>,
}

impl Group for Log {
    const NAMES: &'static [&'static str] = &["log-driver", "log-opt"];
}

/// What a container may use.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = LIMITS)]
pub(super) struct Limits {
    /// Memory limit
    #[arg(short, long, value_name = "bytes", value_parser = units::bytes)]
    pub(super) memory: Option<i64>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long, value_name = "bytes", value_parser = units::bytes_or_unlimited)]
    pub(super) memory_swap: Option<i64>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int")]
    pub(super) pids_limit: Option<i64>,
    /// Ulimit options
    #[arg(long, value_name = "ulimit")]
    pub(super) ulimit: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes", value_parser = units::bytes)]
    pub(super) shm_size: Option<i64>,
}

impl Group for Limits {
    const NAMES: &'static [&'static str] = &[
        "memory",
        "m",
        "memory-swap",
        "pids-limit",
        "ulimit",
        "shm-size",
    ];
}

/// What else is limited, and where.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = LIMITS)]
pub(super) struct FurtherLimits {
    /// Memory soft limit
    #[arg(long, value_name = "bytes", value_parser = units::bytes)]
    pub(super) memory_reservation: Option<i64>,
    /// Tune container memory swappiness (0 to 100) (default -1)
    #[arg(long, value_name = "int")]
    pub(super) memory_swappiness: Option<i64>,
    /// Kernel memory limit
    #[arg(long, value_name = "bytes", hide = true, value_parser = units::bytes)]
    pub(super) kernel_memory: Option<i64>,
    /// Disable OOM Killer
    #[arg(long)]
    pub(super) oom_kill_disable: bool,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) oom_score_adj: i32,
    /// Optional parent cgroup for the container
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) cgroup_parent: String,
}

impl Group for FurtherLimits {
    const NAMES: &'static [&'static str] = &[
        "memory-reservation",
        "memory-swappiness",
        "kernel-memory",
        "oom-kill-disable",
        "oom-score-adj",
        "cgroup-parent",
    ];
}

/// Which processors a container may use, and how much of them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = LIMITS)]
pub(super) struct Processors {
    /// Number of CPUs
    #[arg(long, value_name = "decimal", value_parser = units::processors)]
    pub(super) cpus: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short = 'c', long, value_name = "int", default_value = "0")]
    pub(super) cpu_shares: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_period: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_quota: i64,
    /// Limit CPU real-time period in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_rt_period: i64,
    /// Limit CPU real-time runtime in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_rt_runtime: i64,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) cpuset_cpus: String,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) cpuset_mems: String,
}

impl Group for Processors {
    const NAMES: &'static [&'static str] = &[
        "cpus",
        "cpu-shares",
        "c",
        "cpu-period",
        "cpu-quota",
        "cpu-rt-period",
        "cpu-rt-runtime",
        "cpuset-cpus",
        "cpuset-mems",
    ];
}

/// How a container may use block devices.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = LIMITS)]
pub(super) struct BlockIo {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long, value_name = "uint16", default_value = "0")]
    pub(super) blkio_weight: u16,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "list")]
    pub(super) blkio_weight_device: Vec<String>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "list")]
    pub(super) device_read_bps: Vec<String>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "list")]
    pub(super) device_read_iops: Vec<String>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "list")]
    pub(super) device_write_bps: Vec<String>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "list")]
    pub(super) device_write_iops: Vec<String>,
}

impl Group for BlockIo {
    const NAMES: &'static [&'static str] = &[
        "blkio-weight",
        "blkio-weight-device",
        "device-read-bps",
        "device-read-iops",
        "device-write-bps",
        "device-write-iops",
    ];
}

/// How a container is reached and reaches others.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = NETWORK)]
pub(super) struct Network {
    /// Connect a container to a network
    #[arg(long, value_name = "network", alias = "net")]
    pub(super) network: Vec<String>,
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "list")]
    pub(super) publish: Vec<String>,
}

impl Group for Network {
    const NAMES: &'static [&'static str] = &["network", "net", "publish", "p"];
}

/// Which ports are told of, and published at any of the host's.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = NETWORK)]
pub(super) struct Exposure {
    /// Expose a port or a range of ports
    #[arg(long, value_name = "list")]
    pub(super) expose: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    pub(super) publish_all: bool,
}

impl Group for Exposure {
    const NAMES: &'static [&'static str] = &["expose", "publish-all", "P"];
}

/// How a container is called and finds others.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = NETWORK)]
pub(super) struct Names {
    /// Container host name
    #[arg(short = 'h', long, value_name = "string")]
    pub(super) hostname: Option<String>,
    /// Add link to another container
    #[arg(long, value_name = "list")]
    pub(super) link: Vec<String>,
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "list")]
    pub(super) add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "list")]
    pub(super) dns: Vec<String>,
    /// Set DNS options
    #[arg(long, value_name = "list", alias = "dns-opt")]
    pub(super) dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "list")]
    pub(super) dns_search: Vec<String>,
    /// Container NIS domain name
    #[arg(long, value_name = "string")]
    pub(super) domainname: Option<String>,
}

impl Group for Names {
    const NAMES: &'static [&'static str] = &[
        "hostname",
        "h",
        "link",
        "add-host",
        "dns",
        "dns-option",
        "dns-opt",
        "dns-search",
        "domainname",
    ];
}

/// How others find a container.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = NETWORK)]
pub(super) struct Addresses {
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, value_name = "string")]
    pub(super) ip: Option<String>,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, value_name = "string")]
    pub(super) ip6: Option<String>,
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long, value_name = "list")]
    pub(super) link_local_ip: Vec<String>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, value_name = "string")]
    pub(super) mac_address: Option<String>,
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "list", alias = "net-alias")]
    pub(super) network_alias: Vec<String>,
}

impl Group for Addresses {
    const NAMES: &'static [&'static str] = &[
        "ip",
        "ip6",
        "link-local-ip",
        "mac-address",
        "network-alias",
        "net-alias",
    ];
}

/// What a container may do, and what it shares.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = SECURITY)]
pub(super) struct Security {
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    pub(super) cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    pub(super) cap_drop: Vec<String>,
    /// Cgroup namespace to use (host|private)
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) cgroupns: String,
    /// Add a host device to the container
    #[arg(long, value_name = "list")]
    pub(super) device: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_name = "list")]
    pub(super) device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_name = "gpu-request")]
    pub(super) gpus: Option<String>,
    /// Add additional groups to join
    #[arg(long, value_name = "list")]
    pub(super) group_add: Vec<String>,
    /// IPC mode to use
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) ipc: String,
    /// Container isolation technology
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) isolation: String,
    /// PID namespace to use
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) pid: String,
    /// Give extended privileges to this container
    #[arg(long)]
    pub(super) privileged: bool,
    /// Security Options
    #[arg(long, value_name = "list")]
    pub(super) security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "map")]
    pub(super) sysctl: Vec<String>,
    /// User namespace to use
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) userns: String,
    /// UTS namespace to use
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) uts: String,
    /// Bind mount Docker API socket and required auth
    #[arg(long)]
    pub(super) use_api_socket: bool,
}

impl Group for Security {
    const NAMES: &'static [&'static str] = &[
        "cap-add",
        "cap-drop",
        "cgroupns",
        "device",
        "device-cgroup-rule",
        "gpus",
        "group-add",
        "ipc",
        "isolation",
        "pid",
        "privileged",
        "security-opt",
        "sysctl",
        "userns",
        "uts",
        "use-api-socket",
    ];
}

/// A container's files.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = STORAGE)]
pub(super) struct Storage {
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "mount")]
    pub(super) mount: Vec<String>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub(super) read_only: bool,
    /// Storage driver options for the container
    #[arg(long, value_name = "list")]
    pub(super) storage_opt: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list")]
    pub(super) tmpfs: Vec<String>,
    /// Bind mount a volume
    #[arg(short, long, value_name = "list")]
    pub(super) volume: Vec<String>,
    /// Optional volume driver for the container
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) volume_driver: String,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "list")]
    pub(super) volumes_from: Vec<String>,
}

impl Group for Storage {
    const NAMES: &'static [&'static str] = &[
        "mount",
        "read-only",
        "storage-opt",
        "tmpfs",
        "volume",
        "v",
        "volume-driver",
        "volumes-from",
    ];
}

/// How a container's health is asked for.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = HEALTH)]
pub(super) struct Health {
    /// Command to run to check health
    #[arg(long, value_name = "string")]
    pub(super) health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = units::duration)]
    pub(super) health_interval: Option<i64>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "int")]
    pub(super) health_retries: Option<i64>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = units::duration)]
    pub(super) health_start_interval: Option<i64>,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = units::duration)]
    pub(super) health_start_period: Option<i64>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_name = "duration", value_parser = units::duration)]
    pub(super) health_timeout: Option<i64>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    pub(super) no_healthcheck: bool,
}

impl Group for Health {
    const NAMES: &'static [&'static str] = &[
        "health-cmd",
        "health-interval",
        "health-retries",
        "health-start-interval",
        "health-start-period",
        "health-timeout",
        "no-healthcheck",
    ];
}

/// Sent as they are; a Linux daemon refuses them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = WINDOWS)]
pub(super) struct Windows {
    /// CPU count (Windows only)
    #[arg(long, value_name = "int", default_value = "0", hide = true)]
    pub(super) cpu_count: i64,
    /// CPU percent (Windows only)
    #[arg(long, value_name = "int", default_value = "0", hide = true)]
    pub(super) cpu_percent: i64,
    /// Maximum IO bandwidth limit for the system drive (Windows only)
    #[arg(long, value_name = "bytes", hide = true, value_parser = units::bytes)]
    pub(super) io_maxbandwidth: Option<i64>,
    /// Maximum IOps limit for the system drive (Windows only)
    #[arg(long, value_name = "uint", default_value = "0", hide = true)]
    pub(super) io_maxiops: u64,
}

impl Group for Windows {
    const NAMES: &'static [&'static str] =
        &["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"];
}

#[cfg(test)]
pub(super) use tests::GROUPS;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    /// A group, in what the tests of groups look at.
    pub(in super::super) struct Shown {
        pub(in super::super) built: fn() -> Vec<String>,
        pub(in super::super) named: fn() -> Vec<String>,
        pub(in super::super) read: fn() -> String,
        pub(in super::super) default: fn() -> String,
    }

    pub(in super::super) const GROUPS: &[Shown] = &[
        shown::<Image>(),
        shown::<Process>(),
        shown::<Labels>(),
        shown::<Log>(),
        shown::<Limits>(),
        shown::<FurtherLimits>(),
        shown::<Processors>(),
        shown::<BlockIo>(),
        shown::<Network>(),
        shown::<Exposure>(),
        shown::<Names>(),
        shown::<Addresses>(),
        shown::<Security>(),
        shown::<Storage>(),
        shown::<Health>(),
        shown::<Windows>(),
    ];

    const fn shown<T: Group + std::fmt::Debug>() -> Shown {
        Shown {
            built: built::<T>,
            named: named::<T>,
            read: read::<T>,
            default: || format!("{:?}", T::default()),
        }
    }

    fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn named<T: Group>() -> Vec<String> {
        sorted(T::NAMES.iter().map(ToString::to_string))
    }

    fn built<T: Group>() -> Vec<String> {
        let command = T::augment_args(Command::new("x").disable_help_flag(true));
        let names = command.get_arguments().flat_map(|arg| {
            let letters = arg.get_short_and_visible_aliases().unwrap_or_default();
            let longs = arg.get_long().into_iter().map(str::to_owned);
            let aliases = arg.get_all_aliases().unwrap_or_default();
            let aliases = aliases.into_iter().map(str::to_owned);
            let letters = letters.into_iter().map(String::from);
            longs.chain(aliases).chain(letters).collect::<Vec<_>>()
        });
        sorted(names)
    }

    fn read<T: Group + std::fmt::Debug>() -> String {
        let command = T::augment_args(Command::new("x").disable_help_flag(true));
        let mut matches = command.get_matches_from(["x"]);
        format!("{:?}", T::from_arg_matches_mut(&mut matches).unwrap())
    }
}
