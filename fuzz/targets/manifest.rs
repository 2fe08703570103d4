//! Manifests, indexes and image configurations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::image::{Config, Document, Platform};

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let declared = match kind % 4 {
        0 => None,
        1 => Some("application/vnd.oci.image.manifest.v1+json"),
        2 => Some("application/vnd.oci.image.index.v1+json"),
        _ => Some("application/vnd.docker.distribution.manifest.v2+json"),
    };
    if let Ok(document) = Document::from_slice(declared, bytes) {
        assert!(!document.media_type().is_empty());
        if let Document::Index(index) = &document {
            // What is chosen is one of them.
            let chosen = index.choose(&Platform::host());
            assert!(chosen.is_none_or(|chosen| index.manifests.contains(chosen)));
        }
    }
    if let Ok(config) = serde_json::from_slice::<Config>(bytes) {
        let _platform = config.platform();
    }
});
