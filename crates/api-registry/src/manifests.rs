//! Manifests and tags: read, taken in, removed.

use crate::answer::{self, Answer, DIGEST, with};
use crate::depot::{Depot, Wholeness};
use crate::error::{Error, Result};
use crate::records::{ManifestRecord, TagRecord, key, of};
use crate::routes::Call;
use crate::uploads::digest_of;
use bytes::Bytes;
use content::Hasher;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use oci::image::media_type::Role;
use oci::image::{Document, MAX_DOCUMENT, Manifest};
use types::{Algorithm, Digest, Timestamp};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");
const MAX_TAG: usize = 128;

/// A manifest that is to be stored.
#[derive(Debug)]
pub(crate) struct Incomer {
    repository: String,
    name: String,
    media_type: Option<String>,
    /// Further tags.
    tags: Vec<String>,
    bytes: Bytes,
}

impl Incomer {
    /// Reads the body, if it is not too large.
    pub(crate) async fn read(call: Call, repository: String, name: String) -> Result<Self> {
        let media_type = call.headers.get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        Ok(Self {
            repository,
            name,
            media_type: media_type.map(str::to_owned),
            tags: call.query.all("tag").map(str::to_owned).collect(),
            bytes: body(call.body).await?,
        })
    }
}

async fn body(body: Incoming) -> Result<Bytes> {
    let limit = usize::try_from(MAX_DOCUMENT).unwrap_or(usize::MAX);
    let read = Limited::new(body, limit).collect().await;
    let read = read.map_err(
        |error| match error.is::<http_body_util::LengthLimitError>() {
            true => Error::manifest_large(format!("a manifest has at most {MAX_DOCUMENT} bytes")),
            false => Error::manifest_invalid(error),
        },
    );
    Ok(read?.to_bytes())
}

/// Stores a manifest and says under which names.
pub(crate) fn put(depot: &Depot, incomer: &Incomer) -> Result<Answer> {
    let Incomer {
        repository,
        name,
        bytes,
        ..
    } = incomer;
    let digest = match name.contains(':') {
        true => digest_of(name)?,
        false => Hasher::digest(Algorithm::Sha256, bytes),
    };
    let found = Hasher::digest(digest.algorithm(), bytes);
    if found != digest {
        let words = format!("the manifest has digest {found}, not {digest}");
        return Err(Error::digest_invalid(words));
    }
    let mut tags = incomer.tags.clone();
    if !name.contains(':') {
        tags.push(name.clone());
    }
    for tag in &tags {
        check_tag(tag)?;
    }
    let record = describe(depot, incomer)?;
    let _linking = depot.linking();
    depot.0.content.write(digest.algorithm(), bytes)?;
    depot.0.database.write::<_, metadata::Error>(|write| {
        write.put(&key(repository, &digest.to_string()), &record)?;
        for tag in &tags {
            let manifest = digest.clone();
            let at = record.at;
            write.put(&key(repository, tag), &TagRecord { manifest, at })?;
        }
        Ok(())
    })?;
    let place = format!("/v2/{repository}/manifests/{digest}");
    let answer = with(answer::empty(StatusCode::CREATED), LOCATION, place);
    let mut answer = with(answer, DIGEST, &digest);
    if let Some(subject) = &record.subject {
        answer = with(answer, SUBJECT, subject);
    }
    Ok(incomer
        .tags
        .iter()
        .fold(answer, |answer, tag| with(answer, TAG, tag)))
}

/// Reads a manifest; what it needs must be in the repository.
fn describe(depot: &Depot, incomer: &Incomer) -> Result<ManifestRecord> {
    let declared = incomer.media_type.as_deref();
    let document = depot.0.worker.document(declared, &incomer.bytes)?;
    let media_type = document.media_type().to_owned();
    let (subject, artifact_type, annotations) = match document {
        Document::Manifest(manifest) => {
            check_blobs(depot, &incomer.repository, &manifest)?;
            let own = manifest.artifact_type.filter(|own| !own.is_empty());
            let artifact_type = own.or(Some(manifest.config.media_type));
            (manifest.subject, artifact_type, manifest.annotations)
        }
        Document::Index(index) => (index.subject, index.artifact_type, index.annotations),
    };
    Ok(ManifestRecord {
        media_type,
        size: incomer.bytes.len() as u64,
        at: Timestamp::now(),
        subject: subject.map(|subject| subject.digest),
        artifact_type,
        annotations,
    })
}

fn check_blobs(depot: &Depot, repository: &str, manifest: &Manifest) -> Result<()> {
    if depot.wholeness() == Wholeness::Sparse {
        return Ok(());
    }
    let layers = manifest.layers.iter();
    let own = layers.filter(|layer| Role::of(&layer.media_type) != Some(Role::Foreign));
    for blob in own.chain([&manifest.config]) {
        if !depot.has(repository, &blob.digest)? {
            let words = format!("blob {} is not in the repository", blob.digest);
            return Err(Error::manifest_blob_unknown(words));
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<()> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || c == '.' || c == '-';
    match tag.len() <= MAX_TAG && tag.starts_with(first) && tag.chars().all(rest) {
        true => Ok(()),
        false => Err(Error::manifest_invalid(format!("invalid tag {tag:?}"))),
    }
}

pub(crate) fn read(depot: &Depot, repository: &str, name: &str, method: &Method) -> Result<Answer> {
    let digest = resolve(depot, repository, name)?;
    let found = depot.0.database.read::<_, metadata::Error>(|read| {
        read.find::<ManifestRecord>(&key(repository, &digest.to_string()))
    })?;
    let record = found.ok_or_else(|| unknown(name))?;
    let answer = match *method == Method::HEAD {
        true => answer::empty(StatusCode::OK),
        false => {
            let bytes = depot.0.content.read(&digest, MAX_DOCUMENT)?;
            answer::bytes(StatusCode::OK, bytes)
        }
    };
    let answer = with(answer, CONTENT_TYPE, record.media_type);
    let answer = with(answer, CONTENT_LENGTH, record.size);
    Ok(with(answer, DIGEST, digest))
}

fn resolve(depot: &Depot, repository: &str, name: &str) -> Result<Digest> {
    if name.contains(':') {
        return digest_of(name);
    }
    let tag = depot
        .0
        .database
        .read::<_, metadata::Error>(|read| read.find::<TagRecord>(&key(repository, name)))?;
    tag.map(|tag| tag.manifest).ok_or_else(|| unknown(name))
}

/// Removes a tag, or a manifest with the tags that lead to it.
pub(crate) fn delete(depot: &Depot, repository: &str, name: &str) -> Result<Answer> {
    if !name.contains(':') {
        depot.unlink(&[], |write| {
            match write.remove::<TagRecord>(&key(repository, name))? {
                true => Ok(()),
                false => Err(unknown(name)),
            }
        })?;
        return Ok(answer::empty(StatusCode::ACCEPTED));
    }
    let digest = digest_of(name)?;
    depot.unlink(std::slice::from_ref(&digest), |write| {
        if !write.remove::<ManifestRecord>(&key(repository, name))? {
            return Err(unknown(name));
        }
        for (tag, record) in write.list::<TagRecord>()? {
            if record.manifest == digest && of(repository, &tag).is_some() {
                write.remove::<TagRecord>(&tag)?;
            }
        }
        Ok(())
    })?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

fn unknown(name: &str) -> Error {
    Error::manifest_unknown(format!("manifest {name:?} is not in the repository"))
}
