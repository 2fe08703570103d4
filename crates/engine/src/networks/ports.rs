//! The host's ports: which are taken for whom, and by which sockets they are held.

use super::NetworkError;
use crate::PublishedPort;
use crate::container_spec::Publication;
use net::Protocol;
use net::reservation::{Binder, Here};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use types::ContainerId;

/// The host's ports that containers have.
#[derive(Debug)]
pub(super) struct Ports {
    /// Who takes them.
    binder: Arc<dyn Binder>,
    /// Protocol, address, port.
    taken: BTreeSet<(u8, IpAddr, u16)>,
    /// The sockets that keep others from binding those of containers that are not started yet.
    held: BTreeMap<ContainerId, Vec<OwnedFd>>,
    /// Where the search for a free port goes on.
    next: u16,
}

/// Ports taken for a container, given back unless they are kept.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// With the sockets that hold those which it did not have before.
    ports: Vec<(PublishedPort, Option<OwnedFd>)>,
}

impl Taken {
    /// All of them, and the sockets that hold the new ones, in their order.
    pub(super) fn parts(self) -> (Vec<PublishedPort>, Vec<OwnedFd>) {
        let (ports, sockets): (Vec<_>, Vec<_>) = self.ports.into_iter().unzip();
        (ports, sockets.into_iter().flatten().collect())
    }

    /// Orders them by what `key` says of each.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&PublishedPort) -> K) {
        self.ports.sort_by_key(|(port, _)| key(port));
    }

    /// Those which the container did not have before.
    fn added(&self) -> Vec<PublishedPort> {
        let new = self.ports.iter().filter(|(_, socket)| socket.is_some());
        new.map(|(port, _)| *port).collect()
    }
}

/// The range from which the host's own programs get theirs.
fn ephemeral() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let text = text.unwrap_or_default();
    let mut words = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (words.next(), words.next()) {
        (Some(first), Some(last)) if first > 0 && first <= last => (first, last),
        _ => (32_768, 60_999),
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            binder: Arc::new(Here),
            taken: BTreeSet::new(),
            held: BTreeMap::new(),
            next: 0,
        }
    }
}

impl Ports {
    /// Has them taken by another.
    pub(super) fn by(&mut self, binder: Arc<dyn Binder>) {
        self.binder = binder;
    }

    /// Takes the host's ports that `wanted` names, of the families that `reachable` says. Those
    /// that the container `has` stay its own where they do.
    pub(super) fn take(
        &mut self,
        wanted: &[Publication],
        reachable: Reachable,
        mut has: Vec<PublishedPort>,
    ) -> Result<Taken, String> {
        let mut taken = Taken::default();
        for publication in wanted {
            if let Err(reason) = self.publish(publication, reachable, (&mut taken, &mut has)) {
                self.give_back(&taken.added());
                return Err(reason);
            }
        }
        Ok(taken)
    }

    fn publish(
        &mut self,
        publication: &Publication,
        reachable: Reachable,
        (taken, has): (&mut Taken, &mut Vec<PublishedPort>),
    ) -> Result<(), String> {
        let hosts = reachable.hosts(publication.host);
        let (itself, hosts): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(|host| reachable.itself(*host));
        let direct = |ipv6| {
            let own = itself.iter().filter(move |host| host.is_ipv6() == ipv6);
            own.map(move |_| {
                let port = PublishedPort {
                    port: publication.port,
                    protocol: publication.protocol as u8,
                    host: any(ipv6),
                    host_port: 0,
                };
                (port, None)
            })
        };
        taken.ports.extend(direct(false));
        if !hosts.is_empty() {
            self.publish_at(publication, &hosts, (taken, has))?;
        }
        taken.ports.extend(direct(true));
        Ok(())
    }

