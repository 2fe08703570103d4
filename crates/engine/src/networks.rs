//! Networks: made, joined, left, removed.

mod attach;
mod change;
mod configuration;
mod create;
mod error;
mod filter;
mod gateway;
pub(crate) mod guard;
mod kernel;
mod parent;
mod plan;
mod ports;
mod prepared;
mod proxy;
mod registry;
mod settings;
mod shape;

pub(crate) use change::namespace_of;
pub(crate) use create::random_id;
pub use create::{NetworkSpec, PoolSpec};
pub use error::NetworkError;
pub use filter::NetworkFilter;
pub(crate) use plan::{check_endpoint, publications};
pub(crate) use registry::Registry;
pub use settings::{DefaultBridge, NetworkSettings};

use crate::context::{Context, blocking};
use crate::owner::Command;
use crate::{EndpointSpec, EndpointState, Error, Event, EventType, NetworkDriver, NetworkRecord};
use metadata::Batch;
use std::sync::Arc;
use types::ContainerId;

/// Networks: made, joined, left, removed. Clones are the same.
#[derive(Clone, Debug)]
pub struct Networks {
    context: Arc<Context>,
}

/// The addresses of one of a network's subnets, by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Which.
    pub subnet: net::Subnet,
    /// Those that nobody can be given any more.
    pub used: u128,
    /// Those that are still given where nobody chooses.
    pub available: u128,
}

/// A container in a network.
#[derive(Clone, Debug)]
pub struct Member {
    /// The container.
    pub container: ContainerId,
    /// Its name; empty if it is being removed.
    pub name: String,
    /// Its place.
    pub endpoint: EndpointState,
}

