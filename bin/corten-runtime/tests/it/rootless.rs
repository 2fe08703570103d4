//! Containers of a user without rights on the host.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The machine's user, who has ids from this one on.
const USER: u32 = 1000;

fn first_further_id() -> u32 {
    let text = fs::read_to_string("/etc/subuid").unwrap();
    let mut words = text.lines().next().unwrap().split(':');
    words.nth(1).unwrap().parse().unwrap()
}

/// A bundle whose container has the user as root and further ids as the others.
fn bundle(args: &[&str]) -> Bundle {
    let bundle = Bundle::of_user(USER, args).unwrap();
    let further = first_further_id();
    bundle.change(|spec| {
        let maps = json!([
            {"containerID": 0, "hostID": USER, "size": 1},
            {"containerID": 1, "hostID": further, "size": 1000},
        ]);
        spec["linux"]["uidMappings"] = maps.clone();
        spec["linux"]["gidMappings"] = maps;
    });
    bundle
}

fn status_of(pid: &Value, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_user_with_nothing_but_its_own_ids_is_root_inside() {
    // Nobody's: neither /etc/passwd nor /etc/subuid needs to know it.
    let script = "id -u; cat /proc/self/setgroups; ls /sys/fs/cgroup; cat /proc/self/mountinfo";
    let Some(bundle) = Bundle::of_user(54_321, &["sh", "-c", script]) else {
        return;
    };
    let path = bundle.path();
    let said = bundle.ok(&["run", "-b", path.to_str().unwrap(), &bundle.id]);
    assert!(said.starts_with("0\ndeny\n"), "{said}");
    // The groups that it is in itself are there, to be read.
    let mut mounts = said.lines().filter(|line| line.contains(" /sys/fs/cgroup"));
    assert!(mounts.next_back().unwrap().contains(" ro,"), "{said}");
}

#[test]
fn a_users_container_shares_the_namespaces_of_another() {
    const SOMEBODY: u32 = 54_322;
    let (Some(first), Some(second)) = (
        Bundle::of_user(SOMEBODY, &["sleep", "100"]),
        Bundle::of_user(SOMEBODY, &["sh", "-c", "id -u; ps; ls -lLn /dev/ptmx"]),
    ) else {
        return;
    };
    let path = first.path();
    first.ok(&["run", "-d", "-b", path.to_str().unwrap(), &first.id]);
    let state: Value = serde_json::from_str(&first.ok(&["state", &first.id])).unwrap();
    second.change(|spec| {
        let linux = spec["linux"].as_object_mut().unwrap();
        linux.remove("uidMappings");
        linux.remove("gidMappings");
        for namespace in linux["namespaces"].as_array_mut().unwrap() {
            let kind = namespace["type"].as_str().unwrap().to_owned();
            if kind != "mount" {
                namespace["path"] = json!(format!("/proc/{}/ns/{kind}", state["pid"]));
            }
        }
        let ptmx = json!([{"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2}]);
        linux.insert("devices".to_owned(), ptmx);
    });
    let path = second.path();
    let said = second.ok(&["run", "-b", path.to_str().unwrap(), &second.id]);
    assert!(
        said.starts_with("0\n") && said.contains("sleep 100"),
        "{said}"
    );
    // A device of this name is the container's own, not the host's, which would be nobody's.
    assert!(!said.contains("65534"), "{said}");

    // It has no group where its user has no rights on one.
    second.change(|spec| spec["process"]["args"] = json!(["sleep", "100"]));
    second.ok(&["run", "-d", "-b", path.to_str().unwrap(), &second.id]);
    let stats: Value =
        serde_json::from_str(&second.ok(&["events", "--stats", &second.id])).unwrap();
    assert_eq!(stats["id"], second.id);
    let said = second.run(&["kill", &second.id, "KILL"]);
    assert!(
        said.code == Some(0) && said.err.contains("lack of cgroup"),
        "{said:?}"
    );
    second.wait_for("stopped");
    second.ok(&["delete", &second.id]);
}

#[test]
#[ignore = "needs a user with ids in /etc/subuid: cargo xtask vm"]
fn newuidmap_gives_a_container_its_users_further_ids() {
    let bundle = bundle(&["sleep", "100"]);
    bundle.change(|spec| spec["process"]["user"] = json!({"uid": 7, "gid": 8}));
    let path = bundle.path();
    bundle.ok(&["run", "-d", "-b", path.to_str().unwrap(), &bundle.id]);
    let state: Value = serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
    let further = first_further_id();
    assert_eq!(status_of(&state["pid"], "Uid:"), (further + 6).to_string());
    assert_eq!(status_of(&state["pid"], "Gid:"), (further + 7).to_string());
    let inside = bundle.ok(&["exec", "--user", "0:0", &bundle.id, "id", "-u"]);
    assert_eq!(inside, "0\n");
    let inside = bundle.ok(&["exec", &bundle.id, "id", "-u"]);
    assert_eq!(inside, "7\n");
    // It has no more than its user gave it.
    bundle.fails(&["exec", "--user", "1001", &bundle.id, "true"]);
    bundle.ok(&["kill", &bundle.id, "KILL"]);
    bundle.wait_for("stopped");
    bundle.ok(&["delete", &bundle.id]);
}

#[test]
#[ignore = "needs a user with ids in /etc/subuid: cargo xtask vm"]
fn ids_that_are_not_the_users_are_refused() {
    let bundle = bundle(&["true"]);
    bundle.change(|spec| spec["linux"]["uidMappings"][1]["hostID"] = json!(5000));
    let path = bundle.path();
    let said = bundle.fails(&["run", "-b", path.to_str().unwrap(), &bundle.id]);
    assert!(said.contains("newuidmap"), "{said}");
    assert!(!bundle.state().join(&bundle.id).exists());
}

/// The group of the user's own manager.
fn manager() -> PathBuf {
    let manager = format!("user.slice/user-{USER}.slice/user@{USER}.service");
    Path::new("/sys/fs/cgroup").join(manager)
}

/// The group of a scope, wherever below the user's own manager it is.
fn group(unit: &str) -> Option<PathBuf> {
    let manager = manager();
    let below = ["user.slice", "app.slice", ""].map(|slice| manager.join(slice).join(unit));
    below.into_iter().find(|path| path.exists())
}

#[test]
#[ignore = "needs the user's own systemd: cargo xtask vm"]
fn a_users_own_manager_makes_the_scope_with_its_limits() {
    // From a group of the user's own, and from one that only systemd takes a process out of.
    for from in [Some(manager().join("init.scope")), None] {
        of_the_users_manager(from);
    }
}

fn of_the_users_manager(from: Option<PathBuf>) {
    let mut bundle = bundle(&["sleep", "100"]);
    bundle.group = from;
    bundle.change(|spec| {
        spec["linux"]["resources"] = json!({
            "memory": {"limit": 20 << 20},
            "pids": {"limit": 20},
        });
        spec["linux"]["cgroupsPath"] = json!(format!("user.slice:corten:{}", bundle.id));
    });
    let (path, unit) = (bundle.path(), format!("corten-{}.scope", bundle.id));
    let run = ["--systemd-cgroup", "run", "-d", "-b"];
    let line = [&run[..], &[path.to_str().unwrap(), &bundle.id]].concat();
    bundle.ok(&line);
    let group_of = group(&unit).unwrap();
    let read = |file: &str| fs::read_to_string(group_of.join(file)).unwrap();
    assert_eq!(read("memory.max").trim(), (20 << 20).to_string());
    assert_eq!(read("pids.max").trim(), "20");
    let state: Value = serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
    assert_eq!(read("cgroup.procs").trim(), state["pid"].to_string());
    bundle.ok(&["update", "--pids-limit", "30", &bundle.id]);
    assert_eq!(read("pids.max").trim(), "30");
    let group = bundle.ok(&["exec", &bundle.id, "cat", "/proc/self/cgroup"]);
    assert_eq!(
        group,
        bundle.ok(&["exec", &bundle.id, "cat", "/proc/1/cgroup"])
    );
    bundle.ok(&["pause", &bundle.id]);
    assert_eq!(bundle.status(), "paused");
    bundle.ok(&["resume", &bundle.id]);
    bundle.ok(&["delete", "-f", &bundle.id]);
    assert_eq!(self::group(&unit), None);
}
