//! A container's life by runc's commands.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn run_gives_output_and_exit_status_and_leaves_nothing() {
    let Some(bundle) = Bundle::new(&["sh", "-c", "echo out; echo err >&2; exit 7"]) else {
        return;
    };
    let said = bundle.run(&[
        "run",
        "-bundle",
        bundle.path().to_str().unwrap(),
        &bundle.id,
    ]);
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (Some(7), "out\n", "err\n")
    );
    assert_eq!(fs::read_dir(bundle.state()).unwrap().count(), 0);
    assert!(bundle.groups().is_empty());
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", "kill -9 $$; sleep 9"]));
    // As PID 1 it does not die of its own signal; the parent's counts.
    bundle.change(|spec| spec["process"]["args"] = json!(["sh", "-c", "exit 137"]));
    let said = bundle.run(&["run", "-b", bundle.path().to_str().unwrap(), &bundle.id]);
    assert_eq!(said.code, Some(137), "{said:?}");
}

#[test]
fn a_container_is_created_started_listed_killed_and_deleted() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let (path, id) = (bundle.path(), bundle.id.as_str());
    let pid_file = path.join("pid");
    bundle.ok(&[
        "create",
        "--bundle",
        path.to_str().unwrap(),
        "--pid-file",
        pid_file.to_str().unwrap(),
        id,
    ]);
    assert_eq!(bundle.status(), "created");
    let state: Value = serde_json::from_str(&bundle.ok(&["state", id])).unwrap();
    assert_eq!(
        state["pid"].to_string(),
        fs::read_to_string(&pid_file).unwrap()
    );
    assert_eq!(state["bundle"], path.to_str().unwrap());
    assert!(
        bundle
            .fails(&["exec", id])
            .contains("exec args cannot be empty")
    );

    bundle.ok(&["start", id]);
    assert_eq!(bundle.status(), "running");
    assert!(
        bundle
            .fails(&["start", id])
            .contains("cannot start an already running container")
    );
    assert_eq!(bundle.ok(&["list", "--quiet"]), format!("{id}\n"));
    let listed: Value = serde_json::from_str(&bundle.ok(&["list", "--format=json"])).unwrap();
    assert_eq!(listed[0]["owner"], "root");
    assert!(bundle.ok(&["list"]).starts_with("ID "));
    let pids: Vec<i64> = serde_json::from_str(&bundle.ok(&["ps", "-f", "json", id])).unwrap();
    assert_eq!(json!(pids), json!([state["pid"]]));
    assert!(
        bundle
            .fails(&["delete", id])
            .contains("that is not stopped: running")
    );

    bundle.ok(&["pause", id]);
    assert_eq!(bundle.status(), "paused");
    assert!(
        bundle
            .fails(&["exec", id, "true"])
            .contains("cannot exec in a paused container")
    );
    bundle.ok(&["resume", id]);
    assert!(
        bundle
            .fails(&["resume", id])
            .contains("container not paused")
    );

    bundle.ok(&["kill", id, "KILL"]);
    bundle.wait_for("stopped");
    assert!(
        bundle
            .fails(&["kill", id])
            .contains("container not running")
    );
    assert!(
        bundle
            .fails(&["start", id])
            .contains("cannot start a container that has stopped")
    );
    bundle.ok(&["delete", id]);
    assert!(
        bundle
            .fails(&["state", id])
            .contains("container does not exist")
    );
    assert!(bundle.groups().is_empty());
}

#[test]
fn exec_joins_with_its_own_output_status_user_and_environment() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let id = bundle.id.as_str();
    bundle.create();
    bundle.ok(&["start", id]);
    assert_eq!(bundle.ok(&["exec", id, "echo", "-n", "x"]), "x");
    assert_eq!(
        bundle.run(&["exec", id, "sh", "-c", "exit 5"]).code,
        Some(5)
    );
    let out = bundle.ok(&[
        "exec",
        "-u",
        "1000:1001",
        "-g=7",
        "-e",
        "A=b",
        "--cwd",
        "/tmp",
        id,
        "sh",
        "-c",
        "id; echo $A; pwd",
    ]);
    assert!(out.contains("uid=1000 gid=1001 groups=7\nb\n/tmp"), "{out}");
    let said = bundle.run(&["exec", id, "nosuch"]);
    assert_eq!(said.code, Some(255), "{said:?}");
    assert!(
        said.err.contains("executable file not found in $PATH"),
        "{said:?}"
    );

    let pid_file = bundle.path().join("exec.pid");
    bundle.ok(&[
        "exec",
        "-d",
        "--pid-file",
        pid_file.to_str().unwrap(),
        id,
        "sleep",
        "50",
    ]);
    let pids: Vec<i32> = serde_json::from_str(&bundle.ok(&["ps", "--format", "json", id])).unwrap();
    let pid: i32 = fs::read_to_string(pid_file).unwrap().parse().unwrap();
    assert!(pids.len() == 2 && pids.contains(&pid), "{pids:?} {pid}");
}

