//! Tags, manifests and blobs taken away (distribution-spec, "Content Management").

use crate::exchange::Ask;
use crate::repository::What;
use crate::{Error, Repository};
use http::Method;
use oci::Reference;
use oci::image::{Descriptor, Document};
use types::Digest;

impl Repository {
    /// Removes the tag, or the manifest of the digest, that this names. A manifest that is about
    /// another leaves the tag that stands in for the other's list.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`]; [`Error::Status`] with 405 from a registry that removes nothing.
    pub async fn remove_manifest(&self, reference: &Reference) -> Result<(), Error> {
        let path = |name: &str| format!("{}/manifests/{name}", self.path());
        let Some(digest) = reference.digest() else {
            let tag = reference.tag().unwrap_or("latest");
            return self.remove(path(tag), What::Tag).await;
        };
        let subject = self.subject(digest).await?;
        self.remove(path(&digest.to_string()), What::Manifest)
            .await?;
        match subject {
            Some(subject) => self.refer_no_more(&subject.digest, digest).await,
            None => Ok(()),
        }
    }

    /// Removes a blob, which nothing in the repository should name any more.
    ///
    /// # Errors
    /// [`Error::Status`] with 404 if it is not there, with 405 from a registry that removes nothing.
    pub async fn remove_blob(&self, digest: &Digest) -> Result<(), Error> {
        let path = format!("{}/blobs/{digest}", self.path());
        self.remove(path, What::Blob).await
    }

    async fn remove(&self, path: String, what: What) -> Result<(), Error> {
        let ask = Ask::new(Method::DELETE, path);
        let removed = self.patiently(|| self.ask(ask.clone(), what)).await;
        removed.map(drop)
    }

    async fn subject(&self, digest: &Digest) -> Result<Option<Descriptor>, Error> {
        let fetched = self.manifest_of(digest, None).await?;
        Ok(match fetched.document {
            Document::Manifest(manifest) => manifest.subject,
            Document::Index(index) => index.subject,
        })
    }
}
