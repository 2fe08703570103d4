//! Messages and exit codes that callers match on.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_second_container_of_the_same_id_is_refused_and_the_first_stays() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    let path = bundle.path();
    let said = bundle.run(&["create", "--bundle", path.to_str().unwrap(), &bundle.id]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("container with given ID already exists"),
        "{said:?}"
    );
    assert_eq!(bundle.status(), "created");
}

#[test]
fn a_failed_create_says_why_and_leaves_nothing() {
    let Some(bundle) = Bundle::new(&["nosuch"]) else {
        return;
    };
    let path = bundle.path();
    let create = [
        "create",
        "--bundle",
        path.to_str().unwrap(),
        bundle.id.as_str(),
    ];
    assert!(
        bundle
            .fails(&create)
            .contains("executable file not found in $PATH")
    );
    for (edit, message) in [(json!([]), "args must not be empty"), (json!(["true"]), "")] {
        bundle.change(|spec| spec["process"]["args"] = edit);
        if !message.is_empty() {
            assert!(bundle.fails(&create).contains(message));
        }
    }
    bundle.change(|spec| spec["process"]["cwd"] = json!("tmp"));
    assert!(
        bundle
            .fails(&create)
            .contains("Cwd must be an absolute path")
    );
    bundle.change(|spec| {
        spec["process"]["cwd"] = json!("/");
        spec["linux"]["namespaces"][0]["type"] = json!("uid");
    });
    let message = bundle.fails(&create);
    assert!(message.contains("linux.namespaces[0].type"), "{message}");
    fs::remove_file(path.join("config.json")).unwrap();
    assert!(
        bundle
            .fails(&create)
            .contains("JSON specification file config.json not found")
    );
    assert!(fs::read_dir(bundle.state()).is_ok_and(|mut left| left.next().is_none()));
    assert!(bundle.groups().is_empty());
}

#[test]
fn what_does_not_exist_is_named_and_forced_deletion_of_it_succeeds() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    for command in ["state", "start", "kill", "pause", "delete"] {
        let said = bundle.run(&[command, "ghost"]);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains("container does not exist"), "{said:?}");
    }
    bundle.ok(&["delete", "-force", "ghost"]);
    assert_eq!(bundle.run(&["exec", "ghost", "true"]).code, Some(255));
    assert!(
        bundle
            .fails(&["state", "a/b"])
            .contains("invalid container ID format")
    );
    assert!(
        bundle
            .fails(&["state"])
            .contains("requires exactly 1 argument(s)")
    );
    assert!(
        bundle
            .fails(&["checkpoint", "ghost"])
            .contains("container does not exist")
    );
}

#[test]
fn the_log_is_written_in_json_with_the_message_repeated_on_standard_error() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let log = bundle.path().join("log.json");
    let said = bundle.run(&[
        "--log",
        log.to_str().unwrap(),
        "--log-format",
        "json",
        "state",
        "ghost",
    ]);
    assert_eq!(said.err, "container does not exist\n");
    let line: Value = serde_json::from_str(&fs::read_to_string(log).unwrap()).unwrap();
    assert_eq!(
        (&line["level"], &line["msg"]),
        (&json!("error"), &json!("container does not exist"))
    );
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
}
