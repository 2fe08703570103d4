//! Processes that join a running container.

use crate::fixture::{Bundle, Outcome, Running, Streams};
use container::{Error, Exec, Gate, exec};
use oci::runtime::{Process, User};
use std::os::fd::AsFd;

fn execute(bundle: &Bundle, running: &Running, process: &Process) -> Result<Outcome, Error> {
    let streams = Streams::new();
    let init = exec(&request(bundle, running, process, &streams))?;
    Ok(streams.finish(init.pidfd()))
}

fn request<'a>(
    bundle: &'a Bundle,
    running: &'a Running,
    process: &'a Process,
    streams: &'a Streams,
) -> Exec<'a> {
    Exec {
        id: &bundle.id,
        spec: &bundle.spec,
        pid: running.init.pid(),
        pidfd: running.init.pidfd(),
        process,
        stdio: streams.stdio(),
        cgroup: None,
        seccomp: bundle.filter.as_ref(),
        gate: Gate::Open,
        preserve_fds: 0,
        keep_keyring: false,
    }
}

fn script(bundle: &Bundle, text: &str) -> Process {
    Process {
        args: ["sh", "-c", text].map(str::to_owned).to_vec(),
        ..bundle.spec.process.clone().unwrap()
    }
}

const KINDS: [&str; 7] = ["user", "cgroup", "ipc", "uts", "net", "pid", "mnt"];

fn namespaces(of: &str) -> Vec<String> {
    let read = |kind| std::fs::read_link(format!("/proc/{of}/ns/{kind}")).unwrap();
    KINDS.map(|kind| read(kind).display().to_string()).to_vec()
}

#[test]
fn a_process_is_in_all_namespaces_of_the_container() {
    let mut bundle = Bundle::new();
    let running = bundle.running();
    let text = format!(
        "for n in {}; do readlink /proc/self/ns/$n; done; ps; exit 7",
        KINDS.join(" ")
    );
    let outcome = execute(&bundle, &running, &script(&bundle, &text)).unwrap();
    assert_eq!(outcome.status, 7);
    let expected = namespaces(&running.init.pid().to_string()).join("\n");
    assert!(outcome.output.starts_with(&expected), "{}", outcome.output);
    assert!(outcome.output.contains("sleep 1000"), "{}", outcome.output);
    // What the parent did for its child was undone.
    let own = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let children = std::fs::read_link("/proc/thread-self/ns/pid_for_children").unwrap();
    assert_eq!(own, children);
}

#[test]
fn a_process_has_its_own_user_and_directory_and_the_containers_filter() {
    let mut bundle = Bundle::new();
    let profile = seccomp::docker_default(&["CAP_CHOWN"], seccomp::Host::NATIVE);
    bundle.filter = Some(seccomp::compile(&profile).unwrap());
    let running = bundle.running();
    let process = Process {
        user: User {
            uid: 1000,
            gid: 1000,
            additional_gids: vec![5],
            ..User::default()
        },
        cwd: "/tmp".to_owned(),
        ..script(&bundle, "id -u; id -G; pwd; cat /proc/self/status")
    };
    let outcome = execute(&bundle, &running, &process).unwrap();
    assert!(
        outcome.output.starts_with("1000\n1000 5\n/tmp\n"),
        "{}",
        outcome.output
    );
    assert!(outcome.output.contains("Seccomp:\t2"), "{}", outcome.output);
    assert!(
        outcome.output.contains("CapEff:\t0000000000000000"),
        "{}",
        outcome.output
    );
}

#[test]
fn a_missing_command_or_directory_is_told() {
    let mut bundle = Bundle::new();
    let running = bundle.running();
    let mut process = script(&bundle, "");
    process.args = vec!["nothing".to_owned()];
    let error = execute(&bundle, &running, &process).unwrap_err();
    assert_eq!(error.exit_status(), 127);
    process.args = vec!["true".to_owned()];
    process.cwd = "/missing".to_owned();
    let error = execute(&bundle, &running, &process).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Step {
                step: "working directory",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_container_whose_root_is_not_its_mount_namespaces_is_refused() {
    let mut bundle = Bundle::new();
    let running = bundle.running();
    // A process of the host in a chroot stands for the init of such a container.
    let root = bundle.root();
    let chrooted = std::process::Command::new("chroot")
        .arg(&root)
        .args(["/bin/sleep", "1000"])
        .spawn()
        .unwrap();
    let pid = i32::try_from(chrooted.id()).unwrap();
    let path = format!("/proc/{pid}/root");
    while std::fs::read_link(&path).unwrap() != root {
        std::thread::yield_now();
    }
    let raw = rustix::process::Pid::from_raw(pid).unwrap();
    let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).unwrap();
    let streams = Streams::new();
    let process = script(&bundle, "true");
    let mut host = bundle.spec.clone();
    host.linux
        .as_mut()
        .unwrap()
        .namespaces
        .retain(|n| n.kind == oci::runtime::NamespaceKind::Mount);
    let error = exec(&Exec {
        pid,
        pidfd: pidfd.as_fd(),
        spec: &host,
        ..request(&bundle, &running, &process, &streams)
    });
    let mut chrooted = chrooted;
    chrooted.kill().unwrap();
    chrooted.wait().unwrap();
    assert!(
        matches!(error, Err(Error::ForeignRoot { pid: named }) if named == pid),
        "{error:?}"
    );
}

#[test]
fn a_terminal_is_of_the_containers_devpts() {
    let mut bundle = Bundle::new();
    let running = bundle.running();
    let process = Process {
        terminal: true,
        ..script(&bundle, "tty; id -u")
    };
    let streams = Streams::new();
    let mut init = exec(&request(&bundle, &running, &process, &streams)).unwrap();
    let master = init.take_console().unwrap();
    let mut output = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(length @ 1..) = rustix::io::read(&master, &mut buffer) {
        output.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(crate::fixture::reap(init.pidfd()), 0);
    assert_eq!(String::from_utf8(output).unwrap(), "/dev/pts/0\r\n0\r\n");
}

#[test]
fn user_and_time_namespaces_are_joined_too() {
    let mut bundle = Bundle::new();
    crate::namespaces::mapped(&mut bundle);
    bundle.namespace(oci::runtime::NamespaceKind::Time, "");
    bundle.process().oom_score_adj = Some(321);
    let running = bundle.running();
    let process = script(
        &bundle,
        "readlink /proc/self/ns/user; readlink /proc/self/ns/time; id -u; cat /proc/self/oom_score_adj",
    );
    let outcome = execute(&bundle, &running, &process).unwrap();
    let pid = running.init.pid();
    let of = |kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    let expected = format!(
        "{}\n{}\n0\n321\n",
        of("user").display(),
        of("time").display()
    );
    assert_eq!(outcome.output, expected);
}
