//! A sandbox's namespace made ahead, with a pair of links in it that leads nowhere, or to the
//! bridge that will most probably be wanted.

use crate::link::{self, Link, Settings};
use crate::{Endpoint, Error, Namespace, Network, address, namespace, route};
use netlink::{Message, Socket};
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
    /// The link inside is up already.
    raised: bool,
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
            raised: false,
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

    /// Sets the link inside up, which has no address yet: it is silent.
    pub(crate) fn raise(&mut self) -> Result<(), Error> {
        link::set_up(&mut self.inside, self.own)?;
        self.raised = true;
        Ok(())
    }

    /// Has the link inside be as it was made.
    pub(crate) fn lower(&mut self) -> Result<(), Error> {
        match std::mem::take(&mut self.raised) {
            true => link::set_down(&mut self.inside, self.own),
            false => Ok(()),
        }
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
        if !plain {
            self.lower()?;
            let settings = Settings {
                name: &endpoint.link,
                mtu: network.mtu,
                mac: Some(endpoint.mac),
                ..Settings::default()
            };
            link::change(&mut self.inside, self.own, &settings)?;
            return namespace::configure(self.namespace.as_fd(), endpoint);
        }
        let batch = match self.raised && network.mtu.is_none() {
            true => self.given(endpoint),
            false => self.given_and_raised(network, endpoint),
        };
        self.inside.batch(batch).map_err(|refused| Error::Link {
            action: "configure",
            name: endpoint.link.clone(),
            source: refused.source,
        })
    }

    /// What gives the link what the endpoint has where it is up. The address is announced, if
    /// that is there, as the link's own address changes (`arp_notify`).
    fn given(&self, endpoint: &Endpoint) -> Vec<Message> {
        let mut batch = self.addresses(endpoint);
        batch.push(link::readdressed(self.own, endpoint.mac));
        batch.extend(self.routes(endpoint));
        batch
    }

    /// The same where it is down; it is announced as it comes up.
    fn given_and_raised(&self, network: &Network, endpoint: &Endpoint) -> Vec<Message> {
        let settings = Settings {
            name: &endpoint.link,
            mtu: network.mtu,
            mac: Some(endpoint.mac),
            ..Settings::default()
        };
        let up = Settings {
            name: &endpoint.link,
            ..Settings::default()
        };
        let mut batch = vec![link::changed(self.own, &settings, false)];
        batch.extend(self.addresses(endpoint));
        batch.push(link::changed(self.own, &up, true));
        batch.extend(self.routes(endpoint));
        batch
    }

    fn addresses(&self, endpoint: &Endpoint) -> Vec<Message> {
        let addresses = endpoint.addresses.iter().chain(&endpoint.link_local);
        let given = addresses.map(|(own, prefix)| address::message(self.own, *own, *prefix));
        given.collect()
    }

    fn routes(&self, endpoint: &Endpoint) -> Vec<Message> {
        let gateways = endpoint.gateways.iter();
        let led = gateways.map(|gateway| route::default_message(self.own, *gateway));
        led.collect()
    }
}
