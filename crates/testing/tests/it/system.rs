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
    host.cli(&["run", "busybox", "true"]).success();
    let ran = host.cli(&["system", "prune", "-f", "-a"]).success();
    assert!(ran.text().contains("Deleted Containers:"), "{ran}");
    assert!(ran.text().contains("Deleted Images:"), "{ran}");
    assert_eq!(host.cli(&["images", "-q"]).success().text(), "");
}
