//! Joining and leaving networks.

use super::Owner;
use crate::events::Durable;
use crate::files::Rewrite;
use crate::spec::Joined;
use crate::{
    Container, ContainerRecord, EndpointSpec, Error, Event, NetworkError, NetworkMode,
    NetworkRecord, NetworkState, Status,
};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long after a container has joined its networks the next one's namespace is made: the
/// container goes first.
const MOMENT: Duration = Duration::from_millis(5);

/// The end of what is done for a container's links, ports and names beside the rest of its start.
#[must_use]
pub(super) struct Served(Option<JoinHandle<Result<(), Error>>>);

impl Served {
    /// Waits until links are there, ports open and names known, or why not.
    pub(super) async fn settle(self) -> Result<(), Error> {
        match self.0 {
            None => Ok(()),
            Some(serving) => {
                let served = serving.await.map_err(|_| Error::Stopping)?;
                served.map_err(networking)
            }
        }
    }
}

/// The end of giving back what a container had in its networks. Its ports and addresses can be
/// another's after that, so nobody hears of the container's end before.
#[must_use]
#[derive(Default)]
pub(super) struct Left(Option<JoinHandle<()>>);

impl Left {
    /// Waits until all is given back.
    pub(super) async fn settle(self) {
        if let Some(leaving) = self.0 {
            // What it could not do it has said.
            drop(leaving.await);
        }
    }
}

impl Owner {
    /// Joins the container's networks, in a namespace that its process is to join: `own`, if there
    /// is one that its users own. Its
    /// addresses are on record before that; links are there, and ports and names are served, once
    /// the second settles.
    pub(super) async fn join_networks(
        &mut self,
        record: &Arc<ContainerRecord>,
        own: Option<OwnedFd>,
    ) -> Result<(Joined, Served), Error> {
        match &record.spec.namespaces.network {
            NetworkMode::Container(of) => Ok((self.share_network(of)?, Served(None))),
            NetworkMode::Named(_) => {
                let joined = self.join_own_networks(record, own).await;
                joined.map_err(networking)
            }
            NetworkMode::None | NetworkMode::Host | NetworkMode::Default => {
                Ok((Joined::default(), Served(None)))
            }
        }
    }

    async fn join_own_networks(
        &mut self,
        record: &Arc<ContainerRecord>,
        own: Option<OwnedFd>,
    ) -> Result<(Joined, Served), Error> {
        let (context, of) = (Arc::clone(&self.context), Arc::clone(record));
        let reserve = move || context.networks.reserve(&of, own);
        let reserved = crate::context::brief(reserve).await?;
        let state = reserved?;
        let mut container = (*self.now()).clone();
        container.state.network = state.clone();
        let events = self.events("connect", record, &state);
        // Made durable while the links are made: before the process starts, as what it runs in.
        let action = "record a container's networks";
        self.keep_state(action, container, events, Durable::Now)?;
        let (context, id) = (Arc::clone(&self.context), record.id.clone());
        let begun = crate::context::brief(move || context.networks.namespace_for(&id)).await?;
        let (namespace, joining) = begun?;
        let (context, id, planned) = (Arc::clone(&self.context), record.id.clone(), state.clone());
        let join = move || context.networks.join(&id, &planned, joining);
        let served = Served(Some(self.context.tracker.spawn_blocking(join)));
        self.context.prepare_network(MOMENT);
        let joined = Joined {
            state,
            namespace: Some(namespace),
            ..Joined::default()
        };
        Ok((joined, served))
    }

    /// The network of another container, which must run.
    fn share_network(&self, of: &str) -> Result<Joined, Error> {
        let found = self.context.index.resolve(of);
        let found = found.and_then(|id| self.context.index.container(&id));
        let other = found.map_err(|source| Error::Join {
            source: Box::new(source),
        })?;
        let other = other.snapshot();
        let Some(pid) = other.state.pid.filter(|_| other.state.status.is_live()) else {
            let message = format!("cannot join network namespace of a non running container: {of}");
            return Err(networking(NetworkError::forbidden(message).into()));
        };
        Ok(Joined {
            namespace: Some(namespace_of(pid)?),
            ..Joined::default()
        })
    }

    /// Begins to give back what the container had in its networks. Gives what is to be told.
    pub(super) fn leave_networks(&self, container: &mut Container) -> (Vec<Event>, Left) {
        let state = std::mem::take(&mut container.state.network);
        if state.sandbox.is_empty() {
            return (Vec::new(), Left::default());
        }
        let events = self.events("disconnect", &container.record, &state);
        let (context, id) = (Arc::clone(&self.context), container.record.id.clone());
        let leave = move || context.networks.leave(&id);
        let leaving = self.context.tracker.spawn_blocking(leave);
        self.context.prepare_network(MOMENT);
        (events, Left(Some(leaving)))
    }

    fn events(&self, action: &str, record: &ContainerRecord, state: &NetworkState) -> Vec<Event> {
        let places = state.endpoints.iter();
        let networks =
            places.filter_map(|place| self.context.networks.resolve(&place.network).ok());
        networks
            .map(|network| event(&network, action, record))
            .collect()
    }

