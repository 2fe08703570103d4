//! Containers written down and brought back by CRIU, where it is installed.

mod flags;

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A container that counts in a file of its root, and may be written down.
fn counting(test: &str) -> Option<Bundle> {
    let there = std::process::Command::new("criu").arg("check").output();
    if !there.is_ok_and(|output| output.status.success()) {
        let why = "criu is not installed, or this kernel does not do for it";
        testing::skipped(test, why);
        return None;
    }
    let script = "i=0; while true; do i=$((i+1)); echo $i > /tmp/draft; busybox mv /tmp/draft /tmp/count; sleep 0.02; done";
    let bundle = Bundle::new(&["sh", "-c", script])?;
    let settings = bundle.path().join("criu.conf");
    fs::write(&settings, "network-lock skip\n").unwrap();
    bundle.change(|spec| {
        spec["root"]["readonly"] = json!(false);
        spec["annotations"] = json!({"org.criu.config": settings});
        let bind = |source: &str, destination: &str| {
            json!({"destination": destination, "source": source, "type": "bind", "options": ["bind"]})
        };
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(bind("./outer", "/bound"));
        mounts.push(bind("./inner", "/bound/for/nested"));
        mounts.push(bind(".", "/bundle"));
    });
    fs::create_dir(bundle.path().join("outer")).unwrap();
    fs::create_dir(bundle.path().join("inner")).unwrap();
    fs::write(bundle.path().join("inner/file"), "").unwrap();
    Some(bundle)
}

