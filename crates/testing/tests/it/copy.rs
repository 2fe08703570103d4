//! Files between a container and here, in both directions, and containers that want more.

use crate::{Running, unique};
use std::fs;
use std::path::PathBuf;
use testing::TestHost;

/// A directory of the test's own on this side.
fn scratch(host: &TestHost) -> PathBuf {
    let dir = host.scratch().join(unique("here"));
    fs::create_dir(&dir).unwrap();
    dir
}

fn cp(host: &TestHost, from: &str, to: &str) -> testing::Ran {
    host.cli(&["cp", from, to])
}

fn sh(host: &TestHost, id: &str, script: &str) -> String {
    host.cli(&["exec", id, "sh", "-c", script]).success().text()
}

#[test]
fn a_file_goes_into_a_container_and_back() {
    let host = TestHost::start();
    let dir = scratch(&host);
    let container = Running::sleeping(&host);
    let id = &container.id;
    let (here, back) = (dir.join("file"), dir.join("back"));
    fs::write(&here, "data").unwrap();
    cp(&host, here.to_str().unwrap(), &format!("{id}:/tmp")).success();
    cp(&host, here.to_str().unwrap(), &format!("{id}:/tmp/other")).success();
    assert_eq!(sh(&host, id, "cat /tmp/file /tmp/other"), "datadata");
    cp(&host, &format!("{id}:/tmp/other"), back.to_str().unwrap()).success();
    cp(&host, &format!("{id}:tmp/other"), dir.to_str().unwrap()).success();
    assert_eq!(fs::read_to_string(back).unwrap(), "data");
    assert_eq!(fs::read_to_string(dir.join("other")).unwrap(), "data");
}

#[test]
fn a_directory_or_what_is_in_it_is_copied() {
    let host = TestHost::start();
    let dir = scratch(&host);
    let container = Running::sleeping(&host);
    let id = &container.id;
    let tree = dir.join("tree");
    fs::create_dir_all(tree.join("below")).unwrap();
    fs::write(tree.join("below/f"), "x").unwrap();
    let tree = tree.to_str().unwrap();
    cp(&host, tree, &format!("{id}:/tmp/new")).success();
    cp(&host, tree, &format!("{id}:/tmp/new")).success();
    cp(&host, &format!("{tree}/."), &format!("{id}:/tmp/in")).success();
    let found = sh(&host, id, "cd /tmp; find new in -type f | sort");
    assert_eq!(found, "in/below/f\nnew/below/f\nnew/tree/below/f\n");
    let to = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    cp(&host, &format!("{id}:/tmp/in"), &to("new")).success();
    cp(&host, &format!("{id}:/tmp/in/."), &to("inner")).success();
    cp(&host, &format!("{id}:/tmp/in/."), &to("new")).success();
    for path in ["new/below/f", "inner/below/f"] {
        assert_eq!(fs::read_to_string(dir.join(path)).unwrap(), "x", "{path}");
    }
    assert!(!dir.join("new/in").exists());
}

#[test]
fn a_link_is_copied_as_itself_or_as_what_it_leads_to() {
    let host = TestHost::start();
    let dir = scratch(&host);
    let container = Running::sleeping(&host);
    let id = &container.id;
    sh(&host, id, "ln -s ../etc/passwd /tmp/link");
    let to = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    cp(&host, &format!("{id}:/tmp/link"), &to("link")).success();
    assert_eq!(
        fs::read_link(dir.join("link")).unwrap(),
        PathBuf::from("../etc/passwd")
    );
    host.cli(&["cp", "-L", &format!("{id}:/tmp/link"), &to("file")])
        .success();
    let text = fs::read_to_string(dir.join("file")).unwrap();
    assert!(text.starts_with("root:x:0:0"), "{text}");
}

#[test]
fn archives_go_through_standard_input_and_output() {
    let host = TestHost::start();
    let container = Running::sleeping(&host);
    let id = &container.id;
    let archive = cp(&host, &format!("{id}:/etc/passwd"), "-")
        .success()
        .stdout;
    let to = format!("{id}:/tmp");
    host.cli_with_input(&["cp", "-", &to], archive).success();
    assert_eq!(
        sh(&host, id, "cmp /etc/passwd /tmp/passwd && echo same"),
        "same\n"
    );
}

