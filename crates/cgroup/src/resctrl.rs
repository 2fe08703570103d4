//! Classes of service: shares of the processors' caches and of the bandwidth to memory, in the
//! kernel's resctrl file system. `linux.intelRdt` names them.
//!
//! ```text
//! ROOT/schemata, tasks              the class that everything is in at first
//! ROOT/CLASS/schemata, tasks        a class
//! ROOT/CLASS/mon_groups/ID/tasks    what one container of the class uses, counted
//! ROOT/info/…                       what the processors can
//! ```

mod stats;

pub use stats::{Bandwidth, Cache, Occupancy, Stats, Traffic};

use crate::{Error, hierarchy};
use oci::runtime::IntelRdt;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The directory that a kernel with the feature has, whether anything is mounted there or not.
const USUAL: &str = "/sys/fs/resctrl";
const FIELD: &str = "linux.intelRdt.closID";

/// The file system.
#[derive(Clone, Debug)]
pub struct Resctrl {
    root: PathBuf,
}

/// What a container has of it: a class, and perhaps a group that counts what it uses.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    resctrl: Resctrl,
    state: State,
}

/// What is needed to find a class again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Where the file system is mounted.
    pub root: PathBuf,
    /// The class.
    pub class: PathBuf,
    /// Whether it was made for the container, and goes with it.
    pub own: bool,
    /// The group that counts what the container uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<PathBuf>,
}

/// A change that the kernel did not take.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {} (last_cmd_status: {status})", path.display())]
pub struct Refused {
    /// `create`, `write`, `remove`.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// The kernel's own words.
    pub status: String,
    /// Why not.
    pub source: io::Error,
}

impl Resctrl {
    /// Finds where it is mounted.
    pub fn find() -> Result<Self, Error> {
        let mounts = hierarchy::read("/proc/self/mountinfo")?;
        match mounts.lines().find_map(mounted) {
            Some(root) => Ok(Self { root }),
            None if Path::new(USUAL).exists() => Err(Error::NoResctrl {
                missing: "it is not mounted (mount -t resctrl resctrl /sys/fs/resctrl)",
            }),
            None => Err(Error::NoResctrl {
                missing: "the kernel was built without CONFIG_X86_CPU_RESCTRL, or the processors cannot share out their caches",
            }),
        }
    }

    /// Whether the processors share out something: `L3` or `MB`.
    pub fn has(&self, resource: &str) -> bool {
        self.root.join("info").join(resource).exists()
    }

    /// What a request will have, before it is made.
    pub(crate) fn planned(&self, id: &str, wanted: &IntelRdt) -> Result<State, Error> {
        for (line, resource, field) in [
            (
                &wanted.l3_cache_schema,
                "L3",
                "linux.intelRdt.l3CacheSchema",
            ),
            (&wanted.mem_bw_schema, "MB", "linux.intelRdt.memBwSchema"),
        ] {
            if !line.is_empty() && !self.has(resource) {
                return Err(Error::NoResource { field, resource });
            }
        }
        let class = match wanted.clos_id.as_str() {
            "" => self.root.join(id),
            "/" => self.root.clone(),
            name if name == "." || name == ".." || name.contains('/') => {
                let reason = format!("{name:?} is no name of a class of service");
                return Err(Error::Invalid {
                    field: FIELD,
                    reason,
                });
            }
            name => self.root.join(name),
        };
        let there = class.is_dir();
        if !there && !wanted.clos_id.is_empty() && lines(wanted).next().is_none() {
            let reason = format!(
                "{:?} is not there, and no schemata say what it is to be",
                wanted.clos_id
            );
            return Err(Error::Invalid {
                field: FIELD,
                reason,
            });
        }
        let monitoring = class.join("mon_groups").join(id);
        Ok(State {
            root: self.root.clone(),
            // A class that has a name can be others' too.
            own: !there && wanted.clos_id.is_empty(),
            class,
            monitoring: wanted.enable_monitoring.then_some(monitoring),
        })
    }

