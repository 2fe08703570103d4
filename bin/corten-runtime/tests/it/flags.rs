//! runc's command line: every command and every flag of it.

use crate::bundle::Bundle;
use serde_json::json;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;

/// runc 1.5's commands with their flags; a name that is one letter is an alias.
const COMMANDS: [(&str, &str); 19] = [
    (
        "",
        "debug log log-format root systemd-cgroup rootless help h version v",
    ),
    (
        "create",
        "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds",
    ),
    (
        "run",
        "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds \
         detach d keep no-subreaper",
    ),
    ("start", ""),
    ("state", ""),
    ("delete", "force f"),
    ("kill", "all a"),
    ("list", "format f quiet q"),
    ("ps", "format f"),
    ("pause", ""),
    ("resume", ""),
    (
        "exec",
        "console-socket pidfd-socket cwd env e tty t user u additional-gids g process p detach d \
         pid-file process-label apparmor no-new-privs cap c preserve-fds cgroup ignore-paused",
    ),
    (
        "update",
        "resources r blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period \
         cpu-rt-runtime cpu-idle cpuset-cpus cpuset-mems kernel-memory kernel-memory-tcp memory \
         memory-reservation memory-swap pids-limit l3-cache-schema mem-bw-schema",
    ),
    (
        "checkpoint",
        "image-path work-path parent-path leave-running tcp-established tcp-skip-in-flight \
         link-remap ext-unix-sk shell-job lazy-pages status-fd page-server file-locks pre-dump \
         manage-cgroups-mode empty-ns auto-dedup",
    ),
    (
        "restore",
        "console-socket image-path work-path tcp-established ext-unix-sk shell-job file-locks \
         manage-cgroups-mode bundle b detach d pid-file no-subreaper no-pivot empty-ns auto-dedup \
         lazy-pages lsm-profile lsm-mount-context",
    ),
    ("events", "interval stats"),
    ("features", ""),
    ("spec", "bundle b rootless"),
    ("help", ""),
];

#[test]
fn every_command_and_flag_of_runc_is_known() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    for (command, flags) in COMMANDS {
        let usage = match command {
            "" | "help" => bundle.ok(&["--help"]),
            command => bundle.ok(&[command, "--help"]),
        };
        let known: Vec<&str> = usage
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--"))
            .flat_map(|line| line.split([',', ' ']))
            .map(|word| word.trim_start_matches('-'))
            .collect();
        for flag in flags.split_whitespace() {
            assert!(known.contains(&flag), "{command} --{flag}: {usage}");
        }
    }
}

/// What is not done is refused by name.
#[test]
fn a_field_that_is_not_done_is_named() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let path = bundle.path();
    let create = ["create", "-b", path.to_str().unwrap(), &bundle.id];
    bundle.change(|spec| spec["linux"]["intelRdt"] = json!({"closID": "x"}));
    assert!(bundle.fails(&create).contains("linux.intelRdt"));
    bundle.change(|spec| {
        spec["linux"].as_object_mut().unwrap().remove("intelRdt");
        spec["linux"]["personality"] = json!({"domain": "LINUX", "flags": ["x"]});
    });
    assert!(bundle.fails(&create).contains("linux.personality.flags"));
    bundle.change(|spec| {
        spec["linux"].as_object_mut().unwrap().remove("personality");
    });
    for other in ["vm", "windows", "solaris", "freebsd", "zos"] {
        bundle.change(|spec| spec[other] = json!({}));
        let said = bundle.fails(&create);
        assert!(said.contains(&format!("{other}: is for ")), "{said}");
        bundle.change(|spec| drop(spec.as_object_mut().unwrap().remove(other)));
    }
    bundle.create();
    for flag in ["--l3-cache-schema", "--mem-bw-schema"] {
        let said = bundle.fails(&["update", flag, "L3:0=f", &bundle.id]);
        assert!(said.contains("is not enabled"), "{flag}: {said}");
    }
}

