//! Each flag of `checkpoint` and `restore`: what it lets happen, and what happens without it.

use super::{checkpoint, count, counting, options, restore, run, wait_until};
use crate::bundle::Bundle;
use crate::labels::{load_policy, load_profile};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Has the container run this script instead, and waits for the file that it makes when it is
/// ready to be written down.
fn running(test: &str, script: &str) -> Option<Bundle> {
    let bundle = counting(test)?;
    let script = format!("{script}; echo 3 > /tmp/count; while true; do sleep 0.02; done");
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", script]));
    run(&bundle);
    Some(bundle)
}

/// A directory of this test.
fn place(bundle: &Bundle, name: &str) -> String {
    bundle.path().join(name).display().to_string()
}

/// What CRIU says of a container that it does not write down.
fn refused(bundle: &Bundle, flags: &[&str]) -> String {
    let images = place(bundle, "refused");
    let line = [&["checkpoint"][..], &options(&images), flags, &[&bundle.id]].concat();
    bundle.fails(&line);
    assert_eq!(bundle.status(), "running");
    let log = fs::read_to_string(format!("{images}/dump.log")).unwrap();
    fs::remove_dir_all(images).unwrap();
    log
}

/// Writes the container down and brings it back with the same flags, without which CRIU refuses.
fn goes_on_only_with(bundle: &Bundle, flags: &[&str], why: &str) {
    let log = refused(bundle, &[]);
    assert!(log.contains(why), "{log}");
    let images = place(bundle, "images");
    checkpoint(bundle, &images, flags);
    restore(bundle, &images, flags, &bundle.id);
    assert_eq!(bundle.status(), "running");
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn file_locks_are_held_again() {
    let Some(bundle) = counting("checkpoint::flags::file_locks_are_held_again") else {
        return;
    };
    let rootfs = bundle.path().join("rootfs");
    fs::create_dir(rootfs.join("usr")).unwrap();
    for name in ["lib", "lib64"] {
        symlink(format!("usr/{name}"), rootfs.join(name)).unwrap();
    }
    let script = "exec 9>/tmp/lock; /usr/bin/flock -n 9 || exit; echo 3 > /tmp/count
        while true; do sleep 0.02; done";
    bundle.change(|spec| {
        spec["process"]["args"] = json!(["sh", "-c", script]);
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(json!({"destination": "/usr", "source": "/usr", "options": ["bind", "ro"]}));
    });
    run(&bundle);
    goes_on_only_with(
        &bundle,
        &["--file-locks"],
        "Some file locks are hold by dumping tasks",
    );
    let lock = fs::File::open(rootfs.join("tmp/lock")).unwrap();
    assert!(matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)));
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_file_whose_name_is_gone_is_found_by_another() {
    let script = "exec 9>/tmp/a; echo held >&9; busybox ln /tmp/a /tmp/b; busybox rm /tmp/a";
    let test = "checkpoint::flags::a_file_whose_name_is_gone_is_found_by_another";
    let Some(bundle) = running(test, script) else {
        return;
    };
    let log = refused(&bundle, &[]);
    assert!(log.contains("Use link-remap option"), "{log}");
    let images = place(&bundle, "images");
    checkpoint(&bundle, &images, &["--link-remap"]);
    restore(&bundle, &images, &[], &bundle.id);
    let said = bundle.ok(&["exec", &bundle.id, "cat", "/proc/1/fd/9"]);
    assert_eq!(said, "held\n");
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn logs_are_in_the_work_path() {
    let Some(bundle) = running("checkpoint::flags::logs_are_in_the_work_path", "true") else {
        return;
    };
    let (images, work) = (place(&bundle, "images"), place(&bundle, "work"));
    let flags = ["--work-path", &work];
    checkpoint(&bundle, &images, &flags);
    restore(&bundle, &images, &flags, &bundle.id);
    for log in ["dump.log", "restore.log"] {
        assert!(fs::exists(format!("{work}/{log}")).unwrap(), "{log}");
        assert!(!fs::exists(format!("{images}/{log}")).unwrap(), "{log}");
    }
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn groups_are_managed_in_each_mode_and_the_network_may_be_left_empty() {
    let test =
        "checkpoint::flags::groups_are_managed_in_each_mode_and_the_network_may_be_left_empty";
    let Some(bundle) = running(test, "true") else {
        return;
    };
    let images = place(&bundle, "images");
    for mode in ["full", "soft", "ignore"] {
        let flags = ["--manage-cgroups-mode", mode, "--empty-ns", "network"];
        checkpoint(&bundle, &images, &flags);
        restore(&bundle, &images, &flags, &bundle.id);
        assert_eq!(bundle.status(), "running", "{mode}");
        assert!(!bundle.groups().is_empty(), "{mode}");
    }
}

/// Blocks on disk of the memory in images.
fn blocks(images: &str) -> u64 {
    let entries = fs::read_dir(images).unwrap().flatten();
    let pages = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("pages-"));
    pages.map(|entry| entry.metadata().unwrap().blocks()).sum()
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn memory_that_is_elsewhere_leaves_the_images() {
    let test = "checkpoint::flags::memory_that_is_elsewhere_leaves_the_images";
    let Some(bundle) = counting(test) else {
        return;
    };
    let script = "while true; do i=$((i+1)); echo $i > /tmp/count; done";
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", script]));
    run(&bundle);
    let (ahead, images) = (place(&bundle, "ahead"), place(&bundle, "images"));
    checkpoint(&bundle, &ahead, &["--pre-dump"]);
    let before = blocks(&ahead);
    // What is written down again is no longer kept there.
    checkpoint(
        &bundle,
        &images,
        &["--parent-path", "../ahead", "--auto-dedup"],
    );
    assert!(blocks(&ahead) < before, "{} {before}", blocks(&ahead));
    assert!(blocks(&images) > 0);
    restore(&bundle, &images, &["--auto-dedup"], &bundle.id);
    assert_eq!(blocks(&images), 0);
    let before = count(&bundle);
    wait_until(|| count(&bundle) > before + 2);
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_page_server_has_the_memory() {
    const PORT: &str = "27278";
    let Some(bundle) = counting("checkpoint::flags::a_page_server_has_the_memory") else {
        return;
    };
    run(&bundle);
    let (images, served) = (place(&bundle, "images"), place(&bundle, "served"));
    fs::create_dir(&served).unwrap();
    let mut server = Command::new("criu")
        .args([
            "page-server",
            "--address",
            "127.0.0.1",
            "--port",
            PORT,
            "-D",
            &served,
        ])
        .spawn()
        .unwrap();
    let listens = format!(":{:04X} 00000000:0000 0A", PORT.parse::<u16>().unwrap());
    wait_until(|| {
        fs::read_to_string("/proc/net/tcp")
            .unwrap()
            .contains(&listens)
    });
    checkpoint(
        &bundle,
        &images,
        &["--page-server", &format!("127.0.0.1:{PORT}")],
    );
    assert!(server.wait().unwrap().success());
    assert_eq!(blocks(&images), 0);
    assert!(blocks(&served) > 0);
    for entry in fs::read_dir(&served).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("page") {
            fs::copy(entry.path(), format!("{images}/{name}")).unwrap();
        }
    }
    let before = count(&bundle);
    restore(&bundle, &images, &[], &bundle.id);
    wait_until(|| count(&bundle) > before + 2);
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_restore_that_stays_gives_the_exit_status() {
    let Some(bundle) = counting("checkpoint::flags::a_restore_that_stays_gives_the_exit_status")
    else {
        return;
    };
    run(&bundle);
    let (images, pid_file) = (place(&bundle, "images"), place(&bundle, "pid"));
    checkpoint(&bundle, &images, &[]);
    for flags in [&[][..], &["--no-subreaper"]] {
        let before = count(&bundle);
        let mut command = bundle.command(&["restore", "--image-path", &images]);
        let mut restoring = command
            .args(flags)
            .args(["--pid-file", &pid_file, "--bundle"])
            .arg(bundle.path())
            .arg(&bundle.id)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(|| fs::exists(&pid_file).unwrap() && count(&bundle) > before + 2);
        let state: serde_json::Value =
            serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
        assert_eq!(
            fs::read_to_string(&pid_file).unwrap(),
            state["pid"].to_string()
        );
        fs::remove_file(&pid_file).unwrap();
        bundle.ok(&["kill", &bundle.id, "KILL"]);
        assert_eq!(restoring.wait().unwrap().code(), Some(128 + 9));
        let said = bundle.fails(&["state", &bundle.id]);
        assert!(said.contains("container does not exist"), "{said}");
        assert!(fs::exists(bundle.path().join("rootfs/bin/busybox")).unwrap());
    }
}

/// A network namespace with loopback, by its path.
struct Network(Bundle);

impl Network {
    fn new(bundle: Bundle) -> Self {
        let network = Self(bundle);
        let name = &network.0.id;
        let made = format!("ip netns add {name} && ip -n {name} link set lo up");
        assert!(
            Command::new("sh")
                .args(["-c", &made])
                .status()
                .unwrap()
                .success()
        );
        network.0.change(|spec| {
            let path = format!("/run/netns/{name}");
            let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
            let network = namespaces.iter_mut().find(|one| one["type"] == "network");
            network.unwrap()["path"] = json!(path);
        });
        network
    }

    fn execute(&self, line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0.id, "busybox", "sh", "-c", line]);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.0.run(&["delete", "-f", &self.0.id]);
        let mut deletion = Command::new("ip");
        deletion.args(["netns", "delete", &self.0.id]);
        assert!(deletion.status().unwrap().success());
    }
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn connections_go_on() {
    let Some(bundle) = counting("checkpoint::flags::connections_go_on") else {
        return;
    };
    let network = Network::new(bundle);
    let bundle = &network.0;
    // One end sends what the other one counts.
    let script = "sleep 1000 | busybox nc -l -p 99 > /tmp/came &
        until busybox grep -q :0063 /proc/net/tcp*; do sleep 0.02; done
        (while true; do echo x; echo 3 > /tmp/count; sleep 0.02; done) | busybox nc 127.0.0.1 99";
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", script]));
    run(bundle);
    let came = || {
        fs::metadata(bundle.path().join("rootfs/tmp/came"))
            .unwrap()
            .len()
    };
    wait_until(|| came() > 4);
    goes_on_only_with(bundle, &["--tcp-established"], "--tcp-established");
    let before = came();
    wait_until(|| came() > before + 4);
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn connections_that_nobody_accepted_may_be_left_out() {
    let test = "checkpoint::flags::connections_that_nobody_accepted_may_be_left_out";
    let Some(bundle) = counting(test) else {
        return;
    };
    let network = Network::new(bundle);
    let bundle = &network.0;
    let script = "busybox httpd -f -p 127.0.0.1:99 -h /tmp &
        until busybox grep -q :0063 /proc/net/tcp; do sleep 0.02; done; kill -STOP $!
        echo 3 > /tmp/count; while true; do sleep 0.02; done";
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", script]));
    run(bundle);
    let mut waiting = network
        .execute("sleep 100 | busybox nc 127.0.0.1 99")
        .spawn()
        .unwrap();
    let queued = |count| format!("0100007F:0063 00000000:0000 0A 00000000:{count:08X}");
    let sockets = || {
        network
            .execute("cat /proc/net/tcp")
            .output()
            .unwrap()
            .stdout
    };
    wait_until(|| String::from_utf8(sockets()).unwrap().contains(&queued(1)));
    let log = refused(bundle, &[]);
    assert!(log.contains("In-flight connection"), "{log}");
    let images = place(bundle, "images");
    checkpoint(bundle, &images, &["--tcp-skip-in-flight"]);
    restore(bundle, &images, &[], &bundle.id);
    assert!(String::from_utf8(sockets()).unwrap().contains(&queued(0)));
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_socket_whose_peer_is_outside_is_connected_again() {
    let test = "checkpoint::flags::a_socket_whose_peer_is_outside_is_connected_again";
    let Some(bundle) = counting(test) else {
        return;
    };
    let script = "while true; do echo x >&3; echo 3 > /tmp/count; sleep 0.02; done";
    bundle.change(|spec| {
        spec["process"]["args"] = json!(["sh", "-c", script]);
        // Sockets are of a network namespace: in another one CRIU does not find ours.
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "network");
        // Its name leads to the peer from inside too.
        let here = json!({"destination": bundle.path(), "source": ".", "options": ["bind"]});
        spec["mounts"].as_array_mut().unwrap().push(here);
    });
    let peer = UnixDatagram::bind(bundle.path().join("peer.sock")).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(bundle.path().join("peer.sock")).unwrap();
    let mut command = bundle.command(&["run", "--preserve-fds", "1", "-d", "--bundle"]);
    command.arg(bundle.path()).arg(&bundle.id);
    let mut given = Command::new("bash");
    given
        .args([
            "-c",
            "exec 3<&\"$0\" </dev/null >/dev/null 2>&1; exec \"$@\"",
        ])
        .arg(inheritable(&socket))
        .arg(command.get_program())
        .args(command.get_args());
    assert!(given.status().unwrap().success());
    drop(socket);
    wait_until(|| count(&bundle) > 2);
    goes_on_only_with(&bundle, &["--ext-unix-sk"], "External socket is used");
    let mut datagram = [0; 8];
    peer.set_nonblocking(true).unwrap();
    while peer.recv(&mut datagram).is_ok() {}
    peer.set_nonblocking(false).unwrap();
    assert_eq!(peer.recv(&mut datagram).unwrap(), 2);
}

/// The number of a descriptor that a program executed by us has too.
fn inheritable(file: &impl AsFd) -> String {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).unwrap();
    file.as_fd().as_raw_fd().to_string()
}

/// A terminal of the host: its two ends.
fn terminal() -> (fs::File, fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(name.to_str().unwrap())
        .unwrap();
    (master.into(), slave)
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_job_of_a_shell_is_written_down_with_its_terminal() {
    let test = "checkpoint::flags::a_job_of_a_shell_is_written_down_with_its_terminal";
    let Some(bundle) = counting(test) else {
        return;
    };
    let script = "while true; do echo x; echo 3 > /tmp/count; sleep 0.02; done";
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", script]));
    let (_master, slave) = terminal();
    let stream = || slave.try_clone().unwrap();
    let mut command = bundle.command(&["run", "--detach", "--bundle"]);
    command.arg(bundle.path()).arg(&bundle.id);
    command.stdin(stream()).stdout(stream()).stderr(stream());
    assert!(command.status().unwrap().success());
    wait_until(|| count(&bundle) > 2);
    let log = refused(&bundle, &[]);
    assert!(log.contains("path=/dev/pts/"), "{log}");
    let images = place(&bundle, "images");
    checkpoint(&bundle, &images, &["--shell-job"]);
    assert!(fs::exists(format!("{images}/tty-info.img")).unwrap());
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_terminal_is_sent_to_the_socket_again() {
    let Some(bundle) = counting("checkpoint::flags::a_terminal_is_sent_to_the_socket_again") else {
        return;
    };
    let script = "echo 3 > /tmp/count; while read line; do echo got $line; done";
    bundle.change(|spec| {
        spec["process"]["args"] = json!(["sh", "-c", script]);
        spec["process"]["terminal"] = json!(true);
    });
    let socket = place(&bundle, "console.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let path = bundle.path().display().to_string();
    let told = [
        "--detach",
        "--bundle",
        &path,
        "--console-socket",
        &socket,
        &bundle.id,
    ];
    let images = place(&bundle, "images");
    for command in [&["run"][..], &["restore", "--image-path", &images]] {
        bundle.ok(&[command, &told].concat());
        let (connection, _) = listener.accept().unwrap();
        let (_, master) = sys::socket::receive(connection.as_fd(), &mut [0; 64]).unwrap();
        let mut master = fs::File::from(master.unwrap());
        wait_until(|| count(&bundle) == 3);
        master.write_all(b"hello\n").unwrap();
        let (mut text, mut piece) = (String::new(), [0; 256]);
        while !text.contains("got hello") {
            let length = master.read(&mut piece).unwrap();
            text.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        if command[0] == "run" {
            checkpoint(&bundle, &images, &[]);
        }
    }
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_restore_that_fails_leaves_the_containers_files_alone() {
    let test = "checkpoint::flags::a_restore_that_fails_leaves_the_containers_files_alone";
    let Some(bundle) = counting(test) else {
        return;
    };
    run(&bundle);
    let images = place(&bundle, "images");
    checkpoint(&bundle, &images, &[]);
    fs::write(format!("{images}/inventory.img"), "").unwrap();
    let path = bundle.path().display().to_string();
    let line = [
        "restore",
        "--image-path",
        &images,
        "--bundle",
        &path,
        &bundle.id,
    ];
    let said = bundle.fails(&line);
    assert!(said.contains("criu failed"), "{said}");
    assert!(fs::exists(bundle.path().join("rootfs/bin/busybox")).unwrap());
    assert!(!fs::exists(bundle.state().join(&bundle.id)).unwrap());
}

/// What procfs tells of the container's first process.
fn told(bundle: &Bundle, file: &str) -> String {
    let state: serde_json::Value =
        serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
    fs::read_to_string(format!("/proc/{}/{file}", state["pid"])).unwrap()
}

#[test]
#[ignore = "needs CRIU and AppArmor: cargo xtask vm"]
fn the_profile_is_the_one_that_restore_names() {
    let Some(bundle) = counting("checkpoint::flags::the_profile_is_the_one_that_restore_names")
    else {
        return;
    };
    for profile in ["corten-before", "corten-after"] {
        load_profile(profile, "");
    }
    bundle.change(|spec| spec["process"]["apparmorProfile"] = json!("corten-before"));
    run(&bundle);
    assert!(told(&bundle, "attr/current").starts_with("corten-before "));
    let images = place(&bundle, "images");
    checkpoint(&bundle, &images, &[]);
    let flags = ["--lsm-profile", "apparmor:corten-after"];
    restore(&bundle, &images, &flags, &bundle.id);
    assert!(told(&bundle, "attr/current").starts_with("corten-after "));
}

#[test]
#[ignore = "needs CRIU and SELinux: cargo xtask vm"]
fn selinux_contexts_of_mounts_are_those_that_restore_names() {
    let test = "checkpoint::flags::selinux_contexts_of_mounts_are_those_that_restore_names";
    let Some(bundle) = counting(test) else {
        return;
    };
    load_policy();
    bundle.change(|spec| spec["linux"]["mountLabel"] = json!("u:r:file_t:s0:c0"));
    run(&bundle);
    let context = |category: &str| format!("context=u:r:file_t:s0{category},");
    let mounts = told(&bundle, "mountinfo");
    assert!(mounts.contains(&context(":c0")), "{mounts}");
    let images = place(&bundle, "images");
    checkpoint(&bundle, &images, &[]);
    let flags = ["--lsm-mount-context", "u:r:file_t:s0"];
    restore(&bundle, &images, &flags, &bundle.id);
    let mounts = told(&bundle, "mountinfo");
    assert!(mounts.contains(&context("")), "{mounts}");
    assert!(!mounts.contains(&context(":c0")), "{mounts}");
}
