//! The numbers of the format on disk, and its fixed structures.

use crate::crc32c::crc32c;

/// A block, also a page. Everything is counted in it.
pub(crate) const BLOCK: usize = 4096;
/// [`BLOCK`] as offsets are counted.
pub(crate) const BLOCK64: u64 = 4096;
/// Inodes are placed and numbered by this.
pub(crate) const SLOT: u64 = 32;
/// Where the superblock begins.
const SUPER_OFFSET: usize = 1024;
const SUPER_SIZE: usize = 128;
/// Where the root's inode is: right behind the superblock, as its number has 16 bits.
pub(crate) const ROOT_OFFSET: usize = SUPER_OFFSET + SUPER_SIZE;
/// The root's number.
pub(crate) const ROOT_NID: u64 = 36;
/// Bytes for the root's inode, attributes and inline entries.
pub(crate) const ROOT_SPACE: usize = BLOCK - ROOT_OFFSET;

const MAGIC: u32 = 0xe0f5_e1e2;
const COMPAT_CHECKSUM: u32 = 1;
const COMPAT_MTIME: u32 = 2;
const INCOMPAT_CHUNKED: u32 = 4;

/// A hole in a table of chunks.
pub(crate) const HOLE: u32 = u32::MAX;
/// A chunk is 16 blocks.
pub(crate) const CHUNK: usize = BLOCK << CHUNK_BITS;
/// The binary logarithm of a chunk's blocks.
pub(crate) const CHUNK_BITS: u32 = 4;

/// `S_IFMT` values and the types of directory entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileType {
    Regular,
    Directory,
    Character,
    Block,
    Fifo,
    Socket,
    Symlink,
}

impl FileType {
    pub(crate) const fn mode(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Character => 0o020_000,
            Self::Block => 0o060_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
            Self::Symlink => 0o120_000,
        }
    }

    pub(crate) const fn dirent(self) -> u8 {
        match self {
            Self::Regular => 1,
            Self::Directory => 2,
            Self::Character => 3,
            Self::Block => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }
}

/// How an inode's contents are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataLayout {
    /// Consecutive blocks.
    Plain = 0,
    /// Consecutive blocks, the last part behind the inode.
    Inline = 2,
    /// A table of chunks behind the inode.
    Chunked = 4,
}

/// What the superblock says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Superblock {
    pub(crate) inodes: u64,
    pub(crate) blocks: u32,
    /// The time of compact inodes.
    pub(crate) epoch: i64,
    pub(crate) epoch_nanos: u32,
    pub(crate) chunked: bool,
}

impl Superblock {
    /// Writes it into block 0, whose rest is complete, and its checksum over all behind 1024.
    pub(crate) fn write(&self, block: &mut [u8; BLOCK]) {
        let mut fields = Fields {
            out: block,
            at: SUPER_OFFSET,
        };
        fields.put(&MAGIC.to_le_bytes());
        fields.put(&[0; 4]); // checksum
        fields.put(&(COMPAT_CHECKSUM | COMPAT_MTIME).to_le_bytes());
        fields.put(&[12, 0]); // binary logarithm of the block's size; no extension slots
        fields.put(&36_u16.to_le_bytes()); // the root's number
        fields.put(&self.inodes.to_le_bytes());
        fields.put(&self.epoch.to_le_bytes());
        fields.put(&self.epoch_nanos.to_le_bytes());
        fields.put(&self.blocks.to_le_bytes());
        fields.put(&[0; 4]); // meta_blkaddr: inodes are numbered from the image's start
        fields.put(&[0; 4]); // xattr_blkaddr: so are shared attributes
        fields.put(&[0; 32]); // uuid, volume name
        let incompat = if self.chunked { INCOMPAT_CHUNKED } else { 0 };
        fields.put(&incompat.to_le_bytes());
        let checksum = crc32c(&block[SUPER_OFFSET..]);
        block[SUPER_OFFSET + 4..SUPER_OFFSET + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}

struct Fields<'a> {
    out: &'a mut [u8; BLOCK],
    at: usize,
}

impl Fields<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}
