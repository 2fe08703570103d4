//! A daemon of a user who is not root.

use crate::settings::Settings;
use crate::wiring;
use anyhow::{Context, bail};
use proto::run;
use rootless::Outside;
use std::path::PathBuf;
use std::sync::Arc;

/// Becomes root of the user's own namespaces.
pub(crate) fn enter(settings: &Settings) -> anyhow::Result<Arc<Outside>> {
    let network = settings
        .hosts
        .iter()
        .find(|host| !host.starts_with("unix://") && !host.starts_with("fd://"));
    if let Some(host) = network {
        bail!("-H {host}: a daemon without root is reached by Unix sockets alone");
    }
    if let Some(address) = settings.metrics {
        bail!("--metrics-addr {address}: a daemon without root does not serve metrics");
    }
    // Whoever waits for this daemon must not wait for who outlives it.
    sys::fds::close_range(3, u32::MAX, sys::fds::Range::CloseOnExec)
        .context("cannot keep descriptors to ourselves")?;
    let executable = wiring::sibling("corten-rootless")?;
    let folder = settings.paths.rootless();
    // The holder's directory is in the daemon's, which is nobody else's.
    std::fs::create_dir_all(&settings.paths.run)
        .with_context(|| format!("cannot make {}", settings.paths.run.display()))?;
    let outside = rootless::enter(&executable, &folder, &supervisors(settings));
    Ok(Arc::new(outside.context("cannot run without root")?))
}

/// Processes that live in namespaces of an earlier daemon's.
fn supervisors(settings: &Settings) -> Vec<u32> {
    let folders = std::fs::read_dir(settings.paths.shims());
    let documents = folders
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|folder| {
            let bytes = std::fs::read(folder.path().join(run::SHIM)).ok()?;
            serde_json::from_slice::<run::Shim>(&bytes).ok()
        });
    let alive = documents.filter(|shim| {
        let process = &shim.process;
        sys::identity::start_time(process.pid).is_ok_and(|started| started == process.start_time)
    });
    alive.map(|shim| shim.process.pid.cast_unsigned()).collect()
}

/// The file that was read, if there is one.
pub(crate) fn file(settings: &Settings) -> Option<PathBuf> {
    Some(settings.config_file.clone()).filter(|file| file.exists())
}
