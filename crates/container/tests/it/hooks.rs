//! Hooks: in their order, in their namespaces, told the state.

use crate::fixture::Bundle;
use container::Error;
use container::hooks::{Stage, run};
use oci::runtime::{Hook, Hooks};
use std::fs;

fn hook(script: &str) -> Hook {
    Hook {
        path: "/bin/sh".to_owned(),
        args: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec!["PATH=/bin:/usr/bin".to_owned()],
        timeout: Some(5),
    }
}

#[test]
fn hooks_run_in_order_with_the_state_on_standard_input() {
    let mut bundle = Bundle::new();
    let log = bundle.dir.path().join("log");
    let log = log.display();
    let note = |name: &str| {
        hook(&format!(
            "echo {name} $(cat) $(readlink /proc/self/ns/mnt) >> {log}"
        ))
    };
    bundle.spec.hooks = Some(Hooks {
        prestart: vec![note("prestart")],
        create_runtime: vec![note("createRuntime")],
        create_container: vec![note("createContainer")],
        start_container: vec![hook("cat > /startContainer")],
        poststart: vec![note("poststart")],
        poststop: vec![],
    });
    let output = bundle.script("cat /startContainer");
    assert!(output.contains("\"status\":\"created\""), "{output}");
    let text = fs::read_to_string(bundle.dir.path().join("log")).unwrap();
    let names: Vec<&str> = text.lines().map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        ["prestart", "createRuntime", "createContainer"],
        "{text}"
    );
    let host = fs::read_link("/proc/self/ns/mnt").unwrap();
    let inside: Vec<bool> = text
        .lines()
        .map(|line| !line.ends_with(host.to_str().unwrap()))
        .collect();
    assert_eq!(inside, [false, false, true], "{text}");
    for line in text.lines() {
        assert!(line.contains("\"status\":\"creating\""), "{line}");
        assert!(
            line.contains(&format!("\"id\":\"{}\"", bundle.id)),
            "{line}"
        );
        let pid = line.split("\"pid\":").nth(1).unwrap().trim_start();
        assert!(
            pid.starts_with(|c: char| c.is_ascii_digit() && c != '0'),
            "{line}"
        );
    }
}

#[test]
fn a_hook_that_says_much_is_not_stuck() {
    let bundle = Bundle::new();
    let state = bundle.state(1);
    let much = "i=0; while [ $i -lt 3000 ]; do echo said it; echo said it again and again >&2; i=$((i+1)); done; exit 3";
    let error = run(&[hook(much)], Stage::Poststart, &state).unwrap_err();
    let Error::Hook { reason, .. } = error else {
        panic!("{error}");
    };
    assert!(
        reason.starts_with("exit status: 3: said it again"),
        "{reason}"
    );
    assert!(reason.len() < 600, "{reason}");
}

#[test]
fn hooks_find_the_root_at_its_path() {
    let mut bundle = Bundle::new();
    let root = bundle.root();
    let find = format!(
        "grep -q ' {} ' /proc/self/mountinfo && touch {}/found",
        root.display(),
        root.display()
    );
    bundle.spec.hooks = Some(Hooks {
        create_container: vec![hook(&find)],
        ..Hooks::default()
    });
    bundle.script("ls /found");
}

#[test]
fn a_failing_or_slow_hook_fails_the_creation_and_is_named() {
    for (script, expected) in [("echo no >&2; exit 3", "no"), ("sleep 100", "1 s")] {
        let mut bundle = Bundle::new();
        let failing = Hook {
            timeout: Some(1),
            ..hook(script)
        };
        bundle.spec.hooks = Some(Hooks {
            create_runtime: vec![hook("true"), failing.clone()],
            ..Hooks::default()
        });
        let error = bundle.run().unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("error running createRuntime hook #1: \"/bin/sh\""),
            "{text}"
        );
        assert!(text.contains(expected), "{text}");
        bundle.spec.hooks = Some(Hooks {
            create_container: vec![failing],
            ..Hooks::default()
        });
        let error = bundle.run().unwrap_err();
        assert!(
            matches!(&error, Error::Hook { stage: "createContainer", index: 0, reason, .. }
                if reason.contains(expected)),
            "{error:?}"
        );
    }
}

#[test]
fn a_hook_of_the_callers_is_told_the_state() {
    let bundle = Bundle::new();
    let path = bundle.dir.path().join("told");
    let state = bundle.state(4711);
    run(
        &[hook(&format!("cat > {}", path.display()))],
        Stage::Poststop,
        &state,
    )
    .unwrap();
    let told = fs::read_to_string(path).unwrap();
    assert_eq!(told, serde_json::to_string(&state).unwrap());
}

#[test]
fn a_failing_hook_of_the_container_is_told_with_its_place_and_its_words() {
    for stage in ["createContainer", "startContainer"] {
        let mut bundle = Bundle::new();
        let list = vec![hook("exit 0"), hook("echo wrong >&2; exit 3")];
        let mut hooks = Hooks::default();
        match stage {
            "createContainer" => hooks.create_container = list,
            _ => hooks.start_container = list,
        }
        bundle.spec.hooks = Some(hooks);
        let error = bundle.run().unwrap_err().to_string();
        let expected = format!("error running {stage} hook #1: \"/bin/sh\": exit status: 3: wrong");
        assert_eq!(error, expected);
    }
}

#[test]
fn a_hook_before_the_start_has_the_programs_environment_unless_it_has_its_own() {
    let mut bundle = Bundle::new();
    bundle.process().env.push("COLOUR=green".to_owned());
    let mut inherits = hook("test \"$COLOUR\" = green && test -n \"$HOME\"");
    inherits.env.clear();
    bundle.spec.hooks = Some(Hooks {
        create_container: vec![hook("test -d ./proc && test -x ./bin/busybox")],
        start_container: vec![inherits, hook("test -z \"$COLOUR\"")],
        ..Hooks::default()
    });
    bundle.script("true");
}
