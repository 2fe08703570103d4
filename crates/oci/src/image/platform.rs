//! What a program was built for.

use super::null_default;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An operating system and processor, in Go's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, `arm`...
    #[serde(default)]
    pub architecture: String,
    /// `linux`, `windows`...
    #[serde(default)]
    pub os: String,
    /// The Windows build that is needed.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features of the system that are needed.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The processor's generation: `v7`, `v8`...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformError {
    text: String,
    reason: &'static str,
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: invalid argument", self.text, self.reason)
    }
}

impl std::error::Error for PlatformError {}

impl Platform {
    /// A platform without a variant.
    pub fn new(os: &str, architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            ..Self::default()
        }
    }

    /// The one that this program runs on.
    pub fn host() -> Self {
        let mut host = Self::new("linux", go_architecture(std::env::consts::ARCH));
        if host.architecture == "arm64" {
            host.variant = Some("v8".to_owned());
        }
        host
    }

    /// How far `offered` is from what this one wants: 0 is the very same, `None` does not run.
    pub fn rank(&self, offered: &Self) -> Option<u32> {
        let os_fits = self.os.is_empty() || normal_os(&self.os) == normal_os(&offered.os);
        let architecture = go_architecture(&self.architecture);
        if !os_fits || architecture != go_architecture(&offered.architecture) {
            return None;
        }
        let version = match &self.os_version {
            Some(wanted) => version_rank(wanted, offered.os_version.as_deref())?,
            None => 0,
        };
        let wanted = generation(architecture, self.variant.as_deref())?;
        let offered = generation(architecture, offered.variant.as_deref())?;
        Some(wanted.checked_sub(offered)? * 2 + version)
    }
}

/// How far a system's version is from what is wanted: its build must be the same, as Windows
/// has it (`10.0.20348` of `10.0.20348.5`), its revision had better be.
fn version_rank(wanted: &str, offered: Option<&str>) -> Option<u32> {
    let offered = offered?;
    let build =
        |version: &str| -> Vec<String> { version.split('.').take(3).map(str::to_owned).collect() };
    (build(wanted) == build(offered)).then_some(u32::from(wanted != offered))
}

/// A variant as a number that grows with what the processor can do.
fn generation(architecture: &str, variant: Option<&str>) -> Option<u32> {
    let plain = match architecture {
        "arm64" => 8,
        "arm" => 7,
        _ => 1,
    };
    match variant {
        None | Some("") => Some(plain),
        Some(variant) => variant.strip_prefix('v').unwrap_or(variant).parse().ok(),
    }
}

fn go_architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" | "amd64" => "amd64",
        "aarch64" | "arm64" => "arm64",
        "x86" | "i386" | "i686" | "386" => "386",
        "armhf" | "armel" | "arm" => "arm",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

fn normal_os(name: &str) -> &str {
    if name == "macos" { "darwin" } else { name }
}

const SYSTEMS: [&str; 6] = ["linux", "windows", "darwin", "macos", "freebsd", "wasi"];
const ARCHITECTURES: [&str; 12] = [
    "amd64", "arm64", "386", "arm", "ppc64le", "ppc64", "s390x", "riscv64", "mips64le", "mips64",
    "loong64", "wasm",
];

impl FromStr for Platform {
    type Err = PlatformError;

    /// `os/arch`, `os/arch/variant`, `os` or `arch`; what is left out is the host's. A version
    /// may follow the system: `windows(10.0.20348)/amd64`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let wrong = |reason| PlatformError {
            text: text.chars().take(80).collect(),
            reason,
        };
        let error = || wrong("unknown operating system or architecture");
        let lower = text.to_ascii_lowercase();
        let mut parts: Vec<&str> = lower.split('/').collect();
        let mut version = None;
        if let [system, ..] = parts.as_mut_slice()
            && let Some((name, rest)) = system.split_once('(')
        {
            version = Some(rest.strip_suffix(')').ok_or_else(error)?);
            *system = name;
        }
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !parts.iter().chain(&version).all(word) {
            return Err(error());
        }
        if parts.len() > 3 {
            return Err(wrong("cannot parse platform specifier"));
        }
        let host = Self::host();
        let platform = match parts.as_slice() {
            [one] if version.is_some() && !SYSTEMS.contains(one) => Err(error()),
            [one] if SYSTEMS.contains(one) => Ok(Self {
                os: normal_os(one).to_owned(),
                ..host
            }),
            [one] if ARCHITECTURES.contains(&go_architecture(one)) => {
                Ok(Self::new(&host.os, go_architecture(one)))
            }
            [os, architecture] => Ok(Self::new(normal_os(os), go_architecture(architecture))),
            [os, architecture, variant] => Ok(Self {
                variant: Some((*variant).to_owned()),
                ..Self::new(normal_os(os), go_architecture(architecture))
            }),
            _ => Err(error()),
        };
        platform.map(|platform| Self {
            os_version: version.map(str::to_owned),
            ..platform
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = self
            .os_version
            .as_ref()
            .filter(|version| !version.is_empty())
        {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_as_docker_reads_it() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("LINUX/aarch64", "linux/arm64"),
            ("arm64", "linux/arm64"),
            ("windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64"),
            ("Windows(10.0.1)", "windows(10.0.1)/amd64"),
        ] {
            let platform: Platform = text.parse().unwrap();
            assert_eq!(platform.to_string(), shown);
        }
        for text in [
            "",
            "/",
            "linux/",
            "bogus",
            "a/b/c/d",
            "windows()/amd64",
            "windows(1/amd64",
            "amd64(1)",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_nearest_variant_that_runs_is_chosen() {
        let v7: Platform = "linux/arm/v7".parse().unwrap();
        let rank = |text: &str| v7.rank(&text.parse().unwrap());
        assert_eq!(rank("linux/arm/v7"), Some(0));
        assert_eq!(rank("linux/arm"), Some(0));
        assert_eq!(rank("linux/arm/v6"), Some(2));
        assert_eq!(rank("linux/arm/v8"), None);
        assert_eq!(rank("linux/arm64"), None);
        assert_eq!(rank("windows/arm/v7"), None);
    }

    #[test]
    fn windows_wants_its_own_build_and_rather_its_own_revision() {
        let rank = |wanted: &str, offered: &str| {
            let wanted: Platform = wanted.parse().unwrap();
            wanted.rank(&offered.parse().unwrap())
        };
        let own = "windows(10.0.20348.5)/amd64";
        assert_eq!(rank(own, own), Some(0));
        assert_eq!(rank(own, "windows(10.0.20348.9)/amd64"), Some(1));
        assert_eq!(rank(own, "windows(10.0.17763.5)/amd64"), None);
        assert_eq!(rank(own, "windows/amd64"), None);
        assert_eq!(rank("windows/amd64", own), Some(0));
    }
}
