//! Links and rules of all networks, under one lock.

use super::prepared::Joining;
use super::registry::Registry;
use super::{NetworkError, parent, shape};
use crate::{EndpointState, Error, NetworkDriver, NetworkRecord, NetworkState};
use net::{Bridges, Endpoint, Network, Prepared};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use types::{ContainerId, ErrorKind, Kind};

/// How long a link on a parent may stand in the way of the next, once its container has ended:
/// the kernel takes the namespace that it is in down at leisure.
const TAKEN_DOWN: Duration = Duration::from_secs(2);

/// The kernel's side of all networks. Nothing is opened before it is needed, and no rule is
/// made before a network has a bridge.
#[derive(Debug)]
pub(crate) struct Kernel {
    instance: String,
    bridges: Option<Bridges>,
    /// The number by which the kernel says that a change to the firewall is ours; 0 before there
    /// was one.
    port: Arc<AtomicU32>,
    /// The firewall's table is there, as far as is known.
    has_table: bool,
}

impl Kernel {
    pub(super) fn new(instance: &str, port: Arc<AtomicU32>) -> Self {
        Self {
            instance: instance.to_owned(),
            bridges: None,
            port,
            has_table: false,
        }
    }

    pub(super) fn bridges(&mut self) -> Result<&mut Bridges, net::Error> {
        let opened = match self.bridges.take() {
            Some(bridges) => bridges,
            None => self.open()?,
        };
        Ok(self.bridges.insert(opened))
    }

    fn open(&self) -> Result<Bridges, net::Error> {
        let bridges = Bridges::open(&self.instance)?;
        self.port.store(bridges.firewall_port()?, Ordering::Release);
        Ok(bridges)
    }

    pub(super) fn routes(&mut self) -> Result<Vec<net::Subnet>, net::Error> {
        self.bridges()?.routes()
    }
}

/// The namespace that a place is made in.
#[derive(Debug)]
pub(super) enum Inside<'a> {
    /// One with the place's links in it.
    Prepared(&'a mut Prepared),
    /// Any other.
    Other(BorrowedFd<'a>),
}

impl AsFd for Inside<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Prepared(links) => links.as_fd(),
            Self::Other(netns) => *netns,
        }
    }
}

/// Everything that the firewall's table holds.
#[derive(Default)]
struct Rules {
    networks: Vec<Network>,
    endpoints: Vec<Endpoint>,
}

impl Registry {
    /// Makes sure that a network's bridge and rules are there, or its parent.
    pub(super) fn ready(&self, record: &Arc<NetworkRecord>) -> Result<(), Error> {
        if record.driver.has_parent() {
            return self.ensure_parent(record);
        }
        if record.driver != NetworkDriver::Bridge || self.is_ready(&record.id) {
            return Ok(());
        }
        let failed = |source| NetworkError::kernel("make", &record.name)(source);
        let mut kernel = self.kernel();
        if self.is_ready(&record.id) {
            return Ok(());
        }
        let network = shape::network(record);
        let bridges = kernel.bridges().map_err(failed)?;
        bridges.ensure(&network).map_err(failed)?;
        if let Some(held) = self.inner().networks.get_mut(&record.id) {
            held.ready = true;
        }
        let rules = |bridges: &mut Bridges| bridges.allow(&network);
        let made = self.with_rules(&mut kernel, rules);
        if made.is_err()
            && let Some(held) = self.inner().networks.get_mut(&record.id)
        {
            held.ready = false;
        }
        made.map_err(failed).map_err(Error::from)
    }

    /// Whether the bridge of a network is there.
    pub(super) fn is_ready(&self, id: &str) -> bool {
        let inner = self.inner();
        inner.networks.get(id).is_some_and(|held| held.ready)
    }

