//! Layers that are taken: what is mounted is what the tar says.

#[path = "support/archives.rs"]
mod support;

use sha2::{Digest as _, Sha256};
use snapshot::{Draft, Layers, Output, Snapshotter};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use support::{
    Mounted, Seen, Tar, blob, check, gzip, look, open_directory, record, stream, tree, worker, zstd,
};
use tar::EntryType;
use types::{Layer, Paths};
use unpack::{Compression, Unpacked};

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn sample() -> Vec<u8> {
    Tar::new()
        .directory("./")
        .directory("./etc/")
        .file("./etc/passwd", b"root:x:0:0::/:/bin/sh\n")
        .file("./big", &vec![7; 100_000])
        .finish()
}

#[test]
fn both_digests_are_of_the_whole_stream_in_every_compression() {
    let plain = sample();
    let (first, second) = plain.split_at(plain.len() / 3);
    let members = [gzip(first), gzip(second)].concat();
    let frames = [zstd(first), zstd(second)].concat();
    for (bytes, compression) in [
        (plain.clone(), Compression::None),
        (gzip(&plain), Compression::Gzip),
        (members, Compression::Gzip),
        (zstd(&plain), Compression::Zstd),
        (frames, Compression::Zstd),
    ] {
        let image = blob(bytes.clone()).expect("unpack");
        assert_eq!(image.unpacked.compression, compression);
        assert_eq!(image.unpacked.digest.to_string(), digest(&bytes));
        assert_eq!(image.unpacked.diff_id.to_string(), digest(&plain));
        assert_eq!(image.unpacked.size, bytes.len() as u64);
        assert_eq!(image.unpacked.diff_size, plain.len() as u64);
        assert_eq!(image.unpacked.entries, 4);
        let mounted = Mounted::erofs(&image.path());
        let passwd = fs::read_to_string(mounted.root().join("etc/passwd"));
        assert_eq!(passwd.expect("read"), "root:x:0:0::/:/bin/sh\n");
    }
}

#[test]
fn an_empty_stream_is_an_empty_layer() {
    for bytes in [Vec::new(), Tar::new().finish(), gzip(b"")] {
        let image = blob(bytes).expect("unpack");
        check(&image.path());
        assert_eq!(look(&Mounted::erofs(&image.path()).root()).len(), 1);
    }
}

