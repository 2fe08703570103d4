use crate::pull::{published, pull, world};
use crate::world::{World, input};
use images::{Images, Progress};
use std::collections::BTreeMap;
use std::io::Read;
use types::Kind;

fn saved(images: &Images, names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut out = Vec::new();
    images.save(&names, None).unwrap().write(&mut out).unwrap();
    out
}

/// Members by name, and the names in their order.
fn members(archive: &[u8]) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut found, mut order) = (BTreeMap::new(), Vec::new());
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        order.push(name.clone());
        found.insert(name, bytes);
    }
    (found, order)
}

#[tokio::test]
async fn a_saved_image_has_dockers_shape_and_the_registrys_bytes() {
    let (world, (server, published)) = (world(), published("app:1").await);
    let images = world.open();
    let image = pull(&images, &server, "app:1").await.unwrap();
    let name = format!("{}/app:1", server.address);

    let (found, order) = members(&saved(&images, &[&name]));

    let manifest = format!("blobs/sha256/{}", published.manifest.hex());
    assert_eq!(found[&manifest], server.manifest_of("app:1"));
    let mut sorted = order.clone();
    sorted.sort();
    assert_eq!(order, sorted);
    let entries: serde_json::Value = serde_json::from_slice(&found["manifest.json"]).unwrap();
    assert_eq!(entries[0]["RepoTags"], serde_json::json!([name]));
    let config = format!("blobs/sha256/{}", image.id.hex());
    assert_eq!(entries[0]["Config"], config.as_str());
    assert_eq!(entries[0]["Layers"].as_array().unwrap().len(), 3);
    let index: serde_json::Value = serde_json::from_slice(&found["index.json"]).unwrap();
    let notes = &index["manifests"][0]["annotations"];
    assert_eq!(notes["io.containerd.image.name"], name.as_str());
    assert_eq!(notes["org.opencontainers.image.ref.name"], "1");
    assert_eq!(found["oci-layout"], br#"{"imageLayoutVersion": "1.0.0"}"#);
    assert_eq!(saved(&images, &[&name]), saved(&images, &[&name]));
}

#[tokio::test]
async fn a_saved_image_is_loaded_elsewhere_with_the_same_digests() {
    let (world, (server, _)) = (world(), published("app:1").await);
    let images = world.open();
    let image = pull(&images, &server, "app:1").await.unwrap();
    let name = format!("{}/app", server.address);
    let archive = saved(&images, &[&name, &image.id.to_string()]);
    let elsewhere = World::new();
    let other = elsewhere.open();

    let loaded = other
        .load(input(archive), None, Progress::none())
        .await
        .unwrap();

    assert_eq!(loaded.len(), 1, "{loaded:?}");
    let found = other.resolve(&format!("{name}:1")).unwrap();
    assert_eq!((found.id, found.manifest), (image.id, image.manifest));
}

#[tokio::test]
async fn what_is_not_here_or_for_another_platform_is_not_saved() {
    let (world, (server, _)) = (world(), published("app:1").await);
    let images = world.open();
    pull(&images, &server, "app:1").await.unwrap();

    let missing = images.save(&["nope".to_owned()], None).unwrap_err();
    let name = format!("{}/app:1", server.address);
    let platform = "linux/arm64".parse().unwrap();
    let other = images.save(&[name], Some(&platform)).unwrap_err();

    assert_eq!(missing.kind(), types::ErrorKind::NotFound);
    let words = "no suitable export target found for platform linux/arm64";
    assert_eq!(other.to_string(), words);
}
