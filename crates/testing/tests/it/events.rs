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

/// `TYPE ACTION` of all that happened, and the network's or volume's name.
fn all(host: &TestHost) -> Vec<String> {
    let format = "{{.Type}} {{.Action}} {{if eq .Type \"volume\"}}{{.Actor.ID}}{{end}}\
                  {{if eq .Type \"network\"}}{{.Actor.Attributes.name}}{{end}}";
    let text = told(host, &["--format", format]);
    let told = text.lines().filter(|line| !line.starts_with("image "));
    told.map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn what_a_container_has_is_told_before_its_start_and_before_its_end() {
    let host = TestHost::start();
    for name in ["back", "front"] {
        host.cli(&["network", "create", name]).success();
    }
    let before = all(&host).len();
    let mounts = ["-v", "one:/b", "-v", "two:/a:ro"];
    let networks = ["--network", "front", "--network", "back"];
    let named = ["create", "--name", "it"];
    let program = ["busybox", "sleep", "600"];
    let create = [&named[..], &mounts[..], &networks[..], &program[..]].concat();
    host.cli(&create).success();
    host.cli(&["start", "it"]).success();
    host.cli(&["top", "it"]).success();
    host.cli(&["stop", "-t", "0", "it"]).success();
    host.cli(&["rm", "it"]).success();
    let expected = [
        "volume create one",
        "volume create two",
        "container create",
        "volume mount one",
        "volume mount two",
        "network connect front",
        "network connect back",
        "container start",
        "container top",
        "container kill",
        "container kill",
        "network disconnect front",
        "network disconnect back",
        "volume unmount one",
        "volume unmount two",
        "container stop",
        "container die",
        "container destroy",
    ];
    assert_eq!(all(&host)[before..], expected);
}

#[test]
fn a_container_without_a_network_of_its_own_is_told_to_be_in_one() {
    let host = TestHost::start();
    for mode in ["none", "host"] {
        let before = all(&host).len();
        let ran = ["run", "--name", "it", "--network", mode, "busybox", "true"];
        host.cli(&ran).success();
        host.cli(&["rm", "it"]).success();
        let expected = [
            "container create".to_owned(),
            "container attach".to_owned(),
            format!("network connect {mode}"),
            "container start".to_owned(),
            format!("network disconnect {mode}"),
            "container die".to_owned(),
            "container destroy".to_owned(),
        ];
        assert_eq!(all(&host)[before..], expected);
    }
}

#[test]
fn a_start_that_fails_is_told_by_what_is_given_back() {
    let host = TestHost::start();
    let before = all(&host).len();
    let create = [
        "create", "--name", "it", "-v", "one:/b", "busybox", "/nosuch",
    ];
    host.cli(&create).success();
    host.cli(&["start", "it"]).code(1);
    let expected = [
        "volume create one",
        "container create",
        "volume mount one",
        "network disconnect bridge",
        "volume unmount one",
    ];
    assert_eq!(all(&host)[before..], expected);
    host.cli(&["rm", "it"]).success();
}

#[test]
fn an_exec_is_told_with_its_words_and_a_commit_with_its_name() {
    let host = TestHost::start();
    host.run_detached(&["--name", "it", "busybox", "sleep", "600"]);
    host.cli(&["exec", "it", "true"]).success();
    host.cli(&["exec", "it", "/nosuch", "a", "b"]).code(127);
    host.cli(&["commit", "it", "made"]).success();
    host.cli(&["commit", "it"]).success();
    let format = "{{.Action}}|{{.Actor.Attributes.imageRef}}|";
    let text = told(&host, &["--filter", "container=it", "--format", format]);
    let none = "<no value>";
    let told: Vec<_> = text.lines().map(|line| line.replace(none, "")).collect();
    let expected = [
        "create||",
        "start||",
        "exec_create: true ||",
        "exec_start: true ||",
        "exec_die||",
        "exec_create: /nosuch a b||",
        "exec_start: /nosuch a b||",
        "pause||",
        "commit|made:latest|",
        "unpause||",
        "pause||",
        "commit||",
        "unpause||",
    ];
    assert_eq!(told, expected);
}
