//! A disk that is full, and one that takes no write any more: every operation that writes says
//! so, what runs goes on, nothing is left, and all works again afterwards.

use crate::registry::{ADDRESS, Registry};
use std::fs;
use std::io::{Read as _, Write as _};
use testing::{Ran, TestHost, skipped};

const LOOP: &str = "while :; do echo hello; sleep 0.01; done";
/// Of the disk, in megabytes.
const SIZE: u64 = 96;

/// A host whose root is on a disk of its own, with a container that runs and says something,
/// one that only runs, one that is not started, a volume and a network.
fn prepared(test: &str) -> Option<TestHost> {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return None;
    }
    let mut host = TestHost::idle();
    if let Err(reason) = host.own_disk(SIZE) {
        skipped(test, &reason);
        return None;
    }
    host.start_daemon();
    host.import_image();
    let none = ["--network", "none"];
    host.run_detached(
        &[
            &["--name", "says"],
            &none[..],
            &["busybox", "sh", "-c", LOOP],
        ]
        .concat(),
    );
    host.run_detached(
        &[
            &["--name", "beside"],
            &none[..],
            &["busybox", "sleep", "600"],
        ]
        .concat(),
    );
    host.run_detached(&["--name", "joined", "busybox", "sleep", "600"]);
    host.cli(&["create", "--name", "old", "busybox", "true"])
        .success();
    host.cli(&["volume", "create", "old"]).success();
    host.cli(&["network", "create", "old"]).success();
    Some(host)
}

/// What is asked of it, and whether it must fail where nothing can be written.
fn operations(host: &TestHost) -> Vec<(&'static str, Ran)> {
    let saved = host.scratch().join("saved.tar");
    let saved = saved.to_str().expect("UTF-8");
    let mut done = Vec::new();
    let mut ask = |words: &'static str, ran: Ran| done.push((words, ran));
    for words in [
        "run --rm --network none busybox true",
        "start old",
        "commit beside new",
        "volume create new",
        "tag busybox new",
    ] {
        ask(words, host.cli(&words.split(' ').collect::<Vec<_>>()));
    }
    let large = host.scratch().join("large");
    fs::write(&large, vec![7; 3 << 20]).expect("a file of ours");
    let large = large.to_str().expect("UTF-8");
    ask("cp", host.cli(&["cp", large, "beside:/large"]));
    ask("load", host.cli(&["load", "-i", saved]));
    let remote = remote();
    ask("pull", host.cli(&["pull", &remote]));
    let create = format!("/images/create?fromImage={remote}");
    let answer = host.http("POST", &create, None);
    let failed = answer.text().contains("\"error\"") || answer.status != 200;
    ask(
        "POST /images/create",
        Ran {
            code: failed.into(),
            stdout: Vec::new(),
            stderr: answer.body,
        },
    );
    let archive = testing::busybox();
    ask(
        "import",
        host.cli_with_input(&["import", "-", "new"], archive),
    );
    done
}

/// Those that must go on whatever the disk does, and what must be as it was.
fn goes_on(host: &TestHost) {
    let ran = host.cli(&["exec", "beside", "echo", "hi"]).success();
    assert_eq!(ran.text(), "hi\n");
    for name in ["beside", "says", "joined"] {
        assert_eq!(host.inspect(name, "{{.State.Status}}"), "running", "{name}");
    }
    host.cli(&["pause", "beside"]).success();
    host.cli(&["unpause", "beside"]).success();
    let names = |words: &[&str]| {
        let text = host.cli(words).success().text();
        let mut names: Vec<_> = text.lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&["images", "--format", "{{.Repository}}"]), "busybox");
    assert_eq!(names(&["volume", "ls", "-q"]), "old");
    let listed = names(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(listed, "beside joined old says");
    host.cli(&["info"]).success();
    host.cli(&["events", "--since", "1h", "--until", "0s"])
        .success();
    let said = host.cli(&["logs", "--tail", "1", "says"]).success();
    // One that has just been started may say it meanwhile.
    assert!(said.text().ends_with("hello\n"), "{said}");
}

