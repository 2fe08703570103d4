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
