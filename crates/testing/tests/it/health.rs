//! Health checks: what is asked, how often, and what is made of the answers.

use crate::{Running, unique};
use testing::TestHost;

fn health(host: &TestHost, name: &str) -> String {
    host.inspect(name, "{{.State.Health.Status}}")
}

#[test]
fn health_follows_the_answers_and_is_told() {
    let host = TestHost::start();
    let name = unique("health");
    let check = "echo asked; exit $(cat /code 2>/dev/null || echo 0)";
    let running = Running::new(
        &host,
        &[
            "--name",
            &name,
            "--health-cmd",
            check,
            "--health-interval",
            "50ms",
            "--health-retries",
            "2",
            "busybox",
            "sleep",
            "600",
        ],
    );
    host.until("it is healthy", |host| health(host, &name) == "healthy");
    let listed = host.cli(&["ps", "--filter", "health=healthy", "-q", "--no-trunc"]);
    assert!(listed.success().text().contains(&running.id));
    let listed = host.cli(&["ps", "--format", "{{.Status}}"]).success();
    assert!(listed.text().contains(" (healthy)"), "{listed}");

    host.cli(&["exec", &name, "sh", "-c", "echo 3 >/code"])
        .success();
    host.until("it is unhealthy", |host| health(host, &name) == "unhealthy");
    let last = "{{(index .State.Health.Log 0).Output}} {{.State.Health.FailingStreak}}";
    assert!(host.inspect(&name, last).starts_with("asked"));

    host.cli(&["exec", &name, "rm", "/code"]).success();
    host.until("it is healthy again", |host| {
        health(host, &name) == "healthy"
    });
    host.cli(&["kill", &name]).success();
    host.cli(&["wait", &name]).success();
    assert_eq!(health(&host, &name), "unhealthy");

    let filter = format!("container={name}");
    let filters = ["--filter", &filter, "--filter", "event=health_status"];
    let told = crate::events::told(
        &host,
        &[&filters[..], &["--format", "{{.Action}}"]].concat(),
    );
    let told: Vec<_> = told.lines().collect();
    let expected = ["healthy", "unhealthy", "healthy"].map(|s| format!("health_status: {s}"));
    assert_eq!(told, expected);
}

#[test]
fn a_check_that_takes_too_long_is_ended_and_counts() {
    let host = TestHost::start();
    let name = unique("late");
    let _running = Running::new(
        &host,
        &[
            "--name",
            &name,
            "--health-cmd",
            "echo began; exec sleep 600",
            "--health-interval",
            "50ms",
            "--health-timeout",
            "2s",
            "--health-retries",
            "1",
            "busybox",
            "sleep",
            "500",
        ],
    );
    host.until("it is unhealthy", |host| health(host, &name) == "unhealthy");
    let result = "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}";
    assert_eq!(
        host.inspect(&name, result),
        "-1 Health check exceeded timeout (2s): began"
    );
    host.cli(&["pause", &name]).success();
    host.cli(&["unpause", &name]).success();
    host.until("what took too long is gone", |host| {
        let listed = host.cli(&["top", &name]).success().text();
        listed.matches("sleep 600").count() <= 1
    });
}

#[test]
fn failures_in_the_start_period_do_not_count_and_are_asked_for_more_often() {
    let host = TestHost::start();
    let name = unique("start");
    let _running = Running::new(
        &host,
        &[
            "--name",
            &name,
            "--health-cmd",
            "test -e /ready",
            "--health-interval",
            "1h",
            "--health-start-period",
            "1h",
            "--health-start-interval",
            "50ms",
            "--health-retries",
            "1",
            "busybox",
            "sleep",
            "600",
        ],
    );
    host.until("it was asked often", |host| {
        host.inspect(&name, "{{len .State.Health.Log}}") == "5"
    });
    assert_eq!(health(&host, &name), "starting");
    assert_eq!(host.inspect(&name, "{{.State.Health.FailingStreak}}"), "0");
    host.cli(&["exec", &name, "touch", "/ready"]).success();
    host.until("it is healthy", |host| health(host, &name) == "healthy");
}

#[test]
fn a_daemon_that_was_killed_asks_again() {
    let mut host = TestHost::start();
    let name = unique("again");
    host.run_detached(&[
        "--name",
        &name,
        "--health-cmd",
        "true",
        "--health-interval",
        "50ms",
        "busybox",
        "sleep",
        "600",
    ]);
    host.until("it is healthy", |host| health(host, &name) == "healthy");
    host.kill_daemon();
    host.start_daemon();
    host.until("it is healthy again", |host| {
        health(host, &name) == "healthy"
    });
}

#[test]
fn a_check_that_cannot_be_is_refused_in_dockers_words() {
    let host = TestHost::start();
    let body = r#"{"Image":"busybox","Healthcheck":{"Test":["CMD","true"],"Interval":10}}"#;
    let answer = host.http("POST", "/containers/create", Some(body));
    assert_eq!(answer.status, 400);
    let words = "Interval in Healthcheck cannot be less than 1ms";
    assert_eq!(answer.json()["message"], words);
}
