//! `events`: what happened, in order.

use testing::TestHost;

/// What happened in the last ten minutes.
pub(crate) fn told(host: &TestHost, args: &[&str]) -> String {
    let args = [&["events", "--since", "10m", "--until", "0s"], args].concat();
    host.cli(&args).success().text()
}

#[test]
fn a_containers_life_is_told_in_order() {
    let host = TestHost::start();
    let name = crate::unique("life");
    host.cli(&["run", "--name", &name, "busybox", "sh", "-c", "exit 4"])
        .code(4);
    host.cli(&["rm", &name]).success();
    let filter = format!("container={name}");
    let text = told(&host, &["--filter", &filter, "--format", "{{.Action}}"]);
    let told: Vec<_> = text.lines().collect();
    assert_eq!(
        told,
        ["create", "attach", "start", "die", "destroy"],
        "{text}"
    );
}

#[test]
fn a_stop_is_told_before_the_end_that_it_brings_about() {
    let host = TestHost::start();
    let name = crate::unique("stopped");
    host.run_detached(&["--name", &name, "busybox", "sleep", "600"]);
    host.cli(&["restart", "-t", "0", &name]).success();
    host.cli(&["stop", "-t", "0", &name]).success();
    host.cli(&["start", &name]).success();
    host.cli(&["kill", &name]).success();
    host.cli(&["wait", &name]).success();
    let filter = format!("container={name}");
    let text = told(&host, &["--filter", &filter, "--format", "{{.Action}}"]);
    let told: Vec<_> = text.lines().filter(|action| *action != "kill").collect();
    let expected = [
        "create", "start", "stop", "die", "start", "restart", "stop", "die", "start", "die",
    ];
    assert_eq!(told, expected, "{text}");
    host.cli(&["rm", &name]).success();
}

#[test]
fn an_event_is_one_line_with_its_attributes() {
    let host = TestHost::start();
    let name = crate::unique("line");
    host.cli(&[
        "run", "--rm", "--name", &name, "busybox", "sh", "-c", "exit 4",
    ])
    .code(4);
    let filter = format!("container={name}");
    let text = told(&host, &["--filter", &filter, "--filter", "event=die"]);
    assert!(text.contains(" container die "), "{text}");
    assert!(text.contains("exitCode=4"), "{text}");
    assert!(text.contains("image=busybox"), "{text}");
}

/// The events of images since the start, `ACTION ID NAME`.
fn of_images(host: &TestHost) -> Vec<String> {
    let format = "{{.Action}} {{.ID}} {{.Actor.Attributes.name}}";
    let text = told(host, &["--filter", "type=image", "--format", format]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_happens_to_images_is_told_as_docker_tells_it() {
    let host = TestHost::start();
    host.until("the import is told", |host| of_images(host).len() == 2);
    let before = of_images(&host).len();
    let id = host.inspect(testing::IMAGE, "{{.Id}}");
    let archive = host.scratch().join("image.tar").display().to_string();
    host.cli(&["tag", testing::IMAGE, "other:1"]).success();
    host.cli(&["save", "-o", &archive, "other:1"]).success();
    host.cli(&["rmi", "other:1"]).success();
    host.cli(&["load", "-q", "-i", &archive]).success();
    host.cli(&["rmi", "other:1"]).success();
    let container = host.cli(&["create", testing::IMAGE, "true"]).success();
    let container = container.text().trim().to_owned();
    let made = host.cli(&["commit", &container, "made"]).success();
    let made = made.text().trim().to_owned();
    host.cli(&["rm", &container]).success();
    host.cli(&["rmi", "made"]).success();
    let expected = [
        format!("tag {id} other:1"),
        format!("save {id} {id}"),
        format!("untag {id} {id}"),
        format!("load {id} {id}"),
        format!("untag {id} {id}"),
        format!("create {made} {made}"),
        format!("tag {made} made:latest"),
        format!("untag {made} {made}"),
        format!("delete {made} {made}"),
    ];
    host.until("all is told", |host| {
        of_images(host).len() >= before + expected.len()
    });
    assert_eq!(of_images(&host)[before..], expected);
}

#[test]
fn a_prune_is_told_with_what_it_brought() {
    let host = TestHost::start();
    for kind in ["container", "network", "volume", "image"] {
        host.cli(&[kind, "prune", "-f"]).success();
    }
    let format = "{{.Type}} {{.Action}} {{json .Actor.Attributes}}";
    let ran = host.cli(&[
        "events",
        "--since",
        "10m",
        "--until",
        "0s",
        "--filter",
        "event=prune",
        "--format",
        format,
    ]);
    let expected = ["container", "network", "volume", "image"]
        .map(|kind| format!("{kind} prune {{\"reclaimed\":\"0\"}}\n"));
    assert_eq!(ran.success().text(), expected.concat());
}

#[test]
fn events_are_chosen_by_the_beginning_of_a_name_and_tell_both_names() {
    let host = TestHost::start();
    let base = crate::unique("begins");
    let (old, new) = (format!("{base}-old"), format!("{base}-new"));
    host.cli(&["create", "--name", &old, "busybox"]).success();
    host.cli(&["rename", &old, &new]).success();
    host.cli(&["rm", &new]).success();
    let filter = format!("container={base}");
    let format = "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.oldName}}";
    let text = told(&host, &["--filter", &filter, "--format", format]);
    let none = "<no value>";
    let expected = format!("create {old} {none}\nrename {new} /{old}\ndestroy {new} {none}\n");
    assert_eq!(text, expected);
}
