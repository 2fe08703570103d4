use crate::host::{Host, sh, within};
use engine::{Error, Problem, Removal, Status, WaitCondition};
use types::{ErrorKind, Kind, Signal};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_runs_writes_its_log_and_ends_with_its_exit_code() {
    let Some(host) = Host::start().await else {
        return;
    };
    let (code, log) = host.output(sh("echo out; echo err >&2; exit 7")).await;
    assert_eq!((code, log.as_str()), (7, "out\nerr\n"));
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_removes_itself_leaves_nothing() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("exit 3");
    spec.auto_remove = true;
    let id = host.create(spec).await;
    let containers = host.engine.containers();
    let wait = containers.wait(&id, WaitCondition::Removed).unwrap();
    containers.start(&id).await.unwrap();
    assert_eq!(within(wait.ended()).await.unwrap().exit_code, 3);
    assert!(matches!(containers.find(&id), Err(Error::NotFound(_))));
    host.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_127_and_one_that_cannot_be_executed_126() {
    let Some(host) = Host::start().await else {
        return;
    };
    for (word, code) in [("no-such-program", 127), ("/etc/passwd", 126)] {
        let mut spec = sh("");
        spec.process.command = Some(vec![word.to_owned()]);
        let id = host.create(spec).await;
        let error = host.engine.containers().start(&id).await.unwrap_err();
        assert!(
            matches!(&error, Error::Command { exit_code, .. } if *exit_code == code),
            "{error:?}"
        );
        assert!(error.to_string().contains(word), "{error}");
        let container = host.engine.containers().find(&id).unwrap();
        assert_eq!(container.state.status, Status::Created);
        assert_eq!(container.state.exit_code, code);
    }
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_asks_and_then_kills() {
    let Some(host) = Host::start().await else {
        return;
    };
    let polite = host
        .run(sh("trap 'exit 5' TERM; while :; do sleep 0.05; done"))
        .await;
    let deaf = host
        .run(sh("trap '' TERM; while :; do sleep 0.05; done"))
        .await;
    host.stop(&polite, 10).await;
    assert_eq!(host.wait(&polite).await, 5);
    host.stop(&deaf, 0).await;
    assert_eq!(host.wait(&deaf).await, 137);
    let again = host
        .engine
        .containers()
        .stop(&deaf, engine::Stop::default())
        .await
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotModified);
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_container_is_removed_by_force_alone() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host.run(sh("sleep 600")).await;
    let containers = host.engine.containers();
    let refused = containers
        .remove(&id, Removal::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            Error::State {
                problem: Problem::Running,
                ..
            }
        ),
        "{refused:?}"
    );
    let force = Removal {
        force: true,
        volumes: false,
    };
    within(containers.remove(&id, force)).await.unwrap();
    assert!(matches!(containers.find(&id), Err(Error::NotFound(_))));
    host.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_does_nothing_until_it_goes_on() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host.run(sh("sleep 600")).await;
    let containers = host.engine.containers();
    within(containers.pause(&id)).await.unwrap();
    assert_eq!(containers.find(&id).unwrap().state.status, Status::Paused);
    let twice = containers.pause(&id).await.unwrap_err();
    assert!(matches!(
        twice,
        Error::State {
            problem: Problem::Paused,
            ..
        }
    ));
    within(containers.unpause(&id)).await.unwrap();
    within(containers.kill(&id, Signal::KILL)).await.unwrap();
    assert_eq!(host.wait(&id).await, 137);
    let dead = containers.kill(&id, Signal::KILL).await.unwrap_err();
    assert!(matches!(
        dead,
        Error::State {
            problem: Problem::NotRunning,
            ..
        }
    ));
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_beginnings_of_ids_find_a_container() {
    let Some(host) = Host::start().await else {
        return;
    };
    let containers = host.engine.containers();
    let id = containers.create(Some("web"), sh("true")).await.unwrap().id;
    let taken = containers
        .create(Some("/web"), sh("true"))
        .await
        .unwrap_err();
    assert_eq!(
        taken.to_string(),
        format!(
            "Conflict. The container name \"/web\" is already in use by container \"{id}\". You \
             have to remove (or rename) that container to be able to reuse that name."
        )
    );
    for name in ["web", "/web", id.as_str(), id.short()] {
        assert_eq!(containers.resolve(name).unwrap(), id, "{name}");
    }
    let other = host.create(sh("true")).await;
    containers.rename(&id, "shop").await.unwrap();
    assert!(containers.resolve("web").is_err());
    containers.rename(&other, "web").await.unwrap();
    let ghost = containers.resolve("ghost").unwrap_err();
    assert_eq!(ghost.to_string(), "No such container: ghost");
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_is_named() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("true");
    spec.image = "ghost:1".to_owned();
    let error = host
        .engine
        .containers()
        .create(None, spec)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.resource().map(|r| r.name), Some("ghost:1".to_owned()));
    host.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_ends_with_its_container() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host
        .run(sh("for n in 1 2 3; do echo $n; sleep 0.1; done"))
        .await;
    let query = engine::LogQuery {
        stdout: true,
        follow: true,
        ..engine::LogQuery::default()
    };
    let mut log = host.engine.containers().logs(&id, query).unwrap();
    let mut text = String::new();
    while let Some(record) = within(log.next()).await.unwrap() {
        text.push_str(std::str::from_utf8(&record.line).unwrap());
    }
    assert_eq!(text, "1\n2\n3\n");
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_in_their_order_and_kept() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("exit 3");
    spec.auto_remove = true;
    spec.labels.insert("tier".to_owned(), "front".to_owned());
    let mut subscription = host
        .engine
        .events()
        .subscribe(engine::Span::default())
        .unwrap();
    let id = host.create(spec).await;
    let wait = host
        .engine
        .containers()
        .wait(&id, WaitCondition::Removed)
        .unwrap();
    host.engine.containers().start(&id).await.unwrap();
    within(wait.ended()).await.unwrap();
    for action in ["create", "start", "die", "destroy"] {
        let mut entry = within(subscription.next()).await.unwrap().unwrap();
        // The host's image has come just before.
        while entry.event.object != engine::EventType::Container {
            entry = within(subscription.next()).await.unwrap().unwrap();
        }
        assert_eq!(
            (entry.event.action.as_str(), entry.event.id.as_str()),
            (action, id.as_str())
        );
        assert_eq!(
            entry.event.attributes.get("tier").map(String::as_str),
            Some("front")
        );
        if action == "die" {
            assert_eq!(
                entry.event.attributes.get("exitCode").map(String::as_str),
                Some("3")
            );
        }
    }
    let past = host.engine.events().past(&engine::Span::default()).unwrap();
    let of_containers = past
        .iter()
        .filter(|entry| entry.event.object == engine::EventType::Container);
    assert_eq!(of_containers.count(), 4);
    host.assert_nothing_left().await;
}
