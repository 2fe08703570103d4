//! The program: who it is, what it may, and what surrounds it.

use crate::fixture::{Bundle, Wrong, docker_like};
use container::Error;
use oci::runtime::{Capabilities, CpuAffinity, IoPriority, IoPriorityClass, Rlimit, RlimitKind};
use oci::runtime::{Personality, PersonalityDomain, Scheduler, SchedulerPolicy, User};
use types::{ErrorKind, Kind as _};

#[test]
fn the_exit_status_is_the_programs() {
    let mut bundle = Bundle::new();
    bundle.args(&["sh", "-c", "exit 42"]);
    assert_eq!(bundle.run().unwrap().status, 42);
    bundle.args(&["sh", "-c", "kill -9 $$; kill -TERM $$; exit 3"]);
    assert_eq!(bundle.run().unwrap().status, 3);
}

#[test]
fn a_missing_command_and_one_that_cannot_be_executed_are_told_apart() {
    let mut bundle = Bundle::new();
    bundle.args(&["nothing"]);
    let error = bundle.run().unwrap_err();
    assert!(matches!(&error, Error::CommandNotFound { command, .. } if command == "nothing"));
    assert_eq!(error.exit_status(), 127);
    std::fs::write(bundle.root().join("etc/data"), "x").unwrap();
    for command in ["/etc/data", "/etc"] {
        bundle.args(&[command]);
        let error = bundle.run().unwrap_err();
        assert!(
            matches!(&error, Error::CommandNotExecutable { .. }),
            "{error:?}"
        );
        assert_eq!(error.exit_status(), 126);
    }
    // Its interpreter is missing: seen only by the exec itself, when it was started.
    let script = bundle.root().join("bin/script");
    std::fs::write(&script, "#!/nothing\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    bundle.args(&["script"]);
    assert_eq!(bundle.run().unwrap().status, 255);
}

#[test]
fn ids_groups_and_umask_are_set() {
    let mut bundle = Bundle::new();
    bundle.process().user = User {
        uid: 1000,
        gid: 1001,
        umask: Some(0o027),
        additional_gids: vec![10, 20],
        ..User::default()
    };
    let output =
        bundle.script("id -u; id -g; id -G; umask; echo out > /dev/stdout; cat /proc/self/status");
    assert!(
        output.starts_with("1000\n1001\n1001 10 20\n0027\nout\n"),
        "{output}"
    );
    assert!(output.contains("CapEff:\t0000000000000000"), "{output}");
}

#[test]
fn capabilities_are_the_five_sets() {
    let mut bundle = Bundle::new();
    let names = |list: &[&str]| list.iter().map(|n| format!("CAP_{n}")).collect::<Vec<_>>();
    bundle.process().capabilities = Some(Capabilities {
        bounding: names(&["CHOWN", "KILL", "NET_RAW", "SETUID"]),
        permitted: names(&["CHOWN", "KILL", "NET_RAW"]),
        effective: names(&["CHOWN", "KILL"]),
        inheritable: names(&["KILL"]),
        ambient: names(&["KILL"]),
    });
    bundle.process().user.uid = 1000;
    let filter = bundle.script("cat /proc/self/status | head -n 50");
    let set = |name: &str| {
        let line = filter.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap()
    };
    // After an exec by another than root the ambient ones are what is left.
    assert_eq!(
        (set("CapAmb"), set("CapInh"), set("CapPrm")),
        (1 << 5, 1 << 5, 1 << 5)
    );
    assert_eq!(set("CapBnd"), 1 | 1 << 5 | 1 << 13 | 1 << 7);
}

#[test]
fn dockers_filter_is_loaded_with_and_without_no_new_privileges() {
    for no_new_privileges in [false, true] {
        let mut bundle = Bundle::new();
        let names: Vec<String> = docker_like()
            .process
            .unwrap()
            .capabilities
            .unwrap()
            .bounding;
        let profile = seccomp::docker_default(&names, seccomp::Host::NATIVE);
        bundle.filter = Some(seccomp::compile(&profile).unwrap());
        bundle.process().no_new_privileges = no_new_privileges;
        bundle.process().user.uid = 1000;
        let output = bundle.script("cat /proc/self/status; mount -t tmpfs x /tmp 2>&1 || true");
        assert!(output.contains("Seccomp:\t2"), "{output}");
        let line = format!("NoNewPrivs:\t{}", u8::from(no_new_privileges));
        assert!(output.contains(&line), "{output}");
        assert!(output.contains("CapPrm:\t0000000000000000"), "{output}");
    }
}

#[test]
fn a_filter_that_allows_next_to_nothing_still_lets_the_program_start() {
    let document = br#"{"ociVersion":"1.3.0","linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO",
        "syscalls":[{"action":"SCMP_ACT_ALLOW","names":["execve","capset","exit_group","exit",
        "brk","arch_prctl","mmap","set_tid_address","prctl"]}]}}}"#;
    let spec = oci::runtime::Spec::from_slice(document).unwrap();
    let profile = spec.linux.unwrap().seccomp.unwrap();
    let mut bundle = Bundle::new();
    bundle.filter = Some(seccomp::compile(&profile).unwrap());
    bundle.args(&["true"]);
    // A failed exec would be an error; what busybox makes of such a filter is its own.
    bundle.run().unwrap();
}

