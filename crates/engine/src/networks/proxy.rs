//! What outlives the daemon of its networks: name servers, and sockets that hold ports, in the
//! proxy.

use super::gateway::Gateways;
use super::parent::is_closed;
use super::registry::{Inner, Registry};
use crate::{Error, NetworkDriver, NetworkError, NetworkState, PublishedPort};
use net::nameserver::Sockets;
use proxy::{Bound, Client, Held, Port, Request, Resolver, Sandbox};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use types::ContainerId;

/// The connection to the proxy; it is started when the first container needs it.
#[derive(Debug)]
pub(crate) struct Proxy {
    executable: PathBuf,
    folder: PathBuf,
    client: Option<Client>,
    /// Containers whose names it may serve although they are in no network with names.
    asking: BTreeSet<ContainerId>,
    /// Told when there is another one.
    changed: Arc<Notify>,
}

impl Proxy {
    pub(super) fn new(executable: PathBuf, folder: PathBuf) -> Self {
        Self {
            executable,
            folder,
            client: None,
            asking: BTreeSet::new(),
            changed: Arc::default(),
        }
    }

    fn take(&mut self, client: Client) {
        self.client = Some(client);
        self.changed.notify_one();
    }

    /// Connects to one that an earlier daemon started. Gives what it has.
    fn find(&mut self) -> Result<BTreeMap<String, Held>, proxy::Error> {
        let Some((client, held)) = Client::find(&self.folder)? else {
            return Ok(BTreeMap::new());
        };
        self.take(client);
        let serving = held.iter().filter(|held| held.serves);
        self.asking
            .extend(serving.filter_map(|held| held.sandbox.parse().ok()));
        let held = held.into_iter().map(|held| (held.sandbox.clone(), held));
        Ok(held.collect())
    }
}

/// What a container that has joined its networks is still to have: open ports, and its share of
/// the proxy.
#[derive(Debug)]
pub(super) struct Serving<'a> {
    pub(super) netns: BorrowedFd<'a>,
    /// The sockets of its name server, if they are there.
    pub(super) names: Option<Sockets>,
    pub(super) share: Share,
}

/// What a container has there.
#[derive(Debug)]
pub(super) struct Share {
    /// `None`: it is in no network with names.
    sandbox: Option<Sandbox>,
    ports: Vec<Port>,
}

impl Share {
    pub(super) fn is_empty(&self) -> bool {
        self.sandbox.is_none() && self.ports.is_empty()
    }
}

fn refused(source: proxy::Error) -> Error {
    NetworkError::Proxy { source }.into()
}

impl Registry {
    fn proxy(&self) -> MutexGuard<'_, Proxy> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a container that joins will have in the proxy.
    pub(super) fn share(&self, container: &ContainerId, state: &NetworkState) -> Share {
        let share = self.inner().share(container, state);
        self.expect_names(share.sandbox.is_some());
        share
    }

    /// Gives a container that starts its name server, and the sockets of its ports into
    /// lasting hands, and does `meanwhile` while the proxy takes them.
    pub(super) fn entrust(
        &self,
        container: &ContainerId,
        serving: Serving<'_>,
        meanwhile: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Serving {
            netns,
            names,
            share,
        } = serving;
        let sockets = self.inner().ports.hand_over(container);
        if share.is_empty() {
            return meanwhile();
        }
        let mut proxy = self.proxy();
        self.alive(&mut proxy)?;
        let Some(client) = &mut proxy.client else {
            return meanwhile();
        };
        let mut done = Ok(());
        let given = give(client, container, (share, &sockets), (netns, names), || {
            done = meanwhile()
        });
        given.and(done)
    }

    /// The proxy runs when this returns; one that has ended is followed by another, which is
    /// told all that it had.
    fn alive(&self, proxy: &mut Proxy) -> Result<(), Error> {
        if proxy.client.as_ref().is_some_and(Client::is_connected) {
            return Ok(());
        }
        let had_one = proxy.client.take().is_some();
        // The connection may have ended alone: two would hold the same ports.
        let held = match had_one {
            true => proxy.find().unwrap_or_else(|error| {
                tracing::warn!(%error, "the proxy that let go is followed by another");
                BTreeMap::new()
            }),
            false => BTreeMap::new(),
        };
        if proxy.client.is_none() {
            let client = Client::start(&proxy.executable, &proxy.folder).map_err(refused)?;
            proxy.take(client);
        }
        if let Some(client) = proxy.client.as_mut().filter(|_| had_one) {
            tracing::warn!("the proxy of published ports and names had ended, or let go");
            self.entrust_again(client, &held);
        }
        Ok(())
    }

