//! `rm` and `container prune`.

use crate::{Running, unique};
use testing::TestHost;

#[test]
fn a_running_container_is_only_removed_by_force() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let ran = host.cli(&["rm", &one.id]).code(1);
    assert!(ran.error().contains("cannot remove container"), "{ran}");
    assert!(ran.error().contains("running"), "{ran}");
    let ran = host.cli(&["rm", "-f", &one.id]).success();
    assert_eq!(ran.text().trim(), one.id);
    host.cli(&["inspect", &one.id]).code(1);
}

#[test]
fn its_processes_end_with_it() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &["busybox", "sh", "-c", "sleep 600 & sleep 600 & wait"],
    );
    let pid = host.inspect(&one.id, "{{.State.Pid}}");
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
    host.cli(&["rm", "-f", &one.id]).success();
    host.until("the process is gone", |_| {
        !std::fs::exists(format!("/proc/{pid}/exe")).unwrap_or(false)
    });
}

#[test]
fn its_name_is_free_again() {
    let host = TestHost::start();
    let name = unique("again");
    for _ in 0..3 {
        host.cli(&["run", "--name", &name, "busybox", "true"])
            .success();
        host.cli(&["rm", &name]).success();
    }
}

#[test]
fn prune_removes_what_is_stopped_and_nothing_else() {
    let host = TestHost::start();
    let label = format!("prune={}", unique("label"));
    let up = Running::new(&host, &["--label", &label, "busybox", "sleep", "600"]);
    let down = Running::new(&host, &["--label", &label, "busybox", "true"]);
    host.cli(&["wait", &down.id]).success();
    let ran = host
        .cli(&[
            "container",
            "prune",
            "-f",
            "--filter",
            &format!("label={label}"),
        ])
        .success();
    assert!(ran.text().contains(&down.id), "{ran}");
    assert!(ran.text().contains("Total reclaimed space: "), "{ran}");
    assert_eq!(host.inspect(&up.id, "{{.State.Running}}"), "true");
    host.cli(&["inspect", &down.id]).code(1);
}

#[test]
fn prune_asks_first() {
    let host = TestHost::start();
    let ran = host.cli_with_input(&["container", "prune"], "n\n").code(1);
    assert!(
        ran.text()
            .contains("Are you sure you want to continue? [y/N]"),
        "{ran}"
    );
}
