//! The tasks that look after the logs of containers that run: one sends records away, one
//! compresses files that are not written any more.

use super::Plan;
use super::cursor::Cursor;
use crate::containers::{Log, LogQuery};
use crate::context::Context;
use crate::owner::Handle;
use crate::{Container, Error};
use forward::Sender;
use logs::{JsonFile, Watch};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::ContainerId;

/// How long the records of a container that is being removed may take to be sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited before a connection is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How many records are sent before that is written down.
const STRIDE: u32 = 256;

/// The tasks, by container.
#[derive(Debug, Default)]
pub(crate) struct Keepers(Mutex<HashMap<ContainerId, Keeper>>);

#[derive(Debug)]
struct Keeper {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Keeper {
    /// Waits until the tasks have done what there was; then they are stopped.
    async fn end(self, patience: Duration) {
        for task in self.tasks {
            let stop = self.stop.clone();
            let late = async move {
                tokio::time::sleep(patience).await;
                stop.cancel();
            };
            let late = std::pin::pin!(late);
            let done = std::pin::pin!(task);
            if let futures_util::future::Either::Right((_, done)) =
                futures_util::future::select(done, late).await
            {
                drop(done.await);
            }
        }
    }
}

impl Keepers {
    fn take(&self, id: &ContainerId) -> Option<Keeper> {
        let mut keepers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keepers.remove(id)
    }

    fn put(&self, id: &ContainerId, keeper: Keeper) {
        let mut keepers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keepers.insert(id.clone(), keeper);
    }

    /// Waits until a container's log has been sent, and ends its tasks.
    pub(crate) async fn end(&self, id: &ContainerId) {
        if let Some(keeper) = self.take(id) {
            keeper.end(PATIENCE).await;
        }
    }
}

impl Context {
    /// Connects to where a container's log goes, before the container starts.
    pub(crate) async fn connect_log(&self, plan: &mut Plan) -> Result<Option<Sender>, Error> {
        let Some((target, origin)) = plan.remote.take() else {
            return Ok(None);
        };
        let mut sender = Sender::new(target, origin);
        match sender.connect().await {
            Err(error) if !sender.may_wait() => Err(Error::Logging {
                reason: error.in_words(),
            }),
            _ => Ok(Some(sender)),
        }
    }

    /// Begins to look after the log of a container that runs now.
    pub(crate) async fn keep_log(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        config: &logs::Config,
        sender: Option<Sender>,
    ) {
        let logs::Config::JsonFile(file) = config else {
            return;
        };
        if sender.is_none() && !file.compress {
            return;
        }
        // What the run before left is sent first.
        let before = self.log_keepers.take(handle.id());
        let stop = self.stopping.child_token();
        let mut tasks = Vec::new();
        if let Some(sender) = sender {
            let (context, handle) = (Arc::clone(self), Arc::clone(handle));
            let stop = stop.clone();
            tasks.push(self.tracker.spawn(async move {
                if let Some(before) = before {
                    before.end(PATIENCE).await;
                }
                let sent = tokio::select! {
                    sent = send(&context, &handle, sender, &stop) => sent,
                    () = stop.cancelled() => Ok(()),
                };
                if let Err(error) = sent {
                    tracing::warn!(container.id = %handle.id(), %error, "a log is not sent on");
                }
            }));
        }
        if file.compress {
            let (file, container) = (file.clone(), handle.watch());
            let stop = stop.clone();
            tasks.push(self.tracker.spawn(async move {
                let id = container.borrow().id().clone();
                if let Err(error) = compress(file, container, &stop).await {
                    tracing::warn!(container.id = %id, %error, "old files of a log are not compressed");
                }
            }));
        }
        self.log_keepers.put(handle.id(), Keeper { stop, tasks });
    }

    /// Takes up what an earlier daemon left: the log of what runs, and what was not sent yet.
    pub(crate) async fn resume_logs(self: &Arc<Self>) {
        for handle in self.index.handles() {
            let container = handle.snapshot();
            if container.state.started.is_none() {
                continue;
            }
            let dir = self.config.paths.container(container.id());
            let Ok(mut plan) = super::plan(&container.record, &dir) else {
                continue;
            };
            if plan.remote.is_none() && !is_live(&container) {
                continue;
            }
            let remote = plan.remote.take();
            let sender = remote.map(|(target, origin)| Sender::new(target, origin));
            self.keep_log(&handle, &plan.config, sender).await;
        }
    }
}

fn is_live(container: &Container) -> bool {
    !container.removed && container.state.status.is_live()
}

/// Sends what the log has and gets, until the container has ended.
async fn send(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    mut sender: Sender,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let dir = context.config.paths.container(handle.id());
    let mut cursor = Cursor::read(&dir);
    let query = LogQuery {
        stdout: true,
        stderr: true,
        since: (cursor.sent > 0).then_some(cursor.at),
        follow: true,
        ..LogQuery::default()
    };
    let mut log = Log::open(context, handle, query)?;
    let (mut known, mut unwritten) = (cursor.sent, 0);
    while let Some(record) = log.next().await? {
        if record.at == cursor.at && known > 0 {
            known -= 1;
            continue;
        }
        let mut wait = RETRY.0;
        while let Err(error) = sender.send(&record).await {
            if wait == RETRY.0 {
                tracing::warn!(container.id = %handle.id(), %error, "a log cannot be sent now");
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return write(cursor, dir).await,
            }
            wait = (wait * 2).min(RETRY.1);
        }
        known = 0;
        cursor.advance(record.at);
        unwritten += 1;
        if unwritten >= STRIDE || log.is_read() {
            write(cursor, dir.clone()).await?;
            unwritten = 0;
        }
    }
    Ok(())
}

async fn write(cursor: Cursor, dir: PathBuf) -> Result<(), Error> {
    crate::context::blocking(move || cursor.write(&dir)).await?
}

/// Compresses files as they are moved up, until the container has ended.
async fn compress(
    file: JsonFile,
    mut container: tokio::sync::watch::Receiver<Arc<Container>>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let failed = |source| Error::LogFiles { source };
    let watch = Watch::of_rotations(&file).map_err(failed)?;
    let changes = crate::containers::readiness(watch).map_err(Error::io("watch", &file.path))?;
    loop {
        let ended = !is_live(&container.borrow());
        changes.get_ref().clear().map_err(failed)?;
        let older = file.clone();
        let compressed = crate::context::blocking(move || logs::compress_older(&older)).await?;
        compressed.map_err(failed)?;
        if ended {
            return Ok(());
        }
        tokio::select! {
            ready = changes.readable() => {
                ready.map_err(Error::io("watch", &file.path))?.clear_ready();
            }
            gone = container.wait_for(|container| !is_live(container)) => {
                if gone.is_err() {
                    return Ok(());
                }
            }
            () = stop.cancelled() => return Ok(()),
        }
    }
}
