//! The files of a container that are mounted over `/etc`: host name, hosts, name servers.

use crate::{
    ContainerRecord, ContainerSpec, EndpointState, Error, NetworkMode, NetworkState, UtsMode,
};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(crate) const HOSTNAME: &str = "hostname";
pub(crate) const HOSTS: &str = "hosts";
pub(crate) const RESOLV_CONF: &str = "resolv.conf";

/// The most that is read of a file of the host.
const CAP: u64 = 1 << 20;

/// The host name a container sees.
pub(crate) fn hostname(record: &ContainerRecord) -> String {
    match record.spec.hostname.as_str() {
        "" => record.id.short().to_owned(),
        name => name.to_owned(),
    }
}

/// Makes the files that are not there; a restarted container keeps what it wrote to them.
pub(crate) fn prepare(
    record: &ContainerRecord,
    dir: &Path,
    network: &NetworkState,
) -> Result<(), Error> {
    if !network.endpoints.is_empty() {
        // Its addresses are new at each start.
        fresh(&dir.join(HOSTS))?;
    }
    let host_network = record.spec.namespaces.network == NetworkMode::Host;
    let host_uts = record.spec.namespaces.uts == UtsMode::Host;
    make(&dir.join(HOSTNAME), || match host_uts {
        true => read_host(Path::new("/etc/hostname")),
        false => Ok(format!("{}\n", hostname(record))),
    })?;
    make(&dir.join(HOSTS), || {
        let mut text = hosts(&record.spec, host_network)?;
        text.push_str(&own_lines(record, network));
        Ok(text)
    })?;
    make(&dir.join(RESOLV_CONF), || resolv_conf(&record.spec))
}

/// Removes a file so that it is made again.
fn fresh(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The container's own addresses under its host name.
fn own_lines(record: &ContainerRecord, network: &NetworkState) -> String {
    let mut names = hostname(record);
    if !record.spec.domainname.is_empty() {
        names = format!("{names}.{} {names}", record.spec.domainname);
    }
    let places = network.endpoints.iter().flat_map(EndpointState::addresses);
    places
        .map(|(address, _)| format!("{address}\t{names}\n"))
        .collect()
}

fn make(path: &Path, content: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(Error::io("create", path)(error)),
    };
    let written = content().and_then(|content| {
        file.write_all(content.as_bytes())
            .map_err(Error::io("write", path))
    });
    if written.is_err() {
        // A half of it must not be taken for all at the next start.
        drop(fs::remove_file(path));
    }
    written
}

fn hosts(spec: &ContainerSpec, host_network: bool) -> Result<String, Error> {
    let mut text = match host_network {
        true => read_host(Path::new("/etc/hosts"))?,
        false => concat!(
            "127.0.0.1\tlocalhost\n",
            "::1\tlocalhost ip6-localhost ip6-loopback\n",
            "fe00::\tip6-localnet\n",
            "ff00::\tip6-mcastprefix\n",
            "ff02::1\tip6-allnodes\n",
            "ff02::2\tip6-allrouters\n",
        )
        .to_owned(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for host in &spec.extra_hosts {
        let (name, address) = extra_host(host)?;
        text.push_str(&format!("{address}\t{name}\n"));
    }
    Ok(text)
}

/// `name:address` or `name=address`; the address may be in brackets.
pub(crate) fn extra_host(text: &str) -> Result<(&str, std::net::IpAddr), Error> {
    let invalid = || {
        Error::invalid(
            "HostConfig.ExtraHosts",
            format!("{text:?} is no NAME:ADDRESS"),
        )
    };
    let (name, address) = text.split_once(['=', ':']).ok_or_else(invalid)?;
    if address == "host-gateway" {
        return Err(Error::Unsupported {
            option: format!("HostConfig.ExtraHosts {text}"),
            reason: "there is no gateway without a bridge network",
        });
    }
    let address = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    let word = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    if name.is_empty() || name.contains(word) {
        return Err(invalid());
    }
    Ok((name, address.parse().map_err(|_| invalid())?))
}

fn resolv_conf(spec: &ContainerSpec) -> Result<String, Error> {
    let host = match read_host(Path::new("/etc/resolv.conf")) {
        Ok(text) => text,
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    Ok(resolv_conf_over(&host, spec))
}

/// The host's file, with each kind of line replaced that the caller gave.
fn resolv_conf_over(host: &str, spec: &ContainerSpec) -> String {
    let replaced = |line: &str| match line.split_whitespace().next() {
        Some("nameserver") => !spec.dns.is_empty(),
        Some("search" | "domain") => !spec.dns_search.is_empty(),
        Some("options") => !spec.dns_options.is_empty(),
        _ => false,
    };
    let mut text = String::new();
    for line in host.lines().filter(|line| !replaced(line)) {
        text.push_str(line);
        text.push('\n');
    }
    for server in &spec.dns {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !spec.dns_search.is_empty() && spec.dns_search != ["."] {
        text.push_str(&format!("search {}\n", spec.dns_search.join(" ")));
    }
    if !spec.dns_options.is_empty() {
        text.push_str(&format!("options {}\n", spec.dns_options.join(" ")));
    }
    text
}

fn read_host(path: &Path) -> Result<String, Error> {
    let read = || -> std::io::Result<String> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(CAP).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(Error::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_name_servers_replace_the_hosts_and_leave_the_rest() {
        let host = "# by dhcp\nnameserver 10.0.0.1\nsearch example.com\noptions ndots:2\n";
        let mut spec = ContainerSpec::default();
        assert_eq!(resolv_conf_over(host, &spec), host);
        spec.dns = vec!["1.1.1.1".to_owned()];
        assert_eq!(
            resolv_conf_over(host, &spec),
            "# by dhcp\nsearch example.com\noptions ndots:2\nnameserver 1.1.1.1\n"
        );
        spec.dns_search = vec![".".to_owned()];
        assert!(!resolv_conf_over(host, &spec).contains("search"));
    }

    #[test]
    fn an_extra_host_is_a_name_and_an_address() {
        assert_eq!(extra_host("db:10.0.0.7").unwrap().0, "db");
        assert_eq!(
            extra_host("db=[::1]").unwrap().1,
            "::1".parse::<std::net::IpAddr>().unwrap()
        );
        assert_eq!(
            extra_host("db:::1").unwrap().1,
            "::1".parse::<std::net::IpAddr>().unwrap()
        );
        for bad in [
            "db",
            "db:",
            ":1.1.1.1",
            "a b:1.1.1.1",
            "db:host",
            "a\n:1.1.1.1",
            "x:host-gateway",
        ] {
            assert!(extra_host(bad).is_err(), "{bad:?}");
        }
    }
}
