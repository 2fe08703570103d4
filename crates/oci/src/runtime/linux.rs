//! What only Linux has: namespaces, devices, masks and the like.

use super::{Resources, Seccomp};
use std::collections::BTreeMap;

document! {
    /// The Linux section of the configuration.
    #[derive(Default)]
    pub struct Linux {
        /// Users' mapping of the user namespace.
        pub uid_mappings: Vec<IdMapping>,
        /// Groups' mapping of the user namespace.
        pub gid_mappings: Vec<IdMapping>,
        /// Kernel parameters by dotted name.
        pub sysctl: BTreeMap<String, String>,
        /// The cgroup's limits.
        pub resources: Option<Resources>,
        /// Where the cgroup is: a path, or `slice:prefix:name` for systemd.
        pub cgroups_path: String,
        /// The namespaces that are made or joined.
        pub namespaces: Vec<Namespace>,
        /// The device nodes that are made.
        pub devices: Vec<Device>,
        /// Network devices of the host that move in, by their name on the host.
        pub net_devices: BTreeMap<String, NetDevice>,
        /// The system call filter.
        pub seccomp: Option<Seccomp>,
        /// How mounts propagate to and from the root.
        pub rootfs_propagation: Option<Propagation>,
        /// Paths hidden from the container.
        pub masked_paths: Vec<String>,
        /// Paths made read-only.
        pub readonly_paths: Vec<String>,
        /// The SELinux context of the mounts.
        pub mount_label: String,
        /// Intel's cache and memory bandwidth allocation.
        pub intel_rdt: Option<IntelRdt>,
        /// The NUMA memory policy.
        pub memory_policy: Option<MemoryPolicy>,
        /// The execution domain.
        pub personality: Option<Personality>,
        /// The time namespace's offsets by clock: `monotonic`, `boottime`.
        pub time_offsets: BTreeMap<String, TimeOffset>,
    }

    /// A range of ids.
    #[derive(Copy, Eq, Default)]
    pub struct IdMapping {
        always {
            /// The first id inside.
            #[serde(rename = "containerID")]
            pub container_id: u32,
            /// The first id outside.
            #[serde(rename = "hostID")]
            pub host_id: u32,
            /// How many.
            pub size: u32,
        }
    }

    /// A namespace, made unless it has a path.
    #[derive(Eq)]
    pub struct Namespace {
        required {
            /// Which one.
            #[serde(rename = "type")]
            pub kind: NamespaceKind,
        }
        /// The existing one that is joined.
        pub path: String,
    }

    /// A device node.
    pub struct Device {
        required {
            /// Its type.
            #[serde(rename = "type")]
            pub kind: DeviceKind,
        }
        always {
            /// Where, inside the container.
            pub path: String,
            /// Major number.
            pub major: i64,
            /// Minor number.
            pub minor: i64,
        }
        /// Permission bits.
        pub file_mode: Option<u32>,
        /// Owner.
        pub uid: Option<u32>,
        /// Group.
        pub gid: Option<u32>,
    }

    /// A network device that moves in.
    #[derive(Default)]
    pub struct NetDevice {
        /// Its name inside; the same if empty.
        pub name: String,
    }

    /// A clock's offset.
    #[derive(Copy, Default)]
    pub struct TimeOffset {
        /// Seconds.
        pub secs: i64,
        /// Nanoseconds on top.
        pub nanosecs: u32,
    }

    /// Intel's resource director.
    #[derive(Default)]
    pub struct IntelRdt {
        /// The class of service.
        #[serde(rename = "closID")]
        pub clos_id: String,
        /// Lines written to the group's schemata as they are.
        pub schemata: Vec<String>,
        /// The L3 cache's line.
        pub l3_cache_schema: String,
        /// The memory bandwidth's line.
        pub mem_bw_schema: String,
        /// Whether the container gets a monitoring group of its own.
        pub enable_monitoring: bool,
    }

    /// The arguments of `set_mempolicy(2)`.
    pub struct MemoryPolicy {
        required {
            /// The mode.
            pub mode: MemoryPolicyMode,
        }
        /// Node list such as `0-1,3`.
        pub nodes: String,
        /// Flags.
        pub flags: Vec<MemoryPolicyFlag>,
    }

    /// The argument of `personality(2)`.
    pub struct Personality {
        required {
            /// The domain.
            pub domain: PersonalityDomain,
        }
        /// None is defined.
        pub flags: Vec<String>,
    }
}

words! {
    /// A kind of namespace.
    pub enum NamespaceKind {
        /// Process ids.
        Pid = "pid",
        /// Network stack.
        Network = "network",
        /// Mounts.
        Mount = "mount",
        /// System V IPC and message queues.
        Ipc = "ipc",
        /// Host and domain name.
        Uts = "uts",
        /// Users, groups and capabilities.
        User = "user",
        /// The view of the cgroups.
        Cgroup = "cgroup",
        /// Clocks.
        Time = "time",
    }

    /// A kind of device node.
    pub enum DeviceKind {
        /// Block device.
        Block = "b",
        /// Character device.
        Character = "c" | "u",
        /// FIFO.
        Fifo = "p",
    }

    /// How mounts propagate.
    pub enum Propagation {
        /// Both ways.
        Shared = "shared",
        /// Both ways, the whole tree.
        RecursiveShared = "rshared",
        /// Only in.
        Slave = "slave",
        /// Only in, the whole tree.
        RecursiveSlave = "rslave",
        /// Not at all.
        Private = "private",
        /// Not at all, the whole tree.
        RecursivePrivate = "rprivate",
        /// Not at all, nor can it be bound.
        Unbindable = "unbindable",
        /// Not at all, nor can it be bound, the whole tree.
        RecursiveUnbindable = "runbindable",
    }

    /// An execution domain.
    pub enum PersonalityDomain {
        /// The native one.
        Linux = "LINUX",
        /// 32 bit.
        Linux32 = "LINUX32",
    }

    /// A mode of the memory policy.
    pub enum MemoryPolicyMode {
        /// The system's default.
        Default = "MPOL_DEFAULT",
        /// Only these nodes.
        Bind = "MPOL_BIND",
        /// Page by page.
        Interleave = "MPOL_INTERLEAVE",
        /// Page by page, by weight.
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        /// One node first.
        Preferred = "MPOL_PREFERRED",
        /// Several nodes first.
        PreferredMany = "MPOL_PREFERRED_MANY",
        /// The node of the CPU.
        Local = "MPOL_LOCAL",
    }

    /// A flag of the memory policy.
    pub enum MemoryPolicyFlag {
        /// Balanced between the nodes.
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        /// Nodes are relative to the allowed ones.
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        /// Nodes are absolute.
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}
