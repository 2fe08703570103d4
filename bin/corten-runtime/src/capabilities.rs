//! The capabilities that are known by name.

use crate::log;
use oci::runtime::{Capabilities, Process};

/// By number.
pub(crate) const KNOWN: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Takes out, with a warning, what no kernel has or would raise, as the specification demands.
pub(crate) fn drop_impossible(process: &mut Process) {
    let Some(sets) = &mut process.capabilities else {
        return;
    };
    drop_unknown(sets);
    let raised = [&sets.permitted, &sets.inheritable];
    sets.ambient.retain(|name| {
        let can = raised.iter().all(|set| set.contains(name));
        if !can {
            // COMPAT: runc's words; the kernel's answer is what it would be.
            log::warn(&format!(
                "can't raise ambient capability {name}: operation not permitted"
            ));
        }
        can
    });
}

fn drop_unknown(sets: &mut Capabilities) {
    let mut unknown: Vec<String> = Vec::new();
    for set in [
        &mut sets.bounding,
        &mut sets.effective,
        &mut sets.inheritable,
        &mut sets.permitted,
        &mut sets.ambient,
    ] {
        set.retain(|name| {
            let known = KNOWN.contains(&name.as_str());
            if !known && !unknown.contains(name) {
                unknown.push(name.clone());
            }
            known
        });
    }
    if !unknown.is_empty() {
        let names = unknown.join(" ");
        log::warn(&format!(
            "ignoring unknown or unavailable capabilities: [{names}]"
        ));
    }
}
