//! The daemon's life: locks, services, sockets, then waiting, then an orderly end.

use crate::flags::Flags;
use crate::idle::idle;
use crate::listen::{self, Listener};
use crate::lock::{self, Lock};
use crate::logging::{self, Level};
use crate::notify::Notify;
use crate::ready::Ready;
use crate::reload::Reload;
use crate::settings::Settings;
use crate::{foreign, process, wiring};
use anyhow::Context;
use api_docker::{Api, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most threads that serve requests; what blocks has threads of its own.
const WORKERS: usize = 4;
/// How long an unused one of those is kept.
const KEEP: Duration = Duration::from_secs(10);

/// One for every two processors: the other half is the supervisors'. With as many as processors
/// each piece of a request is handed to another thread, which takes longer than doing it.
fn workers() -> usize {
    let ours = rustix::thread::sched_getaffinity(None);
    ours.map_or(1, |ours| (ours.count() as usize / 2).clamp(1, WORKERS))
}

/// Runs the daemon until it is told to stop.
pub(crate) fn run(flags: &Flags, settings: Settings) -> anyhow::Result<()> {
    let began = Instant::now();
    let ready = flags.ready_fd.map(Ready::inherit).transpose()?;
    if ready.is_some() {
        // A user's mounts are in a namespace of its own by now.
        if settings.outside.is_none() {
            foreign::refuse()?;
        }
        process::detach()?;
    }
    process::prepare()?;
    let level = logging::begin(settings.log_level, settings.log_format)?;
    let lock = Lock::take(&settings.paths.lock())?;
    lock::private(&settings.paths.run)?;
    let pidfile = settings
        .pidfile
        .as_deref()
        .map(PidFile::write)
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .thread_keep_alive(KEEP)
        .enable_all()
        .build()
        .context("cannot start the threads")?;
    let served = runtime.block_on(serve(flags, &settings, &level, ready, began));
    // Whoever waits in a blocking call is not waited for: the end was orderly before.
    runtime.shutdown_background();
    drop(pidfile);
    drop(lock);
    served
}

async fn serve(
    flags: &Flags,
    settings: &Settings,
    level: &Level,
    ready: Option<Ready>,
    began: Instant,
) -> anyhow::Result<()> {
    let api = wiring::services(settings).await?;
    let listeners = listen::all(
        &settings.hosts,
        settings.group.as_deref(),
        settings.tls.as_ref(),
    )?;
    let connections = TaskTracker::new();
    let accepting = CancellationToken::new();
    for listener in listeners {
        let listening = accept(
            listener,
            api.clone(),
            connections.clone(),
            accepting.clone(),
        );
        api.tracker.spawn(listening);
    }
    if let Some(address) = settings.metrics {
        let listener = listen::metrics(address).await?;
        let metrics = accept_metrics(
            listener,
            api.clone(),
            connections.clone(),
            accepting.clone(),
        );
        api.tracker.spawn(metrics);
    }
    // Whoever hears that it is ready may send one.
    let signals = Signals::listen()?;
    let notify = Notify::from_environment();
    notify.ready();
    if let Some(ready) = ready {
        ready.tell();
    }
    tracing::info!(hosts = ?settings.hosts, took = ?began.elapsed(), "daemon answers");
    let idle = idle(settings.idle_timeout, &connections, &api.engine);
    let reload = Reload::new(flags, level, &api, settings);
    let reason = signals.told_to_stop(idle, || reload.run()).await;
    tracing::info!(reason, "daemon stops; containers run on");
    notify.stopping();
    accepting.cancel();
    stop(&api, &connections, reload.shutdown_timeout()).await;
    Ok(())
}

/// Accepts connections; the listener, and its file, go when the daemon stops.
async fn accept(
    listener: Listener,
    api: Api,
    connections: TaskTracker,
    accepting: CancellationToken,
) {
    let listener = Arc::new(listener);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = accepting.cancelled() => return,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: others must be given up first.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let api = api.clone();
        connections.spawn(async move {
            let stream = match accepted.stream().await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%error, "connection not encrypted");
                    return;
                }
            };
            if let Err(error) = api.serve(stream).await {
                tracing::debug!(error = %error, "connection ended early");
            }
        });
    }
}

/// Accepts connections of those who ask for metrics.
async fn accept_metrics(
    listener: TcpListener,
    api: Api,
    connections: TaskTracker,
    accepting: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = accepting.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let api = api.clone();
        connections.spawn(async move {
            if let Err(error) = api.serve_metrics(Stream::Tcp(stream)).await {
                tracing::debug!(%error, "connection ended early");
            }
        });
    }
}

/// What the daemon is told by signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they are heard; before, each of them ends the process.
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits until there is a reason to stop, and says which.
    async fn told_to_stop(
        mut self,
        idle: impl Future<Output = ()>,
        reload: impl Fn(),
    ) -> &'static str {
        let mut idle = std::pin::pin!(idle);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => reload(),
                () = &mut idle => return "nothing to do",
            }
        }
    }
}

/// Lets what goes on finish, and reports what does not.
async fn stop(api: &Api, connections: &TaskTracker, timeout: Duration) {
    let deadline = tokio::time::Instant::now() + timeout;
    api.stopping.cancel();
    connections.close();
    api.tracker.close();
    for (what, tracker) in [("connections", connections), ("requests", &api.tracker)] {
        if tokio::time::timeout_at(deadline, tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!(what, count = tracker.len(), "given up at the deadline");
        }
    }
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    if !api.engine.stop(left.max(Duration::from_millis(100))).await {
        tracing::warn!(what = "engine", "given up at the deadline");
    }
}

/// The file that the process id is written to, removed at the end.
#[derive(Debug)]
struct PidFile(std::path::PathBuf);

impl PidFile {
    fn write(path: &std::path::Path) -> anyhow::Result<Self> {
        std::fs::write(path, std::process::id().to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Nobody could do anything about it now.
        drop(std::fs::remove_file(&self.0));
    }
}
