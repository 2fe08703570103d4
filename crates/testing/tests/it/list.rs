//! `ps`: containers and their filters.

use crate::{Running, unique};
use testing::TestHost;

#[test]
fn the_table_has_dockers_columns() {
    let host = TestHost::start();
    let name = unique("listed");
    let one = Running::new(&host, &["--name", &name, "busybox", "sleep", "600"]);
    let text = host
        .cli(&["ps", "--filter", &format!("name={name}")])
        .success()
        .text();
    let mut lines = text.lines();
    assert_eq!(
        lines
            .next()
            .unwrap()
            .split("   ")
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>(),
        [
            "CONTAINER ID",
            "IMAGE",
            "COMMAND",
            "CREATED",
            "STATUS",
            "PORTS",
            "NAMES"
        ]
    );
    let line = lines.next().unwrap();
    assert!(line.starts_with(&one.id[..12]), "{line}");
    for word in ["busybox", "\"sleep 600\"", "ago", "Up ", name.as_str()] {
        assert!(line.contains(word), "{word}: {line}");
    }
}

#[test]
fn only_running_containers_are_shown_without_all() {
    let host = TestHost::start();
    let label = format!("test={}", unique("label"));
    let filter = format!("label={label}");
    let up = Running::new(&host, &["--label", &label, "busybox", "sleep", "600"]);
    let down = Running::new(&host, &["--label", &label, "busybox", "true"]);
    host.cli(&["wait", &down.id]).success();
    let ps = |args: &[&str]| {
        let args: Vec<_> = ["ps", "-q", "--no-trunc", "--filter", &filter]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let text = host.cli(&args).success().text();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ps(&[]), [up.id.as_str()]);
    assert_eq!(
        ps(&["-a"]),
        [down.id.clone(), up.id.clone()],
        "the newest first"
    );
    assert_eq!(ps(&["--filter", "status=exited"]), [down.id.as_str()]);
    assert_eq!(ps(&["-a", "--filter", "exited=0"]), [down.id.as_str()]);
    assert_eq!(ps(&["-n", "1"]).len(), 1);
}

#[test]
fn json_and_templates_give_the_same_rows() {
    let host = TestHost::start();
    let name = unique("rows");
    let _one = Running::new(
        &host,
        &["--name", &name, "-l", "a=b", "busybox", "sleep", "600"],
    );
    let filter = format!("name={name}");
    let text = host
        .cli(&["ps", "--filter", &filter, "--format", "json"])
        .success()
        .text();
    let row: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(row["Names"], name.as_str());
    assert_eq!(row["State"], "running");
    assert_eq!(row["Image"], "busybox");
    let text = host
        .cli(&[
            "ps",
            "--filter",
            &filter,
            "--format",
            r#"{{.Names}} {{.Label "a"}}"#,
        ])
        .success()
        .text();
    assert_eq!(text, format!("{name} b\n"));
    let text = host
        .cli(&[
            "ps",
            "--filter",
            &filter,
            "--format",
            "table {{.Names}}\t{{.State}}",
        ])
        .success()
        .text();
    assert!(text.starts_with("NAMES"), "{text}");
    assert!(text.contains("STATE\n"), "{text}");
}

#[test]
fn an_exited_container_shows_its_code() {
    let host = TestHost::start();
    let name = unique("exited");
    let one = Running::new(&host, &["--name", &name, "busybox", "sh", "-c", "exit 3"]);
    host.cli(&["wait", &one.id]).success();
    let text = host
        .cli(&[
            "ps",
            "-a",
            "--filter",
            &format!("name={name}"),
            "--format",
            "{{.Status}}",
        ])
        .success()
        .text();
    assert!(text.starts_with("Exited (3) "), "{text}");
    assert!(text.ends_with(" ago\n"), "{text}");
}

#[test]
fn a_wrong_filter_is_refused() {
    let host = TestHost::start();
    host.cli(&["ps", "--filter", "nonsense=x"]).code(1);
    host.cli(&["ps", "--filter", "nonsense"]).code(125);
}

#[test]
fn names_are_filtered_by_regular_expressions() {
    let host = TestHost::start();
    let base = unique("named");
    let [one, two] = ["one", "two"].map(|end| format!("{base}-{end}"));
    let _running =
        [&one, &two].map(|name| Running::new(&host, &["--name", name, "busybox", "sleep", "600"]));
    host.cli(&["volume", "create", &one]).success();
    host.cli(&["network", "create", &one]).success();
    let names = |kind: &[&str], pattern: &str| {
        let filter = format!("name={pattern}");
        let args = [kind, &["--format", "{{.Name}}", "--filter", &filter]].concat();
        let text = host.cli(&args).success().text();
        let mut names: Vec<_> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let ps = |pattern: &str| {
        let filter = format!("name={pattern}");
        let args = ["ps", "--format", "{{.Names}}", "--filter", &filter];
        let text = host.cli(&args).success().text();
        let mut names: Vec<_> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    for (pattern, found) in [
        (format!("^/?{one}$"), vec![&one]),
        (format!("^/{base}"), vec![&one, &two]),
        (format!("{base}-(one|two)"), vec![&one, &two]),
        (format!("{base}.t.o"), vec![&two]),
        (format!("^{base}$"), vec![]),
        // This is no expression.
        (format!("{base}("), vec![]),
    ] {
        assert_eq!(ps(&pattern).iter().collect::<Vec<_>>(), found, "{pattern}");
    }
    for kind in [&["volume", "ls"][..], &["network", "ls"]] {
        assert_eq!(names(kind, &format!("{base}-(one|x)$")), [one.as_str()]);
        assert!(names(kind, &format!("^{base}$")).is_empty());
    }
    host.cli(&["volume", "rm", &one]).success();
    host.cli(&["network", "rm", &one]).success();
}

#[test]
fn containers_are_chosen_by_their_image_whatever_it_is_called_and_what_it_was_made_of() {
    let host = TestHost::start();
    let made = |name: &str, image: &str| {
        host.cli(&["create", "--name", name, image, "true"])
            .success();
    };
    made("plain", "busybox");
    host.cli(&["tag", "busybox", "other:1"]).success();
    host.cli(&["commit", "plain", "child"]).success();
    made("of-child", "child");
    let chosen = |image: &str| {
        let ancestor = format!("ancestor={image}");
        let format = ["--format", "{{.Names}}"];
        let ran = host.cli(&[&["ps", "-a", "-f", &ancestor], &format[..]].concat());
        let text = ran.success().text();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let id = host.cli(&["image", "inspect", "-f", "{{.Id}}", "busybox"]);
    let id = id.success().text().trim().to_owned();
    let short = id.trim_start_matches("sha256:").split_at(12).0;
    for image in ["busybox", "busybox:latest", "other:1", &id, short] {
        assert_eq!(chosen(image), ["of-child", "plain"], "{image}");
    }
    assert_eq!(chosen("child"), ["of-child"]);
    assert!(chosen("nosuch").is_empty());
    // The name is another image's now.
    host.cli(&["tag", "child", "other:1"]).success();
    assert_eq!(chosen("other:1"), ["of-child"]);
}
