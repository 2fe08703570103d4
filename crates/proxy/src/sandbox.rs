//! All sandboxes, and what is held for each.

use crate::host_servers::HostServers;
use crate::names::Names;
use crate::nameserver::Nameserver;
use crate::relay::Relay;
use crate::request::{Bound, Held, Port, Sandbox};
use crate::wait::awaited;
use rustix::net::getsockname;
use rustix::net::sockopt::socket_protocol;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

/// All sandboxes, shared by the tasks of the one thread.
pub(crate) type Shared = Rc<RefCell<Sandboxes>>;

/// All sandboxes.
#[derive(Debug, Default)]
pub(crate) struct Sandboxes {
    all: BTreeMap<String, Entry>,
    pub(crate) names: Names,
    pub(crate) host: HostServers,
    /// How many questions there were.
    pub(crate) turn: usize,
    /// Daemons that are connected.
    pub(crate) daemons: usize,
    /// The connection of a daemon that has gone.
    pub(crate) last: Option<AsyncFd<OwnedFd>>,
    /// What served ports of sandboxes that are forgotten.
    ending: Vec<Relay>,
    /// Had by whoever waits for the end of these.
    forgetting: Rc<Mutex<()>>,
    /// Told when there may be nothing left to do.
    pub(crate) idle: Rc<Notify>,
}

#[derive(Debug, Default)]
struct Entry {
    sandbox: Rc<Sandbox>,
    nameserver: Option<Nameserver>,
    ports: Vec<(Bound, Hold)>,
    watch: Option<JoinSet<()>>,
}

/// A port that is held, and served if something leads there.
#[derive(Debug)]
enum Hold {
    Bound(#[expect(dead_code, reason = "it holds the port")] OwnedFd),
    Served(Relay),
}

impl Hold {
    fn relay(self) -> Option<Relay> {
        match self {
            Self::Served(relay) => Some(relay),
            Self::Bound(_) => None,
        }
    }
}

/// What a socket is bound to.
fn bound(socket: &OwnedFd) -> io::Result<Bound> {
    let protocol = socket_protocol(socket)?.map(|protocol| protocol.as_raw().get());
    let protocol = protocol.and_then(|protocol| u8::try_from(protocol).ok());
    let address = getsockname(socket)?.try_into();
    match (protocol, address) {
        (Some(protocol), Ok(address)) => Ok(Bound { protocol, address }),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

impl Sandboxes {
    /// One of them.
    pub(crate) fn sandbox(&self, id: &str) -> Option<Rc<Sandbox>> {
        self.all.get(id).map(|entry| Rc::clone(&entry.sandbox))
    }

    /// What there is, in the order of ids.
    pub(crate) fn held(&self) -> Vec<Held> {
        let all = self.all.iter().map(|(id, entry)| Held {
            sandbox: id.clone(),
            serves: entry.nameserver.is_some(),
            ports: entry.ports.len(),
        });
        all.collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.daemons == 0 && self.all.is_empty()
    }

    /// Takes a sandbox as it is from now on.
    pub(crate) fn put(&mut self, sandbox: Sandbox) {
        let entry = self.all.entry(sandbox.id.clone()).or_default();
        self.names.remove(&entry.sandbox);
        self.names.add(&sandbox);
        entry.sandbox = Rc::new(sandbox);
    }

    /// Gives a sandbox its name server, in the place of one that it has.
    pub(crate) fn serve(&mut self, id: &str, nameserver: Nameserver) {
        self.all.entry(id.to_owned()).or_default().nameserver = Some(nameserver);
    }

    /// Holds ports for a sandbox.
    pub(crate) fn hold(&mut self, id: &str, ports: Vec<(Port, OwnedFd)>) -> io::Result<()> {
        let held = ports.into_iter().map(|(port, socket)| {
            let bound = bound(&socket)?;
            let hold = match port.target {
                Some(target) => Hold::Served(Relay::start(socket, port.datagrams, target)?),
                None => Hold::Bound(socket),
            };
            Ok((bound, hold))
        });
        let held: Vec<_> = held.collect::<io::Result<_>>()?;
        self.all
            .entry(id.to_owned())
            .or_default()
            .ports
            .extend(held);
        Ok(())
    }

    /// Passes on elsewhere what comes to ports that are held for a sandbox. Those that could not
    /// be held are passed over.
    pub(crate) fn lead(&self, id: &str, ports: &[(Bound, SocketAddr)]) {
        let held = self.all.get(id).into_iter().flat_map(|entry| &entry.ports);
        for (bound, hold) in held {
            let mut led = ports.iter().filter(|(led, _)| led == bound);
            if let (Some((_, target)), Hold::Served(relay)) = (led.next(), hold) {
                relay.lead(*target);
            }
        }
    }

    /// Lets ports of a sandbox go.
    fn release(&mut self, id: &str, ports: &[Bound]) {
        let Some(entry) = self.all.get_mut(id) else {
            return;
        };
        let named = |(bound, _): &mut (Bound, Hold)| ports.contains(bound);
        let released = entry.ports.extract_if(.., named);
        self.ending
            .extend(released.filter_map(|(_, hold)| hold.relay()));
    }

    /// Forgets a sandbox.
    fn forget(&mut self, id: &str) {
        if let Some(entry) = self.all.remove(id) {
            self.names.remove(&entry.sandbox);
            let ports = entry.ports.into_iter();
            self.ending
                .extend(ports.filter_map(|(_, hold)| hold.relay()));
        }
        if self.is_idle() {
            self.idle.notify_one();
        }
    }
}

/// Forgets a sandbox. Its ports are free when this returns.
pub(crate) async fn forget(shared: &Shared, id: &str) {
    end(shared, |server| server.forget(id)).await;
}

/// Lets ports of a sandbox go. They are free when this returns.
pub(crate) async fn release(shared: &Shared, id: &str, ports: &[Bound]) {
    end(shared, |server| server.release(id, ports)).await;
}

/// Waits for the end of what served ports that `give_up` gives up.
async fn end(shared: &Shared, give_up: impl FnOnce(&mut Sandboxes)) {
    let forgetting = Rc::clone(&shared.borrow().forgetting);
    let _turn = forgetting.lock().await;
    let ending = {
        let mut server = shared.borrow_mut();
        give_up(&mut server);
        std::mem::take(&mut server.ending)
    };
    for relay in ending {
        relay.end().await;
    }
}

/// Forgets a sandbox when its first process ends.
pub(crate) fn watch(shared: &Shared, id: &str, process: OwnedFd) -> io::Result<()> {
    let process = awaited(process, Interest::READABLE)?;
    let (watched, sandbox) = (Rc::clone(shared), id.to_owned());
    let mut watch = JoinSet::new();
    watch.spawn_local(async move {
        if process.readable().await.is_ok() {
            // This task goes with the entry: it must not be dropped while it runs.
            let end = async move { forget(&watched, &sandbox).await };
            drop(tokio::task::spawn_local(end));
        }
    });
    let mut server = shared.borrow_mut();
    match server.all.get_mut(id) {
        Some(entry) => entry.watch = Some(watch),
        None => return Err(io::ErrorKind::NotFound.into()),
    }
    Ok(())
}
