//! Capabilities that a process cannot have.

use crate::log;
use oci::runtime::{Capabilities, Process};
use types::CAPABILITIES;

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
            let known = CAPABILITIES.contains(&name.as_str());
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
