use crate::pull::chain;
use crate::world::{World, archive, gzip, input, sha256};
use images::{Error, Event, Progress};
use std::sync::{Arc, Mutex};
use types::Digest;

/// A configuration of these layers.
fn config(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<Digest> = layers.iter().map(|layer| sha256(layer)).collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-05-01T10:00:00.5Z",
        "config": {"Cmd": ["/bin/sh"], "Env": null},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": [{"created_by": "one"}, {"created_by": "none", "empty_layer": true}, {"created_by": "two"}],
    }))
    .unwrap()
}

fn layers() -> [Vec<u8>; 2] {
    [
        archive(&[("bin/sh", &[1; 70_000])]),
        archive(&[("etc/x", b"x")]),
    ]
}

/// As skopeo writes docker-archives, the second layer through a link.
fn docker_archive(tags: &str) -> (Vec<u8>, Digest) {
    let [low, high] = layers();
    let config = config(&[&low, &high]);
    let manifest = format!(
        r#"[{{"Config":"{}.json","RepoTags":{tags},"Layers":["low.tar","other/layer.tar"]}}]"#,
        sha256(&config).hex()
    );
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        ("low.tar", low.as_slice()),
        ("high.tar", &high),
        (&format!("{}.json", sha256(&config).hex()), &config),
        ("manifest.json", manifest.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_mode(0o777);
    builder
        .append_link(&mut header, "other/layer.tar", "../high.tar")
        .unwrap();
    (builder.into_inner().unwrap(), sha256(&config))
}

/// An OCI layout with a manifest and an attestation behind an index.
fn oci_archive() -> (Vec<u8>, Digest, Digest) {
    let [low, high] = layers();
    let (low_blob, high_blob) = (gzip(&low), zstd::encode_all(high.as_slice(), 1).unwrap());
    let config = config(&[&low, &high]);
    let oci = "application/vnd.oci.image";
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{oci}.manifest.v1+json"),
        "config": {"mediaType": format!("{oci}.config.v1+json"), "digest": sha256(&config), "size": config.len()},
        "layers": [
            {"mediaType": format!("{oci}.layer.v1.tar+gzip"), "digest": sha256(&low_blob), "size": low_blob.len()},
            {"mediaType": format!("{oci}.layer.v1.tar+zstd"), "digest": sha256(&high_blob), "size": high_blob.len()},
        ],
    })).unwrap();
    let inner = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{oci}.index.v1+json"),
        "manifests": [
            {"mediaType": format!("{oci}.manifest.v1+json"), "digest": sha256(b"absent"), "size": 6,
             "platform": {"os": "linux", "architecture": "s390x"}},
            {"mediaType": format!("{oci}.manifest.v1+json"), "digest": sha256(&manifest), "size": manifest.len(),
             "platform": {"os": "linux", "architecture": "amd64"}},
            {"mediaType": format!("{oci}.manifest.v1+json"), "digest": sha256(b"attest"), "size": 6,
             "platform": {"os": "unknown", "architecture": "unknown"}},
        ],
    })).unwrap();
    let index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{"mediaType": format!("{oci}.index.v1+json"), "digest": sha256(&inner), "size": inner.len(),
            "annotations": {"io.containerd.image.name": "docker.io/library/two:1", "org.opencontainers.image.ref.name": "1"}}],
    })).unwrap();
    let place = |bytes: &[u8]| format!("blobs/sha256/{}", sha256(bytes).hex());
    let tar = archive(&[
        ("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}"),
        ("index.json", &index),
        (&place(&low_blob), &low_blob),
        (&place(&high_blob), &high_blob),
        (&place(&config), &config),
        (&place(&manifest), &manifest),
        (&place(&inner), &inner),
    ]);
    (tar, sha256(&config), sha256(&manifest))
}

