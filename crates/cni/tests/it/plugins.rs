//! Plugins of every kind of behaviour.

use crate::hosts::isolated;
use crate::pods::{Host, attachment, network};
use cni::{Attachment, Code, Error, Limits, Network};
use serde_json::{Value, json};
use std::time::Duration;

const ALL: &[&str] = &["0.3.1", "0.4.0", "1.0.0", "1.1.0"];

fn chain(version: &str, plugins: &[&str]) -> Network {
    let plugins: Vec<_> = plugins.iter().map(|kind| json!({ "type": kind })).collect();
    network(json!({ "cniVersion": version, "name": "net", "plugins": plugins }))
}

/// A pod that no plugin of these tests looks at.
fn pod() -> Attachment {
    attachment("pod", "/run/netns/none")
}

#[test]
fn a_plugin_is_told_all_of_it_and_nothing_else() {
    if !isolated("plugins::a_plugin_is_told_all_of_it_and_nothing_else") {
        return;
    }
    let host = Host::new();
    let script = r#"cat > $DIR/$CNI_COMMAND.in; env | grep -v '^\(PWD\|_\|SHLVL\|OLDPWD\)=' | sort > $DIR/$CNI_COMMAND.env
[ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24","gateway":"10.0.0.1"}}'; exit 0"#;
    host.speaking("teller", ALL, script);
    let network = network(json!({
        "cniVersion": "1.1.0",
        "name": "net",
        "plugins": [{"type": "teller", "own": [1], "capabilities": {"mac": true, "dns": true, "bandwidth": false}}],
    }));
    let mut attachment = pod();
    attachment.args = vec![
        ("K8S_POD_NAME".into(), "web=1".into()),
        ("B".into(), "2".into()),
    ];
    attachment.capabilities.mac = Some("02:00:00:00:00:09".into());
    attachment.capabilities.aliases = vec!["db".into()];
    let made = host
        .runtime()
        .add(&network, &attachment)
        .expect("it is added");
    assert_eq!(made.ips[0].address, "10.0.0.2/24");
    let told: Value = serde_json::from_str(&host.told("ADD.in")).expect("JSON");
    let own = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "teller", "own": [1],
        "capabilities": {"mac": true, "dns": true, "bandwidth": false},
        "runtimeConfig": {"mac": "02:00:00:00:00:09"},
    });
    assert_eq!(told, own);
    let bin = host.path("bin").display().to_string();
    let environment = format!(
        "CNI_ARGS=K8S_POD_NAME=web=1;B=2\nCNI_COMMAND=ADD\nCNI_CONTAINERID=pod\nCNI_IFNAME=eth0\nCNI_NETNS=/run/netns/none\nCNI_PATH={bin}:/usr/lib/cni\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    );
    assert_eq!(host.told("ADD.env"), environment);

    // By its name alone it is deleted as it was added.
    let gone = Attachment {
        netns: String::new(),
        ..pod()
    };
    host.runtime().delete(&network, &gone).expect("it goes");
    let mut told: Value = serde_json::from_str(&host.told("DEL.in")).expect("JSON");
    let previous = told
        .as_object_mut()
        .expect("an object")
        .remove("prevResult");
    let result =
        json!({"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1"}]});
    assert_eq!((told, previous), (own, Some(result)));
    let expected = environment
        .replace("CNI_COMMAND=ADD", "CNI_COMMAND=DEL")
        .replace("/run/netns/none", "");
    assert_eq!(host.told("DEL.env"), expected);
}

