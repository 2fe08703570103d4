//! What only Windows has.

use serde_json::Value;

document! {
    /// The Windows section of the configuration.
    #[derive(Default)]
    pub struct Windows {
        always {
            /// The layers' absolute paths, the topmost first, the writable one last.
            pub layer_folders: Vec<String>,
        }
        /// Devices that are mapped in.
        pub devices: Vec<Device>,
        /// Limits.
        pub resources: Option<Resources>,
        /// A group managed service account, as its JSON document.
        pub credential_spec: Option<Value>,
        /// Whether this run applies an update.
        pub servicing: bool,
        /// Whether flushes are ignored while it boots.
        pub ignore_flushes_during_boot: bool,
        /// Isolation by a virtual machine.
        #[serde(rename = "hyperv")]
        pub hyper_v: Option<HyperV>,
        /// Networks.
        pub network: Option<Network>,
    }

    /// A device of the host.
    #[derive(Default)]
    pub struct Device {
        always {
            /// Such as an interface class GUID.
            pub id: String,
            /// What kind of id that is.
            pub id_type: String,
        }
    }

    /// Limits.
    #[derive(Default)]
    pub struct Resources {
        /// Memory.
        pub memory: Option<Memory>,
        /// CPUs.
        pub cpu: Option<Cpu>,
        /// The system drive.
        pub storage: Option<Storage>,
    }

    /// A limit on memory.
    #[derive(Default)]
    pub struct Memory {
        /// Bytes.
        pub limit: Option<u64>,
    }

    /// Limits on CPUs.
    #[derive(Default)]
    pub struct Cpu {
        /// Number of CPUs.
        pub count: Option<u64>,
        /// The weight, 0 to 10000.
        pub shares: Option<u16>,
        /// Cycles in 10000.
        pub maximum: Option<u16>,
        /// The CPUs it may run on.
        pub affinity: Vec<GroupAffinity>,
    }

    /// CPUs of one processor group.
    #[derive(Default)]
    pub struct GroupAffinity {
        /// A bit each.
        pub mask: u64,
        /// The group.
        pub group: u32,
    }

    /// Limits on the system drive.
    #[derive(Default)]
    pub struct Storage {
        /// Operations a second.
        pub iops: Option<u64>,
        /// Bytes a second.
        pub bps: Option<u64>,
        /// The least size in bytes.
        pub sandbox_size: Option<u64>,
    }

    /// Networks.
    #[derive(Default)]
    pub struct Network {
        /// HNS endpoints.
        pub endpoint_list: Vec<String>,
        /// Whether a name without a dot is resolved.
        #[serde(rename = "allowUnqualifiedDNSQuery")]
        pub allow_unqualified_dns_query: bool,
        /// Suffixes for names.
        #[serde(rename = "DNSSearchList")]
        pub dns_search_list: Vec<String>,
        /// The container whose network this one shares.
        pub network_shared_container_name: String,
        /// The network namespace's name.
        pub network_namespace: String,
    }

    /// Isolation by a virtual machine.
    #[derive(Default)]
    pub struct HyperV {
        /// The utility VM's image.
        #[serde(rename = "utilityVMPath")]
        pub utility_vm_path: String,
    }
}
