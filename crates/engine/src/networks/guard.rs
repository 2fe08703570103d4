//! Noticing that others took something of ours away, and putting it back.

use crate::context::{Context, blocking};
use net::firewall::Watch;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// How long is waited after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// How long is waited for a process that is about to end.
const MOMENT: Duration = Duration::from_millis(100);

/// Restores the firewall's table whenever somebody else has removed something of it.
pub(crate) async fn firewall(context: Arc<Context>) {
    let watching = Watch::open(&context.config.paths.instance());
    let mut watch = match watching {
        Ok(watch) => match readiness(watch) {
            Ok(watch) => watch,
            Err(error) => return tracing::warn!(%error, "the firewall is not watched"),
        },
        Err(error) => return tracing::warn!(%error, "the firewall is not watched"),
    };
    tell_barriers();
    loop {
        tokio::select! {
            ready = watch.readable_mut() => match ready {
                Ok(mut ready) => ready.clear_ready(),
                Err(error) => return tracing::warn!(%error, "the firewall is not watched any more"),
            },
            () = context.stopping.cancelled() => return,
        }
        let own = || context.networks.firewall_port();
        match watch.get_mut().is_damaged(own) {
            Ok(false) => continue,
            Ok(true) => {
                tracing::warn!("the firewall's table was damaged by others; it is restored")
            }
            Err(error) => return tracing::warn!(%error, "the firewall is not watched any more"),
        }
        let healing = Arc::clone(&context);
        let healed = blocking(move || healing.networks.heal()).await;
        if let Err(error) = healed.and_then(|healed| healed) {
            tracing::error!(%error, "the firewall's table is not restored");
        }
    }
}

fn tell_barriers() {
    for barrier in net::firewall::Barrier::all().unwrap_or_default() {
        tracing::warn!(%barrier, "the host's firewall drops what containers forward");
    }
}

/// Starts the proxy again whenever it has ended by itself.
pub(crate) async fn proxy(context: Arc<Context>) {
    tokio::select! {
        () = watch_proxy(&context) => {}
        () = context.stopping.cancelled() => {}
    }
}

async fn watch_proxy(context: &Arc<Context>) {
    let changed = context.networks.proxy_changed();
    loop {
        let asked = Arc::clone(context);
        let end = blocking(move || asked.networks.proxy_end()).await;
        match end.ok().flatten().map(|end| end.and_then(readiness)) {
            None => {
                changed.notified().await;
                continue;
            }
            Some(Ok(end)) => drop(end.readable().await),
            // It is gone, or about to be: its sockets close one after another.
            Some(Err(_)) => tokio::time::sleep(MOMENT).await,
        }
        revive(context).await;
    }
}

async fn revive(context: &Arc<Context>) {
    while !context.stopping.is_cancelled() {
        let reviving = Arc::clone(context);
        let revived = blocking(move || reviving.networks.revive()).await;
        match revived.and_then(|revived| revived) {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, "names and published ports are not served"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe; both types here own the descriptor they answer with"
)]
fn readiness<T: AsRawFd>(owner: T) -> std::io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(owner, tokio::io::Interest::READABLE)
}
