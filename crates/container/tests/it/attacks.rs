//! Attacks that worked on other runtimes: hostile roots, links, races and leaked descriptors.

use crate::fixture::{Bundle, Streams, bind, mount};
use container::{Error, Gate};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Replaces a directory of the root by a link.
fn linked(bundle: &Bundle, name: &str, to: &Path) {
    fs::remove_dir(bundle.root().join(name)).unwrap();
    symlink(to, bundle.root().join(name)).unwrap();
}

fn empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn a_link_at_proc_or_sys_is_refused() {
    for name in ["proc", "sys"] {
        let mut bundle = Bundle::new();
        linked(&bundle, name, "/tmp".as_ref());
        bundle.args(&["true"]);
        let error = bundle.run().unwrap_err();
        assert!(
            matches!(&error, Error::Mount { action, .. } if action.ends_with("on ordinary directory")),
            "{error:?}"
        );
    }
}

#[test]
fn a_link_at_dev_makes_no_device_on_the_host() {
    let mut bundle = Bundle::new();
    let outside = bundle.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    linked(&bundle, "dev", &outside);
    bundle.args(&["true"]);
    assert!(bundle.run().is_err());
    // Without a tmpfs on it the devices would be made through the link.
    bundle
        .spec
        .mounts
        .retain(|mount| !mount.destination.starts_with("/dev"));
    let error = bundle.run().unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Step {
                step: "devices",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(empty(&outside));
}

/// CVE-2025-52881: what is written for the container is written to a procfs of its own.
#[test]
fn a_false_procfs_leads_no_write_elsewhere() {
    let mut bundle = Bundle::new();
    let victim = bundle.dir.path().join("outside/ip_forward");
    fs::create_dir(victim.parent().unwrap()).unwrap();
    fs::write(&victim, "victim").unwrap();
    let linux = bundle.linux();
    linux
        .sysctl
        .insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
    linux.readonly_paths.clear();
    let over = bind(victim.parent().unwrap(), "/proc/sys/net/ipv4", &["bind"]);
    bundle.spec.mounts.push(over);
    bundle.args(&["true"]);
    // Whether such a mount is refused is another question.
    drop(bundle.run());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "victim");

    let mounts = &mut bundle.spec.mounts;
    mounts.retain(|mount| !mount.destination.starts_with("/proc"));
    let place = bundle.root().join("proc/sys/net/ipv4");
    fs::create_dir_all(&place).unwrap();
    symlink(&victim, place.join("ip_forward")).unwrap();
    bundle.run().unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "victim");
}

#[test]
fn mount_targets_that_climb_or_lead_out_stay_inside() {
    let mut bundle = Bundle::new();
    let outside = bundle.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(bundle.dir.path().join("victim"), "victim").unwrap();
    symlink("../../../../../../../../../..", bundle.root().join("up")).unwrap();
    symlink(&outside, bundle.root().join("abs")).unwrap();
    fs::create_dir_all(bundle.root().join(outside.strip_prefix("/").unwrap())).unwrap();
    let source = bundle.dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("in"), "").unwrap();
    bundle.spec.mounts.extend([
        bind(&source, "/../../climbed", &["bind"]),
        bind(&source, "/up/climbed-by-link", &["bind"]),
        bind(&source, "/abs/made", &["bind"]),
    ]);
    let output = bundle.script("ls /climbed /climbed-by-link /abs/made");
    assert_eq!(output.matches("in\n").count(), 3, "{output}");
    assert!(empty(&outside));
    assert!(!Path::new("/climbed").exists() && !Path::new("/climbed-by-link").exists());
}

#[test]
fn a_dangling_link_at_a_mount_target_makes_nothing_outside() {
    let mut bundle = Bundle::new();
    let outside = bundle.dir.path().join("not-there");
    symlink(&outside, bundle.root().join("dangling")).unwrap();
    bundle.spec.mounts.push(mount("/dangling/x", "tmpfs", &[]));
    bundle.args(&["true"]);
    bundle.run().unwrap();
    assert!(!outside.exists());
    let inside = bundle.root().join(outside.strip_prefix("/").unwrap());
    assert!(inside.join("x").exists());
}

