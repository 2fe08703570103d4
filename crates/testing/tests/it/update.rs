//! `update` and `rename`.

use crate::{Running, unique};
use testing::TestHost;

#[test]
fn update_needs_something_to_change() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let ran = host.cli(&["update", &one.id]).code(1);
    assert_eq!(
        ran.error(),
        "you must provide one or more flags when using this command\n"
    );
}

#[test]
fn memory_may_not_outgrow_the_limit_of_swap_unasked() {
    let host = TestHost::start();
    let one = Running::new(&host, &["--memory", "64m", "busybox", "sleep", "600"]);
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}";
    // Without a word about swap there is as much of it.
    assert_eq!(host.inspect(&one.id, limits), "67108864 134217728");
    let refused = host.cli(&["update", "--memory", "200m", &one.id]).code(1);
    let words = "Memory limit should be smaller than already set memoryswap limit, update the \
                 memoryswap at the same time";
    assert!(refused.error().contains(words), "{refused}");
    host.cli(&["update", "--memory", "96m", &one.id]).success();
    assert_eq!(host.inspect(&one.id, limits), "100663296 134217728");
    host.cli(&[
        "update",
        "--memory",
        "200m",
        "--memory-swap",
        "300m",
        &one.id,
    ])
    .success();
    assert_eq!(host.inspect(&one.id, limits), "209715200 314572800");
}

#[test]
fn the_restart_policy_changes() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    host.cli(&["update", "--restart", "on-failure:3", &one.id])
        .success();
    let template =
        "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}";
    assert_eq!(host.inspect(&one.id, template), "on-failure 3");
}

#[test]
fn a_container_that_fails_is_started_again_as_its_policy_says() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &[
            "--restart",
            "on-failure:2",
            "busybox",
            "sh",
            "-c",
            "echo run; exit 1",
        ],
    );
    host.until("it gave up", |host| {
        host.inspect(&one.id, "{{.State.Status}} {{.RestartCount}}") == "exited 2"
    });
    assert_eq!(host.cli(&["logs", &one.id]).text(), "run\nrun\nrun\n");
}

#[test]
fn rename_gives_another_name() {
    let host = TestHost::start();
    let (old, new) = (unique("old"), unique("new"));
    let one = Running::new(&host, &["--name", &old, "busybox", "sleep", "600"]);
    host.cli(&["rename", &old, &new]).success();
    assert_eq!(host.inspect(&new, "{{.Id}}"), one.id);
    host.cli(&["inspect", &old]).code(1);
}
