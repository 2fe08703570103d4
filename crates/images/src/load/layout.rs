//! `index.json`: an OCI image layout.

use super::Described;
use super::archive::Archive;
use crate::{Error, Platform, Reference};
use oci::image::media_type::Role;
use oci::image::{Descriptor, Document, Index, Manifest};
use types::{Algorithm, Digest};

/// Indexes within indexes.
const MAX_DEPTH: usize = 4;
/// containerd's name in full.
const FULL_NAME: &str = "io.containerd.image.name";
/// The specification's name, which may be a tag alone.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub(super) fn describe(
    archive: &Archive,
    index: &Index,
    platform: &Platform,
) -> Result<Vec<Described>, Error> {
    let wanted = |descriptor: &&Descriptor| match &descriptor.platform {
        // Attestations are of platform `unknown`.
        Some(own) => platform.rank(own).is_some(),
        None => true,
    };
    let images = index.manifests.iter().filter(wanted);
    let described = images.map(|descriptor| image(archive, descriptor, platform));
    described.filter_map(Result::transpose).collect()
}

/// The image that the descriptor leads to; an artifact (a signature, a list of parts) is none.
fn image(
    archive: &Archive,
    named: &Descriptor,
    platform: &Platform,
) -> Result<Option<Described>, Error> {
    let (descriptor, manifest, bytes) = manifest(archive, named, platform)?;
    if Role::of(&manifest.config.media_type) != Some(Role::Config) {
        return Ok(None);
    }
    let config_bytes = read(archive, &manifest.config)?;
    let config = archive.config(&config_bytes, manifest.layers.len())?;
    let layer = |layer: &Descriptor| {
        let subject = || format!("layer {}", layer.digest);
        match Role::of(&layer.media_type) {
            Some(role) if role.is_layer() => {}
            _ => {
                let reason = format!("unsupported media type {:?}", layer.media_type);
                return Err(Error::malformed(subject(), reason));
            }
        }
        let (found, size) = archive.member(&place(&layer.digest))?;
        if size != layer.size {
            let reason = format!("it has {size} bytes, its manifest says {}", layer.size);
            return Err(Error::malformed(subject(), reason));
        }
        Ok((found.clone(), layer.clone()))
    };
    Ok(Some(Described {
        layers: manifest
            .layers
            .iter()
            .map(layer)
            .collect::<Result<_, Error>>()?,
        config,
        config_bytes,
        config_digest: manifest.config.digest.clone(),
        config_media_type: manifest.config.media_type.clone(),
        manifest: Some((descriptor, bytes)),
        names: name(named).into_iter().collect(),
    }))
}

/// A manifest of an archive, as it came.
pub(super) struct Given {
    pub(super) descriptor: Descriptor,
    pub(super) manifest: Manifest,
    pub(super) bytes: Vec<u8>,
}

/// The manifest with this configuration, if the archive has an index that names it.
pub(super) fn manifest_of(archive: &Archive, config: &Digest) -> Option<Given> {
    let index = archive.index.as_ref()?;
    index.manifests.iter().find_map(|descriptor| {
        let bytes = read(archive, descriptor).ok()?;
        let document = archive.document(descriptor, &bytes).ok()?;
        match document {
            Document::Manifest(manifest) if manifest.config.digest == *config => Some(Given {
                // Its name and platform are the archive's own.
                descriptor: Descriptor::new(
                    &descriptor.media_type,
                    descriptor.digest.clone(),
                    descriptor.size,
                ),
                manifest: *manifest,
                bytes,
            }),
            _ => None,
        }
    })
}

/// The manifest that the descriptor leads to, through indexes.
fn manifest(
    archive: &Archive,
    named: &Descriptor,
    platform: &Platform,
) -> Result<(Descriptor, Manifest, Vec<u8>), Error> {
    let mut at = named.clone();
    for _ in 0..MAX_DEPTH {
        let bytes = read(archive, &at)?;
        match archive.document(&at, &bytes)? {
            Document::Manifest(manifest) => {
                at.media_type = Document::Manifest(manifest.clone()).media_type().to_owned();
                return Ok((at, *manifest, bytes));
            }
            Document::Index(index) => {
                let chosen = index.choose(platform).cloned();
                at = chosen.ok_or_else(|| Error::NoPlatform {
                    reference: named.digest.to_string(),
                    platform: Box::new(platform.clone()),
                })?;
            }
        }
    }
    Err(Error::malformed("index.json", "indexes lead to indexes"))
}

/// The bytes that a descriptor names, verified.
fn read(archive: &Archive, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let bytes = archive.read(&place(&descriptor.digest))?;
    let found = content::Hasher::digest(descriptor.digest.algorithm(), &bytes);
    if found != descriptor.digest || bytes.len() as u64 != descriptor.size {
        let reason = format!("its bytes have digest {found}");
        return Err(Error::malformed(descriptor.digest.to_string(), reason));
    }
    Ok(bytes)
}

fn place(digest: &Digest) -> String {
    let algorithm: Algorithm = digest.algorithm();
    format!("blobs/{}/{}", algorithm.name(), digest.hex())
}

/// A name that says more than a tag.
fn name(descriptor: &Descriptor) -> Option<Reference> {
    let full = descriptor.annotations.get(FULL_NAME);
    let short = descriptor.annotations.get(REF_NAME);
    let short = short.filter(|name| name.contains(['/', ':']));
    let reference: Reference = full.or(short)?.parse().ok()?;
    let reference = reference.or_latest();
    reference.digest().is_none().then_some(reference)
}
