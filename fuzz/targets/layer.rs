//! A layer becomes an EROFS image, or is refused: within its limits, and alike each time.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let archive = match data.split_first() {
        // As it is, which may be compressed.
        Some((0, rest)) => rest.to_vec(),
        Some((_, rest)) => fuzz::with_checksums(rest),
        None => return,
    };
    let images = [(); 2].map(|()| {
        let image = fuzz::file(&[]);
        let made = unpack::worker::fuzzing::layer(fuzz::file(&archive), image.try_clone().unwrap());
        let size = image.metadata().unwrap().len();
        made.map(|made| (made, size))
    });
    let [first, second] = images;
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    if let Ok((made, size)) = first {
        assert!(made.written <= size, "{} > {size}", made.written);
        assert!(made.size <= archive.len() as u64);
    }
});
