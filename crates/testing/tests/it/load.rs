//! `load`: images that others saved.

use crate::unique;
use std::process::Command;
use testing::{TestHost, missing};

/// A docker archive of one layer, as `docker save` writes it.
fn archive(name: &str, layer: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let digest = hex::encode(Sha256::digest(layer));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["/file"],"Env":["X=1"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}},"history":[{{"created_by":"test"}}]}}"#
    );
    let config_name = format!("{}.json", hex::encode(Sha256::digest(config.as_bytes())));
    let manifest = format!(
        r#"[{{"Config":"{config_name}","RepoTags":["{name}:v1"],"Layers":["layer.tar"]}}]"#
    );
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in [
        (config_name.as_str(), config.as_bytes()),
        ("layer.tar", layer),
        ("manifest.json", manifest.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        archive.append_data(&mut header, path, bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn a_docker_archive_is_loaded_with_its_name() {
    let host = TestHost::start();
    let name = unique("loaded");
    let bytes = archive(&name, &crate::images::tree(&name));
    let ran = host.cli_with_input(&["load"], bytes).success();
    assert!(
        ran.text().contains(&format!("Loaded image: {name}:v1")),
        "{ran}"
    );
    assert_eq!(
        host.inspect(&format!("{name}:v1"), "{{json .Config.Cmd}}"),
        r#"["/file"]"#
    );
    host.cli(&["rmi", &format!("{name}:v1")]).success();
}

#[test]
fn a_file_is_loaded_by_path() {
    let host = TestHost::start();
    let name = unique("from-file");
    let file = host.scratch().join("image.tar");
    std::fs::write(&file, archive(&name, &crate::images::tree(&name))).unwrap();
    host.cli(&["load", "-q", "-i", file.to_str().unwrap()])
        .success();
    host.cli(&["rmi", &format!("{name}:v1")]).success();
}

#[test]
fn a_layer_that_is_not_what_it_claims_is_refused() {
    let host = TestHost::start();
    let name = unique("forged");
    let mut bytes = archive(&name, &crate::images::tree("aaaa"));
    let at = bytes
        .windows(4)
        .position(|window| window == b"aaaa")
        .unwrap();
    bytes[at] = b'b';
    let ran = host.cli_with_input(&["load"], bytes);
    assert_ne!(ran.code, 0, "{ran}");
    host.cli(&["image", "inspect", &format!("{name}:v1")])
        .code(1);
}

#[test]
fn what_is_no_archive_is_refused() {
    let host = TestHost::start();
    let ran = host.cli_with_input(&["load"], "garbage");
    assert_ne!(ran.code, 0, "{ran}");
    assert!(!ran.error().is_empty(), "{ran}");
}

#[test]
fn a_compressed_archive_is_loaded() {
    if missing("a_compressed_archive_is_loaded", "gzip") {
        return;
    }
    let host = TestHost::start();
    let name = unique("compressed");
    let mut gzip = Command::new("gzip");
    gzip.arg("-c");
    let packed =
        testing::run_with_input(gzip, archive(&name, &crate::images::tree(&name))).success();
    host.cli_with_input(&["load"], packed.stdout).success();
    host.cli(&["rmi", &format!("{name}:v1")]).success();
}
