//! Exit codes: the container's own, and those that say what went wrong.

use testing::TestHost;

#[test]
fn the_exit_code_is_the_commands() {
    let host = TestHost::start();
    for code in [0, 1, 7, 42, 125, 126, 127, 128, 200, 255] {
        let script = format!("exit {code}");
        host.cli(&["run", "--rm", "busybox", "sh", "-c", &script])
            .code(code);
    }
}

#[test]
fn death_by_a_signal_is_128_and_the_signal() {
    let host = TestHost::start();
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        // Process 1 is immune to its own signals: a child of it dies, and it passes that on.
        let script = format!("sh -c 'kill -{signal} $$'; exit $?");
        host.cli(&["run", "--rm", "busybox", "sh", "-c", &script])
            .code(code);
    }
    let id = host.run_detached(&["busybox", "sleep", "600"]);
    host.cli(&["kill", &id]).success();
    assert_eq!(host.cli(&["wait", &id]).success().text(), "137\n");
    host.cli(&["rm", &id]).success();
}

#[test]
fn a_command_that_is_not_found_is_127() {
    let host = TestHost::start();
    for command in ["nosuch", "/no/such/file"] {
        let ran = host.cli(&["run", "--rm", "busybox", command]).code(127);
        assert!(
            ran.error()
                .starts_with("corten: Error response from daemon:"),
            "{ran}"
        );
        assert!(ran.error().contains(command), "{ran}");
        assert!(
            ran.error()
                .ends_with("Run 'corten run --help' for more information\n"),
            "{ran}"
        );
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let host = TestHost::start();
    for command in ["/etc", "/etc/not-executable"] {
        let ran = host.cli(&["run", "--rm", "busybox", command]).code(126);
        let why = ["permission denied", "is a directory"];
        assert!(why.iter().any(|why| ran.error().contains(why)), "{ran}");
        assert!(ran.error().contains(command), "{ran}");
    }
}

#[test]
fn a_program_that_the_kernel_refuses_was_started_and_says_so_itself() {
    let host = TestHost::start();
    let write = "printf '#!/nosuch\\n' > /bin/script; chmod +x /bin/script; exec sleep 600";
    let id = host.run_detached(&["--network", "none", "busybox", "sh", "-c", write]);
    let words = "exec /bin/script: no such file or directory";
    host.until("it can be executed", |host| {
        let ran = host.cli(&["exec", &id, "script"]);
        ran.error().contains(words)
    });
    host.cli(&["exec", &id, "script"]).code(255);
    host.cli(&["commit", &id, "scripted"]).success();
    let ran = host.cli(&["run", "--name", "refused", "scripted", "script"]);
    let ran = ran.code(255);
    assert_eq!(ran.error().trim_end(), words);
    let logs = host.cli(&["logs", "refused"]).success();
    assert_eq!(logs.error().trim_end(), words);
}

#[test]
fn what_the_daemon_refuses_is_125() {
    let host = TestHost::start();
    host.cli(&[
        "run",
        "--rm",
        "--network",
        "no-such-network",
        "busybox",
        "true",
    ])
    .code(125);
    host.cli(&["run", "--rm", "--foo", "busybox"]).code(125);
    host.cli(&["run", "--rm", "--pull", "never", "no/such:image", "true"])
        .code(125);
}

#[test]
fn nothing_is_left_of_a_run_that_failed() {
    let host = TestHost::start();
    host.cli(&["run", "--rm", "busybox", "nosuch"]).code(127);
    if std::env::var_os("CORTEN_TEST_HOST").is_none() {
        assert_eq!(host.cli(&["ps", "-aq"]).success().text(), "");
    }
}
