//! Which parts of root's power a program has.

use crate::{Error, SecuritySpec};
use oci::runtime::Capabilities;
use std::sync::LazyLock;
use types::CAPABILITIES;

/// Those of a container that asks for nothing.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Those that the daemon can give: an engine in a container may have fewer than the kernel knows.
static AVAILABLE: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(u64::MAX);
    let has = |number: usize| bits >> number & 1 == 1;
    CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(number, _)| has(*number))
        .map(|(_, name)| *name)
        .collect()
});

/// All that can be given.
pub(super) fn all() -> Capabilities {
    sets(AVAILABLE.clone())
}

/// Those of a container.
pub(super) fn of(security: &SecuritySpec) -> Result<Capabilities, Error> {
    names(security).map(sets)
}

/// Their names, in the kernel's order.
pub(super) fn names(security: &SecuritySpec) -> Result<Vec<&'static str>, Error> {
    let add = named("CapAdd", &security.cap_add)?;
    let drop = named("CapDrop", &security.cap_drop)?;
    if security.privileged {
        return Ok(AVAILABLE.clone());
    }
    let wanted = |name: &&&'static str| -> bool {
        let dropped = drop.holds(name);
        match (add.all, drop.all) {
            (true, _) => !dropped,
            (false, true) => add.holds(name),
            (false, false) => (DEFAULT.contains(name) && !dropped) || add.holds(name),
        }
    };
    // What is asked for and cannot be given fails at the start; what comes by default is left out.
    let given = |name: &&&'static str| AVAILABLE.contains(name) || add.holds(name);
    Ok(CAPABILITIES
        .iter()
        .filter(wanted)
        .filter(given)
        .copied()
        .collect())
}

struct Named {
    all: bool,
    names: Vec<String>,
}

impl Named {
    fn holds(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

fn named(field: &'static str, list: &[String]) -> Result<Named, Error> {
    let mut named = Named {
        all: false,
        names: Vec::new(),
    };
    for text in list {
        let upper = text.to_ascii_uppercase();
        if matches!(upper.as_str(), "ALL" | "CAP_ALL") {
            named.all = true;
            continue;
        }
        let name = match upper.starts_with("CAP_") {
            true => upper,
            false => format!("CAP_{upper}"),
        };
        if !CAPABILITIES.contains(&name.as_str()) {
            return Err(Error::invalid(
                field,
                format!("unknown capability: {name:?}"),
            ));
        }
        named.names.push(name);
    }
    Ok(named)
}

/// No inheritable and no ambient ones: a program that is not root's gains nothing by execve.
fn sets(names: Vec<&'static str>) -> Capabilities {
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lists(add: &[&str], drop: &[&str]) -> Vec<&'static str> {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let security = SecuritySpec {
            cap_add: list(add),
            cap_drop: list(drop),
            ..SecuritySpec::default()
        };
        names(&security).unwrap()
    }

    #[test]
    fn capabilities_are_added_to_and_taken_from_the_default() {
        assert_eq!(of_lists(&[], &[]).len(), 14);
        assert!(of_lists(&["NET_ADMIN"], &[]).contains(&"CAP_NET_ADMIN"));
        assert!(!of_lists(&[], &["cap_chown"]).contains(&"CAP_CHOWN"));
        assert_eq!(of_lists(&[], &["ALL"]), Vec::<&str>::new());
        assert_eq!(of_lists(&["kill"], &["all"]), ["CAP_KILL"]);
        assert_eq!(of_lists(&["ALL"], &["MKNOD"]).len() + 1, AVAILABLE.len());
    }

    #[test]
    fn no_capability_is_inheritable_or_ambient() {
        let sets = all();
        assert!(sets.inheritable.is_empty() && sets.ambient.is_empty());
    }

    #[test]
    fn an_unknown_capability_is_refused_by_name() {
        let security = SecuritySpec {
            cap_add: vec!["NET_ADMINN".to_owned()],
            ..SecuritySpec::default()
        };
        assert!(
            of(&security)
                .unwrap_err()
                .to_string()
                .contains("NET_ADMINN")
        );
    }
}