    /// Told when there is another proxy.
    pub(crate) fn proxy_changed(&self) -> Arc<Notify> {
        Arc::clone(&self.proxy().changed)
    }

    /// What is readable once the proxy has ended, an error if it has; `None` if there is none.
    pub(crate) fn proxy_end(&self) -> Option<std::io::Result<OwnedFd>> {
        let proxy = self.proxy();
        proxy.client.as_ref()?;
        Some(proxy::end(&proxy.folder))
    }

    /// Starts the proxy again if it has ended.
    pub(crate) fn revive(&self) -> Result<(), Error> {
        let mut proxy = self.proxy();
        match proxy.client {
            Some(_) => self.alive(&mut proxy),
            None => Ok(()),
        }
    }

    /// Gives the proxy what running containers have and it has not.
    fn entrust_again(&self, client: &mut Client, held: &BTreeMap<String, Held>) {
        let running: Vec<_> = {
            let inner = self.inner();
            let live = inner.live.iter();
            live.map(|(id, state)| (id.clone(), state.clone(), inner.pids.get(id).copied()))
                .collect()
        };
        for (container, state, pid) in running {
            let given = self.entrust_one(client, (&container, &state, pid), held);
            if let Err(error) = given {
                tracing::warn!(
                    container.id = %container, %error,
                    "names and ports of a running container are not served"
                );
            }
        }
    }

    fn entrust_one(
        &self,
        client: &mut Client,
        (container, state, pid): (&ContainerId, &NetworkState, Option<u32>),
        held: &BTreeMap<String, Held>,
    ) -> Result<(), Error> {
        // One that was never started has nothing yet.
        let Some(pid) = pid else { return Ok(()) };
        let mut share = self.inner().share(container, state);
        let known = held.get(container.as_str());
        if known.is_some_and(|known| known.serves) && share.sandbox.is_none() {
            // It asks on, and is found nowhere.
            share.sandbox = Some(self.inner().sandbox(container, state));
        }
        if share.is_empty() {
            return Ok(());
        }
        if known.is_some_and(|known| known.ports == share.ports.len()) {
            share.ports.clear();
        }
        if known.is_some_and(|known| known.serves)
            && let Some(sandbox) = share.sandbox.take()
        {
            client.ask(&Request::Put(sandbox), &[]).map_err(refused)?;
        }
        let sockets = match share.ports.is_empty() {
            true => Vec::new(),
            false => self
                .inner()
                .ports
                .hold_again(container, &mut share.ports, &state.ports),
        };
        let path = format!("/proc/{pid}/ns/net");
        let netns = File::open(&path).map_err(Error::io("open", path.as_ref()))?;
        give(
            client,
            container,
            (share, &sockets),
            (netns.as_fd(), None),
            || {},
        )?;
        watch(client, container, pid)
    }

    /// Takes over from an earlier daemon's proxy what running containers have there.
    pub(super) fn find_proxy(&self) {
        let mut proxy = self.proxy();
        let held = proxy.find().unwrap_or_else(|error| {
            tracing::warn!(%error, "names and ports of running containers are served anew");
            BTreeMap::new()
        });
        let needed = {
            let inner = self.inner();
            let mut live = inner.live.iter();
            live.any(|(id, state)| !inner.share(id, state).is_empty())
        };
        if !needed && proxy.client.is_none() {
            return;
        }
        if proxy.client.is_none() {
            match Client::start(&proxy.executable, &proxy.folder) {
                Ok(client) => proxy.take(client),
                Err(error) => {
                    tracing::error!(%error, "names and ports of running containers are not served");
                    return;
                }
            }
        }
        let Some(client) = &mut proxy.client else {
            return;
        };
        let mut held = held;
        held.retain(|sandbox, _| {
            let settled = |id: ContainerId| {
                let inner = self.inner();
                let state = inner.live.get(&id);
                state.is_some_and(|state| state.unsettled.is_empty())
            };
            let keeps = sandbox.parse().is_ok_and(settled);
            if !keeps {
                let sandbox = sandbox.clone();
                // One that is gone by itself needs nothing.
                drop(client.ask(&Request::Forget { sandbox }, &[]));
            }
            keeps
        });
        self.entrust_again(client, &held);
    }

