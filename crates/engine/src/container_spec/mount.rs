//! Mounts in the long form.

use super::bind::{check_target, check_volume, refused_volume};
use super::{ParseError, Propagation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        /// If it is read-only, whether mounts under it are too.
        #[serde(default)]
        recursion: ReadOnlyRecursion,
    },
    /// A volume.
    Volume {
        /// Its name; `None`: an anonymous one.
        name: Option<String>,
        /// It is not filled from the image.
        no_copy: bool,
        /// Labels of a volume that is made.
        #[serde(default)]
        labels: Option<BTreeMap<String, String>>,
        /// The driver of a volume that is made; empty: `local`.
        #[serde(default)]
        driver: String,
        /// Options for the driver.
        #[serde(default)]
        options: Option<BTreeMap<String, String>>,
        /// What of the volume is mounted; empty: all.
        #[serde(default)]
        subpath: String,
    },
    /// A temporary file system.
    Tmpfs {
        /// Its size in bytes.
        size: Option<u64>,
        /// The mode of its root.
        mode: Option<u32>,
        /// Programs in it can be executed.
        #[serde(default)]
        exec: bool,
    },
    /// An image's files, read-only.
    Image {
        /// The image: a reference or an id.
        image: String,
        /// What of the image is mounted; empty: all.
        subpath: String,
    },
}

/// Whether mounts under a read-only one are read-only too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadOnlyRecursion {
    /// They are: every kernel that corten runs on can do that.
    #[default]
    All,
    /// They are as they are on the host.
    None,
    /// They are, and the caller insists on it.
    Forced,
}

impl Mount {
    /// What a volume's name is in an error, whose reason is dockerd's whole sentence.
    pub const NAME: &'static str = "volume name";

    /// Checks the paths and names; edges call it on what they made.
    pub fn check(&self) -> Result<(), ParseError> {
        let fail = |text: &str, reason: &str| ParseError::new("mount", text, reason);
        let relative = |path: &str| {
            let words = format!("invalid mount path: '{path}' mount path must be absolute");
            fail(path, &words)
        };
        if !self.target.starts_with('/') {
            return Err(relative(&self.target));
        }
        check_target(&self.target)
            .map_err(|reason| fail(&self.target, &format!("invalid specification: {reason}")))?;
        match &self.kind {
            MountKind::Bind { source, .. } if !source.starts_with('/') => Err(relative(source)),
            MountKind::Bind {
                propagation,
                recursion: ReadOnlyRecursion::Forced,
                ..
            } => match (self.read_only, propagation) {
                (false, _) => Err(fail(
                    &self.target,
                    "mounts under it are to be read-only, and it is not",
                )),
                (true, Some(Propagation::RPrivate)) => Ok(()),
                (true, _) => Err(fail(
                    &self.target,
                    "mounts under it are read-only only with propagation rprivate",
                )),
            },
            MountKind::Volume { name, subpath, .. } => match name {
                Some(name) => check_volume(name)
                    .map_err(|_| ParseError::new(Self::NAME, name, refused_volume(name))),
                None if !subpath.is_empty() => Err(fail(
                    subpath,
                    "must not set Subpath when using anonymous volumes",
                )),
                None => Ok(()),
            },
            MountKind::Image { image, .. } if image.is_empty() => {
                Err(fail(image, "the source is no image"))
            }
            _ => Ok(()),
        }
    }
}
