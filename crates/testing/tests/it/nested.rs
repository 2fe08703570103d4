//! corten in a container of corten: its executables and a place for its root are bound in.

use testing::{TestHost, directory};

/// The inner one's root has to lie on a disk: EROFS images are not mounted from an overlay.
fn binds(host: &TestHost) -> [String; 2] {
    let root = host.scratch().join("inner");
    std::fs::create_dir_all(&root).unwrap();
    [
        format!("{}:/opt/corten:ro", directory().display()),
        format!("{}:/var/lib/corten", root.display()),
    ]
}

/// Starts the inner daemon, and makes an image of the outer container's own files.
const INNER_DAEMON: &str = r#"
    set -e
    PATH=/opt/corten:$PATH
    corten daemon >/daemon.log 2>&1 &
    daemon=$!
    until [ -S /run/corten/corten.sock ]; do sleep 0.02; done
    tar -C / -cf - bin etc | corten import - inner >/dev/null
"#;

fn script(rest: &str) -> String {
    format!("{INNER_DAEMON}{rest}")
}

fn nested(host: &TestHost, options: &[&str], rest: &str) -> testing::Ran {
    let [executables, root] = binds(host);
    let script = script(rest);
    let mut args = vec!["run", "--rm", "--privileged", "-v", &executables];
    args.extend(["-v", &root]);
    args.extend(options);
    args.extend(["busybox", "sh", "-c", &script]);
    host.cli(&args)
}

/// Runs, limits, executes, ends with the program's code, and leaves nothing.
const WORK: &str = r#"
    corten run --rm --memory 64m --pids-limit 50 inner sh -c '
        echo "root $(grep -c " / overlay " /proc/mounts)"
        cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || :
        echo "pid $$"'
    corten run -d --name one inner sleep 600 >/dev/null
    corten exec one echo executed
    corten rm -f one
    corten run --rm inner sh -c 'exit 7' || echo "code $?"
    for try in $(seq 100); do corten system doctor >/doctor && break; sleep 0.02; done
    cat /doctor
    kill $daemon
    wait $daemon || echo "daemon $?"
"#;
const WORKED: &str = "root 1\n67108864\npid 1\nexecuted\none\ncode 7\n";

#[test]
fn corten_runs_in_a_privileged_container() {
    let host = TestHost::start();
    let ran = nested(&host, &[], WORK).success();
    assert_eq!(ran.text(), WORKED, "{ran}");
}

#[test]
fn corten_runs_where_the_cgroups_seem_to_be_the_hosts() {
    let host = TestHost::start();
    let ran = nested(&host, &["--cgroupns", "private"], WORK).success();
    assert_eq!(ran.text(), WORKED, "{ran}");
}

#[test]
fn corten_runs_where_the_cgroups_are_the_hosts() {
    let host = TestHost::start();
    let ran = nested(&host, &["--cgroupns", "host"], WORK).success();
    assert_eq!(ran.text(), WORKED, "{ran}");
}

/// What is left is looked for when the host goes.
#[test]
fn killing_the_outer_container_ends_the_inner_ones() {
    let host = TestHost::start();
    let [executables, root] = binds(&host);
    let script = script("corten run -d --memory 64m inner sleep 600; exec sleep 600");
    let args = ["--privileged", "-v", &executables, "-v", &root, "busybox"];
    let outer = host.run_detached(&[&args[..], &["sh", "-c", &script]].concat());
    host.until("the inner container runs", |host| {
        host.cli(&["logs", &outer]).text().len() > 60
    });
    host.cli(&["kill", &outer]).success();
    assert_eq!(host.cli(&["wait", &outer]).success().text(), "137\n");
    host.cli(&["rm", &outer]).success();
}
