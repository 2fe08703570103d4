//! Taking over from earlier daemons.

use crate::context::Context;
use crate::execs::Registry;
use crate::index::Index;
use crate::limits::Limits;
use crate::networks::guard;
use crate::owner::{Command, Handle};
use crate::volumes::Shelf;
use crate::{
    Config, Container, ContainerRecord, ContainerState, Error, Events, RestartPolicy, Status,
};
use images::Images;
use metadata::Database;
use snapshot::{Leftover, Snapshots};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};
use task::{Adopted, AdoptedState, EventKind, ExitStatus, Tasks};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{ContainerId, Timestamp};
use unpack::Unpack;

/// Reads the records, adopts what runs, and ends what was interrupted.
pub(crate) async fn open(
    config: Config,
    database: Arc<Database>,
    images: Arc<Images>,
) -> Result<Arc<Context>, Error> {
    let failed = |source| Error::Supervisors { source };
    let networks = crate::networks::Registry::open(&database, &config)?;
    let snapshots = Snapshots::open(&config.paths, images.snapshotter());
    let snapshots = Arc::new(snapshots.map_err(|source| Error::Containers { source })?);
    let limits = Limits::probe();
    let ahead = crate::ahead::of(&config, &limits, &snapshots, &images);
    let (tasks, events) = Tasks::open(&config.paths, &config.shim, ahead).map_err(failed)?;
    let volumes = volume::Volumes::open(&config.paths);
    let tracker = TaskTracker::new();
    let context = Arc::new(Context {
        events: Events::new(Arc::clone(&database), tracker.clone()),
        snapshots,
        volumes: Arc::new(volumes.map_err(|source| Error::Volumes { source })?),
        shelf: Shelf::default(),
        worker: Unpack::new(&config.unpack),
        limits,
        defaults: RwLock::new(Arc::new(config.defaults.clone())),
        config,
        database,
        images,
        tasks,
        networks,
        index: Index::default(),
        execs: Registry::default(),
        log_keepers: crate::log::Keepers::default(),
        probes: Default::default(),
        tracker,
        stopping: CancellationToken::new(),
    });
    watch_images(&context);
    // Supervisors answer while the records are read.
    let tasks = context.tasks.clone();
    let adopting = tokio::spawn(async move { tasks.adopt().await });
    load(&context)?;
    let adopted = adopting.await.map_err(|_| Error::Stopping)?;
    let adopted = adopted.map_err(failed)?;
    sweep_groups(&context, &adopted).await?;
    context.settle_volumes().await?;
    take_over_networks(&context, &adopted).await?;
    settle(&context, adopted).await?;
    context.sweep_strays().await?;
    context.sweep_volumes().await?;
    context.resume_logs().await;
    let tracker = &context.tracker;
    tracker.spawn(guard::firewall(Arc::clone(&context)));
    tracker.spawn(guard::proxy(Arc::clone(&context)));
    tracker.spawn(dispatch(Arc::clone(&context), events));
    Ok(context)
}

/// Tells what happens to images. The sandbox made ahead does not keep the layers of one that goes.
fn watch_images(context: &Context) {
    let (events, snapshots) = (context.events.clone(), Arc::clone(&context.snapshots));
    let (tasks, tracker) = (context.tasks.clone(), context.tracker.clone());
    context.images.watch(move |happening| {
        if happening.action == "delete" && snapshots.forget_likely() {
            let tasks = tasks.clone();
            tracker.spawn(async move { tasks.renew().await });
        }
        events.record_later(happening.into());
    });
}

/// Removes control groups of ours that no supervisor holds: left by one that was ended while it
/// made or removed them.
async fn sweep_groups(context: &Arc<Context>, adopted: &[Adopted]) -> Result<(), Error> {
    if !context.config.has_own_group() {
        // What is in there need not be ours.
        return Ok(());
    }
    let parent = context.config.cgroup_parent();
    let held: HashSet<String> = adopted.iter().map(|one| one.id.to_string()).collect();
    let sweep = move || cgroup::Cgroup::sweep(&parent, &|name| held.contains(name));
    match crate::context::blocking(sweep).await? {
        Ok(swept) if swept.is_empty() => {}
        Ok(swept) => tracing::warn!(groups = ?swept, "control groups that nobody held are removed"),
        Err(error) => tracing::warn!(%error, "cannot remove control groups that nobody holds"),
    }
    Ok(())
}

