use crate::host::{Host, sh, within};
use engine::{RestartPolicy, Status, WaitCondition};
use std::time::Duration;
use types::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_runs_on_while_there_is_no_daemon() {
    let Some(host) = Host::start().await else {
        return;
    };
    let script = "trap 'echo done; exit 4' USR1; while :; do sleep 0.05; done";
    let id = host.run(sh(script)).await;
    let before = host.engine.containers().find(&id).unwrap();
    let host = host.again().await;
    let after = host.engine.containers().find(&id).unwrap();
    assert_eq!(after.state, before.state);
    let ended = within(
        host.engine
            .containers()
            .kill(&id, "USR1".parse::<Signal>().unwrap()),
    )
    .await;
    ended.unwrap();
    assert_eq!(host.wait(&id).await, 4);
    assert_eq!(host.log(&id).await, "done\n");
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_that_no_daemon_saw_is_known_to_the_next() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host.run(sh("sleep 0.2; exit 6")).await;
    let mut own = sh("sleep 0.2; exit 5");
    own.auto_remove = true;
    let removed = host.run(own).await;
    let dir = host.dir.path().to_owned();
    assert!(host.engine.stop(Duration::from_secs(5)).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let host = host.again().await;
    assert_eq!(host.wait(&id).await, 6);
    if let Ok(wait) = host
        .engine
        .containers()
        .wait(&removed, WaitCondition::Removed)
    {
        assert_eq!(within(wait.ended()).await.unwrap().exit_code, 5);
    }
    assert!(host.engine.containers().find(&removed).is_err());
    assert!(dir.exists());
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_ends_its_container_and_says_so() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("sleep 600");
    spec.restart = RestartPolicy::No;
    let id = host.run(spec).await;
    let pid = host
        .engine
        .containers()
        .find(&id)
        .unwrap()
        .state
        .pid
        .unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let shim = rustix::process::Pid::from_raw(fields[1].parse().unwrap()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    host.wait(&id).await;
    let state = host.engine.containers().find(&id).unwrap().state.clone();
    assert_eq!(state.status, Status::Exited);
    assert!(!std::path::Path::new(&format!("/proc/{pid}/root/bin")).exists());
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_that_no_record_owns_are_swept() {
    let Some(host) = Host::start().await else {
        return;
    };
    let stray = host.dir.path().join("root/containers").join("f".repeat(64));
    std::fs::create_dir_all(stray.join("upper/some")).unwrap();
    let host = host.again().await;
    assert!(!stray.exists());
    host.clear().await;
}
