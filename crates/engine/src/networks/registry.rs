//! All networks in memory: their addresses, who is in them, and which of the host's ports are
//! taken.

use super::kernel::Kernel;
use super::ports::Ports;
use super::prepared::Pool;
use super::proxy::Proxy;
use super::{Allocated, NetworkError, NetworkSettings, create};
use crate::{
    Config, ContainerState, EndpointState, Error, NetworkDriver, NetworkRecord, NetworkState,
};
use metadata::{Batch, Database};
use net::pool::Addresses;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::{ContainerId, Resource};

/// All networks in memory. Its locks are held for map operations, the kernel's lock for the
/// time of a change of links or rules.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(super) inner: Mutex<Inner>,
    pub(super) kernel: Mutex<Kernel>,
    /// The kernel's number of what changes the firewall for us.
    pub(super) firewall_port: Arc<AtomicU32>,
    pub(super) proxy: Mutex<Proxy>,
    pub(super) prepared: Mutex<Pool>,
    pub(super) settings: NetworkSettings,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) networks: BTreeMap<String, Held>,
    /// Where each running container is.
    pub(super) live: BTreeMap<ContainerId, NetworkState>,
    /// The first process of each, once it runs.
    pub(super) pids: BTreeMap<ContainerId, u32>,
    pub(super) ports: Ports,
}

/// One network.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Arc<NetworkRecord>,
    /// The addresses of each of its pools, in their order.
    pub(super) addresses: Vec<Addresses>,
    /// Its bridge is there and its rules are made, by this daemon or an earlier one.
    pub(super) ready: bool,
    /// It is being removed.
    pub(super) closing: bool,
}

impl Held {
    pub(super) fn new(record: Arc<NetworkRecord>) -> Self {
        let addresses = record.pools.iter().map(|pool| {
            let mut addresses = Addresses::new(pool.subnet, pool.range);
            for taken in pool.gateway.iter().chain(pool.auxiliary.values()) {
                // One that is outside, or there twice, takes nothing.
                drop(addresses.take(*taken));
            }
            addresses
        });
        Self {
            addresses: addresses.collect(),
            record,
            ready: false,
            closing: false,
        }
    }

    fn allocated(&self) -> Vec<Allocated> {
        let pools = self.record.pools.iter().zip(&self.addresses);
        let allocated = pools.map(|(pool, addresses)| Allocated {
            subnet: pool.subnet,
            used: addresses.used(),
            available: addresses.available(),
        });
        allocated.collect()
    }

    /// Gives an address back.
    pub(super) fn release(&mut self, place: &EndpointState) {
        for (address, _) in place.addresses() {
            for pool in &mut self.addresses {
                pool.release(address);
            }
        }
    }

    /// Takes the addresses of a place that is on record.
    fn adopt(&mut self, place: &EndpointState) {
        for (address, _) in place.addresses() {
            for pool in &mut self.addresses {
                // Outside of this pool, or taken: nothing else can have it now.
                drop(pool.take(address));
            }
        }
    }
}

impl Inner {
    fn default_bridge(&self) -> Option<Arc<NetworkRecord>> {
        let mut all = self.networks.values().map(|held| &held.record);
        let default = |record: &&Arc<NetworkRecord>| {
            record.predefined && record.driver == NetworkDriver::Bridge
        };
        all.find(default).cloned()
    }
}

impl Registry {
    /// The networks on record; the daemon's own are made if they are not there.
    pub(crate) fn open(database: &Database, config: &Config) -> Result<Self, Error> {
        let instance = &config.paths.instance();
        let read = |read: &metadata::Read| read.list::<NetworkRecord>();
        let stored = database.read(read);
        let stored = stored.map_err(Error::store("read the networks"))?;
        let mut inner = Inner::default();
        inner.ports.by(Arc::clone(&config.binder));
        for (id, record) in stored {
            inner.networks.insert(id, Held::new(Arc::new(record)));
        }
        let firewall_port = Arc::new(AtomicU32::new(0));
        let registry = Self {
            inner: Mutex::new(inner),
            kernel: Mutex::new(Kernel::new(instance, Arc::clone(&firewall_port))),
            firewall_port,
            proxy: Mutex::new(Proxy::new(config.proxy.clone(), config.paths.proxy())),
            prepared: Mutex::default(),
            settings: config.networks.clone(),
        };
        let mut made = registry.missing(instance)?;
        let mut batch = Batch::new();
        if let Some((old, new)) = registry.renewed(database, instance)? {
            batch.remove::<NetworkRecord>(&old);
            registry.forget(&old);
            made.push(new);
        }
        if !made.is_empty() {
            let action = "record the first networks";
            for record in &made {
                batch
                    .put(&record.id, record)
                    .map_err(Error::store(action))?;
            }
            database.commit(batch).map_err(Error::store(action))?;
        }
        let mut inner = registry.inner();
        for record in made {
            let held = Held::new(Arc::new(record));
            inner.networks.insert(held.record.id.clone(), held);
        }
        drop(inner);
        Ok(registry)
    }