    /// Why the kernel refused the last change.
    fn refused(&self, action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let status = fs::read_to_string(self.root.join("info/last_cmd_status"));
        let status = status.unwrap_or_default().trim().to_owned();
        let path = path.to_owned();
        move |source| {
            Error::Resctrl(Box::new(Refused {
                action,
                path,
                status,
                source,
            }))
        }
    }
}

impl Class {
    /// Makes it, ready to be joined; on failure nothing is left that was not there.
    pub(crate) fn create(resctrl: Resctrl, id: &str, wanted: &IntelRdt) -> Result<Self, Error> {
        let state = resctrl.planned(id, wanted)?;
        let was_there = state.class.is_dir();
        let class = Self { resctrl, state };
        class.make(wanted).inspect_err(|_| {
            drop(class.remove());
            if !was_there {
                drop(fs::remove_dir(&class.state.class));
            }
        })?;
        Ok(class)
    }

    fn make(&self, wanted: &IntelRdt) -> Result<(), Error> {
        let State {
            class, monitoring, ..
        } = &self.state;
        self.directory(class)?;
        self.write(lines(wanted))?;
        monitoring.as_ref().map_or(Ok(()), |at| self.directory(at))
    }

    fn directory(&self, path: &Path) -> Result<(), Error> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(self.resctrl.refused("create", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes lines of the schemata, all at once; those not named stay.
    fn write<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        if text.is_empty() {
            return Ok(());
        }
        let path = self.state.class.join("schemata");
        fs::write(&path, text).map_err(self.resctrl.refused("write", &path))
    }

    /// Finds it again, unless it is gone.
    pub(crate) fn open(state: &State) -> Option<Self> {
        let root = state.root.clone();
        state.class.is_dir().then(|| Self {
            resctrl: Resctrl { root },
            state: state.clone(),
        })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The files to join by; the class before the group in it.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = Result<OwnedFd, Error>> {
        let monitoring = self.state.monitoring.iter();
        [&self.state.class].into_iter().chain(monitoring).map(|at| {
            let path = at.join("tasks");
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let opened = rustix::fs::open(&path, flags, Mode::empty());
            opened.map_err(Error::io("open", &path))
        })
    }

    /// Moves a process in, and its later children.
    pub(crate) fn add(&self, pid: i32) -> Result<(), Error> {
        for tasks in self.tasks() {
            let written = rustix::io::write(&tasks?, pid.to_string().as_bytes());
            let tasks = self.state.class.join("tasks");
            written.map_err(|errno| self.resctrl.refused("write", &tasks)(errno.into()))?;
        }
        Ok(())
    }

    /// Changes shares; an empty line stays as it is. COMPAT: as with runc, those that the
    /// configuration has as `schemata` are written again.
    pub(crate) fn update(&self, wanted: &IntelRdt) -> Result<(), Error> {
        self.write(lines(wanted))
    }

    /// Removes what was made for the container; its processes go where they were.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let path = match (&self.state.monitoring, self.state.own) {
            (_, true) => &self.state.class,
            (Some(monitoring), false) => monitoring,
            (None, false) => return Ok(()),
        };
        match fs::remove_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.resctrl.refused("remove", path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// What is written to the schemata, in its order: later lines count more.
fn lines(wanted: &IntelRdt) -> impl Iterator<Item = &str> {
    let single = [&wanted.l3_cache_schema, &wanted.mem_bw_schema];
    let all = single.into_iter().chain(&wanted.schemata);
    all.map(String::as_str).filter(|line| !line.is_empty())
}

/// Where a line of mountinfo says that the file system is.
fn mounted(line: &str) -> Option<PathBuf> {
    let (before, after) = line.split_once(" - ")?;
    if after.split(' ').next() != Some("resctrl") {
        return None;
    }
    before.split(' ').nth(4).map(PathBuf::from)
}

#[cfg(test)]
mod tests;
