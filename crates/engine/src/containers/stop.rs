//! Stopping: a signal, some time, then KILL.

use super::Containers;
use crate::owner::{Command, Handle};
use crate::{Error, Problem};
use std::sync::Arc;
use std::time::Duration;
use types::{ContainerId, Signal};

/// Seconds between the two signals, if neither caller nor image says.
const TIMEOUT: i64 = 10;
/// How long a killed program may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(30);

/// How a container is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// The first signal; `None`: the container's, else TERM.
    pub signal: Option<Signal>,
    /// Seconds until KILL; negative: never; `None`: the container's, else 10.
    pub timeout: Option<i64>,
}

impl Containers {
    /// Stops a container: its program is asked to end, then ended. It is not restarted.
    ///
    /// # Errors
    /// [`Problem::AlreadyStopped`] if it does not run.
    pub async fn stop(&self, id: &ContainerId, stop: Stop) -> Result<(), Error> {
        let handle = self.context.index.container(id)?;
        if !handle.snapshot().state.status.is_live() {
            return Err(Error::state("stop", id, Problem::AlreadyStopped));
        }
        self.carry_through(handle, stop, false).await
    }

    /// Stops a container if it runs, and starts it.
    ///
    /// # Errors
    /// As of [`Self::stop`] and [`Self::start`].
    pub async fn restart(&self, id: &ContainerId, stop: Stop) -> Result<(), Error> {
        let handle = self.context.index.container(id)?;
        self.carry_through(handle, stop, true).await
    }

    /// Stops in a task of its own, so that a caller who goes away leaves nothing half done.
    async fn carry_through(
        &self,
        handle: Arc<Handle>,
        stop: Stop,
        start: bool,
    ) -> Result<(), Error> {
        let containers = self.clone();
        let task = self.context.tracker.spawn(async move {
            if handle.snapshot().state.status.is_live() {
                containers.end(&handle, stop, start).await?;
            }
            if start {
                let command = |reply| Command::Restart { reply };
                handle.ask(&containers.context, command).await?;
            }
            Ok(())
        });
        task.await.map_err(|_| Error::Stopping)?
    }

    async fn end(&self, handle: &Arc<Handle>, stop: Stop, restarts: bool) -> Result<(), Error> {
        let spec = &handle.snapshot().record.spec;
        let signal = stop.signal.or(spec.stop_signal).unwrap_or(Signal::TERM);
        let timeout = stop.timeout.or(spec.stop_timeout).unwrap_or(TIMEOUT);
        let by = |signal| {
            move |reply| Command::Stop {
                signal,
                restarts,
                reply,
            }
        };
        let asked = handle.ask(&self.context, by(signal)).await;
        if let Err(error) = asked {
            ended_meanwhile(error)?;
            return gone(handle).await;
        }
        let Ok(seconds) = u64::try_from(timeout) else {
            return handle.stopped().await;
        };
        if tokio::time::timeout(Duration::from_secs(seconds), handle.stopped())
            .await
            .is_ok()
        {
            return Ok(());
        }
        let killed = handle.ask(&self.context, by(Signal::KILL)).await;
        if let Err(error) = killed {
            ended_meanwhile(error)?;
        }
        gone(handle).await
    }
}

/// Waits until it is known that a program has ended which hears no more signals.
async fn gone(handle: &Handle) -> Result<(), Error> {
    match tokio::time::timeout(AFTER_KILL, handle.stopped()).await {
        Ok(stopped) => stopped,
        Err(_) => Err(Error::state("stop", handle.id(), Problem::Running)),
    }
}

/// A program that ended before the signal came has stopped, though that may not be known yet.
fn ended_meanwhile(error: Error) -> Result<(), Error> {
    match error {
        Error::State {
            problem: Problem::NotRunning | Problem::AlreadyStopped,
            ..
        } => Ok(()),
        error => Err(error),
    }
}
