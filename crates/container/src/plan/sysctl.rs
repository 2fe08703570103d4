//! Kernel parameters, those of the container's own namespaces alone.

use super::namespaces::Namespaces;
use super::text::c;
use crate::Error;
use crate::guard::Guard;
use std::collections::BTreeMap;
use std::ffi::CString;
use sys::namespace::Kind;

/// One parameter: its path below procfs' root, and its value.
#[derive(Debug)]
pub(crate) struct Sysctl {
    pub(crate) path: CString,
    pub(crate) value: Vec<u8>,
}

/// Parameters of an ipc namespace.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

pub(crate) fn plan(
    sysctl: &BTreeMap<String, String>,
    namespaces: &Namespaces,
) -> Result<Vec<Sysctl>, Error> {
    sysctl
        .iter()
        .map(|(name, value)| one(name, value, namespaces))
        .collect()
}

fn one(name: &str, value: &str, namespaces: &Namespaces) -> Result<Sysctl, Error> {
    let field = format!("linux.sysctl[{name:?}]");
    let path = path(name);
    let usual = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    if !path.bytes().all(usual) || path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
        return Err(Error::invalid(field, "is no name of a kernel parameter"));
    }
    match namespace_of(&path) {
        Some(needed) if !namespaces.own(needed) => {
            let reason = format!("needs a {} namespace of its own", needed.file());
            return Err(Error::invalid(field, reason));
        }
        None if Guard::Sysctl.holds() => {
            let reason = "is not separate for each namespace, and would change the host";
            return Err(Error::invalid(field, reason));
        }
        _ => {}
    }
    Ok(Sysctl {
        path: c(&field, &format!("sys/{path}"))?,
        value: value.as_bytes().to_vec(),
    })
}

/// The namespace that a parameter belongs to; none for one of the whole kernel.
fn namespace_of(path: &str) -> Option<Kind> {
    match path {
        "kernel/domainname" | "kernel/hostname" => Some(Kind::Uts),
        path if IPC.contains(&path) || path.starts_with("fs/mqueue/") => Some(Kind::Ipc),
        path if path.starts_with("net/") => Some(Kind::Network),
        path if path.starts_with("user/") => Some(Kind::User),
        _ => None,
    }
}

/// `net.ipv4.conf.eth0/1.forwarding` is `net/ipv4/conf/eth0.1/forwarding`; whichever of dot and
/// slash comes first separates, as sysctl(8) has it.
fn path(name: &str) -> String {
    match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'.') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn the_first_separator_of_a_name_decides() {
        for (name, expected) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            (
                "net.ipv4.conf.eth0/1.rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
            (
                "net/ipv4/conf/eth0.1/rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
        ] {
            assert_eq!(path(name), expected);
        }
    }
}
