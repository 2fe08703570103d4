//! Attacks that worked on other runtimes: hostile roots, links, races and leaked descriptors.
//!
//! Each is tried twice: it fails, and without the guards that stop it, it succeeds.

use crate::fixture::{Bundle, Streams, bind, mount};
use container::{Error, Gate, Guard};
use rustix::fs::{FileType, Mode, XattrFlags, mknodat, setxattr};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Replaces a directory of the root by a link.
fn linked(bundle: &Bundle, name: &str, to: &Path) {
    fs::remove_dir(bundle.root().join(name)).unwrap();
    symlink(to, bundle.root().join(name)).unwrap();
}

/// Tries the attack without these guards, where a build can drop them.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn without(guards: &[Guard], attack: impl FnOnce()) {
    match Guard::DROPPABLE {
        true => Guard::without(guards, attack),
        false => eprintln!("skipped without {guards:?}: this build cannot drop them"),
    }
}

fn empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn a_link_at_proc_or_sys_is_refused() {
    for (name, in_it) in [("proc", "self"), ("sys", "kernel")] {
        let mut bundle = Bundle::new();
        linked(&bundle, name, "/tmp".as_ref());
        bundle.args(&["true"]);
        let error = bundle.run().unwrap_err();
        assert!(
            matches!(&error, Error::Mount { action, .. } if action.ends_with("on ordinary directory")),
            "{error:?}"
        );
        without(&[Guard::Links], || {
            let place = format!("/tmp/{in_it}");
            let found = bundle.script(&format!("ls -d {place}"));
            assert_eq!(found.trim_end(), place);
        });
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
    for one in [Guard::Links, Guard::Root] {
        without(&[one], || drop(bundle.run()));
        assert!(empty(&outside), "{one:?}");
    }
    without(&[Guard::Links, Guard::Root], || {
        drop(bundle.run());
        assert!(outside.join("null").exists());
    });
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
    let victims_text = || fs::read_to_string(&victim).unwrap();
    assert_eq!(victims_text(), "victim");
    without(&[Guard::Procfs], || {
        drop(bundle.run());
        assert_ne!(victims_text(), "victim");
    });

    fs::write(&victim, "victim").unwrap();
    let mounts = &mut bundle.spec.mounts;
    mounts.retain(|mount| !mount.destination.starts_with("/proc"));
    let place = bundle.root().join("proc/sys/net/ipv4");
    fs::create_dir_all(&place).unwrap();
    symlink(&victim, place.join("ip_forward")).unwrap();
    bundle.run().unwrap();
    assert_eq!(victims_text(), "victim");
    without(&[Guard::Procfs], || {
        drop(bundle.run());
        assert_ne!(victims_text(), "victim");
    });
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
    // The one that does no harm where it succeeds.
    let harmless = |mount: &oci::runtime::Mount| !mount.destination.contains("climbed");
    bundle.spec.mounts.retain(harmless);
    without(&[Guard::Root], || {
        drop(bundle.run());
        assert!(outside.join("made").exists());
    });
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
    // Now it leads to something on the host.
    fs::create_dir(&outside).unwrap();
    bundle.run().unwrap();
    assert!(empty(&outside));
    without(&[Guard::Root], || {
        drop(bundle.run());
        assert!(outside.join("x").exists());
    });
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

    fs::remove_file(bundle.root().join("dev/null")).unwrap();
    symlink("/proc/sys/kernel/hostname", bundle.root().join("dev/null")).unwrap();
    fs::write(bundle.root().join("etc/secret"), "").unwrap();
    let linux = bundle.linux();
    linux.readonly_paths.clear();
    linux.masked_paths.push("/etc/secret".to_owned());
    let mut look = || bundle.script("cat /etc/secret; echo changed > /etc/secret; hostname");
    without(&[Guard::Devices], || assert_eq!(look(), "box\n"));
    // It is read then, but not written to: what masks is read-only.
    without(&[Guard::Devices, Guard::NullDevice], || {
        let refused = "sh: can't create /etc/secret: Read-only file system";
        assert_eq!(look(), format!("box\n{refused}\nbox\n"));
    });
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
    let outside = bundle.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "victim").unwrap();
    let host = fs::File::open(&outside).unwrap();
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
    bundle.process().cwd = "/proc/self/fd/100".to_owned();
    bundle.args(&["cat", "victim"]);
    for one in [Guard::Descriptors, Guard::WorkingDirectory] {
        without(&[one], || assert!(bundle.run().is_err(), "{one:?}"));
    }
    without(&[Guard::Descriptors, Guard::WorkingDirectory], || {
        assert_eq!(bundle.run().unwrap().output, "victim");
    });
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
    without(&[Guard::Descriptors], || {
        let output = bundle.run().unwrap().output;
        assert!(output.lines().any(|number| number == "200"), "{output}");
    });
}

