//! The way to a container: its snapshot, and its owner's queue.

use super::{Command, Owner, Reply};
use crate::context::Context;
use crate::{Container, Error};
use std::sync::{Arc, OnceLock};
use tokio::sync::{RwLock, mpsc, oneshot, watch};
use types::ContainerId;

/// The way to a container: its snapshot, and its owner's queue. The owner begins with the
/// first command, so that containers which do nothing cost nothing.
#[derive(Debug)]
pub(crate) struct Handle {
    id: ContainerId,
    snapshot: watch::Sender<Arc<Container>>,
    owner: OnceLock<mpsc::UnboundedSender<Command>>,
    /// Shared by those who read or write its files from outside, taken alone by its start.
    files: Arc<RwLock<()>>,
}

impl Handle {
    pub(crate) fn new(container: Container) -> Self {
        Self {
            id: container.record.id.clone(),
            snapshot: watch::Sender::new(Arc::new(container)),
            owner: OnceLock::new(),
            files: Arc::default(),
        }
    }

    pub(crate) fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Who may mount its files.
    pub(crate) fn files(&self) -> Arc<RwLock<()>> {
        Arc::clone(&self.files)
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
