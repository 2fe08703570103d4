//! What a container changed of its image's files, and an image of it.

use crate::unique;
use testing::TestHost;

/// A container that ran this script.
fn ran(host: &TestHost, options: &[&str], script: &str) -> String {
    let name = unique("changes");
    let args: Vec<_> = ["run", "--name", &name]
        .iter()
        .chain(options)
        .chain(&["busybox", "sh", "-c", script])
        .copied()
        .collect();
    host.cli(&args).success();
    name
}

fn diff(host: &TestHost, name: &str) -> Vec<String> {
    let mut lines: Vec<String> = host
        .cli(&["diff", name])
        .success()
        .text()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn diff_lists_what_is_new_other_or_gone() {
    let host = TestHost::start();
    let name = ran(
        &host,
        &[],
        "mkdir -p /srv/a; echo x > /srv/a/f; ln -s x /link; echo more >> /etc/passwd; \
         rm /etc/group; chmod 700 /root; touch /home",
    );
    assert_eq!(
        diff(&host, &name),
        [
            "A /link",
            "A /srv",
            "A /srv/a",
            "A /srv/a/f",
            "C /etc",
            "C /etc/passwd",
            "C /root",
            "D /etc/group",
        ]
    );
    host.cli(&["rm", &name]).success();
}

#[test]
fn what_is_there_for_mounts_alone_is_no_change() {
    let host = TestHost::start();
    let name = ran(&host, &[], "true");
    assert_eq!(diff(&host, &name), [""; 0]);
    host.cli(&["rm", &name]).success();
}

#[test]
fn a_directory_that_was_replaced_tells_what_is_gone_in_it() {
    let host = TestHost::start();
    let name = ran(
        &host,
        &[],
        "rm -rf /home; mkdir -p /home; echo x > /home/new",
    );
    assert_eq!(
        diff(&host, &name),
        ["A /home/new", "C /home", "D /home/alice"]
    );
    host.cli(&["rm", &name]).success();
}

#[test]
fn an_image_of_a_container_has_its_files_and_its_configuration() {
    let host = TestHost::start();
    let name = ran(
        &host,
        &["-e", "KEPT=1", "-w", "/tmp"],
        "echo data > /file; rm /etc/group; rm -rf /home; mkdir /home; echo x > /home/new",
    );
    let image = unique("committed");
    let id = host
        .cli(&[
            "commit",
            "-m",
            "why",
            "-a",
            "who",
            "-c",
            "CMD [\"cat\",\"/file\"]",
            "-c",
            "LABEL a=b",
            &name,
            &image,
        ])
        .success()
        .text();
    assert!(id.starts_with("sha256:"), "{id}");
    let told = host.cli(&[
        "image",
        "inspect",
        "--format",
        "{{.Comment}} {{.Author}} {{json .Config.Cmd}} {{.Config.WorkingDir}} {{.Config.Labels.a}} {{len .RootFS.Layers}}",
        &image,
    ]);
    assert_eq!(
        told.success().text().trim(),
        r#"why who ["cat","/file"] /tmp b 2"#
    );
    let run = |args: &[&str]| {
        let args: Vec<_> = ["run", "--rm", &image]
            .iter()
            .chain(args)
            .copied()
            .collect();
        host.cli(&args).success().text()
    };
    assert_eq!(run(&[]), "data\n");
    assert_eq!(run(&["sh", "-c", "ls /home; echo $KEPT"]), "new\n1\n");
    assert_eq!(
        run(&["sh", "-c", "test -e /etc/group || echo gone"]),
        "gone\n"
    );
    host.cli(&["rm", &name]).success();
    host.cli(&["rmi", &image]).success();
}

#[test]
fn an_image_of_a_container_without_changes_has_no_layer_more() {
    let host = TestHost::start();
    let name = ran(&host, &[], "true");
    let id = host.cli(&["commit", &name]).success().text();
    let image = |name: &str, template: &str| {
        let ran = host.cli(&["image", "inspect", "-f", template, name]);
        ran.success().text()
    };
    assert_eq!(image(id.trim(), "{{.Parent}}"), image("busybox", "{{.Id}}"));
    let layers = host.cli(&[
        "image",
        "inspect",
        "--format",
        "{{len .RootFS.Layers}}",
        id.trim(),
    ]);
    assert_eq!(layers.success().text().trim(), "1");
    host.cli(&["rm", &name]).success();
    host.cli(&["rmi", id.trim()]).success();
}

#[test]
fn a_running_container_runs_on_after_its_image_was_made() {
    let host = TestHost::start();
    let name = unique("changes");
    let script = "echo x > /x; while :; do sleep 0.1; done";
    host.run_detached(&["--name", &name, "busybox", "sh", "-c", script]);
    host.until("it has written", |host| {
        host.cli(&["exec", &name, "test", "-e", "/x"]).code == 0
    });
    let id = host.cli(&["commit", &name]).success().text();
    let state = host.inspect(&name, "{{.State.Running}} {{.State.Paused}}");
    assert_eq!(state, "true false");
    let found = host.cli(&["run", "--rm", id.trim(), "cat", "/x"]);
    assert_eq!(found.success().text(), "x\n");
    host.cli(&["rm", "-f", &name]).success();
    host.cli(&["rmi", id.trim()]).success();
}

#[test]
fn what_cannot_be_committed_is_said_in_dockers_words() {
    let host = TestHost::start();
    let name = ran(&host, &[], "true");
    let refused = host.cli(&["commit", "-c", "FROM x", &name]).code(1);
    assert_eq!(
        refused.error(),
        "Error response from daemon: FROM is not a valid change command\n"
    );
    let refused = host.cli(&["commit", "nosuch"]).code(1);
    assert_eq!(
        refused.error(),
        "Error response from daemon: No such container: nosuch\n"
    );
    host.cli(&["rm", &name]).success();
}