/// Each says what is wrong and, unless it is about a file of a container, where.
fn refused(host: &TestHost, words: &str) {
    let root = host.paths().root.to_str().expect("UTF-8");
    for (what, ran) in operations(host) {
        assert_ne!(ran.code, 0, "{what}: {ran}");
        assert!(ran.error().contains(words), "{what}: {ran}");
        let named = what == "cp" || ran.error().contains(root);
        assert!(named, "{what}: {ran}");
    }
}

/// All works, as if nothing had been.
fn works_again(host: &TestHost) {
    for (what, ran) in operations(host) {
        assert_eq!(ran.code, 0, "{what}: {ran}");
    }
    host.cli(&["network", "connect", "old", "joined"]).success();
    for (kind, names) in [
        ("rm", &["-f", "old", "says", "beside", "joined"][..]),
        ("rmi", &["new", &remote()]),
        ("volume", &["rm", "old", "new"]),
        ("network", &["rm", "old"]),
    ] {
        host.cli(&[&[kind], names].concat()).success();
    }
    let scratch = fs::read_dir(host.seen("content/scratch")).map_or(0, Iterator::count);
    assert_eq!(scratch, 0, "nothing is left of what failed");
}

/// An image that only a registry has.
fn remote() -> String {
    format!("{ADDRESS}/remote:1")
}

/// Puts images where they can be had from: in an archive and a registry.
fn save(host: &TestHost) -> Option<Registry> {
    let registry = Registry::start(host)?;
    let remote = remote();
    let large = host.scratch().join("remote");
    fs::create_dir(&large).expect("a directory of ours");
    // Nothing that is in the store already, and nothing that becomes small.
    let mut noise = fs::File::open("/dev/urandom")
        .expect("it is there")
        .take(3 << 20);
    let mut file = fs::File::create(large.join("noise")).expect("a file of ours");
    std::io::copy(&mut noise, &mut file).expect("a file of ours");
    let archive = host.scratch().join("remote.tar");
    let mut pack = std::process::Command::new("tar");
    pack.arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(&large)
        .arg("noise");
    testing::run(pack).success();
    host.cli(&["import", archive.to_str().expect("UTF-8"), &remote])
        .success();
    host.cli(&["push", &remote]).success();
    host.cli(&["rmi", &remote]).success();
    let saved = host.scratch().join("saved.tar");
    let saved = saved.to_str().expect("UTF-8");
    host.cli(&["save", "-o", saved, "busybox"]).success();
    Some(registry)
}

/// Fills the disk to its last byte.
fn fill(host: &TestHost) {
    let mut balloon = fs::File::create(host.seen("balloon")).expect("a file");
    for size in [1 << 20, 4 << 10, 1] {
        let piece = vec![0; size];
        while balloon.write_all(&piece).is_ok() && balloon.sync_data().is_ok() {}
    }
}

#[test]
fn a_full_disk_is_told_and_harms_nothing_that_runs() {
    let Some(host) = prepared("disks::a_full_disk_is_told_and_harms_nothing_that_runs") else {
        return;
    };
    let _registry = save(&host).expect("a daemon");
    fill(&host);
    refused(&host, "No space left on device");
    goes_on(&host);
    fs::remove_file(host.seen("balloon")).expect("it is there");
    goes_on(&host);
    works_again(&host);
}

/// The bytes of the disk that are free.
fn free(host: &TestHost) -> u64 {
    let disk = rustix::fs::statvfs(host.seen("")).expect("it is there");
    disk.f_bfree * disk.f_frsize
}

