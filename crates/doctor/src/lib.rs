//! Finds what no object owns: mounts, namespaces, links, cgroups, rules, processes, files and logs.
//!
//! It knows how corten's things look to the kernel and where they lie on disk. It asks
//! neither the daemon nor its database: the caller says which containers are on record,
//! and which shims live is read from the kernel. It changes nothing.
//! Read first: [`examine`], [`Leak`], [`Records`].

mod cgroups;
mod files;
mod links;
mod mountinfo;
mod mounts;
mod processes;
mod rules;
mod shims;

use proto::run;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use types::{ContainerId, Paths};

/// What kind of thing was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A mount in the host's namespace, below corten's directories.
    Mount,
    /// A pinned namespace.
    Namespace,
    /// A network link.
    Link,
    /// A control group.
    Cgroup,
    /// A firewall table.
    Rule,
    /// A shim that no run directory names, or a process in a cgroup that no shim owns.
    Process,
    /// A file or directory.
    File,
    /// A container's log.
    Log,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mount => "mount",
            Self::Namespace => "namespace",
            Self::Link => "link",
            Self::Cgroup => "cgroup",
            Self::Rule => "rule",
            Self::Process => "process",
            Self::File => "file",
            Self::Log => "log",
        })
    }
}

/// One thing without an owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Its kind.
    pub what: What,
    /// Its path, name or pid, so that a person can find it.
    pub name: String,
    /// Why nothing owns it.
    pub why: String,
}

impl Leak {
    fn new(what: What, name: impl fmt::Display, why: impl Into<String>) -> Self {
        Self {
            what,
            name: name.to_string(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.what, self.name, self.why)
    }
}

/// What the caller knows to be on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// These containers are.
    Containers(BTreeSet<ContainerId>),
    /// These containers are, these networks by their ids, and these volumes.
    Objects {
        /// The containers.
        containers: BTreeSet<ContainerId>,
        /// The networks' ids.
        networks: BTreeSet<String>,
        /// The volumes' names.
        volumes: BTreeSet<String>,
    },
    /// Neither the daemon nor its database could be asked; what only they know is passed over.
    Unknown,
}

impl Records {
    /// Whether a container is on record, or may be.
    fn may_hold(&self, id: &str) -> bool {
        match self {
            Self::Containers(known)
            | Self::Objects {
                containers: known, ..
            } => known.iter().any(|k| k.as_str() == id),
            Self::Unknown => true,
        }
    }

    /// Whether a network is on record, or may be.
    fn may_hold_network(&self, id: &str) -> bool {
        match self {
            Self::Containers(_) => false,
            Self::Objects { networks, .. } => networks.contains(id),
            Self::Unknown => true,
        }
    }

    /// Whether a volume is on record, or may be. With the containers alone, nobody's volumes
    /// are looked for.
    fn may_hold_volume(&self, name: &str) -> bool {
        match self {
            Self::Objects { volumes, .. } => volumes.contains(name),
            Self::Containers(_) | Self::Unknown => true,
        }
    }

    /// Whether any network is on record, or may be.
    fn may_hold_networks(&self) -> bool {
        match self {
            Self::Containers(_) => false,
            Self::Objects { networks, .. } => !networks.is_empty(),
            Self::Unknown => true,
        }
    }
}

/// What was found, and what could not be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Things without an owner, sorted by kind.
    pub leaks: Vec<Leak>,
    /// Places that could not be read, with the reason; never silently passed over.
    pub unread: Vec<String>,
}

impl Findings {
    fn leak(&mut self, leak: Leak) {
        self.leaks.push(leak);
    }

    fn unread(&mut self, place: impl fmt::Display, why: impl fmt::Display) {
        self.unread.push(format!("{place}: {why}"));
    }
}

/// What all examinations share.
struct Case<'a> {
    paths: &'a Paths,
    instance: String,
    records: &'a Records,
    /// Sandboxes whose shim is alive.
    live: BTreeSet<String>,
    /// Pids of those shims.
    shims: BTreeSet<u32>,
    /// Those of the sandboxes that were made ahead and hold nothing yet, and their shims' pids.
    ahead: BTreeMap<String, u32>,
}

/// How long after the first look the second is taken.
const AGAIN: Duration = Duration::from_millis(50);

/// Looks for everything of the daemon at `paths` that no object owns: now, and a moment later,
/// because what is just being made or removed has no owner for that long.
pub fn examine(paths: &Paths, records: &Records) -> Findings {
    let first = look(paths, records);
    if first.leaks.is_empty() {
        return first;
    }
    std::thread::sleep(AGAIN);
    let mut second = look(paths, records);
    second.leaks.retain(|leak| first.leaks.contains(leak));
    second
}

fn look(paths: &Paths, records: &Records) -> Findings {
    let mut findings = Findings::default();
    let shims = shims::alive(paths, &mut findings);
    let is_ahead = |sandbox: &str| {
        let folder = paths.shims().join(sandbox).join(sandbox);
        folder.join(run::PREPARED).exists()
    };
    let ahead = shims.clone().into_iter();
    let case = Case {
        ahead: ahead.filter(|(sandbox, _)| is_ahead(sandbox)).collect(),
        paths,
        instance: paths.instance(),
        records,
        live: shims.keys().cloned().collect(),
        shims: shims.values().copied().collect(),
    };
    mounts::examine(&case, &mut findings);
    links::examine(&case, &mut findings);
    cgroups::examine(&case, &mut findings);
    rules::examine(&case, &mut findings);
    processes::examine(&case, &mut findings);
    files::examine(&case, &mut findings);
    findings.leaks.sort();
    findings
}
