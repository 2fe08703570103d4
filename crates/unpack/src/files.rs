//! Orders about files that are in use: to pack some of a tree, to place an archive in one.

use oci::runtime::IdMaps;
use serde::{Deserialize, Serialize};

/// What of a tree to write as an archive, and under which names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pack {
    /// The directory, with the tree as root of every resolution; links are followed.
    pub dir: String,
    /// What in it, a link itself and not its target; empty: the directory.
    pub name: String,
    /// What it is called in the archive. Empty: it has no entry, and what is in it has no prefix.
    pub rename: String,
    /// How much of the files' descriptions is kept.
    pub detail: Detail,
    /// Paths in the tree that are left out, without a leading slash.
    pub hidden: Vec<String>,
    /// The user namespace of the tree's owners: the archive has ids as they are in there.
    pub ids: Option<IdMaps>,
}

/// How much of the files' descriptions is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// As Docker's archives: times in seconds, of extended attributes the capabilities.
    #[default]
    Archive,
    /// Times in nanoseconds, users' extended attributes: for a copy.
    Copy,
    /// As [`Self::Archive`], and overlay's marks become a layer's whiteouts.
    Layer,
}

/// Where in a tree to place an archive's members, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// The directory, with the tree as root of every resolution; links are followed.
    pub dir: String,
    /// Whose the files are.
    pub owner: Owner,
    /// No directory is replaced by something else, nor something else by a directory.
    pub strict: bool,
    /// The archive's own top says what the directory is like.
    pub describe_top: bool,
    /// The first part of members' names: what it is, what it becomes.
    pub rename: Option<(String, String)>,
    /// The user namespace that the archive's ids, and those of `owner`, are of.
    pub ids: Option<IdMaps>,
}

/// Whose placed files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The archive's words.
    #[default]
    Archive,
    /// This user's and group's.
    Ids(u32, u32),
    /// The worker's own.
    Worker,
}

/// A tree's files that were written as an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Members of the archive.
    pub entries: u64,
}

/// An archive's members that were placed in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Members of the archive.
    pub entries: u64,
    /// Bytes of files' contents.
    pub written: u64,
}
