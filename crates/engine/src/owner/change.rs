//! Changes to a container that neither start nor end it.

use super::Owner;
use crate::events::Durable;
use crate::{Container, Error, Problem, ResourceSpec, Status, Update};
use metadata::Batch;
use std::sync::Arc;
use task::Attach;
use types::Signal;

impl Owner {
    pub(super) async fn attach(&mut self, attach: Attach) -> Result<(), Error> {
        let status = self.now().state.status;
        match status {
            Status::Running => {
                let attached = self.context.tasks.attach(self.id(), None, attach).await;
                attached.map_err(Error::task("attach to", self.id()))?;
            }
            Status::Created | Status::Exited => self.pending.push(attach),
            Status::Paused => return self.refuse("attach to", Problem::Paused),
            Status::Restarting => return self.refuse("attach to", Problem::Restarting),
            Status::Removing | Status::Dead => return self.refuse("attach to", Problem::Removing),
        }
        let event = self.now().record.event("attach", []);
        self.context.events.record_later(event);
        Ok(())
    }

    pub(super) async fn kill(&mut self, signal: Signal) -> Result<(), Error> {
        let action = "kill";
        if let Some(problem) = Self::not_running(self.now().state.status) {
            return self.refuse(action, problem);
        }
        let stop_signal = self.now().record.spec.stop_signal.unwrap_or(Signal::TERM);
        if signal == Signal::KILL || signal == stop_signal {
            self.remember_stop().await?;
        }
        self.signal(action, signal).await
    }

    /// Stops by a signal; a container that waits for its restart has stopped by that.
    pub(super) async fn stop(&mut self, signal: Signal) -> Result<(), Error> {
        let action = "stop";
        let container = self.now();
        if container.state.status == Status::Restarting {
            self.due = None;
            let mut container = (*container).clone();
            container.state.status = Status::Exited;
            container.state.stopped_by_caller = true;
            let event = container.record.event("stop", []);
            return self
                .commit_state("record a stop", container, vec![event])
                .await;
        }
        if let Some(problem) = Self::not_running(container.state.status) {
            return self.refuse(action, problem);
        }
        self.remember_stop().await?;
        if container.state.status == Status::Paused {
            // A frozen program hears no signal.
            self.unpause().await?;
        }
        self.stopping = true;
        self.signal(action, signal).await
    }

    async fn signal(&self, action: &'static str, signal: Signal) -> Result<(), Error> {
        let sent = self.context.tasks.kill(self.id(), None, signal).await;
        sent.map_err(Error::task(action, self.id()))?;
        let number = signal.number().to_string();
        let event = self
            .now()
            .record
            .event("kill", [("signal", number.as_str())]);
        self.context.events.record_later(event);
        Ok(())
    }

    /// Keeps the restart policy, of this daemon and the next, from starting it again.
    async fn remember_stop(&self) -> Result<(), Error> {
        let mut container = (*self.now()).clone();
        if container.state.stopped_by_caller {
            return Ok(());
        }
        container.state.stopped_by_caller = true;
        if container.record.spec.restart == crate::RestartPolicy::No {
            self.handle.publish(container);
            return Ok(());
        }
        self.commit_state("record a stop", container, Vec::new())
            .await
    }

    pub(super) async fn pause(&mut self) -> Result<(), Error> {
        match self.now().state.status {
            Status::Running => {}
            Status::Paused => return self.refuse("pause", Problem::Paused),
            status => {
                let problem = Self::not_running(status).unwrap_or(Problem::NotRunning);
                return self.refuse("pause", problem);
            }
        }
        let paused = self.context.tasks.pause(self.id()).await;
        paused.map_err(Error::task("pause", self.id()))?;
        self.set_status(Status::Paused, "pause").await;
        Ok(())
    }

    /// Pauses it as one whose pause no daemon may forget.
    pub(super) async fn hold(&mut self) -> Result<(), Error> {
        let before = self.now();
        if before.state.status == Status::Running {
            let mut container = (*before).clone();
            container.state.held = true;
            let action = "record that it is held";
            self.keep_state(action, container, Vec::new(), Durable::Soon)?;
        }
        let paused = self.pause().await;
        if paused.is_err() && self.now().state.held {
            let mut container = (*self.now()).clone();
            container.state.held = false;
            self.handle.publish(container);
        }
        paused
    }

