//! The names of an image, as a sequence of entries makes them.

use std::collections::{BTreeMap, HashMap};

use crate::entry::Metadata;
use crate::error::{Error, show};
use crate::format::FileType;
use crate::inode::Form;

/// The root's place in [`Tree::directories`].
pub(crate) const ROOT: usize = 0;
/// Symbolic links followed on the way to a parent, as Linux has it.
const LINKS: usize = 40;
/// Names of one inode, as ext4 has it.
const NAMES: u32 = 65_000;

/// An inode that is written already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) nid: u64,
    pub(crate) kind: FileType,
    pub(crate) form: Form,
    /// Where a symbolic link leads.
    pub(crate) target: Option<Box<[u8]>>,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Child {
    Directory(usize),
    Leaf(Leaf),
    /// Hides the lower layers' name.
    Whiteout,
}

/// A directory, written when all entries are known.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) children: BTreeMap<Box<[u8]>, Child>,
    pub(crate) parent: usize,
    /// `None` if no entry described it.
    pub(crate) metadata: Option<Metadata>,
    /// Hides the lower layers' contents.
    pub(crate) opaque: bool,
    depth: u32,
}

/// The names of an inode that has several, or had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) count: u32,
    pub(crate) form: Form,
}

/// All names.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) directories: Vec<Directory>,
    pub(crate) names: HashMap<u64, Names>,
    /// Names ever made.
    made: u64,
    max_names: u64,
    max_depth: u32,
}

/// A parent and a last component.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) parent: usize,
    pub(crate) name: Box<[u8]>,
}

impl Tree {
    pub(crate) fn new(max_names: u64, max_depth: u32) -> Self {
        let root = Directory {
            children: BTreeMap::new(),
            parent: ROOT,
            metadata: None,
            opaque: false,
            depth: 0,
        };
        Self {
            directories: vec![root],
            names: HashMap::new(),
            made: 0,
            max_names,
            max_depth,
        }
    }

    /// Finds the parent of a cleaned name, through symbolic links within the tree, and makes
    /// what is missing. `None` for the root itself.
    pub(crate) fn place(&mut self, path: &[u8], parts: &[&[u8]]) -> Result<Option<Place>, Error> {
        let Some((last, parents)) = parts.split_last() else {
            return Ok(None);
        };
        let parent = self.walk(path, parents, true)?.unwrap_or(ROOT);
        Ok(Some(Place {
            parent,
            name: (*last).into(),
        }))
    }

    /// The parent of a cleaned name and what it stands for, if it is there; the last component
    /// is not followed.
    pub(crate) fn find(
        &mut self,
        path: &[u8],
        parts: &[&[u8]],
    ) -> Result<Option<(usize, &Child)>, Error> {
        let Some((last, parents)) = parts.split_last() else {
            return Ok(None);
        };
        let Some(parent) = self.walk(path, parents, false)? else {
            return Ok(None);
        };
        let child = self.directories[parent].children.get(*last);
        Ok(child.map(|child| (parent, child)))
    }

    /// Whether a directory goes away when the name is given to something else.
    pub(crate) fn replaces(&self, place: &Place, directory: usize) -> bool {
        let there = self.directories[place.parent].children.get(&place.name);
        let Some(Child::Directory(replaced)) = there else {
            return false;
        };
        let mut at = directory;
        while at != ROOT && at != *replaced {
            at = self.directories[at].parent;
        }
        at == *replaced
    }

