//! The end of an image: directories, numbers of names, superblock.
//!
//! Entries name the inodes of subdirectories, `..` names the parent's: so all inodes are placed
//! first, on a copy of the allocation, then written in the same order.

use crate::directory::{self, Dirent};
use crate::entry::{Metadata, Xattr};
use crate::error::Error;
use crate::format::{
    BLOCK, BLOCK64, DataLayout, FileType, ROOT_NID, ROOT_OFFSET, ROOT_SPACE, SLOT, Superblock,
};
use crate::inode::{Form, Inode};
use crate::layout::Layout;
use crate::tree::{Child, ROOT};
use crate::writer::{Summary, Writer};
use crate::xattr::{self, Encoded};

/// Both forms of overlay's mark, as a mount with `userxattr` reads the second.
const OPAQUE: [&[u8]; 2] = [b"trusted.overlay.opaque", b"user.overlay.opaque"];
/// Of directories that no entry described.
const IMPLIED_MODE: u16 = 0o755;

pub(crate) fn finish(mut writer: Writer) -> Result<Summary, Error> {
    let order = describe(&mut writer);
    let implied = order.implied;
    share_of_root(&mut writer)?;
    writer.output.layout.closing();
    let plans = plan(&writer, &order.ids)?;
    let mut block = Box::new([0; BLOCK]);
    let mut counts = Counts::default();
    for id in &order.ids {
        write(&mut writer, *id, &plans, &mut counts, &mut block)?;
    }
    let size = writer.output.flush()?;
    patch_links(&mut writer, &counts)?;
    let epoch = writer.epoch.unwrap_or_default();
    let several: u64 = writer
        .tree
        .names
        .values()
        .map(|names| u64::from(names.count.saturating_sub(1)))
        .sum();
    let whiteouts = u64::from(counts.whiteouts).saturating_sub(1);
    let inodes = (order.ids.len() as u64 + counts.leaves).saturating_sub(several + whiteouts);
    let superblock = Superblock {
        inodes,
        blocks: u32::try_from(size / BLOCK64).map_err(|_| Error::TooLarge)?,
        epoch: epoch.seconds,
        epoch_nanos: epoch.nanos,
        chunked: writer.chunked,
    };
    superblock.write(&mut block);
    writer.output.patch(0, &*block)?;
    Ok(Summary {
        size,
        inodes,
        implied,
    })
}

/// The directories that are in the tree, each before those in it.
struct Order {
    ids: Vec<usize>,
    implied: u64,
}

/// Orders the directories, and gives each its metadata with overlay's marks.
fn describe(writer: &mut Writer) -> Order {
    let mut order = Order {
        ids: Vec::new(),
        implied: 0,
    };
    let mut waiting = vec![ROOT];
    while let Some(id) = waiting.pop() {
        order.ids.push(id);
        let directory = &mut writer.tree.directories[id];
        order.implied += u64::from(directory.metadata.is_none() && id != ROOT);
        let metadata = directory.metadata.get_or_insert_with(|| Metadata {
            mode: IMPLIED_MODE,
            ..Metadata::default()
        });
        if directory.opaque {
            metadata.xattrs.extend(OPAQUE.map(|name| Xattr {
                name: name.to_owned(),
                value: b"y".to_vec(),
            }));
        }
        writer.epoch.get_or_insert(metadata.mtime);
        let below = directory.children.values().rev();
        waiting.extend(below.filter_map(|child| match child {
            Child::Directory(id) => Some(*id),
            _ => None,
        }));
    }
    order
}

/// Root's inode has only what is left of block 0: attributes that do not fit go elsewhere.
fn share_of_root(writer: &mut Writer) -> Result<(), Error> {
    let xattrs = writer.tree.directories[ROOT]
        .metadata
        .as_ref()
        .map_or(Vec::new(), |metadata| metadata.xattrs.clone());
    let encoded = writer.shared.encode(b"/", &xattrs)?;
    if Form::Extended.size() + encoded.bytes.len() <= ROOT_SPACE {
        return Ok(());
    }
    for entry in xattr::entries_of(b"/", &xattrs)? {
        let offset = writer.output.place(&entry)?;
        writer.shared.remember_entry(entry, offset);
    }
    let encoded = writer.shared.encode(b"/", &xattrs)?;
    if Form::Extended.size() + encoded.bytes.len() > ROOT_SPACE {
        return Err(Error::Xattr {
            path: "/".to_owned(),
            reason: "the root's are more or longer than its inode has space for",
        });
    }
    Ok(())
}

/// Where a directory will be.
#[derive(Clone, Copy, Debug)]
struct Plan {
    nid: u64,
    form: Form,
    size: u64,
    /// Bytes of `size` behind the inode.
    tail: u64,
    /// The first block of the others.
    start: u64,
}

/// Indexed as the tree's directories; those not in the tree have none.
fn plan(writer: &Writer, ids: &[usize]) -> Result<Vec<Option<Plan>>, Error> {
    let mut layout = writer.output.layout.clone();
    let mut plans = vec![None; writer.tree.directories.len()];
    for id in ids {
        plans[*id] = Some(plan_one(writer, *id, &mut layout)?);
    }
    Ok(plans)
}

