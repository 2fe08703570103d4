//! Mounts with every option, masked and read-only paths, devices.

use crate::fixture::{Bundle, bind, mount};
use oci::runtime::{Device, DeviceKind, IdMapping};
use std::fs;

#[test]
fn binds_have_their_options_and_hear_of_nothing_they_should_not() {
    let mut bundle = Bundle::new();
    let source = bundle.dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "data").unwrap();
    bundle.spec.mounts.extend([
        bind(&source, "/made/rw", &["rbind", "rprivate"]),
        bind(
            &source,
            "/made/ro",
            &["rbind", "ro", "nosuid", "nodev", "noexec", "noatime"],
        ),
        bind(&source.join("file"), "/made/file", &["bind", "nosymfollow"]),
    ]);
    let output = bundle.script(
        "echo new > /made/rw/new; touch /made/ro/x 2>&1; cat /made/file; echo; cat /proc/self/mountinfo",
    );
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(output.contains("data\n"), "{output}");
    let line = |path: &str| {
        let path = format!(" {path} ");
        output
            .lines()
            .find(|line| line.contains(&path))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("/made/ro").contains("ro,nosuid,nodev,noexec,noatime"),
        "{output}"
    );
    assert!(line("/made/file").contains("nosymfollow"), "{output}");
    for path in ["/made/rw", "/made/ro", "/made/file"] {
        assert!(!line(path).contains("shared:"), "{output}");
    }
    assert_eq!(fs::read_to_string(source.join("new")).unwrap(), "new\n");
}

#[test]
fn recursive_options_reach_the_mounts_below() {
    let mut bundle = Bundle::new();
    let first = bundle.dir.path().join("tree");
    fs::create_dir_all(first.join("below")).unwrap();
    // The tree with a mount below is made of the container's own mounts: proc has none, so the
    // root of a first container is bound with everything in it.
    bundle
        .spec
        .mounts
        .push(bind("/dev".as_ref(), "/host", &["rbind", "rro", "rnosuid"]));
    let output = bundle.script("cat /proc/self/mountinfo | while read l; do case $l in *' /host/'*|*' /host '*) echo $l;; esac; done");
    assert!(output.lines().count() > 1, "{output}");
    for line in output.lines() {
        assert!(
            line.split(' ').nth(5).unwrap().starts_with("ro,nosuid"),
            "{line}"
        );
    }
}

#[test]
fn a_bind_with_mappings_shows_other_owners() {
    let mut bundle = Bundle::new();
    let source = bundle.dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "").unwrap();
    let map = vec![IdMapping {
        container_id: 0,
        host_id: 1000,
        size: 1,
    }];
    let mut mapped = bind(&source, "/mapped", &["bind", "idmap"]);
    mapped.uid_mappings = map.clone();
    mapped.gid_mappings = map;
    bundle.spec.mounts.push(mapped);
    let output = bundle.script("stat -c %u:%g /mapped/file");
    assert_eq!(output, "1000:1000\n");
    let mut wrong = bind(&source, "/mapped", &["bind", "idmap"]);
    wrong.uid_mappings = Vec::new();
    bundle.spec.mounts = vec![wrong];
    let error = bundle.run().unwrap_err().to_string();
    assert!(error.starts_with("mounts[0]:"), "{error}");
}

#[test]
fn a_tmpfs_copies_up_what_it_covers_and_keeps_the_mode() {
    let mut bundle = Bundle::new();
    let covered = bundle.root().join("covered");
    fs::create_dir_all(covered.join("deep/er")).unwrap();
    fs::write(covered.join("deep/er/file"), "kept").unwrap();
    std::os::unix::fs::symlink("deep/er/file", covered.join("link")).unwrap();
    std::os::unix::fs::chown(covered.join("deep/er/file"), Some(7), Some(8)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1710);
    fs::set_permissions(&covered, mode).unwrap();
    bundle
        .spec
        .mounts
        .push(mount("/covered", "tmpfs", &["tmpcopyup", "ro"]));
    let output = bundle.script("cat /covered/link; echo; stat -c %a /covered; stat -c %u:%g /covered/deep/er/file; touch /covered/x 2>&1 || true");
    assert!(output.starts_with("kept\n1710\n7:8\n"), "{output}");
    assert!(output.contains("Read-only"), "{output}");
}