    fn missing(&self, instance: &str) -> Result<Vec<NetworkRecord>, Error> {
        let has = |driver: NetworkDriver| {
            let inner = self.inner();
            let mut all = inner.networks.values();
            all.any(|held| held.record.predefined && held.record.driver == driver)
        };
        let mut missing = Vec::new();
        for (name, driver) in [("none", NetworkDriver::Null), ("host", NetworkDriver::Host)] {
            if !has(driver) {
                missing.push(create::predefined(name, driver)?);
            }
        }
        if !has(NetworkDriver::Bridge) {
            missing.push(self.default_bridge(instance, None)?);
        }
        Ok(missing)
    }

    /// The default bridge as the settings have it now, and the id of the one that is not so.
    /// One that containers are on stays as it is.
    fn renewed(
        &self,
        database: &Database,
        instance: &str,
    ) -> Result<Option<(String, NetworkRecord)>, Error> {
        let old = self.inner().default_bridge();
        let Some(old) = old else {
            return Ok(None);
        };
        let new = self.default_bridge(instance, Some(&old))?;
        if (&new.options, &new.pools, &new.link) == (&old.options, &old.pools, &old.link) {
            return Ok(None);
        }
        let states = database.read(metadata::Read::list::<ContainerState>);
        let states = states.map_err(Error::store("read where containers are"))?;
        let mut places = states
            .iter()
            .flat_map(|(_, state)| &state.network.endpoints);
        if places.any(|place| place.network == old.id) {
            tracing::warn!("containers are on the default bridge: its settings wait until none is");
            return Ok(None);
        }
        Ok(Some((old.id.clone(), new)))
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every network, in the order of their names.
    pub(crate) fn records(&self) -> Vec<Arc<NetworkRecord>> {
        let inner = self.inner();
        let all = inner.networks.values().filter(|held| !held.closing);
        let mut records: Vec<_> = all.map(|held| Arc::clone(&held.record)).collect();
        records.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        records
    }

    /// The containers that run in a network.
    pub(crate) fn members(&self, network: &str) -> Vec<(ContainerId, EndpointState)> {
        let inner = self.inner();
        let members = inner.live.iter().filter_map(|(container, state)| {
            let mut places = state.endpoints.iter();
            let place = places.find(|place| place.network == network)?;
            Some((container.clone(), place.clone()))
        });
        members.collect()
    }

    /// Whether a container runs in a network.
    pub(crate) fn is_joined(&self, network: &str) -> bool {
        let inner = self.inner();
        let mut places = inner.live.values().flat_map(|state| &state.endpoints);
        places.any(|place| place.network == network)
    }

    /// How many addresses of each of a network's subnets are given.
    pub(crate) fn allocated(&self, network: &str) -> Vec<Allocated> {
        let inner = self.inner();
        let held = inner.networks.get(network);
        held.map(Held::allocated).unwrap_or_default()
    }

    /// The network that a caller means: a whole id, a name, the start of an id.
    pub(crate) fn resolve(&self, name: &str) -> Result<Arc<NetworkRecord>, Error> {
        let inner = self.inner();
        inner.resolve(name).map(|held| Arc::clone(&held.record))
    }

    /// What `host-gateway` means: the host's addresses on the default bridge, unless the
    /// settings say.
    pub(crate) fn host_gateways(&self) -> Vec<std::net::IpAddr> {
        if !self.settings.host_gateways.is_empty() {
            return self.settings.host_gateways.clone();
        }
        let bridge = self.inner().default_bridge();
        let pools = bridge.iter().flat_map(|record| &record.pools);
        pools.filter_map(|pool| pool.gateway).collect()
    }

    /// Takes a network out of memory.
    pub(crate) fn forget(&self, id: &str) {
        self.inner().networks.remove(id);
    }

    /// Keeps a network from being joined, because it is to be removed. `names` are those of the
    /// containers in it.
    pub(crate) fn close(
        &self,
        record: &NetworkRecord,
        names: &BTreeMap<ContainerId, String>,
    ) -> Result<(), Error> {
        let name = &record.name;
        if record.predefined {
            let message = format!("{name} is a pre-defined network and cannot be removed");
            return Err(NetworkError::Predefined { message }.into());
        }
        let mut inner = self.inner();
        let places = inner.live.iter().flat_map(|(container, state)| {
            let places = state.endpoints.iter();
            places.map(move |place| (container, place))
        });
        let mut endpoints: Vec<_> = places
            .filter(|(_, place)| place.network == record.id)
            .map(|(container, place)| {
                let name = names.get(container);
                let name = name.map_or(container.as_str(), String::as_str);
                let short = place.id.get(..12).unwrap_or(&place.id);
                format!("name:{name:?} id:{short:?}")
            })
            .collect();
        if !endpoints.is_empty() {
            endpoints.sort_unstable();
            return Err(NetworkError::InUse {
                name: name.clone(),
                endpoints: endpoints.join(", "),
            }
            .into());
        }
        inner.expect_unused(record)?;
        match inner.networks.get_mut(&record.id) {
            Some(held) if !held.closing => {
                held.closing = true;
                Ok(())
            }
            _ => Err(no_network(name)),
        }
    }

    /// Lets a network be joined again that was to be removed.
    pub(crate) fn reopen(&self, id: &str) {
        if let Some(held) = self.inner().networks.get_mut(id) {
            held.closing = false;
        }
    }

    /// Takes over what runs: its addresses and ports, and the links and rules that belong to
    /// it. What no running container owns is removed.
    pub(crate) fn adopt(
        &self,
        running: Vec<(ContainerId, u32, NetworkState)>,
    ) -> Result<(), Error> {
        let mut used = Vec::new();
        {
            let mut inner = self.inner();
            for (container, pid, state) in running {
                inner.pids.insert(container.clone(), pid);
                used.extend(inner.adopt(container, state));
            }
        }
        used.sort_by(|a, b| a.id.cmp(&b.id));
        used.dedup_by(|a, b| a.id == b.id);
        self.find_proxy();
        self.take_over(&used)?;
        self.settle_all();
        Ok(())
    }

    fn settle_all(&self) {
        let unsettled = {
            let inner = self.inner();
            let unsettled = inner
                .live
                .iter()
                .filter(|(_, state)| !state.unsettled.is_empty());
            let unsettled = unsettled.map(|(id, state)| (id.clone(), state.clone()));
            unsettled.collect::<Vec<_>>()
        };
        for (container, state) in &unsettled {
            // Of one that ends now all goes with its namespace.
            if let Err(error) = self.settle(container, state) {
                tracing::warn!(container.id = %container, %error, "its networks are not as on record");
            }
            if let Some(state) = self.inner().live.get_mut(container) {
                state.unsettled.clear();
            }
        }
    }
}

impl Inner {
    /// Takes what a running container has. Gives the networks that it is in.
    fn adopt(&mut self, container: ContainerId, state: NetworkState) -> Vec<Arc<NetworkRecord>> {
        let mut used = Vec::new();
        for place in &state.endpoints {
            if let Some(held) = self.networks.get_mut(&place.network) {
                held.adopt(place);
                used.push(Arc::clone(&held.record));
            }
        }
        self.ports.adopt(&state.ports);
        self.live.insert(container, state);
        used
    }

