//! What the worker answers: one line of JSON.

use oci::image::{Config, Document, Index};
use serde::{Deserialize, Deserializer, Serialize};
use types::Digest;

use crate::error::Refusal;
use crate::files::{Packed, Placed};

/// The version of the line's form. A caller refuses any other.
pub const VERSION: u32 = 2;

/// The line: exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A layer was written.
    Layer(Unpacked),
    /// An image archive was split into blobs.
    Archive(Split),
    /// Files were written as an archive.
    Pack(Packed),
    /// An archive was placed among files.
    Place(Placed),
    /// A manifest or an index was read.
    Document(Document),
    /// An image's configuration was read.
    Config(Box<Config>),
    /// Nothing was: the output is to be thrown away.
    Failed(Refusal),
}

/// How a stream was compressed, told from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
}

/// A layer that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// The digest of the stream as it came.
    pub digest: Digest,
    /// Bytes of the stream as it came.
    pub size: u64,
    /// How it was compressed.
    pub compression: Compression,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Bytes of the uncompressed tar.
    pub diff_size: u64,
    /// Bytes written: the blob's length, or the sum of the files' lengths in a directory.
    pub written: u64,
    /// Entries of the tar.
    pub entries: u64,
    /// Parent directories that no entry described: made as root's, mode 0755.
    pub implied: u64,
    /// Extended attributes left out: of a namespace that no file system here holds, or overlay's own.
    pub ignored_xattrs: u64,
}

/// An image archive (`docker save`, docker-archive, oci-archive) that was split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// How the archive as a whole was compressed.
    pub compression: Compression,
    /// Its regular files: each is now a blob in the output directory, at `ALGORITHM/HEX`.
    pub members: Vec<Member>,
    /// Its links, as old `docker save` archives have them for layers in common.
    pub links: Vec<Link>,
    /// What `manifest.json` lists, or would list in an archive of Docker before 1.10.
    pub saved: Option<Vec<Saved>>,
    /// `index.json`, if it is there.
    pub index: Option<Box<Index>>,
}

/// An image of an archive as `docker save` writes it in `manifest.json`: names of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Saved {
    /// The member that is its configuration.
    pub config: String,
    /// Its names with their tags.
    #[serde(default, deserialize_with = "list")]
    pub repo_tags: Vec<String>,
    /// Members that are its layers, the lowest first.
    #[serde(default, deserialize_with = "list")]
    pub layers: Vec<String>,
}

/// Go writes an empty list as `null`.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A regular file of an image archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its normalised name: no leading `/` or `./`.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
}

/// A symbolic or hard link of an image archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its normalised name.
    pub name: String,
    /// The normalised name it stands for; a symbolic link's target is resolved already.
    pub target: String,
}
