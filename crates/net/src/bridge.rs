//! The bridge driver: networks behind bridges, endpoints as veth pairs.

use crate::link::{self, Link, Settings};
use crate::network::{Outside, Protocol};
use crate::{Endpoint, Error, Network, Prepared, address, conntrack, firewall, namespace};
use netlink::Socket;
use rustix::fd::{AsFd, BorrowedFd};
use std::fs;
use std::io;

/// The bridges of one daemon, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Bridges {
    pub(crate) instance: String,
    pub(crate) route: Socket,
    netfilter: Socket,
}

impl Bridges {
    /// Opens the kernel's families; nothing is changed yet. `instance` names the firewall's
    /// table and begins the aliases of links.
    ///
    /// # Errors
    /// If the kernel has no netlink or the caller may not use it.
    pub fn open(instance: &str) -> Result<Self, Error> {
        let ask = |what| move |source: io::Error| Error::Ask { what, source };
        let route = Socket::route().map_err(ask("links"))?;
        let netfilter = Socket::netfilter().map_err(ask("the firewall"))?;
        Ok(Self {
            instance: instance.to_owned(),
            route,
            netfilter,
        })
    }

    /// The number by which the kernel says that a change to the firewall is ours.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn firewall_port(&self) -> Result<u32, Error> {
        let port = self.netfilter.port();
        port.map_err(|source| Error::Ask {
            what: "the firewall",
            source,
        })
    }

    /// Makes the firewall's table as it must be for these networks and endpoints, whatever
    /// became of it.
    ///
    /// # Errors
    /// If the kernel refuses; then nothing was changed.
    pub fn restore<'a>(
        &mut self,
        networks: impl IntoIterator<Item = &'a Network>,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
    ) -> Result<(), Error> {
        firewall::restore(&mut self.netfilter, &self.instance, networks, endpoints)
    }

    /// Makes sure that a network's bridge is there: it is made if there is none, and taken over
    /// as it is if an earlier daemon of ours made it. Its rules are not touched.
    ///
    /// # Errors
    /// If a link of that name exists that is not ours, or the kernel refuses a part.
    pub fn ensure(&mut self, network: &Network) -> Result<(), Error> {
        let alias = format!("{}:{}", self.instance, network.id);
        match link::alias(&mut self.route, &network.bridge) {
            Ok((_, Some(found))) if found == alias => settle(&mut self.route, &network.bridge),
            Ok(_) => Err(Error::Link {
                action: "make bridge",
                name: network.bridge.clone(),
                source: io::ErrorKind::AlreadyExists.into(),
            }),
            Err(Error::NoLink { .. }) => self.make(network, &alias),
            Err(error) => Err(error),
        }
    }

    /// Removes the links of ours whose owner, a network or a sandbox, has none of that name in
    /// `known`. Those that say nothing, of a sandbox that `owner_of` gives for their name, say
    /// whose they are then.
    ///
    /// # Errors
    /// If the kernel refuses to list, remove or change.
    pub fn sweep(
        &mut self,
        known: &dyn Fn(&str, &str) -> bool,
        owner_of: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), Error> {
        let prefix = format!("{}:", self.instance);
        for (found, name, alias) in link::list(&mut self.route)? {
            let Some(alias) = alias else {
                if let Some(owner) = owner_of(&name) {
                    link::set_alias(&mut self.route, found, &format!("{prefix}{owner}"))?;
                }
                continue;
            };
            let owner = alias.strip_prefix(&prefix);
            if owner.is_some_and(|owner| !known(owner, &name)) {
                link::delete(&mut self.route, found)?;
            }
        }
        Ok(())
    }

    /// Subnets that the host has routes to.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn routes(&mut self) -> Result<Vec<crate::Subnet>, Error> {
        crate::route::destinations(&mut self.route)
    }

    /// Makes a network's bridge with its addresses and rules; what was made is undone if a
    /// part fails.
    ///
    /// # Errors
    /// If a link of that name exists, or the kernel refuses a part.
    pub fn add(&mut self, network: &Network) -> Result<(), Error> {
        let alias = format!("{}:{}", self.instance, network.id);
        self.make(network, &alias)?;
        let outcome = firewall::add_network(&mut self.netfilter, &self.instance, network);
        if outcome.is_err()
            && let Ok(bridge) = link::find(&mut self.route, &network.bridge)
        {
            link::delete(&mut self.route, bridge).ok();
        }
        outcome
    }

    /// Adds a network's rules.
    ///
    /// # Errors
    /// If the kernel refuses; of kind `NotFound` if the table is gone.
    pub fn allow(&mut self, network: &Network) -> Result<(), Error> {
        firewall::add_network(&mut self.netfilter, &self.instance, network)
    }

    fn make(&mut self, network: &Network, alias: &str) -> Result<(), Error> {
        let settings = Settings {
            name: &network.bridge,
            mtu: network.mtu,
            alias: Some(alias),
            ..Settings::default()
        };
        let bridge = link::add_bridge(&mut self.route, &settings)?;
        let outcome = self.dress(network, bridge);
        if outcome.is_err() {
            // The first error is the one to tell; doctor finds what cannot be undone.
            link::delete(&mut self.route, bridge).ok();
        }
        outcome
    }

    fn dress(&mut self, network: &Network, bridge: Link) -> Result<(), Error> {
        settle(&mut self.route, &network.bridge)?;
        let ipv6 = network.addressing.iter().any(|own| own.subnet.is_ipv6());
        // As inside: the bridge's addresses are its own. It has IPv6 if the network does, also
        // on a host whose links have none by default.
        let settings = [("accept_dad", "0"), ("disable_ipv6", "0")];
        for (name, value) in settings.iter().take(if ipv6 { 2 } else { 1 }) {
            let path = format!("/proc/sys/net/ipv6/conf/{}/{name}", network.bridge);
            fs::write(path, value).ok();
        }
        for own in network.addressing.iter().filter(|_| !network.bare) {
            let Some(gateway) = own.gateway else { continue };
            address::add(&mut self.route, bridge, gateway, own.subnet.prefix())?;
        }
        if network.outside != Outside::Closed {
            sysctl("net/ipv4/ip_forward", "1")?;
            if ipv6 {
                sysctl("net/ipv6/conf/all/forwarding", "1")?;
            }
        }
        Ok(())
    }

    /// Removes a network's rules and bridge; parts that are gone already are passed over.
    ///
    /// # Errors
    /// If the kernel refuses to remove what is there.
    pub fn remove(&mut self, network: &Network) -> Result<(), Error> {
        let rules = firewall::remove_network(&mut self.netfilter, &self.instance, network);
        self.unlink(network)?;
        unless_gone(rules)
    }

    /// Removes a network's bridge, if it is there.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unlink(&mut self, network: &Network) -> Result<(), Error> {
        match link::find(&mut self.route, &network.bridge) {
            Ok(bridge) => link::delete(&mut self.route, bridge),
            Err(Error::NoLink { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Joins a sandbox to a network: a veth pair, its addresses and routes inside, its ports.
    ///
    /// # Errors
    /// If the kernel refuses a part; what was made before is undone.
    pub fn attach(
        &mut self,
        network: &Network,
        endpoint: &Endpoint,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        self.join(network, endpoint, netns)?;
        let outcome = self.publish(endpoint);
        if outcome.is_err() {
            self.cut(&endpoint.host_link).ok();
        }
        outcome
    }

    /// Publishes an endpoint's ports.
    ///
    /// # Errors
    /// If the kernel refuses; of kind `NotFound` if the table is gone.
    pub fn publish(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        firewall::publish(&mut self.netfilter, &self.instance, endpoint)
    }

    /// Publishes a sandbox's ports at other endpoints, or others, than before, in one step.
    ///
    /// # Errors
    /// If the kernel refuses; of kind `NotFound` if something of it is gone from the table.
    pub fn republish(&mut self, before: &[Endpoint], after: &[Endpoint]) -> Result<(), Error> {
        firewall::republish(&mut self.netfilter, &self.instance, before, after)
    }

    /// Forgets the flows of datagrams to ports of the host, so that the next of each meets the
    /// rules that there are now.
    ///
    /// # Errors
    /// If the kernel does not tell of its connections.
    pub fn forget_datagrams(&mut self, ports: &[u16]) -> Result<(), Error> {
        match ports.is_empty() {
            true => Ok(()),
            false => conntrack::forget(&mut self.netfilter, Protocol::Udp as u8, ports),
        }
    }

    /// Joins a sandbox to a network, without its ports.
    ///
    /// # Errors
    /// If the kernel refuses a part; what was made before is undone.
    pub fn join(
        &mut self,
        network: &Network,
        endpoint: &Endpoint,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let bridge = link::find(&mut self.route, &network.bridge)?;
        let alias = format!("{}:{}", self.instance, endpoint.sandbox);
        let host = Settings {
            name: &endpoint.host_link,
            mtu: network.mtu,
            alias: Some(&alias),
            ..Settings::default()
        };
        let inside = Settings {
            name: &endpoint.link,
            mtu: network.mtu,
            mac: Some(endpoint.mac),
            ..Settings::default()
        };
        link::add_veth(&mut self.route, &host, Some(bridge), &inside, netns)?;
        let outcome = namespace::configure(netns.as_fd(), endpoint);
        if outcome.is_err() {
            self.cut(&endpoint.host_link).ok();
        }
        outcome
    }

    /// Joins a sandbox whose namespace and links were made ahead, without its ports and its
    /// [mark](Self::mark).
    ///
    /// # Errors
    /// If the kernel refuses a part; what was made before is undone.
    pub fn join_prepared(
        &mut self,
        network: &Network,
        endpoint: &Endpoint,
        prepared: &mut Prepared,
    ) -> Result<(), Error> {
        let joined = self.lead_to(network, prepared);
        let outcome = joined.and_then(|()| prepared.configure(network, endpoint));
        if outcome.is_err() {
            self.cut(&endpoint.host_link).ok();
        }
        outcome
    }

    /// Leads links that were made ahead to a network's bridge and sets them up, where that tells
    /// nobody of them yet; which costs whoever joins that network nothing then.
    ///
    /// # Errors
    /// If there is no such bridge, or the kernel refuses.
    pub fn lead(&mut self, network: &Network, prepared: &mut Prepared) -> Result<(), Error> {
        self.lead_to(network, prepared)?;
        let mut subnets = network.addressing.iter();
        match subnets.any(|addressing| addressing.subnet.is_ipv6()) {
            true => Ok(()),
            false => prepared.raise(),
        }
    }

    fn lead_to(&mut self, network: &Network, prepared: &mut Prepared) -> Result<(), Error> {
        // One that others have made anew since has another number.
        let bridge = link::find_at_once(&self.route, &network.bridge)?;
        if prepared.led == Some(bridge) {
            return Ok(());
        }
        prepared.lower()?;
        let wanted = Settings {
            name: prepared.host_link(),
            mtu: network.mtu,
            ..Settings::default()
        };
        link::join(&mut self.route, &wanted, bridge)?;
        prepared.led = Some(bridge);
        Ok(())
    }

    /// Says on the host whose links were joined that had been made ahead; for people, and for
    /// who looks for what is left behind. Links that have gone meanwhile need it no more.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn mark(&mut self, sandbox: &str, prepared: &Prepared) -> Result<(), Error> {
        let alias = format!("{}:{sandbox}", self.instance);
        match link::find(&mut self.route, prepared.host_link()) {
            Ok(link) => link::set_alias(&mut self.route, link, &alias),
            Err(Error::NoLink { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Joins a sandbox to the link `parent` by a macvlan.
    ///
    /// # Errors
    /// If there is no such link, or the kernel refuses a part; what was made before is undone.
    pub fn join_macvlan(
        &mut self,
        parent: &str,
        mode: link::Macvlan,
        endpoint: &Endpoint,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let parent = link::find(&mut self.route, parent)?;
        let wanted = Settings {
            name: &endpoint.link,
            mac: Some(endpoint.mac),
            ..Settings::default()
        };
        link::add_macvlan(&mut self.route, parent, mode, &wanted, netns)?;
        configure_child(netns, endpoint)
    }

    /// Joins a sandbox to the link `parent` by an ipvlan.
    ///
    /// # Errors
    /// If there is no such link, or the kernel refuses a part; what was made before is undone.
    pub fn join_ipvlan(
        &mut self,
        parent: &str,
        mode: (link::Ipvlan, link::Siblings),
        endpoint: &Endpoint,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let parent = link::find(&mut self.route, parent)?;
        let wanted = Settings {
            name: &endpoint.link,
            ..Settings::default()
        };
        link::add_ipvlan(&mut self.route, parent, mode, &wanted, netns)?;
        configure_child(netns, endpoint)
    }

    /// Takes a sandbox out of its network. If the sandbox's namespace goes anyway, withdraw
    /// alone is enough and much cheaper: the pair goes with the namespace.
    ///
    /// # Errors
    /// If the kernel refuses to remove what is there.
    pub fn detach(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        let rules = self.withdraw(endpoint);
        self.cut(&endpoint.host_link)?;
        rules
    }

    /// Takes an endpoint's published ports back.
    ///
    /// # Errors
    /// If the kernel refuses; ports that are gone already are passed over.
    pub fn withdraw(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        unless_gone(firewall::withdraw(
            &mut self.netfilter,
            &self.instance,
            endpoint,
        ))
    }

    /// Removes the firewall's table.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn close(mut self) -> Result<(), Error> {
        firewall::remove(&mut self.netfilter, &self.instance)
    }

    /// Removes an endpoint's link on the host, if it is there.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn cut(&mut self, host_link: &str) -> Result<(), Error> {
        match link::find(&mut self.route, host_link) {
            Ok(pair) => link::delete(&mut self.route, pair),
            Err(Error::NoLink { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn configure_child(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<(), Error> {
    let outcome = namespace::configure(netns, endpoint);
    if outcome.is_err() {
        namespace::remove_child(netns, &endpoint.link).ok();
    }
    outcome
}

/// Keeps a bridge's Ethernet address as it is now. By itself it has the lowest of its ports', and
/// another one when that port goes: what containers send to the one they know would be lost.
fn settle(route: &mut Socket, name: &str) -> Result<(), Error> {
    let found = link::details(route, name)?;
    match found.mac {
        Some(mac) => link::set_mac(route, found.link, mac),
        None => Ok(()),
    }
}

/// What others flushed, and what is gone with its table, needs no removal.
fn unless_gone(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Firewall { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sysctl(name: &str, value: &str) -> Result<(), Error> {
    let path = format!("/proc/sys/{name}");
    // A write of what is there already could fail on a read-only /proc/sys for nothing.
    if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    fs::write(&path, value).map_err(|source| Error::Sysctl {
        name: name.replace('/', "."),
        source,
    })
}