#[test]
fn errors_keep_their_codes() {
    if !isolated("plugins::errors_keep_their_codes") {
        return;
    }
    let host = Host::new();
    let script = r#"cat > /dev/null; [ $CNI_COMMAND = DEL ] && exit 0
echo "{\"cniVersion\":\"1.0.0\",\"code\":$(cat $DIR/code),\"msg\":\"told so\"}"; exit 1"#;
    host.speaking("refusing", ALL, script);
    for code in [1, 2, 3, 4, 5, 6, 7, 11, 100, 999] {
        std::fs::write(host.path("code"), code.to_string()).expect("a code");
        let error = host.runtime().add(&chain("1.0.0", &["refusing"]), &pod());
        let error = error.expect_err("it fails");
        assert_eq!(error.code(), Some(Code(code)));
        assert_eq!(
            error.to_string(),
            format!("network plugin refusing failed to ADD (code {code}): told so")
        );
        assert_eq!(host.kept(), [""; 0], "{code}");
    }
    for code in [50, 51] {
        std::fs::write(host.path("code"), code.to_string()).expect("a code");
        let status = host.runtime().status(&chain("1.1.0", &["refusing"]));
        assert_eq!(status.expect_err("it fails").code(), Some(Code(code)));
        let before = host.runtime().status(&chain("1.0.0", &["refusing"]));
        before.expect("1.0 has no STATUS");
    }
}

#[test]
fn plugins_that_misbehave_are_named_and_leave_nothing() {
    if !isolated("plugins::plugins_that_misbehave_are_named_and_leave_nothing") {
        return;
    }
    let host = Host::new();
    let limits = Limits {
        time: Duration::from_secs(2),
        output: 64 * 1024,
    };
    let behaviours = [
        (
            "hanging",
            "sleep 1000 & echo $! > $DIR/child; wait",
            "was killed: ADD had not ended after 2 s",
        ),
        (
            "mumbling",
            "echo hello",
            "broke the protocol at ADD: it wrote no JSON (expected value at line 1 column 1): \"hello\\n\"",
        ),
        (
            "silent",
            "exit 0",
            "it wrote no JSON (EOF while parsing a value at line 1 column 0): \"\"",
        ),
        (
            "shouting",
            "yes",
            "it wrote more than 65536 bytes and was killed",
        ),
        (
            "dying",
            "kill -SEGV $$",
            "it ended with signal: 11 (SIGSEGV) (core dumped) and said nothing",
        ),
        (
            "complaining",
            "echo too bad >&2; exit 3",
            "it ended with exit status: 3: too bad",
        ),
        (
            "inventing",
            r#"echo '{"cniVersion":"9.0.0"}'"#,
            "the result has the unknown cniVersion \"9.0.0\"",
        ),
        (
            "vague",
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"here"}]}'"#,
            "the result has the address \"here\"",
        ),
    ];
    for (name, script, expected) in behaviours {
        let script = format!("cat > /dev/null; [ $CNI_COMMAND = DEL ] && exit 0\n{script}");
        host.speaking(name, ALL, &script);
        let error = host
            .runtime_with(limits)
            .add(&chain("1.0.0", &[name]), &pod());
        let error = error.expect_err(name).to_string();
        let error = error.replace(" (core dumped)", "");
        let expected = expected.replace(" (core dumped)", "");
        assert!(
            error.contains(&format!("network plugin {name} ")),
            "{error}"
        );
        assert!(error.ends_with(&expected), "{error}");
        assert_eq!(host.kept(), [""; 0], "{name}");
    }
    let child = host.told("child");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
    assert!(
        state.is_err() || state.as_ref().is_ok_and(|stat| stat.contains(") Z ")),
        "its own children are killed with it: {state:?}"
    );
}

#[test]
fn a_large_configuration_reaches_a_plugin_that_does_not_read_it() {
    if !isolated("plugins::a_large_configuration_reaches_a_plugin_that_does_not_read_it") {
        return;
    }
    let host = Host::new();
    let answer = r#"echo '{"cniVersion":"1.0.0"}'"#;
    host.speaking("deaf", ALL, answer);
    host.speaking("reading", ALL, &format!("wc -c > $DIR/length; {answer}"));
    let padding = "x".repeat(1 << 20);
    let network = network(json!({
        "cniVersion": "1.0.0",
        "name": "net",
        "plugins": [{"type": "deaf", "padding": padding}, {"type": "reading", "padding": padding}],
    }));
    host.runtime().add(&network, &pod()).expect("it is added");
    let length: usize = host.told("length").trim().parse().expect("a number");
    assert!(length > 1 << 20);
    host.runtime().delete(&network, &pod()).expect("it goes");
}

