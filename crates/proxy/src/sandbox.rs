//! All sandboxes, and what is held for each.

use crate::host_servers::HostServers;
use crate::names::Names;
use crate::nameserver::Nameserver;
use crate::relay::Relay;
use crate::request::{Held, Port, Sandbox};
use crate::wait::awaited;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
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
    ports: Vec<Hold>,
    watch: Option<JoinSet<()>>,
}

/// A port that is held, and served if something leads there.
#[derive(Debug)]
enum Hold {
    Bound(#[expect(dead_code, reason = "it holds the port")] OwnedFd),
    Served(Relay),
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
        let held = ports.into_iter().map(|(port, socket)| match port.target {
            Some(target) => Relay::start(socket, port.datagrams, target).map(Hold::Served),
            None => Ok(Hold::Bound(socket)),
        });
        let held: Vec<_> = held.collect::<io::Result<_>>()?;
        self.all
            .entry(id.to_owned())
            .or_default()
            .ports
            .extend(held);
        Ok(())
    }

    /// Forgets a sandbox.
    fn forget(&mut self, id: &str) {
        if let Some(entry) = self.all.remove(id) {
            self.names.remove(&entry.sandbox);
            self.ending
                .extend(entry.ports.into_iter().filter_map(|hold| match hold {
                    Hold::Served(relay) => Some(relay),
                    Hold::Bound(_) => None,
                }));
        }
        if self.is_idle() {
            self.idle.notify_one();
        }
    }
}

/// Forgets a sandbox. Its ports are free when this returns.
pub(crate) async fn forget(shared: &Shared, id: &str) {
    let forgetting = Rc::clone(&shared.borrow().forgetting);
    let _turn = forgetting.lock().await;
    let ending = {
        let mut server = shared.borrow_mut();
        server.forget(id);
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
