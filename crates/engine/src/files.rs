//! The files of a container that are mounted over `/etc`: host name, hosts, name servers.

use crate::links::{self, Linked};
use crate::resolv_conf;
use crate::{
    ContainerRecord, ContainerSpec, EndpointState, Error, NetworkMode, NetworkState, UtsMode,
};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use types::{ContainerId, Paths};

pub(crate) const HOSTNAME: &str = "hostname";
pub(crate) const HOSTS: &str = "hosts";
pub(crate) const RESOLV_CONF: &str = "resolv.conf";
/// `resolv.conf` as we made it last.
const MADE: &str = "resolv.conf.made";

/// Every one of them.
pub(crate) const ALL: [&str; 4] = [HOSTNAME, HOSTS, RESOLV_CONF, MADE];

/// The most that is read of a file of the host.
const CAP: u64 = 1 << 20;

/// Where a container's files are: with the container whose network it shares, if it does.
pub(crate) fn directory(
    paths: &Paths,
    record: &ContainerRecord,
    network: &NetworkState,
) -> PathBuf {
    let named = match &record.spec.namespaces.network {
        NetworkMode::Container(of) => of.parse::<ContainerId>().ok(),
        _ => None,
    };
    // Who runs knows whose it is, also where the one that is named shares it too.
    let of = network.donor.as_ref().or(named.as_ref());
    paths.container(of.unwrap_or(&record.id))
}

/// The host name a container sees.
pub(crate) fn hostname(record: &ContainerRecord) -> String {
    match record.spec.hostname.as_str() {
        "" => record.id.short().to_owned(),
        name => name.to_owned(),
    }
}

/// What changed in the networks of a running container.
#[derive(Debug)]
pub(crate) enum Rewrite {
    /// It has these places too.
    Joined(Vec<EndpointState>),
    /// It had these.
    Left(Vec<EndpointState>),
    /// These containers that it links run, at these addresses.
    Linked(Vec<Linked>),
    /// It links nobody under this alias any more.
    Unlinked(String),
}

/// Makes the files; a restarted container keeps what it wrote to its host name and its name
/// servers. `gateways` are the host's addresses on the default bridge.
pub(crate) fn prepare(
    record: &ContainerRecord,
    dir: &Path,
    (network, linked): (&NetworkState, &[Linked]),
    gateways: &[IpAddr],
) -> Result<(), Error> {
    if !network.endpoints.is_empty() {
        // Its addresses are new at each start.
        fresh(&dir.join(HOSTS))?;
    }
    let host_network = record.spec.namespaces.network == NetworkMode::Host;
    let host_uts = record.spec.namespaces.uts == UtsMode::Host;
    make(&dir.join(HOSTNAME), || {
        let host = match host_uts {
            true => read_host_if_any(Path::new("/etc/hostname"))?,
            false => None,
        };
        Ok(host.unwrap_or_else(|| format!("{}\n", hostname(record))))
    })?;
    make(&dir.join(HOSTS), || {
        let mut text = hosts(&record.spec, host_network, gateways)?;
        text.extend(linked.iter().map(Linked::lines));
        text.push_str(&own_lines(record, &network.endpoints));
        Ok(text)
    })?;
    name_servers(record, dir, network)
}

/// Brings the files of a running container to its networks. They are mounted, so that they
/// are written in their place.
pub(crate) fn rewrite(
    record: &ContainerRecord,
    dir: &Path,
    network: &NetworkState,
    change: &Rewrite,
) -> Result<(), Error> {
    let path = dir.join(HOSTS);
    let mut text = read_host(&path)?;
    match change {
        Rewrite::Joined(places) => text.push_str(&own_lines(record, places)),
        Rewrite::Left(places) => {
            let gone = own_lines(record, places);
            text = kept(&text, |line| !gone.lines().any(|gone| gone == line));
        }
        Rewrite::Linked(linked) => {
            for linked in linked {
                text = replaced(&text, linked);
            }
        }
        Rewrite::Unlinked(alias) => text = kept(&text, |line| !links::is_of(line, alias)),
    }
    overwrite(&path, &text)?;
    name_servers(record, dir, network)
}

/// Writes a file anew. An empty one is not cut: what was cut goes to the disk as it is closed.
fn overwrite(path: &Path, text: &str) -> Result<(), Error> {
    let write = || {
        let mut file = create(path)?;
        if file.metadata()?.len() > 0 {
            file.set_len(0)?;
        }
        file.write_all(text.as_bytes())
    };
    write().map_err(Error::io("write", path))
}

/// Opens a file to be written, as it is if it is there.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    options.mode(0o644).open(path)
}

fn kept(text: &str, stays: impl Fn(&str) -> bool) -> String {
    let lines = text.lines().filter(|line| stays(line));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The lines with a linked container's in the place of those that it had; one that had none is
/// left out.
fn replaced(text: &str, linked: &Linked) -> String {
    let mut new = Some(linked.lines());
    let lines = text.lines().filter_map(|line| match linked.has_line(line) {
        true => new.take(),
        false => Some(format!("{line}\n")),
    });
    lines.collect()
}

/// Makes `resolv.conf`, unless somebody has changed what was made before.
fn name_servers(record: &ContainerRecord, dir: &Path, network: &NetworkState) -> Result<(), Error> {
    let (path, made) = (dir.join(RESOLV_CONF), dir.join(MADE));
    let read = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(Error::io("read", path)),
    };
    let before = read(&path)?;
    if before.is_some() && before != read(&made)? {
        return Ok(());
    }
    let host = read_host_if_any(Path::new("/etc/resolv.conf"))?.unwrap_or_default();
    let text = resolv_conf::generate(&host, &record.spec, questions(record, network));
    if before.is_some_and(|before| before == text.as_bytes()) {
        return Ok(());
    }
    // In this order: a file that is not as it was made is somebody's.
    overwrite(&made, &text)?;
    overwrite(&path, &text)
}

