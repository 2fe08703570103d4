//! The root: entered, read-only, and out of layers.

use crate::fixture::{Bundle, Streams, bind, mount};
use container::{Create, Gate, create};
use oci::runtime::NamespaceKind;
use std::os::fd::AsFd as _;
use std::path::Path;
use sys::mount::{Change, Extent, Propagation, set_attributes};
use types::{Layer, Rootfs, Writable};

#[test]
fn a_program_runs_in_its_root_and_sees_nothing_of_the_host() {
    let mut bundle = Bundle::new();
    let output = bundle.script("ls / ; echo; cat /proc/self/mountinfo | wc -l; pwd");
    assert!(output.contains("bin\ndev\netc\nproc\n"), "{output}");
    let mounts = bundle.script("cat /proc/self/mountinfo");
    let root = mounts.lines().filter(|line| line.contains(" / / ")).count();
    assert!(root <= 1, "{mounts}");
    assert!(!mounts.contains("/sys/fs/cgroup"), "{mounts}");
}

#[test]
fn a_read_only_root_refuses_writes_and_its_mounts_do_not() {
    let mut bundle = Bundle::new();
    bundle.spec.root.as_mut().unwrap().readonly = true;
    let output = bundle.script("touch /x 2>&1; touch /dev/shm/y && echo written");
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(output.contains("written"), "{output}");
}

#[test]
fn layers_are_an_overlay_that_keeps_changes_in_its_upper_directory() {
    let mut bundle = Bundle::new();
    let dir = bundle.dir.path().to_owned();
    let top = dir.join("top");
    for name in ["top/etc", "upper", "work"] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
    }
    std::fs::write(top.join("etc/which"), "top").unwrap();
    std::fs::write(bundle.root().join("etc/which"), "bottom").unwrap();
    bundle.rootfs = Rootfs::Layers {
        lower: vec![Layer::Directory(top), Layer::Directory(bundle.root())],
        writable: Some(Writable {
            upper: dir.join("upper"),
            work: dir.join("work"),
            volatile: false,
        }),
    };
    let output = bundle.script("cat /etc/which; echo changed > /etc/new");
    assert_eq!(output, "top");
    let new = std::fs::read_to_string(dir.join("upper/etc/new")).unwrap();
    assert_eq!(new, "changed\n");
    let host = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!host.contains(dir.to_str().unwrap()), "{host}");
}

#[test]
fn a_volatile_root_is_mounted_again_with_what_was_written() {
    let mut bundle = Bundle::new();
    let dir = bundle.dir.path().to_owned();
    for name in ["upper", "work"] {
        std::fs::create_dir(dir.join(name)).unwrap();
    }
    let root = bundle.root();
    let mut look = |volatile| {
        bundle.rootfs = Rootfs::Layers {
            lower: vec![Layer::Directory(root.clone())],
            writable: Some(Writable {
                upper: dir.join("upper"),
                work: dir.join("work"),
                volatile,
            }),
        };
        bundle.script("head -n 1 /proc/self/mountinfo; echo again >> /seen; cat /seen")
    };
    let mark = sys::overlay::volatile_mark(&dir.join("work"));
    for (volatile, lines) in [(true, 1), (true, 2), (false, 3), (true, 4)] {
        let output = look(volatile);
        // Newer kernels say `fsync=volatile`.
        assert_eq!(output.contains("volatile"), volatile, "{output}");
        assert_eq!(output.matches("again").count(), lines, "{output}");
        assert_eq!(mark.exists(), volatile);
    }
}

/// Before Linux 6.5 overlay takes all layers in one option, which is short.
#[test]
fn sixty_layers_are_one_root() {
    let mut bundle = Bundle::new();
    let dir = bundle.dir.path().to_owned();
    let mut lower = vec![Layer::Directory(bundle.root())];
    for number in 0..60 {
        let layer = dir.join(format!("a-layer-whose-path-is-not-short-{number}"));
        std::fs::create_dir_all(layer.join("layers")).unwrap();
        std::fs::write(layer.join(format!("layers/{number}")), "").unwrap();
        std::fs::write(layer.join("top"), number.to_string()).unwrap();
        lower.insert(0, Layer::Directory(layer));
    }
    for name in ["upper", "work"] {
        std::fs::create_dir(dir.join(name)).unwrap();
    }
    bundle.rootfs = Rootfs::Layers {
        lower,
        writable: Some(Writable {
            upper: dir.join("upper"),
            work: dir.join("work"),
            volatile: false,
        }),
    };
    let output = bundle.script("ls /layers | wc -l; cat /top; pwd");
    assert_eq!(output, "60\n59/\n");
}

