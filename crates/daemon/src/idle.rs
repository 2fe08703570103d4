//! When a daemon that a client started may go again: nobody is connected, no container
//! lives, no restart is due.

use engine::Engine;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Ends when there was nothing to do for `timeout`.
pub(crate) async fn idle(timeout: Option<Duration>, connections: &TaskTracker, engine: &Engine) {
    let Some(timeout) = timeout else {
        return std::future::pending().await;
    };
    // Ten looks fit into the time, so that it is at most a tenth too long.
    let look = timeout / 10;
    let mut quiet = Duration::ZERO;
    while quiet < timeout {
        tokio::time::sleep(look).await;
        let busy = !connections.is_empty() || !engine.system().is_idle();
        quiet = if busy { Duration::ZERO } else { quiet + look };
    }
}
