//! Inputs that want more than a layer may: each is refused with its entry and limit, or stays
//! inside.

#[path = "support/archives.rs"]
mod support;

use rustix::event::{PollFd, PollFlags, Timespec};
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};
use support::{Mounted, Tar, blob, blob_within, gzip, look, record, refusal, tree, worker, zstd};
use tar::EntryType;
use unpack::{Error, Limits, Refusal};

fn words(bytes: Vec<u8>) -> String {
    let (one, other) = (refusal(blob(bytes.clone())), refusal(tree(bytes)));
    assert_eq!(one, other, "both forms refuse in the same words");
    one.to_string()
}

fn limited(bytes: Vec<u8>, limits: Limits) -> (String, u64) {
    match refusal(blob_within(bytes, limits)) {
        Refusal::Limit { what, limit, .. } => (what, limit),
        other => unreachable!("{other}"),
    }
}

#[test]
fn a_name_that_leaves_the_root_is_refused() {
    for name in ["../x", "a/../../x", "/../x", "..", "x/../../.wh.y"] {
        let refused = words(Tar::new().file(name, b"x").finish());
        assert_eq!(refused, format!("{name}: leaves the root"));
    }
    let refused = words(Tar::new().link("a", "../etc/passwd").finish());
    assert_eq!(refused, "a: hard link to ../etc/passwd, which no layer has");
}

#[test]
fn an_absolute_name_is_one_of_the_layer() {
    let image = blob(Tar::new().file("/etc/passwd", b"inside").finish()).expect("unpack");
    let seen = look(&Mounted::erofs(&image.path()).root());
    assert_eq!(seen[b"etc/passwd".as_slice()].data, b"inside");
}

#[test]
fn a_link_is_followed_within_the_layer_and_nowhere_else() {
    let outside = tempfile::tempdir().expect("a directory");
    let target = outside.path().to_str().expect("UTF-8");
    let bytes = Tar::new()
        .symlink("out", target)
        .file("out/file", b"x")
        .symlink("up", "../../../../..")
        .file("up/top", b"x")
        .symlink("magic", "/proc/self/root")
        .file("magic/file", b"x")
        .symlink("lib", "usr/lib")
        .directory("usr/lib/")
        .file("lib/so", b"x")
        .finish();
    for image in [blob(bytes.clone()), tree(bytes)] {
        let image = image.expect("unpack");
        let mounted = image
            .path()
            .is_file()
            .then(|| Mounted::erofs(&image.path()));
        let root = mounted.as_ref().map_or(image.path(), Mounted::root);
        let seen = look(&root);
        let inner = format!("{}/file", target.trim_start_matches('/'));
        assert!(seen.contains_key(inner.as_bytes()));
        assert!(seen.contains_key(b"top".as_slice()));
        assert!(seen.contains_key(b"proc/self/root/file".as_slice()));
        assert!(seen.contains_key(b"usr/lib/so".as_slice()));
        assert_eq!(seen[b"lib".as_slice()].kind, "symlink");
    }
    assert_eq!(fs::read_dir(outside.path()).expect("list").count(), 0);
}

#[test]
fn links_in_a_circle_are_refused() {
    let refused = words(
        Tar::new()
            .symlink("a", "b")
            .symlink("b", "a")
            .file("a/x", b"x")
            .finish(),
    );
    assert_eq!(refused, "a/x: more than 40 symbolic links on the way to it");
}

#[test]
fn a_hard_link_to_what_the_layer_does_not_have_is_refused() {
    for target in ["/etc/passwd", "later", "self"] {
        let tar = Tar::new().link("self", target).file("later", b"x");
        let reason = "which is not in this archive before it";
        let expected = format!("self: hard link to {target}, {reason}");
        assert_eq!(words(tar.finish()), expected);
    }
    let refused = words(Tar::new().directory("d").link("l", "d").finish());
    assert_eq!(refused, "l: hard link to d, which is a directory");
}

#[test]
fn sizes_beyond_their_limits_are_refused_by_name() {
    let limits = Limits::default();
    let deep = format!("{}/x", vec!["d"; 40].join("/"));
    let large = vec![1; 5000];
    let cases = [
        (
            Tar::new().file(&"n/".repeat(100), b""),
            Limits {
                path: 150,
                ..limits
            },
            ("the length of its name", 150),
        ),
        (
            Tar::new().file(&deep, b""),
            Limits {
                depth: 30,
                ..limits
            },
            ("the number of its directories", 30),
        ),
        (
            Tar::new().symlink("l", &deep).file("l/a/b/c", b""),
            Limits {
                depth: 41,
                ..limits
            },
            ("the depth of directories", 41),
        ),
        (
            Tar::new().file("a", b"").file("b", b"").file("c", b""),
            Limits {
                entries: 2,
                ..limits
            },
            ("the number of entries", 2),
        ),
        (
            Tar::new()
                .pax(&record(b"SCHILY.xattr.user.a", &large))
                .file("a", b""),
            Limits {
                xattrs: 4096,
                ..limits
            },
            ("the size of its extended attributes", 4096),
        ),
        (
            Tar::new()
                .pax(&record(b"comment", &vec![b'c'; 200_000]))
                .file("a", b""),
            Limits {
                headers: 65_536,
                ..limits
            },
            ("the size of its headers", 65_536),
        ),
        (
            Tar::new().file("a", &large),
            Limits {
                input: 2048,
                ..limits
            },
            ("its size", 2048),
        ),
    ];
    for (tar, limits, (what, limit)) in cases {
        let expected = (what.to_owned(), limit);
        assert_eq!(limited(tar.finish(), limits), expected);
    }
}