#[test]
fn masked_and_read_only_paths_are_so() {
    let mut bundle = Bundle::new();
    fs::create_dir(bundle.root().join("etc/secret")).unwrap();
    fs::write(bundle.root().join("etc/secret/file"), "secret").unwrap();
    fs::write(bundle.root().join("etc/key"), "secret").unwrap();
    let linux = bundle.linux();
    linux.masked_paths.extend([
        "/etc/secret".to_owned(),
        "/etc/key".to_owned(),
        "/etc/none/such".to_owned(),
    ]);
    // One that is not absolute counts from the root.
    linux.readonly_paths.push("tmp".to_owned());
    let output = bundle.script(
        "ls /etc/secret; cat /etc/key; cat /proc/kcore /proc/timer_list; touch /etc/secret/x 2>&1; touch /tmp/x 2>&1; echo 1 > /proc/sys/kernel/panic; ls /proc/acpi /sys/firmware; true",
    );
    assert!(!output.contains("secret\n"), "{output}");
    assert_eq!(
        output.matches("Read-only file system").count(),
        3,
        "{output}"
    );
}

#[test]
fn a_path_that_is_masked_twice_has_one_cover() {
    let mut bundle = Bundle::new();
    fs::create_dir(bundle.root().join("etc/secret")).unwrap();
    let masked = ["/etc/secret", "/etc/secret/", "/etc/secret"].map(str::to_owned);
    bundle.linux().masked_paths.extend(masked);
    let output = bundle.script("cat /proc/self/mountinfo");
    assert_eq!(output.matches(" /etc/secret ").count(), 1, "{output}");
}

#[test]
fn a_tmpfs_says_the_mode_that_it_has_of_what_it_covers() {
    let mut bundle = Bundle::new();
    fs::create_dir(bundle.root().join("covered")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o710);
    fs::set_permissions(bundle.root().join("covered"), mode).unwrap();
    bundle.spec.mounts.extend([
        mount("/covered", "tmpfs", &["nosuid"]),
        mount("/new/place", "tmpfs", &["nosuid"]),
    ]);
    let output = bundle.script("stat -c %a /covered /new/place; cat /proc/mounts");
    assert!(output.starts_with("710\n1777\n"), "{output}");
    let line = |path: &str| {
        let path = format!("tmpfs {path} ");
        let mut lines = output.lines();
        lines
            .find(|line| line.starts_with(&path))
            .unwrap()
            .to_owned()
    };
    assert!(line("/covered").contains("mode=710"), "{output}");
    assert!(!line("/new/place").contains("mode="), "{output}");
}

#[test]
fn a_link_to_nothing_leads_to_the_place_that_is_made() {
    let mut bundle = Bundle::new();
    let root = bundle.root();
    let link = |value: &str, at: &str| {
        std::os::unix::fs::symlink(value, root.join(at)).unwrap();
    };
    link("/tmp/foo/../bar", "jump");
    link("../jump/deep/hosts", "etc/hosts");
    link("../../../../tmp/outside", "etc/out");
    let source = bundle.dir.path().join("source");
    fs::write(&source, "data").unwrap();
    bundle.spec.mounts.extend([
        bind(&source, "/etc/hosts", &["bind"]),
        bind(bundle.dir.path(), "/etc/out", &["bind"]),
    ]);
    let output = bundle.script("cat /tmp/bar/deep/hosts; ls /tmp/outside; ls /tmp");
    assert_eq!(output, "datarootfs\nsource\nbar\nfoo\noutside\n");
    link("loop", "tmp/loop");
    bundle.spec.mounts = vec![bind(&source, "/tmp/loop/x", &["bind"])];
    let error = format!("{:?}", bundle.run().unwrap_err());
    assert!(error.contains(&format!("code: {}", libc::ELOOP)), "{error}");
}

#[test]
fn a_source_in_the_root_is_what_earlier_mounts_made_of_it() {
    for user in [false, true] {
        let mut bundle = Bundle::new();
        let root = bundle.root();
        for name in ["first/below", "second"] {
            fs::create_dir_all(bundle.dir.path().join(name)).unwrap();
            fs::write(bundle.dir.path().join(name).join("file"), name).unwrap();
        }
        let from = |name: &str| bundle.dir.path().join(name);
        let mut mapped = bind(&root.join("made/below"), "/mapped", &["rbind"]);
        mapped.uid_mappings = vec![IdMapping {
            container_id: 0,
            host_id: if user { 101_000 } else { 1000 },
            size: 1,
        }];
        mapped.gid_mappings = mapped.uid_mappings.clone();
        let again = root.join("final");
        let mounts = [
            bind(&from("first"), "/made", &["bind"]),
            bind(&from("second"), "/made/below", &["bind"]),
            bind(&root.join("made"), again.to_str().unwrap(), &["rbind"]),
            mapped,
        ];
        bundle.spec.mounts.extend(mounts);
        if user {
            crate::namespaces::mapped(&mut bundle);
        }
        let output = bundle.script("cat /final/below/file; stat -c ' %u' /mapped/file");
        assert_eq!(output, "second 1000\n", "user namespace: {user}");
    }
}

