//! `inspect`: documents and templates.

use crate::Running;
use testing::TestHost;

#[test]
fn the_document_is_an_array_of_dockers_form() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let text = host.cli(&["inspect", &one.id]).success().text();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let found = &document[0];
    assert_eq!(found["Id"], one.id.as_str());
    assert_eq!(found["State"]["Status"], "running");
    assert_eq!(found["Config"]["Image"], "busybox");
    assert_eq!(found["Path"], "sleep");
    for key in [
        "HostConfig",
        "NetworkSettings",
        "Mounts",
        "Created",
        "Image",
        "Name",
        "LogPath",
        "GraphDriver",
    ] {
        assert!(!found[key].is_null(), "{key}");
    }
}

#[test]
fn a_container_is_found_by_id_prefix_and_name() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let name = host.inspect(&one.id, "{{.Name}}");
    assert!(name.starts_with('/'), "{name}");
    for by in [&one.id[..12], &one.id[..20], name.trim_start_matches('/')] {
        assert_eq!(host.inspect(by, "{{.Id}}"), one.id);
    }
}

#[test]
fn the_type_chooses_what_is_looked_for() {
    let host = TestHost::start();
    host.cli(&["inspect", "--type", "image", "busybox"])
        .success();
    host.cli(&["inspect", "--type", "container", "busybox"])
        .code(1);
    host.cli(&["inspect", "--type", "nonsense", "busybox"])
        .code(1);
}

#[test]
fn a_wrong_template_is_explained() {
    let host = TestHost::start();
    let ran = host.cli(&["inspect", "--format", "{{.Id", "busybox"]);
    assert_ne!(ran.code, 0);
    assert!(ran.error().contains("template parsing error"), "{ran}");
}

#[test]
fn who_is_not_confined_is_shown_without_a_label() {
    let host = TestHost::start();
    for (options, shown) in [
        (&["--privileged"][..], r#"["label=disable"]"#),
        (&["--pid", "host"], r#"["label=disable"]"#),
        (&["--ipc", "host"], r#"["label=disable"]"#),
        (
            &["--privileged", "--security-opt", "no-new-privileges"],
            r#"["no-new-privileges","label=disable"]"#,
        ),
        (
            &["--privileged", "--security-opt", "label=user:x"],
            r#"["label=user:x"]"#,
        ),
        (&[], "null"),
    ] {
        let create = [&["create", "--name", "it"], options, &["busybox"]].concat();
        host.cli(&create).success();
        assert_eq!(
            host.inspect("it", "{{json .HostConfig.SecurityOpt}}"),
            shown
        );
        host.cli(&["rm", "it"]).success();
    }
}