    pub(super) async fn unpause(&mut self) -> Result<(), Error> {
        match self.now().state.status {
            Status::Paused => {}
            Status::Running => return self.refuse("unpause", Problem::NotPaused),
            status => {
                let problem = Self::not_running(status).unwrap_or(Problem::NotRunning);
                return self.refuse("unpause", problem);
            }
        }
        let resumed = self.context.tasks.resume(self.id()).await;
        resumed.map_err(Error::task("unpause", self.id()))?;
        self.set_status(Status::Running, "unpause").await;
        Ok(())
    }

    /// It is so already, as its supervisor tells the next daemon: a disk that does not take it
    /// stops nobody.
    async fn set_status(&self, status: Status, action: &'static str) {
        let mut container = (*self.now()).clone();
        container.state.status = status;
        container.state.held &= status == Status::Paused;
        if status == Status::Paused
            && let Some(health) = &mut container.state.health
        {
            health.end();
        }
        let event = container.record.event(action, []);
        let recorded = self
            .commit_state("record a transition", container, vec![event])
            .await;
        if let Err(error) = recorded {
            tracing::warn!(container.id = %self.id(), %error, "a transition is not on record");
        }
    }

    pub(super) async fn rename(&mut self, name: String) -> Result<(), Error> {
        let container = self.now();
        let old = container.record.name.clone();
        if old == name {
            return Err(Error::invalid(
                "name",
                "Renaming a container with the same name as its current name",
            ));
        }
        self.context.index.take_name(&name, self.id())?;
        let mut record = (*container.record).clone();
        record.name.clone_from(&name);
        let slashed = format!("/{old}");
        let renamed = self
            .store_record(record, "rename", [("oldName", slashed.as_str())])
            .await;
        let freed = match renamed {
            Ok(()) => &old,
            Err(_) => &name,
        };
        self.context.index.free_name(freed, self.id());
        renamed?;
        self.rename_in_networks().await
    }

    pub(super) async fn update(&mut self, update: Update) -> Result<Vec<String>, Error> {
        let container = self.now();
        let mut record = (*container.record).clone();
        // Without a word about swap, its limit stays as it is.
        let own = container.record.spec.resources.memory_swap;
        let swap = update.resources.memory_swap.or(own);
        if let (Some(memory), Some(swap)) = (update.resources.memory, swap)
            && swap > 0
            && memory > swap.cast_unsigned()
            && update.resources.memory_swap.is_none()
        {
            let id = self.id().clone();
            return Err(Error::SwapLimit { id });
        }
        let warnings = crate::admission::update(&mut record.spec, &update, &self.context.limits)?;
        if matches!(container.state.status, Status::Running | Status::Paused) {
            let limits = ResourceSpec {
                memory_swap: update
                    .resources
                    .memory
                    .and(swap)
                    .or(update.resources.memory_swap),
                ..update.resources.clone()
            };
            let resources = ResourceSpec {
                blkio_weight: update.resources.blkio_weight,
                ..update.block_devices.over(&container.record.spec.resources)
            };
            let block = crate::spec::update_resources(&resources)?.block_io;
            let resources = oci::runtime::Resources {
                block_io: block,
                ..crate::spec::update_resources(&limits)?
            };
            if resources != oci::runtime::Resources::default() {
                let updated = self.context.tasks.update(self.id(), &resources).await;
                updated.map_err(Error::task("update", self.id()))?;
            }
        }
        self.store_record(record, "update", []).await?;
        Ok(warnings)
    }

    async fn store_record<const N: usize>(
        &self,
        record: crate::ContainerRecord,
        action: &'static str,
        attributes: [(&str, &str); N],
    ) -> Result<(), Error> {
        let container = self.now();
        let event = record.event(action, attributes);
        let mut batch = Batch::new();
        let put = batch.put(self.id().as_str(), &record);
        put.map_err(Error::store("record a container"))?;
        self.context
            .commit("record a container", batch, vec![event])
            .await?;
        self.handle.publish(Container {
            record: Arc::new(record),
            ..(*container).clone()
        });
        Ok(())
    }
}
