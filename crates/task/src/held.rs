//! Which shims and containers are held, and what happens when a shim goes.

use crate::executable::Executable;
use crate::filters::Filters;
use crate::shim::{ASKING, Shim, spawn};
use crate::spare::{Ahead, Spares};
use crate::{Error, Event, EventKind, dead, message};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use types::{ContainerId, Paths};

/// How long after a container was made the next sandbox is.
const MOMENT: Duration = Duration::from_millis(3);

/// A container that a shim holds.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its sandbox.
    pub sandbox: ContainerId,
    /// Its end was told.
    pub exited: bool,
}

/// Everything that is held.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By sandbox.
    pub shims: HashMap<ContainerId, Shim>,
    /// By container.
    pub containers: HashMap<ContainerId, Member>,
    /// Those of `shims` that no container uses yet.
    pub spares: Spares,
}

/// What all clones of [`crate::Tasks`] share.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) paths: Paths,
    pub(crate) executable: Executable,
    pub(crate) filters: Filters,
    pub(crate) events: mpsc::Sender<Event>,
    /// A shim has gone, and nothing is left of it.
    departures: Notify,
    table: Mutex<Table>,
    pub(crate) ahead: Ahead,
    /// Held while a sandbox that has its id already gets its shim.
    pub(crate) making: Mutex<()>,
}

impl Held {
    pub(crate) fn new(
        paths: Paths,
        executable: Executable,
        ahead: Ahead,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            paths,
            executable,
            filters: Filters::default(),
            events,
            departures: Notify::new(),
            table: Mutex::default(),
            ahead,
            making: Mutex::default(),
        }
    }

    /// The table; held for no longer than a look.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shim that holds a container.
    pub(crate) fn shim_of(&self, id: &ContainerId) -> Result<Shim, Error> {
        let table = self.table();
        let member = table.containers.get(id);
        let shim = member.and_then(|member| table.shims.get(&member.sandbox));
        shim.cloned().ok_or_else(|| Error::NotRunning {
            container: id.clone(),
        })
    }

    /// The shim of a sandbox that is to get the container `id`; started if there is none.
    pub(crate) fn shim_for(
        self: &Arc<Self>,
        sandbox: &ContainerId,
        id: &ContainerId,
    ) -> Result<Shim, Error> {
        let mut table = self.table();
        if table.spares.is_reserved(sandbox) && !table.shims.contains_key(sandbox) {
            drop(table);
            drop(self.making.lock());
            table = self.table();
        }
        table.spares.forget(sandbox);
        if table.containers.contains_key(id) {
            return Err(Error::Exists {
                container: id.clone(),
            });
        }
        let shim = match table.shims.get(sandbox) {
            Some(shim) => shim.clone(),
            None => {
                let shim = spawn(&self.executable, &self.paths, sandbox)?;
                table.shims.insert(sandbox.clone(), shim.clone());
                self.follow(shim.clone(), 0);
                shim
            }
        };
        table.containers.insert(
            id.clone(),
            Member {
                sandbox: sandbox.clone(),
                exited: false,
            },
        );
        Ok(shim)
    }

    /// Makes the next sandbox in a moment, if none waits: who just made a container goes first.
    pub(crate) fn prepare_spare_later(self: &Arc<Self>) {
        let held = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT).await;
            held.prepare_spare();
        });
    }

    /// Serves the connection to a shim, and passes on its events after number `after`.
    pub(crate) fn follow(self: &Arc<Self>, shim: Shim, after: u64) {
        let link = shim.link.clone();
        tokio::spawn(async move { link.serve().await });
        self.follow_events(shim, after);
    }

    /// Passes on a shim's events after number `after`, and cleans up once it has gone.
    pub(crate) fn follow_events(self: &Arc<Self>, shim: Shim, after: u64) {
        let held = Arc::clone(self);
        tokio::spawn(async move {
            held.pass_events(&shim, after).await;
            held.lost(&shim).await;
        });
    }

    /// Waits until a sandbox's shim has gone, if it is about to: then it may have another.
    pub(crate) async fn await_closed(&self, sandbox: &ContainerId) {
        let shim = self.table().shims.get(sandbox).cloned();
        if let Some(shim) = shim.filter(|shim| shim.link.is_closed()) {
            self.await_departure(&shim).await;
        }
    }

    /// As [`Self::departed`]; a shim that hangs is no reason to wait for ever.
    pub(crate) async fn await_departure(&self, shim: &Shim) {
        drop(tokio::time::timeout(ASKING, self.departed(shim)).await);
    }

    /// Waits until a shim without containers has gone, so that its sandbox may have another.
    pub(crate) async fn departed(&self, shim: &Shim) {
        loop {
            let departure = self.departures.notified();
            tokio::pin!(departure);
            departure.as_mut().enable();
            if !self.holds(shim) {
                return;
            }
            departure.await;
        }
    }

    fn holds(&self, shim: &Shim) -> bool {
        let table = self.table();
        let held = table.shims.get(&shim.sandbox);
        held.is_some_and(|held| held.link.is(&shim.link))
    }

    fn depart(&self, shim: &Shim) {
        if self.holds(shim) {
            self.table().shims.remove(&shim.sandbox);
        }
        self.departures.notify_waiters();
    }

    async fn pass_events(&self, shim: &Shim, mut after: u64) {
        while let Some(events) = shim.events(after).await {
            for event in events {
                after = after.max(event.sequence);
                if let Some(event) = message::event(&shim.sandbox, event) {
                    self.pass(event).await;
                }
            }
        }
    }

    async fn pass(&self, event: Event) {
        if let EventKind::Exited(_) = event.kind {
            let mut table = self.table();
            if let Some(member) = table.containers.get_mut(&event.container) {
                member.exited = true;
            }
        }
        // If nobody listens any more the daemon is ending; the shim keeps the event.
        drop(self.events.send(event).await);
    }

    /// A shim has gone: with its last container, or by accident.
    async fn lost(self: &Arc<Self>, shim: &Shim) {
        let sandbox = &shim.sandbox;
        let orphans: Vec<(ContainerId, bool)> = {
            let mut table = self.table();
            let orphans = table
                .containers
                .extract_if(|_, member| member.sandbox == *sandbox);
            orphans.map(|(id, member)| (id, member.exited)).collect()
        };
        let folder = self.paths.shim(sandbox);
        let (nobodys, unused) = {
            let mut table = self.table();
            let reserved = table.spares.is_reserved(sandbox);
            let nobodys = table.spares.forget(sandbox);
            (nobodys, nobodys || reserved)
        };
        if !unused {
            self.prepare_spare();
        }
        // One that had only just begun makes its directory yet.
        shim.ended().await;
        let buried = tokio::task::spawn_blocking(move || dead::bury(&folder)).await;
        if nobodys {
            (self.ahead.directory.remove)(sandbox);
        }
        // Only now may the sandbox have another shim: its folder would have been taken for this
        // one's.
        self.depart(shim);
        let ended = match buried {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => {
                tracing::warn!(%sandbox, error = %chain(&error), "cannot clean up after a shim");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        for dead::Ended { id, status, .. } in ended {
            let told = orphans
                .iter()
                .any(|(orphan, exited)| *orphan == id && *exited);
            if !told {
                self.pass(Event {
                    sandbox: sandbox.clone(),
                    sequence: 0,
                    container: id,
                    at: status.at,
                    kind: EventKind::Exited(status),
                })
                .await;
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
