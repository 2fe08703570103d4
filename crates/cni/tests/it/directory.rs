//! Networks of a directory.

use cni::{Directory, Version};
use std::fs;

fn names(directory: &Directory) -> Vec<&str> {
    let networks = directory.networks().iter();
    networks.map(|network| network.name.as_str()).collect()
}

#[test]
fn networks_are_read_in_the_order_of_their_files_and_again_when_they_change() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("net.d");
    let mut directory = Directory::new(&path);
    directory.refresh().expect("there need be no directory");
    assert_eq!(names(&directory), [""; 0]);

    fs::create_dir(&path).expect("a directory");
    let write = |name: &str, text: &str| fs::write(path.join(name), text).expect("a file");
    write(
        "20-b.conf",
        r#"{"cniVersion":"0.4.0","name":"b","type":"ptp"}"#,
    );
    write(
        "10-a.conflist",
        r#"{"cniVersion":"1.0.0","name":"a","disableCheck":"true","plugins":[{"type":"bridge","capabilities":{"portMappings":true,"mac":false}}]}"#,
    );
    write("30-c.json", r#"{"name":"c","type":"loopback"}"#);
    write("05-wrong.conflist", "{");
    write("readme.txt", "no network");
    fs::create_dir(path.join("40-d.conf")).expect("a directory");
    directory.refresh().expect("it is read");
    assert_eq!(names(&directory), ["a", "b", "c"]);
    let [a, b, c] = directory.networks() else {
        panic!("three networks")
    };
    assert!(a.disable_check && !a.disable_gc);
    assert_eq!(a.capabilities(), ["portMappings"]);
    assert_eq!(b.versions, [Version::V040]);
    assert_eq!(c.versions, [Version::V010]);
    let wrong: Vec<_> = directory.wrong().iter().map(ToString::to_string).collect();
    let file = path.join("05-wrong.conflist");
    let expected = format!("network configuration {}: EOF", file.display());
    assert!(
        wrong.len() == 1 && wrong[0].starts_with(&expected),
        "{wrong:?}"
    );

    // Of the same size, in the same place.
    write(
        "20-b.conf",
        r#"{"cniVersion":"0.4.0","name":"x","type":"ptp"}"#,
    );
    fs::remove_file(&file).expect("a file");
    directory.refresh().expect("it is read");
    assert_eq!(
        (names(&directory), directory.wrong().len()),
        (vec!["a", "x", "c"], 0)
    );
    fs::remove_dir_all(&path).expect("a directory");
    directory.refresh().expect("it is read");
    assert_eq!(names(&directory), [""; 0]);
}

#[test]
fn plugins_of_files_beside_a_list_come_after_its_own() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path();
    fs::create_dir(path.join("net")).expect("a directory");
    let write = |name: &str, text: &str| fs::write(path.join(name), text).expect("a file");
    write(
        "net.conflist",
        r#"{"name":"net","plugins":[{"type":"bridge"}]}"#,
    );
    write("net/20.conf", r#"{"type":"portmap"}"#);
    write("net/10.conf", r#"{"type":"tuning"}"#);
    let mut directory = Directory::new(path);
    let kinds = |directory: &Directory| {
        let plugins = directory.networks().first().map(|net| net.plugins.clone());
        let plugins = plugins.unwrap_or_default().into_iter();
        plugins.map(|plugin| plugin.kind).collect::<Vec<_>>()
    };
    directory.refresh().expect("it is read");
    assert_eq!(kinds(&directory), ["bridge", "tuning", "portmap"]);
    fs::remove_file(path.join("net/10.conf")).expect("a file");
    directory.refresh().expect("it is read");
    assert_eq!(kinds(&directory), ["bridge", "portmap"]);
    write(
        "net.conflist",
        r#"{"name":"net","loadOnlyInlinedPlugins":true,"plugins":[{"type":"bridge"}]}"#,
    );
    directory.refresh().expect("it is read");
    assert_eq!(kinds(&directory), ["bridge"]);
    write("net.conflist", r#"{"name":"net"}"#);
    directory.refresh().expect("it is read");
    assert_eq!(kinds(&directory), ["portmap"]);
    fs::remove_file(path.join("net/20.conf")).expect("a file");
    directory.refresh().expect("it is read");
    assert_eq!(
        (kinds(&directory), directory.wrong().len()),
        (Vec::new(), 1)
    );
}
