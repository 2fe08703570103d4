//! Groups of containers that systemd makes. `cargo xtask vm` has a systemd to ask.

use crate::host::{DEADLINE, Host, sh};
use engine::{CgroupDriver, Update};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

async fn start() -> Option<Host> {
    Host::start_with(|config| config.cgroup_driver = CgroupDriver::Systemd).await
}

/// Where version 2 has a group.
fn place(group: &str) -> PathBuf {
    PathBuf::from("/sys/fs/cgroup").join(group)
}

/// Waits until systemd has removed a scope, which it does once it has heard that it is empty.
async fn gone(group: &Path) {
    let start = Instant::now();
    while group.exists() {
        assert!(start.elapsed() < DEADLINE, "{} is left", group.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs systemd: cargo xtask vm"]
async fn a_container_is_a_scope_called_as_dockers_until_it_ends() {
    let host = start().await.unwrap();
    let mut spec = sh("sleep 600");
    spec.resources.memory = Some(64 << 20);
    let id = host.run(spec).await;
    let group = place(&format!("system.slice/docker-{id}.scope"));
    let limit = || std::fs::read_to_string(group.join("memory.max")).unwrap();
    assert_eq!(limit().trim(), "67108864");
    let processes = std::fs::read_to_string(group.join("cgroup.procs")).unwrap();
    assert_eq!(processes.lines().count(), 1, "{processes}");
    let containers = host.engine.containers();
    let mut update = Update::default();
    update.resources.memory = Some(32 << 20);
    update.resources.memory_swap = Some(-1);
    containers.update(&id, update).await.unwrap();
    assert_eq!(limit().trim(), "33554432");
    containers.pause(&id).await.unwrap();
    containers.unpause(&id).await.unwrap();
    // The next engine finds it again.
    let host = host.again().await;
    assert!(group.exists());
    host.stop(&id, 0).await;
    gone(&group).await;
    let id = host.run(sh("sleep 600")).await;
    assert!(place(&format!("system.slice/docker-{id}.scope")).exists());
    host.clear().await;
    gone(&place(&format!("system.slice/docker-{id}.scope"))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs systemd: cargo xtask vm"]
async fn a_slice_is_taken_and_another_parent_is_refused() {
    let host = start().await.unwrap();
    let mut spec = sh("sleep 600");
    spec.resources.cgroup_parent = "corten-tests.slice".to_owned();
    let id = host.run(spec).await;
    let group = place(&format!(
        "corten.slice/corten-tests.slice/docker-{id}.scope"
    ));
    assert!(group.exists(), "{} is not there", group.display());
    for parent in ["/a", "a", ".slice", "a/b.slice"] {
        let mut spec = sh("true");
        spec.resources.cgroup_parent = parent.to_owned();
        let refused = host.engine.containers().create(None, spec).await;
        let words = refused.unwrap_err().to_string();
        assert!(words.ends_with(engine::NO_SLICE), "{parent}: {words}");
    }
    host.clear().await;
    gone(&group).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs systemd: cargo xtask vm"]
async fn programs_run_and_end_in_scopes_one_after_another() {
    let host = start().await.unwrap();
    for code in [0, 3] {
        let (ended, log) = host
            .output(sh(&format!("cat /proc/self/cgroup; exit {code}")))
            .await;
        assert_eq!(ended, code);
        // Its own group is all that it sees.
        assert_eq!(log.trim(), "0::/", "{log}");
    }
    host.clear().await;
}