    pub(super) async fn connect(&mut self, name: &str, spec: EndpointSpec) -> Result<(), Error> {
        let container = self.now();
        let record = Arc::clone(&container.record);
        let network = self.context.networks.resolve(name)?;
        check_mode(&record.spec.namespaces.network, &network)?;
        crate::networks::check_endpoint(&network, &spec)?;
        let joined = |place: &crate::EndpointState| place.network == network.id;
        if container.state.network.endpoints.iter().any(joined) {
            return Err(NetworkError::Connected {
                container: record.name.clone(),
                network: network.name.clone(),
            }
            .into());
        }
        let mut changed = (*record).clone();
        changed.spec.networks.remove(&network.id);
        changed
            .spec
            .networks
            .insert(network.name.clone(), spec.clone());
        let mut after = (*container).clone();
        if runs(container.state.status)
            && let Some(pid) = container.state.pid
        {
            let (context, of) = (Arc::clone(&self.context), Arc::clone(&record));
            let name = network.name.clone();
            let netns = namespace_of(pid)?;
            let join = move || {
                let state = context
                    .networks
                    .join_one(&of, &name, &spec, netns.as_fd())?;
                let joined = state.endpoints.last().cloned().into_iter().collect();
                context.rewrite_files(&of, &state, Rewrite::Joined(joined));
                Ok::<_, Error>(state)
            };
            after.state.network = crate::context::blocking(join).await??;
        }
        let events = match runs(container.state.status) {
            true => vec![event(&network, "connect", &record)],
            false => Vec::new(),
        };
        self.commit_networks(after, changed, events).await
    }

    pub(super) async fn disconnect(&mut self, name: &str) -> Result<(), Error> {
        let container = self.now();
        let record = Arc::clone(&container.record);
        let network = self.context.networks.resolve(name)?;
        let mut changed = (*record).clone();
        let networks = &mut changed.spec.networks;
        let by_name = networks.remove(&network.name).is_some();
        if networks.remove(&network.id).is_none() && !by_name {
            return Err(NetworkError::NotConnected {
                container: record.id.clone(),
                network: network.name.clone(),
            }
            .into());
        }
        let mut after = (*container).clone();
        let places = &mut after.state.network.endpoints;
        let gone: Vec<_> = places
            .extract_if(.., |place| place.network == network.id)
            .collect();
        if !runs(container.state.status) {
            return self.commit_networks(after, changed, Vec::new()).await;
        }
        // The next daemon takes away what this one does not get to.
        let left = vec![event(&network, "disconnect", &record)];
        self.commit_networks(after, changed, left).await?;
        let (context, of) = (Arc::clone(&self.context), Arc::clone(&record));
        let id = network.id.clone();
        let leave = move || {
            let state = context.networks.leave_one(&of.id, &id)?;
            context.rewrite_files(&of, &state, Rewrite::Left(gone));
            Ok::<_, Error>(())
        };
        let left = crate::context::blocking(leave).await?;
        if left.is_err() {
            let back = vec![event(&network, "connect", &record)];
            let (before, record) = ((*container).clone(), (*record).clone());
            self.commit_networks(before, record, back).await?;
        }
        left
    }

    /// Is found by its new name from now on.
    pub(super) async fn rename_in_networks(&mut self) -> Result<(), Error> {
        let container = self.now();
        if container.state.network.endpoints.is_empty() {
            return Ok(());
        }
        let (context, record) = (Arc::clone(&self.context), Arc::clone(&container.record));
        let renamed = crate::context::blocking(move || context.networks.rename(&record)).await?;
        let mut after = (*container).clone();
        after.state.network = renamed?;
        self.commit_state("record a container's names", after, Vec::new())
            .await
    }

    /// Tells which process is the first of a container that runs in networks. Nobody waits for
    /// that: it is for a time without a daemon.
    pub(super) fn tell_networks(&self, pid: u32) {
        if self.now().state.network.endpoints.is_empty() {
            return;
        }
        let (context, id) = (Arc::clone(&self.context), self.id().clone());
        drop(self.context.tracker.spawn_blocking(move || {
            if let Err(error) = context.networks.started(&id, pid) {
                tracing::warn!(container.id = %id, %error, "the end of a container may be missed");
            }
        }));
    }

    /// Makes a changed record and state durable together.
    pub(super) async fn commit_networks(
        &self,
        mut container: Container,
        record: ContainerRecord,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let action = "record a container's networks";
        let mut batch = metadata::Batch::new();
        let key = self.id().as_str();
        batch.put(key, &record).map_err(Error::store(action))?;
        batch
            .put(key, &container.state)
            .map_err(Error::store(action))?;
        self.context.commit(action, batch, events).await?;
        container.record = Arc::new(record);
        self.handle.publish(container);
        Ok(())
    }
}

fn runs(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused)
}

/// Whether a container of this mode can be in further networks.
fn check_mode(mode: &NetworkMode, network: &NetworkRecord) -> Result<(), Error> {
    use crate::NetworkDriver::{Host, Null};
    const SHARED: &str = "container sharing network namespace with another container or host cannot be connected to any other network";
    const TO_HOST: &str =
        "cannot connect container to host network - container must be created in host network mode";
    const PRIVATE: &str = "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    let refuse = |message: &str| Err(NetworkError::config(message).into());
    match (mode, network.driver) {
        (NetworkMode::Host | NetworkMode::Container(_), _) => refuse(SHARED),
        (_, Host) => refuse(TO_HOST),
        (NetworkMode::None, _) | (_, Null) => refuse(PRIVATE),
        _ => Ok(()),
    }
}

fn event(network: &NetworkRecord, action: &str, record: &ContainerRecord) -> Event {
    network.event(action, [("container", record.id.as_str())])
}

fn namespace_of(pid: u32) -> Result<OwnedFd, Error> {
    let path = format!("/proc/{pid}/ns/net");
    let opened = File::open(&path);
    Ok(opened.map_err(Error::io("open", path.as_ref()))?.into())
}

/// COMPAT: dockerd says so before its reason; what is missing is still missing.
fn networking(error: Error) -> Error {
    Error::Networking {
        source: Box::new(error),
    }
}