/// Takes over the networks of what runs, before an exit that is learnt gives something back.
async fn take_over_networks(context: &Arc<Context>, adopted: &[Adopted]) -> Result<(), Error> {
    let running = adopted.iter().filter_map(|adopted| {
        let AdoptedState::Running { pid, .. } = adopted.state else {
            return None;
        };
        let handle = context.index.find(&adopted.id)?;
        let network = handle.snapshot().state.network.clone();
        Some((adopted.id.clone(), pid, network))
    });
    let running: Vec<_> = running
        .filter(|(_, _, state)| !state.endpoints.is_empty() || !state.unsettled.is_empty())
        .collect();
    let context = Arc::clone(context);
    crate::context::blocking(move || context.networks.adopt(running)).await?
}

fn load(context: &Context) -> Result<(), Error> {
    let read = |read: &metadata::Read| {
        let records = read.list::<ContainerRecord>()?;
        Ok::<_, metadata::Error>((records, read.list::<ContainerState>()?))
    };
    let (records, states) = context
        .database
        .read(read)
        .map_err(Error::store("read the containers"))?;
    let mut states: HashMap<String, ContainerState> = states.into_iter().collect();
    for (key, record) in records {
        let state = states.remove(&key).unwrap_or_default();
        context.index.take_name(&record.name, &record.id)?;
        let container = Container::new(record, state);
        context.index.insert(Arc::new(Handle::new(container)));
    }
    Ok(())
}

/// Brings each record to what its supervisor says, and makes the restarts that are due.
async fn settle(context: &Arc<Context>, adopted: Vec<Adopted>) -> Result<(), Error> {
    let mut live: HashMap<ContainerId, AdoptedState> = HashMap::new();
    for adopted in adopted {
        match context.index.find(&adopted.id) {
            Some(_) => drop(live.insert(adopted.id, adopted.state)),
            None => end_stray(context, &adopted.id).await,
        }
    }
    let mut running = Vec::new();
    for handle in context.index.handles() {
        let found = live.remove(handle.id());
        running.extend(settle_one(context, &handle, found).await?);
    }
    for settled in running {
        settled.await.unwrap_or(Err(Error::Stopping))?;
    }
    Ok(())
}

/// Gives who is still to say that it is settled: who owns what runs.
async fn settle_one(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    found: Option<AdoptedState>,
) -> Result<Option<oneshot::Receiver<Result<(), Error>>>, Error> {
    let recorded = handle.snapshot().state.status;
    match found {
        Some(AdoptedState::Running {
            pid,
            started,
            paused,
        }) => {
            let (reply, settled) = oneshot::channel();
            let command = Command::Adopt {
                pid,
                started,
                paused,
                reply,
            };
            handle.send(context, command)?;
            if recorded == Status::Removing {
                resume_removal(context, handle)?;
            }
            return Ok(Some(settled));
        }
        Some(AdoptedState::Exited { status, started }) => {
            settle_exited(context, handle, status, started).await
        }
        Some(AdoptedState::Created { .. }) => {
            end_stray(context, handle.id()).await;
            settle_absent(context, handle, recorded).await
        }
        None => settle_absent(context, handle, recorded).await,
    }?;
    Ok(None)
}

/// Goes on with a removal that was interrupted: ends what runs, whose exit ends the removal.
fn resume_removal(context: &Arc<Context>, handle: &Arc<Handle>) -> Result<(), Error> {
    let removal = crate::Removal {
        force: true,
        volumes: handle.snapshot().state.removes_volumes,
    };
    let (reply, _) = oneshot::channel();
    handle.send(context, Command::Remove { removal, reply })
}

/// Its supervisor says that it has ended, of the run that is on record or of a later one.
async fn settle_exited(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    status: ExitStatus,
    started: Option<Timestamp>,
) -> Result<(), Error> {
    let before = handle.snapshot();
    let recorded = before.state.status;
    let later = started.filter(|at| before.state.started.is_none_or(|known| *at > known));
    match (recorded, later) {
        (Status::Created | Status::Exited | Status::Dead | Status::Restarting, Some(started)) => {
            let command = |reply| Command::Adopt {
                pid: 0,
                started,
                paused: false,
                reply,
            };
            handle.ask(context, command).await?;
            learn_exit(context, handle, status).await
        }
        (Status::Exited | Status::Dead | Status::Restarting, None) => {
            // Heard before; its supervisor waits to be let go.
            release(context, handle.id()).await;
            settle_absent(context, handle, recorded).await
        }
        (Status::Created | Status::Running | Status::Paused | Status::Removing, _) => {
            learn_exit(context, handle, status).await
        }
    }
}

