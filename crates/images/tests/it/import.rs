use crate::world::{World, archive, gzip, input, sha256};
use images::{Error, Import};
use types::{ErrorKind, Kind};

fn import(name: &str, changes: &[&str]) -> Import {
    Import {
        reference: Some(name.parse().unwrap()),
        changes: changes.iter().map(|c| (*c).to_owned()).collect(),
        ..Import::default()
    }
}

#[tokio::test]
async fn an_archive_becomes_an_image_whatever_its_compression() {
    let world = World::new();
    let images = world.open();
    let plain = archive(&[("etc/motd", b"hi"), ("bin/x", &[7; 100_000])]);
    let packed = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for (name, bytes) in [("a", plain.clone()), ("b", gzip(&plain)), ("c:1", packed)] {
        let request = import(name, &["CMD [\"/bin/x\"]", "ENV A=b"]);
        let image = images.import(request, input(bytes.clone())).await.unwrap();
        assert_eq!(image.config.rootfs.diff_ids, [sha256(&plain)]);
        assert_eq!(image.diff_ids().collect::<Vec<_>>(), [&sha256(&plain)]);
        assert_eq!(image.config.config.env, ["A=b"]);
        assert_eq!(image.layers.len(), 1);
        assert_eq!(image.history()[0].comment, "Imported from -");
        assert_eq!(image.history()[0].size, plain.len() as u64);
        let blob = world.dir.path().join("root/content/blobs/sha256");
        let stored = std::fs::read(blob.join(sha256(&bytes).hex())).unwrap();
        assert_eq!(stored, bytes);
    }
    assert_eq!(images.list().unwrap().len(), 3);
    let layers: Vec<_> = world
        .files()
        .into_iter()
        .filter(|f| f.starts_with("layers/"))
        .collect();
    assert_eq!(layers.len(), 1, "the same archive is one layer: {layers:?}");
    let usage = images.usage().unwrap();
    assert_eq!(usage.total, world.du());
    assert_eq!(usage.referenced, usage.total);
}

#[tokio::test]
async fn a_failed_import_leaves_nothing() {
    let world = World::new();
    let images = world.open();
    let mut broken = gzip(&archive(&[("a", &[1; 50_000])]));
    broken.truncate(60);
    let failed = images
        .import(import("x", &[]), input(broken))
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::InvalidArgument, "{failed:?}");
    let failed = images
        .import(import("x", &[]), input("no archive".repeat(100)))
        .await;
    assert!(failed.is_err());
    let refused = images
        .import(import("x", &["RUN a"]), input(archive(&[])))
        .await;
    assert!(matches!(refused, Err(Error::Invalid { .. })));
    assert!(world.files().is_empty(), "{:?}", world.files());
    assert!(images.list().unwrap().is_empty());
    assert!(images.operations().unwrap().is_empty());
}

#[tokio::test]
async fn an_import_whose_caller_goes_away_leaves_nothing() {
    let world = World::new();
    let images = world.open();
    let (reader, mut writer) = tokio::io::duplex(1 << 16);
    let bytes = archive(&[("a", &[1; 500_000])]);
    let going = images.import(import("x", &[]), Box::pin(reader));
    let feeding = tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes[..400_000]);
    tokio::select! {
        biased;
        result = going => panic!("ended: {result:?}"),
        fed = feeding => fed.unwrap(),
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !(world.files().is_empty() && images.operations().unwrap().is_empty()) {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.files());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
