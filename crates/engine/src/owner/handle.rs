//! The way to a container: its snapshot, and its owner's queue.

use super::{Command, Owner, Reply};
use crate::Problem;
use crate::context::Context;
use crate::{Container, Error};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use types::ContainerId;

/// How long a start waits for those who read or write the container's files from outside,
/// before it ends them, and then again.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to a container: its snapshot, and its owner's queue. The owner begins with the
/// first command, so that containers which do nothing cost nothing.
#[derive(Debug)]
pub(crate) struct Handle {
    id: ContainerId,
    snapshot: watch::Sender<Arc<Container>>,
    owner: OnceLock<mpsc::UnboundedSender<Command>>,
    /// Shared by those who read or write its files from outside, taken alone by its start.
    files: Arc<RwLock<()>>,
    /// Ends those who do so now.
    cut: Mutex<CancellationToken>,
}

impl Handle {
    pub(crate) fn new(container: Container) -> Self {
        Self {
            id: container.record.id.clone(),
            snapshot: watch::Sender::new(Arc::new(container)),
            owner: OnceLock::new(),
            files: Arc::default(),
            cut: Mutex::default(),
        }
    }

    pub(crate) fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Who may mount its files.
    pub(crate) fn files(&self) -> Arc<RwLock<()>> {
        Arc::clone(&self.files)
    }

    /// What those who read or write its files must heed.
    pub(crate) fn cut(&self) -> CancellationToken {
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.clone()
    }

    /// Takes the files for a start. A client that reads its archive no further, or sends none,
    /// holds a start up for a while and not for ever.
    pub(super) async fn claim_files(&self) -> Result<OwnedRwLockWriteGuard<()>, Error> {
        if let Ok(guard) = tokio::time::timeout(PATIENCE, self.files().write_owned()).await {
            return Ok(guard);
        }
        {
            let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *cut).cancel();
        }
        let claimed = tokio::time::timeout(PATIENCE, self.files().write_owned()).await;
        claimed.map_err(|_| Error::state("start", &self.id, Problem::FilesInUse))
    }

    pub(crate) fn snapshot(&self) -> Arc<Container> {
        Arc::clone(&self.snapshot.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Container>> {
        self.snapshot.subscribe()
    }

    /// Shows a new snapshot; only the owner does.
    pub(super) fn publish(&self, container: Container) {
        self.snapshot.send_replace(Arc::new(container));
    }

    /// Waits until the container does not live.
    pub(crate) async fn stopped(&self) -> Result<(), Error> {
        let mut watch = self.watch();
        let stopped = watch
            .wait_for(|c| c.removed || !c.state.status.is_live())
            .await;
        stopped.map(drop).map_err(|_| Error::Stopping)
    }

    /// Hands `command` to the owner.
    pub(crate) fn send(
        self: &Arc<Self>,
        context: &Arc<Context>,
        command: Command,
    ) -> Result<(), Error> {
        let owner = self.owner.get_or_init(|| {
            let (sender, commands) = mpsc::unbounded_channel();
            let owner = Owner::new(Arc::clone(context), Arc::clone(self));
            context.tracker.spawn(owner.run(commands));
            sender
        });
        owner.send(command).map_err(|_| self.absent())
    }

    /// Hands a command to the owner and waits for its outcome.
    pub(crate) async fn ask<T>(
        self: &Arc<Self>,
        context: &Arc<Context>,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Error> {
        let (reply, outcome) = oneshot::channel();
        self.send(context, command(reply))?;
        outcome.await.unwrap_or_else(|_| Err(self.absent()))
    }

    /// Why the owner does not answer.
    fn absent(&self) -> Error {
        match self.snapshot().removed {
            true => Error::no_container(self.id.as_str()),
            false => Error::Stopping,
        }
    }
}
