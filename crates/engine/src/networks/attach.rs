//! Joining and leaving: addresses first, then the record, then the kernel.

use super::prepared::Joining;
use super::proxy::Serving;
use super::registry::Registry;
use crate::{ContainerRecord, EndpointSpec, EndpointState, Error, NetworkState};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;
use types::ContainerId;

/// How long the proxy may take to let a container's ports and names go, before its end is waited
/// for elsewhere: several times as long as it takes.
const MOMENT: Duration = Duration::from_micros(500);

impl Registry {
    /// Chooses and takes all that a container's places need; nothing is made yet, but a namespace
    /// that its users own. Is undone by [`Self::leave`].
    pub(crate) fn reserve(
        &self,
        record: &ContainerRecord,
        own: Option<OwnedFd>,
    ) -> Result<NetworkState, Error> {
        if let Some(own) = own {
            self.give(&record.id, own)?;
        }
        let planned = self.plan(record);
        if planned.is_err() {
            self.drop_given(&record.id);
        }
        planned
    }

    /// The namespace that a container's places will be in, made ahead or now, and what
    /// [`Self::join`] needs of it.
    pub(crate) fn namespace_for(
        &self,
        container: &ContainerId,
    ) -> Result<(OwnedFd, Joining), Error> {
        let joining = self.joining(container)?;
        let namespace = joining.as_fd().try_clone_to_owned();
        let namespace = namespace.map_err(Error::io("share", "a network namespace".as_ref()))?;
        Ok((namespace, joining))
    }

    /// Makes a container's places, opens its ports, and gives its names and sockets into lasting
    /// hands. The links go with the namespace if a part fails.
    pub(crate) fn join(
        &self,
        container: &ContainerId,
        state: &NetworkState,
        joining: &mut Joining,
    ) -> Result<(), Error> {
        let share = self.share(container, state);
        let names = joining.take_names();
        let netns = joining.as_fd().try_clone_to_owned();
        let netns = netns.map_err(Error::io("share", "a network namespace".as_ref()))?;
        let serving = Serving {
            netns: netns.as_fd(),
            names,
            share,
        };
        let mut make = || {
            self.link(container, state, joining)?;
            let mut places = state.endpoints.iter();
            places.try_for_each(|place| self.publish(container, (state, place)))
        };
        // Nobody else is heard by the proxy meanwhile.
        match self.is_brief(state) {
            true => self.entrust(container, serving, make),
            false => {
                make()?;
                self.entrust(container, serving, || Ok(()))
            }
        }
    }

    /// Whether places are made in a moment: bridges and their rules are there.
    fn is_brief(&self, state: &NetworkState) -> bool {
        let ready = |place: &EndpointState| place.is_bridged() && self.is_ready(&place.network);
        state.endpoints.iter().all(ready)
    }

    /// Gives a running container's places the names that its record says. Gives its state with
    /// them.
    pub(crate) fn rename(&self, record: &ContainerRecord) -> Result<NetworkState, Error> {
        let (before, state) = {
            let mut inner = self.inner();
            let before = inner.live.get(&record.id).cloned().unwrap_or_default();
            let mut state = before.clone();
            let named = |place: &&mut EndpointState| !place.names.is_empty();
            for place in state.endpoints.iter_mut().filter(named) {
                let asked = record.spec.networks.get(&place.name);
                let aliases = asked.map(EndpointSpec::aliases);
                place.names = record.network_names(aliases.unwrap_or_default());
            }
            if inner.live.contains_key(&record.id) {
                inner.live.insert(record.id.clone(), state.clone());
            }
            (before, state)
        };
        self.tell(&record.id, (&before, &state), None, &[])?;
        Ok(state)
    }

    /// Gives back all that a container had. Its links go with its namespace, unless that is
    /// `shared`: then they are cut, because their addresses will be another's.
    ///
    /// Gives the places whose links may still be seen on the host.
    pub(crate) fn leave(
        &self,
        container: &ContainerId,
        shared: Option<&OwnedFd>,
    ) -> Vec<EndpointState> {
        let left = self.leave_within(None, container, shared);
        left.unwrap_or_default()
    }

    /// As [`Self::leave`], of a namespace that nobody else is in, on the caller's thread: to be
    /// called back from another takes longer. `None` if it is not done in a moment, and is to be
    /// done again.
    pub(crate) fn leave_at_once(&self, container: &ContainerId) -> Option<Vec<EndpointState>> {
        // Who changes links now may wait for long.
        let free = self.kernel.try_lock().is_ok();
        match free {
            true => self.leave_within(Some(MOMENT), container, None),
            false => None,
        }
    }

    fn leave_within(
        &self,
        patience: Option<Duration>,
        container: &ContainerId,
        shared: Option<&OwnedFd>,
    ) -> Option<Vec<EndpointState>> {
        self.drop_given(container);
        let Some(state) = self.inner().live.get(container).cloned() else {
            return Some(Vec::new());
        };
        let forgotten = self.forget_share(container, &state, patience, || {
            if let Err(error) = self.withdraw(container, &state) {
                tracing::warn!(container.id = %container, %error, "cannot withdraw a container's ports");
            }
        });
        if !forgotten {
            return None;
        }
        if let Some(netns) = shared {
            self.cut_all(&state.endpoints, Some(netns.as_fd()));
        }
        let mut inner = self.inner();
        inner.live.remove(container);
        inner.pids.remove(container);
        inner.ports.release(container, &state.ports);
        inner.give_back(&state);
        drop(inner);
        let mut places = state.endpoints;
        places.retain(|place| shared.is_none() && place.is_bridged());
        Some(places)
    }

    /// Cuts the links of places: those on the host, and those in a namespace, if it is known.
    pub(crate) fn cut_all(&self, places: &[EndpointState], netns: Option<BorrowedFd<'_>>) {
        for place in places {
            if let Err(error) = self.cut(place, netns) {
                tracing::warn!(%error, "cannot cut a link of a container that has ended");
            }
        }
    }
}
