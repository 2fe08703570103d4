//! Links of pods: a pair, its addresses and routes, and what is left to see of them.

use super::{Failure, Subject};
use crate::{Interface, Success};
use net::link::{self, Details, Mac, Settings};
use net::route::{self, Route, Scope};
use net::{Subnet, address, namespace};
use netlink::Socket;
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A pod's network namespace.
#[derive(Debug)]
pub(crate) struct Netns(File);

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Netns {
    pub(crate) fn open(subject: &Subject<'_>) -> Result<Self, Failure> {
        let path = &subject.attachment.netns;
        let failed = |error| Failure::new(format!("failed to open netns {path:?}: {error}"));
        File::open(path).map(Self).map_err(failed)
    }

    /// The host's own.
    pub(crate) fn host() -> Result<Self, Failure> {
        let own = File::open("/proc/thread-self/ns/net");
        own.map(Self)
            .map_err(Failure::io("cannot open the host's own network namespace"))
    }
}

/// Whether a pod's link looks for others with its addresses of IPv6 before it uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicates {
    Ignored,
    Detected,
}

/// The same for a deletion: none if it is gone.
pub(crate) fn namespace(subject: &Subject<'_>) -> Result<Option<Netns>, Failure> {
    let path = &subject.attachment.netns;
    if path.is_empty() {
        return Ok(None);
    }
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(file) => Ok(Some(Netns(file))),
        Err(error) => Err(Failure::new(format!(
            "failed to open netns {path:?}: {error}"
        ))),
    }
}

/// Works in a pod's namespace.
pub(crate) fn enter<T: Send>(
    netns: &Netns,
    work: impl FnOnce(&mut Socket) -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    namespace::within(netns.as_fd(), work)
}

/// A socket of the host's namespace.
pub(crate) fn host() -> Result<Socket, Failure> {
    Socket::route().map_err(Failure::io("cannot ask the kernel about links"))
}

pub(crate) fn shown(mac: Option<Mac>) -> String {
    let bytes = mac.unwrap_or_default().map(|byte| format!("{byte:02x}"));
    bytes.join(":")
}

pub(crate) fn mac(text: &str) -> Option<Mac> {
    let parts: Vec<_> = text.split(':').collect();
    let bytes: Option<Vec<u8>> = parts
        .iter()
        .map(|part| {
            u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| part.len() == 2)
        })
        .collect();
    bytes?.try_into().ok()
}

/// A random name, as the reference plugins have them.
fn pair_name() -> Result<String, Failure> {
    let mut bytes = [0_u8; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| Failure::new(format!("no random name: {errno}")))?;
    Ok(format!("veth{:08x}", u32::from_ne_bytes(bytes)))
}

/// Makes the pair: this side up, the pod's down. Gives this side and the pod's.
pub(crate) fn add_pair(
    host: &mut Socket,
    netns: &Netns,
    wanted: &Settings<'_>,
) -> Result<(Details, String), Failure> {
    // A taken name is rare; a taken name of the pod's is the caller's.
    let name = pair_name()?;
    let own = Settings {
        name: &name,
        mtu: wanted.mtu,
        ..Settings::default()
    };
    link::add_veth(host, &own, None, wanted, netns.as_fd())?;
    sysctl(&format!("ipv6/conf/{name}/accept_ra"), "0").ok();
    Ok((link::details(host, &name)?, name))
}

/// Sets a parameter of the namespace that the thread is in.
pub(crate) fn sysctl(name: &str, value: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/{name}");
    if fs::read_to_string(&path)?.trim() == value {
        return Ok(());
    }
    fs::write(path, value)
}

/// Has the host pass packets on, of the families that a result has.
pub(crate) fn forward(success: &Success) -> Result<(), Failure> {
    let families = [
        (false, "ipv4/ip_forward"),
        (true, "ipv6/conf/all/forwarding"),
    ];
    for (six, name) in families {
        let mut ips = success.ips.iter().filter_map(|address| address.ip());
        if ips.any(|ip| ip.is_ipv6() == six) {
            sysctl(name, "1")
                .map_err(Failure::io(format!("failed to enable forwarding: {name}")))?;
        }
    }
    Ok(())
}

fn subnet(text: &str) -> Result<Subnet, Failure> {
    let subnet: Result<Subnet, _> = text.parse();
    subnet.map_err(|error| Failure::config(error.to_string()))
}

