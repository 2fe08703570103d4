//! runc's command line: every command and every flag of it.

use crate::bundle::Bundle;
use serde_json::json;

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

/// Where a limit is in version 1 and in version 2, and how it is written there.
type Place = (&'static str, &'static str);

#[test]
fn flags_of_update_are_written_to_the_groups() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    bundle.ok(&["run", "-d", "-b", path.to_str().unwrap(), &bundle.id]);
    let places: [(&[&str], Place, Place); 6] = [
        (
            &["--memory", "64m"],
            ("memory.limit_in_bytes", "67108864"),
            ("memory.max", "67108864"),
        ),
        (
            &["--memory-reservation", "32m"],
            ("memory.soft_limit_in_bytes", "33554432"),
            ("memory.low", "33554432"),
        ),
        (
            &["--cpu-quota", "50000", "--cpu-period", "200000"],
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.max", "50000 200000"),
        ),
        (
            &["--cpu-share", "512"],
            ("cpu.shares", "512"),
            ("cpu.weight", "59"),
        ),
        (
            &["--cpuset-cpus", "0"],
            ("cpuset.cpus", "0"),
            ("cpuset.cpus", "0"),
        ),
        (
            &["--pids-limit", "30"],
            ("pids.max", "30"),
            ("pids.max", "30"),
        ),
    ];
    for (flags, of_1, of_2) in places {
        bundle.ok(&[&["update"], flags, &[&*bundle.id]].concat());
        let groups = bundle.groups();
        let is_written = |(file, value): Place| {
            let mut texts = groups
                .iter()
                .map(|group| std::fs::read_to_string(group.join(file)));
            texts.any(|text| text.is_ok_and(|text| text.trim_end() == value))
        };
        assert!(
            is_written(of_1) || is_written(of_2),
            "{flags:?}: {groups:?}"
        );
    }
}