#[test]
fn a_bind_keeps_what_the_host_forbids_only_in_a_user_namespace() {
    let options = |user: bool, options: &[&str]| {
        let mut bundle = Bundle::new();
        // The root of a first container is a mount of its own: read-only, and without devices.
        bundle.spec.mounts.extend([
            mount("/host", "tmpfs", &["nodev", "noexec", "noatime"]),
            bind(&bundle.root().join("host"), "/bound", options),
        ]);
        if user {
            crate::namespaces::mapped(&mut bundle);
        }
        bundle.args(&["grep", " /bound ", "/proc/mounts"]);
        bundle.run().map(|outcome| outcome.output)
    };
    let bound = options(false, &["bind"]).unwrap();
    assert!(bound.contains("nodev,noexec,noatime"), "{bound}");
    let bound = options(false, &["bind", "ro", "exec", "atime"]).unwrap();
    assert!(bound.contains(" ro,noatime"), "{bound}");
    let bound = options(true, &["bind", "ro"]).unwrap();
    assert!(bound.contains("ro,nodev,noexec,noatime"), "{bound}");
    for against in [["bind", "exec"], ["bind", "relatime"]] {
        let error = options(true, &against).unwrap_err();
        let words = "error mounting ";
        assert!(error.to_string().starts_with(words), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.to_string().contains("not permitted"), "{source}");
    }
}

#[test]
fn devices_are_the_default_ones_and_those_asked_for() {
    let mut bundle = Bundle::new();
    let device = |path: &str, kind, major, minor| Device {
        kind,
        path: path.to_owned(),
        major,
        minor,
        file_mode: Some(0o640),
        uid: Some(3),
        gid: Some(4),
    };
    bundle.linux().devices = vec![
        device("/dev/net/tun", DeviceKind::Character, 10, 200),
        device("/dev/loop", DeviceKind::Block, 7, 0),
        device("/dev/pipe", DeviceKind::Fifo, 0, 0),
    ];
    let output = bundle.script(
        "cd /dev; stat -c '%n %F %t:%T %a %u:%g' null zero full random urandom tty net/tun loop pipe; \
         for l in fd stdin stdout stderr ptmx; do readlink $l; done; head -c 1 /dev/zero | wc -c 2>/dev/null || true",
    );
    for line in [
        "null character special file 1:3 666 0:0",
        "tty character special file 5:0 666 0:0",
        "net/tun character special file a:c8 640 3:4",
        "loop block special file 7:0 640 3:4",
        "pipe fifo 0:0 640 3:4",
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
}

#[test]
fn wrong_mounts_name_their_field() {
    for (wrong, field) in [
        (mount("/x", "", &[]), "mounts[0].type"),
        (mount("/", "tmpfs", &[]), "mounts[0].destination"),
        (mount("/x", "tmpfs", &["remount"]), "mounts[0].options[0]"),
        (mount("/x", "proc", &["tmpcopyup"]), "mounts[0].options"),
        (
            bind("/".as_ref(), "/x", &["bind", "mode=1"]),
            "mounts[0].options",
        ),
    ] {
        let mut bundle = Bundle::new();
        bundle.spec.mounts = vec![wrong];
        let error = bundle.run().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{field}:")), "{error}");
    }
    let mut bundle = Bundle::new();
    bundle.spec.mounts = vec![bind("/does/not/exist".as_ref(), "/x", &["bind"])];
    let error = bundle.run().unwrap_err().to_string();
    assert_eq!(
        error,
        r#"error mounting "/does/not/exist" to rootfs at "/x": bind /does/not/exist"#
    );
    bundle.spec.mounts = vec![mount("/x", "tmpfs", &["size=lots"])];
    let error = bundle.run().unwrap_err().to_string();
    assert_eq!(error, r#"error mounting "tmpfs" to rootfs at "/x": mount"#);
}