#[test]
fn what_outgrows_the_disk_on_its_way_in_is_refused_and_leaves_nothing() {
    let test = "disks::what_outgrows_the_disk_on_its_way_in_is_refused_and_leaves_nothing";
    let Some(host) = prepared(test) else {
        return;
    };
    let _registry = save(&host).expect("a daemon");
    let remote = remote();
    let saved = host.scratch().join("large.tar");
    let saved = saved.to_str().expect("UTF-8");
    host.cli(&["pull", &remote]).success();
    host.cli(&["save", "-o", saved, &remote]).success();
    host.cli(&["rmi", &remote]).success();
    let grow = "head -c 3000000 /dev/urandom > /large";
    host.cli(&["exec", "beside", "sh", "-c", grow]).success();
    fill(&host);
    let mut open = fs::OpenOptions::new();
    let balloon = open.write(true).open(host.seen("balloon"));
    let balloon = balloon.expect("it is there");
    let length = balloon.metadata().expect("it is there").len();
    // Less than any of them takes, and enough to begin with.
    balloon.set_len(length - (3 << 19)).expect("a file of ours");
    drop(balloon);
    let before = free(&host);
    let archive = host.scratch().join("remote.tar");
    let archive = archive.to_str().expect("UTF-8");
    let root = host.paths().root.to_str().expect("UTF-8");
    for command in [
        &["pull", &remote][..],
        &["load", "-i", saved],
        &["import", archive, "new"],
        &["commit", "beside", "new"],
    ] {
        let ran = host.cli(command);
        assert_ne!(ran.code, 0, "{command:?}: {ran}");
        let told = ran.error();
        assert!(
            told.contains("No space left on device"),
            "{command:?}: {ran}"
        );
        assert!(told.contains(root), "{command:?}: {ran}");
        let lost = before.saturating_sub(free(&host));
        assert!(lost < 256 << 10, "{command:?} left {lost} bytes");
        let scratch = fs::read_dir(host.seen("content/scratch")).map_or(0, Iterator::count);
        assert_eq!(scratch, 0, "{command:?}");
    }
    goes_on(&host);
    fs::remove_file(host.seen("balloon")).expect("it is there");
    works_again(&host);
}

#[test]
fn a_disk_that_takes_no_write_is_told_and_harms_nothing_that_runs() {
    let test = "disks::a_disk_that_takes_no_write_is_told_and_harms_nothing_that_runs";
    let Some(mut host) = prepared(test) else {
        return;
    };
    let _registry = save(&host).expect("a daemon");
    let mounts = format!("/proc/{}/mounts", host.daemon_pid().expect("a daemon"));
    let mounts = fs::read_to_string(mounts).expect("it lives");
    let root = host.paths().root.to_str().expect("UTF-8");
    let own = mounts.lines().find(|line| line.contains(root));
    let device = own.and_then(|line| line.split(' ').next()).expect("a disk");
    let device = device.trim_start_matches("/dev/");
    let fault = format!("/sys/fs/ext4/{device}/trigger_fs_error");
    if let Err(error) = fs::write(&fault, "1") {
        skipped(test, &format!("{fault}: {error}"));
        return;
    }
    let words = "Read-only file system";
    refused(&host, words);
    goes_on(&host);
    for command in [
        "create busybox",
        "rename beside other",
        "update --cpu-shares 100 beside",
        "volume rm old",
        "network create new",
        "network rm old",
        "network connect old joined",
        "network disconnect bridge joined",
        "rmi busybox",
        "rm old",
    ] {
        let ran = host.cli(&command.split(' ').collect::<Vec<_>>());
        assert_ne!(ran.code, 0, "{command}: {ran}");
        assert!(ran.error().contains(words), "{command}: {ran}");
    }
    let gateway = host.cli(&["exec", "joined", "ip", "route"]).success();
    assert!(gateway.text().contains("default via"), "{gateway}");
    host.cli(&["stop", "-t", "0", "beside", "joined", "says"])
        .success();
    // Repaired, it has all that was on it.
    host.repair_disk();
    host.start_daemon();
    host.cli(&["start", "beside", "joined", "says"]).success();
    goes_on(&host);
    works_again(&host);
}