    /// Changes rules; if the table is not there, because nothing was in it yet or because
    /// somebody removed it, makes all of it anew instead.
    fn with_rules(
        &self,
        kernel: &mut Kernel,
        change: impl FnOnce(&mut Bridges) -> Result<(), net::Error>,
    ) -> Result<(), net::Error> {
        if kernel.has_table {
            match change(kernel.bridges()?) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
        self.restore_with(kernel)
    }

    /// The number by which the kernel says that a change to the firewall is ours.
    pub(crate) fn firewall_port(&self) -> u32 {
        self.firewall_port.load(Ordering::Acquire)
    }

    /// Makes the firewall's table as it must be, after somebody has damaged it.
    pub(crate) fn heal(&self) -> Result<(), Error> {
        let mut kernel = self.kernel();
        if !kernel.has_table {
            return Ok(());
        }
        let restored = self.restore_with(&mut kernel);
        restored.map_err(NetworkError::kernel("restore the rules of", "every"))?;
        Ok(())
    }

    fn restore_with(&self, kernel: &mut Kernel) -> Result<(), net::Error> {
        let rules = self.rules();
        let bridges = kernel.bridges()?;
        bridges.restore(&rules.networks, &rules.endpoints)?;
        kernel.has_table = true;
        Ok(())
    }

    fn rules(&self) -> Rules {
        let inner = self.inner();
        let mut rules = Rules::default();
        for held in inner.networks.values().filter(|held| held.ready) {
            rules.networks.push(shape::network(&held.record));
        }
        for (container, state) in &inner.live {
            let places = state.endpoints.iter();
            rules
                .endpoints
                .extend(places.map(|place| shape::endpoint(container, state, place)));
        }
        rules
    }

    /// Takes over the links and rules of networks in use, and removes links that nothing owns.
    pub(super) fn take_over(&self, used: &[Arc<NetworkRecord>]) -> Result<(), Error> {
        let failed = NetworkError::kernel("take over", "every");
        let mut kernel = self.kernel();
        let known = |owner: &str, link: &str| self.inner().owns(owner, link);
        let bridges = kernel.bridges().map_err(failed)?;
        let owner_of = |link: &str| self.inner().owner_of(link).map(ContainerId::to_string);
        if let Err(error) = bridges.sweep(&known, &owner_of) {
            tracing::warn!(%error, "cannot remove links that nothing owns");
        }
        for record in used.iter().filter(|r| r.driver == NetworkDriver::Bridge) {
            let ensured = bridges.ensure(&shape::network(record));
            ensured.map_err(NetworkError::kernel("take over", &record.name))?;
            if let Some(held) = self.inner().networks.get_mut(&record.id) {
                held.ready = true;
            }
        }
        if used.is_empty() {
            return Ok(());
        }
        let restored = self.restore_with(&mut kernel);
        restored.map_err(NetworkError::kernel("restore the rules of", "every"))?;
        Ok(())
    }

    /// Removes a network's bridge and rules, or the parent that was made for it.
    pub(crate) fn demolish(&self, record: &NetworkRecord) -> Result<(), Error> {
        if record.driver.has_parent() {
            return self.release_parent(record);
        }
        if record.driver != NetworkDriver::Bridge {
            return Ok(());
        }
        let failed = |source| NetworkError::kernel("remove", &record.name)(source);
        let mut kernel = self.kernel();
        let had_rules = self.is_ready(&record.id);
        if let Some(held) = self.inner().networks.get_mut(&record.id) {
            held.ready = false;
        }
        let network = shape::network(record);
        let bridges = kernel.bridges().map_err(failed)?;
        let removed = match had_rules {
            true => bridges.remove(&network),
            false => bridges.unlink(&network),
        };
        if removed.is_err()
            && let Some(held) = self.inner().networks.get_mut(&record.id)
        {
            held.closing = false;
        }
        removed.map_err(failed).map_err(Error::from)
    }

    /// Makes the links of a container's places in its namespace, and then its rules.
    pub(super) fn link(
        &self,
        container: &ContainerId,
        state: &NetworkState,
        joining: &mut Joining,
    ) -> Result<(), Error> {
        for place in &state.endpoints {
            match joining.links(&place.host_link) {
                Some(links) => self.link_one(container, (state, place), Inside::Prepared(links)),
                None => self.link_one(container, (state, place), Inside::Other(joining.as_fd())),
            }?;
        }
        Ok(())
    }

    /// Makes the link of one place.
    pub(super) fn link_one(
        &self,
        container: &ContainerId,
        (state, place): (&NetworkState, &EndpointState),
        mut inside: Inside<'_>,
    ) -> Result<(), Error> {
        let record = self.record_of(place)?;
        self.ready(&record)?;
        let endpoint = shape::endpoint(container, state, place);
        let end = Instant::now() + TAKEN_DOWN;
        loop {
            match self.join_once(&record, &endpoint, &mut inside) {
                Ok(()) => return Ok(()),
                Err(error) if parent::is_occupied(&record, &error) && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(net::Error::Sysctl { name, source }) => {
                    return Err(unset(&place.host_link, &name, &source).into());
                }
                Err(source) => {
                    return Err(NetworkError::kernel("join", &record.name)(source).into());
                }
            }
        }
    }

    fn join_once(
        &self,
        record: &NetworkRecord,
        endpoint: &Endpoint,
        inside: &mut Inside<'_>,
    ) -> Result<(), net::Error> {
        let mut kernel = self.kernel();
        let bridges = kernel.bridges()?;
        let network = || shape::network(record);
        match (record.driver, inside) {
            (NetworkDriver::Bridge, Inside::Prepared(links)) => {
                bridges.join_prepared(&network(), endpoint, links)
            }
            (NetworkDriver::Bridge, Inside::Other(netns)) => {
                bridges.join(&network(), endpoint, *netns)
            }
            (NetworkDriver::Macvlan, inside) => {
                let mode = parent::macvlan_mode(record);
                bridges.join_macvlan(&record.link, mode, endpoint, inside.as_fd())
            }
            (NetworkDriver::Ipvlan, inside) => {
                let mode = parent::ipvlan_mode(record);
                bridges.join_ipvlan(&record.link, mode, endpoint, inside.as_fd())
            }
            (NetworkDriver::Host | NetworkDriver::Null, _) => Ok(()),
        }
    }

    /// Leads links that were made ahead to a network's bridge, if that is there.
    pub(super) fn lead(&self, network: &str, links: &mut Prepared) {
        let held = self.inner().networks.get(network).map(|held| {
            let fit = held.ready && held.record.driver == NetworkDriver::Bridge;
            fit.then(|| shape::network(&held.record))
        });
        // A size of packets would stay if another network is joined in the end.
        let Some(Some(network)) =
            held.filter(|held| held.as_ref().is_some_and(|n| n.mtu.is_none()))
        else {
            return;
        };
        let led = self
            .kernel()
            .bridges()
            .and_then(|bridges| bridges.lead(&network, links));
        if let Err(error) = led {
            tracing::debug!(%error, "cannot lead a link made ahead to a bridge");
        }
    }

    /// Says on the host whose links were joined that had been made ahead.
    pub(crate) fn mark(&self, container: &ContainerId, joining: &Joining) {
        let Joining::Ready(ready) = joining else {
            return;
        };
        let mut kernel = self.kernel();
        let bridges = kernel.bridges();
        let marked = bridges.and_then(|bridges| bridges.mark(container.as_str(), &ready.links));
        if let Err(error) = marked {
            tracing::debug!(container.id = %container, %error, "a link does not say whose it is");
        }
    }

    /// Makes the rules that lead a container's ports to one of its places, if they do.
    pub(super) fn publish(
        &self,
        container: &ContainerId,
        (state, place): (&NetworkState, &EndpointState),
    ) -> Result<(), Error> {
        let record = self.record_of(place)?;
        let endpoint = shape::endpoint(container, state, place);
        if endpoint.ports.is_empty() || record.driver != NetworkDriver::Bridge {
            return Ok(());
        }
        let mut kernel = self.kernel();
        let published = self.with_rules(&mut kernel, |bridges| bridges.publish(&endpoint));
        Ok(published.map_err(NetworkError::kernel("join", &record.name))?)
    }

    /// Takes a container's rules back; its links go with their namespace.
    pub(super) fn withdraw(
        &self,
        container: &ContainerId,
        state: &NetworkState,
    ) -> Result<(), Error> {
        for place in &state.endpoints {
            let endpoint = shape::endpoint(container, state, place);
            let mut kernel = self.kernel();
            if endpoint.ports.is_empty() || !kernel.has_table {
                continue;
            }
            let bridges = kernel.bridges();
            let withdrawn = bridges.and_then(|bridges| bridges.withdraw(&endpoint));
            withdrawn.map_err(NetworkError::kernel("leave", &place.name))?;
            // Its address can be another's soon.
            forget_datagrams(&mut kernel, &endpoint.ports);
        }
        Ok(())
    }

    /// Makes the rules of a running container's ports as its places are now.
    pub(super) fn republish(
        &self,
        container: &ContainerId,
        (before, after): (&NetworkState, &NetworkState),
    ) -> Result<(), Error> {
        let published = |state: &NetworkState| {
            let bridged = state.endpoints.iter().filter(|place| place.is_bridged());
            let endpoints = bridged.map(|place| shape::endpoint(container, state, place));
            let endpoints = endpoints.filter(|endpoint| !endpoint.ports.is_empty());
            endpoints.collect::<Vec<_>>()
        };
        let (before, after) = (published(before), published(after));
        if before == after {
            return Ok(());
        }
        let mut kernel = self.kernel();
        let change = |bridges: &mut Bridges| bridges.republish(&before, &after);
        let changed = self.with_rules(&mut kernel, change);
        changed.map_err(NetworkError::kernel("publish ports in", "every"))?;
        let ports = before.iter().flat_map(|endpoint| &endpoint.ports);
        forget_datagrams(&mut kernel, ports);
        Ok(())
    }

    /// Removes a place's link: on the host, or else in its namespace, if that is known.
    pub(super) fn cut(
        &self,
        place: &EndpointState,
        netns: Option<BorrowedFd<'_>>,
    ) -> Result<(), Error> {
        let cut = match (place.host_link.as_str(), netns) {
            ("", None) => Ok(()),
            ("", Some(netns)) => net::namespace::remove_child(netns, &place.link),
            (link, _) => {
                let mut kernel = self.kernel();
                kernel.bridges().and_then(|bridges| bridges.cut(link))
            }
        };
        Ok(cut.map_err(NetworkError::kernel("leave", &place.name))?)
    }

    fn record_of(&self, place: &EndpointState) -> Result<Arc<NetworkRecord>, Error> {
        let inner = self.inner();
        let held = inner.networks.get(&place.network);
        let record = held.map(|held| Arc::clone(&held.record));
        record.ok_or_else(|| super::registry::no_network(&place.name))
    }
}

/// Has datagrams to these ports of the host, of those who go on asking too, follow the rules that
/// there are now.
fn forget_datagrams<'a>(kernel: &mut Kernel, ports: impl IntoIterator<Item = &'a net::Port>) {
    let ports = ports.into_iter();
    let datagrams = ports.filter(|port| port.protocol == net::Protocol::Udp);
    let datagrams: Vec<_> = datagrams.map(|port| port.host_port).collect();
    let bridges = kernel.bridges();
    if let Err(error) = bridges.and_then(|bridges| bridges.forget_datagrams(&datagrams)) {
        tracing::debug!(%error, "datagrams are led where they were for a while");
    }
}

/// A parameter of a link that cannot be set, in dockerd's words.
fn unset(link: &str, name: &str, source: &io::Error) -> NetworkError {
    let path = format!("/proc/sys/{name}");
    let reason = match source.kind() {
        io::ErrorKind::NotFound => format!("{path} is not a sysctl file"),
        _ => {
            let words = source.to_string().to_lowercase();
            let words = words.split(" (os error").next().unwrap_or_default();
            format!("unable to write to '{path}': write {path}: {words}")
        }
    };
    NetworkError::interface(link, reason)
}