#[test]
fn flags_of_exec_change_what_the_container_has() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    bundle.ok(&["run", "-d", "-b", path.to_str().unwrap(), &bundle.id]);
    let script = "echo $A $B; id -u; id -G; pwd; grep -e NoNewPrivs -e CapEff /proc/self/status";
    let said = bundle.ok(&[
        "exec",
        "--env",
        "A=one",
        "-e",
        "B=two",
        "--user",
        "0:5",
        "--additional-gids",
        "7",
        "--cwd",
        "/tmp",
        "--no-new-privs",
        "--cap",
        "CAP_SYS_TIME",
        &bundle.id,
        "sh",
        "-c",
        script,
    ]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..4], ["one two", "0", "5 7", "/tmp"], "{said}");
    let time = lines.iter().find_map(|line| line.strip_prefix("CapEff:\t"));
    let time = u64::from_str_radix(time.unwrap(), 16).unwrap();
    const SYS_TIME: u32 = 25;
    assert_ne!(time & 1 << SYS_TIME, 0, "{said}");
    assert!(lines.contains(&"NoNewPrivs:\t1"), "{said}");

    let command = bundle.command(&[
        "exec",
        "--preserve-fds",
        "1",
        &bundle.id,
        "cat",
        "/proc/self/fd/3",
    ]);
    let given = path.join("given");
    std::fs::write(&given, "by descriptor").unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "exec 3<\"$0\"; exec \"$@\""])
        .arg(&given)
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"by descriptor", "{output:?}");

    let pid = path.join("pid");
    let detached = [
        "exec",
        "--detach",
        "--pid-file",
        pid.to_str().unwrap(),
        &bundle.id,
    ];
    bundle.ok(&[&detached[..], &["sleep", "50"]].concat());
    let pid = std::fs::read_to_string(pid).unwrap();
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(line, "sleep\0".to_owned() + "50\0");
}

/// A limit's file in version 1 or 2, and what is written there; or what refuses the limit.
#[derive(Clone, Copy)]
enum Place {
    File(&'static str, &'static str),
    Refused(&'static str),
}

use Place::{File, Refused};

/// Flags of `update`, and where they lead to in both versions.
const LIMITS: [(&[&str], Place, Place); 16] = [
    (
        &["--memory", "64m"],
        File("memory.limit_in_bytes", "67108864"),
        File("memory.max", "67108864"),
    ),
    (
        &["--memory-reservation", "32m"],
        File("memory.soft_limit_in_bytes", "33554432"),
        File("memory.low", "33554432"),
    ),
    (
        &["--memory", "64m", "--memory-swap", "128m"],
        File("memory.memsw.limit_in_bytes", "134217728"),
        // Of swap alone: without what the memory's limit is.
        File("memory.swap.max", "67108864"),
    ),
    (
        &["--cpu-quota", "50000", "--cpu-period", "200000"],
        File("cpu.cfs_quota_us", "50000"),
        File("cpu.max", "50000 200000"),
    ),
    (
        &["--cpu-period", "100000"],
        File("cpu.cfs_period_us", "100000"),
        File("cpu.max", "50000 100000"),
    ),
    (
        &["--cpu-burst", "5000"],
        File("cpu.cfs_burst_us", "5000"),
        File("cpu.max.burst", "5000"),
    ),
    (
        &["--cpu-share", "512"],
        File("cpu.shares", "512"),
        File("cpu.weight", "59"),
    ),
    (
        &["--cpu-idle", "1"],
        File("cpu.idle", "1"),
        File("cpu.idle", "1"),
    ),
    (
        &["--cpu-rt-period", "500000"],
        File("cpu.rt_period_us", "500000"),
        Refused("linux.resources.cpu.realtimePeriod"),
    ),
    (
        &["--cpu-rt-runtime", "1000"],
        File("cpu.rt_runtime_us", "1000"),
        Refused("linux.resources.cpu.realtimeRuntime"),
    ),
    (
        &["--cpuset-cpus", "0"],
        File("cpuset.cpus", "0"),
        File("cpuset.cpus", "0"),
    ),
    (
        &["--cpuset-mems", "0"],
        File("cpuset.mems", "0"),
        File("cpuset.mems", "0"),
    ),
    (
        &["--pids-limit", "30"],
        File("pids.max", "30"),
        File("pids.max", "30"),
    ),
    // Memory of the kernel has no limit of its own any more: what is there stays.
    (
        &["--kernel-memory", "10m"],
        File("memory.limit_in_bytes", "67108864"),
        File("memory.max", "67108864"),
    ),
    (
        &["--kernel-memory-tcp", "10m"],
        File("memory.limit_in_bytes", "67108864"),
        File("memory.max", "67108864"),
    ),
    (
        &["--blkio-weight", "500"],
        File("blkio.bfq.weight", "500"),
        File("io.weight", "default 4950"),
    ),
];

/// What groups have in a file, where they have it.
fn values(groups: &[std::path::PathBuf], file: &str) -> Vec<String> {
    let texts = groups
        .iter()
        .filter_map(|group| std::fs::read_to_string(group.join(file)).ok());
    texts.map(|text| text.trim_end().to_owned()).collect()
}

#[test]
fn flags_of_update_are_written_to_the_groups() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    bundle.ok(&["run", "-d", "-b", path.to_str().unwrap(), &bundle.id]);
    let unified = cgroup::Hierarchies::probe().unwrap().unified();
    for (flags, of_1, of_2) in LIMITS {
        let said = bundle.run(&[&["update"], flags, &[&*bundle.id]].concat());
        let (file, value) = match if unified { of_2 } else { of_1 } {
            Refused(field) => {
                assert!(said.err.contains(field), "{flags:?}: {said:?}");
                continue;
            }
            File(file, value) => (file, value),
        };
        let groups = bundle.groups();
        let known = values(&groups, file);
        // A kernel without the file is told of.
        match known.is_empty() {
            true => assert!(said.err.contains(file), "{flags:?}: {said:?}"),
            false => assert_eq!(
                (said.code, &known[..]),
                (Some(0), &[value.to_owned()][..]),
                "{flags:?}: {said:?}"
            ),
        }
        let is_kernels = flags[0].starts_with("--kernel-memory");
        assert_eq!(
            said.err.contains("Kernel memory settings are ignored"),
            is_kernels,
            "{said:?}"
        );
    }
}

