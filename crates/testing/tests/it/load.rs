//! `load`: images that others saved.

use crate::unique;
use std::path::Path;
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

/// The manifest of a layout's only image.
fn only_manifest(layout: &Path) -> (String, serde_json::Value) {
    let read = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let index = read(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest = read(&layout.join(format!("blobs/{}", digest.replace(':', "/"))));
    (digest, manifest)
}

#[test]
fn a_directory_with_a_layout_is_saved_and_loaded() {
    let host = TestHost::start();
    let name = format!("{}:v1", unique("layout"));
    host.cli_with_input(&["import", "-", &name], crate::images::tree(&name))
        .success();
    let id = host.inspect(&name, "{{.Id}}");
    let layout = host.scratch().join("layout");
    let at = layout.to_str().unwrap();

    let save = ["save", "--format", "oci-dir", "-o", at, &name];
    host.cli(&save).success();
    let mut names: Vec<_> = std::fs::read_dir(&layout)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);
    // Another time it is in the way, and stays as it is.
    host.cli(&save).code(1);
    assert!(!layout.with_extension("partial").exists());

    host.cli(&["rmi", &name]).success();
    let ran = host.cli(&["load", "-i", at]).success();
    assert_eq!(ran.text(), format!("Loaded image: {name}\n"));
    assert_eq!(host.inspect(&name, "{{.Id}}"), id);
    for (format, words) in [
        ("oci-dir", "a directory must be given by --output"),
        ("docker-dir", "unknown format \"docker-dir\""),
    ] {
        let refused = host.cli(&["save", "--format", format, &name]).code(1);
        assert!(refused.error().contains(words), "{refused}");
    }
    host.cli(&["rmi", &name]).success();
}

#[test]
fn artifacts_about_an_image_are_passed_over_in_a_layout() {
    use sha2::{Digest, Sha256};
    let host = TestHost::start();
    let name = format!("{}:v1", unique("signed"));
    host.cli_with_input(&["import", "-", &name], crate::images::tree(&name))
        .success();
    let id = host.inspect(&name, "{{.Id}}");
    let layout = host.scratch().join("layout");
    let at = layout.to_str().unwrap();
    host.cli(&["save", "--format", "oci-dir", "-o", at, &name])
        .success();
    host.cli(&["rmi", &name]).success();
    let blob = |bytes: &[u8]| {
        let hex = hex::encode(Sha256::digest(bytes));
        std::fs::write(layout.join(format!("blobs/sha256/{hex}")), bytes).unwrap();
        serde_json::json!({"digest": format!("sha256:{hex}"), "size": bytes.len()})
    };
    let (subject, _) = only_manifest(&layout);
    let typed = |mut blob: serde_json::Value, kind: &str| {
        blob["mediaType"] = kind.into();
        blob
    };
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let empty = typed(blob(b"{}"), "application/vnd.oci.empty.v1+json");
    let artifact = serde_json::json!({
        "schemaVersion": 2, "mediaType": manifest, "artifactType": "text/signature",
        "config": empty, "layers": [empty],
        "subject": {"mediaType": manifest, "digest": subject, "size": 1},
    });
    let artifact = blob(&serde_json::to_vec(&artifact).unwrap());
    let path = layout.join("index.json");
    let mut index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let manifests = index["manifests"].as_array_mut().unwrap();
    manifests.insert(0, typed(artifact, manifest));
    std::fs::write(&path, serde_json::to_vec(&index).unwrap()).unwrap();

    let ran = host.cli(&["load", "-i", at]).success();
    assert_eq!(ran.text(), format!("Loaded image: {name}\n"));
    assert_eq!(host.inspect(&name, "{{.Id}}"), id);
    host.cli(&["rmi", &name]).success();
}
