//! A container's places in its networks, chosen before anything is made.

use super::gateway::Gateways;
use super::parent::{is_closed, routes_by_link};
use super::ports::{Reach, Reachable, Taken, refused};
use super::registry::{Inner, Registry};
use super::shape::GatewayMode;
use super::{NetworkError, create};
use crate::container_spec::{Publication, read_port};
use crate::{
    AddressPool, ContainerRecord, ContainerSpec, EndpointSpec, EndpointState, Error, Link,
    NetworkDriver, NetworkRecord, NetworkState, PortBinding, PublishedPort, parse_mac,
};
use net::Error as NetError;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Checks what is asked for of a place in a network, as far as it is known before the start.
pub(crate) fn check_endpoint(record: &NetworkRecord, spec: &EndpointSpec) -> Result<(), Error> {
    if !spec.mac.is_empty() && parse_mac(&spec.mac).is_none() {
        let words = format!("invalid MAC address {}", spec.mac);
        return Err(NetworkError::endpoint(words).into());
    }
    let mut wrong = Vec::new();
    let asked: Vec<_> = [false, true]
        .into_iter()
        .filter_map(|is_v6| spec.address(is_v6))
        .collect();
    if !asked.is_empty() {
        if record.predefined {
            wrong.push("user specified IP address is supported on user defined networks only");
        }
        if !record.predefined && !record.pools.iter().any(|pool| pool.chosen) {
            wrong.push(
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            );
        }
    }
    let unchosen = !record.predefined && !wrong.is_empty();
    let mut wrong: Vec<_> = wrong.into_iter().map(str::to_owned).collect();
    if !unchosen {
        let outside = asked
            .iter()
            .filter(|a| !record.pools.iter().any(|pool| pool.subnet.contains(**a)));
        wrong.extend(outside.map(|address| {
            format!("no configured subnet or ip-range contain the IP address {address}")
        }));
    }
    wrong.extend(spec.wrong_sysctls());
    if record.predefined && !spec.aliases().is_empty() {
        wrong.push(
            "network-scoped alias is supported only for containers in user defined networks".into(),
        );
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(
            NetworkError::endpoint(create::reasons("invalid endpoint settings:", &wrong)).into(),
        ),
    }
}

impl Registry {
    /// Chooses a container's places and takes their addresses and the host's ports.
    pub(super) fn plan(&self, record: &ContainerRecord) -> Result<NetworkState, Error> {
        let spec = &record.spec;
        let resolving = self.settings.resolving(record);
        let mut inner = self.inner();
        let mut state = NetworkState {
            sandbox: create::random_id()?,
            name_servers: resolving
                .spec
                .dns
                .iter()
                .filter_map(|server| server.parse().ok())
                .collect(),
            single_labels_stay: crate::resolv_conf::searches_first(&resolving.spec),
            ..NetworkState::default()
        };
        for (name, asked) in inner.order(spec)? {
            let names = record.network_names(asked.aliases());
            match inner.place(&name, asked, (&state.endpoints, names)) {
                Ok(place) => state.endpoints.push(place),
                Err(error) => {
                    inner.give_back(&state);
                    return Err(error);
                }
            }
        }
        let taken = match inner.publish(record, &state.endpoints, Vec::new()) {
            Ok(taken) => taken,
            Err(error) => {
                inner.give_back(&state);
                return Err(error);
            }
        };
        let (ports, sockets) = taken.parts();
        state.ports = ports;
        self.take_prepared(&record.id, &mut state);
        inner.ports.keep(&record.id, sockets);
        inner.live.insert(record.id.clone(), state.clone());
        Ok(state)
    }
}

