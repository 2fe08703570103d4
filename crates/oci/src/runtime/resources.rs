//! The cgroup's limits.

use std::collections::BTreeMap;

document! {
    /// Every limit there is.
    #[derive(Default)]
    pub struct Resources {
        /// Which devices may be used, the last matching rule counts.
        pub devices: Vec<DeviceRule>,
        /// Memory.
        pub memory: Option<Memory>,
        /// CPU time and places.
        pub cpu: Option<Cpu>,
        /// Number of tasks.
        pub pids: Option<Pids>,
        /// Block devices.
        #[serde(rename = "blockIO")]
        pub block_io: Option<BlockIo>,
        /// Huge pages by size.
        pub hugepage_limits: Vec<HugepageLimit>,
        /// Marks on packets.
        pub network: Option<Network>,
        /// RDMA handles and objects by device.
        pub rdma: BTreeMap<String, Rdma>,
        /// Files of cgroup v2 and what is written to them.
        pub unified: BTreeMap<String, String>,
    }

    /// A rule for devices.
    #[derive(Eq)]
    pub struct DeviceRule {
        always {
            /// Whether it allows.
            pub allow: bool,
        }
        /// Which type; all if missing.
        #[serde(rename = "type")]
        pub kind: Option<DeviceRuleKind>,
        /// Major number; all if missing.
        pub major: Option<i64>,
        /// Minor number; all if missing.
        pub minor: Option<i64>,
        /// Letters of `rwm`.
        pub access: String,
    }

    /// Limits on memory, in bytes; -1 is none.
    #[derive(Default)]
    pub struct Memory {
        /// The hard limit.
        pub limit: Option<i64>,
        /// The soft limit.
        pub reservation: Option<i64>,
        /// Memory and swap together.
        pub swap: Option<i64>,
        /// Kernel memory; obsolete since 5.4.
        pub kernel: Option<i64>,
        /// Kernel memory of TCP buffers.
        #[serde(rename = "kernelTCP")]
        pub kernel_tcp: Option<i64>,
        /// How eagerly pages are swapped, 0 to 100.
        pub swappiness: Option<u64>,
        /// Whether tasks wait for memory and are not killed.
        #[serde(rename = "disableOOMKiller")]
        pub disable_oom_killer: Option<bool>,
        /// Whether children are counted in.
        pub use_hierarchy: Option<bool>,
        /// Whether an update below the present use is refused.
        pub check_before_update: Option<bool>,
    }

    /// Limits on CPUs; times are microseconds.
    #[derive(Default)]
    pub struct Cpu {
        /// The weight against siblings, 2 to 262144.
        pub shares: Option<u64>,
        /// Time in each period; -1 is no limit.
        pub quota: Option<i64>,
        /// Unused time that may be saved up.
        pub burst: Option<u64>,
        /// The period.
        pub period: Option<u64>,
        /// Real-time scheduled time in each period.
        pub realtime_runtime: Option<i64>,
        /// The period of real-time scheduling.
        pub realtime_period: Option<u64>,
        /// CPU list such as `0-3`.
        pub cpus: String,
        /// Memory node list.
        pub mems: String,
        /// 1 runs it only when nobody else wants to.
        pub idle: Option<i64>,
    }

    /// A limit on the number of tasks.
    #[derive(Default)]
    pub struct Pids {
        /// The most; -1 is no limit.
        pub limit: Option<i64>,
    }

    /// Limits on block devices.
    #[derive(Default)]
    pub struct BlockIo {
        /// The weight against siblings, 10 to 1000.
        pub weight: Option<u16>,
        /// The tasks' weight against child groups.
        pub leaf_weight: Option<u16>,
        /// Weights by device.
        pub weight_device: Vec<WeightDevice>,
        /// Bytes read a second, by device.
        pub throttle_read_bps_device: Vec<ThrottleDevice>,
        /// Bytes written a second, by device.
        pub throttle_write_bps_device: Vec<ThrottleDevice>,
        /// Reads a second, by device.
        #[serde(rename = "throttleReadIOPSDevice")]
        pub throttle_read_iops_device: Vec<ThrottleDevice>,
        /// Writes a second, by device.
        #[serde(rename = "throttleWriteIOPSDevice")]
        pub throttle_write_iops_device: Vec<ThrottleDevice>,
    }

    /// A device's weight.
    #[derive(Default)]
    pub struct WeightDevice {
        always {
            /// Major number.
            pub major: i64,
            /// Minor number.
            pub minor: i64,
        }
        /// The weight.
        pub weight: Option<u16>,
        /// The tasks' weight against child groups.
        pub leaf_weight: Option<u16>,
    }

    /// A device's rate.
    #[derive(Default)]
    pub struct ThrottleDevice {
        always {
            /// Major number.
            pub major: i64,
            /// Minor number.
            pub minor: i64,
            /// Bytes or operations a second.
            pub rate: u64,
        }
    }

    /// A limit on huge pages of one size.
    #[derive(Default)]
    pub struct HugepageLimit {
        always {
            /// Such as `2MB`.
            pub page_size: String,
            /// Bytes.
            pub limit: u64,
        }
    }

    /// Marks on packets.
    #[derive(Default)]
    pub struct Network {
        /// The class of `net_cls`.
        #[serde(rename = "classID")]
        pub class_id: Option<u32>,
        /// The priorities of `net_prio`.
        pub priorities: Vec<InterfacePriority>,
    }

    /// An interface's priority.
    #[derive(Default)]
    pub struct InterfacePriority {
        always {
            /// The interface.
            pub name: String,
            /// Its priority.
            pub priority: u32,
        }
    }

    /// Limits on an RDMA device.
    #[derive(Default)]
    pub struct Rdma {
        /// Handles.
        pub hca_handles: Option<u32>,
        /// Objects.
        pub hca_objects: Option<u32>,
    }
}

words! {
    /// The type of devices that a rule is for.
    pub enum DeviceRuleKind {
        /// All of them.
        All = "a" | "",
        /// Block devices.
        Block = "b",
        /// Character devices.
        Character = "c" | "u",
    }
}
