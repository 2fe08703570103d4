//! What people read when something is wrong.

use testing::{Ran, TestHost, binary};

fn away(args: &[&str]) -> Ran {
    let mut command = std::process::Command::new(binary("corten"));
    command.env_clear().args(args);
    testing::run(command)
}

#[test]
fn arguments_that_are_wrong_are_named_with_the_usage() {
    insta::assert_snapshot!(away(&["run", "--foo", "busybox"]), @r"
    exit: 125
    --- stderr
    unknown flag: --foo

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    Run 'corten run --help' for more information
    ");
    insta::assert_snapshot!(away(&["run"]), @r"
    exit: 1
    --- stderr
    corten: 'corten run' requires at least 1 argument

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    See 'corten run --help' for more information
    ");
    insta::assert_snapshot!(away(&["ps", "x"]), @r"
    exit: 1
    --- stderr
    corten: 'corten ps' accepts no arguments

    Usage:  corten ps [OPTIONS]

    Run 'corten ps --help' for more information
    ");
    insta::assert_snapshot!(away(&["run", "--memory"]), @r"
    exit: 125
    --- stderr
    flag needs an argument: --memory

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    Run 'corten run --help' for more information
    ");
    insta::assert_snapshot!(away(&["run", "--memory", "lots", "busybox"]), @r#"
    exit: 125
    --- stderr
    invalid argument "lots" for "--memory" flag: invalid size: 'lots'

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    Run 'corten run --help' for more information
    "#);
    insta::assert_snapshot!(away(&["frobnicate"]), @r"
    exit: 1
    --- stderr
    corten: unknown command: corten frobnicate

    Run 'corten --help' for more information
    ");
}

#[test]
fn a_daemon_that_is_not_there_is_named_with_what_to_do() {
    insta::assert_snapshot!(away(&["-H", "unix:///nowhere.sock", "ps"]), @r"
    exit: 1
    --- stderr
    Cannot connect to the corten daemon at unix:///nowhere.sock. Is the corten daemon running?
    caused by: No such file or directory (os error 2)
    hint: start it with `corten daemon -H unix:///nowhere.sock`, or leave out -H, CORTEN_HOST and DOCKER_HOST: corten then starts its own
    ");
    away(&["-H", "unix:///nowhere.sock", "run", "busybox"]).code(125);
    insta::assert_snapshot!(away(&["-H", "carrier-pigeon://x", "ps"]), @r"
    exit: 1
    --- stderr
    unable to parse docker host `carrier-pigeon://x`: only unix:// and tcp:// are supported
    ");
}

#[test]
fn objects_that_do_not_exist_are_named() {
    let host = TestHost::start();
    insta::assert_snapshot!(host.cli(&["rm", "ghost", "spirit"]), @r"
    exit: 1
    --- stderr
    Error response from daemon: No such container: ghost
    Error response from daemon: No such container: spirit
    ");
    insta::assert_snapshot!(host.cli(&["kill", "ghost"]), @r"
    exit: 1
    --- stderr
    Error response from daemon: cannot kill container: ghost: No such container: ghost
    ");
    insta::assert_snapshot!(host.cli(&["inspect", "ghost"]), @r"
    exit: 1
    --- stdout
    []
    --- stderr
    Error: No such object: ghost
    ");
    insta::assert_snapshot!(host.cli(&["rmi", "ghost"]), @r"
    exit: 1
    --- stderr
    Error response from daemon: No such image: ghost:latest
    ");
    insta::assert_snapshot!(host.cli(&["rm", "-f", "ghost"]), @r"
    exit: 0
    --- stderr
    Error response from daemon: No such container: ghost
    ");
}

#[test]
fn one_bad_name_does_not_stop_the_others() {
    let host = TestHost::start();
    let one = crate::Running::sleeping(&host);
    let ran = host.cli(&["kill", "ghost", &one.id]).code(1);
    assert_eq!(ran.text().trim(), one.id);
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let host = TestHost::start();
    for args in [
        &["run", "--rm", "--restart", "always", "busybox"][..],
        &["run", "-d", "-a", "stdout", "busybox"],
        &["run", "--ulimit", "nofile=5:1", "busybox"],
        &["run", "--mount", "type=bind,source=/a", "busybox"],
        &["run", "-p", "x:y:z", "busybox"],
        &["run", "-v", "::", "busybox"],
        &["run", "-e", "=x", "busybox"],
    ] {
        let ran = host.cli(args).code(125);
        assert!(!ran.error().is_empty());
    }
}

#[test]
fn an_image_of_another_system_is_kept_and_not_run() {
    let host = TestHost::start();
    let archive = host.scratch().join("empty.tar");
    std::fs::write(&archive, [0; 1024]).unwrap();
    let archive = archive.to_str().unwrap();
    host.cli(&["import", "--platform", "windows/amd64", archive, "win"])
        .code(0);
    let inspected = host
        .cli(&["image", "inspect", "-f", "{{.Os}}", "win"])
        .code(0);
    assert_eq!(inspected.text(), "windows\n");
    insta::assert_snapshot!(host.cli(&["run", "--rm", "win", "cmd"]), @r#"
    exit: 125
    --- stderr
    corten: Error response from daemon: image operating system "windows" cannot be used on this platform: win

    Run 'corten run --help' for more information
    "#);
}
