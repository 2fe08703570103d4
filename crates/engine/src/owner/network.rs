//! Joining and leaving networks.

use super::Owner;
use crate::context::Context;
use crate::events::Durable;
use crate::files::Rewrite;
use crate::networks::namespace_of;
use crate::spec::Joined;
use crate::{
    Container, ContainerRecord, EndpointSpec, EndpointState, Error, Event, NetworkError,
    NetworkMode, NetworkRecord, NetworkState, Status,
};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use types::ContainerId;

const ACTION: &str = "record a container's networks";

/// How long after a container has joined its networks what can wait for that is done, as making
/// the next one's namespace: the container goes first, to its end if that is near.
const AFTER_JOIN: Duration = Duration::from_millis(10);

/// The same after it has left them.
const AFTER_LEAVE: Duration = Duration::from_millis(5);

/// After how long links that should have gone with their namespace are looked for: whoever has
/// entered it keeps them there.
const LINGERING: Duration = Duration::from_secs(1);

/// What is still to be done for a container's links, ports and names, beside the rest of its start.
#[must_use]
#[derive(Default)]
pub(super) struct Serving(Option<Box<dyn FnOnce() -> Result<(), Error> + Send>>);

impl Serving {
    /// Makes its links, opens its ports and tells its names, on a thread of its own: that takes the
    /// processor from whoever begins it.
    pub(super) async fn serve(self, context: &Context) -> Result<(), Error> {
        let Some(serve) = self.0 else { return Ok(()) };
        let served = context.tracker.spawn_blocking(serve).await;
        served.map_err(|_| Error::Stopping)?.map_err(networking)
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
    /// is one that its users own. Its addresses are on record before a link is made; links are
    /// there, and ports and names are served, once the second is done.
    pub(super) async fn join_networks(
        &mut self,
        record: &Arc<ContainerRecord>,
        own: Option<OwnedFd>,
    ) -> Result<(Joined, Serving), Error> {
        match &record.spec.namespaces.network {
            NetworkMode::Container(of) => Ok((self.share_network(of)?, Serving::default())),
            NetworkMode::Named(_) => {
                let joined = self.join_own_networks(record, own).await;
                joined.map_err(networking)
            }
            NetworkMode::None | NetworkMode::Host | NetworkMode::Default => {
                Ok((Joined::default(), Serving::default()))
            }
        }
    }

    async fn join_own_networks(
        &mut self,
        record: &Arc<ContainerRecord>,
        own: Option<OwnedFd>,
    ) -> Result<(Joined, Serving), Error> {
        let (context, of) = (Arc::clone(&self.context), Arc::clone(record));
        let reserve = move || context.networks.reserve(&of, own);
        let reserved = crate::context::brief(reserve).await?;
        let state = reserved?;
        let mut container = (*self.now()).clone();
        container.state.network = state.clone();
        let batch = self.show(ACTION, container)?;
        let (context, id) = (Arc::clone(&self.context), record.id.clone());
        let begun = crate::context::brief(move || context.networks.namespace_for(&id)).await?;
        let (namespace, mut joining) = begun?;
        let sysfs = joining.sysfs().map(OwnedFd::try_clone).transpose();
        let sysfs = sysfs.map_err(Error::io("share", "a sysfs".as_ref()))?;
        let has_sysctls = joining.has_sysctls();
        let (context, id, planned) = (Arc::clone(&self.context), record.id.clone(), state.clone());
        let serve = move || {
            // For the next daemon. A loss of power leaves nothing of what it tells of.
            context.keep(ACTION, batch, Vec::new(), Durable::Soon)?;
            let joined = context.networks.join(&id, &planned, &mut joining);
            let marking = Arc::clone(&context);
            // To close what spoke of its links takes as long as to make them.
            context.later(AFTER_JOIN, move || marking.networks.mark(&id, &joining));
            joined
        };
        self.context.prepare_network(AFTER_JOIN);
        let joined = Joined {
            state,
            namespace: Some(namespace),
            sysfs,
            has_sysctls,
            ..Joined::default()
        };
        Ok((joined, Serving(Some(Box::new(serve)))))
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
        let namespace = namespace_of(pid)?;
        // It may be in another's itself.
        let donor = other.state.network.donor.as_ref();
        let donor = donor.unwrap_or(&other.record.id).clone();
        let mut container = (*self.now()).clone();
        let state = NetworkState {
            donor: Some(donor),
            ..NetworkState::default()
        };
        container.state.network = state.clone();
        self.keep_state(ACTION, container, Vec::new(), Durable::Soon)?;
        Ok(Joined {
            state,
            namespace: Some(namespace),
            ..Joined::default()
        })
    }

    /// Names the place of a container that runs in the host's network, or in none: it has no more
    /// there than that.
    pub(super) fn enter_fixed_network(container: &mut Container) -> Result<(), Error> {
        let fixed = container.record.spec.namespaces.network.fixed();
        let network = &mut container.state.network;
        if fixed.is_some() && network.sandbox.is_empty() {
            network.sandbox = crate::networks::random_id()?;
        }
        Ok(())
    }

    /// Begins to give back what the container had in its networks. Gives what is to be told.
    pub(super) fn leave_networks(&self, container: &mut Container) -> (Vec<Event>, Left) {
        let events = self.events("disconnect", container);
        let state = std::mem::take(&mut container.state.network);
        let fixed = container.record.spec.namespaces.network.fixed();
        if state.sandbox.is_empty() || fixed.is_some() {
            return (events, Left::default());
        }
        let (context, id) = (Arc::clone(&self.context), container.record.id.clone());
        let shared = sharing(&context, &id);
        let at_once = match shared {
            None => context.networks.leave_at_once(&id),
            Some(_) => None,
        };
        let leaving = match at_once {
            Some(places) => {
                cut_later(&context, places);
                None
            }
            None => Some(self.context.tracker.spawn_blocking(move || {
                let places = context.networks.leave(&id, shared.as_ref());
                cut_later(&context, places);
            })),
        };
        self.context.prepare_network(AFTER_LEAVE);
        (events, Left(leaving))
    }

    /// What happens to it in each of its networks. COMPAT: the one that it was made for is first,
    /// and to have none, or the host's, is to be in one.
    pub(super) fn events(&self, action: &str, container: &Container) -> Vec<Event> {
        let record = &container.record;
        let mut places: Vec<_> = container.state.network.endpoints.iter().collect();
        let own = match &record.spec.namespaces.network {
            NetworkMode::Named(name) => {
                places.sort_by_key(|place| place.name != *name);
                // One that could not be joined is left all the same.
                places.is_empty().then_some(name.as_str())
            }
            mode => mode.fixed(),
        };
        let names = places.iter().map(|place| place.network.as_str());
        let networks = names.chain(own).filter_map(|name| {
            let network = self.context.networks.resolve(name);
            network.ok()
        });
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
        let joined = |place: &EndpointState| place.network == network.id;
        if container.state.network.endpoints.iter().any(joined) {
            return Err(NetworkError::Connected {
                container: record.name.clone(),
                network: network.name.clone(),
            }
            .into());
        }
        let mut changed = (*record).clone();
        changed.spec.networks.remove(&network.id);
        let networks = &mut changed.spec.networks;
        networks.insert(network.name.clone(), spec.clone());
        let mut after = (*container).clone();
        let Some(pid) = container.state.pid.filter(|_| runs(container.state.status)) else {
            return self.commit_networks(after, changed, Vec::new()).await;
        };
        let netns = namespace_of(pid)?;
        let change = {
            let (context, of) = (Arc::clone(&self.context), changed.clone());
            let name = network.name.clone();
            let plan = move || context.networks.plan_join(&of, (&name, &spec));
            Arc::new(crate::context::brief(plan).await??)
        };
        let mut unsettled = (*container).clone();
        unsettled.state.network = change.joining();
        // The next daemon takes away what this one does not get to the end of.
        let begun = self.commit_state(ACTION, unsettled, Vec::new()).await;
        let (context, of) = (Arc::clone(&self.context), Arc::clone(&record));
        let planned = Arc::clone(&change);
        let join = move || match begun {
            Ok(()) => {
                context.networks.join_one(&of.id, &planned, netns.as_fd())?;
                let joined = Rewrite::Joined(vec![planned.place.clone()]);
                context.rewrite_files(&of, &planned.after, joined);
                Ok(())
            }
            Err(error) => {
                context.networks.unplan(&of.id, &planned);
                Err(error)
            }
        };
        if let Err(error) = crate::context::blocking(join).await? {
            self.commit_state(ACTION, (*container).clone(), Vec::new())
                .await?;
            return Err(error);
        }
        after.state.network = change.after.clone();
        let connected = vec![event(&network, "connect", &record)];
        self.commit_networks(after, changed, connected).await
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
        let after = (*container).clone();
        let Some(pid) = container.state.pid.filter(|_| runs(container.state.status)) else {
            return self.commit_networks(after, changed, Vec::new()).await;
        };
        let netns = namespace_of(pid)?;
        let change = {
            let (context, of) = (Arc::clone(&self.context), changed.clone());
            let id = network.id.clone();
            let plan = move || context.networks.plan_leave(&of, &id);
            crate::context::brief(plan).await??
        };
        let left = vec![event(&network, "disconnect", &record)];
        let Some(change) = change.map(Arc::new) else {
            return self.commit_networks(after, changed, left).await;
        };
        let mut leaving = after;
        leaving.state.network = change.leaving();
        let mut settled = leaving.clone();
        settled.state.network = change.after.clone();
        let changed = Arc::new(changed);
        settled.record = Arc::clone(&changed);
        // The next daemon takes away what this one does not get to.
        let begun = self.commit_networks(leaving, (*changed).clone(), left);
        if let Err(error) = begun.await {
            self.context.networks.give_up(&change);
            return Err(error);
        }
        let (context, of) = (Arc::clone(&self.context), Arc::clone(&record));
        let leave = move || {
            let networks = &context.networks;
            networks.leave_one(&of.id, &change, netns.as_fd())?;
            let gone = vec![change.place.clone()];
            context.rewrite_files(&of, &change.after, Rewrite::Left(gone));
            Ok::<_, Error>(())
        };
        match crate::context::blocking(leave).await? {
            Ok(()) => self.keep_state(ACTION, settled, Vec::new(), Durable::Soon),
            Err(error) => {
                let back = vec![event(&network, "connect", &record)];
                let before = ((*container).clone(), (*record).clone());
                self.commit_networks(before.0, before.1, back).await?;
                Err(error)
            }
        }
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

    /// Tells which process is the first of a container that runs in networks. The proxy hears of
    /// it after a while, for a time without a daemon: nobody waits for that.
    pub(super) fn tell_networks(&self, pid: u32) {
        if self.now().state.network.endpoints.is_empty() {
            return;
        }
        let (context, id) = (Arc::clone(&self.context), self.id().clone());
        context.networks.started(&id, pid);
        self.context.later(AFTER_JOIN, move || {
            if let Err(error) = context.networks.end_with_process(&id) {
                tracing::warn!(container.id = %id, %error, "the end of a container may be missed");
            }
        });
    }

    /// Makes a changed record and state durable together.
    pub(super) async fn commit_networks(
        &self,
        mut container: Container,
        record: ContainerRecord,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let mut batch = metadata::Batch::new();
        let key = self.id().as_str();
        batch.put(key, &record).map_err(Error::store(ACTION))?;
        batch
            .put(key, &container.state)
            .map_err(Error::store(ACTION))?;
        self.context.commit(ACTION, batch, events).await?;
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

/// COMPAT: dockerd says so before its reason; what is missing is still missing.
fn networking(error: Error) -> Error {
    Error::Networking {
        source: Box::new(error),
    }
}

/// Cuts the links of these places if they do not go with their namespace.
fn cut_later(context: &Arc<Context>, places: Vec<EndpointState>) {
    if places.is_empty() {
        return;
    }
    let later = Arc::clone(context);
    context.later(LINGERING, move || later.networks.cut_all(&places, None));
}

/// The network namespace of a container, if another one runs in it.
fn sharing(context: &Context, id: &ContainerId) -> Option<OwnedFd> {
    let mut others = context.index.snapshots().into_iter();
    let pid = others.find_map(|other| {
        let shares = other.state.network.donor.as_ref() == Some(id);
        other.state.pid.filter(|_| shares)
    });
    namespace_of(pid?).ok()
}
