//! What this process may do.

use crate::{Report, read};

/// By number, as `linux/capability.h` numbers them.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// How many characters of names fit on a line.
const WIDTH: usize = 62;

/// Capabilities, seccomp, no_new_privs.
pub(crate) fn report(report: &mut Report) {
    let status = read("/proc/self/status");
    let field = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim_start_matches(':').trim())
    };
    let effective = field("CapEff").and_then(|bits| u64::from_str_radix(bits, 16).ok());
    match effective {
        None => report.line("capabilities", "unknown: /proc is not there"),
        Some(bits) => report.lines("capabilities", &wrapped(bits)),
    }
    let filters = field("Seccomp_filters").unwrap_or("0");
    let seccomp = match field("Seccomp") {
        Some("0") => "off".to_owned(),
        Some("1") => "strict".to_owned(),
        Some("2") => format!("filter ({filters})"),
        _ => "unknown".to_owned(),
    };
    let privileges = match field("NoNewPrivs") {
        Some("1") => "set",
        Some("0") => "not set",
        _ => "unknown",
    };
    report.line("seccomp", &format!("{seccomp}; no_new_privs {privileges}"));
}

fn wrapped(bits: u64) -> Vec<String> {
    let names = NAMES
        .iter()
        .enumerate()
        .filter(|(number, _)| bits >> number & 1 == 1);
    let names: Vec<_> = names.map(|(_, name)| *name).collect();
    if names.len() == NAMES.len() {
        return vec!["all".into()];
    }
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + name.len() < WIDTH => {
                line.push(' ');
                line.push_str(name);
            }
            _ => lines.push(name.to_owned()),
        }
    }
    lines
}