#[test]
fn a_stopped_container_with_a_volume_is_reached_too() {
    let host = TestHost::start();
    let dir = scratch(&host);
    let name = unique("copy");
    host.cli(&[
        "create",
        "--name",
        &name,
        "-v",
        "/data",
        "busybox",
        "cat",
        "/data/file",
    ])
    .success();
    fs::write(dir.join("file"), "data").unwrap();
    let here = dir.join("file");
    cp(&host, here.to_str().unwrap(), &format!("{name}:/data/")).success();
    let ran = host.cli(&["start", "-a", &name]).success();
    assert_eq!(ran.text(), "data");
    host.cli(&["rm", "-v", &name]).success();
}

#[test]
fn what_cannot_be_copied_is_said_in_dockers_words() {
    let host = TestHost::start();
    let dir = scratch(&host);
    let container = Running::sleeping(&host);
    let id = &container.id;
    let refused = |from: &str, to: &str| cp(&host, from, to).code(1).error();
    fs::create_dir(dir.join("d")).unwrap();
    let d = dir.join("d").to_str().unwrap().to_owned();
    let missing = format!("Could not find the file /nope in container {id}");
    for (from, to, words) in [
        ("a", "b", "must specify at least one container source"),
        (
            "a:/x",
            "b:/y",
            "copying between containers is not supported",
        ),
        (
            "nosuch:/x",
            "-",
            "Error response from daemon: No such container: nosuch",
        ),
        (
            &format!("{id}:/nope"),
            "-",
            &format!("Error response from daemon: {missing}"),
        ),
        (
            "/nope-here",
            &format!("{id}:/"),
            "lstat /nope-here: no such file or directory",
        ),
        (&d, &format!("{id}:/etc/passwd"), "cannot copy directory"),
    ] {
        assert_eq!(refused(from, to), format!("{words}\n"), "cp {from} {to}");
    }
}

/// CVE-2018-15664: a name is checked, then exchanged for a link that leads to the host.
#[test]
fn a_path_that_its_container_exchanges_never_leads_to_the_host() {
    let host = TestHost::start();
    let dir = scratch(&host);
    // The same path is a trap on the host and a plain directory in the container.
    let trap = dir.join("trap");
    fs::create_dir(&trap).unwrap();
    fs::write(trap.join("secret"), "the host's").unwrap();
    fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let trap_path = trap.to_str().unwrap();
    let script = format!(
        "mkdir -p /a {trap_path} && echo mine > /a/secret && echo mine > {trap_path}/secret && \
         ln -s {trap_path} /link && ln -s /a /x && touch /ready && \
         while :; do ln -sfn {trap_path} /x; ln -sfn /a /x; rm -rf /y; ln -s / /y; rm -f /y; mkdir /y; done"
    );
    let container = Running::new(&host, &["busybox", "sh", "-c", &script]);
    let id = &container.id;
    host.until("it exchanges", |host| {
        host.cli(&["exec", id, "test", "-e", "/ready"]).code == 0
    });
    let mine = dir.join("planted");
    fs::write(&mine, "planted").unwrap();
    for _ in 0..40 {
        let read = cp(&host, &format!("{id}:/x/secret"), "-");
        assert!(!read.text().contains("the host's"), "{read}");
        // Either is well: it is placed in the container, or refused.
        cp(&host, mine.to_str().unwrap(), &format!("{id}:/x/planted"));
        cp(
            &host,
            mine.to_str().unwrap(),
            &format!("{id}:/y{trap_path}/planted"),
        );
    }
    let left: Vec<_> = fs::read_dir(&trap)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["secret"]);
    assert_eq!(
        fs::read_to_string(trap.join("secret")).unwrap(),
        "the host's"
    );
}