#[tokio::test]
async fn a_docker_archive_is_loaded_with_its_names() {
    let world = World::new();
    let images = world.open();
    let (bytes, id) = docker_archive(r#"["one:1","localhost:5000/x/one:2"]"#);
    let told = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&told);
    let progress = Progress::to(move |event| {
        if let Event::Text(text) = event {
            sink.lock().unwrap().push_str(&text);
        }
    });
    let loaded = images
        .load(input(gzip(&bytes)), None, progress)
        .await
        .unwrap();
    assert_eq!(loaded[0].id, id);
    let text = "Loaded image: one:1\nLoaded image: localhost:5000/x/one:2\n";
    assert_eq!(*told.lock().unwrap(), text);
    let image = images.resolve("one:1").unwrap();
    assert_eq!(image.id, id);
    assert_eq!(image.references.len(), 2);
    let [low, high] = layers();
    assert_eq!(
        image.diff_ids().collect::<Vec<_>>(),
        [&sha256(&low), &sha256(&high)]
    );
    let history = image.history();
    assert_eq!(history.len(), 3);
    assert_eq!((history[0].size, history[1].size), (high.len() as u64, 0));
    assert_eq!(history[0].id.as_ref(), Some(&id));
    assert_eq!(image.created.unwrap().to_string(), "2024-05-01T10:00:00.5Z");
    assert_eq!(images.usage().unwrap().total, world.du());
    // Two layers, two blobs of them, manifest and configuration.
    assert_eq!(world.files().len(), 6, "{:?}", world.files());
}