/// Where the container's questions go.
fn questions(record: &ContainerRecord, network: &NetworkState) -> resolv_conf::Network {
    let places = &network.endpoints;
    let ipv6 = places.iter().any(|place| place.ipv6.is_some());
    match record.spec.namespaces.network {
        NetworkMode::Host => resolv_conf::Network::Host,
        _ if places.iter().any(|place| !place.names.is_empty()) => {
            resolv_conf::Network::Named { ipv6 }
        }
        _ => resolv_conf::Network::Plain { ipv6 },
    }
}

/// Removes a file so that it is made again; an empty one was made ahead.
fn fresh(path: &Path) -> Result<(), Error> {
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The container's own addresses under its host name.
fn own_lines(record: &ContainerRecord, places: &[EndpointState]) -> String {
    let mut names = hostname(record);
    if !record.spec.domainname.is_empty() {
        names = format!("{names}.{} {names}", record.spec.domainname);
    }
    let addresses = places.iter().flat_map(EndpointState::addresses);
    addresses
        .map(|(address, _)| format!("{address}\t{names}\n"))
        .collect()
}

fn make(path: &Path, content: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
    let mut file = create(path).map_err(Error::io("create", path))?;
    let length = file.metadata().map_err(Error::io("look at", path))?.len();
    // An empty one was made ahead.
    if length > 0 {
        return Ok(());
    }
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

/// What `/etc/hosts` begins with where it is not the host's.
const USUAL_HOSTS: &str = concat!(
    "127.0.0.1\tlocalhost\n",
    "::1\tlocalhost ip6-localhost ip6-loopback\n",
    "fe00::\tip6-localnet\n",
    "ff00::\tip6-mcastprefix\n",
    "ff02::1\tip6-allnodes\n",
    "ff02::2\tip6-allrouters\n",
);

fn hosts(spec: &ContainerSpec, host_network: bool, gateways: &[IpAddr]) -> Result<String, Error> {
    let host = match host_network {
        true => read_host_if_any(Path::new("/etc/hosts"))?,
        false => None,
    };
    let mut text = host.unwrap_or_else(|| USUAL_HOSTS.to_owned());
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for host in &spec.extra_hosts {
        let (name, address) = extra_host(host)?;
        let addresses = match address {
            ExtraAddress::Fixed(address) => vec![address],
            ExtraAddress::Gateway if gateways.is_empty() => {
                // COMPAT: dockerd's words.
                return Err(Error::invalid(
                    "HostConfig.ExtraHosts",
                    "unable to derive the IP value for host-gateway",
                ));
            }
            ExtraAddress::Gateway => gateways.to_vec(),
        };
        for address in addresses {
            text.push_str(&format!("{address}\t{name}\n"));
        }
    }
    Ok(text)
}

/// The address of a further line of `/etc/hosts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtraAddress {
    Fixed(IpAddr),
    /// The host's on the default bridge.
    Gateway,
}

/// `name:address`; the address may be `host-gateway`.
pub(crate) fn extra_host(text: &str) -> Result<(&str, ExtraAddress), Error> {
    let invalid = |words: String| Error::invalid("HostConfig.ExtraHosts", words);
    let no_form = || invalid(format!("bad format for add-host: {text:?}"));
    let (name, address) = text.split_once(':').ok_or_else(no_form)?;
    let word = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    if name.is_empty() || name.contains(word) {
        return Err(no_form());
    }
    if address == "host-gateway" {
        return Ok((name, ExtraAddress::Gateway));
    }
    let parsed = address.parse();
    let address =
        parsed.map_err(|_| invalid(format!("invalid IP address in add-host: {address:?}")))?;
    Ok((name, ExtraAddress::Fixed(address)))
}

/// As [`read_host`]; `None` if the host has no such file.
fn read_host_if_any(path: &Path) -> Result<Option<String>, Error> {
    match read_host(path) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn read_host(path: &Path) -> Result<String, Error> {
    let read = || -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(path)?.take(CAP).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(Error::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extra_host_is_a_name_and_an_address() {
        let six = ExtraAddress::Fixed("::1".parse().unwrap());
        assert_eq!(extra_host("db:10.0.0.7").unwrap().0, "db");
        assert_eq!(extra_host("db:::1").unwrap().1, six);
        let gateway = extra_host("x:host-gateway").unwrap().1;
        assert_eq!(gateway, ExtraAddress::Gateway);
        for bad in [
            "db",
            "db=1.1.1.1",
            "db:[::1]",
            "db:",
            ":1.1.1.1",
            "a b:1.1.1.1",
            "db:host",
            "a\n:1.1.1.1",
        ] {
            assert!(extra_host(bad).is_err(), "{bad:?}");
        }
    }
}
