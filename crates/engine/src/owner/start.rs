//! Starting a container.

use super::network::{Left, Serving};
use super::{Owner, Remains, Reply, answer};
use crate::container_spec::Probe;
use crate::events::Durable;
use crate::spec::Bundle;
use crate::{Container, ContainerRecord, Error, Event, Problem, Status};
use metadata::Mark;
use rustix::pipe::{PipeFlags, pipe_with};
use std::sync::Arc;
use task::{Create, StdinPolicy, Task};
use types::{Rootfs, Timestamp};

/// A log that is looked after once its container runs, and the way to where it is sent.
type KeptLog = (logs::Config, Option<forward::Sender>);

impl Owner {
    pub(super) async fn start_for_caller(&mut self) -> Result<(), Error> {
        let action = "start";
        match self.now().state.status {
            Status::Running => self.refuse(action, Problem::AlreadyStarted),
            Status::Paused => self.refuse(action, Problem::Paused),
            Status::Removing => self.refuse(action, Problem::Removing),
            Status::Dead => self.refuse(action, Problem::Dead),
            Status::Created | Status::Exited | Status::Restarting => {
                crate::mount_points::check_sources(&self.now().record)?;
                self.backoff.reset();
                self.due = None;
                self.start(0).await
            }
        }
    }

    /// COMPAT: a container that is to be removed when it ends is also removed when it cannot be
    /// started; `docker run --rm` waits for that.
    pub(super) async fn start_or_remove(&mut self, reply: Reply<()>) -> Remains {
        self.starting = Some(reply);
        let started = self.start_for_caller().await;
        let reply = self.starting.take();
        let failed = started.is_err();
        match (reply, started) {
            (Some(reply), started) => answer(reply, started),
            // Its caller was told before it was recorded.
            (None, Err(error)) => {
                tracing::error!(container.id = %self.id(), %error, "cannot record a start");
            }
            (None, Ok(())) => {}
        }
        match failed {
            true => self.remove_unstarted().await,
            false => Remains::Here,
        }
    }

    /// COMPAT: as [`Self::start_or_remove`]; the end before it removed nothing.
    pub(super) async fn restart_or_remove(&mut self, reply: Reply<()>) -> Remains {
        self.restarts = false;
        let started = self.restart_for_caller().await;
        let failed = started.is_err();
        answer(reply, started);
        match failed {
            true => self.remove_unstarted().await,
            false => Remains::Here,
        }
    }

    /// Removes a container that could not be started, if it goes with its end.
    async fn remove_unstarted(&mut self) -> Remains {
        let container = self.now();
        let gone = container.record.spec.auto_remove
            && !container.state.status.is_live()
            && container.state.status != Status::Removing;
        if !gone {
            return Remains::Here;
        }
        let mut container = (*container).clone();
        container.state.status = Status::Removing;
        match self.vanish(container, Vec::new(), Left::default()).await {
            Ok(remains) => remains,
            Err(error) => {
                tracing::error!(container.id = %self.id(), %error, "cannot remove container");
                Remains::Here
            }
        }
    }

    async fn restart_for_caller(&mut self) -> Result<(), Error> {
        match self.now().state.status {
            Status::Running | Status::Paused => Ok(()),
            _ => self.start_for_caller().await,
        }?;
        let event = self.now().record.event("restart", []);
        self.context.events.record(event);
        Ok(())
    }

    /// Starts on behalf of the restart policy; a failure counts as a run that failed.
    pub(super) async fn restart_by_policy(&mut self) {
        let container = self.now();
        if container.state.status != Status::Restarting {
            return;
        }
        let count = container.state.restart_count.saturating_add(1);
        if let Err(error) = self.start(count).await {
            tracing::warn!(container.id = %self.id(), %error, "cannot restart container");
            self.settle_failed_restart(count).await;
        }
    }

    async fn settle_failed_restart(&mut self, count: u32) {
        let mut container = (*self.now()).clone();
        container.state.restart_count = count;
        let again = super::backoff::restarts(container.record.spec.restart, 127, count);
        container.state.status = match again {
            true => Status::Restarting,
            false => Status::Exited,
        };
        if again {
            let wait = self.backoff.next(std::time::Duration::ZERO);
            self.due = Some(tokio::time::Instant::now() + wait);
        }
        let committed = self
            .commit_state("record a failed restart", container, Vec::new())
            .await;
        if let Err(error) = committed {
            tracing::error!(container.id = %self.id(), %error, "cannot record a failed restart");
        }
    }

