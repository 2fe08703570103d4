//! `images`, `tag`, `rmi`, `history`.

use crate::{Running, unique};
use testing::TestHost;

#[test]
fn an_image_is_listed_by_its_names() {
    let host = TestHost::start();
    let name = unique("named");
    host.cli(&["tag", "busybox", &format!("{name}:one")])
        .success();
    host.cli(&["tag", "busybox", &format!("{name}:two")])
        .success();
    let listed = host
        .cli(&["images", "--format", "{{.Repository}}:{{.Tag}}", &name])
        .success();
    let text = listed.text();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [format!("{name}:one"), format!("{name}:two")]);
    let ran = host
        .cli(&["rmi", &format!("{name}:one"), &format!("{name}:two")])
        .success();
    assert_eq!(
        ran.text(),
        format!("Untagged: {name}:one\nUntagged: {name}:two\n")
    );
    host.cli(&["image", "inspect", "busybox"]).success();
}

#[test]
fn the_table_has_dockers_columns() {
    let host = TestHost::start();
    let text = host.cli(&["images"]).success().text();
    let heading: Vec<_> = text
        .lines()
        .next()
        .unwrap()
        .split("   ")
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(
        heading,
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    );
    assert!(
        text.lines()
            .any(|line| line.starts_with("busybox") && line.contains("latest")),
        "{text}"
    );
}

#[test]
fn quiet_shows_ids() {
    let host = TestHost::start();
    let short = host.cli(&["images", "-q", "busybox"]).success().text();
    let long = host
        .cli(&["images", "-q", "--no-trunc", "busybox"])
        .success()
        .text();
    assert_eq!(short.trim().len(), 12);
    assert!(
        long.starts_with(&format!("sha256:{}", short.trim())),
        "{long}"
    );
    assert_eq!(host.inspect("busybox", "{{.Id}}"), long.trim());
}

#[test]
fn an_image_in_use_is_not_removed() {
    let host = TestHost::start();
    let name = unique("used");
    let archive = tree(&name);
    host.cli_with_input(&["import", "-", &name], archive)
        .success();
    let one = host.cli(&["create", &name, "/x"]).success().text();
    let ran = host.cli(&["rmi", &name]).code(1);
    assert!(ran.error().contains("conflict"), "{ran}");
    host.cli(&["rm", one.trim()]).success();
    host.cli(&["rmi", &name]).success();
    host.cli(&["image", "inspect", &name]).code(1);
}

/// An archive that no other image shares: one file with this text.
pub(crate) fn tree(text: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    archive
        .append_data(&mut header, "file", text.as_bytes())
        .unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn a_container_outlives_the_name_of_its_image() {
    let host = TestHost::start();
    let name = unique("passing");
    host.cli(&["tag", "busybox", &name]).success();
    let one = Running::new(&host, &[&name, "sleep", "600"]);
    host.cli(&["rmi", "-f", &name]).success();
    host.cli(&["exec", &one.id, "true"]).success();
}

#[test]
fn history_tells_how_it_was_made() {
    let host = TestHost::start();
    let name = unique("told");
    host.cli_with_input(&["import", "-m", "from a test", "-", &name], tree(&name))
        .success();
    let ran = host
        .cli(&["history", "--format", "{{.Comment}}", &name])
        .success();
    assert_eq!(ran.text(), "from a test\n");
    // The image that it was made of here has the entry below, with its names.
    let container = host.cli(&["create", &name, "true"]).success();
    let container = container.text().trim().to_owned();
    let made = host.cli(&["commit", &container]).success();
    let made = made.text().trim().to_owned();
    let history = host.http("GET", &format!("/images/{made}/history"), None);
    let history = history.json();
    assert_eq!(history[0]["Id"], made);
    assert_eq!(history[1]["Id"], host.inspect(&name, "{{.Id}}"));
    assert_eq!(history[1]["Tags"][0], format!("{name}:latest"));
    host.cli(&["rm", &container]).success();
    host.cli(&["rmi", &made]).success();
    host.cli(&["rmi", &name]).success();
}

#[test]
fn a_prune_tells_what_it_freed_and_not_what_others_have_too() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    host.cli(&[
        "exec",
        &one.id,
        "sh",
        "-c",
        "head -c 300000 /dev/urandom >/noise",
    ])
    .success();
    host.cli(&["commit", &one.id]).success();
    let pruned = host.http("POST", "/images/prune", None).json();
    let freed = pruned["SpaceReclaimed"].as_u64().unwrap();
    // The noise as a layer and in its archive, and a configuration.
    assert!((300_000..1_200_000).contains(&freed), "{pruned}");
    host.cli(&["run", "--rm", "busybox", "true"]).success();
}
