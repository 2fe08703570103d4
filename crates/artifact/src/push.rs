//! `corten artifact push`: files, and a manifest that names them.

use crate::remote::{Remote, reference};
use anyhow::{Context, Result, bail};
use content::Hasher;
use oci::Reference;
use oci::image::{Descriptor, Manifest, media_type};
use registry::{Access, Upload};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::{Algorithm, Digest};

/// The note of a layer that says which file it was (image-spec, annotations.md).
pub(crate) const TITLE: &str = "org.opencontainers.image.title";
/// The configuration of what has none (image-spec, manifest.md).
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
/// What a file is if nobody says.
const OCTETS: &str = "application/octet-stream";
const PIECE: usize = 256 << 10;

/// Send files to a registry as an artifact, and print its name with its digest
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    #[command(flatten)]
    remote: Remote,
    /// What the artifact is, as a media type
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    artifact_type: String,
    /// The manifest in the same repository that it is about: a tag or a digest
    #[arg(long, value_name = "TAG|DIGEST")]
    subject: Option<String>,
    /// A note of the manifest (KEY=VALUE)
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = note)]
    annotation: Vec<(String, String)>,
    /// NAME[:TAG]; without a tag, an artifact with a subject is found by its digest alone
    #[arg(value_parser = reference)]
    name: Reference,
    /// FILE[:TYPE], the type being a media type
    #[arg(value_name = "FILE[:TYPE]")]
    files: Vec<String>,
}

/// A file to send.
struct Part {
    path: PathBuf,
    upload: Upload,
}

impl Push {
    pub(crate) async fn run(self) -> Result<String> {
        if self.name.digest().is_some() {
            bail!("a digest is what a push gives: name a tag, or nothing but the repository");
        }
        let repository = self.remote.repository(&self.name, Access::Push)?;
        let subject = match &self.subject {
            Some(about) => {
                let fetched = self.remote.manifest(&self.about(about)?).await;
                let fetched = fetched.context("cannot find the subject")?.1;
                Some(fetched.descriptor)
            }
            None => None,
        };
        let parts = self.files.iter().map(|file| part(file));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let config = empty()?;
        repository.upload(&config, |_| {}).await?;
        for part in &parts {
            let sent = repository.upload(&part.upload, |_| {}).await;
            sent.with_context(|| format!("cannot send {}", part.path.display()))?;
        }
        let layers = match parts.is_empty() {
            // A manifest needs a layer, if only an empty one.
            true => vec![config.descriptor.clone()],
            false => parts
                .into_iter()
                .map(|part| part.upload.descriptor)
                .collect(),
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: Some(self.artifact_type.clone()),
            config: config.descriptor,
            layers,
            subject,
            annotations: self.annotation.iter().cloned().collect(),
        };
        let bytes = serde_json::to_vec(&manifest)?;
        let digest = Hasher::digest(Algorithm::Sha256, &bytes);
        let descriptor = Descriptor::new(media_type::MANIFEST, digest.clone(), bytes.len() as u64);
        let place = match (self.name.tag(), &self.subject) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(_)) => digest.to_string(),
            (None, None) => "latest".to_owned(),
        };
        repository.put_manifest(&place, &descriptor, &bytes).await?;
        Ok(format!("{}@{digest}\n", self.name.familiar_name()))
    }

    /// The subject's whole name.
    fn about(&self, subject: &str) -> Result<Reference> {
        let repository = self.name.repository();
        match subject.parse::<Digest>() {
            Ok(digest) => Ok(repository.with_digest(&digest)),
            Err(_) => Ok(repository.with_tag(subject)?),
        }
    }
}

/// A file with what it is.
fn part(text: &str) -> Result<Part> {
    let (path, media_type) = split(text);
    let wrong = || format!("cannot read {}", path.display());
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} has no name to keep", path.display()))?;
    let mut file = File::open(path).with_context(wrong)?;
    if !file.metadata().with_context(wrong)?.is_file() {
        bail!("{} is no file", path.display());
    }
    let (digest, size) = hash(&mut file).with_context(wrong)?;
    Ok(Part {
        path: path.to_owned(),
        upload: Upload {
            descriptor: Descriptor {
                annotations: BTreeMap::from([(TITLE.to_owned(), name.to_owned())]),
                ..Descriptor::new(media_type, digest, size)
            },
            file: Arc::new(file),
            mounts: Vec::new(),
        },
    })
}

/// The file and the type; a file of the whole name comes first.
fn split(text: &str) -> (&Path, &str) {
    let whole = (Path::new(text), OCTETS);
    match text.rsplit_once(':') {
        Some((path, media_type)) if kind(media_type).is_ok() && !whole.0.exists() => {
            (Path::new(path), media_type)
        }
        _ => whole,
    }
}

fn hash(file: &mut File) -> std::io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let (mut piece, mut size) = (vec![0; PIECE], 0);
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hasher.update(piece.get(..length).unwrap_or_default());
        size += length as u64;
    }
    file.rewind()?;
    Ok((hasher.finish(), size))
}

fn empty() -> Result<Upload> {
    let (media_type, bytes) = EMPTY;
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("empty", flags)?);
    file.write_all(bytes)?;
    let digest = Hasher::digest(Algorithm::Sha256, bytes);
    Ok(Upload {
        descriptor: Descriptor::new(media_type, digest, bytes.len() as u64),
        file: Arc::new(file),
        mounts: Vec::new(),
    })
}

/// A media type: two names of RFC 6838.
fn kind(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
    let name = |name: &str| !name.is_empty() && name.len() <= 127 && name.chars().all(legal);
    match text.split_once('/') {
        Some((first, second)) if name(first) && name(second) => Ok(text.to_owned()),
        _ => Err("a media type is two names with a slash between them".to_owned()),
    }
}

fn note(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a note is KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_type_is_what_looks_like_one_unless_a_file_has_the_whole_name() {
        let json = (Path::new("a"), "application/json");
        assert_eq!(split("a:application/json"), json);
        assert_eq!(split("a:b"), (Path::new("a:b"), OCTETS));
        assert_eq!(split("/x:1/y"), (Path::new("/x"), "1/y"));
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a:b");
        std::fs::create_dir(&odd).unwrap();
        std::fs::write(odd.join("c"), "x").unwrap();
        let odd = odd.join("c");
        assert_eq!(split(odd.to_str().unwrap()), (odd.as_path(), OCTETS));
    }

    #[test]
    fn types_are_media_types() {
        for good in ["application/vnd.in-toto+json", "text/plain"] {
            assert!(kind(good).is_ok(), "{good}");
        }
        for bad in ["", "text", "/x", "x/", "a b/c", "a/b/c", "a/b;c=d"] {
            assert!(kind(bad).is_err(), "{bad}");
        }
    }
}
