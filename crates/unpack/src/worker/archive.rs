//! Image archives: each member becomes a blob by its digest.

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use tar::EntryType;
use types::Digest;

use super::apply::shown;
use super::document;
use super::guard::refusal_of;
use super::machine;
use super::members::{Member, Members};
use super::repositories::{self, Repositories};
use super::stream::{Stream, digest_of};
use crate::error::Refusal;
use crate::limits::Limits;
use crate::outcome::{self, Link, Split};

/// `docker save`'s list of images.
const SAVED: &str = "manifest.json";
/// An OCI layout's.
const INDEX: &str = "index.json";
/// What is read as it passes.
const READ: [&str; 3] = [SAVED, INDEX, repositories::NAMES];
/// Members and links that an image archive may have: it has a few for each layer.
const MEMBERS: u64 = 100_000;
/// Bytes that are copied at once.
const PIECE: usize = 256 << 10;

/// Splits the archive into blobs of the directory.
pub(super) fn split(mut stream: Stream, dir: &OwnedFd, limits: &Limits) -> Result<Split, Refusal> {
    let most = MEMBERS.min(limits.entries);
    let mut splitter = Splitter {
        dir,
        limits,
        piece: vec![0; PIECE],
        blobs: BTreeMap::new(),
        names: None,
        split: Split {
            compression: stream.compression(),
            members: Vec::new(),
            links: Vec::new(),
            saved: None,
            index: None,
        },
    };
    splitter.prepare()?;
    let mut members = Members::new(&mut stream, limits);
    while let Some(member) = members.next()? {
        if members.seen() > most {
            return Err(Refusal::Limit {
                entry: shown(&member.path),
                what: "the number of entries".to_owned(),
                limit: most,
            });
        }
        splitter.member(&member, &mut members.contents())?;
    }
    splitter.renew()?;
    let Splitter {
        mut split, blobs, ..
    } = splitter;
    let named = |(name, (digest, size))| outcome::Member { name, digest, size };
    split.members = blobs.into_iter().map(named).collect();
    stream.finish()?;
    Ok(split)
}

struct Splitter<'a> {
    dir: &'a OwnedFd,
    limits: &'a Limits,
    piece: Vec<u8>,
    /// By name: of members with the same, the last counts.
    blobs: BTreeMap<String, (Digest, u64)>,
    names: Option<repositories::Names>,
    split: Split,
}

