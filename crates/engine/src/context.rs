//! What the services share.

use crate::events::Durable;
use crate::execs::Registry;
use crate::files::Rewrite;
use crate::index::Index;
use crate::limits::Limits;
use crate::log::Keepers;
use crate::networks::Registry as NetworkRegistry;
use crate::volumes::Shelf;
use crate::{Config, ContainerRecord, Defaults, Error, Event, Events, NetworkState, Removal};
use images::Images;
use metadata::{Batch, Database, Mark};
use snapshot::Snapshots;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;
use task::Tasks;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{ContainerId, ExecId};
use unpack::Unpack;

/// How long after the end of a container that goes with it the rest is removed: who waited for the
/// end goes first.
const MOMENT: Duration = Duration::from_millis(3);

/// What the services share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    /// What containers have that say nothing of it, as it was told last.
    pub(crate) defaults: RwLock<Arc<Defaults>>,
    pub(crate) database: Arc<Database>,
    pub(crate) images: Arc<Images>,
    pub(crate) tasks: Tasks,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) volumes: Arc<volume::Volumes>,
    pub(crate) shelf: Shelf,
    /// Reads and writes archives.
    pub(crate) worker: Unpack,
    pub(crate) events: Events,
    pub(crate) networks: NetworkRegistry,
    pub(crate) index: Index,
    pub(crate) execs: Registry,
    pub(crate) log_keepers: Keepers,
    /// How often containers' health was asked for, and was found bad.
    pub(crate) probes: [AtomicU64; 2],
    /// What containers can be limited by.
    pub(crate) limits: Limits,
    /// Every task of the engine, so that a stop can wait for them.
    pub(crate) tracker: TaskTracker,
    /// Says that the daemon stops.
    pub(crate) stopping: CancellationToken,
}

impl Context {
    pub(crate) fn defaults(&self) -> Arc<Defaults> {
        let defaults = self.defaults.read();
        Arc::clone(&defaults.unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the changes of `batch` durable together with `events`, then tells these.
    pub(crate) async fn commit(
        &self,
        action: &'static str,
        batch: Batch,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let committed = self.events.commit(batch, events).await;
        committed.map_err(Error::store(action))
    }

    /// Like [`Self::commit`], but what outlives this daemon when this returns outlives a loss of
    /// power only later: nothing that the disk holds may depend on it yet.
    pub(crate) fn keep(
        &self,
        action: &'static str,
        batch: Batch,
        events: Vec<Event>,
        durable: Durable,
    ) -> Result<(), Error> {
        let kept = self.events.keep(batch, events, durable);
        kept.map_err(Error::store(action))
    }

    /// Makes durable what was kept until `mark`, before something is done that depends on it.
    pub(crate) async fn sync(&self, action: &'static str, mark: Mark) -> Result<(), Error> {
        let synced = self.events.sync(mark).await;
        synced.map_err(Error::store(action))
    }

    /// Brings the files of a running container to its networks; it runs on if they cannot be
    /// written.
    pub(crate) fn rewrite_files(
        &self,
        record: &ContainerRecord,
        network: &NetworkState,
        change: Rewrite,
    ) {
        let dir = self.config.paths.container(&record.id);
        if let Err(error) = crate::files::rewrite(
            &self.config.networks.resolving(record),
            &dir,
            network,
            &change,
        ) {
            tracing::warn!(container.id = %record.id, %error, "a container's files are as they were");
        }
    }

    /// Makes the next container's network namespace, after a while.
    pub(crate) fn prepare_network(self: &Arc<Self>, after: Duration) {
        let context = Arc::clone(self);
        self.later(after, move || context.networks.prepare());
    }

    /// Does what blocks after a while, unless the daemon goes meanwhile.
    pub(crate) fn later(&self, after: Duration, operation: impl FnOnce() + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(after) => {}
                () = stopping.cancelled() => return,
            }
            drop(blocking(operation).await);
        });
    }

    /// Removes what is left of a container whose record is gone, without anybody waiting; the
    /// next daemon sweeps what this one does not get to.
    pub(crate) fn sweep_behind(
        self: &Arc<Self>,
        record: Arc<ContainerRecord>,
        removal: Removal,
        releasing: Option<JoinHandle<()>>,
    ) {
        let (context, gone) = (Arc::clone(self), self.events.mark());
        self.tracker.spawn(async move {
            if let Some(releasing) = releasing {
                drop(releasing.await);
            }
            context.log_keepers.end(&record.id).await;
            // A container that a loss of power brought back would have lost its files; one that
            // goes when it ends is removed again.
            if record.spec.auto_remove {
                tokio::time::sleep(MOMENT).await;
            } else if let Err(error) = context.sync("make a removal durable", gone).await {
                tracing::warn!(container.id = %record.id, %error, "a container's files are kept");
                return;
            }
            context.discard(&record.id).await;
            context.unmount_volumes(&record).await;
            context.remove_anonymous(&record, removal).await;
        });
    }

    /// Removes a container's live remains and its directory.
    pub(crate) async fn discard(&self, id: &ContainerId) {
        if let Err(error) = self.tasks.delete(id).await {
            tracing::warn!(container.id = %id, %error, "cannot clean up after a container");
        }
        let snapshots = Arc::clone(&self.snapshots);
        let removed = id.clone();
        match blocking(move || snapshots.remove(&removed)).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::warn!(container.id = %id, %error, "cannot remove a container's files");
            }
        }
    }

    /// Remembers how an exec ended.
    pub(crate) async fn exec_ended(
        &self,
        container: &ContainerId,
        exec: &ExecId,
        status: &task::ExitStatus,
    ) {
        let code = status.code.unwrap_or(255);
        let known = self.execs.ended(exec, code).is_some();
        let Some(handle) = self.index.find(container).filter(|_| known) else {
            return;
        };
        let code = code.to_string();
        let attributes = [("execID", exec.as_str()), ("exitCode", code.as_str())];
        let event = handle.snapshot().record.event("exec_die", attributes);
        self.events.record_later(event);
    }
}

/// Held by the one operation that keeps its thread of the runtime.
static IN_PLACE: Mutex<()> = Mutex::new(());

/// Runs a moment's work with files or links on this thread, mostly in memory: to be called back
/// from another takes longer. One at a time keeps its thread of the runtime; beside it, as when
/// the disk hangs, it is as [`waiting`].
pub(crate) async fn brief<T: Send + 'static>(
    operation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if let Some(_place) = take_place() {
        return Ok(operation());
    }
    waiting(operation).await
}

/// One that panicked in it left nothing there.
fn take_place() -> Option<MutexGuard<'static, ()>> {
    match IN_PLACE.try_lock() {
        Ok(place) => Some(place),
        Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Runs what waits for the disk on this thread, while another takes over what else it served.
pub(crate) async fn waiting<T: Send + 'static>(
    operation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => Ok(tokio::task::block_in_place(operation)),
        _ => blocking(operation).await,
    }
}

/// Runs what blocks where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let joined = tokio::task::spawn_blocking(operation).await;
    joined.map_err(|_| Error::Stopping)
}
