//! Volumes and mounts that outlive a container, or come from an image.

use crate::unique;
use std::fs;
use testing::{Ran, TestHost};

fn sh(host: &TestHost, options: &[&str], script: &str) -> Ran {
    let args: Vec<_> = ["run", "--rm"]
        .iter()
        .chain(options)
        .chain(&["busybox", "sh", "-c", script])
        .copied()
        .collect();
    host.cli(&args)
}

#[test]
fn a_volume_outlives_containers_and_is_removed_when_nobody_has_it() {
    let host = TestHost::start();
    let name = unique("volume");
    let made = host.cli(&["volume", "create", "--label", "a=b", &name]);
    assert_eq!(made.success().text(), format!("{name}\n"));
    let mount = format!("{name}:/d");
    sh(&host, &["-v", &mount], "echo kept > /d/f").success();
    assert_eq!(
        sh(&host, &["-v", &mount], "cat /d/f").success().text(),
        "kept\n"
    );
    let listed = host
        .cli(&["volume", "ls", "--filter", "label=a=b"])
        .success();
    assert_eq!(
        listed.text(),
        format!("DRIVER    VOLUME NAME\nlocal     {name}\n")
    );
    let id = host.run_detached(&["-v", &mount, "busybox", "sleep", "600"]);
    let refused = host.cli(&["volume", "rm", &name]).code(1).error();
    let words = format!("Error response from daemon: remove {name}: volume is in use - [{id}]\n");
    assert_eq!(refused, words);
    host.cli(&["rm", "-f", &id]).success();
    let label = host.cli(&["volume", "inspect", "--format", "{{.Labels.a}}", &name]);
    assert_eq!(label.success().text(), "b\n");
    host.cli(&["volume", "rm", &name]).success();
    let gone = host.cli(&["volume", "inspect", &name]).code(1).error();
    assert_eq!(
        gone,
        format!("Error response from daemon: get {name}: no such volume\n")
    );
}

#[test]
fn prune_takes_anonymous_volumes_and_with_all_the_others() {
    let host = TestHost::start();
    let name = unique("volume");
    host.cli(&["volume", "create", &name]).success();
    host.cli(&["volume", "create"]).success();
    let pruned = host.cli(&["volume", "prune", "-f"]).success().text();
    assert!(!pruned.contains(&name), "{pruned}");
    assert!(pruned.starts_with("Deleted Volumes:\n"), "{pruned}");
    let pruned = host.cli(&["volume", "prune", "-fa"]).success().text();
    assert!(pruned.contains(&name), "{pruned}");
}

#[test]
fn an_empty_volume_takes_what_the_image_has_there_unless_told_not_to() {
    let host = TestHost::start();
    let (full, empty) = (unique("volume"), unique("volume"));
    let list = "ls /etc/passwd /etc/group 2>/dev/null | wc -l; stat -c %a /home/alice 2>/dev/null";
    let with = format!("type=volume,src={full},dst=/etc");
    let without = format!("type=volume,src={empty},dst=/etc,volume-nocopy");
    let ran = sh(&host, &["--mount", &with], list);
    assert!(ran.text().starts_with("2\n"), "{ran}");
    let ran = sh(&host, &["--mount", &without], list);
    assert!(ran.text().starts_with("0\n"), "{ran}");
    // Once it has something, nothing is copied any more.
    sh(&host, &["-v", &format!("{full}:/v")], "rm /v/group").success();
    let ran = sh(&host, &["--mount", &with], list);
    assert!(ran.text().starts_with("1\n"), "{ran}");
    host.cli(&["volume", "rm", &full, &empty]).success();
}

#[test]
fn a_subpath_of_a_volume_is_mounted_and_never_what_a_link_in_it_leads_to() {
    let host = TestHost::start();
    let name = unique("volume");
    let secret = host.scratch().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("f"), "the host's").unwrap();
    let script = format!(
        "mkdir -p /v/a/b; echo below > /v/a/b/f; ln -s {} /v/out; ln -s ../.. /v/up",
        secret.display()
    );
    sh(&host, &["-v", &format!("{name}:/v")], &script).success();
    let mount = |path: &str| format!("type=volume,src={name},dst=/m,volume-subpath={path}");
    let ran = sh(&host, &["--mount", &mount("a/b")], "cat /m/f").success();
    assert_eq!(ran.text(), "below\n");
    for path in ["out", "up", "nope", "a/../../.."] {
        let ran = sh(&host, &["--mount", &mount(path)], "cat /m/f /m/secret/f");
        assert_ne!(ran.code, 0, "{path}: {ran}");
        assert!(!ran.text().contains("the host's"), "{path}: {ran}");
    }
    host.cli(&["volume", "rm", &name]).success();
}

