//! The runtime specification, version 1.3: `config.json`, the state and the features documents.
//!
//! Fields that Go's encoder would leave out when empty are left out here too, `null` reads as
//! the field's default as Go reads it, and unknown fields are ignored as the specification
//! demands. Names of fields are read in any case, and fields that are given again are merged, as
//! Go reads them. A value outside of an enumeration is an error that names the field:
//! see [`Spec::from_slice`].

/// Declares structs of a document: after the optional sections `required` (must be there) and
/// `always` (written even when empty), every field is left out when it has its default.
macro_rules! document {
    ($(
        $(#[$outer:meta])*
        pub struct $name:ident {
            $(required { $( $(#[$rmeta:meta])* pub $rfield:ident: $rtype:ty, )* })?
            $(always { $( $(#[$ameta:meta])* pub $afield:ident: $atype:ty, )* })?
            $( $(#[$meta:meta])* pub $field:ident: $type:ty, )*
        }
    )*) => {$(
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($( $(#[$rmeta])* pub $rfield: $rtype, )*)?
            $($(
                $(#[$ameta])*
                #[serde(default, deserialize_with = "crate::runtime::null_as_default")]
                pub $afield: $atype,
            )*)?
            $(
                $(#[$meta])*
                #[serde(
                    default,
                    skip_serializing_if = "crate::runtime::is_default",
                    deserialize_with = "crate::runtime::null_as_default"
                )]
                pub $field: $type,
            )*
        }
    )*};
}

/// Declares enumerations of words, each with the exact word of the document.
macro_rules! words {
    ($(
        $(#[$outer:meta])*
        pub enum $name:ident { $( $(#[$meta:meta])* $variant:ident = $word:literal $(| $alias:literal)*, )* }
    )*) => {$(
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $( $(#[$meta])* #[serde(rename = $word $(, alias = $alias)*)] $variant, )*
        }

        impl $name {
            /// Every value there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in the document.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

pub mod features;
mod fold;
mod ids;
mod linux;
mod merge;
mod parse;
mod process;
mod resources;
mod seccomp;
mod spec;
mod state;
mod vm;
pub mod windows;

pub use features::Features;
pub use ids::IdMaps;
pub use linux::{
    Device, DeviceKind, IdMapping, IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag,
    MemoryPolicyMode, Namespace, NamespaceKind, NetDevice, Personality, PersonalityDomain,
    Propagation, TimeOffset,
};
pub use parse::ParseError;
pub use process::{
    Capabilities, ConsoleSize, CpuAffinity, IoPriority, IoPriorityClass, Process, Rlimit,
    RlimitKind, Scheduler, SchedulerFlag, SchedulerPolicy, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, DeviceRuleKind, HugepageLimit, InterfacePriority, Memory, Network,
    Pids, Rdma, Resources, ThrottleDevice, WeightDevice,
};
pub use seccomp::{
    Arch, Seccomp, SeccompAction, SeccompArg, SeccompFlag, SeccompOperator, Syscall,
};
pub use spec::{Hook, Hooks, Mount, Root, Spec};
pub use state::{ProcessState, State, Status};
pub use vm::{HardwareConfig, Hypervisor, IoMem, Kernel, Vm, VmImage};
pub use windows::Windows;

/// The version of the specification that these documents follow.
pub const VERSION: &str = "1.3.0";

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Go's decoder leaves a field as it was when it reads `null`, and so do callers in Go expect.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    let value: Option<T> = serde::Deserialize::deserialize(deserializer)?;
    Ok(value.unwrap_or_default())
}

#[cfg(test)]
mod tests;
