//! Headers of registries and of their clients: challenges, ranges, links.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, header) = input;
    registry::fuzzing::headers(header);
    api_registry::fuzzing::headers(header, size);
});
