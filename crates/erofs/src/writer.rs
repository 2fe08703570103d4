//! Entries in, an image out.

use std::fs::File;

use crate::entry::{Metadata, Mtime, Node};
use crate::error::{Error, show};
use crate::file::FileWriter;
use crate::format::{BLOCK, DataLayout, FileType, SLOT};
use crate::inode::{Form, Inode};
use crate::output::Output;
use crate::path::clean;
use crate::tree::{Child, Leaf, Place, ROOT, Tree};
use crate::xattr::Shared;

/// How much an image may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Names ever made, also those replaced later and parents that no entry described.
    pub names: u64,
    /// Directories inside each other.
    pub depth: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            names: 8_000_000,
            depth: 2048,
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The image's length.
    pub size: u64,
    /// Its inodes.
    pub inodes: u64,
    /// Directories that no entry described: root's, mode 0755.
    pub implied: u64,
}

/// Writes an image as its entries arrive. Each is applied as extracting a tar would: parents are
/// made, symbolic links on the way are followed within the image, what has the name is replaced.
///
/// Contents of files go to the file as they come. In memory are the names (about 100 bytes each),
/// what directories are described by, and 2 MiB. The same entries give the same bytes.
/// After an error the image is to be thrown away.
#[derive(Debug)]
pub struct Writer {
    pub(crate) output: Output,
    pub(crate) tree: Tree,
    pub(crate) shared: Shared,
    /// The time of the first inode: those of the same time are compact.
    pub(crate) epoch: Option<Mtime>,
    pub(crate) chunked: bool,
    /// The inode of all whiteouts.
    pub(crate) whiteout: Option<u64>,
    serial: u32,
}

impl Writer {
    /// Writes to an empty file, open for writing.
    pub fn new(file: File, bounds: Bounds) -> Self {
        Self {
            output: Output::new(file),
            tree: Tree::new(bounds.names, bounds.depth),
            shared: Shared::default(),
            epoch: None,
            chunked: false,
            whiteout: None,
            serial: 0,
        }
    }

    /// A directory; one that is there is described anew, and keeps other extended attributes.
    pub fn directory(&mut self, path: &[u8], metadata: Metadata) -> Result<(), Error> {
        let id = match self.tree.place(path, &clean(path)?)? {
            Some(place) => self.tree.directory(path, place, Some(metadata))?,
            None => {
                self.tree.describe(ROOT, metadata);
                ROOT
            }
        };
        // Refuses now what could not be written at the end.
        let described = self.tree.directories[id].metadata.as_ref();
        let xattrs = described.map_or(&[][..], |metadata| &metadata.xattrs);
        self.shared.encode(path, xattrs).map(drop)
    }