/// CVE-2019-14271, GHSA-x86f-5xw2-fm2r: what unpacks an archive is never the container's.
#[test]
fn no_program_or_library_of_a_container_runs_for_a_copy() {
    let host = TestHost::start();
    let dir = scratch(&host);
    let container = Running::sleeping(&host);
    let id = &container.id;
    let trap = "printf '#!/bin/sh\\ntouch /ran\\ncat\\n' > /bin/trap; chmod 755 /bin/trap; \
        for name in tar gzip gunzip unpigz pigz xz unxz zstd; do \
        rm -f /bin/$name; ln -s trap /bin/$name; done; \
        mkdir -p /lib /usr/lib/x86_64-linux-gnu; \
        for name in files dns compat; do cp /bin/trap /lib/libnss_$name.so.2; done";
    sh(&host, id, trap);
    fs::write(dir.join("f"), "x").unwrap();
    for pack in ["-c", "-cz"] {
        let archive = std::process::Command::new("tar")
            .args([pack, "-C", dir.to_str().unwrap(), "f"])
            .output()
            .unwrap();
        let to = format!("{id}:/tmp");
        host.cli_with_input(&["cp", "-", &to], archive.stdout)
            .success();
    }
    cp(&host, &format!("{id}:/tmp/f"), "-").success();
    assert_eq!(sh(&host, id, "test -e /ran || echo no"), "no\n");
}

/// CVE-2024-21626 and its kind: a path through `/proc` is the container's own, which has none here.
#[test]
fn a_path_through_proc_leads_nowhere() {
    let host = TestHost::start();
    let container = Running::sleeping(&host);
    let id = &container.id;
    sh(
        &host,
        id,
        "ln -s /proc/self/root /tmp/root; ln -s /proc/1/cwd /tmp/cwd",
    );
    for path in [
        "/proc/self/root/etc/hostname",
        "/tmp/root/etc/hostname",
        "/tmp/cwd/etc",
    ] {
        cp(&host, &format!("{id}:{path}"), "-").code(1);
    }
}

/// Invariant 6: a client that reads its archive no further holds nobody up for ever.
#[test]
fn an_archive_that_nobody_reads_does_not_keep_its_container_from_starting() {
    use std::io::{Read, Write};
    let host = TestHost::start();
    let name = unique("copy");
    let script = "test -e /big && exit 0; head -c 30000000 /dev/zero > /big";
    host.cli(&["run", "--name", &name, "busybox", "sh", "-c", script])
        .success();
    let mut client = std::os::unix::net::UnixStream::connect(&host.paths().socket).unwrap();
    let request = format!("GET /containers/{name}/export HTTP/1.1\r\nHost: d\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 64];
    client.read_exact(&mut first).unwrap();
    // The client reads no more; the archive is larger than every buffer on its way.
    host.cli(&["start", &name]).success();
    host.cli(&["wait", &name]).success();
    host.cli(&["rm", "-f", &name]).success();
}

#[test]
fn every_root_has_what_mounts_need_and_shows_its_own_files() {
    let host = TestHost::start();
    let id = host.cli(&["create", "busybox", "true"]).success();
    let id = id.text().trim().to_owned();
    let read = |name: &str| {
        let script = format!("cp {id}:/etc/{name} -");
        let copied = host.cli(&script.split(' ').collect::<Vec<_>>()).success();
        // One member: a block of its head, then its contents.
        copied.stdout[512..].to_vec()
    };
    for name in ["hosts", "hostname", "resolv.conf"] {
        assert!(read(name).iter().all(|byte| *byte == 0), "{name} is empty");
    }
    let archive = host.scratch().join("root.tar").display().to_string();
    host.cli(&["export", "-o", &archive, &id]).success();
    let listed = host.in_network(&format!("tar tf {archive}")).success();
    let names = listed.text();
    for name in [
        ".dockerenv",
        "dev/console",
        "dev/pts/",
        "dev/shm/",
        "etc/mtab",
        "etc/hosts",
        "proc/",
        "sys/",
    ] {
        assert!(names.lines().any(|line| line == name), "{name} in {names}");
    }
    assert_eq!(host.cli(&["diff", &id]).success().text(), "");
    host.cli(&["start", "-a", &id]).success();
    let hostname = format!("{}\n", &id[..12]);
    assert!(read("hostname").starts_with(hostname.as_bytes()));
    assert!(read("hosts").starts_with(b"127.0.0.1\tlocalhost\n"));
    assert_eq!(host.cli(&["diff", &id]).success().text(), "");
}

#[test]
fn who_copies_to_what_is_not_there_hears_so_every_time() {
    let host = TestHost::start();
    let large = scratch(&host).join("large");
    fs::write(&large, vec![7; 4 << 20]).unwrap();
    for _ in 0..40 {
        let ran = cp(&host, large.to_str().unwrap(), "nosuch:/x").code(1);
        assert!(ran.error().contains("No such container: nosuch"), "{ran}");
    }
}