fn count(bundle: &Bundle) -> u64 {
    let text = fs::read_to_string(bundle.path().join("rootfs/tmp/count"));
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

fn wait_until(what: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn run(bundle: &Bundle) {
    let path = bundle.path();
    // CRIU writes down no standard streams that lead out of the container.
    let mut command = bundle.command(&["run", "-d", "--bundle"]);
    command.arg(&path).arg(&bundle.id);
    let null = || {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
    };
    let status = command
        .stdin(null().unwrap())
        .stdout(null().unwrap())
        .stderr(null().unwrap())
        .status();
    assert!(status.unwrap().success());
    wait_until(|| count(bundle) > 2);
}

/// Writes the container down; where CRIU fails, its own log says why.
fn checkpoint(bundle: &Bundle, images: &str, flags: &[&str]) {
    let line = [&["checkpoint"][..], &options(images), flags, &[&bundle.id]].concat();
    let said = bundle.run(&line);
    let log = || fs::read_to_string(Path::new(images).join("dump.log"));
    assert_eq!(
        said.code,
        Some(0),
        "{said:?}: {}",
        log().unwrap_or_default()
    );
}

fn options(images: &str) -> [&str; 2] {
    ["--image-path", images]
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_container_goes_on_where_it_was_written_down() {
    let Some(bundle) = counting("checkpoint::a_container_goes_on_where_it_was_written_down") else {
        return;
    };
    run(&bundle);
    let images = bundle.path().join("images").display().to_string();
    for cgroups in ["ignore", "soft"] {
        let mode = ["--manage-cgroups-mode", cgroups];
        checkpoint(&bundle, &images, &mode);
        assert!(
            bundle
                .fails(&["state", &bundle.id])
                .contains("does not exist")
        );
        assert!(bundle.groups().is_empty());
        // What create made in a bind's source for the one inside of it.
        fs::remove_dir_all(bundle.path().join("outer/for")).unwrap();
        let before = count(&bundle);
        let flags = [&mode[..], &["--no-pivot"]].concat();
        restore(&bundle, &images, &flags, &bundle.id);
        assert_eq!(bundle.status(), "running");
        wait_until(|| count(&bundle) > before + 2);
        let inside = bundle.ok(&["exec", &bundle.id, "ls", "/bound/for/nested"]);
        assert_eq!(inside, "file\n");
        let left = bundle.state().join(&bundle.id).join("criu-root");
        assert!(!mounted(&left));
    }
}

fn mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.contains(path.to_str().unwrap())
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn a_container_may_stay_and_what_cannot_be_is_named() {
    let Some(bundle) = counting("checkpoint::a_container_may_stay_and_what_cannot_be_is_named")
    else {
        return;
    };
    run(&bundle);
    let images = bundle.path().join("images").display().to_string();
    checkpoint(&bundle, &images, &["--leave-running"]);
    assert_eq!(bundle.status(), "running");
    let descriptors = fs::read(Path::new(&images).join("descriptors.json")).unwrap();
    let descriptors: Value = serde_json::from_slice(&descriptors).unwrap();
    assert_eq!(descriptors, json!(["/dev/null", "/dev/null", "/dev/null"]));
    for (flags, words) in [
        (
            &["--parent-path", "/absolute"][..],
            "--parent-path must be relative",
        ),
        (&["--parent-path", "no-such"], "invalid --parent-path"),
        (
            &["--page-server", "nowhere"],
            "Use --page-server ADDRESS:PORT",
        ),
        (
            &["--manage-cgroups-mode", "odd"],
            "invalid manage-cgroups-mode value",
        ),
        (&["--empty-ns", "mount"], "\\\"mount\\\" is not supported"),
    ] {
        let line = [
            &["checkpoint"][..],
            &options(&images)[..2],
            flags,
            &[&bundle.id],
        ]
        .concat();
        let said = bundle.fails(&line);
        assert!(said.contains(words), "{words}: {said}");
    }
    bundle.ok(&["kill", &bundle.id, "KILL"]);
    bundle.wait_for("stopped");
    let said = bundle.fails(&["checkpoint", "--image-path", &images, &bundle.id]);
    assert!(
        said.contains("cannot be checkpointed in stopped state"),
        "{said}"
    );
}

/// How many bytes of memory images have.
fn pages(images: &str) -> u64 {
    let entries = fs::read_dir(images).unwrap().flatten();
    let pages = entries.filter(|entry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("pages-")
    });
    pages.map(|entry| entry.metadata().unwrap().len()).sum()
}

fn restore(bundle: &Bundle, images: &str, flags: &[&str], id: &str) {
    let path = bundle.path().display().to_string();
    let restore = ["restore", "-d", "--bundle", &path];
    let said = bundle.run(&[&restore[..], &options(images), flags, &[id]].concat());
    let log = || fs::read_to_string(Path::new(images).join("restore.log"));
    assert_eq!(
        said.code,
        Some(0),
        "{said:?}: {}",
        log().unwrap_or_default()
    );
}

#[test]
#[ignore = "needs CRIU: cargo xtask vm"]
fn memory_that_was_written_down_ahead_is_not_written_again() {
    let test = "checkpoint::memory_that_was_written_down_ahead_is_not_written_again";
    let Some(bundle) = counting(test) else {
        return;
    };
    // One process, which writes its count and has three megabytes that it leaves alone.
    let held = "held=$(busybox head -c 3000000 /dev/zero | busybox tr '\\0' x)";
    let script = format!("{held}; while true; do i=$((i+1)); echo $i > /tmp/count; done");
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", script]));
    run(&bundle);
    let place = |name: &str| bundle.path().join(name).display().to_string();
    let (ahead, images) = (place("ahead"), place("images"));
    checkpoint(&bundle, &ahead, &["--pre-dump"]);
    assert_eq!(bundle.status(), "running");
    checkpoint(&bundle, &images, &["--parent-path", "../ahead"]);
    assert!(pages(&ahead) > 3_000_000);
    assert!(pages(&images) < 1_500_000);
    let before = count(&bundle);
    restore(&bundle, &images, &[], &bundle.id);
    wait_until(|| count(&bundle) > before + 2);
}

#[test]
#[ignore = "needs CRIU and userfaultfd: cargo xtask vm"]
fn memory_is_fetched_when_it_is_touched() {
    const PORT: &str = "27277";
    let Some(bundle) = counting("checkpoint::memory_is_fetched_when_it_is_touched") else {
        return;
    };
    run(&bundle);
    let images = bundle.path().join("images").display().to_string();
    let (mut ready, status) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&status, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&status).to_string();
    let server = format!("127.0.0.1:{PORT}");
    let serve = ["--lazy-pages", "--page-server", &server, "--status-fd"];
    let ignore = ["--manage-cgroups-mode", "ignore"];
    let line = [&["checkpoint"][..], &options(&images), &serve, &[&number]].concat();
    let mut command = bundle.command(&line);
    let mut dumping = command.args(ignore).arg(&bundle.id).spawn().unwrap();
    drop(status);
    let mut byte = [1];
    std::io::Read::read_exact(&mut ready, &mut byte).unwrap();
    assert_eq!(byte, [0]);
    let mut fetching = std::process::Command::new("criu")
        .args(["lazy-pages", "--page-server", "--address", "127.0.0.1"])
        .args(["--port", PORT, "-D", &images])
        .spawn()
        .unwrap();
    wait_until(|| Path::new(&images).join("lazy-pages.socket").exists());
    // The first is there until its last page has gone over.
    let id = format!("{}-again", bundle.id);
    let before = count(&bundle);
    restore(
        &bundle,
        &images,
        &["--lazy-pages", ignore[0], ignore[1]],
        &id,
    );
    assert!(dumping.wait().unwrap().success());
    assert!(fetching.wait().unwrap().success());
    wait_until(|| count(&bundle) > before + 2);
    bundle.ok(&["exec", &id, "true"]);
    bundle.ok(&["delete", "-f", &id]);
}