#[test]
fn signals_reach_a_foreground_container() {
    let Some(bundle) = Bundle::new(&[
        "sh",
        "-c",
        "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done",
    ]) else {
        return;
    };
    let mut child = bundle
        .command(&["run", "-b", bundle.path().to_str().unwrap(), &bundle.id])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_terminal_is_sent_to_the_socket() {
    let Some(bundle) = Bundle::new(&["sh", "-c", "tty; read line; echo got $line"]) else {
        return;
    };
    bundle.change(|spec| spec["process"]["terminal"] = json!(true));
    let path = bundle.path();
    assert!(
        bundle
            .fails(&["create", "-b", path.to_str().unwrap(), &bundle.id])
            .contains("cannot allocate tty if runc will detach without setting console socket")
    );
    let socket = path.join("console.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    bundle.ok(&[
        "create",
        "-b",
        path.to_str().unwrap(),
        "--console-socket",
        socket.to_str().unwrap(),
        &bundle.id,
    ]);
    let (connection, _) = listener.accept().unwrap();
    let mut name = [0; 64];
    let (_, master) = sys::socket::receive(connection.as_fd(), &mut name).unwrap();
    let mut master = fs::File::from(master.unwrap());
    bundle.ok(&["start", &bundle.id]);
    master.write_all(b"hello\n").unwrap();
    let mut text = String::new();
    let mut piece = [0; 256];
    while !text.contains("got hello") {
        let count = master.read(&mut piece).unwrap();
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(text.contains("/dev/pts/0"), "{text}");
    bundle.wait_for("stopped");
}

#[test]
fn limits_are_changed_and_use_is_told() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let id = bundle.id.as_str();
    bundle.create();
    bundle.ok(&["start", id]);
    bundle.ok(&["update", "--memory", "64m", "--pids-limit", "30", id]);
    let events: Value = serde_json::from_str(&bundle.ok(&["events", "--stats", id])).unwrap();
    assert_eq!(events["type"], "stats");
    assert_eq!(events["data"]["pids"]["limit"], 30);
    assert_eq!(events["data"]["memory"]["usage"]["limit"], 64 << 20);
    let resources = bundle.path().join("resources.json");
    fs::write(&resources, r#"{"pids":{"limit":40}}"#).unwrap();
    bundle.ok(&["update", "--resources", resources.to_str().unwrap(), id]);
    let events: Value = serde_json::from_str(&bundle.ok(&["events", "--stats", id])).unwrap();
    assert_eq!(events["data"]["pids"]["limit"], 40);
}

#[test]
fn hooks_run_in_their_order() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let log = bundle.path().join("hooks");
    let hook = |name: &str| {
        let line = format!("echo {name} >> {}", log.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", line], "env": ["PATH=/usr/bin:/bin"]}])
    };
    bundle.change(|spec| {
        spec["hooks"] = json!({"prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
            "poststart": hook("poststart"), "poststop": hook("poststop")});
    });
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    bundle.wait_for("stopped");
    bundle.ok(&["delete", &bundle.id]);
    let ran = fs::read_to_string(log).unwrap();
    assert_eq!(ran, "prestart\ncreateRuntime\npoststart\npoststop\n");
}

#[test]
fn a_poststop_hook_that_fails_is_deletes_failure_and_ends_the_list() {
    let Some(bundle) = Bundle::new(&["true"]) else {
        return;
    };
    let log = bundle.path().join("hooks");
    let hook = |line: String| json!({"path": "/bin/sh", "args": ["sh", "-c", line]});
    let log_path = log.display();
    bundle.change(|spec| {
        spec["hooks"] = json!({"poststop": [
            hook(format!("echo one >> {log_path}")),
            hook("echo no >&2; exit 3".to_owned()),
            hook(format!("echo three >> {log_path}")),
        ]});
    });
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    bundle.wait_for("stopped");
    let said = bundle.fails(&["delete", &bundle.id]);
    assert!(said.contains("error running poststop hook #1"), "{said}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "one\n");
    let said = bundle.fails(&["state", &bundle.id]);
    assert!(said.contains("container does not exist"), "{said}");

    let path = bundle.path();
    let said = bundle.run(&["run", "-b", path.to_str().unwrap(), &bundle.id]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("level=warning"), "{said:?}");
}

/// CVE-2019-5736: whoever sees the waiting init's executable keeps it, and writes to it when
/// nothing runs from it any more.
#[test]
fn exec_has_the_containers_personality_and_scheduler() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.change(|spec| {
        spec["linux"]["personality"] = json!({"domain": "LINUX32"});
        spec["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
    });
    let path = bundle.path();
    bundle.ok(&["run", "-d", "--bundle", path.to_str().unwrap(), &bundle.id]);
    let exec = |arguments: &[&str]| {
        let line = [&["exec", &bundle.id, "busybox"][..], arguments].concat();
        bundle.ok(&line)
    };
    assert_eq!(exec(&["uname", "-m"]), "i686\n");
    let stat = exec(&["cat", "/proc/self/stat"]);
    let fields: Vec<&str> = stat.split(' ').collect();
    const BATCH: &str = "3";
    assert_eq!((fields[18], fields[40]), ("5", BATCH), "{stat}");
}

#[test]
fn a_container_and_what_joins_it_are_in_its_group_of_every_hierarchy() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    bundle.create();
    bundle.ok(&["start", &bundle.id]);
    let state: Value = serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
    let hierarchies = cgroup::Hierarchies::probe().unwrap();
    let groups = bundle.groups();
    assert_eq!(groups.len(), hierarchies.iter().count(), "{groups:?}");
    for group in &groups {
        let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap();
        assert_eq!(processes.trim_end(), state["pid"].to_string(), "{group:?}");
    }
    let init = fs::read_to_string(format!("/proc/{}/cgroup", state["pid"])).unwrap();
    let joined = bundle.ok(&[
        "exec",
        &bundle.id,
        "sh",
        "-c",
        "cat /proc/1/cgroup /proc/self/cgroup",
    ]);
    let (of_init, of_joined) = joined.split_at(joined.len() / 2);
    assert_eq!(of_init, of_joined);
    assert_eq!(init.lines().count(), of_joined.lines().count());
}

#[test]
fn a_container_shares_every_namespace_of_another_but_its_mounts() {
    let (Some(first), Some(second)) = (
        Bundle::new(&["sleep", "100"]),
        Bundle::new(&["sh", "-c", "ps; cat /proc/self/cgroup"]),
    ) else {
        return;
    };
    let kinds = ["pid", "network", "ipc", "uts", "cgroup", "user", "time"];
    first.change(|spec| {
        let mut namespaces = json!(kinds.map(|kind| json!({"type": kind})));
        namespaces
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "mount"}));
        spec["linux"]["namespaces"] = namespaces;
        let map = json!([{"containerID": 0, "hostID": 0, "size": 100}]);
        spec["linux"]["uidMappings"] = map.clone();
        spec["linux"]["gidMappings"] = map;
    });
    first.create();
    first.ok(&["start", &first.id]);
    let state: Value = serde_json::from_str(&first.ok(&["state", &first.id])).unwrap();
    second.change(|spec| {
        let shared = kinds.map(|kind| {
            let file = if kind == "network" { "net" } else { kind };
            json!({"type": kind, "path": format!("/proc/{}/ns/{file}", state["pid"])})
        });
        let mut namespaces = json!(shared);
        namespaces
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "mount"}));
        spec["linux"]["namespaces"] = namespaces;
    });
    let path = second.path();
    let said = second.ok(&["run", "-b", path.to_str().unwrap(), &second.id]);
    assert!(said.contains("sleep 100"), "{said}");
    // Its groups are its own, beside those that its cgroup namespace shows.
    let groups = said.lines().filter(|line| line.contains(&second.id));
    let hierarchies = cgroup::Hierarchies::probe().unwrap();
    assert_eq!(groups.count(), hierarchies.iter().count(), "{said}");
}

