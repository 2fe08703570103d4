//! What must be durable before something else happens.

use crate::host::{Host, sh, within};
use engine::{Removal, Status};
use metadata::Database;
use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long something is watched that must not happen.
const WATCHED: Duration = Duration::from_millis(300);

/// A disk in memory whose syncs wait while it is held.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    is_held: bool,
}

impl Disk {
    fn hold(&self, is_held: bool) {
        self.0.0.lock().unwrap().is_held = is_held;
        self.0.1.notify_all();
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(&state.bytes[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap();
        self.0.0.lock().unwrap().bytes.resize(length, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let state = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(state, |state| state.is_held).unwrap());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        state.bytes[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// A host, and the disk that its database's log is on.
async fn host() -> Option<(Host, Disk)> {
    let log = Disk::default();
    let backend = log.clone();
    let open = move |_: &types::Paths| Database::with_backends(Disk::default(), backend).unwrap();
    Some((Host::start_over(open).await?, log))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_durable_before_its_program_runs() {
    let Some((host, log)) = host().await else {
        return;
    };
    log.hold(true);
    let id = within(host.create(sh("echo ran"))).await;
    let containers = host.engine.containers().clone();
    let starting = {
        let (containers, id) = (containers.clone(), id.clone());
        tokio::spawn(async move { containers.start(&id).await })
    };
    tokio::time::sleep(WATCHED).await;
    assert!(!starting.is_finished());
    assert_eq!(host.log(&id).await, "");
    let status = containers.find(&id).unwrap().state.status;
    assert_eq!(status, Status::Created);
    log.hold(false);
    within(starting).await.unwrap().unwrap();
    assert_eq!(host.wait(&id).await, 0);
    assert_eq!(host.log(&id).await, "ran\n");
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_durable_before_files_are_removed() {
    let Some((host, log)) = host().await else {
        return;
    };
    let id = host.run(sh("exit 5")).await;
    assert_eq!(host.wait(&id).await, 5);
    let files = host.dir.path().join("root/containers").join(id.as_str());
    log.hold(true);
    within(host.engine.containers().remove(&id, Removal::default()))
        .await
        .unwrap();
    tokio::time::sleep(WATCHED).await;
    assert!(files.exists());
    log.hold(false);
    host.clear().await;
    assert!(!files.exists());
}