#[test]
fn the_roots_propagation_is_as_asked() {
    let mut bundle = Bundle::new();
    bundle.linux().rootfs_propagation = Some(oci::runtime::Propagation::Shared);
    let output = bundle.script("head -n 1 /proc/self/mountinfo");
    assert!(output.contains(" shared:"), "{output}");
    bundle.linux().rootfs_propagation = None;
    bundle
        .spec
        .mounts
        .push(mount("/tmp", "tmpfs", &["size=1m"]));
    let output = bundle.script("head -n 1 /proc/self/mountinfo");
    assert!(!output.contains(" shared:"), "{output}");
}

/// What mountinfo says of how a mount spreads, and whether the host has what is mounted in it.
fn spread(bundle: &mut Bundle, source: &Path, option: Option<&str>) -> (&'static str, bool) {
    let options: Vec<&str> = std::iter::once("rbind").chain(option).collect();
    bundle.spec.mounts.retain(|one| one.destination != "/opt");
    bundle.spec.mounts.push(bind(source, "/opt", &options));
    let seen = bundle.script(
        "busybox mount -t tmpfs inner /opt/inner
        busybox grep ' /opt ' /proc/self/mountinfo | busybox cut -d- -f1",
    );
    let flags = match (seen.contains("shared:"), seen.contains("master:")) {
        (true, true) => "shared slave",
        (true, false) => "shared",
        (false, true) => "slave",
        (false, false) => "private",
    };
    let inner = source.join("inner");
    let reached = rustix::mount::unmount(&inner, rustix::mount::UnmountFlags::DETACH).is_ok();
    (flags, reached)
}

#[test]
fn binds_spread_as_their_options_and_the_roots_propagation_say() {
    use oci::runtime::Propagation as Root;
    let mut bundle = Bundle::new();
    let process = bundle.spec.process.as_mut().unwrap();
    let capabilities = process.capabilities.as_mut().unwrap();
    for set in [
        &mut capabilities.bounding,
        &mut capabilities.effective,
        &mut capabilities.permitted,
    ] {
        set.push("CAP_SYS_ADMIN".to_owned());
    }
    sys::namespace::unshare(sys::namespace::Kind::Mount.flag()).unwrap();
    let change = |propagation| Change {
        propagation: Some(propagation),
        ..Change::default()
    };
    let private = change(Propagation::Private);
    set_attributes(rustix::fs::CWD, c"/", &private, Extent::Tree).unwrap();
    let source = tempfile::tempdir().unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("outer", source.path(), "tmpfs", flags, None).unwrap();
    let held = std::fs::File::open(source.path()).unwrap();
    set_attributes(
        held.as_fd(),
        c"",
        &change(Propagation::Shared),
        Extent::Mount,
    )
    .unwrap();
    std::fs::create_dir(source.path().join("inner")).unwrap();
    for (of_root, option, expected) in [
        (None, None, ("slave", false)),
        (None, Some("rshared"), ("shared slave", false)),
        (None, Some("rprivate"), ("private", false)),
        (Some(Root::Shared), None, ("shared", true)),
        (Some(Root::Shared), Some("rshared"), ("shared", true)),
        (Some(Root::Shared), Some("rslave"), ("slave", false)),
        (Some(Root::RecursiveShared), None, ("shared", true)),
        (
            Some(Root::RecursiveShared),
            Some("rslave"),
            ("shared slave", false),
        ),
        (Some(Root::Slave), Some("rshared"), ("shared", true)),
        (Some(Root::Slave), None, ("slave", false)),
        (
            Some(Root::RecursiveSlave),
            Some("rshared"),
            ("shared slave", false),
        ),
        (
            Some(Root::RecursivePrivate),
            Some("rshared"),
            ("shared", false),
        ),
        (
            Some(Root::RecursivePrivate),
            Some("rslave"),
            ("private", false),
        ),
        (Some(Root::Private), None, ("slave", false)),
    ] {
        bundle.linux().rootfs_propagation = of_root;
        let found = spread(&mut bundle, source.path(), option);
        assert_eq!(found, expected, "{of_root:?} {option:?}");
    }
    drop(held);
    let gone = rustix::mount::UnmountFlags::DETACH;
    rustix::mount::unmount(source.path(), gone).unwrap();
}

/// An EROFS image of a directory, by the tool of erofs-utils.
fn image(of: &Path, at: &Path) -> bool {
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    let missing = |error| eprintln!("skipped: mkfs.erofs of erofs-utils is needed: {error}");
    let made = std::process::Command::new("mkfs.erofs")
        .arg(at)
        .arg(of)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    match made {
        Ok(status) => {
            assert!(status.success());
            true
        }
        Err(error) => {
            missing(error);
            false
        }
    }
}

