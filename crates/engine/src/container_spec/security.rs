//! What a container may do.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a container may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecuritySpec {
    /// All capabilities, all devices, no filters, nothing masked.
    pub privileged: bool,
    /// Capabilities beyond the default, with or without `CAP_`, or `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities taken from the default, or `ALL`.
    pub cap_drop: Vec<String>,
    /// Supplementary groups, names or numbers.
    pub group_add: Vec<String>,
    /// No program gains privileges by set-user-id bits.
    pub no_new_privileges: bool,
    /// Which system calls are filtered.
    pub seccomp: SeccompMode,
    /// The AppArmor profile; `None`: the default where AppArmor is enabled.
    pub apparmor: Option<String>,
    /// SELinux label options: `user:`, `role:`, `type:`, `level:`, `disable`.
    pub selinux: Vec<String>,
    /// The options as the caller wrote them, for inspect.
    pub options: Vec<String>,
    /// Paths hidden from the program; `None`: the default list.
    pub masked_paths: Option<Vec<String>>,
    /// Paths it cannot write to; `None`: the default list.
    pub read_only_paths: Option<Vec<String>>,
    /// Its own control groups can be written to.
    pub writable_cgroups: bool,
    /// Kernel parameters of its namespaces.
    pub sysctls: BTreeMap<String, String>,
}

/// Which system calls are filtered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeccompMode {
    /// Docker's default profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A profile given by the caller: Docker's JSON, checked at creation.
    Profile(serde_json::Value),
}
