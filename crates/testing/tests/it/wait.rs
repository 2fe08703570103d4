//! `wait`, `top`, `stats`, `port`.

use crate::Running;
use testing::TestHost;

#[test]
fn wait_blocks_until_the_end_and_prints_the_status() {
    let host = TestHost::start();
    let one = Running::new(&host, &["busybox", "sh", "-c", "sleep 0.3; exit 3"]);
    assert_eq!(host.cli(&["wait", &one.id]).success().text(), "3\n");
    assert_eq!(
        host.cli(&["wait", &one.id]).success().text(),
        "3\n",
        "again, at once"
    );
    let ran = host.cli(&["wait", "ghost"]).code(1);
    assert!(ran.error().contains("No such container: ghost"), "{ran}");
}

#[test]
fn top_lists_the_processes() {
    let host = TestHost::start();
    let one = Running::new(&host, &["busybox", "sh", "-c", "sleep 600 & wait"]);
    host.until("both run", |host| {
        host.cli(&["top", &one.id]).text().lines().count() == 3
    });
    let text = host.cli(&["top", &one.id]).success().text();
    assert!(text.starts_with("UID"), "{text}");
    assert!(text.contains("sleep 600"), "{text}");
}

#[test]
fn stats_are_a_row_a_container() {
    let host = TestHost::start();
    let one = Running::new(&host, &["-m", "64m", "busybox", "sleep", "600"]);
    let text = host
        .cli(&[
            "stats",
            "--no-stream",
            "--format",
            "{{.ID}} {{.MemUsage}} {{.PIDs}}",
            &one.id,
        ])
        .success()
        .text();
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(words[0], &one.id[..12]);
    assert!(text.contains("/ 64MiB 1"), "{text}");
}

#[test]
fn a_port_that_is_not_published_has_no_address() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    assert_eq!(host.cli(&["port", &one.id]).success().text(), "");
    host.cli(&["port", &one.id, "80"]).code(1);
}
