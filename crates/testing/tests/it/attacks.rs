//! Attacks that worked on others, tried from inside a container or by who talks to the daemon.

use crate::{Running, unique};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Stdio;
use testing::TestHost;

fn foreign() -> bool {
    std::env::var_os("CORTEN_TEST_HOST").is_some()
}

/// The process that owns a container.
fn shim(host: &TestHost, id: &str) -> u64 {
    let document = fs::read(host.paths().shims().join(id).join("shim.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    document["process"]["pid"].as_u64().unwrap()
}

/// A shim listens once nobody waits for it any more.
fn until_it_listens(host: &TestHost, id: &str) {
    let socket = host.paths().shims().join(id).join("shim.sock");
    host.until("the shim listens", |_| socket.exists());
}

/// CVE-2019-5736, where the runtime is the shim.
#[test]
fn the_shims_executable_cannot_be_written_from_inside() {
    if foreign() {
        return;
    }
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let pid = shim(&host, &one.id).to_string();
    // It sees the host's processes and may look at them.
    let see = ["run", "--rm", "--pid", "host", "--cap-add", "SYS_PTRACE"];
    let write = ["busybox", "sh", "-c", ": >> /proc/$0/exe", &pid];
    let ran = host.cli(&[&see[..], &write].concat()).code(1);
    let read = ["busybox", "sh", "-c", "cat /proc/$0/exe | wc -c", &pid];
    let size = host.cli(&[&see[..], &read].concat()).success().text();
    assert_ne!(size.trim(), "0", "{ran}");
    // That it runs protects it too, but not for ever: the way to it is read-only.
    let way = |pid: &str| {
        let exe = fs::File::open(format!("/proc/{pid}/exe")).unwrap();
        let flags = rustix::fs::fstatvfs(&exe).unwrap().f_flag;
        flags.contains(rustix::fs::StatVfsMountFlags::RDONLY)
            || rustix::fs::fcntl_get_seals(&exe).is_ok()
    };
    assert!(way(&pid));
    assert!(!way("self"), "a program that nobody sealed");
    // Nor is the way opened by who may change mounts.
    let exe = fs::File::open(format!("/proc/{pid}/exe")).unwrap();
    let writable = sys::mount::Change {
        clear: sys::mount::attribute::RDONLY,
        ..sys::mount::Change::default()
    };
    let extent = sys::mount::Extent::Mount;
    let changed = sys::mount::set_attributes(exe.as_fd(), c"", &writable, extent);
    let errno = changed.unwrap_err().raw_os_error();
    assert_eq!(errno, Some(rustix::io::Errno::INVAL.raw_os_error()));
}

/// CVE-2020-15257.
#[test]
fn a_shims_sockets_are_files_that_their_owner_alone_reaches() {
    if foreign() {
        return;
    }
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let directory = host.paths().shims().join(&one.id);
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o77, 0);
    until_it_listens(&host, &one.id);
    let entries = fs::read_dir(&directory).unwrap().map(Result::unwrap);
    let mut sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
    let mode = |entry: fs::DirEntry| entry.metadata().unwrap().mode() & 0o777;
    assert_eq!(sockets.next().map(mode), Some(0o600));
    assert!(sockets.all(|entry| mode(entry) == 0o600));

    let shim = shim(&host, &one.id);
    let daemon = u64::from(host.daemon_pid().unwrap());
    assert_eq!(abstract_sockets(&[shim, daemon]), Vec::<String>::new());
    let name = unique("attack");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let own = abstract_sockets(&[u64::from(std::process::id())]);
    assert!(own.contains(&format!("@{name}")), "{own:?}");
}

/// The names of sockets without a file that these processes hold.
fn abstract_sockets(pids: &[u64]) -> Vec<String> {
    let held: Vec<String> = pids
        .iter()
        .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten())
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.replace(']', "")))
        .collect();
    // Each network namespace has a list of its own.
    let lists = pids
        .iter()
        .map(|pid| fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap());
    let lines = lists.flat_map(|list| list.lines().map(str::to_owned).collect::<Vec<_>>());
    let named = lines.filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (inode, name) = (words.get(6)?, words.get(7)?);
        let found = name.starts_with('@') && held.iter().any(|held| held == inode);
        found.then(|| (*name).to_owned())
    });
    named.collect()
}

