//! Mounts in the long form.

use super::bind::{check_target, check_volume};
use super::{ParseError, Propagation};
use serde::{Deserialize, Serialize};

/// A mount in the long form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// An absolute path in the container.
    pub target: String,
    /// It cannot be written to.
    pub read_only: bool,
    /// What is mounted.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A file or directory of the host.
    Bind {
        /// Its absolute path.
        source: String,
        /// How mounts under it travel.
        propagation: Option<Propagation>,
        /// Mounts under it are left out.
        non_recursive: bool,
        /// The source is made as a directory if there is none.
        create_source: bool,
    },
    /// A volume.
    Volume {
        /// Its name; `None`: an anonymous one.
        name: Option<String>,
        /// It is not filled from the image.
        no_copy: bool,
    },
    /// A temporary file system.
    Tmpfs {
        /// Its size in bytes.
        size: Option<u64>,
        /// The mode of its root.
        mode: Option<u32>,
    },
}

impl Mount {
    /// Checks the paths and names; edges call it on what they made.
    pub fn check(&self) -> Result<(), ParseError> {
        let fail = |text: &str, reason: &str| ParseError::new("mount", text, reason);
        check_target(&self.target).map_err(|reason| fail(&self.target, reason))?;
        match &self.kind {
            MountKind::Bind { source, .. } if !source.starts_with('/') => {
                Err(fail(source, "the source is no absolute path"))
            }
            MountKind::Volume {
                name: Some(name), ..
            } => check_volume(name).map_err(|reason| fail(name, reason)),
            _ => Ok(()),
        }
    }
}
