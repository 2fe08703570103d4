//! The distribution client against real servers on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod authority;
mod certificates;
mod greeting;
mod mirrors;
mod patience;
mod proxies;
mod ranges;
mod referrers;
mod server;
mod tokens;

use registry::{Access, Credentials, Patience, Registries, Settings};
use std::path::Path;
use std::time::Duration;
use unpack::Unpack;

/// Settings that read `directory` and do not wait long.
fn settings(directory: &Path) -> Settings {
    Settings {
        hosts: vec![directory.to_owned()],
        patience: Patience {
            attempts: 1,
            pause: Duration::from_millis(1),
            ..Patience::default()
        },
        ..Settings::default()
    }
}

/// Registries whose documents the worker reads that was built next to this test.
fn registries(settings: Settings) -> Registries {
    let exe = std::env::current_exe().unwrap();
    let worker = exe
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("corten-unpack");
    assert!(
        worker.exists(),
        "build it first: cargo build -p corten-unpack"
    );
    Registries::new(settings, Unpack::new(worker))
}

/// The tags of a repository, or the whole chain of why not.
async fn tags(settings: Settings, name: &str) -> Result<Vec<String>, String> {
    tags_with(settings, name, None).await
}

async fn tags_with(
    settings: Settings,
    name: &str,
    credentials: Option<Credentials>,
) -> Result<Vec<String>, String> {
    let registries = registries(settings);
    let reference = name.parse().unwrap();
    let repository = registries.repository(&reference, credentials, Access::Pull);
    let repository = repository.map_err(|error| error.to_string())?;
    repository.tags().await.map_err(|error| error.to_string())
}

/// Writes what is said of a host.
fn say(directory: &Path, host: &str, file: &str, text: &str) {
    let directory = directory.join(host);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(file), text).unwrap();
}
