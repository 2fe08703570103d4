use crate::host::{DEADLINE, Host, sh, within};
use engine::{Attach, Error, ExecSpec, ExecStart, Framing, Problem};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

fn spec(script: &str) -> ExecSpec {
    ExecSpec {
        command: ["sh", "-c", script]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecSpec::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_runs_in_the_container_and_its_exit_code_is_kept() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut container = sh("echo here > /file; sleep 600");
    container.hostname = "ship".to_owned();
    let id = host.run(container).await;
    let execs = host.engine.execs();
    let exec = execs.create(&id, spec("hostname; exit 9")).await.unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let attach = Attach {
        fd: OwnedFd::from(theirs),
        unread: Vec::new(),
        stdin: false,
        stdout: true,
        stderr: true,
        framing: Framing::Raw,
        detach_keys: None,
    };
    let start = ExecStart {
        attach: Some(attach),
        size: None,
    };
    within(execs.start(&exec, start)).await.unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        ours.set_read_timeout(Some(DEADLINE)).unwrap();
        (&ours).read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(read.await.unwrap(), "ship\n");
    within(async {
        while execs.inspect(&exec).unwrap().exit_code.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let seen = execs.inspect(&exec).unwrap();
    assert_eq!((seen.exit_code, seen.running), (Some(9), false));
    let twice = execs.start(&exec, ExecStart::default()).await.unwrap_err();
    assert!(matches!(
        twice,
        Error::State {
            problem: Problem::AlreadyExecuted,
            ..
        }
    ));
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_needs_a_running_container_and_a_program() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host.create(sh("sleep 600")).await;
    let execs = host.engine.execs();
    let early = execs.create(&id, spec("true")).await.unwrap_err();
    assert!(matches!(
        early,
        Error::State {
            problem: Problem::NotRunning,
            ..
        }
    ));
    host.engine.containers().start(&id).await.unwrap();
    let none = ExecSpec {
        command: vec!["no-such-program".to_owned()],
        ..ExecSpec::default()
    };
    let exec = execs.create(&id, none).await.unwrap();
    let failed = within(execs.start(&exec, ExecStart::default()))
        .await
        .unwrap_err();
    assert!(
        matches!(failed, Error::Command { exit_code: 127, .. }),
        "{failed:?}"
    );
    assert_eq!(execs.inspect(&exec).unwrap().exit_code, Some(127));
    host.clear().await;
}
