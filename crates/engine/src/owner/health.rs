//! Asking for a container's health while it runs.

use super::{Command, Handle, Owner};
use crate::container_spec::Probe;
use crate::context::Context;
use crate::{Error, ExecStart, Execs, HealthResult, HealthStatus, Status};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use task::{Attach, Framing};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use types::{ContainerId, ExecId, Signal, Timestamp};

/// How much of a program's output is kept.
const OUTPUT: usize = 4_096;

/// Somebody asks, as long as this lives.
pub(super) struct Monitor(#[expect(dead_code, reason = "its drop ends the asking")] DropGuard);

impl Owner {
    /// Sees to it that somebody asks exactly while the program runs.
    pub(super) fn tend_health(&mut self) {
        let container = self.now();
        let runs = container.state.status == Status::Running && container.state.health.is_some();
        if !runs {
            self.monitor = None;
        } else if self.monitor.is_none()
            && let Some(probe) = Probe::of(&container.record.spec)
        {
            let stop = CancellationToken::new();
            let asking = ask_on(
                Arc::clone(&self.context),
                Arc::clone(&self.handle),
                probe,
                stop.clone(),
            );
            self.context.tracker.spawn(asking);
            self.monitor = Some(Monitor(stop.drop_guard()));
        }
    }

    /// Takes an answer. Only a change is made durable: a restarted daemon asks anew.
    pub(super) async fn probed(&mut self, result: HealthResult) -> Result<(), Error> {
        let [probes, failed] = &self.context.probes;
        probes.fetch_add(1, Ordering::Relaxed);
        failed.fetch_add(u64::from(result.exit_code != 0), Ordering::Relaxed);
        let mut container = (*self.now()).clone();
        let probe = Probe::of(&container.record.spec);
        let state = &mut container.state;
        let (Some(probe), Some(health), Status::Running) =
            (probe, state.health.as_mut(), state.status)
        else {
            return Ok(());
        };
        let before = health.status;
        let early = before == HealthStatus::Starting && starts(&probe, state.started, result.start);
        health.take(result, !early, probe.retries);
        let status = health.status;
        if status == before {
            self.handle.publish(container);
            return Ok(());
        }
        let action = format!("health_status: {}", status.name());
        let event = container.record.event(&action, []);
        self.commit_state("record a change of health", container, vec![event])
            .await
    }
}

/// Whether a container is within its start period.
fn starts(probe: &Probe, started: Option<Timestamp>, now: Timestamp) -> bool {
    started.is_some_and(|started| now.since(started) < probe.start_period)
}

async fn ask_on(context: Arc<Context>, handle: Arc<Handle>, probe: Probe, stop: CancellationToken) {
    let asking = async {
        loop {
            tokio::time::sleep(wait(&probe, &handle)).await;
            let result = ask(&context, handle.id(), &probe).await;
            let told = |reply| Command::Probed { result, reply };
            if let Err(error) = handle.ask(&context, told).await {
                tracing::warn!(container.id = %handle.id(), %error, "health not recorded");
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = stop.cancelled() => {}
        () = context.stopping.cancelled() => {}
    }
}

/// The time until the next question.
fn wait(probe: &Probe, handle: &Handle) -> Duration {
    let state = &handle.snapshot().state;
    let undecided = state
        .health
        .as_ref()
        .is_some_and(|health| health.status == HealthStatus::Starting);
    match undecided && starts(probe, state.started, Timestamp::now()) {
        true => probe.start_interval,
        false => probe.interval,
    }
}

/// A program that answers, and what it wrote until now.
#[derive(Default)]
struct Question {
    exec: Option<ExecId>,
    output: Vec<u8>,
    more: bool,
}

async fn ask(context: &Arc<Context>, container: &ContainerId, probe: &Probe) -> HealthResult {
    let start = Timestamp::now();
    let mut question = Question::default();
    let run = question.run(context, container, probe);
    let (exit_code, output) = match tokio::time::timeout(probe.timeout, run).await {
        Ok(Ok(code)) => (code.into(), question.text()),
        Ok(Err(error)) => (-1, told(&error)),
        Err(_) => {
            question.give_up(context, container).await;
            (-1, question.late(probe.timeout))
        }
    };
    HealthResult {
        start,
        end: Timestamp::now(),
        exit_code,
        output,
    }
}

/// COMPAT: what docker's runtime says of a program that it cannot execute.
fn told(error: &Error) -> String {
    match error {
        Error::Command { message, .. } => {
            let words = message.split(": No such file").next().unwrap_or(message);
            format!(
                "OCI runtime exec failed: exec failed: unable to start container process: {words}"
            )
        }
        error => super::start::chain(error),
    }
}

impl Question {
    async fn run(
        &mut self,
        context: &Arc<Context>,
        container: &ContainerId,
        probe: &Probe,
    ) -> Result<u8, Error> {
        let execs = Execs::new(Arc::clone(context));
        let exec = execs.create(container, probe.exec()).await?;
        self.exec = Some(exec.clone());
        let failed = Error::io("read the output of", "health check".as_ref());
        let (mut ours, theirs) = match pair() {
            Ok(pair) => pair,
            Err(error) => return Err(failed(error)),
        };
        let attach = Attach {
            fd: theirs.into(),
            unread: Vec::new(),
            stdin: false,
            stdout: true,
            stderr: true,
            framing: Framing::Raw,
            detach_keys: None,
        };
        let start = ExecStart {
            attach: Some(attach),
            size: None,
        };
        execs.start(&exec, start).await?;
        self.read(&mut ours).await.map_err(failed)?;
        loop {
            if let Some(code) = execs.settled(&exec).await?.exit_code {
                return Ok(code);
            }
            // It closed its output and runs on.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn read(&mut self, output: &mut UnixStream) -> std::io::Result<()> {
        let mut block = [0; 1_024];
        loop {
            let read = output.read(&mut block).await?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            let room = OUTPUT - self.output.len();
            self.more |= bytes.len() > room;
            self.output.extend(bytes.iter().take(room));
        }
    }

    /// What it wrote, with dots if it wrote more.
    fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.output).into_owned();
        if self.more {
            text.push_str("...");
        }
        text
    }

    fn late(&self, timeout: Duration) -> String {
        let timeout = go_duration(timeout);
        match self.output.is_empty() {
            true => format!("Health check exceeded timeout ({timeout})"),
            false => format!("Health check exceeded timeout ({timeout}): {}", self.text()),
        }
    }

    async fn give_up(&self, context: &Context, container: &ContainerId) {
        let Some(exec) = &self.exec else { return };
        let killed = context.tasks.kill(container, Some(exec), Signal::KILL);
        if let Err(error) = killed.await {
            tracing::debug!(container.id = %container, %error, "late health check not ended");
        }
    }
}

/// Our end, and the one that is handed over.
fn pair() -> std::io::Result<(UnixStream, std::os::unix::net::UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((ours, theirs.into_std()?))
}

/// A duration as Go writes it: `400ms`, `1.5s`, `1m30s`.
fn go_duration(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs_f64() % 60.0);
    match duration.as_nanos() {
        nanos if nanos < 1_000_000 => format!("{}µs", duration.as_nanos() as f64 / 1e3),
        nanos if nanos < 1_000_000_000 => format!("{}ms", duration.as_secs_f64() * 1e3),
        _ if minutes == 0 => format!("{seconds}s"),
        _ if minutes < 60 => format!("{minutes}m{seconds}s"),
        _ => format!("{}h{}m{seconds}s", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (millis, words) in [
            (400, "400ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (90_000, "1m30s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), words);
        }
    }
}