#[test]
fn without_a_cgroup_namespace_the_whole_of_version_2_is_seen() {
    let Some(bundle) = Bundle::new(&["ls", "-d", "/sys/fs/cgroup/cgroup.events"]) else {
        return;
    };
    if !cgroup::Hierarchies::probe().unwrap().unified() {
        eprintln!("skipped: version 1 of cgroups is mounted too");
        return;
    }
    let path = bundle.path();
    let run = ["run", "-b", path.to_str().unwrap(), &bundle.id];
    let namespace = |spec: &mut Value, wanted: bool| {
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|one| one["type"] != "cgroup");
        if wanted {
            namespaces.push(json!({"type": "cgroup"}));
        }
    };
    // The root of all alone has no such file.
    bundle.change(|spec| namespace(spec, true));
    bundle.ok(&run);
    bundle.change(|spec| namespace(spec, false));
    let said = bundle.run(&run);
    assert!(said.err.contains("No such file"), "{said:?}");
}

#[test]
fn a_group_that_the_container_writes_to_is_its_users() {
    let script = "mkdir /sys/fs/cgroup/below && echo 1 > /sys/fs/cgroup/below/cgroup.procs";
    let Some(bundle) = Bundle::new(&["sh", "-c", &format!("{script} && exec sleep 100")]) else {
        return;
    };
    if !cgroup::Hierarchies::probe().unwrap().unified() {
        eprintln!("skipped: version 1 of cgroups is mounted too");
        return;
    }
    let path = bundle.path();
    let run = ["run", "-d", "-b", path.to_str().unwrap(), &bundle.id];
    bundle.change(|spec| {
        spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        for mount in spec["mounts"].as_array_mut().unwrap() {
            if mount["type"] == "cgroup" {
                mount["options"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|one| one != "ro");
            }
        }
    });
    bundle.ok(&run);
    let [group] = &bundle.groups()[..] else {
        panic!("{:?}", bundle.groups());
    };
    let owner = |name: &str| {
        fs::metadata(group.join(name))
            .map(|found| found.uid())
            .unwrap()
    };
    let until = Instant::now() + Duration::from_secs(10);
    while !group.join("below").exists() {
        assert!(Instant::now() < until, "{group:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(
        ["", "cgroup.procs", "below", "pids.max"].map(owner),
        [1000, 1000, 1000, 0]
    );
}

#[test]
fn binds_hear_of_the_hosts_mounts_unless_they_are_of_the_roots_own() {
    let Some(bundle) = Bundle::new(&["cat", "/proc/self/mountinfo"]) else {
        return;
    };
    bundle.change(|spec| {
        let bind = |source: &str, destination: &str| {
            json!({"destination": destination, "source": source, "type": "bind", "options": ["bind"]})
        };
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.push(bind(".", "/bundle"));
        mounts.push(bind("/proc/sys", "/other"));
    });
    let path = bundle.path();
    let command = bundle.command(&["run", "-b", path.to_str().unwrap(), &bundle.id]);
    let master = |propagation: Option<&str>| {
        bundle.change(|spec| spec["linux"]["rootfsPropagation"] = json!(propagation));
        let shared = "mount --make-rshared / && exec \"$@\"";
        let output = std::process::Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                shared,
                "sh",
            ])
            .arg(command.get_program())
            .args(command.get_args())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        ["/", "/bundle", "/other"].map(|path| {
            let mut lines = text.lines();
            let line = lines.find(|line| line.split(' ').nth(4) == Some(path));
            line.unwrap().contains(" master:")
        })
    };
    assert_eq!(master(None), [false, false, true]);
    assert_eq!(master(Some("slave")), [true, true, true]);
    assert_eq!(master(Some("private")), [false, false, true]);
}