/// Gives the pod's link its addresses and routes, and sets it up.
pub(crate) fn dress(
    socket: &mut Socket,
    name: &str,
    success: &Success,
    duplicates: Duplicates,
) -> Result<(), Failure> {
    let own = link::find(socket, name)?;
    // No waiting, unless it is asked for: addresses are given once.
    let detected = duplicates == Duplicates::Detected;
    let accepted = if detected { "1" } else { "0" };
    sysctl(&format!("ipv6/conf/{name}/accept_dad"), accepted).ok();
    if detected {
        sysctl(&format!("ipv6/conf/{name}/enhanced_dad"), "1").ok();
    }
    sysctl(&format!("ipv4/conf/{name}/arp_notify"), "1").ok();
    let parts: Vec<_> = success.ips.iter().filter_map(|a| a.parts()).collect();
    if parts.iter().any(|(ip, _)| ip.is_ipv6()) {
        for link in ["lo", name] {
            sysctl(&format!("ipv6/conf/{link}/disable_ipv6"), "0").map_err(Failure::io(
                format!("failed to enable IPv6 for interface {link:?}"),
            ))?;
        }
    }
    for (ip, prefix) in parts {
        address::add(socket, own, ip, prefix)?;
    }
    link::set_up(socket, own)?;
    for route in &success.routes {
        let destination = subnet(&route.dst)?;
        let mut gateways = success.ips.iter().filter_map(|address| address.gateway);
        let gateway = gateways.find(|gateway| gateway.is_ipv6() == destination.is_ipv6());
        let route = Route {
            destination,
            gateway: route.gw.or(gateway),
            source: None,
            scope: Scope::Universe,
        };
        route::add(socket, own, &route)?;
    }
    Ok(())
}

/// Waits until packets pass a link: the kernel tells it of its peer a little later.
pub(crate) fn settled(socket: &mut Socket, name: &str) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(2);
    while !link::details(socket, name)?.running {
        if Instant::now() > end {
            return Err(Failure::new(format!("bridge port {name} in error state")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Removes the pod's link; nothing if it or the namespace is gone.
pub(crate) fn remove(subject: &Subject<'_>) -> Result<(), Failure> {
    let Some(netns) = namespace(subject)? else {
        return Ok(());
    };
    let name = &subject.attachment.interface;
    enter(&netns, |socket| match link::find(socket, name) {
        Err(net::Error::NoLink { .. }) => Ok(()),
        found => Ok(link::delete(socket, found?)?),
    })
}

/// Checks that the pod's link is the one of the result, with its addresses and routes.
pub(crate) fn compare(subject: &Subject<'_>) -> Result<Interface, Failure> {
    let attachment = subject.attachment;
    let missing = || Failure::new("Required prevResult missing");
    let previous = subject.previous.ok_or_else(missing)?;
    let name = &attachment.interface;
    let own = |link: &&Interface| link.name == *name && link.sandbox == attachment.netns;
    let expected = previous.interfaces.iter().find(own).ok_or_else(|| {
        Failure::new(format!(
            "prevResult has no interface {name} in {}",
            attachment.netns
        ))
    })?;
    enter(&Netns::open(subject)?, |socket| {
        let found = link::details(socket, name)?;
        if found.kind != "veth" {
            return Err(Failure::new(format!(
                "container interface {name} is no veth"
            )));
        }
        let mac = shown(found.mac);
        if mac != expected.mac {
            let reason = format!(
                "Interface {name} Mac {} doesn't match container Mac: {mac}",
                expected.mac
            );
            return Err(Failure::new(reason));
        }
        let addresses = address::lasting(socket, found.link)?;
        let parts = previous.ips.iter().filter_map(|address| address.parts());
        if let Some((ip, prefix)) = parts.into_iter().find(|a| !addresses.contains(a)) {
            return Err(Failure::new(format!(
                "Failed to match addr {ip}/{prefix} on interface {name}"
            )));
        }
        let routes = route::by_link(socket, found.link)?;
        for route in &previous.routes {
            let destination = subnet(&route.dst)?;
            let same = |(to, by): &(Subnet, Option<IpAddr>)| {
                *to == destination && (route.gw.is_none() || *by == route.gw)
            };
            if !routes.iter().any(same) {
                return Err(Failure::new(format!(
                    "Expected Route {} not found",
                    route.dst
                )));
            }
        }
        Ok(expected.clone())
    })
}