impl Inner {
    /// The networks to join, the one with the default route first.
    fn order<'a>(&self, spec: &'a ContainerSpec) -> Result<Vec<(String, &'a EndpointSpec)>, Error> {
        let mut order = Vec::new();
        for (name, asked) in &spec.networks {
            let rank = rank(&self.resolve(name)?.record, asked.gateway_priority);
            order.push((rank, name.clone(), asked));
        }
        order.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let order = order.into_iter().map(|(_, name, asked)| (name, asked));
        Ok(order.collect())
    }

    /// Puts the places that are better for the default routes first, as [`Self::order`] does.
    pub(super) fn arrange(&self, spec: &ContainerSpec, places: &mut [EndpointState]) {
        places.sort_by_cached_key(|place| {
            let network = &self.networks.get(&place.network)?.record;
            let asked = spec.networks.get(&place.name);
            let priority = asked.map_or(0, |asked| asked.gateway_priority);
            Some(rank(network, priority))
        });
    }

    /// A place in one network, with addresses of its own.
    pub(super) fn place(
        &mut self,
        name: &str,
        asked: &EndpointSpec,
        (others, names): (&[EndpointState], Vec<String>),
    ) -> Result<EndpointState, Error> {
        let id = self.resolve(name)?.record.id.clone();
        let Some(held) = self.networks.get_mut(&id) else {
            return Err(super::registry::no_network(name));
        };
        let record = std::sync::Arc::clone(&held.record);
        expect_possible(&record, asked)?;
        let random = crate::containers::random()?;
        let host_link = match record.driver {
            NetworkDriver::Bridge => create::link_name(&random),
            _ => String::new(),
        };
        let link = interface(&record, asked, others).map_err(|(link, reason)| {
            NetworkError::interface(
                &host_link,
                format!("error renaming interface {host_link:?} to {link:?}: {reason}"),
            )
        })?;
        let settings = asked.settings(&link);
        let settings = settings.map_err(|reason| NetworkError::interface(&host_link, reason))?;
        let mut place = EndpointState {
            network: record.id.clone(),
            name: name.to_owned(),
            id: create::random_id()?,
            link_local: link_local(asked)?,
            link,
            host_link,
            settings,
            names: if record.has_names() {
                names
            } else {
                Vec::new()
            },
            links: match record.has_names() {
                true => links(asked)?,
                false => BTreeMap::new(),
            },
            ..EndpointState::default()
        };
        for (index, pool) in record.pools.iter().enumerate() {
            let Some(addresses) = held.addresses.get_mut(index) else {
                continue;
            };
            let given = match asked.address(pool.subnet.is_ipv6()) {
                Some(address) => addresses.take(address).map(|()| address),
                None => addresses.give(),
            };
            let given = match given {
                Ok(given) => given,
                Err(error) => {
                    held.release(&place);
                    return Err(no_address(&record.name, error).into());
                }
            };
            let prefix = pool.subnet.prefix();
            let gateway = gateway(&record, pool);
            match (given, gateway) {
                (IpAddr::V4(own), gateway) => {
                    place.ipv4 = Some((own, prefix));
                    if let Some(IpAddr::V4(gateway)) = gateway {
                        place.gateway4 = Some(gateway);
                    }
                }
                (IpAddr::V6(own), gateway) => {
                    place.ipv6 = Some((own, prefix));
                    if let Some(IpAddr::V6(gateway)) = gateway {
                        place.gateway6 = Some(gateway);
                    }
                }
            }
        }
        if record.driver != NetworkDriver::Ipvlan {
            place.mac = ethernet(asked, &place, &random);
        }
        Ok(place)
    }

    /// Takes the host's ports for a container in these places, which `has` some already.
    pub(super) fn publish(
        &mut self,
        record: &ContainerRecord,
        places: &[EndpointState],
        has: Vec<PublishedPort>,
    ) -> Result<Taken, Error> {
        let wanted = publications(&record.spec)?;
        let gateways = Gateways::of(places);
        let reach = |place: Option<&EndpointState>, ipv6| {
            let place = place.filter(|place| place.is_bridged())?;
            let network = &self.networks.get(&place.network)?.record;
            Some(match GatewayMode::of(network, ipv6) {
                GatewayMode::Routed => Reach::Itself,
                _ => Reach::Host,
            })
        };
        let reachable = Reachable {
            ipv4: reach(gateways.four, false),
            ipv6: reach(gateways.six, true),
            passes_on: gateways.six.is_none(),
            binding: self.binding(gateways),
        };
        if wanted.is_empty() || (reachable.ipv4, reachable.ipv6) == (None, None) {
            return Ok(Taken::default());
        }
        let taken = self.ports.take(&wanted, reachable, has);
        let mut taken = taken.map_err(|reason| {
            let endpoint = gateways.four.or(gateways.six).map_or("", |place| &place.id);
            Error::from(refused(&record.name, endpoint, reason))
        })?;
        taken.sort_by_key(|port| {
            let led = gateways.leading(port.host);
            places
                .iter()
                .position(|place| led.is_some_and(|led| led.id == place.id))
        });
        Ok(taken)
    }

    /// The host's address that the network with the default route publishes at.
    fn binding(&self, gateways: Gateways<'_>) -> Option<IpAddr> {
        let place = gateways.four.or(gateways.six)?;
        let record = &self.networks.get(&place.network)?.record;
        let binding: IpAddr = record.option("bridge.host_binding_ipv4")?.parse().ok()?;
        (!binding.is_unspecified()).then_some(binding)
    }

    /// Gives the addresses and ports of a container back.
    pub(super) fn give_back(&mut self, state: &NetworkState) {
        for place in &state.endpoints {
            self.release(place);
        }
        self.ports.give_back(&state.ports);
    }
}

/// How good a network is for a container's default routes, the best first: by the priority that
/// is asked for, whether it leads anywhere, for how many families it does, by name.
fn rank(network: &NetworkRecord, priority: i64) -> impl Ord + use<> {
    let gateways = network.pools.iter().filter(|pool| pool.gateway.is_some());
    let closed = is_closed(network);
    let families = match closed {
        true => 0,
        false => gateways.count(),
    };
    (
        Reverse(priority),
        closed,
        Reverse(families),
        network.name.clone(),
    )
}