/// As Docker before 1.10 wrote them.
fn repositories(parent: &str, top: &str) -> Vec<u8> {
    let [low, high] = layers();
    let own = |id: &str, parent: &str, cmd: &str| {
        serde_json::to_vec(&serde_json::json!({
            "id": id, "parent": parent, "created": "2015-10-13T23:47:48.9Z", "Size": 960,
            "container_config": {"Cmd": ["/bin/sh", "-c", cmd]}, "docker_version": "1.8.2",
            "config": {"Cmd": ["/hello"], "Env": null, "PublishService": ""},
            "architecture": "amd64", "os": "linux",
        }))
        .unwrap()
    };
    let names = format!(r#"{{"old":{{"1":"{top}","latest":"{top}"}}}}"#);
    archive(&[
        ("a/VERSION", b"1.0"),
        ("a/json", &own("a", parent, "#(nop) COPY")),
        ("a/layer.tar", &low),
        ("b/VERSION", b"1.0"),
        ("b/json", &own("b", "a", "#(nop) CMD")),
        ("b/layer.tar", &high),
        ("repositories", names.as_bytes()),
    ])
}

#[tokio::test]
async fn an_archive_of_docker_before_1_10_is_loaded() {
    let world = World::new();
    let images = world.open();
    let bytes = repositories("", "b");
    let loaded = images
        .load(input(bytes), None, Progress::none())
        .await
        .unwrap();
    let names = loaded[0].references.iter().map(|name| name.familiar());
    assert_eq!(names.collect::<Vec<_>>(), ["old:1", "old:latest"]);
    let image = images.resolve("old:1").unwrap();
    let [low, high] = layers();
    let diff_ids: Vec<_> = image.diff_ids().collect();
    assert_eq!(diff_ids, [&sha256(&low), &sha256(&high)]);
    assert_eq!(image.config.config.cmd, Some(vec!["/hello".to_owned()]));
    let history = image.history();
    let made: Vec<_> = history.iter().map(|step| &step.created_by).collect();
    assert_eq!(made, ["/bin/sh -c #(nop) CMD", "/bin/sh -c #(nop) COPY"]);
    assert_eq!(image.created.unwrap().to_string(), "2015-10-13T23:47:48.9Z");
}

#[tokio::test]
async fn an_archive_without_names_gives_an_image_without_names() {
    let world = World::new();
    let images = world.open();
    let (bytes, id) = docker_archive("null");
    let loaded = images
        .load(input(bytes), None, Progress::none())
        .await
        .unwrap();
    assert!(loaded[0].references.is_empty());
    assert!(
        images
            .resolve(&id.to_string())
            .unwrap()
            .references
            .is_empty()
    );
}

#[tokio::test]
async fn an_oci_archive_is_loaded_for_the_platform_and_shares_layers() {
    let world = World::new();
    let images = world.open();
    let (bytes, id, manifest) = oci_archive();
    let loaded = images
        .load(input(bytes.clone()), None, Progress::none())
        .await
        .unwrap();
    assert_eq!(loaded[0].references[0].familiar(), "two:1");
    let image = images.resolve("two:1").unwrap();
    assert_eq!((&image.id, &image.manifest.digest), (&id, &manifest));
    assert_eq!(world.files().len(), 6);
    // The same image from another kind of archive: layers are there, in another form.
    let (other, same) = docker_archive(r#"["one:1"]"#);
    assert_eq!(same, id);
    drop(image);
    images
        .load(input(other), None, Progress::none())
        .await
        .unwrap();
    assert_eq!(images.list().unwrap().len(), 1);
    assert_eq!(images.resolve("one:1").unwrap().id, id);
    let arm = Some("linux/arm64".parse().unwrap());
    let missing = images
        .load(input(bytes), arm, Progress::none())
        .await
        .unwrap_err();
    assert!(matches!(missing, Error::NoPlatform { .. }), "{missing:?}");
}

#[tokio::test]
async fn a_broken_archive_leaves_nothing() {
    let world = World::new();
    let images = world.open();
    let (whole, _) = docker_archive(r#"["one:1"]"#);
    let [low, high] = layers();
    let config = config(&[&high, &low]);
    let manifest =
        |layers: &str| format!(r#"[{{"Config":"c","RepoTags":["x:1"],"Layers":[{layers}]}}]"#);
    let lying = archive(&[
        ("c", &config),
        ("l", &low),
        ("h", &high),
        ("manifest.json", manifest(r#""l","h""#).as_bytes()),
    ]);
    let few = archive(&[
        ("c", &config),
        ("l", &low),
        ("manifest.json", manifest(r#""l""#).as_bytes()),
    ]);
    let absent = archive(&[
        ("c", &config),
        ("manifest.json", manifest(r#""l","h""#).as_bytes()),
    ]);
    let freebsd = String::from_utf8(config.clone())
        .unwrap()
        .replace("\"linux\"", "\"freebsd\"");
    let freebsd = archive(&[
        ("c", freebsd.as_bytes()),
        ("l", &low),
        ("h", &high),
        ("manifest.json", manifest(r#""h","l""#).as_bytes()),
    ]);
    for (name, bytes, words) in [
        ("cut", &whole[..60_000], "cannot unpack the archive"),
        (
            "no archive",
            b"hello".as_slice(),
            "cannot unpack the archive",
        ),
        (
            "empty",
            &archive(&[]),
            "it has neither manifest.json nor index.json nor repositories",
        ),
        (
            "other",
            &archive(&[("a", b"b")]),
            "it has neither manifest.json nor index.json nor repositories",
        ),
        ("digests", &lying, "its archive has digest"),
        ("few", &few, "layers length mismatch: expected 2, got 1"),
        ("absent", &absent, "it has no member \"l\""),
        ("freebsd", &freebsd, "cannot load freebsd image on linux"),
        (
            "a parent that is not there",
            &repositories("c", "b"),
            "c/json: the archive has no such member",
        ),
        (
            "parents in a ring",
            &repositories("b", "b"),
            "an image of more than 500 layers",
        ),
        (
            "a name of nothing",
            &repositories("", "../b"),
            "../b/json: the archive has no such member",
        ),
    ] {
        let failed = images.load(input(bytes), None, Progress::none()).await;
        let failed = chain(&failed.unwrap_err());
        assert!(failed.contains(words), "{name}: {failed}");
        assert!(world.files().is_empty(), "{name}: {:?}", world.files());
    }
    assert!(images.operations().unwrap().is_empty());
    assert!(images.list().unwrap().is_empty());
}
