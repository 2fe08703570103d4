//! What the targets share: archives whose mutated headers still have their checksums.

use std::fs::File;
use std::io::{Seek as _, Write as _};

const BLOCK: usize = 512;
/// Where a header has its size and its checksum.
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Sets the checksum of each header, walking the archive as a reader would: without it nearly
/// every mutation would end at the first header.
pub fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            at += BLOCK;
            continue;
        }
        header[CHECKSUM].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = header[SIZE]
            .iter()
            .filter(|byte| (b'0'..=b'7').contains(*byte));
        let size = digits.fold(0_usize, |size, digit| {
            size.saturating_mul(8)
                .saturating_add(usize::from(digit - b'0'))
        });
        at = at
            .saturating_add(BLOCK)
            .saturating_add(size.next_multiple_of(BLOCK).min(data.len()));
    }
    archive
}

/// A file in memory with this content, at its start.
pub fn file(content: &[u8]) -> File {
    let fd = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(fd.expect("memory for a file"));
    file.write_all(content).expect("memory for its content");
    file.rewind().expect("a file can be rewound");
    file
}
