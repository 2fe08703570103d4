//! Archives to unpack, and trees to compare.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::print_stdout, reason = "a test says why it skips")]

use rustix::fs::OFlags;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tar::{EntryType, Header};
use unpack::{Error, Limits, Refusal, Unpack, Unpacked};

/// The worker that was built with this test.
pub(crate) fn worker() -> Unpack {
    Unpack::new(env!("CARGO_BIN_EXE_corten-unpack"))
}

/// A pipe that gives `bytes`.
pub(crate) fn stream(bytes: Vec<u8>) -> OwnedFd {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    // A worker that refuses does not read to the end.
    std::thread::spawn(move || drop(writer.write_all(&bytes)));
    reader.into()
}

/// An image in a temporary directory.
pub(crate) struct Image {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) unpacked: Unpacked,
}

impl Image {
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("image")
    }
}

pub(crate) fn blob(bytes: Vec<u8>) -> Result<Image, Error> {
    blob_within(bytes, Limits::default())
}

pub(crate) fn blob_within(bytes: Vec<u8>, limits: Limits) -> Result<Image, Error> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = File::create_new(dir.path().join("image")).expect("a file");
    let job = worker()
        .with_limits(limits)
        .layer(stream(bytes), file)
        .expect("start the worker");
    let unpacked = job.wait()?;
    Ok(Image { dir, unpacked })
}

pub(crate) fn tree(bytes: Vec<u8>) -> Result<Image, Error> {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("image")).expect("a directory");
    let fd = open_directory(&dir.path().join("image"));
    let job = worker().tree(stream(bytes), fd).expect("start the worker");
    let unpacked = job.wait()?;
    Ok(Image { dir, unpacked })
}

/// The refusal of an input that must not be taken.
pub(crate) fn refusal(result: Result<Image, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        Err(other) => unreachable!("{other}"),
        Ok(image) => unreachable!("taken: {:?}", image.unpacked),
    }
}

pub(crate) fn open_directory(path: &Path) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).expect("open a directory")
}

/// A mount that no name leads to; it ends with the descriptor.
pub(crate) struct Mounted(OwnedFd);

impl Mounted {
    pub(crate) fn erofs(image: &Path) -> Self {
        Self::new("erofs", &[("source", image.to_str().expect("UTF-8"))])
    }

    /// The topmost first.
    pub(crate) fn overlay(lower: &[&Self]) -> Self {
        let paths: Vec<String> = lower
            .iter()
            .map(|lower| format!("/proc/self/fd/{}", lower.0.as_raw_fd()))
            .collect();
        let options: Vec<(&str, &str)> = paths.iter().map(|p| ("lowerdir+", p.as_str())).collect();
        Self::new("overlay", &options)
    }

    fn new(kind: &str, options: &[(&str, &str)]) -> Self {
        let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).expect("fsopen");
        for (key, value) in options {
            rustix::mount::fsconfig_set_string(&context, *key, *value).expect(key);
        }
        rustix::mount::fsconfig_set_flag(&context, "ro").expect("ro");
        rustix::mount::fsconfig_create(&context).expect("create the mount");
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
        Self(rustix::mount::fsmount(&context, flags, attributes).expect("fsmount"))
    }

    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/", self.0.as_raw_fd()))
    }
}

/// What a name stands for, in words that compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: &'static str,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) time: (i64, i64),
    pub(crate) device: u64,
    pub(crate) links: u64,
    /// Contents or target.
    pub(crate) data: Vec<u8>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first name of the same inode.
    pub(crate) same: Vec<u8>,
}

/// Everything below `root`, by name.
pub(crate) fn look(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut seen = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let name = path.strip_prefix(root).expect("below").as_os_str();
        let name = name.as_bytes().to_vec();
        let mut item = look_one(&path);
        let inode = fs::symlink_metadata(&path).expect("stat").ino();
        let same = inodes.entry(inode).or_insert_with(Vec::new);
        same.push(name.clone());
        if item.kind == "directory" {
            let entries = fs::read_dir(&path).expect("list");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
            // File systems count and size directories as they like.
            item.links = 0;
        }
        seen.insert(name, item);
    }
    for names in inodes.into_values() {
        let first = names.iter().min().expect("a name").clone();
        for name in names {
            seen.get_mut(&name).expect("seen").same.clone_from(&first);
        }
    }
    seen
}

