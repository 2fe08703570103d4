//! Profiles in Docker's format: an OCI filter whose rules depend on the host and on capabilities.

use crate::Error;
use crate::abi::Abi;
use oci::runtime::{Arch, Seccomp, SeccompAction, SeccompArg, SeccompFlag, Syscall};
use serde::Deserialize;
use std::sync::OnceLock;

/// Docker's default profile. From moby's published `default.json`, arranged anew.
const DOCKER: &str = include_str!("../data/docker.json");

/// A profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: SeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<Arch>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    flags: Option<Vec<SeccompFlag>>,
    #[serde(default)]
    listener_path: String,
    #[serde(default)]
    listener_metadata: String,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: SeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<SeccompArg>>,
    #[serde(default)]
    includes: Option<Conditions>,
    #[serde(default)]
    excludes: Option<Conditions>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conditions {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// What a profile's rules depend on beside capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// The native architecture.
    pub arch: Arch,
    /// The kernel's version and patch level.
    pub kernel: (u32, u32),
}

impl Host {
    /// This program's architecture, and the oldest kernel that corten runs on.
    pub const NATIVE: Self = Self {
        arch: Abi::NATIVE,
        kernel: (5, 4),
    };
}

/// Docker's default profile for a container with these capabilities in its bounding set.
pub fn docker_default(capabilities: &[impl AsRef<str>], host: Host) -> Seccomp {
    static PROFILE: OnceLock<Profile> = OnceLock::new();
    PROFILE
        .get_or_init(|| serde_json::from_str(DOCKER).expect("the profile is tested to be valid"))
        .evaluate(capabilities, host)
}

impl Profile {
    /// Reads a profile, as `--security-opt seccomp=FILE` names.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let profile: Self =
            serde_json::from_slice(bytes).map_err(|error| Error::Profile(error.to_string()))?;
        let both = |reason: &str| Err(Error::Profile(reason.to_owned()));
        if is_given(profile.architectures.as_ref()) && is_given(profile.arch_map.as_ref()) {
            return both("use either 'architectures' or 'archMap'");
        }
        let named_twice = |rule: &Rule| rule.name.is_some() && is_given(rule.names.as_ref());
        if profile.syscalls.iter().flatten().any(named_twice) {
            return both("use either 'name' or 'names'");
        }
        Ok(profile)
    }

    /// The filter for a container with these capabilities in its bounding set.
    pub fn evaluate(&self, capabilities: &[impl AsRef<str>], host: Host) -> Seccomp {
        let has = |wanted: &String| capabilities.iter().any(|one| one.as_ref() == wanted);
        let mut architectures = self.architectures.clone().unwrap_or_default();
        let map = self.arch_map.iter().flatten();
        if let Some(map) = map.into_iter().find(|map| map.architecture == host.arch) {
            architectures.push(map.architecture);
            architectures.extend(map.sub_architectures.iter().flatten());
        }
        let rules = self.syscalls.iter().flatten();
        let applies = |rule: &&Rule| {
            let excluded = rule.excludes.as_ref().is_some_and(|one| one.any(has, host));
            let included = rule.includes.as_ref().is_none_or(|one| one.all(has, host));
            included && !excluded
        };
        Seccomp {
            default_action: self.default_action,
            default_errno_ret: self.default_errno_ret,
            architectures,
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone(),
            listener_metadata: self.listener_metadata.clone(),
            syscalls: rules.filter(applies).map(Rule::plain).collect(),
        }
    }
}

fn is_given<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

impl Rule {
    fn plain(&self) -> Syscall {
        let names = self.names.iter().flatten().chain(&self.name);
        Syscall {
            action: self.action,
            names: names.cloned().collect(),
            errno_ret: self.errno_ret,
            args: self.args.clone().unwrap_or_default(),
        }
    }
}

impl Conditions {
    /// Whether every kind of condition that is given holds, with all of its capabilities.
    fn all(&self, has: impl Fn(&String) -> bool, host: Host) -> bool {
        let arches = self.arches.as_ref().filter(|list| !list.is_empty());
        arches.is_none_or(|list| list.iter().any(|one| one == arch_name(host.arch)))
            && self.caps.iter().flatten().all(has)
            && self
                .min_kernel
                .as_ref()
                .is_none_or(|kernel| host.has(kernel))
    }

    /// Whether one condition holds.
    fn any(&self, has: impl Fn(&String) -> bool, host: Host) -> bool {
        let arches = self.arches.iter().flatten();
        arches.into_iter().any(|one| one == arch_name(host.arch))
            || self.caps.iter().flatten().any(has)
            || self
                .min_kernel
                .as_ref()
                .is_some_and(|kernel| host.has(kernel))
    }
}

impl Host {
    /// Whether the kernel is at least `version.patchlevel`; what cannot be read is newer.
    fn has(self, kernel: &str) -> bool {
        let mut parts = kernel
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
        let wanted = (parts.next().unwrap_or(u32::MAX), parts.next().unwrap_or(0));
        self.kernel >= wanted
    }
}

/// The word for an architecture in `arches`.
const fn arch_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "x86",
        Arch::X86_64 => "amd64",
        Arch::X32 => "x32",
        Arch::Arm => "arm",
        Arch::Aarch64 => "arm64",
        Arch::Riscv64 => "riscv64",
        Arch::Loongarch64 => "loongarch64",
        Arch::Ppc => "ppc",
        Arch::Ppc64 => "ppc64",
        Arch::Ppc64le => "ppc64le",
        Arch::S390 => "s390",
        Arch::S390x => "s390x",
        Arch::Mips => "mips",
        Arch::Mipsel => "mipsel",
        Arch::Mips64 => "mips64",
        Arch::Mips64N32 => "mips64n32",
        Arch::Mipsel64 => "mipsel64",
        Arch::Mipsel64N32 => "mipsel64n32",
        Arch::Parisc => "parisc",
        Arch::Parisc64 => "parisc64",
        Arch::M68k => "m68k",
        Arch::Sh => "sh",
        Arch::Sheb => "sheb",
    }
}
