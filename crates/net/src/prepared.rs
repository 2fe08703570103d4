//! A sandbox's namespace made ahead, with a pair of links in it that leads nowhere, or to the
//! bridge that will most probably be wanted.

use crate::link::{self, Link, Settings};
use crate::{Endpoint, Error, Namespace, Network, address, namespace, route};
use netlink::Socket;
use rustix::fd::{AsFd as _, BorrowedFd};
use std::io;

/// What the link inside is called until it is told otherwise.
const INSIDE: &str = "eth0";

/// A namespace that its first endpoint is brought into by two messages.
///
/// All of it goes when this does, unless a process is in the namespace then.
#[derive(Debug)]
pub struct Prepared {
    namespace: Namespace,
    /// Speaks of the links inside.
    inside: Socket,
    own: Link,
    host_link: String,
    /// The bridge that the link on the host leads to already.
    pub(crate) led: Option<Link>,
}

impl Prepared {
    /// Makes one whose link on the host has this name, and is down.
    ///
    /// # Errors
    /// If the kernel refuses a part; then nothing is left.
    pub fn make(host_link: &str) -> Result<Self, Error> {
        let ask = |source: io::Error| Error::Ask {
            what: "links made ahead",
            source,
        };
        let (namespace, mut inside) = Namespace::with_socket()?;
        let mut outside = Socket::route().map_err(ask)?;
        link::add_pair(&mut outside, host_link, INSIDE, namespace.as_fd())?;
        let own = link::find(&mut inside, INSIDE)?;
        Ok(Self {
            namespace,
            inside,
            own,
            host_link: host_link.to_owned(),
            led: None,
        })
    }

    /// The name of the link on the host.
    pub fn host_link(&self) -> &str {
        &self.host_link
    }

    /// The namespace.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Gives the link inside what the endpoint has; the one on the host is in its network by now.
    pub(crate) fn configure(
        &mut self,
        network: &Network,
        endpoint: &Endpoint,
    ) -> Result<(), Error> {
        let mut addresses = endpoint.addresses.iter().chain(&endpoint.link_local);
        let plain = endpoint.link == INSIDE
            && endpoint.settings.is_empty()
            && addresses.all(|(address, _)| address.is_ipv4());
        let settings = Settings {
            name: &endpoint.link,
            mtu: network.mtu,
            mac: Some(endpoint.mac),
            ..Settings::default()
        };
        if !plain {
            link::change(&mut self.inside, self.own, &settings)?;
            return namespace::configure(self.namespace.as_fd(), endpoint);
        }
        let mut batch = vec![link::changed(self.own, &settings, false)];
        let addresses = endpoint.addresses.iter().chain(&endpoint.link_local);
        batch.extend(addresses.map(|(own, prefix)| address::message(self.own, *own, *prefix)));
        // What is announced is what is there as it comes up.
        let up = Settings {
            name: &endpoint.link,
            ..Settings::default()
        };
        batch.push(link::changed(self.own, &up, true));
        let gateways = endpoint.gateways.iter();
        batch.extend(gateways.map(|gateway| route::default_message(self.own, *gateway)));
        self.inside.batch(batch).map_err(|refused| Error::Link {
            action: "configure",
            name: endpoint.link.clone(),
            source: refused.source,
        })
    }
}