#[test]
fn a_hook_of_the_start_is_under_the_filter_and_others_are_not() {
    let document = br#"{"ociVersion":"1.3.0","linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW",
        "syscalls":[{"action":"SCMP_ACT_KILL","names":["mkdir","mkdirat"]}]}}}"#;
    let spec = oci::runtime::Spec::from_slice(document).unwrap();
    let profile = spec.linux.unwrap().seccomp.unwrap();
    let mut bundle = Bundle::new();
    bundle.filter = Some(seccomp::compile(&profile).unwrap());
    bundle.args(&["true"]);
    let hook = |path: &str| oci::runtime::Hook {
        path: path.to_owned(),
        args: ["mkdir", "tmp/made"].map(str::to_owned).to_vec(),
        ..oci::runtime::Hook::default()
    };
    bundle.spec.hooks = Some(oci::runtime::Hooks {
        create_container: vec![hook("/bin/mkdir")],
        ..oci::runtime::Hooks::default()
    });
    bundle.run().unwrap();
    let made = bundle.root().join("tmp/made");
    std::fs::remove_dir(&made).unwrap();
    let hooks = bundle.spec.hooks.as_mut().unwrap();
    hooks.create_container.clear();
    hooks.start_container = vec![hook("/bin/mkdir")];
    let error = bundle.run().unwrap_err().to_string();
    assert!(error.contains("startContainer hook #0"), "{error}");
    assert!(error.contains("signal: bad system call"), "{error}");
    assert!(!made.exists());
}

#[test]
fn standard_streams_of_the_null_device_are_the_containers_own() {
    let mut bundle = Bundle::new();
    // The fixture's standard input is the host's null device.
    let output = bundle.script("stat -L -c '%d %i' /proc/self/fd/0 /dev/null");
    let (stream, own) = output.split_once('\n').unwrap();
    assert_eq!(stream, own.trim(), "{output}");
}

#[test]
fn the_default_memory_policy_needs_no_nodes() {
    let mut bundle = Bundle::new();
    bundle.linux().memory_policy = Some(oci::runtime::MemoryPolicy {
        mode: oci::runtime::MemoryPolicyMode::Default,
        nodes: String::new(),
        flags: Vec::new(),
    });
    let output = bundle.script("head -n 1 /proc/self/numa_maps");
    assert!(output.contains(" default "), "{output}");
}

#[test]
fn limits_scores_priorities_and_personality_are_set() {
    let mut bundle = Bundle::new();
    let process = bundle.process();
    process.rlimits = vec![Rlimit {
        kind: RlimitKind::Nofile,
        hard: 200,
        soft: 100,
    }];
    process.oom_score_adj = Some(500);
    process.io_priority = Some(IoPriority {
        class: IoPriorityClass::Idle,
        priority: 0,
    });
    process.scheduler = Some(Scheduler {
        policy: SchedulerPolicy::Batch,
        nice: 5,
        priority: 0,
        flags: Vec::new(),
        runtime: 0,
        deadline: 0,
        period: 0,
    });
    process.exec_cpu_affinity = Some(CpuAffinity {
        initial: "0".to_owned(),
        last: "0".to_owned(),
    });
    bundle.linux().personality = Some(Personality {
        domain: PersonalityDomain::Linux32,
        flags: Vec::new(),
    });
    let output = bundle.script(
        "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; cat /proc/self/personality; \
         cat /proc/self/status; cat /proc/self/stat",
    );
    assert!(output.starts_with("100\n200\n500\n00000008\n"), "{output}");
    assert!(output.contains("Cpus_allowed_list:\t0\n"), "{output}");
    let stat: Vec<&str> = output
        .lines()
        .last()
        .unwrap()
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .collect();
    assert_eq!(stat[16], "5", "nice of {stat:?}");
    assert_eq!(stat[38], "3", "policy of {stat:?}");
}

