//! Containers that others find by link on the default bridge: their lines of `/etc/hosts`, and
//! the environment that tells of them.
//!
//! COMPAT: Docker's legacy links, as its clients know them.

use crate::container_spec::{protocol_name, read_port};
use crate::index::Index;
use crate::{Container, ContainerRecord, Error, Link, NetworkMode};
use net::Protocol;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use types::ContainerId;

/// The network whose containers are linked so.
const BRIDGE: &str = "bridge";

/// A linked container that runs, as the one that links it sees it.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    alias: String,
    /// `/PARENT/ALIAS`
    path: String,
    name: String,
    hostname: String,
    addresses: Vec<IpAddr>,
    ports: Vec<(u16, Protocol)>,
    env: Vec<String>,
}

/// The containers that `record` links; all must run on the default bridge.
pub(crate) fn all(record: &ContainerRecord, index: &Index) -> Result<Vec<Linked>, Error> {
    let links = links_of(record).iter();
    links.map(|link| one(record, link, index)).collect()
}

/// Those of them that run now.
pub(crate) fn running(record: &ContainerRecord, index: &Index) -> Vec<Linked> {
    let links = links_of(record).iter();
    links
        .filter_map(|link| one(record, link, index).ok())
        .collect()
}

fn links_of(record: &ContainerRecord) -> &[Link] {
    match &record.spec.namespaces.network {
        NetworkMode::Named(name) if name == BRIDGE => &record.spec.links,
        _ => &[],
    }
}

fn one(parent: &ContainerRecord, link: &Link, index: &Index) -> Result<Linked, Error> {
    let path = path(parent, link);
    let handle = index
        .resolve(&link.container)
        .ok()
        .and_then(|id| index.find(&id));
    let container = handle.map(|handle| handle.snapshot());
    let live = container.as_ref().filter(|c| c.state.status.is_live());
    let Some(child) = live else {
        let name = container.map_or(link.name.clone(), |c| c.record.name.clone());
        let reason = format!("Cannot link to a non running container: /{name} AS {path}");
        return Err(Error::Link { reason });
    };
    let mut places = child.state.network.endpoints.iter();
    let Some(place) = places.find(|place| place.name == BRIDGE) else {
        let reason = format!(
            "container {} not attached to default bridge network",
            child.id()
        );
        return Err(Error::Link { reason });
    };
    let spec = &child.record.spec;
    let ports = spec
        .exposed_ports
        .iter()
        .filter_map(|key| read_port(key).ok());
    Ok(Linked {
        alias: link.alias.clone(),
        path,
        name: child.record.name.clone(),
        hostname: crate::files::hostname(&child.record),
        addresses: place.addresses().into_iter().map(|(own, _)| own).collect(),
        ports: ports.collect(),
        env: spec.process.env.clone(),
    })
}

fn path(parent: &ContainerRecord, link: &Link) -> String {
    format!("/{}/{}", parent.name, link.alias)
}

impl Linked {
    fn word(&self) -> &str {
        self.alias.rsplit('/').next().unwrap_or(&self.alias)
    }

    /// Its lines of `/etc/hosts`.
    pub(crate) fn lines(&self) -> String {
        let mut names = format!("{} {}", self.word(), self.hostname);
        if self.alias != self.name {
            names = format!("{names} {}", self.name);
        }
        let lines = self.addresses.iter();
        lines
            .map(|address| format!("{address}\t{names}\n"))
            .collect()
    }

    /// Whether a line of `/etc/hosts` is one of its own, of now or of an earlier address.
    pub(crate) fn has_line(&self, line: &str) -> bool {
        is_of(line, self.word())
    }

    /// The variables that tell of it.
    pub(crate) fn env(&self) -> Vec<String> {
        let alias = self.word().to_uppercase().replace('-', "_");
        let mut env = Vec::new();
        // COMPAT: the older family's address alone.
        if let Some(address) = self.addresses.first() {
            ports(&alias, *address, &self.ports, &mut env);
        }
        env.push(format!("{alias}_NAME={}", self.path));
        for variable in &self.env {
            match variable.split_once('=') {
                None | Some(("HOME" | "PATH", _)) => {}
                Some((name, value)) => env.push(format!("{alias}_ENV_{name}={value}")),
            }
        }
        env
    }
}

/// Whether a line of `/etc/hosts` is about a link's alias.
pub(crate) fn is_of(line: &str, alias: &str) -> bool {
    let names = line.split_once('\t').map(|(_, names)| names);
    names.and_then(|names| names.split(' ').next()) == Some(alias)
}