#[test]
fn the_newest_version_that_all_plugins_speak_is_spoken() {
    if !isolated("plugins::the_newest_version_that_all_plugins_speak_is_spoken") {
        return;
    }
    let host = Host::new();
    let script = r#"cat > $DIR/in; echo '{"cniVersion":"0.4.0"}'"#;
    host.speaking("new", ALL, script);
    host.speaking("old", &["0.3.1", "0.4.0"], script);
    host.plugin(
        "first",
        r#"echo '{"code":4,"msg":"unknown CNI_COMMAND: VERSION"}'; exit 1"#,
    );
    let of = |plugins: &[&str]| {
        let plugins: Vec<_> = plugins.iter().map(|kind| json!({ "type": kind })).collect();
        network(
            json!({ "cniVersion": "0.4.0", "cniVersions": ["1.0.0", "1.1.0"], "name": "net", "plugins": plugins }),
        )
    };
    let runtime = host.runtime();
    let version = |plugins: &[&str]| runtime.validate(&of(plugins)).map(|version| version.name());
    assert_eq!(version(&["new"]).ok(), Some("1.1.0"));
    assert_eq!(version(&["new", "old"]).ok(), Some("0.4.0"));
    let error = version(&["new", "first"]).expect_err("it is too old");
    assert_eq!(
        error.to_string(),
        "network plugin first speaks none of the CNI versions 1.1.0, 1.0.0, 0.4.0 of network net"
    );
    runtime
        .add(&of(&["new", "old"]), &pod())
        .expect("it is added");
    let told: Value = serde_json::from_str(&host.told("in")).expect("JSON");
    assert_eq!(told["cniVersion"], "0.4.0");
    assert_eq!(told["prevResult"]["cniVersion"], "0.4.0");
    // One that is replaced is asked again.
    host.speaking("new", &["1.0.0"], script);
    assert_eq!(version(&["new"]).ok(), Some("1.0.0"));
}

#[test]
fn a_missing_plugin_is_named_before_anything_is_made() {
    if !isolated("plugins::a_missing_plugin_is_named_before_anything_is_made") {
        return;
    }
    let host = Host::new();
    host.speaking("first", ALL, "touch $DIR/called; echo '{}'");
    let error = host
        .runtime()
        .add(&chain("1.0.0", &["first", "missing"]), &pod());
    let error = error.expect_err("it fails");
    let bin = host.path("bin").display().to_string();
    assert_eq!(
        error.to_string(),
        format!("there is no network plugin \"missing\" in {bin}:/usr/lib/cni")
    );
    assert!(!host.path("called").exists());
    assert_eq!(host.kept(), [""; 0]);
    let status = host.runtime().status(&chain("1.0.0", &["missing"]));
    assert!(matches!(status, Err(Error::NoPlugin { .. })));
}

