//! Links: containers under names that only the one who links them knows.

use testing::TestHost;

/// A server with ports and variables, `db` on the default bridge.
fn server(host: &TestHost) -> String {
    host.run_detached(&[
        "--name",
        "db",
        "--hostname",
        "store",
        "--expose",
        "80",
        "--expose",
        "81",
        "-e",
        "KEY=a b",
        "busybox",
        "sleep",
        "600",
    ])
}

fn hosts_lines(host: &TestHost, container: &str) -> Vec<String> {
    let read = host.cli(&["exec", container, "cat", "/etc/hosts"]);
    let text = read.success().text();
    let lines = text.lines().filter(|line| line.contains(" store"));
    lines.map(str::to_owned).collect()
}

fn address(host: &TestHost, container: &str) -> String {
    host.inspect(container, "{{.NetworkSettings.Networks.bridge.IPAddress}}")
}

#[test]
fn a_linked_container_is_in_the_files_and_the_environment() {
    let host = TestHost::start();
    server(&host);
    let own = address(&host, "db");
    let more = ["--name", "web", "--link", "db:d-b", "--link", "db"];
    host.run_detached(&[&more[..], &["busybox", "sleep", "600"]].concat());
    let expected = [format!("{own}\td-b store db"), format!("{own}\tdb store")];
    assert_eq!(hosts_lines(&host, "web"), expected);
    let env = host.cli(&["exec", "web", "env"]).success().text();
    for line in [
        format!("D_B_PORT=tcp://{own}:80"),
        format!("D_B_PORT_80_TCP_ADDR={own}"),
        "D_B_PORT_80_TCP_PORT_END=81".to_owned(),
        "D_B_NAME=/web/d-b".to_owned(),
        "D_B_ENV_KEY=a b".to_owned(),
        "DB_NAME=/web/db".to_owned(),
    ] {
        assert!(env.lines().any(|found| found == line), "{line} in {env}");
    }
    let links = host.inspect("web", "{{json .HostConfig.Links}}");
    assert_eq!(links, r#"["/db:/web/d-b","/db:/web/db"]"#);
    let listed = host.cli(&["ps", "--no-trunc", "--format", "{{.Names}}"]);
    assert_eq!(listed.success().text(), "web\ndb,web/d-b,web/db\n");
    let listed = host.cli(&["ps", "--format", "{{.Names}}"]);
    assert_eq!(listed.success().text(), "web\ndb\n");
    assert_eq!(host.inspect("web/d-b", "{{.Name}}"), "/db");
}

#[test]
fn links_follow_the_container_that_they_lead_to() {
    let mut host = TestHost::start();
    server(&host);
    let more = ["--name", "web", "--link", "db:d", "--link", "db:e"];
    host.run_detached(&[&more[..], &["busybox", "sleep", "600"]].concat());
    // Another one takes its address meanwhile.
    let before = address(&host, "db");
    host.cli(&["stop", "-t", "0", "db"]).success();
    host.kill_daemon();
    host.start_daemon();
    let other = host.run_detached(&["busybox", "sleep", "600"]);
    assert_eq!(address(&host, &other), before);
    host.cli(&["start", "db"]).success();
    let after = address(&host, "db");
    assert_ne!(before, after);
    let expected = [
        format!("{after}\td store db"),
        format!("{after}\te store db"),
    ];
    assert_eq!(hosts_lines(&host, "web"), expected);

    host.cli(&["rm", "--link", "web/d"]).success();
    assert_eq!(hosts_lines(&host, "web"), expected[1..]);
    let links = host.inspect("web", "{{json .HostConfig.Links}}");
    assert_eq!(links, r#"["/db:/web/e"]"#);
    let gone = host.cli(&["rm", "--link", "web/d"]).code(1);
    assert!(
        gone.error().contains("No such container: web/d"),
        "{}",
        gone.error()
    );
    let own = host.cli(&["rm", "--link", "web"]).code(1);
    let words = "Conflict, cannot remove the default link name of the container";
    assert!(own.error().contains(words), "{}", own.error());

    host.cli(&["rename", "db", "data"]).success();
    let links = host.inspect("web", "{{json .HostConfig.Links}}");
    assert_eq!(links, r#"["/data:/web/e"]"#);
    host.cli(&["rm", "-f", "data"]).success();
    let refused = host.cli(&["restart", "-t", "0", "web"]).code(1);
    let words = "Cannot link to a non running container: /db AS /web/e";
    assert!(refused.error().contains(words), "{}", refused.error());
}

#[test]
fn links_that_cannot_be_are_refused_in_dockers_words() {
    let host = TestHost::start();
    host.cli(&["network", "create", "front"]).success();
    let run = |name: &str, network: &str| {
        host.run_detached(&[
            "--name",
            name,
            "--network",
            network,
            "busybox",
            "sleep",
            "600",
        ])
    };
    run("shared", "host");
    let far = run("far", "front");
    run("near", "bridge");
    let undefined = "This would result in undefined behavior";
    for (flags, words) in [
        (
            &["--link", "nobody:x"][..],
            "could not get container for nobody: No such container: nobody".to_owned(),
        ),
        (
            &["--link", "shared:x"],
            format!(
                "conflicting options: host type networking can't be used with links. {undefined}"
            ),
        ),
        (
            &["--network", "host", "--link", "near:x"],
            format!(
                "conflicting options: host type networking can't be used with links. {undefined}"
            ),
        ),
        (
            &["--network", "container:near", "--link", "near:x"],
            format!(
                "conflicting options: container type network can't be used with links. {undefined}"
            ),
        ),
        (
            &["--link", "far:x"],
            format!("container {far} not attached to default bridge network"),
        ),
    ] {
        let mut args = vec!["run", "--rm"];
        args.extend(flags);
        args.extend(["busybox", "true"]);
        let error = host.cli(&args).code(125).error();
        assert!(error.contains(&words), "{words} in {error}");
    }
}

#[test]
fn in_a_network_a_link_is_a_name_that_one_container_knows() {
    let host = TestHost::start();
    host.cli(&["network", "create", "front"]).success();
    let run = |name: &str, more: &[&str]| {
        let args = [&["--name", name][..], more, &["busybox", "sleep", "600"]].concat();
        host.run_detached(&args)
    };
    run("db", &["--network", "front"]);
    run("web", &["--network", "front", "--link", "db:store"]);
    run("late", &[]);
    host.cli(&["network", "connect", "--link", "db:kept", "front", "late"])
        .success();
    let own = host.inspect("db", "{{.NetworkSettings.Networks.front.IPAddress}}");
    let found = |who: &str, name: &str| {
        let asked = host.cli(&["exec", who, "nslookup", name, "127.0.0.11"]);
        asked.text().contains(&format!("Address: {own}"))
    };
    assert!(found("web", "store"));
    assert!(found("late", "kept"));
    assert!(!found("late", "store"), "it is the other's word");
    assert!(!found("db", "store"));
    let shown = "{{json .HostConfig.Links}} {{json .NetworkSettings.Networks.front.Links}}";
    assert_eq!(host.inspect("web", shown), r#"null ["db:store"]"#);
    let bad = r#"{"Container":"db","EndpointConfig":{"Links":["a:b:c"]}}"#;
    let refused = host.http("POST", "/networks/front/connect", Some(bad));
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("bad format for links: a:b:c"));
}