fn plan_one(writer: &Writer, id: usize, layout: &mut Layout) -> Result<Plan, Error> {
    let directory = &writer.tree.directories[id];
    let size = directory::measure(sorted(writer, id).iter().map(|(name, _)| *name));
    let xattrs = attributes(writer, id)?;
    let form = match &directory.metadata {
        Some(metadata) if id != ROOT => {
            let epoch = writer.epoch.unwrap_or_default();
            Form::of(metadata, epoch, size, links(writer, id))
        }
        _ => Form::Extended,
    };
    let fixed = (form.size() + xattrs.bytes.len()) as u64;
    let space = if id == ROOT {
        ROOT_SPACE as u64
    } else {
        BLOCK64
    };
    let tail = match size % BLOCK64 {
        tail if fixed + tail <= space => tail,
        _ => 0,
    };
    let start = layout.data((size - tail).div_ceil(BLOCK64))?;
    let nid = if id == ROOT {
        ROOT_NID
    } else {
        layout.inode(fixed + tail)? / SLOT
    };
    Ok(Plan {
        nid,
        form,
        size,
        tail,
        start,
    })
}

/// A directory's names with `.` and `..`, in the order of their bytes.
fn sorted(writer: &Writer, id: usize) -> Vec<(&[u8], Option<&Child>)> {
    let children = &writer.tree.directories[id].children;
    let mut names: Vec<(&[u8], Option<&Child>)> = Vec::with_capacity(children.len() + 2);
    names.extend([(b".".as_slice(), None), (b"..".as_slice(), None)]);
    names.extend(children.iter().map(|(name, child)| (&**name, Some(child))));
    names.sort_by_key(|(name, _)| *name);
    names
}

fn links(writer: &Writer, id: usize) -> u32 {
    let children = writer.tree.directories[id].children.values();
    let below = children.filter(|child| matches!(child, Child::Directory(_)));
    u32::try_from(below.count() + 2).unwrap_or(u32::MAX)
}

fn attributes(writer: &Writer, id: usize) -> Result<Encoded, Error> {
    match &writer.tree.directories[id].metadata {
        Some(metadata) => writer.shared.encode(b"directory", &metadata.xattrs),
        None => Ok(Encoded::default()),
    }
}

/// What the directories name.
#[derive(Debug, Default)]
struct Counts {
    leaves: u64,
    whiteouts: u32,
}

fn write(
    writer: &mut Writer,
    id: usize,
    plans: &[Option<Plan>],
    counts: &mut Counts,
    block: &mut [u8; BLOCK],
) -> Result<(), Error> {
    let Some(plan) = plans[id] else { return Ok(()) };
    let mut bytes = entries(writer, id, plans, counts);
    let tail = usize::try_from(plan.tail).map_err(|_| Error::TooLarge)?;
    let behind = bytes.split_off(bytes.len() - tail);
    let start = writer.output.begin()?;
    debug_assert_eq!(start, plan.start);
    writer.output.append(&bytes, 0)?;
    writer.output.end()?;

    let serial = writer.next_serial();
    let xattrs = attributes(writer, id)?;
    let metadata = writer.tree.directories[id].metadata.take();
    let inode = Inode {
        kind: FileType::Directory,
        metadata: &metadata.unwrap_or_default(),
        xattrs: &xattrs,
        size: plan.size,
        links: links(writer, id),
        layout: if tail > 0 {
            DataLayout::Inline
        } else {
            DataLayout::Plain
        },
        place: u32::try_from(plan.start).map_err(|_| Error::TooLarge)?,
        serial,
    };
    let mut inode = inode.encode(plan.form);
    inode.extend_from_slice(&behind);
    if id == ROOT {
        block[ROOT_OFFSET..ROOT_OFFSET + inode.len()].copy_from_slice(&inode);
    } else {
        let offset = writer.output.place(&inode)?;
        debug_assert_eq!(offset / SLOT, plan.nid);
    }
    Ok(())
}

fn entries(writer: &Writer, id: usize, plans: &[Option<Plan>], counts: &mut Counts) -> Vec<u8> {
    let nid = |id: usize| plans[id].map_or(ROOT_NID, |plan| plan.nid);
    let directory = FileType::Directory.dirent();
    let mut entries = Vec::new();
    for (name, child) in sorted(writer, id) {
        let (nid, kind) = match child {
            None if name == b"." => (nid(id), directory),
            None => (nid(writer.tree.directories[id].parent), directory),
            Some(Child::Directory(below)) => (nid(*below), directory),
            Some(Child::Leaf(leaf)) => {
                counts.leaves += 1;
                (leaf.nid, leaf.kind.dirent())
            }
            Some(Child::Whiteout) => {
                counts.leaves += 1;
                counts.whiteouts += 1;
                let kind = FileType::Character.dirent();
                (writer.whiteout.unwrap_or(ROOT_NID), kind)
            }
        };
        entries.push(Dirent { name, nid, kind });
    }
    directory::encode(&entries)
}

/// Inodes were written as having one name: corrects those that have more.
fn patch_links(writer: &mut Writer, counts: &Counts) -> Result<(), Error> {
    let mut several: Vec<(u64, u32, Form)> = writer
        .tree
        .names
        .iter()
        .map(|(nid, names)| (*nid, names.count, names.form))
        .collect();
    several.extend(
        writer
            .whiteout
            .map(|nid| (nid, counts.whiteouts, Form::Extended)),
    );
    several.sort_unstable_by_key(|(nid, ..)| *nid);
    for (nid, count, form) in several.into_iter().filter(|(_, count, _)| *count > 1) {
        let (at, bytes) = form.links(count);
        writer.output.patch(nid * SLOT + at, &bytes)?;
    }
    Ok(())
}