    /// Takes one port of the range on all these addresses.
    fn publish_at(
        &mut self,
        publication: &Publication,
        hosts: &[IpAddr],
        (taken, has): (&mut Taken, &mut Vec<PublishedPort>),
    ) -> Result<(), String> {
        let (first, last) = publication.range.unwrap_or_else(ephemeral);
        let exact = first == last;
        let start = match publication.range {
            Some(_) => first,
            None => self.next.clamp(first, last),
        };
        let mut reason = String::new();
        let before = number(publication, has);
        let numbers = (start..=last).chain(first..start);
        for port in before.into_iter().chain(numbers) {
            match self.bind(publication, hosts, (port, has)) {
                Ok(bound) => {
                    if publication.range.is_none() && before != Some(port) {
                        self.next = port.saturating_add(1);
                    }
                    let of = |own: &PublishedPort| is_of(publication, own, port);
                    has.retain(|own| !of(own));
                    taken.ports.extend(bound.ports);
                    return Ok(());
                }
                Err((_, words)) if exact => return Err(words),
                // No other port will do any better.
                Err((false, words)) => return Err(words),
                Err((true, words)) => reason = words,
            }
        }
        match reason.is_empty() {
            true => Ok(()),
            false => Err("all ports are allocated".to_owned()),
        }
    }

    /// One port on all these addresses, or on none. The error says whether another port may
    /// be free.
    fn bind(
        &mut self,
        publication: &Publication,
        hosts: &[IpAddr],
        (port, has): (u16, &[PublishedPort]),
    ) -> Result<Taken, (bool, String)> {
        let protocol = publication.protocol;
        let mut taken = Taken::default();
        for host in hosts {
            let published = PublishedPort {
                port: publication.port,
                protocol: protocol as u8,
                host: *host,
                host_port: port,
            };
            if has.contains(&published) {
                taken.ports.push((published, None));
                continue;
            }
            match self.bind_one(protocol, *host, port) {
                Ok(socket) => taken.ports.push((published, Some(socket))),
                Err(error) => {
                    self.give_back(&taken.added());
                    return Err(error);
                }
            }
        }
        Ok(taken)
    }

    fn bind_one(
        &mut self,
        protocol: Protocol,
        host: IpAddr,
        port: u16,
    ) -> Result<OwnedFd, (bool, String)> {
        let shown = std::net::SocketAddr::new(host, port);
        let number = protocol as u8;
        let overlaps = |other: IpAddr| {
            other.is_ipv4() == host.is_ipv4()
                && (other == host || other.is_unspecified() || host.is_unspecified())
        };
        let clash = self
            .taken
            .iter()
            .any(|(p, other, taken)| *p == number && *taken == port && overlaps(*other));
        if clash {
            return Err((
                true,
                format!("Bind for {shown} failed: port is already allocated"),
            ));
        }
        let socket = self.binder.take(protocol, host, port).map_err(|error| {
            let again = error.kind() == io::ErrorKind::AddrInUse;
            let protocol = crate::container_spec::protocol_name(protocol);
            (
                again,
                format!(
                    "failed to bind host port {shown}/{protocol}: {}",
                    go_words(&error)
                ),
            )
        })?;
        self.taken.insert((number, host, port));
        Ok(socket)
    }

    /// Keeps the sockets that were taken for a container.
    pub(super) fn keep(&mut self, container: &ContainerId, sockets: Vec<OwnedFd>) {
        if !sockets.is_empty() {
            self.held.insert(container.clone(), sockets);
        }
    }

    /// The sockets that hold a container's new ports, in the order of these.
    pub(super) fn hand_over(&mut self, container: &ContainerId) -> Vec<OwnedFd> {
        self.held.remove(container).unwrap_or_default()
    }

    /// Takes ports that a container has already.
    pub(super) fn adopt(&mut self, ports: &[PublishedPort]) {
        let all = ports.iter().filter(|port| port.host_port != 0);
        self.taken
            .extend(all.map(|port| (port.protocol, port.host, port.host_port)));
    }

    /// Gives a container's ports back.
    pub(super) fn release(&mut self, container: &ContainerId, ports: &[PublishedPort]) {
        self.give_back(ports);
        self.held.remove(container);
    }

