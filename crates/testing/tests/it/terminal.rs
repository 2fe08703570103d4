//! Containers with a terminal.

use crate::unique;
use testing::TestHost;

const SIZE: (u16, u16) = (24, 80);

#[test]
fn a_shell_on_a_terminal_works_as_one_expects() {
    let host = TestHost::start();
    let mut terminal = host.terminal(&["run", "--rm", "-it", "busybox", "sh"], SIZE);
    terminal.expect("/ #");
    assert!(terminal.is_raw(), "our terminal passes everything on");
    terminal.send("tty; test -t 0 && test -t 1 && test -t 2 && echo all-$((40+2))\r");
    terminal.expect("/dev/");
    terminal.expect("all-42");
    terminal.send("exit 9\r");
    assert_eq!(terminal.wait(), 9);
    assert!(!terminal.is_raw(), "our terminal is as it was");
}

#[test]
fn the_terminals_size_is_known_from_the_start_and_followed() {
    let host = TestHost::start();
    let mut terminal = host.terminal(&["run", "--rm", "-it", "busybox", "sh"], (31, 117));
    terminal.expect("/ #");
    terminal.send("stty size\r");
    terminal.expect("31 117");
    terminal.resize((40, 100));
    terminal.send("sleep 0.2; stty size\r");
    terminal.expect("40 100");
    terminal.send("exit\r");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn ctrl_c_interrupts_the_command_in_the_container() {
    let host = TestHost::start();
    let mut terminal = host.terminal(&["run", "--rm", "-it", "busybox", "sh"], SIZE);
    terminal.expect("/ #");
    terminal.send("sleep 600\r");
    terminal.expect("sleep 600");
    std::thread::sleep(std::time::Duration::from_millis(200));
    terminal.send("\x03");
    terminal.expect("/ #");
    terminal.send("echo $?-done\r");
    terminal.expect("130-done");
    // An end of file typed before the shell reads is lost when it makes the terminal raw.
    terminal.expect("/ #");
    terminal.send("\x04");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn job_control_works() {
    let host = TestHost::start();
    let mut terminal = host.terminal(&["run", "--rm", "-it", "busybox", "sh"], SIZE);
    terminal.expect("/ #");
    terminal.send("sleep 600\r");
    terminal.expect("sleep 600");
    std::thread::sleep(std::time::Duration::from_millis(200));
    terminal.send("\x1a");
    terminal.expect("Stopped");
    terminal.expect("/ #");
    // Not both at once: the shell loses what it writes as it hears that the job goes on.
    terminal.send("bg\r");
    terminal.expect("[1] sleep 600");
    terminal.expect("/ #");
    terminal.send("jobs\r");
    terminal.expect("Running");
    terminal.expect("/ #");
    terminal.send("kill %1; exit 0\r");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn the_detach_keys_leave_the_container_running() {
    let host = TestHost::start();
    let name = unique("detached");
    let mut terminal = host.terminal(&["run", "-it", "--name", &name, "busybox", "sh"], SIZE);
    terminal.expect("/ #");
    terminal.send("\x10\x11");
    assert_eq!(terminal.wait(), 0);
    assert!(!terminal.is_raw());
    assert_eq!(host.inspect(&name, "{{.State.Running}}"), "true");

    let mut terminal = host.terminal(&["attach", &name], SIZE);
    terminal.send("echo again-$((1+1))\r");
    terminal.expect("again-2");
    terminal.send("exit 5\r");
    assert_eq!(terminal.wait(), 5);
    host.cli(&["rm", "-f", &name]).success();
}

#[test]
fn other_detach_keys_can_be_chosen() {
    let host = TestHost::start();
    let name = unique("keys");
    let args = [
        "run",
        "-it",
        "--detach-keys",
        "ctrl-a,d",
        "--name",
        &name,
        "busybox",
        "sh",
    ];
    let mut terminal = host.terminal(&args, SIZE);
    terminal.expect("/ #");
    terminal.send("\x01d");
    assert_eq!(terminal.wait(), 0);
    host.cli(&["rm", "-f", &name]).success();
    host.cli(&["run", "--detach-keys", "ctrl-", "busybox"])
        .code(1);
}

#[test]
fn output_and_errors_are_one_stream_on_a_terminal() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "-t",
        "busybox",
        "sh",
        "-c",
        "echo out; echo err >&2",
    ]);
    let ran = ran.success();
    assert_eq!(
        (ran.text().as_str(), ran.error().as_str()),
        ("out\r\nerr\r\n", "")
    );
}

#[test]
fn a_terminal_is_refused_where_there_is_none() {
    let host = TestHost::start();
    let ran = host.cli(&["run", "--rm", "-it", "busybox", "sh"]).code(1);
    assert_eq!(ran.error(), "the input device is not a TTY\n");
}

#[test]
fn the_terminal_is_restored_when_the_container_is_killed() {
    let host = TestHost::start();
    let name = unique("killed");
    let mut terminal = host.terminal(&["run", "-it", "--name", &name, "busybox", "sh"], SIZE);
    terminal.expect("/ #");
    host.cli(&["kill", &name]).success();
    assert_eq!(terminal.wait(), 137);
    assert!(!terminal.is_raw());
    host.cli(&["rm", &name]).success();
}
