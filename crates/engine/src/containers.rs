//! Containers: made, started, watched, stopped, removed.

mod archive;
mod changes;
mod commit;
mod create;
mod inspect;
mod list;
mod logs;
mod processes;
mod prune;
mod stop;
mod traffic;
mod wait;

pub(crate) use archive::process;
pub use archive::{Archive, Extraction, PathStat};
pub use changes::{Change, ChangeKind};
pub use commit::CommitSpec;
pub(crate) use create::random;
pub use create::{Created, Update};
pub use inspect::Inspection;
pub(crate) use logs::readiness;
pub use logs::{Log, LogQuery};
pub use processes::Processes;
pub use prune::Pruned;
pub use stop::Stop;
pub use traffic::{Flow, Traffic};
pub use wait::{Ended, Wait, WaitCondition};

use crate::context::Context;
use crate::owner::Command;
use crate::{Container, Error, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use task::{Attach, Size};
use types::{ContainerId, Signal};

/// How long a program that was killed is waited for.
const KILLING: Duration = Duration::from_secs(10);

/// Containers: made, started, watched, stopped, removed. Clones are the same.
///
/// What changes a container goes to its owner, one task, in the order of the calls, and is
/// carried through there if the caller goes away. What only looks reads a snapshot and waits
/// for nobody.
#[derive(Clone, Debug)]
pub struct Containers {
    context: Arc<Context>,
}

/// A client's stream to a container.
#[derive(Debug)]
pub struct Attachment {
    /// The socket and which streams it carries.
    pub attach: Attach,
    /// First send what the log holds.
    pub logs: bool,
    /// Then follow the process; else close after the log.
    pub stream: bool,
}

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// End it first if it runs.
    pub force: bool,
    /// Its anonymous volumes go with it.
    pub volumes: bool,
}

impl Containers {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// The container that a caller means: by whole id, by name, by the start of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ambiguous`] if several ids start so.
    pub fn resolve(&self, name: &str) -> Result<ContainerId, Error> {
        self.context.index.resolve(name)
    }