    /// Sockets that hold ports which a running container has, of those that can be held: one that
    /// somebody took meanwhile is told, and left out of `given`.
    pub(super) fn hold_again(
        &self,
        container: &ContainerId,
        given: &mut Vec<proxy::Port>,
        ports: &[PublishedPort],
    ) -> Vec<OwnedFd> {
        let mut sockets = Vec::new();
        let mut kept = Vec::new();
        let ports = ports.iter().filter(|port| port.host_port != 0);
        for (port, given) in ports.zip(given.drain(..)) {
            match self
                .binder
                .take(port.transport(), port.host, port.host_port)
            {
                Ok(socket) => {
                    sockets.push(socket);
                    kept.push(given);
                }
                Err(error) => tracing::warn!(
                    container.id = %container, port = %port.host_port, %error,
                    "a published port is not reserved any more"
                ),
            }
        }
        *given = kept;
        sockets
    }

    pub(super) fn give_back(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            self.taken
                .remove(&(port.protocol, port.host, port.host_port));
        }
    }
}

/// The number by which one of the ports that the container has is this publication's.
fn number(publication: &Publication, has: &[PublishedPort]) -> Option<u16> {
    let within = |number: u16| {
        let range = publication.range;
        range.is_none_or(|(first, last)| (first..=last).contains(&number))
    };
    let mut numbers = has.iter().map(|own| own.host_port);
    numbers.find(|number| {
        let mut own = has.iter();
        within(*number) && own.any(|own| is_of(publication, own, *number))
    })
}

/// Whether a port is this publication's by this number.
fn is_of(publication: &Publication, own: &PublishedPort, number: u16) -> bool {
    let inside = (own.port, own.protocol) == (publication.port, publication.protocol as u8);
    inside && number != 0 && own.host_port == number
}

/// By which addresses a container's published ports are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The host's.
    Host,
    /// Its own.
    Itself,
}

/// The families under which a container can be reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reachable {
    pub(super) ipv4: Option<Reach>,
    pub(super) ipv6: Option<Reach>,
    /// What comes by IPv6 may be passed on to its address of IPv4: nothing else of the
    /// container's is reached by IPv6.
    pub(super) passes_on: bool,
    /// The host's address that ports are published at where nothing is said; `None`: all.
    pub(super) binding: Option<IpAddr>,
}

impl Reachable {
    /// Whether what is published at this address is reached by the container's own.
    fn itself(self, host: IpAddr) -> bool {
        let reach = if host.is_ipv4() { self.ipv4 } else { self.ipv6 };
        reach == Some(Reach::Itself)
    }

    /// The host's addresses that a binding means. What comes by IPv6 for a container without
    /// is passed on to its address of IPv4, on a host that has both.
    fn hosts(self, asked: Option<IpAddr>) -> Vec<IpAddr> {
        let ipv4 = self.ipv4.is_some();
        let passed_on = self.passes_on && ipv4 && host_has_ipv6();
        let ipv6 = self.ipv6.is_some() || passed_on;
        let all = [(ipv4, any(false)), (ipv6, any(true))];
        match asked.or(self.binding) {
            Some(host) if host.is_ipv4() && !ipv4 => Vec::new(),
            Some(host) if host.is_ipv6() && !ipv6 => Vec::new(),
            Some(host) => vec![host],
            None => all
                .into_iter()
                .filter(|(has, _)| *has)
                .map(|(_, a)| a)
                .collect(),
        }
    }
}

/// All addresses of a family.
fn any(ipv6: bool) -> IpAddr {
    match ipv6 {
        false => Ipv4Addr::UNSPECIFIED.into(),
        true => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Whether the kernel has IPv6; one that has does not lose it.
fn host_has_ipv6() -> bool {
    static HAS: AtomicBool = AtomicBool::new(false);
    if !HAS.load(Ordering::Relaxed) {
        let found = std::fs::exists("/proc/net/if_inet6").unwrap_or(false);
        HAS.store(found, Ordering::Relaxed);
    }
    HAS.load(Ordering::Relaxed)
}

/// An error as Go words it, which clients look for.
fn go_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The error of a port that cannot be had.
pub(super) fn refused(container: &str, endpoint: &str, reason: String) -> NetworkError {
    NetworkError::Port {
        container: container.to_owned(),
        endpoint: endpoint.to_owned(),
        reason,
    }
}