    async fn start(&mut self, restart_count: u32) -> Result<(), Error> {
        self.released().await;
        let record = Arc::clone(&self.now().record);
        let run = match self.context.mount_volumes(&record).await {
            Ok(()) => self.run_task().await,
            Err(error) => Err(error),
        };
        match run {
            Ok((task, (log, sender))) => {
                self.started(&task, restart_count).await?;
                self.tell_linking().await;
                self.context.keep_log(&self.handle, &log, sender).await;
                Ok(())
            }
            Err(error) => {
                self.context.unmount_volumes(&record).await;
                self.start_failed(&error).await;
                Err(error)
            }
        }
    }

    async fn run_task(&mut self) -> Result<(Task, KeptLog), Error> {
        // Its files are not mounted twice: whoever reads or writes them ends first.
        let _files = self.handle.claim_files().await?;
        let record = Arc::clone(&self.now().record);
        check_met(&record)?;
        let context = Arc::clone(&self.context);
        let prepared = Arc::clone(&record);
        let links = crate::links::all(&record, &self.context.index)?;
        let (processes, ipc) = (self.join_processes(&record)?, self.join_ipc(&record).await?);
        let mut plan = crate::log::plan(&record, &self.context.config.paths.container(&record.id))?;
        let sender = self.context.connect_log(&mut plan).await?;
        let log = plan.config.clone();
        let (users, own) = self.make_users(&record).await?.unzip();
        let made = context.events.mark();
        let (mut network, serving) = self.join_networks(&record, own.flatten()).await?;
        (network.processes, network.ipc, network.links) = (processes, ipc, links);
        network.users = users;
        let prepare = move || {
            let bundle = Bundle::prepare(&prepared, &context, &network, log);
            bundle.map(|bundle| (bundle, network))
        };
        let bundle = crate::context::brief(prepare).await;
        // The namespace is held until the container's process is in it.
        let (bundle, _network) = bundle??;
        let create = create(&record, bundle, std::mem::take(&mut self.pending));
        let task = self.run_when_served(create, (serving, made)).await?;
        Ok((task, (plan.config, sender)))
    }

    /// Has a container set up while its links are made and its record, kept before `made`,
    /// becomes durable; its program runs after that.
    async fn run_when_served(
        &self,
        mut create: Create,
        (serving, made): (Serving, Mark),
    ) -> Result<Task, Error> {
        let pipe = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from);
        let (promise, kept) = pipe.map_err(Error::io("make", "a pipe".as_ref()))?;
        let in_turn = looks_at_links(&create.spec);
        create.promise = Some(promise);
        let ready = async move {
            let kept = kept;
            // Its ports are open before its program runs.
            serving.serve(&self.context).await?;
            // What runs is on record, whatever becomes of us.
            self.context.sync("make a container durable", made).await?;
            // Where nobody waits for it, the run has failed and says why.
            let _ = rustix::io::write(&kept, &[1]);
            Ok::<_, Error>(())
        };
        let run = Box::pin(self.context.tasks.run(create));
        let (run, ready) = match in_turn {
            true => {
                ready.await?;
                (run.await, Ok(()))
            }
            // It is asked first: a sync may keep this thread.
            false => tokio::join!(run, ready),
        };
        // If the one failed, so did the other, and knows less.
        ready?;
        run.map_err(Error::task("start", self.id()))
    }

    async fn started(&mut self, task: &Task, restart_count: u32) -> Result<(), Error> {
        let mut container = (*self.now()).clone();
        let state = &mut container.state;
        state.status = Status::Running;
        state.pid = Some(task.pid);
        state.started = Some(task.started.unwrap_or_else(Timestamp::now));
        state.error = String::new();
        state.oom_killed = false;
        state.exit_code = 0;
        state.restart_count = restart_count;
        state.stopped_by_caller = false;
        begin_health(&mut container);
        Self::enter_fixed_network(&mut container)?;
        self.tell_networks(task.pid);
        let events = self.start_events(&container);
        // Its supervisor tells the next daemon, if this one dies before that is on record: the
        // caller need not wait for it.
        let action = "record a start";
        let batch = self.show(action, container)?;
        if let Some(reply) = self.starting.take() {
            answer(reply, Ok(()));
        }
        self.context.keep(action, batch, events, Durable::Soon)
    }

    /// What is told of a container that has started: its volumes, its networks, itself.
    pub(super) fn start_events(&self, container: &Container) -> Vec<Event> {
        let mounts = self.context.mount_events(&container.record, "mount");
        let networks = self.events("connect", container);
        let start = container.record.event("start", []);
        mounts.into_iter().chain(networks).chain([start]).collect()
    }

    /// A program that cannot be executed leaves a container that has exited so.
    async fn start_failed(&mut self, error: &Error) {
        let mut container: Container = (*self.now()).clone();
        let (disconnects, left) = self.leave_networks(&mut container);
        left.settle().await;
        let record = &container.record;
        // COMPAT: a start that fails has mounted, and has been in no network that it leaves.
        let mounts = match record.mounts.iter().any(|point| !point.subpath.is_empty()) {
            true => Vec::new(),
            false => self.context.mount_events(record, "mount"),
        };
        let unmounts = self.context.mount_events(record, "unmount");
        let events = mounts.into_iter().chain(disconnects).chain(unmounts);
        let events = events.collect();
        let state = &mut container.state;
        state.pid = None;
        state.exit_code = match error {
            Error::Command { exit_code, .. } => *exit_code,
            _ => 128,
        };
        state.error = chain(error);
        if state.status != Status::Created {
            state.status = Status::Exited;
        }
        let committed = self
            .commit_state("record a failed start", container, events)
            .await;
        if let Err(error) = committed {
            tracing::error!(container.id = %self.id(), %error, "cannot record a failed start");
        }
    }
}

