//! The owner of a container: the one task that changes it.
//!
//! ```text
//!  Created --start--> Running <--pause/unpause--> Paused
//!                      |  ^                         |
//!                 exit |  | restart                 | exit
//!                      v  |                         |
//!      Exited <---- Restarting        Exited <------+
//!        |
//!      remove --> gone (its files are removed behind)
//! ```
//!
//! Every arrow is on record before its caller is answered, and durable before a program is
//! started or a file removed. Making a container and removing
//! it are the only operations of several steps on disk: a directory under `ROOT/containers`
//! without a record is swept at the daemon's start, as is a live shim without one.

mod backoff;
mod change;
mod exit;
mod handle;
mod health;
mod link;
mod namespaces;
mod network;
mod remove;
mod start;
mod users;

pub(crate) use handle::Handle;
pub(crate) use start::chain;
pub(crate) use users::maps_of;

use crate::context::Context;
use crate::events::Durable;
use crate::{
    Container, EndpointSpec, Error, Event, HealthResult, Problem, Removal, Status, Update,
};
use backoff::Backoff;
use metadata::Batch;
use std::sync::Arc;
use task::Attach;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use types::{ContainerId, Signal, Timestamp};

/// Where an operation's outcome goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What an owner is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Start {
        reply: Reply<()>,
    },
    /// Start again on behalf of a caller; no failure if it runs already.
    Restart {
        reply: Reply<()>,
    },
    Attach {
        attach: Attach,
        reply: Reply<()>,
    },
    Kill {
        signal: Signal,
        reply: Reply<()>,
    },
    Stop {
        signal: Signal,
        /// [`Command::Restart`] follows: its end does not remove it.
        restarts: bool,
        reply: Reply<()>,
    },
    Pause {
        reply: Reply<()>,
    },
    Unpause {
        reply: Reply<()>,
    },
    /// Pauses it while an image is made of it; [`Command::Unpause`] lets it go.
    Hold {
        reply: Reply<()>,
    },
    Rename {
        name: String,
        reply: Reply<()>,
    },
    Remove {
        removal: Removal,
        reply: Reply<()>,
    },
    Update {
        update: Box<Update>,
        reply: Reply<Vec<String>>,
    },
    /// It runs, as its supervisor says to a new daemon.
    Adopt {
        pid: u32,
        started: Timestamp,
        paused: bool,
        reply: Reply<()>,
    },
    /// Its health was asked for.
    Probed {
        result: HealthResult,
        reply: Reply<()>,
    },
    Connect {
        network: String,
        spec: Box<EndpointSpec>,
        reply: Reply<()>,
    },
    Disconnect {
        network: String,
        reply: Reply<()>,
    },
    /// A container that it links runs again.
    Relink {
        reply: Reply<()>,
    },
    Unlink {
        alias: String,
        reply: Reply<()>,
    },
    Event(task::Event),
    /// An event that was missed, and is waited for.
    Settle {
        event: task::Event,
        reply: Reply<()>,
    },
}

/// Whether the container is still there after a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remains {
    Here,
    Gone,
}

/// The one task that changes a container.
struct Owner {
    context: Arc<Context>,
    handle: Arc<Handle>,
    /// Clients that attached before the start.
    pending: Vec<Attach>,
    /// How long the restart policy waits.
    backoff: Backoff,
    /// When the restart policy starts the container.
    due: Option<Instant>,
    /// Those who wait for a removal by force, while the program is being ended.
    removing: Option<Removing>,
    /// Who asks for its health.
    monitor: Option<health::Monitor>,
    /// What its last run left is being removed.
    releasing: Option<JoinHandle<()>>,
    /// Who asked for the start under way.
    starting: Option<Reply<()>>,
    /// Its program was asked to end by a stop, which is told of when it has.
    stopping: bool,
    /// It is started again after that, as the last who stopped it wanted.
    restarts: bool,
}

struct Removing {
    removal: Removal,
    replies: Vec<Reply<()>>,
}

