//! Learning what happened to a running container.

use super::{Owner, Remains, backoff};
use crate::events::Durable;
use crate::{Container, ContainerState, Error, Event, Health, Status};
use std::sync::Arc;
use task::{EventKind, ExitStatus};

/// What `inspect` shows of an exit that nobody saw.
const UNKNOWN: u8 = 255;

impl Owner {
    pub(super) async fn learn(&mut self, event: task::Event) -> Remains {
        let outcome = match &event.kind {
            EventKind::Exited(status) => self.exited(status).await,
            kind => self.observe(kind).await.map(|()| Remains::Here),
        };
        match outcome {
            Ok(remains) => {
                self.context.tasks.acknowledge(&event);
                remains
            }
            Err(error) => {
                // Not acknowledged: the next daemon hears it again.
                tracing::error!(container.id = %self.id(), %error, "cannot record a transition");
                Remains::Here
            }
        }
    }

    /// Transitions that come from elsewhere than a caller of ours, or confirm one.
    async fn observe(&mut self, kind: &EventKind) -> Result<(), Error> {
        let mut container = (*self.now()).clone();
        let state = &mut container.state;
        let action = match kind {
            EventKind::Oom => {
                state.oom_killed = true;
                "oom"
            }
            EventKind::Paused if state.status == Status::Running => {
                state.status = Status::Paused;
                state.health.iter_mut().for_each(Health::end);
                "pause"
            }
            EventKind::Resumed if state.status == Status::Paused => {
                state.status = Status::Running;
                "unpause"
            }
            EventKind::Detached { exec: None } => "detach",
            _ => return Ok(()),
        };
        let event = container.record.event(action, []);
        self.commit_state("record a transition", container, vec![event])
            .await
    }

    /// Takes over a program that an earlier daemon started, whether or not it recorded that.
    pub(super) async fn adopt(
        &mut self,
        pid: u32,
        started: types::Timestamp,
        mut paused: bool,
    ) -> Result<(), Error> {
        let before = self.now();
        let mut container = (*before).clone();
        let state = &mut container.state;
        if std::mem::take(&mut state.held) && paused {
            // An image was to be made of it, by a daemon that was stopped meanwhile.
            match self.context.tasks.resume(self.id()).await {
                Ok(()) => paused = false,
                Err(error) => tracing::error!(
                    container.id = %self.id(), %error,
                    "a container stays paused of which an image was to be made"
                ),
            }
        }
        if state.status != Status::Removing {
            state.status = match paused {
                true => Status::Paused,
                false => Status::Running,
            };
        }
        (state.pid, state.started) = (Some(pid), Some(started));
        // What an earlier daemon was stopped in is settled.
        state.network.unsettled.clear();
        if !paused {
            // Nobody asked meanwhile: it is asked anew.
            state.health.iter_mut().for_each(Health::begin);
        }
        Self::enter_fixed_network(&mut container)?;
        if container.state == before.state {
            return Ok(());
        }
        let was_recorded = before.state.status.is_live();
        let events = match was_recorded {
            true => Vec::new(),
            false => self.start_events(&container),
        };
        self.commit_state("record an adoption", container, events)
            .await
    }

    async fn exited(&mut self, status: &ExitStatus) -> Result<Remains, Error> {
        let before = self.now();
        if is_stale(&before.state, status) {
            return Ok(Remains::Here);
        }
        let mut container = (*before).clone();
        let (disconnects, left) = self.leave_networks(&mut container);
        let exit_code = status.code.unwrap_or(UNKNOWN);
        let state = &mut container.state;
        state.pid = None;
        state.held = false;
        state.exit_code = exit_code;
        state.finished = Some(status.at);
        state.oom_killed |= status.oom_killed;
        state.health.iter_mut().for_each(Health::end);
        if status.code.is_none() {
            state.error =
                "the exit status was not seen: the container's supervisor had died".to_owned();
            // Nor will it tell of these: whoever waits for one waits no longer.
            for exec in self.context.execs.of(self.id()) {
                self.context.execs.ended(&exec, UNKNOWN);
            }
        }
        self.context.execs.forget_waiting(self.id());
        container.exits += 1;
        // COMPAT: dockerd tells of the stop before the end that it brought about.
        let stopped = std::mem::take(&mut self.stopping);
        let stop = stopped.then(|| container.record.event("stop", []));
        let die = die(&container, status);
        // COMPAT: and of what the container had before of its end.
        let unmounts = self.context.mount_events(&container.record, "unmount");
        let events = disconnects.into_iter().chain(unmounts).chain(stop);
        let events = events.chain([die]).collect();
        let removed = container.record.spec.auto_remove && !self.restarts;
        if self.removing.is_some() || removed {
            container.state.status = Status::Removing;
            return self.vanish(container, events, left).await;
        }
        left.settle().await;
        self.plan_restart(&mut container);
        // Its supervisor's record of the exit is durable.
        self.keep_state("record an exit", container, events, Durable::Soon)?;
        self.release();
        Ok(Remains::Here)
    }

    /// Decides whether the restart policy starts it again, and when.
    fn plan_restart(&mut self, container: &mut Container) {
        let state = &mut container.state;
        let policy = container.record.spec.restart;
        let again = !state.stopped_by_caller
            && backoff::restarts(policy, state.exit_code, state.restart_count);
        if !again {
            state.status = Status::Exited;
            return;
        }
        let ran = match (state.finished, state.started) {
            (Some(finished), Some(started)) => finished.since(started),
            _ => std::time::Duration::ZERO,
        };
        state.status = Status::Restarting;
        self.due = Some(tokio::time::Instant::now() + self.backoff.next(ran));
    }

    /// Lets the shim go, whose container has ended, while other commands are obeyed.
    fn release(&mut self) {
        let (context, record) = (Arc::clone(&self.context), Arc::clone(&self.now().record));
        let release = async move {
            if let Err(error) = context.tasks.delete(&record.id).await {
                tracing::warn!(container.id = %record.id, %error, "cannot clean up after a container");
            }
            context.unmount_volumes(&record).await;
        };
        self.releasing = Some(self.context.tracker.spawn(release));
    }

    /// Nothing of the last run is left when this returns.
    pub(super) async fn released(&mut self) {
        if let Some(releasing) = self.releasing.take() {
            // What it could not do it has said.
            drop(releasing.await);
        }
    }
}

/// Whether an exit was heard before: its acknowledgement was lost.
fn is_stale(state: &ContainerState, status: &ExitStatus) -> bool {
    let ended = matches!(
        state.status,
        Status::Exited | Status::Dead | Status::Restarting
    );
    let of_earlier_run = state.started.is_some_and(|started| status.at < started);
    ended || (state.pid.is_some() && of_earlier_run)
}

fn die(container: &Container, status: &ExitStatus) -> Event {
    let ran = container
        .state
        .started
        .map_or(0, |started| status.at.since(started).as_secs());
    let (code, ran) = (container.state.exit_code.to_string(), ran.to_string());
    let attributes = [("exitCode", code.as_str()), ("execDuration", ran.as_str())];
    container.record.event("die", attributes)
}