/// Refuses what can be asked for, and not be had.
fn check_met(record: &ContainerRecord) -> Result<(), Error> {
    let spec = &record.spec;
    if let Some(reason) = &spec.unmet {
        return Err(Error::unmet("HostConfig", reason.clone()));
    }
    let is_none = |server: &&String| server.parse::<std::net::IpAddr>().is_err();
    if let Some(server) = spec.dns.iter().find(is_none) {
        let words =
            format!("bad nameserver address {server}: ParseAddr({server:?}): unable to parse IP");
        return Err(Error::unmet("HostConfig.Dns", words));
    }
    // COMPAT: who asks for a program without a name hears that it was looked for.
    match record.program().first() {
        Some(&"") => Err(Error::Command {
            id: record.id.clone(),
            exit_code: 127,
            message: r#"exec: "": executable file not found in $PATH"#.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Its health is unknown from now on, if it is to be asked for.
pub(super) fn begin_health(container: &mut Container) {
    if Probe::of(&container.record.spec).is_some() {
        container.state.health.get_or_insert_default().begin();
    }
}

/// Whether its set-up has to do with links: hooks, and parameters that are theirs.
fn looks_at_links(spec: &oci::runtime::Spec) -> bool {
    let linux = spec.linux.iter();
    let mut parameters = linux.flat_map(|linux| linux.sysctl.keys());
    let theirs = |name: &String| name.contains(".conf.") || name.contains(".neigh.");
    spec.hooks.is_some() || parameters.any(theirs)
}

fn create(record: &ContainerRecord, bundle: Bundle, attach: Vec<task::Attach>) -> Create {
    let linux = bundle.spec.linux.as_ref();
    let shifted = linux.is_some_and(|linux| !linux.uid_mappings.is_empty());
    let streams = record.spec.streams;
    let stdin = match (streams.open_stdin, streams.stdin_once) {
        (false, _) => StdinPolicy::Null,
        (true, false) => StdinPolicy::Open,
        (true, true) => StdinPolicy::Once,
    };
    Create {
        sandbox: record.id.clone(),
        id: record.id.clone(),
        spec: bundle.spec,
        rootfs: match &record.rootfs {
            Rootfs::Directory(copy) if shifted => Rootfs::Shifted(copy.clone()),
            rootfs => rootfs.clone(),
        },
        layers: bundle.layers,
        stdin,
        log: bundle.log,
        auto_remove: record.spec.auto_remove,
        attach,
        promise: None,
    }
}

/// An error with its causes, for inspect.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
