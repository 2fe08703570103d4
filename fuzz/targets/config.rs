//! An OCI configuration: what is read is written so that it is read alike, and its filter
//! compiles or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::runtime::{Process, Resources, Spec};

fuzz_target!(|data: &[u8]| {
    if let Ok(spec) = Spec::from_slice(data) {
        let written = serde_json::to_vec(&spec).unwrap();
        assert_eq!(Spec::from_slice(&written).unwrap(), spec);
        let linux = spec.linux.iter();
        for filter in linux.filter_map(|linux| linux.seccomp.as_ref()) {
            // A refusal is an answer too.
            let _program = seccomp::compile(filter);
        }
    }
    let _resources = Resources::from_slice(data);
    let _process = Process::from_slice(data);
});
