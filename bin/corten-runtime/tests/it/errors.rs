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
    bundle.change(|spec| spec["ociVersion"] = json!("2.0.0"));
    assert!(bundle.fails(&create).contains("ociVersion"));
    bundle.change(|spec| {
        spec["ociVersion"] = json!("1.0.2-dev");
        spec["process"]["cwd"] = json!("tmp");
    });
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

/// CVE-2024-40635, CVE-2026-30892: a number that wraps around, or a wrong text, became root.
#[test]
fn a_user_that_is_no_number_of_one_is_refused() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    let create = ["create", "-b", path.to_str().unwrap(), &bundle.id];
    for number in [json!(4_294_967_296_u64), json!(-1), json!("1"), json!(1.5)] {
        bundle.change(|spec| spec["process"]["user"]["uid"] = number);
        assert!(bundle.fails(&create).contains("process.user.uid"));
    }
    bundle.change(|spec| spec["process"]["user"]["uid"] = json!(0));
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    for user in [
        "4294967296",
        "18446744073709551616",
        "-1",
        "0x1",
        "one",
        "1:4294967296",
        "1:-1",
        "1:2:3",
        ":1",
        "1:",
    ] {
        let said = bundle.fails(&["exec", "--user", user, &bundle.id, "id"]);
        assert!(said.contains("bad "), "{user}: {said}");
    }
    let said = bundle.ok(&["exec", "--user", "1:2", &bundle.id, "id"]);
    assert!(said.starts_with("uid=1 gid=2"), "{said}");
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
fn what_is_done_is_logged_if_it_is_asked_for() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    bundle.create();
    let log = bundle.path().join("log").display().to_string();
    let list = ["--log", &log, "list"];
    bundle.ok(&list);
    assert!(!fs::read_to_string(&log).unwrap().contains("level=debug"));
    bundle.ok(&[&["--debug"], &list[..]].concat());
    let lines = fs::read_to_string(&log).unwrap();
    assert!(lines.contains("level=debug"), "{lines}");
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

#[test]
fn in_runcs_place_it_speaks_of_itself_as_runc() {
    let Some(bundle) = Bundle::new(&["nosuch"]) else {
        return;
    };
    let called = bundle.path().join("runc");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_corten-runtime"), &called).unwrap();
    let said = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&called);
        command.current_dir(bundle.path()).args(arguments);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    assert!(said(&["run", &bundle.id]).contains(
        r#"msg="runc run failed: unable to start container process: error during container init: exec: \"nosuch\""#
    ));
    assert!(said(&["--help"]).contains("runc - Open Container Initiative runtime"));
    assert!(said(&["spec", "--help"]).contains("   runc spec - "));
    let version = said(&["--version"]);
    let lines: Vec<&str> = version.lines().collect();
    let begins = ["runc version ", "commit: ", "spec: 1."];
    assert_eq!(lines.len(), begins.len(), "{version}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(
            line.starts_with(begin) && line.len() > begin.len(),
            "{version}"
        );
    }
}

#[test]
fn a_program_that_the_kernel_refuses_was_started_and_says_so_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    let of = ["--bundle", path.to_str().unwrap(), &bundle.id];
    let programs = [
        ("script", "#!/nosuch\n", "no such file or directory"),
        ("other", "of another machine", "exec format error"),
    ];
    for (name, content, why) in programs {
        let file = path.join("rootfs/bin").join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let words = format!("exec /bin/{name}: {why}\n");
        bundle.ok(&[&["run", "--detach"], &of[..]].concat());
        let said = bundle.run(&["exec", &bundle.id, name]);
        assert_eq!((said.code, &*said.err), (Some(255), &*words));
        bundle.ok(&["delete", "--force", &bundle.id]);
        bundle.change(|spec| spec["process"]["args"] = json!([name]));
        let said = bundle.run(&[&["run"], &of[..]].concat());
        assert_eq!((said.code, &*said.err), (Some(255), &*words));
        bundle.create();
        let said = bundle.run(&["start", &bundle.id]);
        assert_eq!((said.code, &*said.err), (Some(0), ""));
        bundle.wait_for("stopped");
        bundle.ok(&["delete", &bundle.id]);
        bundle.change(|spec| spec["process"]["args"] = json!(["sleep", "100"]));
    }
}

#[test]
fn a_command_that_cannot_be_is_told_in_runcs_words() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    fs::write(bundle.path().join("rootfs/etc/file"), "").unwrap();
    let path = bundle.path();
    for (command, words) in [
        (
            "nosuch",
            r#"exec: \"nosuch\": executable file not found in $PATH""#,
        ),
        (
            "/nosuch",
            r#"exec: \"/nosuch\": stat /nosuch: no such file or directory""#,
        ),
        (
            "/etc/file/x",
            r#"exec: \"/etc/file/x\": stat /etc/file/x: not a directory""#,
        ),
        ("/etc/file", r#"exec: \"/etc/file\": permission denied""#),
    ] {
        bundle.change(|spec| spec["process"]["args"] = json!([command]));
        let said = bundle.fails(&["run", "--bundle", path.to_str().unwrap(), &bundle.id]);
        assert!(said.trim_end().ends_with(words), "{said}");
    }
}

#[test]
fn a_memory_policy_that_cannot_be_is_told_in_runcs_words() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let path = bundle.path();
    for (policy, words) in [
        (json!({}), "invalid memory policy mode"),
        (json!({"nodes": "0-7"}), "invalid memory policy mode"),
        (
            json!({"mode": "INTERLEAVE", "nodes": "0"}),
            "invalid memory policy mode",
        ),
        (
            json!({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["bad"]}),
            "invalid memory policy flag",
        ),
        (
            json!({"mode": "MPOL_DEFAULT", "nodes": "0-7"}),
            "mode requires 0 nodes but got 8",
        ),
        (
            json!({"mode": "MPOL_BIND"}),
            "mode requires at least one node but got 0",
        ),
        (
            json!({"mode": "MPOL_BIND", "nodes": "0-9876543210"}),
            "invalid memory policy nodes",
        ),
    ] {
        bundle.change(|spec| spec["linux"]["memoryPolicy"] = policy);
        let said = bundle.fails(&["run", "--bundle", path.to_str().unwrap(), &bundle.id]);
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_group_to_execute_in_that_is_not_there_is_told_in_runcs_words() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    bundle.ok(&["run", "-d", "--bundle", path.to_str().unwrap(), &bundle.id]);
    let said = bundle.fails(&["exec", "--cgroup", "nonexistent", &bundle.id, "true"]);
    let (_, after) = said.split_once("error adding pid ").unwrap();
    assert!(
        after.contains("nonexistent: no such file or directory"),
        "{said}"
    );
    let said = bundle.fails(&["exec", "--cgroup", "whaaat:/", &bundle.id, "true"]);
    assert!(said.contains("unknown controller "), "{said}");
    bundle.ok(&["exec", "--cgroup", "/", &bundle.id, "true"]);
}
