//! Images as one archive, which `docker load` and readers of OCI layouts take.
//!
//! It has the shape that Docker 28 writes. Blobs are in it as they came, compressed or not,
//! so that a load gives the same digests again.

use crate::{Error, Image, Images, Platform, Reference};
use oci::image::{Descriptor, Index, media_type};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use types::{Digest, Timestamp};

/// containerd's name in full.
const FULL_NAME: &str = "io.containerd.image.name";
/// The specification's name: a tag alone.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion": "1.0.0"}"#;

/// Images that are to be written as an archive. As long as it lives, they stay on disk.
#[derive(Debug)]
pub struct Archive {
    images: Images,
    /// In the order of their first mention.
    saved: Vec<Saved>,
}

#[derive(Debug)]
struct Saved {
    image: Image,
    tags: Vec<Reference>,
}

/// An image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    layer_sources: BTreeMap<String, Descriptor>,
}

impl Images {
    /// Finds the images that `names` mean: an id's image goes without a name, a name without
    /// tag means all its tags.
    pub fn save(&self, names: &[String], platform: Option<&Platform>) -> Result<Archive, Error> {
        let mut archive = Archive {
            images: self.clone(),
            saved: Vec::new(),
        };
        for name in names {
            for (image, tag) in self.meant(name)? {
                if let Some(platform) = platform
                    && !image.suits(platform)
                {
                    return Err(Error::NoExport {
                        platform: Box::new(platform.clone()),
                    });
                }
                archive.add(image, tag);
            }
        }
        Ok(archive)
    }

    fn meant(&self, name: &str) -> Result<Vec<(Image, Option<Reference>)>, Error> {
        let reference: Option<Reference> = name.parse().ok();
        if let Some(reference) = &reference
            && reference.tag().is_none()
            && reference.digest().is_none()
        {
            let mut tags = self.tags_of(reference)?;
            tags.sort_by_key(Reference::familiar);
            if !tags.is_empty() {
                let found = tags.into_iter().map(|tag| {
                    let image = self.resolve(&tag.to_string())?;
                    Ok((image, Some(tag)))
                });
                return found.collect();
            }
        }
        let image = self.resolve(name)?;
        let named = reference.map(Reference::or_latest);
        let tag = named.filter(|named| image.references.contains(named));
        Ok(vec![(image, tag)])
    }
}

impl Archive {
    fn add(&mut self, image: Image, tag: Option<Reference>) {
        let found = self
            .saved
            .iter_mut()
            .find(|saved| saved.image.id == image.id);
        match found {
            Some(saved) => {
                let new = tag.filter(|tag| !saved.tags.contains(tag));
                saved.tags.extend(new);
            }
            None => self.saved.push(Saved {
                image,
                tags: tag.into_iter().collect(),
            }),
        }
    }

    /// The images with the names that are saved.
    pub fn images(&self) -> impl Iterator<Item = (&Image, &[Reference])> {
        self.saved
            .iter()
            .map(|saved| (&saved.image, saved.tags.as_slice()))
    }

    /// Writes the archive. What was written before an error is no archive.
    pub fn write(&self, out: impl Write) -> Result<(), Error> {
        let mut writer = Writer(tar::Builder::new(out));
        let newest = self
            .saved
            .iter()
            .filter_map(|saved| saved.image.created)
            .max();
        if !self.saved.is_empty() {
            writer.blobs(self, newest)?;
        }
        writer.document("index.json", &self.index())?;
        writer.document("manifest.json", &self.entries())?;
        writer.file("oci-layout", LAYOUT.len() as u64, None, LAYOUT)?;
        let repositories = self.repositories();
        if !repositories.is_empty() {
            writer.document("repositories", &repositories)?;
        }
        writer.0.finish().map_err(writing())?;
        for saved in &self.saved {
            self.images.tell("save", &saved.image);
        }
        Ok(())
    }