    /// Tells what a running container's names, places and ports are now. `netns` is where its
    /// name server is opened if it has none; `sockets` hold the ports that it did not have.
    pub(super) fn tell(
        &self,
        container: &ContainerId,
        (before, state): (&NetworkState, &NetworkState),
        netns: Option<BorrowedFd<'_>>,
        sockets: &[OwnedFd],
    ) -> Result<(), Error> {
        let (had, share, now, pid) = {
            let inner = self.inner();
            (
                inner.share(container, before),
                inner.share(container, state),
                inner.sandbox(container, state),
                inner.pids.get(container).copied(),
            )
        };
        let (new, led) = moved(before, state);
        let begins = had.sandbox.is_none() && share.sandbox.is_some();
        // One that is nowhere now asks on, and is found nowhere.
        let goes_on = had.sandbox.is_some();
        if !begins && !goes_on && new.is_empty() && led.is_empty() {
            return Ok(());
        }
        let mut proxy = self.proxy();
        self.alive(&mut proxy)?;
        if goes_on && share.sandbox.is_none() {
            proxy.asking.insert(container.clone());
        }
        let Some(client) = &mut proxy.client else {
            return Ok(());
        };
        if goes_on {
            client.ask(&Request::Put(now), &[]).map_err(refused)?;
        }
        if let Some(netns) = netns {
            let share = Share {
                sandbox: share.sandbox.filter(|_| begins),
                ports: new,
            };
            give(client, container, (share, sockets), (netns, None), || {})?;
        }
        let lead = client.lead(container.as_str(), &led, &[]);
        lead.map_err(refused)?;
        match pid.filter(|_| had.is_empty()) {
            Some(pid) => watch(client, container, pid),
            None => Ok(()),
        }
    }

    /// Has the proxy let ports of a running container go.
    pub(super) fn release_held(
        &self,
        container: &ContainerId,
        ports: &[PublishedPort],
    ) -> Result<(), Error> {
        let ports: Vec<_> = ports.iter().map(bound).collect();
        match &mut self.proxy().client {
            Some(client) => {
                let released = client.lead(container.as_str(), &[], &ports);
                released.map_err(refused)
            }
            None => Ok(()),
        }
    }

    /// Remembers the first process of a container.
    pub(crate) fn started(&self, container: &ContainerId, pid: u32) {
        let mut inner = self.inner();
        if inner.live.contains_key(container) {
            inner.pids.insert(container.clone(), pid);
        }
    }

    /// Has a container's share end with its first process, if it runs still.
    pub(crate) fn end_with_process(&self, container: &ContainerId) -> Result<(), Error> {
        let (share, pid) = {
            let inner = self.inner();
            let found = (inner.live.get(container), inner.pids.get(container));
            let (Some(state), Some(pid)) = found else {
                return Ok(());
            };
            (inner.share(container, state), *pid)
        };
        let watched = match &mut self.proxy().client {
            Some(client) if !share.is_empty() => watch(client, container, pid),
            _ => Ok(()),
        };
        // One that has left meanwhile is not to be watched.
        watched.or_else(|error| match self.inner().live.contains_key(container) {
            true => Err(error),
            false => Ok(()),
        })
    }

    /// Takes a container's share back, and does `meanwhile` while the proxy does so. False if that
    /// is not known to be done within this time.
    pub(super) fn forget_share(
        &self,
        container: &ContainerId,
        state: &NetworkState,
        patience: Option<Duration>,
        meanwhile: impl FnOnce(),
    ) -> bool {
        let has_share = !self.inner().share(container, state).is_empty();
        let proxy = match patience {
            None => Some(self.proxy()),
            // Who has it now may wait for long.
            Some(_) => self.proxy.try_lock().ok(),
        };
        let Some(mut proxy) = proxy else {
            return false;
        };
        let is_known = has_share || proxy.asking.contains(container);
        let Some(client) = proxy.client.as_mut().filter(|_| is_known) else {
            drop(proxy);
            meanwhile();
            return true;
        };
        let sandbox = container.to_string();
        let forgotten = client.ask_while(&Request::Forget { sandbox }, patience, meanwhile);
        let forgotten = forgotten.unwrap_or_else(|error| {
            tracing::warn!(container.id = %container, %error, "the proxy is not told of an end");
            true
        });
        if forgotten {
            proxy.asking.remove(container);
        }
        forgotten
    }

    /// Lets the proxy go, if it has nothing to do.
    pub(crate) fn dismiss_proxy(&self) {
        let client = self.proxy().client.take();
        if let Some(client) = client {
            client.leave();
        }
    }
}

