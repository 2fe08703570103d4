use crate::host::{Host, sh, within};
use engine::{RestartPolicy, Status};
use std::time::Duration;
use types::ContainerId;

async fn until(host: &Host, id: &ContainerId, met: impl Fn(&engine::ContainerState) -> bool) {
    within(async {
        while !met(&host.engine.containers().find(id).unwrap().state) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_container_is_started_again_so_many_times() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("echo run; exit 1");
    spec.restart = RestartPolicy::OnFailure(2);
    let id = host.run(spec).await;
    until(&host, &id, |state| state.status == Status::Exited).await;
    let state = host.engine.containers().find(&id).unwrap().state.clone();
    assert_eq!((state.restart_count, state.exit_code), (2, 1));
    assert_eq!(host.log(&id).await, "run\nrun\nrun\n");
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_container_is_not_started_again() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("sleep 600");
    spec.restart = RestartPolicy::Always;
    let id = host.run(spec).await;
    host.stop(&id, 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let state = host.engine.containers().find(&id).unwrap().state.clone();
    assert_eq!((state.status, state.restart_count), (Status::Exited, 0));
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_between_two_starts_ends_the_restarts() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("exit 1");
    spec.restart = RestartPolicy::Always;
    let id = host.run(spec).await;
    until(&host, &id, |state| state.restart_count >= 3).await;
    until(&host, &id, |state| state.status == Status::Restarting).await;
    host.stop(&id, 5).await;
    assert_eq!(
        host.engine.containers().find(&id).unwrap().state.status,
        Status::Exited
    );
    host.clear().await;
}
