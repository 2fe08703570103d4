//! A split archive: members by name.

use super::{Described, MAX_CONFIG, docker, layout};
use crate::{Config, Error, Platform};
use content::Scratch;
use oci::image::{Descriptor, Document, Index};
use std::collections::HashMap;
use types::Digest;
use unpack::{Saved, Split, Unpack};

/// Links that are followed one after another.
const MAX_LINKS: usize = 8;
/// Images that one archive may have.
const MAX_IMAGES: usize = 1000;

#[derive(Debug)]
pub(super) struct Archive {
    scratch: Scratch,
    /// Digests of the members by name.
    members: HashMap<String, (Digest, u64)>,
    links: HashMap<String, String>,
    /// What it says of its images, in Docker's form.
    saved: Option<Vec<Saved>>,
    /// What it says of them as an OCI layout.
    pub(super) index: Option<Box<Index>>,
    worker: Unpack,
}

impl Archive {
    pub(super) fn new(scratch: Scratch, split: Split, worker: Unpack) -> Self {
        let members = split.members.into_iter();
        let links = split.links.into_iter();
        Self {
            scratch,
            members: members.map(|m| (m.name, (m.digest, m.size))).collect(),
            links: links.map(|l| (l.name, l.target)).collect(),
            saved: split.saved,
            index: split.index,
            worker,
        }
    }

    /// The images that the archive says it has.
    pub(super) fn describe(&self, platform: &Platform) -> Result<Vec<Described>, Error> {
        let described = match (&self.saved, &self.index) {
            (Some(saved), _) => docker::describe(self, saved)?,
            (None, Some(index)) => layout::describe(self, index, platform)?,
            (None, None) => {
                return Err(Error::malformed(
                    "archive",
                    "it has neither manifest.json nor index.json nor repositories",
                ));
            }
        };
        if described.is_empty() || described.len() > MAX_IMAGES {
            let reason = format!("it names {} images", described.len());
            return Err(Error::malformed("archive", reason));
        }
        Ok(described)
    }

    /// The member of that name, or that a link of that name leads to.
    pub(super) fn member(&self, name: &str) -> Result<(&Digest, u64), Error> {
        let mut at = name.trim_start_matches("./");
        for _ in 0..MAX_LINKS {
            if let Some((digest, size)) = self.members.get(at) {
                return Ok((digest, *size));
            }
            match self.links.get(at) {
                Some(target) => at = target,
                None => break,
            }
        }
        Err(Error::malformed(
            "archive",
            format!("it has no member {name:?}"),
        ))
    }

    /// The bytes of a member.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (digest, _) = self.member(name)?;
        let bytes = self.scratch.read(digest, MAX_CONFIG);
        bytes.map_err(Error::content(format!("read member {name:?}")))
    }

    /// Has the worker read a manifest or an index.
    pub(super) fn document(&self, named: &Descriptor, bytes: &[u8]) -> Result<Document, Error> {
        let read = self.worker.document(Some(&named.media_type), bytes);
        read.map_err(Error::document(format!("manifest {}", named.digest)))
    }

    /// Has the worker read a configuration; see [`read_config`].
    pub(super) fn config(&self, bytes: &[u8], layers: usize) -> Result<Config, Error> {
        read_config(&self.worker, bytes, layers)
    }

    /// Makes a member a blob of the store.
    pub(super) fn adopt(&self, found: &Digest, digest: &Digest) -> Result<u64, Error> {
        let adopted = self.scratch.adopt(found, digest);
        adopted.map_err(Error::content(format!("store {digest}")))
    }
}

/// Has the worker read a configuration, and checks that it can be run here and has `layers`
/// layers.
pub(crate) fn read_config(worker: &Unpack, bytes: &[u8], layers: usize) -> Result<Config, Error> {
    let subject = || "image configuration".to_owned();
    let config = worker.config(bytes).map_err(Error::document(subject()))?;
    let expected = config.rootfs.diff_ids.len();
    if expected != layers {
        return Err(Error::malformed(
            subject(),
            format!("invalid manifest, layers length mismatch: expected {expected}, got {layers}"),
        ));
    }
    if config.rootfs.kind != "layers" || expected > 500 {
        return Err(Error::malformed(
            subject(),
            format!("{expected} layers of type {:?}", config.rootfs.kind),
        ));
    }
    // Images of Windows are kept like any other, and run in a machine of their own.
    if !["", "linux", "windows"].contains(&config.os.as_str()) {
        return Err(Error::Invalid {
            reason: format!("cannot load {} image on linux", config.os),
        });
    }
    Ok(*config)
}
