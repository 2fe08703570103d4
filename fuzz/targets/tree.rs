//! A layer becomes a directory, or is refused; nothing is ever written beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;

fuzz_target!(|data: &[u8]| {
    let outside = PathBuf::from(format!("/dev/shm/corten-fuzz-{}", std::process::id()));
    let inside = outside.join("inside");
    fs::create_dir_all(&inside).unwrap();
    fs::write(outside.join("secret"), "untouched").unwrap();
    let directory = fs::File::open(&inside).unwrap();
    let archive = fuzz::with_checksums(data);
    // A refusal is an answer too.
    let _answer = unpack::worker::fuzzing::tree(fuzz::file(&archive), directory.into());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"untouched");
    assert!(fs::symlink_metadata(&inside).unwrap().is_dir());
    fs::remove_dir_all(&outside).unwrap();
});