#[test]
fn an_image_is_mounted_read_only() {
    let host = TestHost::start();
    let mount = "type=image,src=busybox,dst=/i";
    let ran = sh(
        &host,
        &["--mount", mount],
        "head -c 4 /i/etc/passwd; touch /i/x",
    );
    assert_eq!((ran.code, ran.text().as_str()), (1, "root"));
    assert!(ran.error().contains("Read-only file system"), "{ran}");
    let below = "type=image,src=busybox,dst=/i,image-subpath=etc";
    let ran = sh(&host, &["--mount", below], "head -c 4 /i/passwd").success();
    assert_eq!(ran.text(), "root");
}

#[test]
fn a_read_only_bind_is_read_only_with_all_that_is_mounted_below() {
    let host = TestHost::start();
    let dir = host.scratch().join(unique("bind"));
    fs::create_dir_all(dir.join("below")).unwrap();
    let below = dir.join("below");
    let mounted = rustix::mount::mount(
        "tmpfs",
        &below,
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        None,
    );
    mounted.expect("a tmpfs of the test's own");
    let write = "touch /b/x; touch /b/below/x";
    let base = format!("type=bind,src={},dst=/b,readonly", dir.display());
    let tried = |mount: &str| sh(&host, &["--mount", mount], write).error();
    let all = tried(&base);
    let forced = tried(&format!(
        "{base},bind-recursive=readonly,bind-propagation=rprivate"
    ));
    let top = tried(&format!("{base},bind-recursive=writable"));
    rustix::mount::unmount(&below, rustix::mount::UnmountFlags::DETACH).unwrap();
    let count = |text: &str| text.matches("Read-only file system").count();
    assert_eq!(
        (count(&all), count(&forced), count(&top)),
        (2, 2, 1),
        "{all}{forced}{top}"
    );
}

#[test]
fn a_volume_with_options_of_a_file_system_is_mounted_while_it_is_used() {
    let host = TestHost::start();
    let name = unique("volume");
    host.cli(&[
        "volume",
        "create",
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=1m",
        &name,
    ])
    .success();
    let ran = sh(&host, &["-v", &format!("{name}:/t")], "mount | grep ' /t '").success();
    assert!(
        ran.text().contains("tmpfs") && ran.text().contains("size=1024k"),
        "{ran}"
    );
    let id = host.run_detached(&["-v", &format!("{name}:/t"), "busybox", "sleep", "600"]);
    // While it is used, its mount is nobody's leak.
    let doctor = host.cli(&["system", "doctor"]);
    assert!(!doctor.text().contains(&name), "{doctor}");
    host.cli(&["rm", "-f", &id]).success();
    host.cli(&["volume", "rm", &name]).success();
}

#[test]
fn doctor_finds_a_volumes_directory_without_a_record() {
    let host = TestHost::start();
    let name = unique("volume");
    host.cli(&["volume", "create", &name]).success();
    host.cli(&["system", "doctor"]).success();
    let stray = host.paths().volumes().join("stray");
    fs::create_dir(&stray).unwrap();
    let found = host.cli(&["system", "doctor"]).code(1).text();
    let line = format!(
        "file {}: no volume of that name is on record\n",
        stray.display()
    );
    assert_eq!(found, line);
    fs::remove_dir(&stray).unwrap();
    host.cli(&["volume", "rm", &name]).success();
}

#[test]
fn volumes_are_chosen_by_whether_anyone_has_them_and_their_users_are_counted() {
    let host = TestHost::start();
    for name in ["free", "once", "twice"] {
        host.cli(&["volume", "create", name]).success();
    }
    // One that is mounted at two places is had by one.
    for mounts in [
        &["-v", "once:/a", "-v", "twice:/b"][..],
        &["-v", "twice:/a", "-v", "twice:/b"],
    ] {
        host.cli(&[&["create"], mounts, &["busybox"]].concat())
            .success();
    }
    let chosen = |dangling: &str| {
        let filter = format!("dangling={dangling}");
        let ran = host.cli(&["volume", "ls", "-q", "-f", &filter]).success();
        let text = ran.text();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(chosen("true"), ["free"]);
    assert_eq!(chosen("false"), ["once", "twice"]);
    let usage = host
        .http("GET", "/v1.51/system/df?type=volume", None)
        .json();
    let volumes = usage["Volumes"].as_array().expect("a list");
    let count = |name: &str| {
        let found = volumes.iter().find(|volume| volume["Name"] == name);
        found.expect("it is listed")["UsageData"]["RefCount"].as_i64()
    };
    assert_eq!(
        ["free", "once", "twice"].map(count),
        [Some(0), Some(1), Some(2)]
    );
}
