//! What an entry says of an inode.

/// Time of last modification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mtime {
    /// Seconds since the epoch; negative before it.
    pub seconds: i64,
    /// Nanoseconds within the second, below 10^9.
    pub nanos: u32,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// The whole name: `security.capability`.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// What every inode has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with set-id and sticky: `0o7777` at most.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Time of last modification.
    pub mtime: Mtime,
    /// Extended attributes; the writer sorts them. Those of one name: the last counts.
    pub xattrs: Vec<Xattr>,
}

/// An inode without contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A character device by major and minor number.
    Character(u32, u32),
    /// A block device by major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
}
