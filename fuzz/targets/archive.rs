//! An image archive is split into blobs named by their digests, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;

fuzz_target!(|data: &[u8]| {
    let blobs = PathBuf::from(format!("/dev/shm/corten-fuzz-{}", std::process::id()));
    fs::create_dir_all(&blobs).unwrap();
    let directory = fs::File::open(&blobs).unwrap();
    let archive = fuzz::with_checksums(data);
    if let Ok(split) = unpack::worker::fuzzing::archive(fuzz::file(&archive), directory.into()) {
        for member in &split.members {
            assert!(member.size <= archive.len() as u64, "{member:?}");
        }
    }
    fs::remove_dir_all(&blobs).unwrap();
});
