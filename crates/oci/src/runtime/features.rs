//! The features document: what a runtime can do. A missing field is "unknown", never "no".

use std::collections::BTreeMap;

document! {
    /// The document.
    #[derive(Default)]
    pub struct Features {
        /// The oldest version of the specification understood.
        pub oci_version_min: String,
        /// The newest.
        pub oci_version_max: String,
        /// Names of hooks.
        pub hooks: Option<Vec<String>>,
        /// Mount options that are no data of the file system.
        pub mount_options: Option<Vec<String>>,
        /// What only Linux has.
        pub linux: Option<Linux>,
        /// The implementation's own words.
        pub annotations: BTreeMap<String, String>,
        /// Annotations of the configuration that can be dangerous; one ending in `.` is a prefix.
        pub potentially_unsafe_config_annotations: Vec<String>,
    }

    /// What only Linux has.
    #[derive(Default)]
    pub struct Linux {
        /// Kinds of namespace.
        pub namespaces: Option<Vec<String>>,
        /// Names of capabilities.
        pub capabilities: Option<Vec<String>>,
        /// Control groups.
        pub cgroup: Option<Cgroup>,
        /// System call filters.
        pub seccomp: Option<Seccomp>,
        /// AppArmor.
        pub apparmor: Option<Enabled>,
        /// SELinux.
        pub selinux: Option<Enabled>,
        /// Intel's resource director.
        pub intel_rdt: Option<IntelRdt>,
        /// NUMA memory policies.
        pub memory_policy: Option<MemoryPolicy>,
        /// Kinds of mounts beyond the usual.
        pub mount_extensions: Option<MountExtensions>,
        /// Network devices that move in.
        pub net_devices: Option<Enabled>,
    }

    /// Control groups.
    #[derive(Default)]
    pub struct Cgroup {
        /// Version 1.
        pub v1: Option<bool>,
        /// Version 2.
        pub v2: Option<bool>,
        /// Through systemd.
        pub systemd: Option<bool>,
        /// Through a user's systemd.
        pub systemd_user: Option<bool>,
        /// RDMA.
        pub rdma: Option<bool>,
    }

    /// System call filters.
    #[derive(Default)]
    pub struct Seccomp {
        /// Whether there are any.
        pub enabled: Option<bool>,
        /// Words for actions.
        pub actions: Option<Vec<String>>,
        /// Words for comparisons.
        pub operators: Option<Vec<String>>,
        /// Words for architectures.
        pub archs: Option<Vec<String>>,
        /// Flags understood.
        pub known_flags: Option<Vec<String>>,
        /// Flags that the kernel has, too.
        pub supported_flags: Option<Vec<String>>,
    }

    /// A thing that is there or not.
    #[derive(Default)]
    pub struct Enabled {
        /// Whether it is.
        pub enabled: Option<bool>,
    }

    /// Intel's resource director.
    #[derive(Default)]
    pub struct IntelRdt {
        /// Whether it is there.
        pub enabled: Option<bool>,
        /// Whether `schemata` is.
        pub schemata: Option<bool>,
        /// Whether `enableMonitoring` is.
        pub monitoring: Option<bool>,
    }

    /// NUMA memory policies.
    #[derive(Default)]
    pub struct MemoryPolicy {
        /// Words for modes.
        pub modes: Option<Vec<String>>,
        /// Words for flags.
        pub flags: Option<Vec<String>>,
    }

    /// Kinds of mounts beyond the usual.
    #[derive(Default)]
    pub struct MountExtensions {
        /// Mounts with a mapping of ids.
        pub idmap: Option<Enabled>,
    }
}