#[test]
fn sysctls_are_the_containers_own() {
    let mut bundle = Bundle::new();
    let sysctl = &mut bundle.linux().sysctl;
    sysctl.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
    sysctl.insert("kernel.shmmni".to_owned(), "1234".to_owned());
    let output = bundle.script("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni; echo 0 > /proc/sys/net/ipv4/ip_forward || echo refused");
    assert!(output.starts_with("1\n1234\n"), "{output}");
    assert!(output.contains("refused"), "{output}");
    for (name, needed) in [
        ("kernel.panic", true),
        ("net/../kernel/panic", true),
        ("net.ipv4.ip_forward\n", true),
    ] {
        let mut bundle = Bundle::new();
        bundle
            .linux()
            .sysctl
            .insert(name.to_owned(), "1".to_owned());
        let error = bundle.run().unwrap_err();
        assert_eq!(
            error.kind() == ErrorKind::InvalidArgument,
            needed,
            "{name}: {error}"
        );
    }
}

#[test]
fn a_missing_working_directory_is_made_and_one_of_the_users_own_is_entered() {
    let mut bundle = Bundle::new();
    bundle.process().cwd = "/made/here".to_owned();
    assert_eq!(bundle.script("pwd"), "/made/here\n");
    let home = bundle.root().join("home");
    std::fs::create_dir(&home).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&home, mode).unwrap();
    std::os::unix::fs::chown(&home, Some(1000), Some(1000)).unwrap();
    bundle.process().cwd = "/home".to_owned();
    bundle.process().user.uid = 1000;
    bundle.process().user.gid = 1000;
    bundle.process().capabilities = None;
    assert_eq!(bundle.script("pwd"), "/home\n");
}

#[test]
fn signals_are_default_and_unblocked() {
    let mut bundle = Bundle::new();
    // A shell has dispositions of its own.
    bundle.args(&["cat", "/proc/self/status"]);
    let output = bundle.run().unwrap().output;
    for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"] {
        assert!(output.contains(line), "{output}");
    }
}

#[test]
fn wrong_settings_name_their_field() {
    let cases: [Wrong<'_>; 7] = [
        ("process.args", &|b| b.process().args.clear()),
        ("process.cwd", &|b| b.process().cwd = "tmp".to_owned()),
        ("process.capabilities.bounding", &|b| {
            let sets = b.process().capabilities.as_mut().unwrap();
            sets.bounding.push("CAP_ANYTHING".to_owned());
        }),
        ("process.user.uid", &|b| b.process().user.uid = u32::MAX),
        ("process.oomScoreAdj", &|b| {
            b.process().oom_score_adj = Some(1001)
        }),
        ("process.apparmorProfile", &|b| {
            b.process().apparmor_profile = "docker-default".to_owned();
        }),
        ("process.env[1]", &|b| {
            b.process().env.push("A=\0".to_owned())
        }),
    ];
    for (field, change) in cases {
        let mut bundle = Bundle::new();
        change(&mut bundle);
        let error = bundle.run().unwrap_err().to_string();
        // A kernel with AppArmor knows no such profile only when it is asked for it.
        let asked = field == "process.apparmorProfile" && error.starts_with("security label:");
        assert!(asked || error.starts_with(&format!("{field}:")), "{error}");
    }
}

#[test]
fn a_terminal_is_of_the_containers_devpts() {
    let mut bundle = Bundle::new();
    bundle.process().terminal = true;
    bundle.process().console_size = Some(oci::runtime::ConsoleSize {
        height: 33,
        width: 111,
    });
    bundle.args(&[
        "sh",
        "-c",
        "tty; stty size; ls -l /dev/console; echo to > /dev/console; read x; echo got $x",
    ]);
    let mut init = bundle
        .create(container::Stdio::Inherit, container::Gate::Held)
        .unwrap();
    let master = init.take_console().unwrap();
    init.start().unwrap();
    rustix::io::write(&master, b"hello\n").unwrap();
    let mut output = Vec::new();
    let mut buffer = [0; 4096];
    // The slave's last close is EIO here.
    while let Ok(length @ 1..) = rustix::io::read(&master, &mut buffer) {
        output.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(crate::fixture::reap(init.pidfd()), 0);
    let output = String::from_utf8(output).unwrap();
    assert!(
        output.contains("/dev/pts/0\r\n") && output.contains("33 111\r\n"),
        "{output}"
    );
    assert!(
        output.contains("\r\nto\r\n") && output.contains("got hello"),
        "{output}"
    );
}