impl Owner {
    fn new(context: Arc<Context>, handle: Arc<Handle>) -> Self {
        Self {
            context,
            handle,
            pending: Vec::new(),
            backoff: Backoff::default(),
            due: None,
            removing: None,
            monitor: None,
            releasing: None,
            starting: None,
            stopping: false,
            restarts: false,
        }
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let stopping = self.context.stopping.clone();
        loop {
            let due = self.due;
            let remains = tokio::select! {
                command = commands.recv() => match command {
                    // On the heap while it lasts: each container has an owner, and most wait.
                    Some(command) => Box::pin(self.obey(command)).await,
                    None => break,
                },
                () = sleep_until(due), if due.is_some() => {
                    self.due = None;
                    Box::pin(self.restart_by_policy()).await;
                    Remains::Here
                }
                () = stopping.cancelled() => break,
            };
            if remains == Remains::Gone {
                break;
            }
            self.tend_health();
        }
    }

    async fn obey(&mut self, command: Command) -> Remains {
        match command {
            Command::Start { reply } => return self.start_or_remove(reply).await,
            Command::Restart { reply } => return self.restart_or_remove(reply).await,
            Command::Attach { attach, reply } => answer(reply, self.attach(attach).await),
            Command::Kill { signal, reply } => answer(reply, self.kill(signal).await),
            Command::Stop {
                signal,
                restarts,
                reply,
            } => {
                self.restarts = restarts;
                answer(reply, self.stop(signal).await);
            }
            Command::Pause { reply } => answer(reply, self.pause().await),
            Command::Unpause { reply } => answer(reply, self.unpause().await),
            Command::Hold { reply } => answer(reply, self.hold().await),
            Command::Rename { name, reply } => answer(reply, self.rename(name).await),
            Command::Update { update, reply } => answer(reply, self.update(*update).await),
            Command::Connect {
                network,
                spec,
                reply,
            } => answer(reply, self.connect(&network, *spec).await),
            Command::Disconnect { network, reply } => {
                answer(reply, self.disconnect(&network).await);
            }
            Command::Relink { reply } => answer(reply, self.relink().await),
            Command::Unlink { alias, reply } => answer(reply, self.unlink(&alias).await),
            Command::Remove { removal, reply } => return self.remove(removal, reply).await,
            Command::Adopt {
                pid,
                started,
                paused,
                reply,
            } => {
                answer(reply, self.adopt(pid, started, paused).await);
            }
            Command::Probed { result, reply } => answer(reply, self.probed(result).await),
            Command::Event(event) => return self.learn(event).await,
            Command::Settle { event, reply } => {
                let remains = self.learn(event).await;
                answer(reply, Ok(()));
                return remains;
            }
        }
        Remains::Here
    }

    fn id(&self) -> &ContainerId {
        self.handle.id()
    }

    fn now(&self) -> Arc<Container> {
        self.handle.snapshot()
    }

    fn refuse<T>(&self, action: &'static str, problem: Problem) -> Result<T, Error> {
        Err(Error::state(action, self.id(), problem))
    }

    /// Shows `container` to readers, and makes its state durable with `events`.
    async fn commit_state(
        &self,
        action: &'static str,
        container: Container,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let batch = self.show(action, container)?;
        self.context.commit(action, batch, events).await
    }

    /// Shows `container` to readers, and keeps its state with `events`: for the next daemon at
    /// once, over a loss of power when `durable` says.
    fn keep_state(
        &self,
        action: &'static str,
        container: Container,
        events: Vec<Event>,
        durable: Durable,
    ) -> Result<(), Error> {
        let batch = self.show(action, container)?;
        self.context.keep(action, batch, events, durable)
    }

    /// Shows `container` to readers, and gives what makes its state durable.
    fn show(&self, action: &'static str, container: Container) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        let put = batch.put(self.id().as_str(), &container.state);
        put.map_err(Error::store(action))?;
        self.handle.publish(container);
        Ok(batch)
    }

    /// What stands against an operation on a running program.
    fn not_running(status: Status) -> Option<Problem> {
        match status {
            Status::Running | Status::Paused => None,
            Status::Restarting => Some(Problem::Restarting),
            Status::Created | Status::Exited | Status::Dead => Some(Problem::NotRunning),
            Status::Removing => Some(Problem::Removing),
        }
    }
}

fn answer<T>(reply: Reply<T>, outcome: Result<T, Error>) {
    // A caller who went away does not hear it.
    drop(reply.send(outcome));
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