    /// One moment's snapshot of a container.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find(&self, id: &ContainerId) -> Result<Arc<Container>, Error> {
        Ok(self.context.index.container(id)?.snapshot())
    }

    /// Starts a container; clients attached before get all its output.
    ///
    /// # Errors
    /// [`Problem::AlreadyStarted`] if it runs; [`Error::Command`] if its program cannot be
    /// executed.
    pub async fn start(&self, id: &ContainerId) -> Result<(), Error> {
        self.ask(id, |reply| Command::Start { reply }).await
    }

    /// Attaches a client, before or after the start. The socket is the container's from now
    /// on: it is closed when the program has ended and its output was sent.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Problem::Paused`]; [`Problem::Restarting`].
    pub async fn attach(&self, id: &ContainerId, attachment: Attachment) -> Result<(), Error> {
        if attachment.logs {
            self.send_log(id, &attachment.attach).await?;
        }
        if !attachment.stream {
            let event = self.find(id)?.record.event("attach", []);
            self.context.events.record_later(event);
            return Ok(());
        }
        let attach = attachment.attach;
        self.ask(id, |reply| Command::Attach { attach, reply })
            .await
    }

    /// Sends a signal. One that ends it also ends its restarts; KILL's effect is waited for.
    ///
    /// # Errors
    /// [`Problem::NotRunning`].
    pub async fn kill(&self, id: &ContainerId, signal: Signal) -> Result<(), Error> {
        let handle = self.context.index.container(id)?;
        self.ask(id, |reply| Command::Kill { signal, reply })
            .await?;
        if signal == Signal::KILL {
            // COMPAT: clients look at the exit code next. A program that the kernel holds up
            // ends when it can.
            drop(tokio::time::timeout(KILLING, handle.stopped()).await);
        }
        Ok(())
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// [`Problem::NotRunning`]; [`Problem::Paused`].
    pub async fn pause(&self, id: &ContainerId) -> Result<(), Error> {
        self.ask(id, |reply| Command::Pause { reply }).await
    }

    /// Lets a frozen container run on.
    ///
    /// # Errors
    /// [`Problem::NotRunning`]; [`Problem::NotPaused`].
    pub async fn unpause(&self, id: &ContainerId) -> Result<(), Error> {
        self.ask(id, |reply| Command::Unpause { reply }).await
    }

    /// Pauses it while an image is made of it.
    async fn hold(&self, id: &ContainerId) -> Result<(), Error> {
        self.ask(id, |reply| Command::Hold { reply }).await
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::NameInUse`].
    pub async fn rename(&self, id: &ContainerId, name: &str) -> Result<(), Error> {
        let name = crate::names::check(name)?.to_owned();
        self.ask(id, |reply| Command::Rename { name, reply }).await
    }

    /// What a container uses.
    ///
    /// # Errors
    /// [`Problem::NotRunning`].
    pub async fn stats(&self, id: &ContainerId) -> Result<cgroup::Stats, Error> {
        let container = self.find(id)?;
        if !container.state.status.is_live() {
            return Err(Error::state("measure", id, Problem::NotRunning));
        }
        let stats = self.context.tasks.stats(id).await;
        stats.map_err(Error::task("measure", id))
    }

    /// Sets the size of a container's terminal.
    ///
    /// # Errors
    /// [`Problem::NotRunning`].
    pub async fn resize(&self, id: &ContainerId, size: Size) -> Result<(), Error> {
        let container = self.find(id)?;
        if !container.state.status.is_live() {
            return Err(Error::state("resize", id, Problem::NotRunning));
        }
        // COMPAT: who has no terminal is resized, too, in words.
        if container.record.spec.streams.tty {
            let resized = self.context.tasks.resize(id, None, size).await;
            resized.map_err(Error::task("resize", id))?;
        }
        let (height, width) = (size.height.to_string(), size.width.to_string());
        let attributes = [("height", height.as_str()), ("width", width.as_str())];
        let event = container.record.event("resize", attributes);
        self.context.events.record(event);
        Ok(())
    }

    /// Removes a container. What it left on disk is removed after this returns, or by the
    /// next daemon.
    ///
    /// # Errors
    /// [`Problem::Running`] if it runs and is not to be ended.
    pub async fn remove(&self, id: &ContainerId, removal: Removal) -> Result<(), Error> {
        self.ask(id, |reply| Command::Remove { removal, reply })
            .await
    }

    /// Takes a link away: `PARENT/ALIAS`. The container that it leads to stays.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Link`] if it is a container's own name.
    pub async fn unlink(&self, name: &str) -> Result<(), Error> {
        self.resolve(name)?;
        let bare = name.strip_prefix('/').unwrap_or(name);
        let Some((parent, alias)) = bare.split_once('/') else {
            // COMPAT: dockerd's words.
            let reason = "Conflict, cannot remove the default link name of the container";
            return Err(Error::Link {
                reason: reason.to_owned(),
            });
        };
        let (parent, alias) = (self.resolve(parent)?, alias.to_owned());
        self.ask(&parent, |reply| Command::Unlink { alias, reply })
            .await
    }

    /// The names that links give, `/PARENT/ALIAS`, by the container that they lead to.
    pub fn link_names(&self) -> BTreeMap<ContainerId, Vec<String>> {
        let all = self.context.index.snapshots();
        crate::links::names(all.iter().map(|container| &**container))
    }

    /// Changes a container's limits or restart policy. Gives warnings.
    ///
    /// # Errors
    /// If a value cannot be so, or the kernel refuses it.
    pub async fn update(&self, id: &ContainerId, update: Update) -> Result<Vec<String>, Error> {
        self.ask(id, |reply| Command::Update {
            update: Box::new(update),
            reply,
        })
        .await
    }

    async fn ask<T>(
        &self,
        id: &ContainerId,
        command: impl FnOnce(crate::owner::Reply<T>) -> Command,
    ) -> Result<T, Error> {
        let handle = self.context.index.container(id)?;
        handle.ask(&self.context, command).await
    }
}
