//! One place more or less for a container that runs: planned first, then carried out. Default
//! routes and published ports lead by the best of the places that it has then.

use super::gateway::Gateways;
use super::kernel::Inside;
use super::registry::Registry;
use crate::{ContainerRecord, EndpointSpec, EndpointState, Error, NetworkState};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use types::ContainerId;

/// A change of a running container's places.
#[derive(Debug)]
pub(crate) struct Change {
    before: NetworkState,
    /// Where the container is after it.
    pub(crate) after: NetworkState,
    /// The place that it is given, or that is taken away.
    pub(crate) place: EndpointState,
    /// Those that hold the ports which it did not have before.
    sockets: Vec<OwnedFd>,
}

impl Change {
    /// Where the container is while a place is made: on record before anything is.
    pub(crate) fn joining(&self) -> NetworkState {
        NetworkState {
            unsettled: vec![self.place.clone()],
            ..self.before.clone()
        }
    }

    /// Where the container is while a place is taken away: on record before that is.
    pub(crate) fn leaving(&self) -> NetworkState {
        NetworkState {
            unsettled: vec![self.place.clone()],
            ..self.after.clone()
        }
    }
}

impl Registry {
    /// Chooses a running container's place in one more network, and takes its addresses and
    /// ports of the host's; nothing is made yet. `record` has the network already. Is undone by
    /// [`Self::unplan`].
    pub(crate) fn plan_join(
        &self,
        record: &ContainerRecord,
        (name, asked): (&str, &EndpointSpec),
    ) -> Result<Change, Error> {
        let mut inner = self.inner();
        let before = inner.live.get(&record.id).cloned().unwrap_or_default();
        let names = record.network_names(asked.aliases());
        let place = inner.place(name, asked, (&before.endpoints, names))?;
        let mut after = before.clone();
        after.endpoints.push(place.clone());
        inner.arrange(&record.spec, &mut after.endpoints);
        let has = before.ports.clone();
        let taken = match inner.publish(record, &after.endpoints, has) {
            Ok(taken) => taken,
            Err(error) => {
                inner.release(&place);
                return Err(error);
            }
        };
        let (ports, sockets) = taken.parts();
        after.ports = ports;
        // Its addresses are its own from here on.
        inner.live.insert(record.id.clone(), after.clone());
        Ok(Change {
            before,
            after,
            place,
            sockets,
        })
    }

    /// Gives back what was taken for a place that is not made.
    pub(crate) fn unplan(&self, container: &ContainerId, change: &Change) {
        let mut inner = self.inner();
        inner.live.insert(container.clone(), change.before.clone());
        inner.ports.give_back(&gone(&change.after, &change.before));
        inner.release(&change.place);
    }

    /// Gives back what was taken for a container without one of its places, which it keeps.
    pub(crate) fn give_up(&self, change: &Change) {
        let new = gone(&change.after, &change.before);
        self.inner().ports.give_back(&new);
    }

    /// Chooses where a running container is without one of its places; nothing is changed yet.
    /// `record` is without the network already.
    pub(crate) fn plan_leave(
        &self,
        record: &ContainerRecord,
        network: &str,
    ) -> Result<Option<Change>, Error> {
        let mut inner = self.inner();
        let before = inner.live.get(&record.id).cloned().unwrap_or_default();
        let mut after = before.clone();
        let is_left = |place: &mut EndpointState| place.network == network;
        let Some(place) = after.endpoints.extract_if(.., is_left).next() else {
            return Ok(None);
        };
        let has = before.ports.clone();
        let taken = match inner.publish(record, &after.endpoints, has) {
            // COMPAT: it leaves all the same, and has no ports then.
            Err(error @ Error::Network(_)) => {
                tracing::warn!(container.id = %record.id, %error, "published ports lead nowhere");
                Default::default()
            }
            taken => taken?,
        };
        let (ports, sockets) = taken.parts();
        after.ports = ports;
        Ok(Some(Change {
            before,
            after,
            place,
            sockets,
        }))
    }