    fn index(&self) -> Index {
        let mut manifests = Vec::new();
        for Saved { image, tags } in &self.saved {
            let plain = Descriptor::new(
                &image.manifest.media_type,
                image.manifest.digest.clone(),
                image.manifest.size,
            );
            if tags.is_empty() {
                manifests.push(plain.clone());
            }
            manifests.extend(tags.iter().map(|tag| Descriptor {
                annotations: BTreeMap::from([
                    (FULL_NAME.to_owned(), tag.to_string()),
                    (
                        REF_NAME.to_owned(),
                        tag.tag().unwrap_or_default().to_owned(),
                    ),
                ]),
                ..plain.clone()
            }));
        }
        Index {
            schema_version: 2,
            media_type: Some(media_type::INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |Saved { image, tags }: &Saved| {
            let names = tags.iter().map(Reference::familiar).collect();
            let parts = image.parts.iter();
            Entry {
                config: place(&image.config_blob.digest),
                repo_tags: (!tags.is_empty()).then_some(names),
                layers: parts.clone().map(|part| place(&part.blob.digest)).collect(),
                layer_sources: parts
                    .map(|part| (part.diff_id.to_string(), part.blob.clone()))
                    .collect(),
            }
        };
        self.saved.iter().map(entry).collect()
    }

    /// What Docker before 1.10 read: a name's topmost layer.
    fn repositories(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
        for Saved { image, tags } in &self.saved {
            let Some(top) = image.parts.last() else {
                continue;
            };
            for tag in tags {
                let name = found.entry(tag.familiar_name()).or_default();
                let version = tag.tag().unwrap_or_default().to_owned();
                name.insert(version, top.blob.digest.hex().to_owned());
            }
        }
        found
    }

    /// Every blob once, by its place.
    fn blobs(&self) -> BTreeMap<String, (&Descriptor, Option<Timestamp>)> {
        let mut found = BTreeMap::new();
        for Saved { image, .. } in &self.saved {
            let parts = image.parts.iter().map(|part| &part.blob);
            for blob in parts.chain([&image.config_blob]) {
                found.insert(place(&blob.digest), (blob, image.created));
            }
            found.insert(place(&image.manifest.digest), (&image.manifest, None));
        }
        found
    }
}

/// The archive's members, in the order of their names.
struct Writer<W: Write>(tar::Builder<W>);

impl<W: Write> Writer<W> {
    fn blobs(&mut self, archive: &Archive, at: Option<Timestamp>) -> Result<(), Error> {
        let blobs = archive.blobs();
        self.directory("blobs/", at)?;
        let mut algorithm = "";
        for (place, (blob, created)) in &blobs {
            if blob.digest.algorithm().name() != algorithm {
                algorithm = blob.digest.algorithm().name();
                self.directory(&format!("blobs/{algorithm}/"), at)?;
            }
            let file = archive.images.0.content.file(&blob.digest);
            let file = file.map_err(Error::content(format!("read blob {}", blob.digest)))?;
            self.file(place, blob.size, *created, file)?;
        }
        Ok(())
    }

    fn document(&mut self, name: &str, document: &impl Serialize) -> Result<(), Error> {
        let bytes = serde_json::to_vec(document).map_err(io::Error::from);
        let bytes = bytes.map_err(writing())?;
        self.file(name, bytes.len() as u64, None, bytes.as_slice())
    }

    fn directory(&mut self, name: &str, at: Option<Timestamp>) -> Result<(), Error> {
        let mut header = header(0, 0o755, at);
        header.set_entry_type(tar::EntryType::Directory);
        let written = self.0.append_data(&mut header, name, io::empty());
        written.map_err(writing())
    }

    fn file(
        &mut self,
        name: &str,
        size: u64,
        at: Option<Timestamp>,
        bytes: impl io::Read,
    ) -> Result<(), Error> {
        let mut header = header(size, 0o644, at);
        let written = self.0.append_data(&mut header, name, bytes);
        written.map_err(writing())
    }
}

fn header(size: u64, mode: u32, at: Option<Timestamp>) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(at.map_or(0, |at| at.seconds()));
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn writing() -> impl FnOnce(io::Error) -> Error {
    Error::io("write the archive")
}

fn place(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}