/// What a script sees and writes in a root of two layers, in a user namespace or without one.
fn in_layers(mapped: bool, layers: impl Fn(&Path, &Path) -> Option<Vec<Layer>>) {
    let mut bundle = Bundle::new();
    if mapped {
        crate::namespaces::mapped(&mut bundle);
    }
    let dir = bundle.dir.path().to_owned();
    let top = dir.join("top");
    for name in ["top/etc", "upper", "work"] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
    }
    std::fs::write(top.join("etc/which"), "top").unwrap();
    std::fs::write(top.join("etc/gone"), "top").unwrap();
    let root = bundle.root();
    for path in ["", "dev", "proc", "sys", "tmp", "etc"] {
        std::os::unix::fs::chown(root.join(path), Some(0), Some(0)).unwrap();
    }
    let Some(lower) = layers(&top, &root) else {
        return;
    };
    bundle.rootfs = Rootfs::Layers {
        lower,
        writable: Some(Writable {
            upper: dir.join("upper"),
            work: dir.join("work"),
            volatile: false,
        }),
    };
    let script = "cat /etc/which; stat -c %u /bin/sh /etc; echo x > /etc/new
        chown 5:6 /etc/which; rm /etc/gone; stat -c %u:%g /etc/which; ls /etc/gone 2>/dev/null; true";
    let output = bundle.script(script);
    assert_eq!(output, "top0\n0\n5:6\n", "mapped: {mapped}");
    // On disk ids are the container's own.
    for (path, owner) in [("etc/new", 0), ("etc/which", 5)] {
        let made = std::fs::metadata(dir.join("upper").join(path)).unwrap();
        let found = std::os::unix::fs::MetadataExt::uid(&made);
        assert_eq!(found, owner, "{path}, mapped: {mapped}");
    }
    // The layers are as they were.
    let below = std::fs::metadata(top.join("etc/which")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&below), 0);
}

#[test]
fn images_are_layers_mounted_from_their_files_also_through_a_user_namespaces_maps() {
    for mapped in [false, true] {
        in_layers(mapped, |top, root| {
            let images = ["first.erofs", "second.erofs"].map(|name| top.with_file_name(name));
            let made = image(top, &images[0]) && image(root, &images[1]);
            made.then(|| images.map(Layer::Erofs).to_vec())
        });
    }
}

#[test]
fn trees_are_layers_also_through_a_user_namespaces_maps() {
    for mapped in [false, true] {
        in_layers(mapped, |top, root| {
            Some(
                [top, root]
                    .map(|tree| Layer::Directory(tree.to_owned()))
                    .to_vec(),
            )
        });
    }
}

#[test]
fn a_root_that_is_moved_shows_nothing_of_the_hosts_procfs() {
    let mut bundle = Bundle::new();
    // Only where procfs is in plain sight may a user namespace mount another one.
    let mounts = "unshare -mrpf mount -t proc none /proc 2>&1 && echo mounted";
    bundle.args(&["sh", "-c", &format!("ls / | head -n 1; {mounts}")]);
    let streams = Streams::new();
    let mut init = create(&Create {
        no_pivot: true,
        ..bundle.request(streams.stdio(), Gate::Held)
    })
    .unwrap();
    init.start().unwrap();
    let outcome = streams.finish(init.pidfd());
    assert!(outcome.output.starts_with("bin\n"), "{}", outcome.output);
    assert!(
        outcome.output.contains("permission denied"),
        "{}",
        outcome.output
    );
    assert!(!outcome.output.contains("mounted"), "{}", outcome.output);
}

#[test]
fn without_a_mount_namespace_mounts_are_the_callers_and_a_failure_takes_them_away() {
    let mut bundle = Bundle::new();
    bundle.without(NamespaceKind::Mount);
    bundle.args(&["ls", "/"]);
    let error = bundle.run().unwrap_err().to_string();
    let words = "unable to restrict sys entries without a private MNT namespace";
    assert!(error.ends_with(words), "{error}");
    bundle.linux().masked_paths.clear();
    bundle.linux().readonly_paths.clear();
    // The caller's namespace is this thread's own.
    sys::namespace::unshare(sys::namespace::Kind::Mount.flag()).unwrap();
    let private = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(rustix::fs::CWD, c"/", &private, Extent::Tree).unwrap();
    let root = bundle.root().display().to_string();
    let mounted = || {
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        mounts.lines().filter(|line| line.contains(&root)).count()
    };
    bundle.args(&["no-such-program"]);
    assert!(bundle.run().is_err());
    assert_eq!(mounted(), 0);
    bundle.args(&["ls", "/"]);
    let output = bundle.run().unwrap().output;
    assert!(output.starts_with("bin\ndev\n"), "{output}");
    assert!(mounted() > 1);
}
