//! Removal by Docker's rules: a name first, the image with its last name.

use crate::images::{names, not_found};
use crate::records::{ImageRecord, NameRecord, key};
use crate::requests::{Force, Parents, Removal, Remove};
use crate::{Conflict, Error, Images, Reference};
use metadata::Write;
use std::collections::BTreeMap;
use types::{Algorithm, Digest};

/// The removal of one image, within one transaction.
struct Removing<'a> {
    write: &'a Write,
    id: Digest,
    name: &'a str,
    force: Force,
    users: Vec<crate::User>,
    done: Vec<Removal>,
    /// Names that were taken for themselves, and not with another.
    untagged: usize,
}

impl Images {
    /// Takes the name away, or the image if `name` is its id or its last name. Blobs and layers
    /// that nobody needs any more go with it.
    pub fn remove(&self, name: &str, how: Remove) -> Result<Vec<Removal>, Error> {
        let id = self.0.database.read(|read| self.id_of(read, name))?;
        let users = self.0.options.users.of(&id);
        let labels = self.find(&id.to_string());
        let labels = labels.map(|image| image.config.config.labels.clone());
        let labels = labels.unwrap_or_default();
        let (done, untagged, gone) = self.0.database.write::<_, Error>(|write| {
            let mut removing = Removing {
                write,
                id: id.clone(),
                name,
                force: how.force,
                users: users.clone(),
                done: Vec::new(),
                untagged: 0,
            };
            let gone = removing.run()?;
            Ok((removing.done, removing.untagged, gone))
        })?;
        let names = (id.to_string(), id.to_string());
        for _ in 0..untagged {
            self.tell_named("untag", names.clone(), &labels);
        }
        if gone.is_some() {
            self.tell_named("delete", names, &BTreeMap::new());
        }
        self.0.options.steps.reached("names removed");
        let mut done = done;
        if let Some(record) = gone
            && how.parents == Parents::Prune
        {
            let removed = self.collect()?;
            done.extend(chains(&record, &removed.layers));
        }
        Ok(done)
    }
}

impl Removing<'_> {
    /// Gives the record if the image itself went.
    fn run(&mut self) -> Result<Option<ImageRecord>, Error> {
        let record = self.write.find::<ImageRecord>(&self.id.to_string())?;
        let record = record.ok_or_else(|| not_found(self.name))?;
        let mut quiet = false;
        if is_id(&self.id, self.name) {
            if is_single(&self.references()?) {
                self.check_containers()?;
                self.untag_all()?;
            }
        } else {
            let reference: Reference = self.name.parse()?;
            self.check_last_name()?;
            self.untag(&reference.or_latest())?;
            if !self.references()?.is_empty() {
                return Ok(None);
            }
            quiet = true;
        }
        if let Err(conflict) = self.check_containers().and_then(|()| self.check_names()) {
            // COMPAT: the name is gone, and the container keeps its image without one.
            return if quiet { Ok(None) } else { Err(conflict) };
        }
        self.untag_all()?;
        self.write.remove::<ImageRecord>(&self.id.to_string())?;
        self.done.push(Removal::Deleted(self.id.clone()));
        Ok(Some(record))
    }

    fn references(&self) -> Result<Vec<Reference>, Error> {
        let names = names(&self.id, &self.write.list::<NameRecord>()?);
        Ok(names.tags.into_iter().chain(names.digests).collect())
    }

    /// Takes `reference` away, and the digests of its repository with the last tag.
    fn untag(&mut self, reference: &Reference) -> Result<(), Error> {
        self.take(reference)?;
        let left = self.references()?;
        let same = |other: &&Reference| other.name() == reference.name();
        let tagged = left
            .iter()
            .filter(same)
            .any(|other| other.digest().is_none());
        if reference.digest().is_none() && !tagged {
            let told = self.untagged;
            for digest in left.iter().filter(same) {
                self.take(digest)?;
            }
            // COMPAT: of these nobody is told.
            self.untagged = told;
        }
        Ok(())
    }

    fn untag_all(&mut self) -> Result<(), Error> {
        let mut names = self.references()?;
        // COMPAT: tags and digests are told in one order.
        names.sort_by_cached_key(Reference::to_string);
        for reference in names {
            self.take(&reference)?;
        }
        Ok(())
    }

    fn take(&mut self, reference: &Reference) -> Result<(), Error> {
        if self.write.remove::<NameRecord>(&key(reference))? {
            self.done.push(Removal::Untagged(reference.familiar()));
            self.untagged += 1;
        }
        Ok(())
    }

    fn check_last_name(&self) -> Result<(), Error> {
        match self.users.first() {
            Some(user) if self.force == Force::No && is_single(&self.references()?) => {
                Err(Error::Conflict(Conflict::LastName {
                    name: self.name.to_owned(),
                    container: user.container.to_string(),
                    image: self.id.clone(),
                }))
            }
            _ => Ok(()),
        }
    }

    fn check_containers(&self) -> Result<(), Error> {
        let image = self.id.clone();
        if let Some(user) = self.users.iter().find(|user| user.running) {
            let container = user.container.to_string();
            return Err(Error::Conflict(Conflict::Running { image, container }));
        }
        match self.users.first() {
            Some(user) if self.force == Force::No => Err(Error::Conflict(Conflict::Stopped {
                image,
                container: user.container.to_string(),
            })),
            _ => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), Error> {
        if self.force == Force::No && !self.references()?.is_empty() {
            let image = self.id.clone();
            return Err(Error::Conflict(Conflict::Names { image }));
        }
        Ok(())
    }
}

fn is_id(id: &Digest, name: &str) -> bool {
    id.to_string().starts_with(name) || id.hex().starts_with(name)
}

/// Whether all names are one tag and the digests of its repository.
fn is_single(references: &[Reference]) -> bool {
    if references.len() <= 1 {
        return true;
    }
    let tags = references.iter().filter(|r| r.digest().is_none());
    let repositories: std::collections::BTreeSet<String> =
        references.iter().map(Reference::name).collect();
    tags.count() <= 1 && repositories.len() == 1
}

/// The ids of the chains whose topmost layers are gone, the topmost first.
fn chains(record: &ImageRecord, gone: &[Digest]) -> Vec<Removal> {
    let mut chain: Option<Digest> = None;
    let mut removed = Vec::new();
    for layer in &record.layers {
        let id = match &chain {
            None => layer.diff_id.clone(),
            Some(below) => {
                let text = format!("{below} {}", layer.diff_id);
                content::Hasher::digest(Algorithm::Sha256, text.as_bytes())
            }
        };
        if gone.contains(&layer.diff_id) {
            removed.push(Removal::Deleted(id.clone()));
        }
        chain = Some(id);
    }
    removed.reverse();
    removed
}