/// The process that a pidfd is of, which came over a socket.
fn sent_pidfd(listener: &UnixListener) -> String {
    let (connection, _) = listener.accept().unwrap();
    let mut name = [0; 64];
    let (length, pidfd) = sys::socket::receive(connection.as_fd(), &mut name).unwrap();
    assert_eq!(&name[..length], b"pidfd");
    let pidfd = pidfd.unwrap();
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let lines = std::fs::read_to_string(path).unwrap();
    let pid = lines.lines().find_map(|line| line.strip_prefix("Pid:\t"));
    pid.unwrap().to_owned()
}

#[test]
fn a_pidfd_of_the_process_is_sent_to_the_socket() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path().display().to_string();
    let socket = bundle.path().join("pidfd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let pid_file = bundle.path().join("pid");
    let told = [
        "--pidfd-socket",
        socket.to_str().unwrap(),
        "--pid-file",
        pid_file.to_str().unwrap(),
    ];
    let words: [(&[&str], &[&str]); 3] = [
        (&["create", "--bundle", &path], &[]),
        (&["run", "--detach", "--bundle", &path], &[]),
        (&["exec", "--detach"], &["sleep", "100"]),
    ];
    for (command, args) in words {
        bundle.ok(&[command, &told, &[&bundle.id], args].concat());
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        assert_eq!(sent_pidfd(&listener), pid, "{command:?}");
        if command[0] == "create" {
            bundle.ok(&["delete", "--force", &bundle.id]);
        }
    }
    std::fs::remove_file(&socket).unwrap();
    bundle.ok(&["delete", "--force", &bundle.id]);
    let said = bundle.fails(&[words[0].0, &told, &[&bundle.id]].concat());
    assert!(said.contains(told[1]), "{said}");
    assert!(bundle.groups().is_empty());
}

/// Each flag is on a command line that a test runs, by its long name.
#[test]
fn every_flag_of_runc_is_tried() {
    const TESTS: &str = concat!(
        include_str!("bundle.rs"),
        include_str!("checkpoint.rs"),
        include_str!("checkpoint/flags.rs"),
        include_str!("errors.rs"),
        include_str!("flags.rs"),
        include_str!("foreground.rs"),
        include_str!("labels.rs"),
        include_str!("life.rs"),
        include_str!("rootless.rs"),
        include_str!("systemd.rs"),
    );
    let flags = COMMANDS
        .iter()
        .flat_map(|(_, flags)| flags.split_whitespace());
    for flag in flags.filter(|flag| flag.len() > 1) {
        let tried = ["\"", "=", " "].map(|end| format!("\"--{flag}{end}"));
        assert!(tried.iter().any(|word| TESTS.contains(word)), "--{flag}");
    }
}