#[test]
fn a_false_null_device_in_the_root_does_not_unmask() {
    let mut bundle = Bundle::new();
    // No tmpfs on /dev: the root brings its own /dev/null, which is something else.
    bundle
        .spec
        .mounts
        .retain(|mount| !mount.destination.starts_with("/dev"));
    symlink(
        "/proc/sys/kernel/core_pattern",
        bundle.root().join("dev/null"),
    )
    .unwrap();
    bundle.args(&["true"]);
    let error = bundle.run().unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Step {
                step: "devices",
                ..
            }
        ),
        "{error:?}"
    );
    fs::remove_file(bundle.root().join("dev/null")).unwrap();
    fs::write(bundle.root().join("dev/null"), "false").unwrap();
    assert!(bundle.run().is_err());
}

#[test]
fn a_masked_path_that_is_a_link_covers_what_it_leads_to() {
    let mut bundle = Bundle::new();
    fs::write(bundle.root().join("etc/real"), "secret").unwrap();
    symlink("/etc/real", bundle.root().join("etc/link")).unwrap();
    bundle.linux().masked_paths.push("/etc/link".to_owned());
    let output = bundle.script("cat /etc/link /etc/real; echo end");
    assert_eq!(output, "end\n");
}

#[test]
fn a_working_directory_by_descriptor_is_refused() {
    let mut bundle = Bundle::new();
    // A directory of the host, open without close-on-exec as a careless caller has it.
    let host = fs::File::open("/etc").unwrap();
    let leaked = rustix::io::fcntl_dupfd_cloexec(&host, 100).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    bundle.args(&["true"]);
    for number in 0..130 {
        bundle.process().cwd = format!("/proc/self/fd/{number}");
        let error = bundle.run().unwrap_err();
        assert!(
            matches!(
                &error,
                Error::Step {
                    step: "working directory",
                    ..
                }
            ),
            "{number}: {error:?}"
        );
        if number == 12 {
            // Those between are like these.
            bundle.process().cwd = "/proc/self/fd/100/x".to_owned();
            assert!(bundle.run().is_err());
        }
    }
}

#[test]
fn the_program_gets_three_descriptors_whatever_the_caller_has_open() {
    let mut bundle = Bundle::new();
    let host = fs::File::open("/etc").unwrap();
    let leaked = rustix::io::fcntl_dupfd_cloexec(&host, 200).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    bundle.args(&["ls", "/proc/self/fd"]);
    let output = bundle.run().unwrap().output;
    // The fourth is the listing's own.
    assert_eq!(output, "0\n1\n2\n3\n");
}

#[test]
fn a_magic_link_in_a_mount_target_is_not_followed() {
    let mut bundle = Bundle::new();
    bundle
        .spec
        .mounts
        .push(mount("/proc/self/root/escaped", "tmpfs", &[]));
    bundle.args(&["true"]);
    let error = bundle.run().unwrap_err();
    assert!(
        matches!(&error, Error::Mount { source, .. } if source.raw_os_error() == Some(libc::ELOOP)),
        "{error:?}"
    );
    assert!(!Path::new("/escaped").exists());
}

#[test]
fn a_false_multiplexer_is_no_terminal() {
    let mut bundle = Bundle::new();
    bundle.process().terminal = true;
    // A tmpfs stands for devpts, with a host's terminal or anything else at ptmx.
    let at = bundle
        .spec
        .mounts
        .iter()
        .position(|m| m.destination == "/dev/pts")
        .unwrap();
    let fake = bundle.dir.path().join("fake");
    fs::create_dir(&fake).unwrap();
    fs::write(fake.join("ptmx"), "").unwrap();
    bundle.spec.mounts[at] = bind(&fake, "/dev/pts", &["bind"]);
    let streams = Streams::new();
    let error = bundle.create(streams.stdio(), Gate::Held).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Step {
                step: "terminal",
                ..
            }
        ),
        "{error:?}"
    );
}