fn look_one(path: &Path) -> Seen {
    let metadata = if path.to_string_lossy().ends_with('/') {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    let metadata = metadata.expect("stat");
    let kind = metadata.file_type();
    let (kind, data) = if kind.is_dir() {
        ("directory", Vec::new())
    } else if kind.is_file() {
        ("file", fs::read(path).expect("read"))
    } else if kind.is_symlink() {
        let target = fs::read_link(path).expect("read a link");
        ("symlink", target.as_os_str().as_bytes().to_vec())
    } else if kind.is_char_device() {
        ("character", Vec::new())
    } else if kind.is_block_device() {
        ("block", Vec::new())
    } else if kind.is_fifo() {
        ("fifo", Vec::new())
    } else {
        ("socket", Vec::new())
    };
    Seen {
        kind,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        time: (metadata.mtime(), metadata.mtime_nsec()),
        device: metadata.rdev(),
        links: metadata.nlink(),
        data,
        xattrs: xattrs(path),
        same: Vec::new(),
    }
}

pub(crate) fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 1 << 17];
    let length = rustix::fs::llistxattr(path, &mut names[..]).expect("list attributes");
    let mut found = BTreeMap::new();
    for name in names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).expect("an attribute");
        value.truncate(length);
        found.insert(name.to_vec(), value);
    }
    found
}

/// Asserts that the file system's own checker accepts the image, where it is installed.
pub(crate) fn check(image: &Path) {
    match Command::new("fsck.erofs").arg(image).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => println!("skipped: fsck.erofs: {error}"),
    }
}

/// A tar in the making; it takes names that the library's builder refuses.
#[derive(Default)]
pub(crate) struct Tar {
    pub(crate) bytes: Vec<u8>,
}

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory {
            0o755
        } else {
            0o644
        });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(size);
        header.set_device_major(0).expect("a number");
        header.set_device_minor(0).expect("a number");
        header
    }

    /// An entry with exactly this name, by PAX if it is long or not plain.
    pub(crate) fn entry(
        mut self,
        name: &[u8],
        link: &[u8],
        mut header: Header,
        data: &[u8],
    ) -> Self {
        let mut records = Vec::new();
        if name.len() > 99 {
            records.extend(record(b"path", name));
        }
        if link.len() > 99 {
            records.extend(record(b"linkpath", link));
        }
        if !records.is_empty() {
            self = self.pax(&records);
        }
        put(&mut header.as_old_mut().name, name);
        put(&mut header.as_old_mut().linkname, link);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.padded(data)
    }

    /// PAX records for the next entry.
    pub(crate) fn pax(mut self, records: &[u8]) -> Self {
        let mut header = Self::header(EntryType::XHeader, records.len() as u64);
        put(&mut header.as_old_mut().name, b"pax");
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.padded(records)
    }

    pub(crate) fn padded(mut self, data: &[u8]) -> Self {
        self.bytes.extend_from_slice(data);
        let whole = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(whole, 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        let header = Self::header(EntryType::Regular, data.len() as u64);
        self.entry(name.as_bytes(), b"", header, data)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        let header = Self::header(EntryType::Directory, 0);
        self.entry(name.as_bytes(), b"", header, b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        let header = Self::header(EntryType::Symlink, 0);
        self.entry(name.as_bytes(), target.as_bytes(), header, b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        let header = Self::header(EntryType::Link, 0);
        self.entry(name.as_bytes(), target.as_bytes(), header, b"")
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

fn put(field: &mut [u8], bytes: &[u8]) {
    field.fill(0);
    let length = bytes.len().min(field.len() - 1);
    field[..length].copy_from_slice(&bytes[..length]);
}

/// A PAX record: its length in digits, key and value.
pub(crate) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut out = format!("{length} ").into_bytes();
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
    out
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compress");
    encoder.finish().expect("compress")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("compress")
}