impl Networks {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The network that a caller means: by name, by whole id, by the start of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ambiguous`] if several ids start so.
    pub fn find(&self, name: &str) -> Result<Arc<NetworkRecord>, Error> {
        self.context.networks.resolve(name)
    }

    /// How many addresses of each of a network's subnets are given.
    pub fn allocated(&self, record: &NetworkRecord) -> Vec<Allocated> {
        self.context.networks.allocated(&record.id)
    }

    /// The networks that match, in the order of their names.
    pub fn list(&self, filter: &NetworkFilter) -> Vec<Arc<NetworkRecord>> {
        let networks = &self.context.networks;
        let mut records = networks.records();
        records.retain(|record| filter.matches(record, || networks.is_joined(&record.id)));
        records
    }

    /// The containers that run in a network, by id.
    pub fn members(&self, record: &NetworkRecord) -> Vec<Member> {
        match record.driver {
            NetworkDriver::Host | NetworkDriver::Null => self.members_of_fixed(record),
            _ => self.members_of_own(record),
        }
    }

    fn members_of_own(&self, record: &NetworkRecord) -> Vec<Member> {
        let members = self.context.networks.members(&record.id);
        let members = members.into_iter().map(|(container, endpoint)| Member {
            name: self
                .context
                .index
                .find(&container)
                .map(|handle| handle.snapshot().record.name.clone())
                .unwrap_or_default(),
            container,
            endpoint,
        });
        members.collect()
    }

    /// COMPAT: who is in the host's network, or in none, is listed there too.
    fn members_of_fixed(&self, record: &NetworkRecord) -> Vec<Member> {
        let handles = self.context.index.handles().into_iter();
        let members = handles.filter_map(|handle| {
            let container = handle.snapshot();
            let mode = &container.record.spec.namespaces.network;
            let inside = mode.fixed() == Some(&*record.name) && container.state.pid.is_some();
            inside.then(|| Member {
                container: container.id().clone(),
                name: container.record.name.clone(),
                endpoint: EndpointState {
                    network: record.id.clone(),
                    name: record.name.clone(),
                    id: container.state.network.sandbox.clone(),
                    ..EndpointState::default()
                },
            })
        });
        members.collect()
    }

    /// Makes a network. Its bridge is there when this returns.
    ///
    /// # Errors
    /// [`Error::Network`] says what of the request cannot be.
    pub async fn create(&self, spec: NetworkSpec) -> Result<Arc<NetworkRecord>, Error> {
        let networks = self.clone();
        // A caller who goes away must not leave half a network.
        let task = self
            .context
            .tracker
            .spawn(async move { networks.make(spec).await });
        task.await.map_err(|_| Error::Stopping)?
    }

    async fn make(&self, spec: NetworkSpec) -> Result<Arc<NetworkRecord>, Error> {
        let context = Arc::clone(&self.context);
        let record = blocking(move || context.networks.admit(spec)).await??;
        let mut batch = Batch::new();
        let action = "record a new network";
        let put = batch.put(&record.id, &*record);
        let stored = match put {
            Ok(()) => {
                let event = record.event("create", []);
                self.context.commit(action, batch, vec![event]).await
            }
            Err(error) => Err(Error::store(action)(error)),
        };
        if let Err(error) = stored {
            self.context.networks.forget(&record.id);
            return Err(error);
        }
        let (context, made) = (Arc::clone(&self.context), Arc::clone(&record));
        let built = blocking(move || context.networks.build(&made)).await?;
        if let Err(error) = built {
            self.erase(&record).await?;
            return Err(error);
        }
        Ok(record)
    }

    /// Removes a network that no container runs in.
    ///
    /// # Errors
    /// [`NetworkError::InUse`]; [`NetworkError::Predefined`].
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let record = self.context.networks.resolve(name)?;
        let members = self.members(&record);
        let names = members.into_iter().map(|one| (one.container, one.name));
        self.context.networks.close(&record, &names.collect())?;
        let (context, removed) = (Arc::clone(&self.context), Arc::clone(&record));
        blocking(move || context.networks.demolish(&removed)).await??;
        let erased = self.erase(&record).await;
        if erased.is_err() {
            // It is there still; who joins it next finds its bridge made again.
            self.context.networks.reopen(&record.id);
        }
        erased
    }

    async fn erase(&self, record: &NetworkRecord) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.remove::<NetworkRecord>(&record.id);
        let event = record.event("destroy", []);
        let action = "record a removal";
        self.context.commit(action, batch, vec![event]).await?;
        self.context.networks.forget(&record.id);
        Ok(())
    }

    /// Removes the networks that match and that no container refers to. Gives their names.
    ///
    /// # Errors
    /// If one cannot be removed; those before it were.
    pub async fn prune(&self, filter: &NetworkFilter) -> Result<Vec<String>, Error> {
        let mut pruned = Vec::new();
        for record in self.list(filter) {
            if record.predefined || record.config_only || self.is_referred_to(&record) {
                continue;
            }
            match self.remove(&record.id).await {
                Ok(()) => pruned.push(record.name.clone()),
                // Joined or removed by another meanwhile.
                Err(Error::NotFound(_) | Error::Network(NetworkError::InUse { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let event = Event::prune(EventType::Network, 0);
        self.context.events.record(event);
        Ok(pruned)
    }

    fn is_referred_to(&self, record: &NetworkRecord) -> bool {
        let snapshots = self.context.index.snapshots();
        snapshots.iter().any(|container| {
            let names = &container.record.spec.networks;
            names.contains_key(&record.name) || names.contains_key(&record.id)
        })
    }

    /// Joins a container to a network, now if it runs and at each start.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Network`] says what stands against it.
    pub async fn connect(
        &self,
        network: &str,
        container: &ContainerId,
        spec: EndpointSpec,
    ) -> Result<(), Error> {
        let handle = self.context.index.container(container)?;
        let network = network.to_owned();
        let command = |reply| Command::Connect {
            network,
            spec: Box::new(spec),
            reply,
        };
        handle.ask(&self.context, command).await
    }

    /// Takes a container out of a network.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`NetworkError::NotConnected`].
    pub async fn disconnect(&self, network: &str, container: &ContainerId) -> Result<(), Error> {
        let handle = self.context.index.container(container)?;
        let network = network.to_owned();
        let command = |reply| Command::Disconnect { network, reply };
        handle.ask(&self.context, command).await
    }
}
