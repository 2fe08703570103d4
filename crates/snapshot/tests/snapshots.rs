//! Writable parts on a real file system.

use rustix::fs::{AtFlags, IFlags, Mode, OFlags};
use snapshot::{Error, Leftover, Snapshots, Snapshotter};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use types::{ContainerId, Layer, Paths, Rootfs, Writable};

struct Fixture {
    dir: tempfile::TempDir,
    snapshots: Snapshots,
    id: ContainerId,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let paths = Paths::under(&dir.path().join("root"), &dir.path().join("run"));
        Self {
            snapshots: Snapshots::open(&paths, Snapshotter::Erofs).expect("open"),
            id: "c1".parse().expect("an id"),
            dir,
        }
    }

    fn prepare(&self) -> Writable {
        let layers = vec![Layer::Erofs(PathBuf::from("/layer"))];
        let prepared = self
            .snapshots
            .prepare(&self.id, layers, false)
            .expect("prepare");
        match prepared.rootfs {
            Rootfs::Layers {
                writable: Some(writable),
                ..
            } => writable,
            other => unreachable!("{other:?}"),
        }
    }

    fn containers(&self) -> PathBuf {
        self.dir.path().join("root/containers")
    }
}

fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    rustix::fs::open(path, flags, Mode::empty()).expect("open a directory")
}

#[test]
fn a_writable_part_is_two_empty_directories_that_only_the_owner_reaches() {
    let fixture = Fixture::new();
    let writable = fixture.prepare();
    let mode = |path: &Path| fs::metadata(path).expect("stat").permissions().mode() & 0o7777;
    assert_eq!(mode(&writable.upper), 0o755);
    assert_eq!(mode(&writable.work), 0o700);
    assert_eq!(mode(&fixture.containers()), 0o700);
    assert_eq!(mode(&fixture.containers().join("c1")), 0o700);
    let again = fixture.snapshots.prepare(
        &fixture.id,
        vec![Layer::Erofs(PathBuf::from("/layer"))],
        false,
    );
    assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
    let none = fixture.snapshots.prepare(&fixture.id, Vec::new(), false);
    assert!(matches!(none, Err(Error::NoLayer(_))), "{none:?}");
}

#[test]
fn removal_follows_no_link_and_takes_immutable_files_and_work_directories() {
    let fixture = Fixture::new();
    let writable = fixture.prepare();
    let outside = fixture.dir.path().join("outside");
    fs::create_dir(&outside).expect("create");
    fs::write(outside.join("kept"), "kept").expect("write");
    symlink(&outside, writable.upper.join("link")).expect("symlink");
    let sealed = writable.upper.join("sealed");
    fs::create_dir(&sealed).expect("create");
    fs::write(sealed.join("file"), "x").expect("write");
    let inner = writable.work.join("work");
    fs::create_dir(&inner).expect("create");
    fs::set_permissions(&inner, PermissionsExt::from_mode(0o0)).expect("chmod");
    let file = File::open(sealed.join("file")).expect("open");
    for fd in [OwnedFd::from(file), open(&sealed)] {
        // A file system without these flags has nothing to test here.
        let _ = rustix::fs::ioctl_setflags(&fd, IFlags::IMMUTABLE);
    }
    fixture.snapshots.remove(&fixture.id).expect("remove");
    assert!(!fixture.containers().join("c1").exists());
    assert_eq!(fs::read_dir(fixture.containers()).expect("list").count(), 0);
    assert!(outside.join("kept").exists());
    fixture
        .snapshots
        .remove(&fixture.id)
        .expect("removed already");
}

#[test]
fn a_tree_deeper_than_any_path_is_measured_and_removed() {
    const DEPTH: u64 = 3000;
    let fixture = Fixture::new();
    let writable = fixture.prepare();
    let mut at = open(&writable.upper);
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&at, "directory", Mode::RWXU).expect("create");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, "directory", flags, Mode::empty()).expect("open");
    }
    rustix::fs::symlinkat("/", &at, "root").expect("symlink");
    drop(at);
    let usage = fixture.snapshots.usage(&fixture.id).expect("usage");
    assert_eq!(usage.inodes, DEPTH + 2);
    fixture.snapshots.remove(&fixture.id).expect("remove");
    assert_eq!(fs::read_dir(fixture.containers()).expect("list").count(), 0);
}

#[test]
fn usage_counts_blocks_and_each_inode_once() {
    let fixture = Fixture::new();
    let writable = fixture.prepare();
    let file = writable.upper.join("file");
    fs::write(&file, vec![1; 100_000]).expect("write");
    fs::hard_link(&file, writable.upper.join("other")).expect("link");
    File::open(&file).and_then(|f| f.sync_all()).expect("sync");
    let usage = fixture.snapshots.usage(&fixture.id).expect("usage");
    let blocks = |path: &Path| fs::symlink_metadata(path).expect("stat").blocks() * 512;
    assert_eq!(usage.inodes, 2);
    assert_eq!(usage.bytes, blocks(&file) + blocks(&writable.upper));
}

#[test]
fn the_writable_part_alone_is_removed_and_made_again() {
    let fixture = Fixture::new();
    let writable = fixture.prepare();
    let log = fixture.containers().join("c1/log");
    fs::write(&log, "line").expect("write");
    fixture
        .snapshots
        .remove_writable(&fixture.id)
        .expect("remove the writable part");
    assert!(!writable.upper.exists() && !writable.work.exists() && log.exists());
    assert_eq!(fixture.prepare(), writable);
}

#[test]
fn an_interrupted_removal_is_found_and_ended() {
    let fixture = Fixture::new();
    fixture.prepare();
    let containers = fixture.containers();
    fs::rename(containers.join("c1"), containers.join("#c1")).expect("rename");
    fs::write(containers.join("not an id"), "").expect("write");
    fixture.prepare();
    let mut list = fixture.snapshots.list().expect("list");
    list.sort_by_key(|leftover| format!("{leftover:?}"));
    let expected = [
        Leftover::Container(fixture.id.clone()),
        Leftover::Foreign(containers.join("not an id")),
        Leftover::Removed(containers.join("#c1")),
    ];
    assert_eq!(list, expected);
    fixture.snapshots.sweep().expect("sweep");
    assert_eq!(fixture.snapshots.list().expect("list").len(), 2);
    // Also when the id was used again before the first removal ended.
    fs::create_dir(containers.join("#c1")).expect("create");
    fs::write(containers.join("#c1/file"), "").expect("write");
    fixture.snapshots.remove(&fixture.id).expect("remove");
    assert!(!containers.join("c1").exists() && !containers.join("#c1").exists());
    let stat = rustix::fs::statat(open(&containers), "c1", AtFlags::SYMLINK_NOFOLLOW);
    assert!(stat.is_err());
}