#[test]
fn a_magic_link_in_a_mount_target_is_not_followed() {
    let mut bundle = Bundle::new();
    let outside = bundle.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = format!("/proc/self/root{}/escaped", outside.display());
    bundle.spec.mounts.push(mount(&target, "tmpfs", &[]));
    bundle.args(&["true"]);
    let error = bundle.run().unwrap_err();
    assert!(
        matches!(&error, Error::Mount { source, .. } if source.raw_os_error() == Some(libc::ELOOP)),
        "{error:?}"
    );
    for one in [Guard::Root, Guard::MagicLinks] {
        without(&[one], || assert!(bundle.run().is_err(), "{one:?}"));
    }
    assert!(empty(&outside));
    without(&[Guard::Root, Guard::MagicLinks], || {
        drop(bundle.run());
        assert!(outside.join("escaped").exists());
    });
}

/// Puts a directory of the attacker's in the place of the container's devpts: with a multiplexer,
/// which finds the host's devpts next to it.
fn false_devpts(bundle: &mut Bundle) -> PathBuf {
    bundle.process().terminal = true;
    let mut mounts = bundle.spec.mounts.iter();
    let at = mounts.position(|m| m.destination == "/dev/pts").unwrap();
    let fake = bundle.dir.path().join("fake");
    fs::create_dir_all(fake.join("pts")).unwrap();
    let multiplexer = sys::device::number(5, 2);
    let (dir, mode) = (fs::File::open(&fake).unwrap(), Mode::from_raw_mode(0o666));
    mknodat(&dir, "ptmx", FileType::CharacterDevice, mode, multiplexer).unwrap();
    bundle.spec.mounts[at] = bind(&fake, "/dev/pts", &["bind"]);
    let host = bind("/dev/pts".as_ref(), "/dev/pts/pts", &["bind"]);
    bundle.spec.mounts.insert(at + 1, host);
    fake
}