    /// A regular file, whose contents are given to the returned writer. It has its name when
    /// [`FileWriter::finish`] is called.
    pub fn file(&mut self, path: &[u8], metadata: Metadata) -> Result<FileWriter<'_>, Error> {
        let place = self.place(path)?;
        FileWriter::begin(self, path.to_owned(), place, metadata)
    }

    /// A symbolic link. Its mode is 0777, as everywhere in Linux.
    pub fn symlink(
        &mut self,
        path: &[u8],
        target: &[u8],
        metadata: &Metadata,
    ) -> Result<(), Error> {
        let place = self.place(path)?;
        if target.is_empty() || target.len() >= BLOCK {
            return Err(Error::Target {
                path: show(path),
                length: target.len(),
            });
        }
        if target.contains(&0) {
            return Err(Error::ZeroByte { path: show(target) });
        }
        let metadata = Metadata {
            mode: 0o777,
            ..metadata.clone()
        };
        let contents = Contents::of_symlink(target);
        let mut leaf = self.inode(path, &metadata, contents)?;
        leaf.target = Some(target.into());
        self.tree.leaf(path, place, leaf)
    }

    /// A device, pipe or socket.
    pub fn node(&mut self, path: &[u8], node: Node, metadata: &Metadata) -> Result<(), Error> {
        let place = self.place(path)?;
        let (kind, device) = match node {
            Node::Character(major, minor) => (FileType::Character, encode_device(major, minor)),
            Node::Block(major, minor) => (FileType::Block, encode_device(major, minor)),
            Node::Fifo => (FileType::Fifo, 0),
            Node::Socket => (FileType::Socket, 0),
        };
        let leaf = self.inode(path, metadata, Contents::none(kind, device))?;
        self.tree.leaf(path, place, leaf)
    }

    /// Another name for what `target` names: not a directory.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        let missing = || Error::LinkMissing {
            path: show(path),
            target: show(target),
        };
        let (parent, leaf) = match self.tree.find(target, &clean(target)?)? {
            Some((parent, Child::Leaf(leaf))) => (parent, leaf.clone()),
            Some((_, Child::Directory(_))) => {
                return Err(Error::LinkDirectory {
                    path: show(path),
                    target: show(target),
                });
            }
            None | Some((_, Child::Whiteout)) => return Err(missing()),
        };
        let place = self.place(path)?;
        if self.tree.replaces(&place, parent) {
            return Err(missing());
        }
        self.tree.link(path, place, leaf)
    }

    /// Hides the lower layers' file or directory of this name. What this image has under the
    /// name, before or after, stays.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<(), Error> {
        let place = self.place(path)?;
        if self.whiteout.is_none() {
            let contents = Contents::none(FileType::Character, 0);
            let owner = Metadata::default();
            let leaf = self.inode_of(path, &owner, contents, Form::Extended)?;
            self.whiteout = Some(leaf.nid);
        }
        self.tree.whiteout(path, place)
    }

    /// Hides the contents that the lower layers have in this directory, which is made if it is
    /// not there.
    pub fn opaque(&mut self, path: &[u8]) -> Result<(), Error> {
        let id = match self.tree.place(path, &clean(path)?)? {
            Some(place) => self.tree.directory(path, place, None)?,
            None => ROOT,
        };
        self.tree.directories[id].opaque = true;
        Ok(())
    }

    /// Writes the directories and the superblock. The file is complete, but not synced.
    pub fn finish(self) -> Result<Summary, Error> {
        crate::finish::finish(self)
    }

    fn place(&mut self, path: &[u8]) -> Result<Place, Error> {
        let place = self.tree.place(path, &clean(path)?)?;
        place.ok_or_else(|| Error::Root { path: show(path) })
    }

    /// Writes an inode in the smallest form that holds it.
    pub(crate) fn inode(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
        contents: Contents,
    ) -> Result<Leaf, Error> {
        let form = self.form(metadata, contents.size);
        self.inode_of(path, metadata, contents, form)
    }

    /// The smallest form for an inode of one name.
    pub(crate) fn form(&mut self, metadata: &Metadata, size: u64) -> Form {
        let epoch = *self.epoch.get_or_insert(metadata.mtime);
        Form::of(metadata, epoch, size, 1)
    }

    fn inode_of(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
        contents: Contents,
        form: Form,
    ) -> Result<Leaf, Error> {
        let xattrs = self.shared.encode(path, &metadata.xattrs)?;
        let inode = Inode {
            kind: contents.kind,
            metadata,
            xattrs: &xattrs,
            size: contents.size,
            links: 1,
            layout: contents.layout,
            place: contents.place,
            serial: self.next_serial(),
        };
        let mut bytes = inode.encode(form);
        if contents.layout == DataLayout::Inline && bytes.len() + contents.behind.len() > BLOCK {
            // Only a symbolic link comes here: a file's end was measured before.
            let start = self.append_block(&contents.behind)?;
            let plain = Contents {
                layout: DataLayout::Plain,
                place: start,
                behind: Vec::new(),
                ..contents
            };
            return self.inode_of(path, metadata, plain, form);
        }
        bytes.extend_from_slice(&contents.behind);
        let offset = self.output.place(&bytes)?;
        if bytes.len() <= BLOCK {
            self.shared.remember(xattrs, offset + form.size() as u64);
        }
        Ok(Leaf {
            nid: offset / SLOT,
            kind: contents.kind,
            form,
            target: None,
        })
    }

    fn append_block(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        let start = self.output.begin()?;
        self.output.append(bytes, 0)?;
        self.output.end()?;
        u32::try_from(start).map_err(|_| Error::TooLarge)
    }

    pub(crate) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }
}

/// What an inode says of its contents.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) kind: FileType,
    pub(crate) size: u64,
    pub(crate) layout: DataLayout,
    pub(crate) place: u32,
    /// What follows inode and attributes.
    pub(crate) behind: Vec<u8>,
}

impl Contents {
    fn none(kind: FileType, device: u32) -> Self {
        Self {
            kind,
            size: 0,
            layout: DataLayout::Plain,
            place: device,
            behind: Vec::new(),
        }
    }

    fn of_symlink(target: &[u8]) -> Self {
        Self {
            kind: FileType::Symlink,
            size: target.len() as u64,
            layout: DataLayout::Inline,
            place: 0,
            behind: target.to_owned(),
        }
    }
}

/// Linux's 32-bit form of a device number.
fn encode_device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}