#[test]
fn every_kind_of_inode_has_the_metadata_that_the_tar_says() {
    let device = |kind, major, minor| {
        let mut header = Tar::header(kind, 0);
        header.set_device_major(major).expect("a number");
        header.set_device_minor(minor).expect("a number");
        header.set_mode(0o620);
        header
    };
    let mut owned = Tar::header(EntryType::Regular, 3);
    owned.set_mode(0o4755);
    let long_name = "n".repeat(255);
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let bytes = Tar::new()
        .pax(
            &[
                record(b"uid", b"4000000000"),
                record(b"gid", b"70000"),
                record(b"mtime", b"1600000000.123456789"),
                record(b"SCHILY.xattr.security.capability", &capability),
                record(b"SCHILY.xattr.user.note", b"bytes \0 too\n"),
                record(b"SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
                record(b"SCHILY.xattr.system.nfs4_acl", b"x"),
            ]
            .concat(),
        )
        .entry(b"owned", b"", owned, b"abc")
        .link("again", "owned")
        .entry(b"tty", b"", device(EntryType::Char, 4, 300), b"")
        .entry(b"disk", b"", device(EntryType::Block, 259, 70_000), b"")
        .entry(b"fifo", b"", Tar::header(EntryType::Fifo, 0), b"")
        .symlink("short", "owned")
        .symlink("long", &"t/".repeat(2000))
        .file(&format!("d/{long_name}"), b"")
        .entry(b"caf\xe9\n", b"", Tar::header(EntryType::Regular, 0), b"")
        .pax(&record(b"mtime", b"-5.5"))
        .file("old", b"")
        .finish();
    let image = blob(bytes.clone()).expect("unpack");
    assert_eq!(image.unpacked.ignored_xattrs, 2);
    assert_eq!(image.unpacked.implied, 1);
    check(&image.path());
    let seen = look(&Mounted::erofs(&image.path()).root());
    let owned = &seen[b"owned".as_slice()];
    assert_eq!(owned.mode, 0o4755);
    assert_eq!(owned.owner, (4_000_000_000, 70_000));
    assert_eq!(owned.time, (1_600_000_000, 123_456_789));
    assert_eq!(owned.links, 2);
    assert_eq!(owned.xattrs.len(), 2);
    assert_eq!(owned.xattrs[b"security.capability".as_slice()], capability);
    assert_eq!(seen[b"again".as_slice()].same, b"again");
    assert_eq!(owned.same, b"again");
    let number = rustix::fs::makedev(259, 70_000);
    assert_eq!(seen[b"disk".as_slice()].device, number);
    assert_eq!(seen[b"tty".as_slice()].device, rustix::fs::makedev(4, 300));
    assert_eq!(seen[b"long".as_slice()].data.len(), 4000);
    assert!(seen.contains_key(format!("d/{long_name}").as_bytes()));
    assert!(seen.contains_key(b"caf\xe9\n".as_slice()));
    assert_eq!(seen[b"old".as_slice()].time, (-6, 500_000_000));
    assert_same(&seen, &look(&tree(bytes).expect("unpack").path()));
}

fn assert_same(
    blob: &std::collections::BTreeMap<Vec<u8>, Seen>,
    tree: &std::collections::BTreeMap<Vec<u8>, Seen>,
) {
    let names = |seen: &std::collections::BTreeMap<Vec<u8>, Seen>| {
        let names = seen.keys().map(|name| name.escape_ascii().to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(blob), names(tree));
    for (name, seen) in blob {
        let (mut one, mut other) = (seen.clone(), tree[name].clone());
        if (one.kind, one.device) == ("character", 0) {
            // All whiteouts of a blob are one inode.
            (one.links, one.same) = (other.links, other.same.clone());
        }
        if name.is_empty() {
            // The directory itself is the caller's if no entry described it.
            (one.mode, one.time) = (other.mode, other.time);
        }
        assert_eq!(one.data.len(), other.data.len());
        assert!(one.data == other.data);
        one.data.clear();
        other.data.clear();
        assert_eq!(one, other, "{}", name.escape_ascii());
    }
}

#[test]
fn later_entries_replace_earlier_ones() {
    let mut private = Tar::header(EntryType::Directory, 0);
    private.set_mode(0o700);
    let bytes = Tar::new()
        .file("a", b"first")
        .file("a", b"second")
        .file("b/c/d", b"below")
        .file("b", b"a file now")
        .file("e", b"a file before")
        .file("e/f", b"refused below a file")
        .finish();
    let bad = support::refusal(blob(bytes));
    assert_eq!(bad.to_string(), "e/f: a parent is no directory");
    let bytes = Tar::new()
        .file("a", b"first")
        .file("a", b"second")
        .file("b/c/d", b"below")
        .link("kept", "b/c/d")
        .file("b", b"a file now")
        .directory("e")
        .file("e/f", b"stays")
        .entry(b"e", b"", private, b"")
        .symlink("g", "e")
        .directory("g")
        .finish();
    let image = blob(bytes.clone()).expect("unpack");
    check(&image.path());
    let seen = look(&Mounted::erofs(&image.path()).root());
    assert_eq!(seen[b"a".as_slice()].data, b"second");
    assert_eq!(seen[b"b".as_slice()].data, b"a file now");
    assert_eq!(seen[b"kept".as_slice()].data, b"below");
    assert_eq!(seen[b"kept".as_slice()].links, 1);
    assert_eq!(seen[b"e".as_slice()].mode, 0o700);
    assert_eq!(seen[b"e/f".as_slice()].data, b"stays");
    assert_eq!(seen[b"g".as_slice()].kind, "directory");
    assert_same(&seen, &look(&tree(bytes).expect("unpack").path()));
}

#[test]
fn whiteouts_hide_what_lower_layers_have_and_nothing_of_their_own_layer() {
    let lower = Tar::new()
        .file("gone", b"lower")
        .file("dir/old", b"lower")
        .file("opaque/old", b"lower")
        .file("both/old", b"lower")
        .file("kept/old", b"lower")
        .finish();
    let upper = Tar::new()
        .file(".wh.gone", b"")
        .file(".wh.dir", b"")
        .file("opaque/new", b"upper")
        .file("opaque/.wh..wh..opq", b"")
        .file("both/new", b"upper")
        .file(".wh.both", b"")
        .file("kept/new", b"upper")
        .file(".wh..wh.plnk/1.2", b"of aufs")
        .finish();
    let expected: [&[u8]; 7] = [
        b"",
        b"both",
        b"both/new",
        b"kept",
        b"kept/new",
        b"kept/old",
        b"opaque",
    ];
    let mut expected: Vec<&[u8]> = expected.to_vec();
    expected.push(b"opaque/new");
    let (low, up) = (
        blob(lower).expect("unpack"),
        blob(upper.clone()).expect("unpack"),
    );
    check(&up.path());
    let (low, top) = (Mounted::erofs(&low.path()), Mounted::erofs(&up.path()));
    let merged = look(&Mounted::overlay(&[&top, &low]).root());
    assert_eq!(
        merged.keys().map(Vec::as_slice).collect::<Vec<_>>(),
        expected
    );
    assert_same(
        &look(&top.root()),
        &look(&tree(upper).expect("unpack").path()),
    );
}

#[test]
fn zeros_take_no_space_and_read_as_zeros() {
    let mut data = vec![0; 3 << 20];
    data[1 << 20] = 1;
    data.extend_from_slice(b"end");
    let image = blob(Tar::new().file("sparse", &data).finish()).expect("unpack");
    check(&image.path());
    assert!(
        image.unpacked.written < 300_000,
        "{}",
        image.unpacked.written
    );
    let mounted = Mounted::erofs(&image.path());
    assert!(fs::read(mounted.root().join("sparse")).expect("read") == data);
}

#[test]
fn the_same_entries_give_the_same_bytes() {
    let read = |bytes: Vec<u8>| fs::read(blob(bytes).expect("unpack").path()).expect("read");
    assert!(read(sample()) == read(gzip(&sample())));
}

#[test]
fn a_big_directory_is_listed_and_every_name_is_found() {
    const FILES: usize = 20_000;
    let mut tar = Tar::new();
    for number in 0..FILES {
        // Names before and after `.` and `..` in the order of bytes.
        let first = ["!", "-", "Z", "~"][number % 4];
        tar = tar.file(
            &format!("dir/{first}{number}"),
            number.to_string().as_bytes(),
        );
    }
    let image = blob(tar.finish()).expect("unpack");
    check(&image.path());
    let mounted = Mounted::erofs(&image.path());
    let listed = fs::read_dir(mounted.root().join("dir")).expect("list");
    assert_eq!(listed.count(), FILES);
    for number in (0..FILES).step_by(7) {
        let first = ["!", "-", "Z", "~"][number % 4];
        let text = fs::read_to_string(mounted.root().join(format!("dir/{first}{number}")));
        assert_eq!(text.expect("read"), number.to_string());
    }
}

/// A layer of the sample, unpacked and not yet named.
fn draft(layers: &Layers) -> (Draft, Unpacked) {
    let draft = layers.create().expect("a draft");
    let stream = stream(gzip(&sample()));
    let unpacked = match draft.output().expect("an output") {
        Output::Image(file) => worker().layer(stream, file).expect("start").wait(),
        Output::Tree(dir) => worker().tree(stream, dir).expect("start").wait(),
    };
    (draft, unpacked.expect("unpack"))
}

#[test]
fn a_committed_layer_is_found_by_its_diff_id_and_a_draft_leaves_nothing() {
    for snapshotter in Snapshotter::ALL {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = Paths::under(dir.path(), dir.path());
        let layers = Layers::open(&paths, Some(snapshotter)).expect("open");
        let left = || {
            let names = fs::read_dir(paths.layers()).expect("list");
            let mut names: Vec<_> = names
                .map(|entry| entry.expect("read").file_name())
                .collect();
            names.sort();
            names
        };
        let (first, unpacked) = draft(&layers);
        assert_eq!(layers.find(&unpacked.diff_id), None);
        drop(first);
        assert_eq!(layers.list().expect("list"), []);
        let (second, unpacked) = draft(&layers);
        let layer = second.commit(&unpacked.diff_id).expect("commit");
        let (third, _) = draft(&layers);
        assert_eq!(
            third.commit(&unpacked.diff_id).expect("commit again"),
            layer
        );
        assert_eq!(left(), ["sha256", "sha512"]);
        assert_eq!(layers.find(&unpacked.diff_id), Some(layer.clone()));
        assert_eq!(
            layers.list().expect("list"),
            std::slice::from_ref(&unpacked.diff_id)
        );
        match &layer {
            Layer::Erofs(path) => {
                assert_eq!(snapshotter, Snapshotter::Erofs);
                assert_eq!(fs::metadata(path).expect("stat").nlink(), 1);
                assert!(look(&Mounted::erofs(path).root()).contains_key(b"big".as_slice()));
            }
            Layer::Directory(path) => assert!(look(path).contains_key(b"big".as_slice())),
        }
        // Another form for new ones changes nothing of those that are there.
        for other in Snapshotter::ALL {
            let again = Layers::open(&paths, Some(other)).expect("open again");
            assert_eq!(again.find(&unpacked.diff_id), Some(layer.clone()));
        }
        assert!(layers.size(&unpacked.diff_id).expect("measure") >= 100_000);
        layers.remove(&unpacked.diff_id).expect("remove");
        assert_eq!(layers.find(&unpacked.diff_id), None);
        assert_eq!(layers.size(&unpacked.diff_id).expect("measure"), 0);
        assert_eq!(left(), ["sha256", "sha512"]);
    }
}

#[test]
fn a_tree_that_a_crash_left_unfinished_goes_with_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let paths = Paths::under(dir.path(), dir.path());
    let layers = Layers::open(&paths, Some(Snapshotter::Overlay)).expect("open");
    let (unfinished, _) = draft(&layers);
    let own = fs::read_dir(paths.layers())
        .expect("list")
        .map(|entry| entry.expect("read"));
    let own = own
        .map(|entry| entry.path())
        .find(|path| path.join("etc").is_dir());
    // It is there as it would be after a crash, under the name of an earlier process.
    fs::rename(own.expect("the draft"), paths.layers().join("draft-1-1")).expect("rename");
    drop(unfinished);
    assert_eq!(fs::read_dir(paths.layers()).expect("list").count(), 3);
    drop(Layers::open(&paths, None).expect("open again"));
    assert_eq!(fs::read_dir(paths.layers()).expect("list").count(), 2);
}

#[test]
fn an_image_archive_is_split_into_blobs_by_digest() {
    let layer = sample();
    let manifest = br#"[{"Config":"c.json","Layers":["a/layer.tar","b/layer.tar"]}]"#;
    let archive = Tar::new()
        .directory("a/")
        .file("a/layer.tar", &layer)
        .symlink("b/layer.tar", "../a/layer.tar")
        .file("./c.json", b"{}")
        .file("manifest.json", manifest)
        .finish();
    let dir = tempfile::tempdir().expect("a directory");
    for bytes in [archive.clone(), gzip(&archive)] {
        let fd = open_directory(dir.path());
        let job = worker().archive(stream(bytes), fd).expect("start");
        let split = job.wait().expect("split");
        let names: Vec<&str> = split.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["a/layer.tar", "c.json", "manifest.json"]);
        assert_eq!(split.members[0].digest.to_string(), digest(&layer));
        assert_eq!(split.links[0].name, "b/layer.tar");
        assert_eq!(split.links[0].target, "a/layer.tar");
        let saved = &split.saved.expect("manifest.json")[0];
        assert_eq!(saved.config, "c.json");
        assert_eq!(saved.layers, ["a/layer.tar", "b/layer.tar"]);
        assert_eq!((saved.repo_tags.len(), &split.index), (0, &None));
        let blob = dir
            .path()
            .join("sha256")
            .join(split.members[0].digest.hex());
        assert!(fs::read(blob).expect("read") == layer);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
        let blobs = fs::read_dir(dir.path().join("sha256")).expect("list");
        assert_eq!(blobs.count(), 3);
    }
}