    /// Makes the planned place of a running container. If a part fails it is as before.
    pub(crate) fn join_one(
        &self,
        container: &ContainerId,
        change: &Change,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let (before, after) = (&change.before, &change.after);
        let linked = self.link_one(container, (after, &change.place), Inside::Other(netns));
        if let Err(error) = linked {
            self.unplan(container, change);
            return Err(error);
        }
        if let Err(error) = self.shift(container, (before, after), change, netns) {
            self.inner().live.insert(container.clone(), before.clone());
            self.shift_back(container, (after, before), netns);
            self.cut(&change.place, Some(netns))?;
            self.unplan(container, change);
            return Err(error);
        }
        self.release(container, (before, after));
        Ok(())
    }

    /// Takes a running container out of the planned place.
    pub(crate) fn leave_one(
        &self,
        container: &ContainerId,
        change: &Change,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        let (before, after) = (&change.before, &change.after);
        self.inner().live.insert(container.clone(), after.clone());
        if let Err(error) = self.shift(container, (before, after), change, netns) {
            // COMPAT: it has left all the same.
            tracing::warn!(container.id = %container, %error, "ports and names lead where they did");
        }
        if let Err(error) = self.cut(&change.place, Some(netns)) {
            self.inner().live.insert(container.clone(), before.clone());
            self.shift_back(container, (after, before), netns);
            return Err(error);
        }
        self.release(container, (before, after));
        self.inner().release(&change.place);
        Ok(())
    }

    /// Has default routes, names and published ports lead by the places that a container has
    /// now. Ports that it has no more are still held.
    fn shift(
        &self,
        container: &ContainerId,
        (before, after): (&NetworkState, &NetworkState),
        change: &Change,
        netns: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        route(before, after, netns)?;
        self.tell(container, (before, after), Some(netns), &change.sockets)?;
        self.republish(container, (before, after))
    }

    /// The same, back to what it was.
    fn shift_back(
        &self,
        container: &ContainerId,
        (before, after): (&NetworkState, &NetworkState),
        netns: BorrowedFd<'_>,
    ) {
        let led = self.republish(container, (before, after));
        let told = self.tell(container, (before, after), Some(netns), &[]);
        let outcome = led.and(told).and(route(before, after, netns));
        if let Err(error) = outcome {
            tracing::warn!(container.id = %container, %error, "ports and names do not lead where they did");
        }
        self.release(container, (before, after));
    }

    /// Lets the ports go that a container has no more.
    fn release(&self, container: &ContainerId, (before, after): (&NetworkState, &NetworkState)) {
        let gone = gone(before, after);
        if gone.is_empty() {
            return;
        }
        if let Err(error) = self.release_held(container, &gone) {
            tracing::warn!(container.id = %container, %error, "the proxy holds a port that is free");
        }
        self.inner().ports.give_back(&gone);
    }

    /// Takes away what an earlier daemon, stopped meanwhile, has made or left of places that are
    /// not a container's, and has its default routes lead as they should.
    pub(super) fn settle(
        &self,
        container: &ContainerId,
        state: &NetworkState,
    ) -> Result<(), Error> {
        let pid = self.inner().pids.get(container).copied();
        let netns = namespace_of(pid.unwrap_or_default())?;
        let netns = netns.as_fd();
        for place in &state.unsettled {
            let mut own = state.endpoints.iter();
            if !own.any(|own| own.link == place.link) {
                self.cut(place, Some(netns))?;
            }
        }
        route(&NetworkState::default(), state, netns)
    }
}

/// The network namespace of a process.
pub(crate) fn namespace_of(pid: u32) -> Result<OwnedFd, Error> {
    let path = format!("/proc/{pid}/ns/net");
    let opened = File::open(&path);
    Ok(opened.map_err(Error::io("open", path.as_ref()))?.into())
}

/// The ports of the host that are not a container's any more.
fn gone(before: &NetworkState, after: &NetworkState) -> Vec<crate::PublishedPort> {
    let had = before.ports.iter();
    let gone = had.filter(|port| port.host_port != 0 && !after.ports.contains(port));
    gone.copied().collect()
}

/// Sends what has no other route by the places that are the best now, where they were not.
fn route(before: &NetworkState, after: &NetworkState, netns: BorrowedFd<'_>) -> Result<(), Error> {
    let before = Gateways::of(&before.endpoints).routes();
    let mut routes = Gateways::of(&after.endpoints).routes();
    routes.retain(|route| !before.contains(route));
    if routes.is_empty() {
        return Ok(());
    }
    let set = net::namespace::set_gateways(netns, &routes);
    Ok(set.map_err(super::NetworkError::kernel("lead through", "every"))?)
}