#[test]
fn a_false_multiplexer_is_no_terminal() {
    let mut bundle = Bundle::new();
    bundle.args(&["true"]);
    false_devpts(&mut bundle);
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
    without(&[Guard::Multiplexer], || {
        let mut init = bundle.create(streams.stdio(), Gate::Held).unwrap();
        let console = init.take_console().unwrap();
        let slave = ioctl_tiocgptpeer(&console, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let of = |fd: &std::os::fd::OwnedFd| rustix::fs::fstat(fd).unwrap().st_dev;
        let hosts = fs::File::open("/dev/pts").unwrap().into();
        assert_eq!(of(&slave), of(&hosts));
        init.start().unwrap();
        streams.finish(init.pidfd());
    });
}

/// CVE-2025-52565: what is put at `/dev/console` is looked up by a name that another exchanges.
/// Here every terminal's name is exchanged before there is one, so that no race need be won.
#[test]
fn what_has_the_terminals_name_is_not_put_at_the_console() {
    const MOST_TERMINALS: u32 = 4096;
    let mut bundle = Bundle::new();
    let masked = &mut bundle.linux().masked_paths;
    masked.push("/etc/secret".to_owned());
    fs::write(bundle.root().join("etc/secret"), "secret\n").unwrap();
    let fake = false_devpts(&mut bundle);
    for number in 0..MOST_TERMINALS {
        symlink("/etc/secret", fake.join(number.to_string())).unwrap();
    }
    // The terminal is not read, nor anybody there to read it: the status tells what was found.
    let script = "test ! -s /etc/secret && test -f /dev/console && grep -q secret /dev/console";
    bundle.args(&["sh", "-c", script]);
    let found = || {
        let streams = Streams::new();
        let mut init = bundle.create(streams.stdio(), Gate::Held).unwrap();
        let _console = init.take_console().unwrap();
        init.start().unwrap();
        streams.finish(init.pidfd()).status == 0
    };
    without(&[Guard::Multiplexer], || assert!(!found()));
    without(&[Guard::Multiplexer, Guard::Console], || assert!(found()));
}

#[test]
fn a_parameter_of_the_whole_kernel_is_not_written() {
    let mut bundle = Bundle::new();
    let parameters = &mut bundle.linux().sysctl;
    // No number: the kernel refuses it, so that nothing comes of it.
    parameters.insert("vm.swappiness".to_owned(), "attacked".to_owned());
    bundle.args(&["true"]);
    let error = bundle.run().unwrap_err();
    assert!(matches!(&error, Error::Invalid { .. }), "{error:?}");
    without(&[Guard::Sysctl], || {
        let error = bundle.run().unwrap_err();
        assert!(
            matches!(&error, Error::Step { step: "sysctl", .. }),
            "{error:?}"
        );
    });
}

/// CVE-2022-24769: a file with inheritable capabilities gives them to who inherited them.
#[test]
fn a_user_inherits_no_capability_for_a_file_to_give() {
    const NET_RAW: u32 = 1 << 13;
    const REVISION_2_EFFECTIVE: u32 = 0x0200_0001;
    let mut bundle = Bundle::new();
    let program = bundle.root().join("bin/busybox-raw");
    fs::copy(bundle.root().join("bin/busybox"), &program).unwrap();
    let words = [REVISION_2_EFFECTIVE, 0, NET_RAW, 0, 0];
    let value = words.map(u32::to_le_bytes).concat();
    setxattr(&program, "security.capability", &value, XattrFlags::empty()).unwrap();
    bundle.process().user.uid = 1000;
    bundle.args(&["busybox-raw", "grep", "CapEff", "/proc/self/status"]);
    let effective = |bundle: &Bundle| bundle.run().unwrap().output;
    assert_eq!(effective(&bundle), "CapEff:\t0000000000000000\n");
    without(&[Guard::Inheritable], || {
        assert_eq!(effective(&bundle), "CapEff:\t0000000000002000\n");
    });
}

#[test]
fn a_list_of_users_without_end_is_not_read() {
    const LINES: usize = 200_000;
    let mut bundle = Bundle::new();
    let line = format!("#{}\n", "x".repeat(63));
    let list = line.repeat(LINES) + "late:x:123:45::/:/bin/sh\n";
    fs::write(bundle.root().join("etc/passwd"), list).unwrap();
    "late".clone_into(&mut bundle.process().user.username);
    bundle.args(&["id", "-u"]);
    let error = bundle.run().unwrap_err();
    assert!(
        matches!(&error, Error::Step { source, .. } if source.raw_os_error() == Some(libc::EFBIG)),
        "{error:?}"
    );
    without(&[Guard::Accounts], || {
        assert_eq!(bundle.run().unwrap().output, "123\n");
    });
}

/// CVE-2022-36109: a mode that denies a group a file is got round by who gives the group up.
#[test]
fn a_group_that_is_denied_a_file_cannot_be_given_up() {
    const DENIED: u32 = 45;
    let mut bundle = Bundle::new();
    let owned = |name: &str, group, mode| {
        let path = bundle.root().join(name);
        chown(&path, Some(0), Some(group)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    fs::write(bundle.root().join("denied"), "secret").unwrap();
    owned("denied", DENIED, 0o604);
    let program = bundle.root().join("bin/reader");
    fs::copy(std::env::current_exe().unwrap(), program).unwrap();
    owned("bin/reader", DENIED + 1, 0o2755);
    let list = format!("reader:x:1000:{DENIED}::/:/bin/sh\n");
    fs::write(bundle.root().join("etc/passwd"), list).unwrap();
    "reader".clone_into(&mut bundle.process().user.username);
    bundle.process().no_new_privileges = false;
    bundle.args(&[
        "reader",
        "--exact",
        "attacks::reader",
        "--ignored",
        "--nocapture",
    ]);
    let read = |bundle: &Bundle| bundle.run().unwrap().output.contains("secret");
    assert!(!read(&bundle));
    without(&[Guard::OwnGroup], || assert!(read(&bundle)));
}

/// The program that has another group than its user.
#[test]
#[ignore = "another test executes it"]
fn reader() {
    println!("{:?}", fs::read_to_string("/denied"));
}

/// Whether [`maker`] seals itself.
const SEALED: &str = "CORTEN_TEST_SEALED";

/// CVE-2019-5736: until it executes its program, a container's init is who made the container,
/// whose file is there as `/proc/PID/exe`.
#[test]
fn who_makes_a_container_can_be_written_from_it_unless_sealed() {
    let bundle = Bundle::new();
    for sealed in [true, false] {
        let copy = bundle.dir.path().join(format!("maker-{sealed}"));
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let mut maker = Command::new(&copy)
            .args(["--exact", "attacks::maker", "--ignored", "--nocapture"])
            .env(SEALED, sealed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(maker.stdout.take().unwrap()).lines();
        let init = lines.find_map(|line| line.unwrap().strip_prefix("init ").map(str::to_owned));
        let exe = format!("/proc/{}/exe", init.unwrap());
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let exe = rustix::fs::open(exe, flags, Mode::empty()).unwrap();
        drop(maker.stdin.take());
        assert!(maker.wait().unwrap().success());
        let writable = sys::mount::Change {
            clear: sys::mount::attribute::RDONLY,
            ..sys::mount::Change::default()
        };
        let extent = sys::mount::Extent::Mount;
        drop(sys::mount::set_attributes(
            exe.as_fd(),
            c"",
            &writable,
            extent,
        ));
        let path = format!("/proc/self/fd/{}", exe.as_raw_fd());
        let opened = fs::OpenOptions::new().write(true).open(path);
        match opened.map_err(|error| error.raw_os_error()) {
            Ok(_) => assert!(!sealed),
            Err(errno) => {
                assert!(sealed && [Some(libc::EROFS), Some(libc::EPERM)].contains(&errno))
            }
        }
    }
}

#[test]
#[ignore = "another test executes it"]
fn maker() {
    if std::env::var(SEALED).as_deref() == Ok("true") {
        sys::seal::ensure().unwrap();
    }
    let mut bundle = Bundle::new();
    bundle.args(&["true"]);
    let streams = Streams::new();
    let mut init = bundle.create(streams.stdio(), Gate::Held).unwrap();
    println!("\ninit {}", init.pid());
    std::io::stdin().read_line(&mut String::new()).unwrap();
    init.start().unwrap();
    streams.finish(init.pidfd());
}