impl Splitter<'_> {
    fn prepare(&self) -> Result<(), Refusal> {
        match rustix::fs::mkdirat(self.dir, "sha256", Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(machine("create a directory of blobs", &error.into())),
        }
    }

    fn member(&mut self, member: &Member, contents: &mut dyn Read) -> Result<(), Refusal> {
        let path = &member.path;
        let name = name(path, self.limits)?;
        match member.kind() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
                if !path.ends_with(b"/") =>
            {
                self.file(name, member.size, contents)
            }
            EntryType::Symlink | EntryType::Link => {
                let link = self.link(name, member)?;
                self.split.links.push(link);
                Ok(())
            }
            EntryType::Directory | EntryType::Regular | EntryType::Continuous => Ok(()),
            _ => Err(refuse(path, "neither file, directory nor link")),
        }
    }

    fn link(&self, name: String, member: &Member) -> Result<Link, Refusal> {
        let target = member.target.as_deref();
        let target = target.ok_or_else(|| refuse(&member.path, "a link without a target"))?;
        let symbolic = member.kind() == EntryType::Symlink;
        // A symbolic link's target counts from where the link is.
        let from = match name.rsplit_once('/') {
            Some((parent, _)) if symbolic && !target.starts_with(b"/") => parent,
            _ => "",
        };
        let resolved = [from.as_bytes(), b"/", target].concat();
        Ok(Link {
            name,
            target: self::name(&resolved, self.limits)?,
        })
    }

    fn file(&mut self, name: String, size: u64, contents: &mut dyn Read) -> Result<(), Refusal> {
        let mut document = READ.contains(&name.as_str()).then(Vec::new);
        if document.is_some() && size > self.limits.document {
            return Err(Refusal::Limit {
                entry: name,
                what: "its size".to_owned(),
                limit: self.limits.document,
            });
        }
        let draft = format!(".draft-{}", std::process::id());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = rustix::fs::openat(self.dir, &draft, flags, mode)
            .map_err(|error| machine("create a blob", &error.into()))?;
        let written = self.copy(contents, &mut file.into(), document.as_mut());
        let committed = written.and_then(|(digest, size)| {
            self.commit(&draft, &digest)?;
            Ok((digest, size))
        });
        if committed.is_err() {
            let _ = rustix::fs::unlinkat(self.dir, &draft, AtFlags::empty());
        }
        let (digest, size) = committed?;
        match (name.as_str(), document) {
            (SAVED, Some(text)) => self.split.saved = Some(document::read(SAVED, &text)?),
            (INDEX, Some(text)) => self.split.index = Some(document::read(INDEX, &text)?),
            (name, Some(text)) => self.names = Some(document::read(name, &text)?),
            _ => {}
        }
        self.blobs.insert(name, (digest, size));
        Ok(())
    }

    /// Gives an old archive what newer ones have.
    fn renew(&mut self) -> Result<(), Refusal> {
        let is_old = self.split.saved.is_none() && self.split.index.is_none();
        let Some(names) = self.names.take().filter(|_| is_old) else {
            return Ok(());
        };
        let old = Repositories {
            blobs: &self.blobs,
            dir: self.dir,
            limits: self.limits,
        };
        let (mut saved, images) = (Vec::new(), old.images(names)?);
        for (image, config) in images {
            let size = config.len() as u64;
            self.file(image.config.clone(), size, &mut config.as_slice())?;
            saved.push(image);
        }
        self.split.saved = Some(saved);
        Ok(())
    }

    fn copy(
        &mut self,
        contents: &mut dyn Read,
        file: &mut File,
        mut document: Option<&mut Vec<u8>>,
    ) -> Result<(Digest, u64), Refusal> {
        let mut hash = Sha256::new();
        let mut size = 0;
        loop {
            let piece = match contents.read(&mut self.piece) {
                Ok(0) => break,
                Ok(length) => &self.piece[..length],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(refusal_of(&error)),
            };
            hash.update(piece);
            size += piece.len() as u64;
            if let Some(document) = &mut document {
                document.extend_from_slice(piece);
            }
            let written = file.write_all(piece);
            written.map_err(|error| machine("write a blob", &error))?;
        }
        let synced = file.sync_data();
        synced.map_err(|error| machine("sync a blob", &error))?;
        Ok((digest_of(&hash.finalize()), size))
    }

    fn commit(&self, draft: &str, digest: &Digest) -> Result<(), Refusal> {
        let to = format!("sha256/{}", digest.hex());
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(self.dir, draft, self.dir, to.as_str(), flags) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => rustix::fs::unlinkat(self.dir, draft, AtFlags::empty())
                .map_err(|error| machine("remove a blob's draft", &error.into())),
            Err(error) => Err(machine("name a blob", &error.into())),
        }
    }
}

fn name(path: &[u8], limits: &Limits) -> Result<String, Refusal> {
    if path.len() > limits.path {
        return Err(Refusal::Limit {
            entry: shown(path),
            what: "the length of its name".to_owned(),
            limit: limits.path as u64,
        });
    }
    let parts = erofs::clean(path).map_err(|_| refuse(path, "its name leaves the archive"))?;
    let name = String::from_utf8(parts.join(&b'/'));
    name.map_err(|_| refuse(path, "its name is not UTF-8"))
}

fn refuse(path: &[u8], reason: &str) -> Refusal {
    Refusal::Entry {
        entry: shown(path),
        reason: reason.to_owned(),
    }
}
