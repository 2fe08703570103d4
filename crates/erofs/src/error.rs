//! Why an entry was not taken or an image not written.

use std::io;

/// What failed, on which entry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A component is longer than 255 bytes.
    #[error("{path}: a name in it is longer than 255 bytes")]
    NameTooLong {
        /// The entry.
        path: String,
    },
    /// `..` leaves the root.
    #[error("{path}: leaves the root")]
    Escapes {
        /// The entry.
        path: String,
    },
    /// A name with a zero byte.
    #[error("{path}: has a zero byte")]
    ZeroByte {
        /// The entry or target.
        path: String,
    },
    /// The entry is the root, and no directory.
    #[error("{path}: the root is a directory and nothing else")]
    Root {
        /// The entry.
        path: String,
    },
    /// A parent is neither a directory nor a link to one.
    #[error("{path}: a parent is no directory")]
    NotDirectory {
        /// The entry.
        path: String,
    },
    /// Too many symbolic links on the way.
    #[error("{path}: more than 40 symbolic links on the way to it")]
    Loop {
        /// The entry.
        path: String,
    },
    /// A hard link to what is not there.
    #[error("{path}: hard link to {target}, which is not in this archive before it")]
    LinkMissing {
        /// The entry.
        path: String,
        /// What it links to.
        target: String,
    },
    /// A hard link to a directory.
    #[error("{path}: hard link to {target}, which is a directory")]
    LinkDirectory {
        /// The entry.
        path: String,
        /// What it links to.
        target: String,
    },
    /// More names for one inode than the format counts.
    #[error("{path}: its inode has more than 65000 names")]
    TooManyLinks {
        /// The entry.
        path: String,
    },
    /// A symbolic link's target is empty or longer than 4095 bytes.
    #[error("{path}: the target of a symbolic link has 1 to 4095 bytes, not {length}")]
    Target {
        /// The entry.
        path: String,
        /// The target's length.
        length: usize,
    },
    /// Extended attributes beyond what the format or Linux holds.
    #[error("{path}: extended attributes: {reason}")]
    Xattr {
        /// The entry.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// A directory lies deeper than the bound.
    #[error("{path}: more than {limit} directories deep")]
    TooDeep {
        /// The entry.
        path: String,
        /// The bound.
        limit: u32,
    },
    /// The tree has more inodes than the bound.
    #[error("{path}: more than {limit} inodes")]
    TooManyInodes {
        /// The entry at which it was reached.
        path: String,
        /// The bound.
        limit: u64,
    },
    /// The image would be larger than 16 TiB, which its block numbers count.
    #[error("the image is larger than 16 TiB")]
    TooLarge,
    /// The file did not take it.
    #[error("{attempt} the image")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// A name as an error shows it: its bytes, what is not ASCII or printable escaped, cut when long.
pub(crate) fn show(path: &[u8]) -> String {
    let cut = path.get(..200).unwrap_or(path);
    let dots = if cut.len() < path.len() { "..." } else { "" };
    format!("{}{dots}", cut.escape_ascii())
}
