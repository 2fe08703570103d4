use super::*;

fn error(text: &str) -> String {
    Spec::from_slice(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_unknown_word_is_an_error_that_names_the_field() {
    let text =
        r#"{"ociVersion": "1.0.2", "linux": {"namespaces": [{"type": "pid"}, {"type": "uid"}]}}"#;
    let message = error(text);
    assert!(
        message.starts_with("linux.namespaces[1].type: unknown variant `uid`"),
        "{message}"
    );
    let text =
        "{\n \"linux\": {\n  \"seccomp\": {\n   \"defaultAction\": \"SCMP_ACT_NOPE\"\n  }\n }\n}";
    let message = error(text);
    assert!(
        message.starts_with("linux.seccomp.defaultAction: "),
        "{message}"
    );
    let message =
        error(r#"{"process": {"rlimits": [{"type": "RLIMIT_X", "hard": 1, "soft": 1}]}}"#);
    assert!(
        message.starts_with("process.rlimits[0].type: "),
        "{message}"
    );
}

#[test]
fn a_value_of_the_wrong_type_names_the_field() {
    let message = error(r#"{"process": {"cwd": "/", "oomScoreAdj": "high"}}"#);
    assert!(message.starts_with("process.oomScoreAdj: "), "{message}");
    let message = error(r#"{"linux": {"resources": {"memory": {"limit": 1.5}}}}"#);
    assert!(
        message.starts_with("linux.resources.memory.limit: "),
        "{message}"
    );
}

#[test]
fn null_and_missing_read_as_the_default_and_unknown_fields_are_ignored() {
    let text = r#"{"ociVersion":"1.0.2","process":null,"mounts":null,"hooks":{"prestart":null},
        "linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":null}},"futureField":{"a":[1]}}"#;
    let spec = Spec::from_slice(text.as_bytes()).unwrap();
    assert_eq!(spec.process, None);
    assert!(spec.mounts.is_empty());
    assert_eq!(spec.hooks, Some(Hooks::default()));
    let linux = spec.linux.unwrap();
    assert!(linux.seccomp.unwrap().syscalls.is_empty());
}

#[test]
fn names_of_fields_are_read_in_any_case_and_those_of_maps_as_they_are() {
    let text = r#"{"OCIVersion":"1.3.0","root":{"path":"r","ReadOnly":true},
        "process":{"cwd":"/","USER":{"UID":7}},
        "annotations":{"Path":"a","path":"b"},
        "linux":{"resources":{"hugepagelimits":[{"pagesize":"2MB","LIMIT":9}]},
            "sysctl":{"Net.X":"1"},"netdevices":{"Eth0":{"NAME":"e"}}}}"#;
    let spec = Spec::from_slice(text.as_bytes()).unwrap();
    assert_eq!(spec.oci_version, "1.3.0");
    assert!(spec.root.unwrap().readonly);
    assert_eq!(spec.process.unwrap().user.uid, 7);
    assert_eq!(spec.annotations["Path"], "a");
    assert_eq!(spec.annotations["path"], "b");
    let linux = spec.linux.unwrap();
    assert_eq!(linux.sysctl["Net.X"], "1");
    assert_eq!(linux.net_devices["Eth0"].name, "e");
    let limit = &linux.resources.unwrap().hugepage_limits[0];
    assert_eq!((limit.page_size.as_str(), limit.limit), ("2MB", 9));
}

#[test]
fn fields_given_twice_are_merged_and_the_last_value_counts() {
    let text = r#"{"ociVersion":"1.3.0","root":{"path":"r","Path":"s","path":null},
        "annotations":{"Path":"a","path":"b","path":"c"},
        "linux":{"namespaces":[{"type":"pid"},{"type":"user"}],"Namespaces":[{"type":"uts"}],
            "resources":{"cpu":{"shares":2,"quota":5},"CPU":{"Cpus":"0","Shares":3}}}}"#;
    let spec = Spec::from_slice(text.as_bytes()).unwrap();
    assert_eq!(spec.root.unwrap().path, "s");
    assert_eq!(spec.annotations["Path"], "a");
    assert_eq!(spec.annotations["path"], "c");
    let linux = spec.linux.unwrap();
    assert_eq!(linux.namespaces.len(), 1);
    let cpu = linux.resources.unwrap().cpu.unwrap();
    assert_eq!((cpu.shares, cpu.quota, &*cpu.cpus), (Some(3), Some(5), "0"));
    let refused = error(r#"{"root":{"path":"r","Path":7}}"#);
    assert!(refused.contains("expected a string"), "{refused}");
    error(r#"{"root":{"path":"r","Path":"s"}}}"#);
}

#[test]
fn a_full_document_is_written_as_it_was_read() {
    let text = include_str!("tests/full.json");
    let read: serde_json::Value = serde_json::from_str(text).unwrap();
    let spec = Spec::from_slice(text.as_bytes()).unwrap();
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(written, read);
}

#[test]
fn an_empty_document_writes_only_its_version() {
    let spec = Spec {
        oci_version: VERSION.to_owned(),
        ..Spec::default()
    };
    assert_eq!(
        serde_json::to_string(&spec).unwrap(),
        r#"{"ociVersion":"1.3.0"}"#
    );
}
