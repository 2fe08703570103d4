//! `manifest.json`: what `docker save` writes, and skopeo's docker-archive.

use super::Described;
use super::archive::Archive;
use super::layout::{self, Given};
use crate::{Error, Reference};
use content::Hasher;
use oci::image::media_type::Role;
use oci::image::{Descriptor, media_type};
use types::{Algorithm, Digest};
use unpack::Saved;

pub(super) fn describe(archive: &Archive, saved: &[Saved]) -> Result<Vec<Described>, Error> {
    saved.iter().map(|entry| image(archive, entry)).collect()
}

fn image(archive: &Archive, entry: &Saved) -> Result<Described, Error> {
    let config_bytes = archive.read(&entry.config)?;
    let config = archive.config(&config_bytes, entry.layers.len())?;
    let layer = |name: &String| {
        let (digest, size) = archive.member(name)?;
        // The worker finds out how it is compressed.
        Ok((digest.clone(), Descriptor::new("", digest.clone(), size)))
    };
    let layers: Vec<_> = entry
        .layers
        .iter()
        .map(layer)
        .collect::<Result<_, Error>>()?;
    let config_digest = Hasher::digest(Algorithm::Sha256, &config_bytes);
    // An archive of both kinds has the manifest that the image was pulled with.
    let given = layout::manifest_of(archive, &config_digest).filter(|given| fits(given, &layers));
    let (layers, config_media_type, manifest) = match given {
        Some(given) => {
            let found = layers.into_iter().map(|(found, _)| found);
            let layers = found.zip(given.manifest.layers).collect();
            let kind = given.manifest.config.media_type;
            (layers, kind, Some((given.descriptor, given.bytes)))
        }
        None => (layers, media_type::CONFIG.to_owned(), None),
    };
    Ok(Described {
        config,
        config_digest,
        config_bytes,
        config_media_type,
        manifest,
        layers,
        names: entry
            .repo_tags
            .iter()
            .map(|tag| name(tag))
            .collect::<Result<_, _>>()?,
    })
}

/// Whether the manifest is of these very layers.
fn fits(given: &Given, layers: &[(Digest, Descriptor)]) -> bool {
    let own = given.manifest.layers.iter().map(|layer| &layer.digest);
    let layer = |layer: &Descriptor| Role::of(&layer.media_type).is_some_and(Role::is_layer);
    own.eq(layers.iter().map(|(_, blob)| &blob.digest)) && given.manifest.layers.iter().all(layer)
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