/// The name of the link inside: the one that is asked for, or the first that no other has. If
/// it cannot be, which, and why in dockerd's words.
fn interface(
    record: &NetworkRecord,
    asked: &EndpointSpec,
    others: &[EndpointState],
) -> Result<String, (String, &'static str)> {
    let taken = |name: &str| others.iter().any(|other| other.link == name);
    let Some(name) = asked.link_name() else {
        let prefix = record.option("container_iface_prefix").unwrap_or("eth");
        let mut names = (0..=others.len()).map(|number| format!("{prefix}{number}"));
        let free = names.find(|name| !taken(name));
        return Ok(free.unwrap_or_else(|| format!("{prefix}{}", others.len())));
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%');
    let reason = match name {
        _ if name.len() > 15 => "numerical result out of range",
        "." | ".." => "invalid argument",
        _ if name.contains(odd) => "invalid argument",
        "lo" => "file exists",
        _ if taken(name) => "file exists",
        _ => return Ok(name.to_owned()),
    };
    Err((name.to_owned(), reason))
}

/// Refuses places that no network of this kind has.
fn expect_possible(record: &NetworkRecord, asked: &EndpointSpec) -> Result<(), Error> {
    if record.config_only {
        let words = "cannot create endpoint on configuration-only network";
        return Err(NetworkError::forbidden(words).into());
    }
    if record.driver == NetworkDriver::Ipvlan && !asked.mac.is_empty() {
        let message = "ipvlan interfaces do not support custom mac address assignment".to_owned();
        return Err(NetworkError::Refused { message }.into());
    }
    Ok(())
}

/// What endpoints send through that have an address of this pool.
fn gateway(record: &NetworkRecord, pool: &AddressPool) -> Option<IpAddr> {
    if is_closed(record) {
        return None;
    }
    match (routes_by_link(record), pool.subnet.is_ipv6()) {
        (false, _) => pool.gateway,
        (true, false) => Some(Ipv4Addr::UNSPECIFIED.into()),
        (true, true) => Some(Ipv6Addr::UNSPECIFIED.into()),
    }
}

/// The addresses of the link alone that are asked for.
fn link_local(asked: &EndpointSpec) -> Result<Vec<IpAddr>, Error> {
    let asked = asked.addresses.iter().flat_map(|asked| &asked.link_local);
    let is_one = |address: &IpAddr| match address {
        IpAddr::V4(own) => own.is_link_local(),
        IpAddr::V6(own) => own.is_unicast_link_local(),
    };
    let checked = asked.map(|address| match is_one(address) {
        true => Ok(*address),
        false => {
            let words = format!("invalid link local IP address: {address}");
            Err(NetworkError::endpoint(words).into())
        }
    });
    checked.collect()
}

/// The names that links give, and whose they are.
fn links(asked: &EndpointSpec) -> Result<BTreeMap<String, String>, Error> {
    let links = asked.links.iter().map(|text| Link::parse(text));
    let named = links.map(|link| link.map(|link| (link.alias, link.name)));
    Ok(named.collect::<Result<_, _>>()?)
}

fn no_address(network: &str, source: NetError) -> NetworkError {
    let message = match &source {
        // COMPAT: dockerd's words.
        NetError::Unavailable { .. } => "Address already in use".to_owned(),
        _ => format!("no available addresses on network {network}"),
    };
    NetworkError::Address { message, source }
}

/// The Ethernet address: the one that is asked for, or on a bridge the one that goes with the
/// IPv4 address. What neighbours remember of the container that had that address before holds
/// for the next one then; else they would send to nobody until they ask again.
fn ethernet(asked: &EndpointSpec, place: &EndpointState, random: &[u8; 32]) -> [u8; 6] {
    match (parse_mac(&asked.mac), place.ipv4) {
        (Some(mac), _) => mac,
        (None, Some((own, _))) if place.is_bridged() => {
            let [a, b, c, d] = own.octets();
            [0x02, 0x42, a, b, c, d]
        }
        (None, _) => random_mac(random),
    }
}

/// A locally administered address of one station.
fn random_mac(random: &[u8; 32]) -> [u8; 6] {
    let mut mac = [0; 6];
    mac.copy_from_slice(&random[..6]);
    mac[0] = (mac[0] & 0xfe) | 0x02;
    mac
}

/// The ports to publish, in their order.
pub(crate) fn publications(spec: &ContainerSpec) -> Result<Vec<Publication>, Error> {
    let mut wanted = Vec::new();
    for (key, bindings) in &spec.port_bindings {
        for binding in bindings {
            let publication = Publication::read(key, binding)?;
            // COMPAT: a port that is not exposed is not published.
            if spec.exposed_ports.contains(key) {
                wanted.push(publication);
            }
        }
    }
    if spec.publish_all_ports {
        for key in &spec.exposed_ports {
            // COMPAT: what is exposed and is no port is shown, and not published.
            if !spec.port_bindings.contains_key(key) && read_port(key).is_ok() {
                wanted.push(Publication::read(key, &PortBinding::default())?);
            }
        }
    }
    // What names its port is served before what takes any.
    wanted.sort_by_key(|publication| publication.range.is_none());
    Ok(wanted)
}