fn give(
    client: &mut Client,
    container: &ContainerId,
    (share, sockets): (Share, &[OwnedFd]),
    (netns, names): (BorrowedFd<'_>, Option<Sockets>),
    meanwhile: impl FnOnce(),
) -> Result<(), Error> {
    let sockets: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    let ports = (&*share.ports, &*sockets);
    let Some(sandbox) = share.sandbox else {
        return client
            .give(container.as_str(), None, ports, meanwhile)
            .map_err(refused);
    };
    let opened = names.map_or_else(|| net::nameserver::open(netns), Ok);
    let own = opened.map_err(NetworkError::kernel("serve names in", "every"))?;
    let descriptors = [own.udp.as_fd(), own.tcp.as_fd(), netns];
    let names = (&Request::Put(sandbox), &descriptors[..]);
    client
        .give(container.as_str(), Some(names), ports, meanwhile)
        .map_err(refused)
}

fn watch(client: &mut Client, container: &ContainerId, pid: u32) -> Result<(), Error> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // One that has ended already is told of by its supervisor.
    let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return Ok(());
    };
    let sandbox = container.to_string();
    let watched = client.ask(&Request::Watch { sandbox }, &[process.as_fd()]);
    watched.map_err(refused)
}

impl Inner {
    /// Where a container is found by name, and how its own questions are answered.
    fn sandbox(&self, container: &ContainerId, state: &NetworkState) -> Sandbox {
        let mut places = Vec::new();
        let mut forwards = false;
        for place in &state.endpoints {
            let Some(held) = self.networks.get(&place.network) else {
                continue;
            };
            let driver = held.record.driver;
            forwards |= !is_closed(&held.record);
            if !held.record.has_names()
                || matches!(driver, NetworkDriver::Host | NetworkDriver::Null)
            {
                continue;
            }
            places.push(proxy::Place {
                network: place.network.clone(),
                network_name: held.record.name.clone(),
                addresses: place.addresses().iter().map(|(own, _)| *own).collect(),
                names: place.names.clone(),
                links: place.links.clone(),
            });
        }
        Sandbox {
            id: container.to_string(),
            places,
            resolver: Resolver {
                forwards,
                servers: state.name_servers.clone(),
                single_labels_stay: state.single_labels_stay,
            },
        }
    }

    /// What a container has in the proxy.
    fn share(&self, container: &ContainerId, state: &NetworkState) -> Share {
        let sandbox = self.sandbox(container, state);
        let sandbox = (!sandbox.places.is_empty()).then_some(sandbox);
        let ports = state.ports.iter().filter(|port| port.host_port != 0);
        let ports = ports.map(|port| held(state, port));
        Share {
            sandbox,
            ports: ports.collect(),
        }
    }
}

/// A port as the proxy has it.
fn held(state: &NetworkState, port: &PublishedPort) -> Port {
    Port {
        datagrams: port.transport() == net::Protocol::Udp,
        target: target(state, port),
    }
}

/// What the socket of a port is bound to.
fn bound(port: &PublishedPort) -> Bound {
    Bound {
        protocol: port.protocol,
        address: SocketAddr::new(port.host, port.host_port),
    }
}

/// Ports that a running container did not have before, and where those that it had lead now if
/// that is elsewhere.
fn moved(before: &NetworkState, state: &NetworkState) -> (Vec<Port>, Vec<(Bound, SocketAddr)>) {
    let ports = state.ports.iter().filter(|port| port.host_port != 0);
    let (kept, new): (Vec<_>, Vec<_>) = ports.partition(|port| before.ports.contains(port));
    let led = kept.into_iter().filter_map(|port| {
        let to = target(state, port)?;
        (target(before, port) != Some(to)).then(|| (bound(port), to))
    });
    let new = new.into_iter().map(|port| held(state, port));
    (new.collect(), led.collect())
}

/// Where the proxy passes on what comes to a port: what the host sends to its own loopback
/// addresses, and what comes by IPv6 for a container without. The firewall leads on the rest.
fn target(state: &NetworkState, port: &PublishedPort) -> Option<SocketAddr> {
    let place = Gateways::of(&state.endpoints).leading(port.host)?;
    let six = place
        .ipv6
        .filter(|_| port.host.is_ipv6() && place.gateway6.is_some());
    let six = six.map(|(own, _)| IpAddr::V6(own));
    let four = place.ipv4.map(|(own, _)| IpAddr::V4(own));
    Some(SocketAddr::new(six.or(four)?, port.port))
}
