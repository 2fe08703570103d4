//! A network namespace made ahead, for whichever container next joins a network.

use super::registry::Registry;
use super::{NetworkError, create};
use crate::{Error, NetworkState};
use net::nameserver::Sockets;
use net::{Namespace, Prepared};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{MutexGuard, PoisonError};
use types::ContainerId;

/// Namespaces that were made ahead.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Nobody's.
    next: Option<Ready>,
    /// Of containers whose addresses are chosen and that have not joined yet.
    given: BTreeMap<ContainerId, Joining>,
    /// The next is being made.
    making: bool,
    /// The last container that joined had names to ask for.
    named: bool,
    /// The network behind a bridge that the last container joined first.
    network: Option<String>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(super) links: Prepared,
    /// The sockets of its name server.
    names: Option<Sockets>,
    /// Its sysfs, mounted nowhere, where that could be made.
    sysfs: Option<OwnedFd>,
    /// The parameters are set in it that containers have which ask for none.
    has_sysctls: bool,
}

/// The namespace of a container that joins.
#[derive(Debug)]
pub(crate) enum Joining {
    /// Made ahead.
    Ready(Box<Ready>),
    /// Made now.
    New(Namespace),
}

impl Joining {
    /// Its name server's sockets, if they are there.
    pub(super) fn take_names(&mut self) -> Option<Sockets> {
        match self {
            Self::Ready(ready) => ready.names.take(),
            Self::New(_) => None,
        }
    }

    /// Its sysfs, if that is there. The kernel takes a file system down where its last mount goes:
    /// as long as this is there, that is not where the container ends.
    pub(crate) fn sysfs(&self) -> Option<&OwnedFd> {
        match self {
            Self::Ready(ready) => ready.sysfs.as_ref(),
            Self::New(_) => None,
        }
    }

    /// Whether the parameters are set in it that containers have which ask for none.
    pub(crate) fn has_sysctls(&self) -> bool {
        match self {
            Self::Ready(ready) => ready.has_sysctls,
            Self::New(_) => false,
        }
    }

    /// What the link on the host of this name leads to.
    pub(super) fn links(&mut self, host_link: &str) -> Option<&mut Prepared> {
        match self {
            Self::Ready(ready) if ready.links.host_link() == host_link => Some(&mut ready.links),
            _ => None,
        }
    }
}

impl AsFd for Joining {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Ready(ready) => ready.links.as_fd(),
            Self::New(namespace) => namespace.as_fd(),
        }
    }
}

impl Registry {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a namespace ahead, if none waits.
    pub(crate) fn prepare(&self) {
        let (named, network) = {
            let mut pool = self.pool();
            if pool.next.is_some() || pool.making {
                return;
            }
            pool.making = true;
            (pool.named, pool.network.clone())
        };
        // Nobody waits for the lock meanwhile.
        let mut made = ready(named);
        if let (Ok(ready), Some(network)) = (&mut made, network) {
            self.lead(&network, &mut ready.links);
        }
        let mut pool = self.pool();
        pool.making = false;
        match made {
            Ok(ready) if pool.named == named => pool.next = Some(ready),
            Ok(_) => {}
            // The next container's is made when it is needed, or says why not.
            Err(error) => tracing::debug!(%error, "cannot make a network namespace ahead"),
        }
    }

    /// Has a container join with what was made ahead, if its first place is behind a bridge:
    /// that has the prepared link then.
    pub(super) fn take_prepared(&self, container: &ContainerId, state: &mut NetworkState) {
        let place = state.endpoints.first_mut();
        let Some(place) = place.filter(|place| !place.host_link.is_empty()) else {
            return;
        };
        let mut pool = self.pool();
        // One that its users own is not exchanged.
        if pool.given.contains_key(container) {
            return;
        }
        pool.network = Some(place.network.clone());
        if let Some(ready) = pool.next.take() {
            ready.links.host_link().clone_into(&mut place.host_link);
            pool.given
                .insert(container.clone(), Joining::Ready(Box::new(ready)));
        }
    }

    /// Has a container join in a namespace that nobody is in yet.
    pub(super) fn give(&self, container: &ContainerId, own: OwnedFd) -> Result<(), Error> {
        let namespace = Namespace::adopt(own);
        let namespace = namespace.map_err(NetworkError::kernel("join", "every"))?;
        let given = Joining::New(namespace);
        self.pool().given.insert(container.clone(), given);
        Ok(())
    }

    /// The namespace that a container was given, or a new one.
    pub(super) fn joining(&self, container: &ContainerId) -> Result<Joining, Error> {
        let given = self.pool().given.remove(container);
        if let Some(given) = given {
            return Ok(given);
        }
        let namespace = Namespace::new();
        let namespace = namespace.map_err(NetworkError::kernel("join", "every"))?;
        Ok(Joining::New(namespace))
    }

    /// Whether the container that joins has names to ask for: so will the next, most probably.
    pub(super) fn expect_names(&self, named: bool) {
        let mut pool = self.pool();
        if pool.named != named {
            pool.named = named;
            pool.next = None;
        }
    }

    /// Lets what a container was given and did not use go.
    pub(super) fn drop_given(&self, container: &ContainerId) {
        self.pool().given.remove(container);
    }
}

fn ready(named: bool) -> Result<Ready, net::Error> {
    let random = crate::containers::random().unwrap_or_default();
    let links = Prepared::make(&create::link_name(&random))?;
    let names = match named {
        true => Some(net::nameserver::open(links.as_fd())?),
        false => None,
    };
    let (sysfs, has_sysctls) = net::namespace::within(links.as_fd(), |_| {
        let sysfs = container::detached(&crate::spec::likely_sysfs());
        Ok::<_, net::Error>((sysfs, set_sysctls()))
    })?;
    Ok(Ready {
        links,
        names,
        sysfs,
        has_sysctls,
    })
}

/// Sets parameters of the thread's network namespace; false if one cannot be set.
fn set_sysctls() -> bool {
    let set = |(name, value): (String, String)| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::write(path, value).is_ok()
    };
    crate::spec::likely_sysctls().into_iter().all(set)
}