/// The variables of the ports: TCP's before the others, and again the ends of each run of
/// neighbours.
fn ports(alias: &str, address: IpAddr, exposed: &[(u16, Protocol)], env: &mut Vec<String>) {
    let mut exposed = exposed.to_vec();
    exposed.sort_by_key(|(port, protocol)| {
        (
            Reverse(*protocol == Protocol::Tcp),
            *port,
            protocol_name(*protocol),
        )
    });
    exposed.dedup();
    let url = |(port, protocol): (u16, Protocol)| {
        format!("{}://{address}:{port}", protocol_name(protocol))
    };
    let prefix = |(port, protocol): (u16, Protocol)| {
        format!(
            "{alias}_PORT_{port}_{}",
            protocol_name(protocol).to_uppercase()
        )
    };
    let mut run: Option<((u16, Protocol), (u16, Protocol))> = None;
    let close = |run: Option<((u16, Protocol), (u16, Protocol))>, env: &mut Vec<String>| {
        if let Some((start, end)) = run.filter(|(start, end)| start != end) {
            let prefix = prefix(start);
            env.push(format!("{prefix}_START={}", url(start)));
            env.push(format!("{prefix}_PORT_START={}", start.0));
            env.push(format!("{prefix}_END={}", url(end)));
            env.push(format!("{prefix}_PORT_END={}", end.0));
        }
    };
    for (number, port) in exposed.iter().copied().enumerate() {
        if number == 0 {
            env.push(format!("{alias}_PORT={}", url(port)));
        }
        let prefix = prefix(port);
        env.push(format!("{prefix}={}", url(port)));
        env.push(format!("{prefix}_ADDR={address}"));
        env.push(format!("{prefix}_PORT={}", port.0));
        env.push(format!("{prefix}_PROTO={}", protocol_name(port.1)));
        run = match run {
            Some((start, end)) if end.1 == port.1 && end.0.checked_add(1) == Some(port.0) => {
                Some((start, port))
            }
            ended => {
                close(ended, env);
                Some((port, port))
            }
        };
    }
    close(run, env);
}

/// A container's links as inspect shows them: `/CHILD:/PARENT/ALIAS`.
pub(crate) fn shown(record: &ContainerRecord, index: &Index) -> Vec<String> {
    let links = record.spec.links.iter();
    let shown = links.map(|link| {
        let handle = index
            .resolve(&link.container)
            .ok()
            .and_then(|id| index.find(&id));
        let name = handle.map_or(link.name.clone(), |h| h.snapshot().record.name.clone());
        format!("/{name}:{}", path(record, link))
    });
    shown.collect()
}

/// The names that links give, `/PARENT/ALIAS`, by the container that is linked.
pub(crate) fn names<'a>(
    containers: impl Iterator<Item = &'a Container>,
) -> BTreeMap<ContainerId, Vec<String>> {
    let mut names: BTreeMap<ContainerId, Vec<String>> = BTreeMap::new();
    for parent in containers {
        for link in &parent.record.spec.links {
            if let Ok(id) = link.container.parse() {
                names
                    .entry(id)
                    .or_default()
                    .push(path(&parent.record, link));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_of_ports_and_of_their_runs() {
        let tcp = |port| (port, Protocol::Tcp);
        let linked = Linked {
            alias: "d-b".to_owned(),
            path: "/web/d-b".to_owned(),
            name: "db".to_owned(),
            hostname: "host".to_owned(),
            addresses: vec!["172.17.0.2".parse().unwrap()],
            ports: vec![(53, Protocol::Udp), tcp(8001), tcp(80), tcp(8000)],
            env: ["PATH=/bin", "HOME=/", "A=b c", "alone"]
                .map(str::to_owned)
                .to_vec(),
        };
        let expected = "D_B_PORT=tcp://172.17.0.2:80
D_B_PORT_80_TCP=tcp://172.17.0.2:80
D_B_PORT_80_TCP_ADDR=172.17.0.2
D_B_PORT_80_TCP_PORT=80
D_B_PORT_80_TCP_PROTO=tcp
D_B_PORT_8000_TCP=tcp://172.17.0.2:8000
D_B_PORT_8000_TCP_ADDR=172.17.0.2
D_B_PORT_8000_TCP_PORT=8000
D_B_PORT_8000_TCP_PROTO=tcp
D_B_PORT_8001_TCP=tcp://172.17.0.2:8001
D_B_PORT_8001_TCP_ADDR=172.17.0.2
D_B_PORT_8001_TCP_PORT=8001
D_B_PORT_8001_TCP_PROTO=tcp
D_B_PORT_53_UDP=udp://172.17.0.2:53
D_B_PORT_53_UDP_ADDR=172.17.0.2
D_B_PORT_53_UDP_PORT=53
D_B_PORT_53_UDP_PROTO=udp
D_B_PORT_8000_TCP_START=tcp://172.17.0.2:8000
D_B_PORT_8000_TCP_PORT_START=8000
D_B_PORT_8000_TCP_END=tcp://172.17.0.2:8001
D_B_PORT_8000_TCP_PORT_END=8001
D_B_NAME=/web/d-b
D_B_ENV_A=b c";
        assert_eq!(linked.env().join("\n"), expected);
        assert_eq!(linked.lines(), "172.17.0.2\td-b host db\n");
        assert!(linked.has_line("172.17.0.9\td-b host db"));
        assert!(!linked.has_line("172.17.0.9\td-b2 host db"));
    }
}
