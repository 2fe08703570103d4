//! The two forms of an inode on disk.

use crate::entry::{Metadata, Mtime};
use crate::format::{DataLayout, FileType};
use crate::xattr::Encoded;

/// An inode before it is written.
#[derive(Debug)]
pub(crate) struct Inode<'a> {
    pub(crate) kind: FileType,
    pub(crate) metadata: &'a Metadata,
    pub(crate) xattrs: &'a Encoded,
    pub(crate) size: u64,
    pub(crate) links: u32,
    pub(crate) layout: DataLayout,
    /// First block, device number or form of chunks.
    pub(crate) place: u32,
    /// The number that `stat` shows on 32-bit systems.
    pub(crate) serial: u32,
}

/// The two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// 32 bytes: the image's time, 16-bit owners, 32-bit size.
    Compact,
    /// 64 bytes.
    Extended,
}

impl Form {
    /// The smallest that holds the metadata, when the image's time is `epoch`.
    pub(crate) fn of(metadata: &Metadata, epoch: Mtime, size: u64, links: u32) -> Self {
        let small = |id: u32| u16::try_from(id).is_ok();
        let compact = metadata.mtime == epoch
            && small(metadata.uid)
            && small(metadata.gid)
            && u32::try_from(size).is_ok()
            && small(links);
        if compact {
            Self::Compact
        } else {
            Self::Extended
        }
    }

    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Compact => 32,
            Self::Extended => 64,
        }
    }

    /// The bytes of a number of names, and where in the inode they are.
    pub(crate) fn links(self, links: u32) -> (u64, Vec<u8>) {
        match self {
            Self::Compact => (6, low16(links).to_vec()),
            Self::Extended => (44, links.to_le_bytes().to_vec()),
        }
    }
}

/// The lower half; values that need more are never given to a compact inode.
fn low16(value: u32) -> [u8; 2] {
    let [a, b, _, _] = value.to_le_bytes();
    [a, b]
}

fn low32(value: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = value.to_le_bytes();
    [a, b, c, d]
}

impl Inode<'_> {
    /// The inode and its attributes in the form on disk.
    pub(crate) fn encode(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::with_capacity(form.size() + self.xattrs.bytes.len());
        let mode = self.kind.mode() | (self.metadata.mode & 0o7777);
        let extended = u16::from(form == Form::Extended);
        let format = extended | ((self.layout as u16) << 1);
        out.extend_from_slice(&format.to_le_bytes());
        out.extend_from_slice(&self.xattrs.count().to_le_bytes());
        out.extend_from_slice(&mode.to_le_bytes());
        match form {
            Form::Compact => {
                out.extend_from_slice(&low16(self.links));
                out.extend_from_slice(&low32(self.size));
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(&self.place.to_le_bytes());
                out.extend_from_slice(&self.serial.to_le_bytes());
                out.extend_from_slice(&low16(self.metadata.uid));
                out.extend_from_slice(&low16(self.metadata.gid));
                out.extend_from_slice(&[0; 4]);
            }
            Form::Extended => {
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&self.size.to_le_bytes());
                out.extend_from_slice(&self.place.to_le_bytes());
                out.extend_from_slice(&self.serial.to_le_bytes());
                out.extend_from_slice(&self.metadata.uid.to_le_bytes());
                out.extend_from_slice(&self.metadata.gid.to_le_bytes());
                out.extend_from_slice(&self.metadata.mtime.seconds.to_le_bytes());
                out.extend_from_slice(&self.metadata.mtime.nanos.to_le_bytes());
                out.extend_from_slice(&self.links.to_le_bytes());
                out.extend_from_slice(&[0; 16]);
            }
        }
        out.extend_from_slice(&self.xattrs.bytes);
        out
    }
}
