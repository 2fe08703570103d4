//! Image archives of Docker before 1.10: a directory for each layer, with what is known of the
//! image that ends with it (`json`), and its parent's id in there.

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use types::Digest;

use super::document;
use super::machine;
use crate::error::Refusal;
use crate::limits::Limits;
use crate::outcome::Saved;

/// The images' names: repository, tag, id.
pub(super) const NAMES: &str = "repositories";
/// Images that one archive may name.
const IMAGES: usize = 1000;
/// Layers that an image may have.
const LAYERS: usize = 500;
/// What such a configuration says that one of today does not.
const DROPPED: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// What `repositories` says.
pub(super) type Names = BTreeMap<String, BTreeMap<String, String>>;

/// What its own configuration says of where an image comes from.
#[derive(Deserialize)]
struct Origin {
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    created: Option<Value>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    container_config: Option<Made>,
}

#[derive(Default, Deserialize)]
struct Made {
    #[serde(default, rename = "Cmd")]
    cmd: Option<Vec<String>>,
}

/// Such an archive, by its members.
pub(super) struct Repositories<'a> {
    pub(super) blobs: &'a BTreeMap<String, (Digest, u64)>,
    /// Where their bytes are.
    pub(super) dir: &'a OwnedFd,
    pub(super) limits: &'a Limits,
}

impl Repositories<'_> {
    /// The images that have names, each with the configuration that is to be added: as one of
    /// today, whose layers are known by digests.
    pub(super) fn images(&self, names: Names) -> Result<Vec<(Saved, Vec<u8>)>, Refusal> {
        let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (repository, ids) in names {
            for (tag, id) in ids {
                tags.entry(id)
                    .or_default()
                    .push(format!("{repository}:{tag}"));
            }
        }
        if tags.len() > IMAGES {
            return Err(refuse(NAMES, format!("it names {} images", tags.len())));
        }
        let images = tags.into_iter().map(|(id, tags)| self.image(&id, tags));
        images.collect()
    }

    fn image(&self, id: &str, repo_tags: Vec<String>) -> Result<(Saved, Vec<u8>), Refusal> {
        let own = self.json(id)?;
        let (mut layers, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = Some((id.to_owned(), own.clone()));
        while let Some((id, bytes)) = at {
            if layers.len() == LAYERS {
                return Err(refuse(
                    &id,
                    format!("an image of more than {LAYERS} layers"),
                ));
            }
            let origin: Origin = document::read(&configuration(&id), &bytes)?;
            let layer = format!("{id}/layer.tar");
            diff_ids.push(self.member(&layer)?.0.clone());
            layers.push(layer);
            at = match origin.parent.as_deref().filter(|id| !id.is_empty()) {
                Some(parent) => Some((parent.to_owned(), self.json(parent)?)),
                None => None,
            };
            history.push(origin.step());
        }
        layers.reverse();
        diff_ids.reverse();
        history.reverse();
        let mut config: Map<String, Value> = document::read(&configuration(id), &own)?;
        for key in DROPPED {
            config.remove(key);
        }
        config.insert(
            "rootfs".into(),
            json!({"type": "layers", "diff_ids": diff_ids}),
        );
        config.insert("history".into(), history.into());
        let saved = Saved {
            config: format!("{id}.json"),
            repo_tags,
            layers,
        };
        Ok((saved, Value::from(config).to_string().into_bytes()))
    }

    fn json(&self, id: &str) -> Result<Vec<u8>, Refusal> {
        let (digest, _) = self.member(&configuration(id))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let path = format!("sha256/{}", digest.hex());
        let file = rustix::fs::openat(self.dir, path, flags, Mode::empty())
            .map_err(|error| machine("open a blob", &error.into()))?;
        document::bytes(File::from(file), self.limits)
    }

    fn member(&self, name: &str) -> Result<&(Digest, u64), Refusal> {
        let found = self.blobs.get(name);
        found.ok_or_else(|| refuse(name, "the archive has no such member".to_owned()))
    }
}

impl Origin {
    /// How the layer came about.
    fn step(self) -> Value {
        let cmd = self.container_config.unwrap_or_default().cmd;
        let said = [
            ("created", self.created.filter(|at| !at.is_null())),
            ("author", self.author.map(Value::from)),
            ("created_by", cmd.map(|cmd| cmd.join(" ").into())),
            ("comment", self.comment.map(Value::from)),
        ];
        let said = said.into_iter().filter_map(|(key, value)| {
            let value = value.filter(|value| value.as_str() != Some(""))?;
            Some((key.to_owned(), value))
        });
        Value::Object(said.collect())
    }
}

fn configuration(id: &str) -> String {
    format!("{id}/json")
}

fn refuse(entry: &str, reason: String) -> Refusal {
    Refusal::Entry {
        entry: entry.to_owned(),
        reason,
    }
}