/// CVE-2022-23471, CVE-2025-64329.
#[test]
fn clients_that_leave_in_the_middle_leave_nothing_open() {
    if foreign() {
        return;
    }
    let host = TestHost::start();
    let talk = "while sleep 0.02; do echo x; done";
    let talk_a_while = "for i in $(seq 50); do echo x; sleep 0.02; done";
    let one = Running::new(&host, &["busybox", "sh", "-c", talk]);
    let leave = || {
        for args in [
            &["attach", &one.id][..],
            &["logs", "-f", &one.id],
            &["exec", "-i", &one.id, "cat"],
            // What nobody hears any more goes on to its end.
            &["exec", "-i", &one.id, "sh", "-c", talk_a_while],
        ] {
            let mut client = host
                .command(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            client.stdin.as_mut().unwrap().write_all(b"x\n").unwrap();
            let mut line = String::new();
            let mut output = BufReader::new(client.stdout.take().unwrap());
            output.read_line(&mut line).unwrap();
            assert_eq!(line, "x\n", "{args:?}");
            client.kill().unwrap();
            client.wait().unwrap();
        }
        host.cli(&["exec", "-i", &one.id, "/no/such/program"])
            .code(127);
    };
    let open = |pid: u64| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let shim = shim(&host, &one.id);
    let daemon = u64::from(host.daemon_pid().unwrap());
    let all = || (open(shim), open(daemon));
    until_it_listens(&host, &one.id);
    let quiet = all();
    for _ in 0..5 {
        leave();
    }
    // The daemon keeps a few for what comes next, such as a mount namespace that others are copied
    // from; five rounds have twenty-five clients.
    host.until("what they had open is closed", |_| {
        let now = all();
        now.0 <= quiet.0 && now.1 <= quiet.1 + 6
    });
}

/// CVE-2026-31431: the kernel's ciphers are reached by sockets of a family of their own.
#[test]
fn sockets_to_the_kernels_ciphers_are_refused_by_the_default_profile() {
    let host = TestHost::start();
    let own = std::env::current_exe().unwrap();
    let mount = format!("{}:/ask:ro", own.display());
    let ask = |options: &[&str]| {
        let run = ["run", "--rm", "-v", &mount];
        let words = [
            "busybox",
            "/ask",
            "--exact",
            "attacks::ask_for_a_cipher",
            "--ignored",
            "--nocapture",
        ];
        let ran = host.cli(&[&run[..], options, &words].concat()).success();
        let text = ran.text();
        let answer = text.lines().find_map(|line| line.strip_prefix("answer "));
        answer.map(str::to_owned).unwrap()
    };
    let refused = format!("{:?}", Some(rustix::io::Errno::PERM.raw_os_error()));
    assert_eq!(ask(&[]), refused);
    assert_eq!(ask(&["--cap-add", "ALL"]), refused);
    let unconfined = ask(&["--security-opt", "seccomp=unconfined"]);
    assert_ne!(unconfined, refused, "the kernel itself does not refuse it");
}

#[test]
#[ignore = "another test executes it in a container"]
fn ask_for_a_cipher() {
    use rustix::net::{AddressFamily, SocketType, socket};
    const ALG: u16 = 38;
    let asked = socket(AddressFamily::from_raw(ALG), SocketType::SEQPACKET, None);
    let errno = asked.err().map(rustix::io::Errno::raw_os_error);
    println!("\nanswer {errno:?}");
}

/// Says of each path that should be masked if it is not.
const UNMASKED: &str = r#"
for path in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats \
    /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats \
    /sys/devices/virtual/powercap /sys/firmware; do
    test -e $path || continue
    if test -d $path
    then test -z "$(ls -A $path)" || echo $path
    else test "$(stat -c %t:%T $path)" = 1:3 || echo $path
    fi
done
for path in /proc/sys/kernel/shm_rmid_forced /proc/sysrq-trigger /sys/fs/cgroup/cgroup.procs \
    /sys/fs/cgroup/*/cgroup.procs; do
    test -e $path || continue
    ( : >> $path ) 2>/dev/null && echo $path
done
echo end"#;

/// CVE-2023-25809, GHSA-jq35-85cj-fj4p, GHSA-7ww5-4wqc-m92c, GHSA-6fw5-f8r9-fgfm.
#[test]
fn paths_stay_masked_and_read_only_whatever_else_is_allowed() {
    let host = TestHost::start();
    let look = ["busybox", "sh", "-c", UNMASKED];
    let run = |options: &[&str]| {
        let ran = host.cli(&[&["run", "--rm"][..], options, &look].concat());
        ran.success().text()
    };
    for options in [
        &[][..],
        &["--cap-add", "ALL"],
        &["--security-opt", "seccomp=unconfined"],
        &["--pid", "host", "--ipc", "host", "--uts", "host"],
        &["--cgroupns", "host"],
        &["--userns", "host"],
        &["--read-only", "--tmpfs", "/tmp"],
        &["--network", "host"],
    ] {
        assert_eq!(run(options), "end\n", "{options:?}");
    }
    let one = Running::sleeping(&host);
    for options in [&[][..], &["--privileged"], &["-u", "alice"]] {
        let words = [&["exec"][..], options, &[&one.id], &look[1..]].concat();
        assert_eq!(host.cli(&words).success().text(), "end\n", "{options:?}");
    }
    let open = run(&["--security-opt", "systempaths=unconfined"]);
    assert!(open.contains("/proc/"), "{open}");
}

/// CVE-2022-23648.
#[test]
fn a_volume_that_an_image_declares_at_a_link_is_of_the_image() {
    let host = TestHost::start();
    let outside = host.scratch().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "victim").unwrap();
    let path = outside.display();
    for link in [
        path.to_string(),
        format!("../../../../../../../../../..{path}"),
    ] {
        let (name, image) = (unique("linked"), unique("linked"));
        let script = format!("mkdir -p {path} && echo own > {path}/own && ln -s {link} /link");
        host.cli(&["run", "--name", &name, "busybox", "sh", "-c", &script])
            .success();
        host.cli(&["commit", "-c", "VOLUME /link", &name, &image])
            .success();
        let script = format!("ls /link; echo made > /link/made; ls {path}");
        let ran = host.cli(&["run", "--rm", &image, "sh", "-c", &script]);
        assert_eq!(ran.success().text(), "own\nmade\nown\n", "{link}");
        let left: Vec<_> = fs::read_dir(&outside).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        host.cli(&["rm", &name]).success();
        host.cli(&["rmi", &image]).success();
    }
}

/// CVE-2024-40635, CVE-2026-46680: as docker 28 answers, word for word.
#[test]
fn a_user_of_an_image_is_a_number_or_a_name_and_nothing_between() {
    const RANGE: &str = "uids and gids must be in range 0-2147483647";
    let host = TestHost::start();
    let made = host.run_detached(&["busybox", "true"]);
    for (user, answer) in [
        ("4294967296", Err(RANGE)),
        ("4294967295", Err(RANGE)),
        ("2147483648", Err(RANGE)),
        ("18446744073709551616", Err(RANGE)),
        ("-1", Err(RANGE)),
        ("alice:4294967296", Err(RANGE)),
        ("alice:-1", Err(RANGE)),
        (
            "0x0",
            Err("unable to find user 0x0: no matching entries in passwd file"),
        ),
        (
            "1e3",
            Err("unable to find user 1e3: no matching entries in passwd file"),
        ),
        (
            "1 000",
            Err("unable to find user 1 000: no matching entries in passwd file"),
        ),
        (
            "5:0x1",
            Err("unable to find group 0x1: no matching entries in group file"),
        ),
        ("2147483647", Ok("2147483647 0 0")),
        ("+5", Ok("5 0 0")),
        ("007", Ok("7 0 0")),
        (" 7", Ok("7 0 0")),
        ("alice:wheel", Ok("1000 10 10")),
        (":5", Ok("0 5 5")),
        ("alice:", Ok("1000 1000 1000 10")),
    ] {
        let image = unique("user");
        let change = format!("USER {user}");
        host.cli(&["commit", "-c", &change, &made, &image])
            .success();
        let script = "echo $(id -u) $(id -g) $(id -G)";
        let ran = host.cli(&["run", "--rm", &image, "sh", "-c", script]);
        match answer {
            Ok(ids) => assert_eq!(ran.success().text(), format!("{ids}\n"), "{user:?}"),
            Err(words) => {
                let ran = ran.code(125);
                let said = ran.error();
                assert!(said.contains(words), "{user:?}: {said}");
            }
        }
        host.cli(&["rmi", &image]).success();
    }
    host.cli(&["rm", &made]).success();
}

/// CVE-2022-1227 and its like: a list of processes is made by the host, of the host's `/proc`.
#[test]
fn a_list_of_processes_runs_nothing_of_the_container() {
    let host = TestHost::start();
    let script = r#"rm /bin/ps; printf '#!/bin/sh\n: > /ran\n' > /bin/ps; chmod 755 /bin/ps; echo up; exec sleep 600"#;
    let one = Running::new(&host, &["busybox", "sh", "-c", script]);
    host.until("it is up", |host| {
        host.cli(&["logs", &one.id]).text() == "up\n"
    });
    let top = host.cli(&["top", &one.id]).success();
    assert!(top.text().contains("sleep 600"), "{top}");
    host.cli(&["exec", &one.id, "test", "-e", "/ran"]).code(1);
    host.cli(&["exec", &one.id, "ps"]).success();
    host.cli(&["exec", &one.id, "test", "-e", "/ran"]).success();
}

/// Puts the host's null device right again if a test has failed.
struct Null;

impl Null {
    fn is_as_it_was() -> bool {
        let found = fs::metadata("/dev/null").unwrap();
        (found.mode() & 0o7777, found.uid(), found.gid()) == (0o666, 0, 0)
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        drop(fs::set_permissions(
            "/dev/null",
            fs::Permissions::from_mode(0o666),
        ));
        drop(std::os::unix::fs::chown("/dev/null", Some(0), Some(0)));
    }
}

/// What covers masked files is the host's null device, and so can be a stream that nobody gave:
/// its mode and owner are not the container's to change.
#[test]
fn the_hosts_null_device_is_changed_by_nothing_that_leads_to_it() {
    if foreign() {
        return;
    }
    let host = TestHost::start();
    let _null = Null;
    assert!(Null::is_as_it_was());
    let changes = "for path in /proc/keys /proc/timer_list /proc/kcore /proc/sched_debug /proc/self/fd/0; do
            [ ! -e $path ] || chmod 711 $path; [ ! -e $path ] || chown 5 $path; touch $path; done 2>/dev/null
        wc -c </proc/keys; echo kept >/proc/keys && echo written";
    for flags in [
        &[][..],
        &["--cap-add", "ALL"],
        &["--user", "0:0", "--read-only"],
    ] {
        let run = [
            &["run", "--rm"][..],
            flags,
            &["busybox", "sh", "-c", changes],
        ]
        .concat();
        let ran = host.cli(&run).success();
        assert_eq!(ran.text(), "0\nwritten\n", "{flags:?}");
        assert!(Null::is_as_it_was(), "{flags:?}");
    }
    let one = Running::sleeping(&host);
    // The last has no null device of its own any more.
    for before in ["true", "chmod 666 /dev/null", "rm /dev/null"] {
        let script = format!("chmod 711 /proc/self/fd/0; chown 5 /proc/self/fd/0; {before}");
        host.cli(&["exec", &one.id, "sh", "-c", &script]).success();
        assert!(Null::is_as_it_was(), "{before}");
        host.cli(&[
            "exec",
            "-d",
            &one.id,
            "sh",
            "-c",
            "chmod 711 /proc/self/fd/1; sleep 1",
        ])
        .success();
        host.cli(&[
            "exec",
            &one.id,
            "sh",
            "-c",
            "chmod 711 /proc/[0-9]*/fd/[012]; true",
        ])
        .success();
        assert!(Null::is_as_it_was(), "{before}");
    }
}
