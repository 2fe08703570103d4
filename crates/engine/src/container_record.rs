//! A container as it is stored.

use crate::{ContainerSpec, ContainerState, Event, EventType, ReadOnlyRecursion};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{ContainerId, Layer, Rootfs, Timestamp};

/// A container as it is stored: what changes only by a caller's word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without a slash.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// The image's id, `sha256:...`.
    pub image_id: String,
    /// Its root file system: the image's layers, the topmost first, and its writable part; or
    /// a copy of them.
    pub rootfs: Rootfs,
    /// The layers that its root is a copy of, the topmost first; none if they are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied: Vec<Layer>,
    /// What was asked for, with what the image decides filled in.
    pub spec: ContainerSpec,
    /// Volumes and binds, resolved.
    pub mounts: Vec<MountPoint>,
}

impl metadata::Record for ContainerRecord {
    const TABLE: &'static str = "containers";
    const VERSION: u16 = 1;
}

impl ContainerRecord {
    /// Under which names other members of a network find it, in which it has these aliases.
    pub fn network_names(&self, aliases: &[String]) -> Vec<String> {
        let own = [self.name.as_str()].into_iter();
        let own = own.chain(aliases.iter().map(String::as_str));
        let own = own.chain([self.id.short(), self.spec.hostname.as_str()]);
        let mut names: Vec<String> = Vec::new();
        for name in own.filter(|name| !name.is_empty()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The words of the program: entry point and command.
    pub fn program(&self) -> Vec<&str> {
        let process = &self.spec.process;
        let entrypoint = process.entrypoint.iter().flatten();
        let command = process.command.iter().flatten();
        entrypoint.chain(command).map(String::as_str).collect()
    }
}

impl ContainerRecord {
    /// An event about it: with its image, name and labels, as Docker's clients filter by them.
    pub(crate) fn event<const N: usize>(
        &self,
        action: &str,
        attributes: [(&str, &str); N],
    ) -> Event {
        let mut all = self.spec.labels.clone();
        all.insert("image".to_owned(), self.spec.image.clone());
        all.insert("name".to_owned(), self.name.clone());
        for (name, value) in attributes {
            all.insert(name.to_owned(), value.to_owned());
        }
        Event {
            object: EventType::Container,
            action: action.to_owned(),
            id: self.id.to_string(),
            attributes: all,
        }
    }
}

/// What is mounted in a container beyond its root, as inspect lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs` or `image`.
    pub kind: String,
    /// The volume's name, or the image's.
    pub name: Option<String>,
    /// The path on the host; empty for `tmpfs`, the image's name for `image`.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// The options of the short form.
    pub mode: String,
    /// It can be written to.
    pub writable: bool,
    /// How mounts under it travel.
    pub propagation: String,
    /// The volume's driver.
    #[serde(default)]
    pub driver: Option<String>,
    /// Not the source itself, but what this path in it leads to.
    #[serde(default)]
    pub subpath: String,
    /// An image's layers, the topmost first.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// Mounts under the source are left out.
    #[serde(default)]
    pub non_recursive: bool,
    /// Whether mounts under it are read-only as it is.
    #[serde(default)]
    pub recursion: ReadOnlyRecursion,
    /// Options of a temporary file system.
    #[serde(default)]
    pub options: Vec<String>,
    /// An empty volume gets what the image has there.
    #[serde(default)]
    pub copy: bool,
}

impl MountPoint {
    /// A writable mount of nothing yet.
    pub(crate) fn new(kind: &str, target: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            name: None,
            source: String::new(),
            target: target.to_owned(),
            mode: String::new(),
            writable: true,
            propagation: String::new(),
            driver: None,
            subpath: String::new(),
            layers: Vec::new(),
            non_recursive: false,
            recursion: ReadOnlyRecursion::default(),
            options: Vec::new(),
            copy: false,
        }
    }

    /// Whether it is a volume.
    pub fn is_volume(&self) -> bool {
        self.kind == "volume"
    }
}

/// A container as readers see it: one moment's snapshot.
#[derive(Clone, Debug)]
pub struct Container {
    /// What is stored of it.
    pub record: Arc<ContainerRecord>,
    /// What it does.
    pub state: ContainerState,
    /// How often its program ended since the daemon knows it.
    pub(crate) exits: u64,
    /// It is gone: this is what is remembered of it.
    pub(crate) removed: bool,
}

impl Container {
    pub(crate) fn new(record: ContainerRecord, state: ContainerState) -> Self {
        Self {
            record: Arc::new(record),
            state,
            exits: 0,
            removed: false,
        }
    }

    /// Its id.
    pub fn id(&self) -> &ContainerId {
        &self.record.id
    }
}
