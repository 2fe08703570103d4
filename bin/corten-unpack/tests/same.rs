//! Any sequence of entries: the blob that is mounted, the directory and the refusals agree.
//!
//! The two are written independently: the blob's names are resolved in memory, the directory's
//! by the kernel.

#[path = "support/archives.rs"]
mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Mounted, Seen, Tar, blob, check, look, record, tree};
use tar::{EntryType, Header};

#[derive(Clone, Debug)]
struct Entry {
    path: String,
    what: What,
    mode: u32,
    owner: u64,
    time: u64,
    xattr: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum What {
    File(Vec<u8>),
    Directory,
    Symlink(String),
    Link(String),
    Fifo,
    Whiteout,
    Opaque,
}

/// Few names, so that entries meet each other.
fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "..", ".", "a b", "\u{e9}"]);
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    (any::<bool>(), path()).prop_map(|(absolute, path)| match absolute {
        true => format!("/{path}"),
        false => path,
    })
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        0..200_usize,
        3900..4200_usize,
        8000..9000_usize,
        60_000..200_000_usize
    ];
    (length, any::<u8>()).prop_map(|(length, byte)| vec![byte & 1; length])
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        4 => contents().prop_map(What::File),
        4 => Just(What::Directory),
        3 => target().prop_map(What::Symlink),
        3 => path().prop_map(What::Link),
        1 => Just(What::Fifo),
        2 => Just(What::Whiteout),
        1 => Just(What::Opaque),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let xattr = prop::option::of(prop::collection::vec(any::<u8>(), 1..300));
    let numbers = (0..0o1_0000_u32, 0..100_000_u64, 0..3_u64);
    (path(), what(), numbers, xattr).prop_map(|(path, what, (mode, owner, time), xattr)| Entry {
        path,
        what,
        mode,
        owner,
        time,
        xattr,
    })
}

impl Entry {
    fn add(&self, tar: Tar) -> Tar {
        let header = |kind, size: usize| -> Header {
            let mut header = Tar::header(kind, size as u64);
            header.set_mode(self.mode);
            header.set_uid(self.owner);
            header.set_gid(self.owner / 2);
            header.set_mtime(1_700_000_000 + self.time);
            header
        };
        let path = self.path.as_bytes();
        let (parent, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let tar = match (&self.xattr, &self.what) {
            // Only these may have attributes of users.
            (Some(value), What::File(_) | What::Directory) => {
                tar.pax(&record(b"SCHILY.xattr.user.x", value))
            }
            _ => tar,
        };
        match &self.what {
            What::File(data) => tar.entry(path, b"", header(EntryType::Regular, data.len()), data),
            What::Directory => tar.entry(path, b"", header(EntryType::Directory, 0), b""),
            What::Symlink(target) => {
                tar.entry(path, target.as_bytes(), header(EntryType::Symlink, 0), b"")
            }
            What::Link(target) => {
                tar.entry(path, target.as_bytes(), header(EntryType::Link, 0), b"")
            }
            What::Fifo => tar.entry(path, b"", header(EntryType::Fifo, 0), b""),
            What::Whiteout => tar.file(&format!("{parent}/.wh.{name}"), b""),
            What::Opaque => tar.file(&format!("{parent}/.wh..wh..opq"), b""),
        }
    }
}

/// What the two forms do differently by nature.
fn comparable(mut seen: BTreeMap<Vec<u8>, Seen>) -> BTreeMap<Vec<u8>, Seen> {
    for (name, item) in &mut seen {
        if name.is_empty() {
            (item.mode, item.time) = (0, (0, 0));
        }
        if (item.kind, item.device) == ("character", 0) {
            item.links = 1;
            item.same.clone_from(name);
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_blob_and_a_directory_of_any_entries_are_the_same(
        entries in prop::collection::vec(entry(), 1..30)
    ) {
        let bytes = entries.iter().fold(Tar::new(), |tar, entry| entry.add(tar)).finish();
        match (blob(bytes.clone()), tree(bytes)) {
            (Ok(blob), Ok(tree)) => {
                check(&blob.path());
                prop_assert_eq!(blob.unpacked.implied, tree.unpacked.implied);
                let mounted = look(&Mounted::erofs(&blob.path()).root());
                prop_assert_eq!(comparable(mounted), comparable(look(&tree.path())));
            }
            (Err(blob), Err(tree)) => {
                let words = |error: unpack::Error| format!("{error:?}");
                prop_assert_eq!(words(blob), words(tree));
            }
            (blob, tree) => {
                let words = |image: Result<support::Image, unpack::Error>| match image {
                    Ok(_) => "taken".to_owned(),
                    Err(error) => format!("{error:?}"),
                };
                prop_assert!(false, "blob: {}, directory: {}", words(blob), words(tree));
            }
        }
    }

    #[test]
    fn damage_anywhere_is_answered_and_never_crashes(
        entries in prop::collection::vec(entry(), 1..10),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        fixed in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let tar = entries.iter().fold(Tar::new(), |tar, entry| entry.add(tar));
        let mut bytes = tar.finish();
        for (at, byte) in &damage {
            // Most of a file's contents does not matter: aim at headers.
            let at = at.index(bytes.len()) / 512 * 512 + usize::from(*byte) * 2;
            if let Some(place) = bytes.get_mut(at) {
                *place ^= byte;
            }
        }
        if fixed {
            fix_checksums(&mut bytes);
        } else {
            bytes.truncate(cut.index(bytes.len()));
        }
        match blob(bytes) {
            Ok(blob) => check(&blob.path()),
            Err(unpack::Error::Refused(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

/// Makes each record that looks like a header pass as one, so that damage gets beyond checksums.
fn fix_checksums(bytes: &mut [u8]) {
    for record in bytes.chunks_exact_mut(512) {
        if record[257..262] == *b"ustar" {
            record[148..156].fill(b' ');
            let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
            record[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
}