#[test]
fn a_header_of_eight_gigabytes_is_refused_without_being_read() {
    let mut header = Tar::header(EntryType::XHeader, 8 << 30);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(8 << 20, b'x');
    let started = Instant::now();
    let (what, limit) = limited(bytes, Limits::default());
    assert_eq!((what.as_str(), limit), ("the size of its headers", 1 << 20));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn bombs_are_refused() {
    let zeros = Tar::new().file("zeros", &vec![0; 80 << 20]).finish();
    let limits = Limits {
        uncompressed: 40 << 20,
        ..Limits::default()
    };
    let (what, limit) = limited(gzip(&zeros), limits);
    assert_eq!((what.as_str(), limit), ("its uncompressed size", 40 << 20));
    let (what, limit) = limited(zstd(&zeros), Limits::default());
    assert_eq!((what.as_str(), limit), ("its compression ratio", 1100));
}

#[test]
fn truncated_and_damaged_streams_are_refused() {
    let plain = Tar::new().file("a", &vec![1; 10_000]).finish();
    let packed = gzip(&plain);
    let mut flipped = packed.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    let mut header = plain.clone();
    header[150] ^= 1;
    for (bytes, what) in [
        (plain[..300].to_vec(), "half a header"),
        (plain[..4000].to_vec(), "half a file"),
        (packed[..packed.len() / 2].to_vec(), "half a gzip stream"),
        (packed[..5].to_vec(), "half a gzip header"),
        (zstd(&plain)[..20].to_vec(), "half a zstd stream"),
        (flipped, "a wrong checksum of gzip"),
        (header, "a wrong checksum of tar"),
        (b"<html>not found</html>".repeat(100), "no tar"),
        (b"\xfd7zXZ\0 and so on".to_vec(), "xz"),
    ] {
        let refused = refusal(blob(bytes));
        assert!(matches!(refused, Refusal::Damaged(_)), "{what}: {refused}");
    }
}

#[test]
fn entries_that_no_file_system_holds_are_refused() {
    let strange = Tar::header(EntryType::new(b'V'), 0);
    let mut device = Tar::header(EntryType::Char, 0);
    device.set_device_major(4096).expect("a number");
    for (tar, expected) in [
        (
            Tar::new().file(&"n".repeat(256), b""),
            "a name in it is longer than 255 bytes",
        ),
        (
            Tar::new().entry(b"v", b"", strange, b""),
            "its type \"V\" is unknown",
        ),
        (
            Tar::new().entry(b"c", b"", device, b""),
            "its device number is larger than Linux's",
        ),
        (
            Tar::new().symlink("s", &"t".repeat(4096)),
            "the target of a symbolic link has 1 to 4095 bytes",
        ),
        (Tar::new().file("a/.wh.", b""), "a whiteout of no name"),
        (Tar::new().file("a/.wh...", b""), "a whiteout of no name"),
        (
            Tar::new().file("/", b"").file(".", b"x"),
            "the root is a directory and nothing else",
        ),
        (
            Tar::new().pax(&record(b"mtime", b"today")).file("a", b""),
            "its time of modification is no number",
        ),
    ] {
        let refused = words(tar.finish());
        assert!(refused.ends_with(expected), "{refused}");
    }
}

#[test]
fn the_worker_holds_no_rights_while_it_reads() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let file = tempfile::tempfile().expect("a file");
    let job = worker().layer(reader.into(), file).expect("start");
    writer.write_all(&[0; 512]).expect("write");
    let field = |name: &str| {
        let status = fs::read_to_string(format!("/proc/{}/status", job.pid())).expect("status");
        let line = status.lines().find(|line| line.starts_with(name));
        line.map(|line| line[name.len()..].trim().to_owned())
    };
    let started = Instant::now();
    while field("Seccomp:").as_deref() != Some("2") {
        assert!(started.elapsed() < Duration::from_secs(5), "no filter");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(field("NoNewPrivs:").as_deref(), Some("1"));
    assert_eq!(field("CapEff:").as_deref(), Some("0000000000000000"));
    assert_eq!(field("CapPrm:").as_deref(), Some("0000000000000000"));
    drop(writer);
    job.wait().expect("zeros are an empty tar");
}

#[test]
fn a_worker_that_dies_is_an_error_and_one_that_is_not_waited_for_is_killed() {
    let start = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let file = tempfile::tempfile().expect("a file");
        (worker().layer(reader.into(), file).expect("start"), writer)
    };
    let (job, _writer) = start();
    let pid = rustix::process::Pid::from_raw(job.pid().cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
    let error = job.wait().expect_err("killed");
    assert!(matches!(error, Error::Worker { .. }), "{error}");
    let (job, writer) = start();
    drop(job);
    let mut fds = [PollFd::new(&writer, PollFlags::empty())];
    let patience = Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut fds, Some(&patience)).expect("poll");
    let gone = fds[0].revents().contains(PollFlags::ERR);
    assert!(gone, "nobody reads any more");
}

#[test]
fn a_full_disk_is_said_so() {
    let full = File::options()
        .read(true)
        .write(true)
        .open("/dev/full")
        .expect("open");
    let bytes = Tar::new().file("a", &vec![1; 3 << 20]).finish();
    let job = worker().layer(support::stream(bytes), full).expect("start");
    let Err(Error::Output { source, .. }) = job.wait() else {
        unreachable!("it is full");
    };
    assert!(
        matches!(*source, Refusal::Machine { full: true, .. }),
        "{source}"
    );
}