#[test]
fn plugins_collect_and_an_addition_that_cannot_be_undone_says_so() {
    if !isolated("plugins::plugins_collect_and_an_addition_that_cannot_be_undone_says_so") {
        return;
    }
    let host = Host::new();
    let script = r#"[ $CNI_COMMAND = GC ] && cat > $DIR/gc; [ $CNI_COMMAND = GC ] && exit 0
echo "$CNI_COMMAND $CNI_CONTAINERID" >> $DIR/calls
[ -e $DIR/stuck ] && { echo '{"code":11,"msg":"later"}'; exit 1; }
[ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"1.1.0"}'; exit 0"#;
    host.speaking("able", ALL, script);
    let network = chain("1.1.0", &["able"]);
    let runtime = host.runtime();
    for name in ["stays", "goes"] {
        let one = attachment(name, "/run/netns/none");
        runtime.add(&network, &one).expect("it is added");
    }
    let valid = [("stays".to_owned(), "eth0".to_owned())];
    runtime.collect(&network, &valid).expect("collected");
    assert_eq!(host.told("calls"), "ADD stays\nADD goes\nDEL goes\n");
    let told: Value = serde_json::from_str(&host.told("gc")).expect("JSON");
    let expected = json!([{"containerID": "stays", "ifname": "eth0"}]);
    assert_eq!(told["cni.dev/valid-attachments"], expected);
    assert_eq!(told["cni.dev/attachments"], expected);

    std::fs::write(host.path("stuck"), "").expect("a file");
    let error = runtime.add(&network, &pod()).expect_err("it fails");
    assert_eq!(
        error.to_string(),
        "network plugin able failed to ADD (code 11): later; and undoing it: network plugin able failed to DEL (code 11): later"
    );
    let kept = ["net-pod-eth0", "net-stays-eth0"];
    assert_eq!(host.kept(), kept, "what may be left is known");
    runtime
        .collect(&network, &valid)
        .expect_err("it still cannot");
    std::fs::remove_file(host.path("stuck")).expect("a file");
    runtime.collect(&network, &valid).expect("now it can");
    assert_eq!(host.kept(), ["net-stays-eth0"]);
    runtime.collect(&network, &[]).expect("all go");
    assert_eq!(host.kept(), [""; 0]);
}

#[test]
fn what_cannot_be_told_to_plugins_is_refused() {
    if !isolated("plugins::what_cannot_be_told_to_plugins_is_refused") {
        return;
    }
    let host = Host::new();
    host.speaking("any", ALL, "echo '{}'");
    let network = chain("0.3.1", &["any"]);
    let with = |change: &dyn Fn(&mut Attachment)| {
        let mut attachment = pod();
        change(&mut attachment);
        attachment
    };
    for attachment in [
        with(&|a| a.container = "../x".into()),
        with(&|a| a.container.clear()),
        with(&|a| a.interface = "eth0:1".into()),
        with(&|a| a.interface = "a-very-long-name".into()),
        with(&|a| a.interface = "..".into()),
        with(&|a| a.netns.clear()),
        with(&|a| a.args = vec![("A".into(), "1;B=2".into())]),
    ] {
        let error = host.runtime().add(&network, &attachment);
        assert!(matches!(error, Err(Error::Attachment { .. })), "{error:?}");
    }
    assert_eq!(host.kept(), [""; 0]);
    let error = host.runtime().check(&network, &pod()).expect_err("0.3.1");
    assert_eq!(
        error.to_string(),
        "network net has CNI version 0.3.1, which has no CHECK"
    );
}

#[test]
fn attachments_whose_records_would_have_one_name_are_kept_apart() {
    if !isolated("plugins::attachments_whose_records_would_have_one_name_are_kept_apart") {
        return;
    }
    let host = Host::new();
    host.speaking("any", ALL, "[ $CNI_COMMAND = ADD ] && echo '{}'; exit 0");
    let named = |name: &str| {
        let plugins = json!([{ "type": "any" }]);
        network(json!({ "cniVersion": "1.0.0", "name": name, "plugins": plugins }))
    };
    let first = attachment("b-c", "/run/netns/none");
    let second = attachment("c", "/run/netns/none");
    let runtime = host.runtime();
    runtime.add(&named("a"), &first).expect("it is added");
    for refused in [
        runtime.add(&named("a-b"), &second).map(drop),
        runtime.delete(&named("a-b"), &second),
    ] {
        assert!(
            matches!(refused, Err(Error::Attachment { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(host.kept(), ["a-b-c-eth0"]);
    runtime.collect(&named("a-b"), &[]).expect("it has none");
    assert_eq!(host.kept(), ["a-b-c-eth0"]);
    runtime.delete(&named("a"), &first).expect("it goes");
    assert_eq!(host.kept(), [""; 0]);
}
