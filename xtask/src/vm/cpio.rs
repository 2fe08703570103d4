//! The archive that a kernel unpacks as its first root: cpio, `newc` form
//! (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// Writes entries one after another.
pub(crate) struct Archive<W: Write> {
    out: W,
    next: u32,
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub(crate) fn new(out: W) -> Self {
        Self { out, next: 1 }
    }

    /// Adds a directory.
    pub(crate) fn directory(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, (DIRECTORY, 0, 0), &[])
    }

    /// Adds an executable file.
    pub(crate) fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(name, (FILE, 0, 0), bytes)
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.entry(name, (LINK, 0, 0), target.as_bytes())
    }

    /// Adds what is at a path, as it is; of a directory itself alone.
    pub(crate) fn copy(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let found = fs::symlink_metadata(path)?;
        let bytes = match found.file_type() {
            kind if kind.is_file() => fs::read(path)?,
            kind if kind.is_symlink() => fs::read_link(path)?.as_os_str().as_bytes().to_vec(),
            _ => Vec::new(),
        };
        self.entry(name, (found.mode(), found.uid(), found.gid()), &bytes)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.entry("TRAILER!!!", (0, 0, 0), &[])?;
        self.out.flush()
    }

    /// Adds an entry with its mode and its owner's numbers.
    fn entry(
        &mut self,
        name: &str,
        (mode, user, group): (u32, u32, u32),
        bytes: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        let inode = self.next;
        self.next += 1;
        write!(self.out, "070701")?;
        let fields = [
            inode, mode, user, group, 1, 0, size, 0, 0, 0, 0, name_size, 0,
        ];
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(name.as_bytes())?;
        self.padded(&[0], 110 + name.len() + 1)?;
        self.padded(bytes, bytes.len())
    }

    /// Writes `bytes`, then zeros until `length` is a multiple of four.
    fn padded(&mut self, bytes: &[u8], length: usize) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out
            .write_all(&[0; 3][..length.next_multiple_of(4) - length])
    }
}
