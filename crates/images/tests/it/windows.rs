//! Images of Windows: found by the version of the system, with layers that only their maker gives.

use crate::pull::{password, request, told, world};
use crate::server::{OCI, Secret, Server};
use crate::world::{World, archive, input, sha256};
use images::{Image, Images, Progress, Push};
use std::io::Write;
use types::Digest;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A Windows image whose base layer is at `maker` alone, as an entry of an index.
fn publish(server: &Server, maker: &Server, version: &str) -> (serde_json::Value, Digest) {
    let base = archive(&[("Files/Windows/System32/ntdll.dll", version.as_bytes())]);
    let own = archive(&[("Files/app.exe", b"app"), ("Hives/Software_Delta", b"hive")]);
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "windows", "os.version": version,
        "config": {"Cmd": ["app.exe"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&base), sha256(&own)]},
    }))
    .unwrap();
    let (base, own) = (gzip(&base), gzip(&own));
    let digest = maker.blob(&base);
    let url = format!("http://{}/v2/base/blobs/{digest}", maker.address);
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": {"mediaType": format!("{OCI}.config.v1+json"),
            "digest": server.blob(&config), "size": config.len()},
        "layers": [
            {"mediaType": foreign, "digest": digest, "size": base.len(), "urls": ["ftp://a/b", url]},
            {"mediaType": format!("{OCI}.layer.v1.tar+gzip"), "digest": server.blob(&own),
                "size": own.len()},
        ],
    }))
    .unwrap();
    let kind = format!("{OCI}.manifest.v1+json");
    let entry = serde_json::json!({"mediaType": kind, "size": manifest.len(),
        "digest": server.manifest(&format!("win:{version}"), &kind, &manifest),
        "platform": {"os": "windows", "architecture": "amd64", "os.version": version}});
    (entry, digest)
}

async fn pulled(images: &Images, server: &Server, platform: &str) -> Result<Image, images::Error> {
    let mut pull = request(server, "win:1");
    pull.platform = Some(platform.parse().unwrap());
    pull.credentials = password("p");
    images.pull(pull, Progress::none()).await
}

#[tokio::test]
async fn a_windows_image_is_pulled_saved_loaded_and_pushed_like_any_other() {
    let (server, maker) = (Server::start().await, Server::start().await);
    let (old, _) = publish(&server, &maker, "10.0.17763.1");
    let (new, base) = publish(&server, &maker, "10.0.20348.5");
    let index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"), "manifests": [old, new],
    }))
    .unwrap();
    server.manifest("win:1", &format!("{OCI}.index.v1+json"), &index);
    server.misbehave(|mischief| mischief.secret = Some(Secret::Basic("user:p")));
    let world = world();
    let images = world.open();
    let image = pulled(&images, &server, "windows(10.0.20348.9)/amd64")
        .await
        .unwrap();

    assert_eq!(image.platform().os, "windows");
    assert_eq!(image.platform().os_version.as_deref(), Some("10.0.20348.5"));
    assert_eq!((server.asked(&base), maker.asked(&base)), (1, 1));
    let shown = maker
        .state()
        .log
        .iter()
        .filter_map(|(_, shown, _)| shown.clone())
        .next();
    assert_eq!(shown, None, "no credentials for whom a manifest names");

    server.misbehave(|mischief| mischief.secret = None);
    let name = format!("{}/win:1", server.address);
    let mut saved = Vec::new();
    let save = images.save(std::slice::from_ref(&name), None).unwrap();
    save.write(&mut saved).unwrap();
    let elsewhere = World::new();
    let other = elsewhere.open();
    other
        .load(input(saved), None, Progress::none())
        .await
        .unwrap();
    assert_eq!(other.resolve(&name).unwrap().manifest, image.manifest);

    let to = Server::start().await;
    let reference: images::Reference = format!("{}/mine:2", to.address).parse().unwrap();
    images.tag(&image.id.to_string(), &reference).unwrap();
    let (progress, lines) = told();
    let push = Push {
        reference,
        platform: None,
        credentials: None,
    };
    images.push(push, progress).await.unwrap();
    assert_eq!(
        to.manifest_of("mine:2"),
        server.manifest_of("win:10.0.20348.5")
    );
    assert!(
        !to.state().has(&base.to_string()),
        "the maker's alone to give"
    );
    let lines = lines.lock().unwrap().join("\n");
    assert!(lines.contains(": Skipped foreign layer"), "{lines}");
}

#[tokio::test]
async fn a_layer_that_is_nowhere_is_said_to_be_missing_at_the_registry() {
    let (server, maker) = (Server::start().await, Server::start().await);
    let (_, base) = publish(&server, &maker, "10.0.20348.5");
    maker.forget(&base);
    let world = world();
    let images = world.open();
    let mut pull = request(&server, "win:10.0.20348.5");
    pull.platform = None;
    let error = images.pull(pull, Progress::none()).await.unwrap_err();
    let words = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
    assert!(
        words.contains(&server.address) && !words.contains(&maker.address),
        "{words}"
    );
}
