//! What a registry offers, looked at without fetching it; and whether it believes a caller.

use crate::load::MAX_CONFIG;
use crate::operation::joined;
use crate::{Credentials, Error, Images, Platform, Reference};
use oci::image::{Descriptor, Document};
use registry::{Access, Fetched, Finding, Repository};

/// What a reference leads to at its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Of the manifest or index.
    pub descriptor: Descriptor,
    /// What there are manifests for.
    pub platforms: Vec<Platform>,
}

impl Images {
    /// Asks a registry what it has under a reference.
    pub async fn offered(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<Offered, Error> {
        let reference = reference.clone().or_latest();
        let registries = self.transfers().registries;
        let repository = registries.repository(&reference, credentials, Access::Pull)?;
        let Fetched {
            descriptor,
            document,
            ..
        } = repository.manifest().await.map_err(not_offered)?;
        let platforms = match document {
            Document::Index(index) => {
                let platforms = index.manifests.into_iter().map(|entry| entry.platform);
                platforms.flatten().collect()
            }
            Document::Manifest(manifest) => {
                let bytes = fetch(&repository, &manifest.config).await?;
                let worker = self.0.worker.clone();
                let read = tokio::task::spawn_blocking(move || worker.config(&bytes)).await;
                // Of an artifact it is no image's, and there is no platform.
                let config = joined(read.map(|config| Ok(config.unwrap_or_default())))?;
                vec![config.platform()]
            }
        };
        Ok(Offered {
            descriptor,
            platforms,
        })
    }

    /// The names with tags that a registry has of the reference's repository.
    pub async fn tags(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<Vec<Reference>, Error> {
        let registries = self.transfers().registries;
        let repository = registries.repository(reference, credentials, Access::Pull)?;
        let tags = repository.tags().await?;
        let named = tags.iter().map(|tag| reference.with_tag(tag));
        Ok(named.collect::<Result<_, _>>()?)
    }

    /// Searches the registry at `host` for images with `words`, at most `limit`.
    pub async fn search(
        &self,
        host: &str,
        words: &str,
        limit: u32,
        credentials: Option<Credentials>,
    ) -> Result<Vec<Finding>, Error> {
        let registries = self.transfers().registries;
        let found = registries.search(host, (words, limit), credentials.as_ref());
        Ok(found.await?)
    }

    /// Shows credentials to a registry; gives a token to keep in their place, if it has such.
    pub async fn login(
        &self,
        host: &str,
        credentials: &Credentials,
    ) -> Result<Option<String>, Error> {
        let registries = self.transfers().registries;
        Ok(registries.login(host, credentials).await?)
    }
}

/// COMPAT: dockerd passes the registry's words on.
fn not_offered(error: registry::Error) -> Error {
    match error {
        registry::Error::ManifestUnknown { cause, .. }
        | registry::Error::RepositoryUnknown { cause, .. } => Error::NotOffered {
            reason: cause.to_string(),
        },
        error => error.into(),
    }
}

/// A small blob's bytes, verified.
pub(crate) async fn fetch(
    repository: &Repository,
    descriptor: &Descriptor,
) -> Result<Vec<u8>, Error> {
    let digest = &descriptor.digest;
    if descriptor.size > MAX_CONFIG {
        let reason = format!(
            "{} bytes, more than the limit of {MAX_CONFIG}",
            descriptor.size
        );
        return Err(Error::malformed(format!("configuration {digest}"), reason));
    }
    let mut bytes = Vec::new();
    let mut download = repository.blob(descriptor, 0);
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    let found = content::Hasher::digest(digest.algorithm(), &bytes);
    match found == *digest {
        true => Ok(bytes),
        false => Err(Error::malformed(
            format!("image config verification failed for digest {digest}"),
            format!("its bytes have digest {found}"),
        )),
    }
}
