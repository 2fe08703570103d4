//! `manifest.json`: what `docker save` writes, and skopeo's docker-archive.

use super::Described;
use super::archive::{Archive, read_config};
use crate::{Error, Reference};
use content::Hasher;
use oci::image::{Descriptor, media_type};
use serde::{Deserialize, Deserializer};
use types::Algorithm;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default, deserialize_with = "list")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    layers: Vec<String>,
}

/// Go writes an empty list as `null`.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(super) fn describe(archive: &Archive, manifest: &str) -> Result<Vec<Described>, Error> {
    let entries: Vec<Entry> = serde_json::from_str(manifest)
        .map_err(|error| Error::malformed("manifest.json", error.to_string()))?;
    entries.iter().map(|entry| image(archive, entry)).collect()
}

fn image(archive: &Archive, entry: &Entry) -> Result<Described, Error> {
    let config_bytes = archive.read(&entry.config)?;
    let config = read_config(&config_bytes, entry.layers.len())?;
    let layer = |name: &String| {
        let (digest, size) = archive.member(name)?;
        // The worker finds out how it is compressed.
        Ok((digest.clone(), Descriptor::new("", digest.clone(), size)))
    };
    Ok(Described {
        config,
        config_digest: Hasher::digest(Algorithm::Sha256, &config_bytes),
        config_bytes,
        config_media_type: media_type::CONFIG.to_owned(),
        manifest: None,
        layers: entry
            .layers
            .iter()
            .map(layer)
            .collect::<Result<_, Error>>()?,
        names: entry
            .repo_tags
            .iter()
            .map(|tag| name(tag))
            .collect::<Result<_, _>>()?,
    })
}

fn name(tag: &str) -> Result<Reference, Error> {
    let reference: Reference = tag.parse()?;
    match (reference.tag(), reference.digest()) {
        (Some(_), None) => Ok(reference),
        _ => Err(Error::Invalid {
            reason: format!("invalid tag {tag:?}"),
        }),
    }
}
