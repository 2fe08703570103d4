//! Starting, ending, executing, adopting.

use crate::host::{Host, exec};
use std::fs;
use std::io::Write as _;
use std::time::Duration;
use task::{AdoptedState, Error, EventKind};
use types::Signal;

#[tokio::test]
async fn an_exit_code_is_told_and_recorded_and_nothing_is_left() {
    let mut host = Host::start();
    let create = host.container(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let id = create.id.clone();
    let task = host.tasks.run(create).await.unwrap();
    assert!(task.pid > 1 && task.started.is_some());

    let status = host.exit(&id).await;
    assert_eq!((status.code, status.oom_killed), (Some(7), false));
    let record = fs::read(host.paths.container(&id).join("exit.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["code"], 7);
    assert_eq!(record["exited_at"], status.at.nanos());
    assert_eq!(host.logged(&id), "out\nerr\n");

    host.tasks.delete(&id).await.unwrap();
    host.until_empty().await;
}

#[tokio::test]
async fn a_signal_ends_with_128_and_its_number() {
    let mut host = Host::start();
    let create = host.container(&["sh", "-c", "kill -USR1 $$; exec sleep 600"]);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    host.tasks.kill(&id, None, Signal::KILL).await.unwrap();
    assert_eq!(host.exit(&id).await.code, Some(137));
    host.end().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_executed_is_told_apart_and_leaves_nothing() {
    let host = &mut Host::start();
    for (program, code) in [("nothing-like-this", 127), ("/etc", 126)] {
        let create = host.container(&[program]);
        let error = host.tasks.run(create).await.unwrap_err();
        let Error::Command { exit_code, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(exit_code, code, "{program}");
    }
    host.until_empty().await;
}

#[tokio::test]
async fn a_container_waits_between_create_and_start() {
    let mut host = Host::start();
    let create = host.container(&["sh", "-c", "exit 3"]);
    let id = create.id.clone();
    let made = host.tasks.create(create).await.unwrap();
    assert_eq!(made.started, None);
    let started = host.tasks.start(&id).await.unwrap();
    assert_eq!(started.pid, made.pid);
    assert_eq!(host.exit(&id).await.code, Some(3));
    host.end().await;
}

#[tokio::test]
async fn a_promised_container_runs_once_the_promise_is_kept_and_not_if_it_is_broken() {
    let host = &mut Host::start();
    for kept in [true, false] {
        let (pipe, promise) = std::io::pipe().unwrap();
        let create = task::Create {
            promise: Some(pipe.into()),
            ..host.container(&["echo", "ran"])
        };
        let id = create.id.clone();
        let running = tokio::spawn({
            let tasks = host.tasks.clone();
            async move { tasks.run(create).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!running.is_finished());
        if kept {
            (&promise).write_all(b"1").unwrap();
            running.await.unwrap().unwrap();
            assert_eq!(host.exit(&id).await.code, Some(0));
            host.tasks.delete(&id).await.unwrap();
        } else {
            drop(promise);
            let error = running.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("wait for the start"), "{error}");
        }
        assert_eq!(host.logged(&id), if kept { "ran\n" } else { "" });
    }
    host.until_empty().await;
}

#[tokio::test]
async fn a_process_executed_in_a_container_ends_by_itself() {
    let mut host = Host::start();
    let create = host.container(&["sleep", "600"]);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    for code in [0, 5] {
        let exec = exec(&id, &["sh", "-c", &format!("exit {code}")]);
        let wanted = exec.id.clone();
        host.tasks.exec(exec).await.unwrap();
        let status = host
            .event(|event| match &event.kind {
                EventKind::ExecExited { exec, status } if *exec == wanted => Some(status.clone()),
                _ => None,
            })
            .await;
        assert_eq!(status.code, Some(code));
    }
    let missing = exec(&id, &["nothing-like-this"]);
    let error = host.tasks.exec(missing).await.unwrap_err();
    assert!(
        matches!(error, Error::Command { exit_code: 127, .. }),
        "{error}"
    );
    host.end().await;
}

#[tokio::test]
async fn two_containers_share_one_shim() {
    let mut host = Host::start();
    let first = host.container(&["sleep", "600"]);
    let (sandbox, id) = (first.sandbox.clone(), first.id.clone());
    host.tasks.run(first).await.unwrap();
    let mut second = host.container(&["sh", "-c", "exit 4"]);
    second.sandbox = sandbox;
    assert_eq!(host.run(second).await, Some(4));
    host.tasks.stop().await;
    assert_eq!(fs::read_dir(host.paths.shims()).unwrap().count(), 1);
    assert_eq!(host.tasks.pids(&id).await.unwrap().len(), 1);
    host.end().await;
}

#[tokio::test]
async fn a_container_is_frozen_and_runs_on() {
    let mut host = Host::start();
    let create = host.container(&["sleep", "600"]);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    host.tasks.pause(&id).await.unwrap();
    assert!(host.tasks.pause(&id).await.is_err());
    assert!(host.tasks.exec(exec(&id, &["true"])).await.is_err());
    host.tasks.resume(&id).await.unwrap();
    assert!(host.tasks.resume(&id).await.is_err());
    host.end().await;
}

#[tokio::test]
async fn another_daemon_adopts_what_runs_and_hears_what_was_not_acknowledged() {
    let mut host = Host::start();
    let runs = host.container(&["sleep", "600"]);
    let ends = host.container(&["sh", "-c", "exit 9"]);
    let (runs_id, ends_id) = (runs.id.clone(), ends.id.clone());
    let task = host.tasks.run(runs).await.unwrap();
    host.tasks.run(ends).await.unwrap();
    host.restart().await;

    let mut adopted = host.tasks.adopt().await.unwrap();
    adopted.sort_by_key(|one| one.id != runs_id);
    assert_eq!(adopted.len(), 2);
    let AdoptedState::Running {
        pid,
        started,
        paused,
    } = adopted[0].state
    else {
        panic!("{adopted:?}");
    };
    assert_eq!(
        (pid, Some(started), paused),
        (task.pid, task.started, false)
    );
    assert_eq!(host.exit(&ends_id).await.code, Some(9));
    host.tasks.kill(&runs_id, None, Signal::TERM).await.unwrap();
    host.tasks.kill(&runs_id, None, Signal::KILL).await.unwrap();
    assert_eq!(host.exit(&runs_id).await.code, Some(137));
    host.end().await;
}

/// The process id of a container's shim.
fn shim(host: &Host, sandbox: &types::ContainerId) -> i32 {
    let document = fs::read(host.paths.shim(sandbox).join("shim.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    i32::try_from(document["process"]["pid"].as_i64().unwrap()).unwrap()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn the_death_of_a_shim_ends_its_container_with_unknown_status() {
    let mut host = Host::start();
    let create = host.container(&["sleep", "600"]);
    let id = create.id.clone();
    let task = host.tasks.run(create).await.unwrap();
    kill(shim(&host, &id));
    let status = host.exit(&id).await;
    assert_eq!(status.code, None);
    // Whoever inherited it may not have reaped it yet.
    let stat = fs::read_to_string(format!("/proc/{}/stat", task.pid));
    assert!(stat.map_or(true, |stat| stat.contains(") Z ")));
    host.end().await;
}

#[test]
fn the_death_of_shim_and_daemon_is_cleaned_up_at_the_next_start() {
    // A daemon is a runtime here: its death takes all that it was about to do with it.
    let daemon = || tokio::runtime::Runtime::new().unwrap();
    let first = daemon();
    let (mut host, id, pid) = first.block_on(async {
        let mut host = Host::start();
        let create = host.container(&["sleep", "600"]);
        let id = create.id.clone();
        host.tasks.run(create).await.unwrap();
        let pid = shim(&host, &id);
        (host, id, pid)
    });
    drop(first);
    kill(pid);
    daemon().block_on(async {
        host.restart().await;
        let adopted = host.tasks.adopt().await.unwrap();
        assert_eq!(adopted.len(), 1);
        let AdoptedState::Exited { status, .. } = &adopted[0].state else {
            panic!("{adopted:?}");
        };
        assert_eq!((&adopted[0].id, status.code), (&id, None));
        host.until_empty().await;
    });
    let record = fs::read(host.paths.container(&id).join("exit.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["code"], serde_json::Value::Null);
}