    /// Whether a network, or a place of a running container, has this link of the host.
    pub(super) fn owns(&self, owner: &str, link: &str) -> bool {
        let container = owner.parse::<ContainerId>();
        let state = container.ok().and_then(|id| self.live.get(&id));
        let mut places = state.iter().flat_map(|state| &state.endpoints);
        self.networks.contains_key(owner) || places.any(|place| place.host_link == link)
    }

    /// The running container that has this link of the host.
    pub(super) fn owner_of(&self, link: &str) -> Option<&ContainerId> {
        let of = |state: &NetworkState| state.endpoints.iter().any(|p| p.host_link == link);
        let found = self.live.iter().find(|(_, state)| of(state));
        found.map(|(id, _)| id)
    }

    pub(super) fn resolve(&self, name: &str) -> Result<&Held, Error> {
        let open = || self.networks.values().filter(|held| !held.closing);
        if let Some(held) = self.networks.get(name).filter(|held| !held.closing) {
            return Ok(held);
        }
        if let Some(held) = open().find(|held| held.record.name == name) {
            return Ok(held);
        }
        let mut starting = open().filter(|held| held.record.id.starts_with(name));
        match (starting.next(), starting.next()) {
            (Some(held), None) if !name.is_empty() => Ok(held),
            (Some(_), Some(_)) if !name.is_empty() => Err(Error::Ambiguous {
                prefix: name.to_owned(),
            }),
            _ => Err(no_network(name)),
        }
    }

    /// Gives a place's addresses back.
    pub(super) fn release(&mut self, place: &EndpointState) {
        if let Some(held) = self.networks.get_mut(&place.network) {
            held.release(place);
        }
    }

    /// Subnets that a new network must avoid, besides the host's routes.
    pub(super) fn subnets(&self) -> Vec<net::Subnet> {
        let records = self.networks.values().map(|held| &held.record);
        let pools = records
            .filter(|record| !record.config_only)
            .flat_map(|record| &record.pools);
        pools.map(|pool| pool.subnet).collect()
    }

    /// Refuses a name that a network has.
    pub(super) fn expect_unnamed(&self, name: &str) -> Result<(), Error> {
        if self.networks.values().any(|held| held.record.name == name) {
            let name = name.to_owned();
            return Err(NetworkError::Exists { name }.into());
        }
        Ok(())
    }
}

pub(super) fn no_network(name: &str) -> Error {
    Error::NotFound(Resource {
        kind: "network",
        name: name.to_owned(),
    })
}