#[test]
fn exec_follows_an_init_that_manages_groups_of_its_own() {
    let Some(bundle) = Bundle::new(&["sleep", "100"]) else {
        return;
    };
    let path = bundle.path();
    bundle.ok(&["run", "-d", "--bundle", path.to_str().unwrap(), &bundle.id]);
    let read = |group: &Path, file: &str| fs::read_to_string(group.join(file));
    let groups = bundle.groups();
    let unified = groups.iter().find_map(|group| {
        let controllers = read(group, "cgroup.controllers").ok()?;
        // One of those that make a group with controllers below refuse processes.
        let domain = ["memory", "io", "hugetlb"];
        let found = domain.iter().find(|name| controllers.contains(*name))?;
        Some((group.clone(), *found))
    });
    let Some((unified, controller)) = unified else {
        eprintln!("skipped: version 2 of cgroups has no controller here");
        return;
    };
    let below = unified.join("below");
    fs::create_dir(&below).unwrap();
    let state: Value = serde_json::from_str(&bundle.ok(&["state", &bundle.id])).unwrap();
    fs::write(below.join("cgroup.procs"), state["pid"].to_string()).unwrap();
    fs::write(
        unified.join("cgroup.subtree_control"),
        format!("+{controller}"),
    )
    .unwrap();
    let is_below = || {
        let groups = bundle.ok(&["exec", &bundle.id, "cat", "/proc/self/cgroup"]);
        let mut unified = groups.lines().filter(|line| line.starts_with("0::/"));
        unified.next().unwrap().ends_with("/below")
    };
    assert!(is_below());
    let said = bundle.fails(&["exec", "--cgroup", "/", &bundle.id, "true"]);
    assert!(said.contains("error adding pid "), "{said}");
    assert!(
        said.contains(" to cgroups: device or resource busy"),
        "{said}"
    );
    let off = format!("-{controller}");
    fs::write(unified.join("cgroup.subtree_control"), off).unwrap();
    assert!(!is_below());
}