async fn release(context: &Context, id: &ContainerId) {
    if let Err(error) = context.tasks.delete(id).await {
        tracing::warn!(container.id = %id, %error, "cannot clean up after a container");
    }
}

/// Nobody supervises the container.
async fn settle_absent(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    recorded: Status,
) -> Result<(), Error> {
    match recorded {
        Status::Running | Status::Paused | Status::Removing => {
            // What its supervisor recorded outlives a reboot, as the record here does.
            let recorded = context.tasks.recorded(handle.id());
            let status = recorded.map_or_else(unknown, |(status, _)| status);
            learn_exit(context, handle, status).await
        }
        Status::Restarting => restart(context, handle),
        Status::Exited => {
            let container = handle.snapshot();
            let again = match container.record.spec.restart {
                RestartPolicy::Always => container.state.started.is_some(),
                RestartPolicy::UnlessStopped => {
                    container.state.started.is_some() && !container.state.stopped_by_caller
                }
                RestartPolicy::OnFailure(_) | RestartPolicy::No => false,
            };
            if container.record.spec.auto_remove {
                let removal = crate::Removal {
                    force: true,
                    volumes: true,
                };
                return handle
                    .ask(context, |reply| Command::Remove { removal, reply })
                    .await;
            }
            match again {
                true => restart(context, handle),
                false => Ok(()),
            }
        }
        Status::Created | Status::Dead => Ok(()),
    }
}

/// Starts by policy, while the daemon goes on.
fn restart(context: &Arc<Context>, handle: &Arc<Handle>) -> Result<(), Error> {
    let (reply, _) = oneshot::channel();
    handle.send(context, Command::Start { reply })
}

fn unknown() -> ExitStatus {
    ExitStatus {
        code: None,
        at: Timestamp::now(),
        oom_killed: false,
    }
}

async fn learn_exit(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    status: ExitStatus,
) -> Result<(), Error> {
    let event = task::Event {
        sandbox: handle.id().clone(),
        sequence: 0,
        container: handle.id().clone(),
        at: status.at,
        kind: EventKind::Exited(status),
    };
    let command = |reply| Command::Settle { event, reply };
    handle.ask(context, command).await
}

/// Ends and cleans away a container that no record owns: its start was not recorded.
async fn end_stray(context: &Context, id: &ContainerId) {
    tracing::warn!(container.id = %id, "a container without a record is ended");
    if let Err(error) = context.tasks.kill(id, None, types::Signal::KILL).await {
        tracing::debug!(container.id = %id, %error, "cannot end a container without a record");
    }
    if let Err(error) = context.tasks.delete(id).await {
        tracing::warn!(container.id = %id, %error, "cannot clean up after a container without a record");
    }
}

/// Brings what happens to the owners.
async fn dispatch(context: Arc<Context>, mut events: mpsc::Receiver<task::Event>) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = context.stopping.cancelled() => None,
        };
        let Some(event) = event else { return };
        if let EventKind::ExecExited { exec, status } = &event.kind {
            context.exec_ended(&event.container, exec, status).await;
            context.tasks.acknowledge(&event);
            continue;
        }
        match context.index.find(&event.container) {
            Some(handle) => {
                // An owner that is gone needs to know nothing.
                drop(handle.send(&context, Command::Event(event)));
            }
            None => {
                context.tasks.acknowledge(&event);
                if let EventKind::Exited(_) = &event.kind {
                    release(&context, &event.container).await;
                }
            }
        }
    }
}

impl Context {
    /// Removes directories of containers that no record owns: their making or removal was
    /// interrupted.
    async fn sweep_strays(self: &Arc<Self>) -> Result<(), Error> {
        let context = Arc::clone(self);
        let swept = crate::context::blocking(move || {
            for leftover in context.snapshots.list()? {
                if let Leftover::Container(id) = leftover
                    && context.index.find(&id).is_none()
                {
                    context.snapshots.remove(&id)?;
                }
            }
            context.snapshots.sweep()
        });
        swept.await?.map_err(|source| Error::Containers { source })
    }
}
