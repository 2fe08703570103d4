//! How registries are spoken to.

use crate::Proxies;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The daemon's settings about registries: `insecure-registries`, `registry-mirrors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Hosts (`host`, `host:port`) or networks (`10.0.0.0/8`) that may be spoken to without
    /// TLS, or with a certificate that nobody vouches for. Loopback is always among them.
    pub insecure: Vec<String>,
    /// URLs of mirrors that are asked before `docker.io`.
    pub mirrors: Vec<String>,
    /// Directories with a directory for each host: `hosts.toml` as containerd has it, or
    /// certificates as docker has them. The first that knows a host counts.
    pub hosts: Vec<PathBuf>,
    /// A file in the form of docker's `config.json`: what mirrors are shown, each its own.
    pub credentials: Option<PathBuf>,
    /// Proxies on the way.
    pub proxies: Proxies,
    /// How long to wait and how often to try.
    pub patience: Patience,
    /// How big blobs are fetched.
    pub split: Split,
}

/// How a big blob is fetched: in stretches, several of them at once. One connection alone is
/// often slower than the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The fewest missing bytes that are split.
    pub least: u64,
    /// Bytes of a stretch.
    pub stretch: u64,
    /// Stretches on their way or waiting for their turn, in memory.
    pub ahead: usize,
}

impl Default for Split {
    fn default() -> Self {
        Self {
            least: 64 << 20,
            stretch: 8 << 20,
            ahead: 2,
        }
    }
}

/// How long to wait for a registry, and how often to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in a row that get nowhere.
    pub attempts: u32,
    /// The pause after the first; it doubles each time.
    pub pause: Duration,
    /// The longest pause, also of those that a registry asks for.
    pub longest: Duration,
    /// To connect, TLS and all.
    pub connect: Duration,
    /// For the head of an answer, and for the next bytes of its body.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// Where corten, containerd and docker have what is said of hosts: for root in `/etc`, for
    /// others in their own configuration.
    pub fn places() -> Vec<PathBuf> {
        let within = |dir: &Path, names: &[&str]| {
            let place = |name: &&str| dir.join(name).join("certs.d");
            names.iter().map(place).collect()
        };
        if rustix::process::geteuid().is_root() {
            return within(Path::new("/etc"), &["corten", "containerd", "docker"]);
        }
        let variable = |name| Some(PathBuf::from(std::env::var_os(name)?));
        let own = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let own = own.or_else(|| Some(variable("HOME")?.join(".config")));
        let own = own.map(|own| within(&own, &["corten", "docker"]));
        own.unwrap_or_default()
    }

    /// Whether `host` (with or without a port) may be spoken to in the clear.
    pub(crate) fn is_insecure(&self, host: &str) -> bool {
        if is_loopback(host) {
            return true;
        }
        let name = name_of(host);
        let address: Option<IpAddr> = name.parse().ok();
        self.insecure.iter().any(|rule| match rule.split_once('/') {
            Some((network, bits)) => address.is_some_and(|a| is_within(a, network, bits)),
            None => rule == host || rule == name,
        })
    }
}

/// Whether a host, with or without a port, is this machine by name or address.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    let address: Option<IpAddr> = name.parse().ok();
    name == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// The host without its port and brackets.
pub(crate) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    let host_bits = width - bits.min(width);
    // A shift by the whole width is none.
    address.checked_shr(host_bits).unwrap_or(0) == network.checked_shr(host_bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_listed_hosts_are_insecure() {
        let settings = Settings {
            insecure: vec![
                "10.1.0.0/16".into(),
                "reg.local".into(),
                "b:5000".into(),
                "fd00::/8".into(),
            ],
            ..Settings::default()
        };
        for host in [
            "localhost:5000",
            "127.9.9.9",
            "[::1]:5000",
            "10.1.2.3:80",
            "reg.local:99",
            "b:5000",
            "[fd12::1]",
        ] {
            assert!(settings.is_insecure(host), "{host}");
        }
        for host in [
            "docker.io",
            "10.2.0.1",
            "b",
            "b:5001",
            "localhost.example",
            "[fe80::1]:80",
        ] {
            assert!(!settings.is_insecure(host), "{host}");
        }
    }
}
