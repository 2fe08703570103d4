//! A client attaches to a container that runs, by a daemon that is killed at one of its system
//! calls: what the client sends arrives once or not at all, what the container says is in its log
//! once, and it runs on.

use super::fault::{Fault, Outcome};
use super::model::NAME;
use super::operations::{nothing_left, said};
use super::{SAMPLE, client, sampled};
use testing::{Ran, TestHost};

/// It ends by itself once it was told something.
const WAITS: &str = "read word; echo \"it read $word\"; exit 7";
const SAID: &str = "it read this\n";

#[test]
fn a_daemon_killed_while_a_client_attaches_to_what_runs_loses_nothing() {
    sampled("daemon, attach", SAMPLE, &trial);
}

fn trial(host: &mut TestHost, at: Option<u64>) -> Result<Outcome, String> {
    let run = ["-i", "--network", "none", "--name", NAME];
    host.run_detached(&[&run[..], &["busybox", "sh", "-c", WAITS]].concat());
    let before = host.inspect(NAME, "{{.State.Pid}}");
    let fault = Fault::seize(host.daemon_pid().unwrap(), "itself", at);
    let first = attach(host);
    let outcome = fault.finish();
    host.kill_daemon();
    host.start_daemon();
    let running = host.inspect(NAME, "{{.State.Running}},{{.State.Pid}}");
    if first.code == 7 && first.text() != SAID {
        return Err(format!("the client was not told what was said: {first}"));
    }
    if running == format!("true,{before}") {
        // What the client sent did not arrive.
        let second = attach(host);
        if (second.code, second.text().as_str()) != (7, SAID) {
            return Err(format!("it cannot be attached to: {second}, first {first}"));
        }
    }
    let waited = said(host, &format!("wait {NAME}"));
    let logged = host.cli(&["logs", NAME]);
    said(host, &format!("rm {NAME}"));
    match (waited.as_str(), logged.text().as_str()) {
        ("7", SAID) => nothing_left(host).map(|()| outcome),
        _ => Err(format!(
            "it ended with {waited}, and its log is {logged}, first {first}"
        )),
    }
}

/// Says a word to the container, and has what it answers.
fn attach(host: &TestHost) -> Ran {
    testing::run_with_input(client(host, &["attach", NAME]), "this\n".into())
}