#[test]
fn sparse_files_are_read_in_every_form_that_gnu_tar_writes() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sparse");
    let file = fs::File::create(&path).expect("create");
    file.set_len(30 << 20).expect("set the length");
    for part in 0..40_u64 {
        let bytes = format!("part {part}").into_bytes();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, part * 700_001).expect("write");
    }
    let expected = fs::read(&path).expect("read");
    for form in [
        "--format=gnu",
        "--sparse-version=0.0",
        "--sparse-version=0.1",
        "--sparse-version=1.0",
    ] {
        let mut tar = std::process::Command::new("tar");
        let form = match form.starts_with("--sparse") {
            true => vec!["--format=posix", form],
            false => vec![form],
        };
        tar.args(&form).args(["--sparse", "-cf", "-", "-C"]);
        let archive = tar.arg(dir.path()).arg("sparse").output().expect("run tar");
        assert!(archive.status.success(), "{archive:?}");
        assert!(archive.stdout.len() < 1 << 20, "{form:?} is sparse");
        for image in [blob(archive.stdout.clone()), tree(archive.stdout)] {
            let image = image.expect("unpack");
            let mounted = image
                .path()
                .is_file()
                .then(|| Mounted::erofs(&image.path()));
            let root = mounted.as_ref().map_or(image.path(), Mounted::root);
            assert!(
                fs::read(root.join("sparse")).expect("read") == expected,
                "{form:?}"
            );
        }
    }
}

#[test]
fn a_layer_is_mounted_once_for_all_until_one_cannot_be() {
    let image = blob(sample()).expect("unpack");
    let folder = tempfile::tempdir().expect("a directory");
    let paths = Paths {
        root: folder.path().into(),
        ..Paths::system()
    };
    let layers = Layers::open(&paths, Some(Snapshotter::Erofs)).expect("open");
    let there = Layer::Erofs(image.path());
    let missing = Layer::Erofs(folder.path().join("missing.erofs"));
    let first = layers.mounts(&[there.clone(), missing, there.clone()]);
    assert_eq!(
        first.len(),
        1,
        "those below the missing one are the caller's"
    );
    let second = layers.mounts(&[there]);
    assert!(std::sync::Arc::ptr_eq(&first[0], &second[0]));
    let root = format!("/proc/self/fd/{}", first[0].as_raw_fd());
    let passwd = fs::read_to_string(format!("{root}/etc/passwd"));
    assert_eq!(passwd.expect("read"), "root:x:0:0::/:/bin/sh\n");
}
