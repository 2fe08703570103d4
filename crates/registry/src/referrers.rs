//! Manifests that are about another: signatures, attestations, and the like.

use crate::exchange::Ask;
use crate::repository::{Subject, What};
use crate::{Error, Fetched, Repository};
use oci::image::{Descriptor, Document, Index, MAX_DOCUMENT, media_type};
use std::collections::BTreeMap;
use types::Digest;

impl Repository {
    /// The manifests whose subject is `digest`; of `artifact_type` alone, if one is given.
    pub async fn referrers(
        &self,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let filter = artifact_type.map(|wanted| format!("?artifactType={}", escaped(wanted)));
        let filter = filter.unwrap_or_default();
        let ask = Ask::get(format!("{}/referrers/{digest}{filter}", self.path()));
        let ask = ask.accept(&[media_type::INDEX]);
        let index = match self.patiently(|| self.ask(ask.clone(), What::Blob)).await {
            Ok(answered) => {
                let (url, body) = (answered.url, answered.answer.into_body());
                let bytes = self.http().body(&url, body, MAX_DOCUMENT).await?;
                self.index(&bytes).await?
            }
            // A registry that does not know of them has them under a tag.
            Err(Error::Status { status: 404, .. } | Error::RepositoryUnknown { .. }) => {
                self.tagged(digest).await?
            }
            Err(error) => return Err(error),
        };
        let mut found = index.manifests;
        // The registry need not filter.
        found.retain(|entry| {
            artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted))
        });
        Ok(found)
    }

    /// Sends a manifest or index under a tag or its own digest.
    pub async fn put_manifest(
        &self,
        name: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let answered = self
            .send_manifest(name, &descriptor.media_type, bytes)
            .await?;
        if answered == Subject::Listed {
            return Ok(());
        }
        let document = self.document(Some(&descriptor.media_type), bytes).await;
        let document = match document {
            Ok(document) => document,
            Err(Error::Document { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let (subject, artifact_type, annotations) = match document {
            Document::Manifest(manifest) => {
                let otherwise = Some(manifest.config.media_type);
                let artifact_type = manifest.artifact_type.or(otherwise);
                (manifest.subject, artifact_type, manifest.annotations)
            }
            Document::Index(index) => (index.subject, index.artifact_type, index.annotations),
        };
        let Some(subject) = subject else {
            return Ok(());
        };
        let entry = Descriptor {
            artifact_type,
            annotations,
            ..descriptor.clone()
        };
        self.refer(&subject.digest, entry).await
    }

    /// Adds to the tag that lists what is about `subject`: the registry keeps no list itself.
    async fn refer(&self, subject: &Digest, entry: Descriptor) -> Result<(), Error> {
        let mut index = self.tagged(subject).await?;
        if index
            .manifests
            .iter()
            .any(|known| known.digest == entry.digest)
        {
            return Ok(());
        }
        index.manifests.push(entry);
        self.tag(subject, &index).await
    }

    /// Takes `entry` out of the tag that lists what is about `subject`, if it is there.
    pub(crate) async fn refer_no_more(
        &self,
        subject: &Digest,
        entry: &Digest,
    ) -> Result<(), Error> {
        let mut index = self.tagged(subject).await?;
        let before = index.manifests.len();
        index.manifests.retain(|known| known.digest != *entry);
        match index.manifests.len() < before {
            true => self.tag(subject, &index).await,
            false => Ok(()),
        }
    }

    async fn tag(&self, subject: &Digest, index: &Index) -> Result<(), Error> {
        let bytes = serde_json::to_vec(index).map_err(|error| Error::Protocol {
            url: self.path().to_owned(),
            reason: error.to_string(),
        })?;
        let tag = tag_of(subject);
        let sent = self.send_manifest(&tag, media_type::INDEX, &bytes);
        sent.await.map(drop)
    }

    async fn tagged(&self, digest: &Digest) -> Result<Index, Error> {
        match self.manifest_at(&tag_of(digest)).await {
            Ok(Fetched { bytes, .. }) => self.index(&bytes).await,
            Err(Error::ManifestUnknown { .. } | Error::RepositoryUnknown { .. }) => Ok(Index {
                schema_version: 2,
                media_type: Some(media_type::INDEX.to_owned()),
                artifact_type: None,
                manifests: Vec::new(),
                subject: None,
                annotations: BTreeMap::new(),
            }),
            Err(error) => Err(error),
        }
    }

    async fn index(&self, bytes: &[u8]) -> Result<Index, Error> {
        match self.document(Some(media_type::INDEX), bytes).await? {
            Document::Index(index) => Ok(*index),
            Document::Manifest(_) => Err(Error::Protocol {
                url: self.path().to_owned(),
                reason: "the list of referrers is no index".to_owned(),
            }),
        }
    }
}

/// A value of a URL's query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// The tag that stands in for the list.
fn tag_of(digest: &Digest) -> String {
    let name = format!("{}-{}", digest.algorithm().name(), digest.hex());
    name.chars().take(128).collect()
}
