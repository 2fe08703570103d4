//! The store over real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use content::{Error, Hasher, Store};
use std::os::unix::fs::PermissionsExt;
use types::{Algorithm, Digest};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("content")).unwrap();
    (dir, store)
}

fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

#[test]
fn an_ingest_goes_on_where_an_earlier_one_stopped() {
    let (dir, store) = store();
    let mut ingest = store.ingest("key", Algorithm::Sha512).unwrap();
    ingest.write(b"hello ").unwrap();
    assert!(matches!(
        store.ingest("key", Algorithm::Sha512),
        Err(Error::Busy { .. })
    ));
    assert!(matches!(store.abort("key"), Err(Error::Busy { .. })));
    assert!(store.partials().unwrap()[0].active);
    drop(ingest);
    // Another process: it knows what is in the file and nothing else.
    let store = Store::open(&dir.path().join("content")).unwrap();
    let mut ingest = store.ingest("key", Algorithm::Sha512).unwrap();
    assert_eq!(ingest.len(), 6);
    ingest.write(b"world").unwrap();
    let digest = Hasher::digest(Algorithm::Sha512, b"hello world");
    ingest.commit(&digest, 11).unwrap();
    assert_eq!(store.read(&digest, 11).unwrap(), b"hello world");
    assert!(store.partials().unwrap().is_empty());
    assert_eq!(store.list().unwrap()[0].digest, digest);
}

#[test]
fn what_is_not_as_announced_is_thrown_away() {
    let (_dir, store) = store();
    for (announced, size) in [(sha256(b"other"), 5), (sha256(b"bytes"), 6)] {
        let mut ingest = store.ingest("key", Algorithm::Sha256).unwrap();
        ingest.write(b"bytes").unwrap();
        let refused = ingest.commit(&announced, size).unwrap_err();
        assert!(
            matches!(refused, Error::Mismatch { .. } | Error::Size { .. }),
            "{refused}"
        );
    }
    assert!(store.partials().unwrap().is_empty());
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn a_key_is_one_harmless_component() {
    let (_dir, store) = store();
    let long = "k".repeat(201);
    for key in ["", "..", ".hidden", "a/b", "a b", "a\0", &long] {
        let refused = store.ingest(key, Algorithm::Sha256);
        assert!(matches!(refused, Err(Error::Key { .. })), "{key:?}");
    }
}

#[test]
fn damage_and_size_are_noticed_when_reading() {
    let (_dir, store) = store();
    let digest = store.write(Algorithm::Sha256, b"bytes").unwrap();
    assert_eq!(store.write(Algorithm::Sha256, b"bytes").unwrap(), digest);
    assert!(matches!(
        store.read(&digest, 4),
        Err(Error::TooLarge { .. })
    ));
    std::fs::write(store.path(&digest), b"bytez").unwrap();
    assert!(matches!(
        store.read(&digest, 5),
        Err(Error::Mismatch { .. })
    ));
    store.delete(&digest).unwrap();
    store.delete(&digest).unwrap();
    assert!(matches!(
        store.read(&digest, 5),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn others_may_not_look_into_the_store() {
    let (dir, store) = store();
    let digest = store.write(Algorithm::Sha256, b"bytes").unwrap();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("content")), 0o700);
    assert_eq!(mode(&store.path(&digest)), 0o600);
}

#[test]
fn a_scratch_directorys_files_are_believed_by_their_hash_alone() {
    let (dir, store) = store();
    let scratch = store.scratch("key").unwrap();
    let place = dir.path().join("content/scratch/key/sha256");
    std::fs::create_dir(&place).unwrap();
    let (good, bad, link) = (sha256(b"good"), sha256(b"bad"), sha256(b"link"));
    std::fs::write(place.join(good.hex()), b"good").unwrap();
    std::fs::write(place.join(bad.hex()), b"lie").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.join(link.hex())).unwrap();
    assert_eq!(scratch.adopt(&good, &good).unwrap(), 4);
    assert!(matches!(
        scratch.adopt(&bad, &bad),
        Err(Error::Mismatch { .. })
    ));
    assert!(matches!(scratch.adopt(&link, &link), Err(Error::Io { .. })));
    assert!(matches!(scratch.read(&link, 10), Err(Error::Io { .. })));
    drop(scratch);
    assert!(!dir.path().join("content/scratch/key").exists());
    assert_eq!(store.read(&good, 4).unwrap(), b"good");
    // One that a crash left goes when the store is opened.
    std::fs::create_dir_all(dir.path().join("content/scratch/old/sha256")).unwrap();
    Store::open(&dir.path().join("content")).unwrap();
    assert!(!dir.path().join("content/scratch/old").exists());
}

#[test]
fn a_scratch_directory_that_another_still_writes_in_is_removed() {
    let (dir, _) = store();
    let left = dir.path().join("content/scratch/left");
    // One round may miss the moment between the last file's removal and the directory's.
    for _ in 0..200 {
        std::fs::create_dir_all(&left).unwrap();
        let (began, begins) = std::sync::mpsc::channel();
        let writing = left.clone();
        let writer = std::thread::spawn(move || {
            // Once the directory is gone, no file can be made in it. Who ends writes only so many.
            let made = |file: u64| std::fs::write(writing.join(file.to_string()), "").is_ok();
            assert!(made(0));
            began.send(()).unwrap();
            (1..1000).take_while(|file| made(*file)).count()
        });
        begins.recv().unwrap();
        Store::open(&dir.path().join("content")).unwrap();
        assert!(!left.exists());
        writer.join().unwrap();
    }
}
