//! `events`: what happened, in order.

use testing::TestHost;

#[test]
fn a_containers_life_is_told_in_order() {
    let host = TestHost::start();
    let name = crate::unique("life");
    host.cli(&["run", "--name", &name, "busybox", "sh", "-c", "exit 4"])
        .code(4);
    host.cli(&["rm", &name]).success();
    let ran = host.cli(&[
        "events",
        "--since",
        "10m",
        "--until",
        "0s",
        "--filter",
        &format!("container={name}"),
        "--format",
        "{{.Action}}",
    ]);
    let text = ran.success().text();
    let told: Vec<_> = text.lines().collect();
    assert_eq!(
        told,
        ["create", "attach", "start", "die", "destroy"],
        "{text}"
    );
}

#[test]
fn an_event_is_one_line_with_its_attributes() {
    let host = TestHost::start();
    let name = crate::unique("line");
    host.cli(&[
        "run", "--rm", "--name", &name, "busybox", "sh", "-c", "exit 4",
    ])
    .code(4);
    let ran = host.cli(&[
        "events",
        "--since",
        "10m",
        "--until",
        "0s",
        "--filter",
        &format!("container={name}"),
        "--filter",
        "event=die",
    ]);
    let text = ran.success().text();
    assert!(text.contains(" container die "), "{text}");
    assert!(text.contains("exitCode=4"), "{text}");
    assert!(text.contains("image=busybox"), "{text}");
}