    /// Walks to a directory as the kernel would with the tree as root.
    fn walk(&mut self, path: &[u8], parts: &[&[u8]], make: bool) -> Result<Option<usize>, Error> {
        let mut at = ROOT;
        let mut followed = 0;
        let mut pending: Vec<Box<[u8]>> = parts.iter().rev().map(|part| (*part).into()).collect();
        while let Some(part) = pending.pop() {
            match (&*part, self.directories[at].children.get(&part)) {
                (b"" | b".", _) => {}
                (b"..", _) => at = self.directories[at].parent,
                (_, Some(Child::Directory(next))) => at = *next,
                (
                    _,
                    Some(Child::Leaf(Leaf {
                        target: Some(target),
                        ..
                    })),
                ) => {
                    followed += 1;
                    if followed > LINKS {
                        return Err(Error::Loop { path: show(path) });
                    }
                    if target.starts_with(b"/") {
                        at = ROOT;
                    }
                    pending.extend(target.split(|b| *b == b'/').rev().map(Into::into));
                }
                (_, Some(Child::Leaf(_))) => {
                    return Err(Error::NotDirectory { path: show(path) });
                }
                (_, None | Some(Child::Whiteout)) if make => {
                    at = self.directory(
                        path,
                        Place {
                            parent: at,
                            name: part,
                        },
                        None,
                    )?;
                }
                (_, None | Some(Child::Whiteout)) => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Describes a directory that may be described already: attributes that it has stay, unless
    /// they are given anew.
    pub(crate) fn describe(&mut self, id: usize, mut metadata: Metadata) {
        let before = self.directories[id].metadata.take();
        let given = |name: &[u8]| metadata.xattrs.iter().any(|xattr| xattr.name == name);
        let mut kept = before.map_or(Vec::new(), |before| before.xattrs);
        kept.retain(|xattr| !given(&xattr.name));
        metadata.xattrs.extend(kept);
        self.directories[id].metadata = Some(metadata);
    }

    /// Makes a directory, or describes the one that is there.
    pub(crate) fn directory(
        &mut self,
        path: &[u8],
        place: Place,
        metadata: Option<Metadata>,
    ) -> Result<usize, Error> {
        let there = self.directories[place.parent].children.get(&place.name);
        if let Some(Child::Directory(id)) = there {
            let id = *id;
            if let Some(metadata) = metadata {
                self.describe(id, metadata);
            }
            return Ok(id);
        }
        // Whatever stood here removed what the lower layers have under this name.
        let opaque = there.is_some();
        let depth = self.directories[place.parent].depth + 1;
        if depth > self.max_depth {
            return Err(Error::TooDeep {
                path: show(path),
                limit: self.max_depth,
            });
        }
        let id = self.directories.len();
        self.directories.push(Directory {
            children: BTreeMap::new(),
            parent: place.parent,
            metadata,
            opaque,
            depth,
        });
        self.set(path, place, Child::Directory(id))?;
        Ok(id)
    }

    /// Gives a name to something that is no directory, in place of what had it.
    pub(crate) fn leaf(&mut self, path: &[u8], place: Place, leaf: Leaf) -> Result<(), Error> {
        self.set(path, place, Child::Leaf(leaf))
    }

    /// Gives an inode another name.
    pub(crate) fn link(&mut self, path: &[u8], place: Place, leaf: Leaf) -> Result<(), Error> {
        if let Some(Child::Leaf(there)) = self.directories[place.parent].children.get(&place.name)
            && there.nid == leaf.nid
        {
            return Ok(());
        }
        let form = leaf.form;
        let names = self
            .names
            .entry(leaf.nid)
            .or_insert(Names { count: 1, form });
        if names.count >= NAMES {
            return Err(Error::TooManyLinks { path: show(path) });
        }
        names.count += 1;
        self.set(path, place, Child::Leaf(leaf))
    }

    /// Hides a name of the lower layers; what this layer has under it stays.
    pub(crate) fn whiteout(&mut self, path: &[u8], place: Place) -> Result<(), Error> {
        match self.directories[place.parent].children.get(&place.name) {
            Some(Child::Directory(id)) => {
                let id = *id;
                self.directories[id].opaque = true;
                Ok(())
            }
            Some(_) => Ok(()),
            None => self.set(path, place, Child::Whiteout),
        }
    }

    fn set(&mut self, path: &[u8], place: Place, child: Child) -> Result<(), Error> {
        self.made += 1;
        if self.made > self.max_names {
            return Err(Error::TooManyInodes {
                path: show(path),
                limit: self.max_names,
            });
        }
        let parent = &mut self.directories[place.parent];
        if let Some(old) = parent.children.insert(place.name, child) {
            self.forget(old);
        }
        Ok(())
    }

    /// Takes away the names in what was replaced.
    fn forget(&mut self, child: Child) {
        let mut gone = vec![child];
        while let Some(child) = gone.pop() {
            match child {
                Child::Directory(id) => {
                    let children = std::mem::take(&mut self.directories[id].children);
                    gone.extend(children.into_values());
                }
                Child::Leaf(leaf) => {
                    if let Some(names) = self.names.get_mut(&leaf.nid) {
                        names.count -= 1;
                    }
                }
                Child::Whiteout => {}
            }
        }
    }
}
