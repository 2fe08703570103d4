//! `version`, `info`, `system df`, `system doctor`.

use testing::TestHost;

#[test]
fn version_names_client_and_server() {
    let host = TestHost::start();
    let text = host.cli(&["version"]).success().text();
    assert!(text.starts_with("Client:\n Version: "), "{text}");
    assert!(text.contains("\nServer:"), "{text}");
    let server = host
        .cli(&["version", "--format", "{{.Server.ApiVersion}}"])
        .success()
        .text();
    assert!(server.starts_with("1."), "{server}");
    let short = host.cli(&["--version"]).success().text();
    assert!(short.starts_with("corten version "), "{short}");
}

#[test]
fn info_counts_containers() {
    let host = TestHost::start();
    let _one = crate::Running::sleeping(&host);
    let running: u32 = host
        .cli(&["info", "--format", "{{.ContainersRunning}}"])
        .success()
        .text()
        .trim()
        .parse()
        .unwrap();
    assert!(running >= 1);
    assert!(
        host.cli(&["info"])
            .success()
            .text()
            .contains("Server Version: ")
    );
}

#[test]
fn df_adds_up_what_is_on_disk() {
    let host = TestHost::start();
    let text = host.cli(&["system", "df"]).success().text();
    let kinds: Vec<_> = text
        .lines()
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(
        &kinds[..4],
        ["TYPE", "Images", "Containers", "Local Volumes"],
        "{text}"
    );
}

#[test]
fn doctor_finds_nothing_on_a_healthy_host_whether_the_daemon_runs_or_not() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let mut host = TestHost::start();
    let one = crate::Running::sleeping(&host);
    assert_eq!(host.cli(&["system", "doctor"]).success().text(), "");
    host.cli(&["rm", "-f", &one.id]).success();
    drop(one);
    host.stop_daemon();
    assert_eq!(host.cli(&["system", "doctor"]).success().text(), "");
}

#[test]
fn doctor_knows_the_containers_on_record_without_the_daemon_too() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let mut host = TestHost::start();
    host.cli(&["create", "busybox"]).success();
    host.stop_daemon();
    let clean = host.cli(&["system", "doctor"]).success();
    assert_eq!((clean.text().as_str(), clean.error().as_str()), ("", ""));
    let left = host.paths().containers().join("0".repeat(64));
    std::fs::create_dir(&left).unwrap();
    let found = host.cli(&["system", "doctor"]).code(1).text();
    assert!(found.contains(left.to_str().unwrap()), "{found}");
    std::fs::remove_dir(&left).unwrap();
    host.start_daemon();
}

#[test]
fn system_prune_frees_what_nothing_uses() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    host.cli(&["run", "-v", "/data", "busybox", "true"])
        .success();
    host.cli(&["network", "create", "idle"]).success();
    host.cli(&["volume", "create", "named"]).success();
    let volumes = || host.cli(&["volume", "ls", "-q"]).success().text();
    let ran = host.cli(&["system", "prune", "-f", "-a"]).success();
    assert!(ran.text().contains("Deleted Containers:"), "{ran}");
    assert!(ran.text().contains("Deleted Images:"), "{ran}");
    assert!(ran.text().contains("Deleted Networks:\nidle\n"), "{ran}");
    assert_eq!(host.cli(&["images", "-q"]).success().text(), "");
    assert_eq!(volumes().lines().count(), 2);
    let ran = host.cli(&["system", "prune", "-f", "--volumes"]).success();
    assert!(ran.text().starts_with("Deleted Volumes:\n"), "{ran}");
    assert_eq!(volumes(), "named\n");
}

/// The groups of a process's siblings, in each hierarchy that is mounted where it mostly is.
fn beside(pid: &str) -> Vec<std::path::PathBuf> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let places = table.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let mount = match controllers.strip_prefix("name=").unwrap_or(controllers) {
            "" => "/sys/fs/cgroup/unified",
            name => &format!("/sys/fs/cgroup/{name}"),
        };
        let parent = std::path::Path::new(path)
            .parent()?
            .strip_prefix("/")
            .ok()?;
        let place = std::path::Path::new(mount).join(parent);
        let ours = parent.to_string_lossy().contains("corten-");
        (ours && place.exists()).then_some(place)
    });
    places.collect()
}

#[test]
fn groups_that_no_supervisor_holds_are_removed_by_the_next_daemon() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut host = TestHost::start();
    let held = host.run_detached(&["busybox", "sleep", "60"]);
    let pid = host.inspect(&held, "{{.State.Pid}}");
    let parents = beside(pid.trim());
    assert!(!parents.is_empty(), "the container has groups");
    let name = "0".repeat(64);
    let mut stray = std::process::Command::new("sleep")
        .arg("100")
        .spawn()
        .unwrap();
    for parent in &parents {
        let group = parent.join(&name);
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("cgroup.procs"), stray.id().to_string()).unwrap();
    }

    host.stop_daemon();
    host.start_daemon();

    assert_eq!(stray.wait().unwrap().signal(), Some(9));
    for parent in &parents {
        assert!(!parent.join(&name).exists(), "{}", parent.display());
        assert!(parent.join(&held).exists(), "{}", parent.display());
    }
    assert!(
        host.daemon_log()
            .contains("control groups that nobody held")
    );
    host.cli(&["exec", &held, "true"]).success();
}

#[test]
fn the_daemons_defaults_are_for_containers_that_say_nothing() {
    let mut host = TestHost::idle();
    host.start_daemon_with(&[
        "--default-ulimit",
        "nofile=100:200",
        "--no-new-privileges",
        "--default-ipc-mode=shareable",
        "--seccomp-profile=unconfined",
    ]);
    host.import_image();
    let script = "ulimit -Sn; ulimit -Hn; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status";
    let run = |flags: &[&str]| {
        let words = ["busybox", "sh", "-c", script];
        let ran = host.cli(&[&["run", "--rm"], flags, &words].concat());
        let text = ran.success().text();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(run(&[]), "100 200 NoNewPrivs: 1 Seccomp: 0");
    let own = ["--ulimit", "nofile=50", "--security-opt"];
    let own = [&own[..], &["no-new-privileges=false"]].concat();
    let own = [&own[..], &["--security-opt", "seccomp=builtin"]].concat();
    assert_eq!(run(&own), "50 50 NoNewPrivs: 0 Seccomp: 2");
    host.cli(&["create", "--name", "one", "busybox"]).success();
    assert_eq!(
        host.inspect("one", "{{.HostConfig.IpcMode}}").trim(),
        "shareable"
    );
    let info = host.http("GET", "/info", None).json();
    let options = info["SecurityOptions"].to_string();
    assert_eq!(
        options,
        r#"["name=seccomp,profile=unconfined","name=no-new-privileges"]"#
    );
}
