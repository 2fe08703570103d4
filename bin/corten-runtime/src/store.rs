//! The state directory: one directory a container, made by `create` and removed by `delete`.
//!
//! ```text
//! ROOT/ID/state.json    what is needed to find everything again (docs/formats/runtime-state.md)
//! ROOT/ID/config.json   the configuration that the container was made from
//! ROOT/ID/exec.fifo     the gate; there until the container is started
//! ```

use anyhow::{Context, Result, bail};
use oci::runtime::Spec;
use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use types::{ContainerId, Timestamp};

const STATE: &str = "state.json";
const DRAFT: &str = ".state.json";

/// The version of `state.json`; an older program refuses a newer one.
const VERSION: u32 = 1;

/// What is known of a container beside its processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) version: u32,
    pub(crate) id: ContainerId,
    pub(crate) oci_version: String,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) created: Timestamp,
    /// The init's pid, 0 until it was made.
    pub(crate) pid: i32,
    /// The init's start time, in the kernel's ticks since boot.
    pub(crate) start_time: u64,
    pub(crate) cgroup: Option<cgroup::State>,
    /// Whether the init has a pid namespace that ends with it.
    pub(crate) own_pid_namespace: bool,
    /// Whether anything runs after the program was started.
    pub(crate) poststart: bool,
    /// Whether anything runs after the container was deleted.
    pub(crate) poststop: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Record {
    /// The version of records that this program writes.
    pub(crate) const VERSION: u32 = VERSION;
}

/// All containers of one root.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// A container's directory.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
}

/// Said of a container that is not there; callers match on it.
#[derive(Debug, thiserror::Error)]
#[error("container does not exist")]
pub(crate) struct NotExist;

impl Store {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a container's directory, which must not be there.
    pub(crate) fn create(&self, id: &ContainerId) -> Result<Place> {
        let path = self.root.join(id);
        let mode = Mode::from_raw_mode(0o711);
        let made = match mkdir(&path, mode) {
            Err(Errno::NOENT) => {
                let mut builder = fs::DirBuilder::new();
                builder.recursive(true).mode(0o700);
                builder
                    .create(&self.root)
                    .with_context(|| format!("create {}", self.root.display()))?;
                mkdir(&path, mode)
            }
            made => made,
        };
        match made {
            Ok(()) => Ok(Place { path }),
            Err(Errno::EXIST) => bail!("container with given ID already exists"),
            Err(errno) => {
                Err(io::Error::from(errno)).with_context(|| format!("create {}", path.display()))
            }
        }
    }

    /// A container's directory, whether it is there or not.
    pub(crate) fn place(&self, id: &ContainerId) -> Place {
        Place {
            path: self.root.join(id),
        }
    }

    /// Reads a container's record.
    pub(crate) fn load(&self, id: &str) -> Result<(Place, Record)> {
        let id = parse_id(id)?;
        let place = self.place(&id);
        let path = place.path.join(STATE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotExist.into()),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let record: Record =
            serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
        if record.version > VERSION {
            bail!(
                "{} is of version {}, this program reads up to {VERSION}",
                path.display(),
                record.version
            );
        }
        Ok((place, record))
    }
}

/// Checks an id.
pub(crate) fn parse_id(id: &str) -> Result<ContainerId> {
    if id.is_empty() {
        bail!("container id cannot be empty");
    }
    // Errors of its own would say more, but callers match on this one.
    id.parse().ok().context("invalid container ID format")
}

impl Place {
    /// The gate's path.
    pub(crate) fn gate(&self) -> PathBuf {
        self.path.join("exec.fifo")
    }

    /// Where a root is bound while a container is restored.
    pub(crate) fn root(&self) -> PathBuf {
        self.path.join("criu-root")
    }

    /// Writes the record, whole or not at all.
    pub(crate) fn write(&self, record: &Record) -> Result<()> {
        self.draft(record)?;
        self.publish()
    }

    /// Writes what the record will be once it is published.
    pub(crate) fn draft(&self, record: &Record) -> Result<()> {
        let bytes = serde_json::to_vec(record).context("write the container's state")?;
        let path = self.path.join(DRAFT);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
    }

    /// Has the draft be the record.
    pub(crate) fn publish(&self) -> Result<()> {
        let path = self.path.join(STATE);
        let renamed = fs::rename(self.path.join(DRAFT), &path);
        renamed.with_context(|| format!("write {}", path.display()))
    }

    /// Keeps the configuration.
    pub(crate) fn keep_config(&self, bytes: &[u8]) -> Result<()> {
        let path = self.path.join("config.json");
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
    }

    /// The configuration kept.
    pub(crate) fn config(&self) -> Result<Spec> {
        let path = self.path.join("config.json");
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Spec::from_slice(&bytes).with_context(|| format!("read {}", path.display()))
    }

    /// Removes the directory; it is no error if there is none.
    pub(crate) fn remove(&self) -> Result<()> {
        // First of all: what is mounted there is the container's own root.
        let root = self.root();
        match fs::remove_dir(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", root.display()));
            }
            _ => {}
        }
        for file in [STATE, "config.json", "exec.fifo"] {
            // Whatever is left is met below.
            drop(fs::remove_file(self.path.join(file)));
        }
        let removed = match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                fs::remove_dir_all(&self.path)
            }
            removed => removed,
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
