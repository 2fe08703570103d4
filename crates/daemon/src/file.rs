//! `daemon.json`: dockerd's keys; a key that is not known, or not done, is an error naming it.

use crate::defaults::{FileSize, FileUlimit};
use crate::networks::FilePool;
use crate::registries::FileProxies;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the file may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct File {
    pub(crate) data_root: Option<PathBuf>,
    pub(crate) exec_root: Option<PathBuf>,
    pub(crate) hosts: Vec<String>,
    pub(crate) group: Option<String>,
    pub(crate) tls: Option<bool>,
    pub(crate) tlsverify: Option<bool>,
    pub(crate) tlscacert: Option<PathBuf>,
    pub(crate) tlscert: Option<PathBuf>,
    pub(crate) tlskey: Option<PathBuf>,
    pub(crate) metrics_addr: Option<String>,
    pub(crate) debug: Option<bool>,
    pub(crate) log_level: Option<String>,
    pub(crate) log_format: Option<String>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) labels: Vec<String>,
    pub(crate) shutdown_timeout: Option<u64>,
    pub(crate) log_driver: Option<String>,
    pub(crate) log_opts: BTreeMap<String, String>,
    pub(crate) storage_driver: Option<String>,
    pub(crate) init: Option<bool>,
    pub(crate) cgroup_parent: Option<String>,
    pub(crate) exec_opts: Vec<String>,
    pub(crate) registry_mirrors: Vec<String>,
    pub(crate) insecure_registries: Vec<String>,
    /// Directories of what is said of registries' hosts: ours, no key of dockerd's.
    pub(crate) registry_hosts: Vec<PathBuf>,
    /// Credentials of mirrors: ours as well.
    pub(crate) registry_credentials: Option<PathBuf>,
    pub(crate) proxies: FileProxies,
    pub(crate) bip: Option<String>,
    pub(crate) fixed_cidr: Option<String>,
    pub(crate) fixed_cidr_v6: Option<String>,
    pub(crate) ipv6: Option<bool>,
    pub(crate) icc: Option<bool>,
    pub(crate) ip_masq: Option<bool>,
    pub(crate) ip: Option<String>,
    pub(crate) mtu: Option<u32>,
    pub(crate) dns: Vec<String>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) dns_opts: Vec<String>,
    pub(crate) host_gateway_ip: Option<String>,
    pub(crate) host_gateway_ips: Vec<String>,
    pub(crate) default_address_pools: Vec<FilePool>,
    pub(crate) default_network_opts: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) idle_timeout: Option<u64>,
    pub(crate) default_ulimits: BTreeMap<String, FileUlimit>,
    pub(crate) no_new_privileges: Option<bool>,
    pub(crate) seccomp_profile: Option<String>,
    pub(crate) default_ipc_mode: Option<String>,
    pub(crate) default_cgroupns_mode: Option<String>,
    pub(crate) max_concurrent_downloads: Option<usize>,
    pub(crate) max_concurrent_uploads: Option<usize>,
    pub(crate) max_download_attempts: Option<u32>,
    pub(crate) userns_remap: Option<String>,
    pub(crate) default_shm_size: Option<FileSize>,
}

/// The keys of [`File`].
pub(crate) const KNOWN: [&str; 53] = [
    "data-root",
    "exec-root",
    "hosts",
    "group",
    "tls",
    "tlsverify",
    "tlscacert",
    "tlscert",
    "tlskey",
    "metrics-addr",
    "debug",
    "log-level",
    "log-format",
    "pidfile",
    "labels",
    "shutdown-timeout",
    "log-driver",
    "log-opts",
    "storage-driver",
    "init",
    "cgroup-parent",
    "exec-opts",
    "registry-mirrors",
    "insecure-registries",
    "registry-hosts",
    "registry-credentials",
    "proxies",
    "bip",
    "fixed-cidr",
    "fixed-cidr-v6",
    "ipv6",
    "icc",
    "ip-masq",
    "ip",
    "mtu",
    "dns",
    "dns-search",
    "dns-opts",
    "host-gateway-ip",
    "host-gateway-ips",
    "default-address-pools",
    "default-network-opts",
    "idle-timeout",
    "default-ulimits",
    "no-new-privileges",
    "seccomp-profile",
    "default-ipc-mode",
    "default-cgroupns-mode",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "userns-remap",
    "default-shm-size",
];

impl File {
    /// Reads the file; without `required` there need not be one.
    pub(crate) fn read(path: &Path, required: bool) -> anyhow::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound && !required => {
                return Ok(Self::default());
            }
            Err(error) => Err(error).with_context(|| unable(path))?,
        };
        Self::parse(&bytes).with_context(|| unable(path))
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let keys: BTreeMap<String, serde_json::Value> = serde_json::from_slice(bytes)?;
        let mut unknown: Vec<&str> = Vec::new();
        for (key, value) in &keys {
            if !KNOWN.contains(&key.as_str()) && !crate::fixed::check(key, value)? {
                unknown.push(key);
            }
        }
        if !unknown.is_empty() {
            bail!(
                "the following directives don't match any configuration option: {}",
                unknown.join(", ")
            );
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// dockerd's words.
pub(crate) fn unable(path: &Path) -> String {
    format!(
        "unable to configure the daemon with file {}",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read() {
        let file = File::parse(br#"{"debug":true,"hosts":["fd://"],"log-opts":{"max-size":"1m"}}"#);
        let file = file.unwrap();
        assert_eq!(file.debug, Some(true));
        assert_eq!(file.hosts, ["fd://"]);
        assert_eq!(file.log_opts["max-size"], "1m");
        assert!(File::parse(b" \n").is_ok());
    }

    #[test]
    fn keys_that_are_not_known_are_named() {
        let error = File::parse(br#"{"debug":true,"bridges":"x","nope":1}"#).unwrap_err();
        let expected =
            "the following directives don't match any configuration option: bridges, nope";
        assert_eq!(error.to_string(), expected);
        assert!(File::parse(br#"{"live-restore":false}"#).is_err());
        assert!(File::parse(br#"{"debug":"yes"}"#).is_err());
    }
}
