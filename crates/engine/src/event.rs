//! What happened, for those who watch.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of object that an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The daemon itself.
    Daemon,
    /// What builds images.
    Builder,
}

impl EventType {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Daemon => "daemon",
            Self::Builder => "builder",
        }
    }
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The kind of object.
    pub object: EventType,
    /// What happened, in the API's words: `create`, `start`, `die`, `exec_create: sh`.
    pub action: String,
    /// The object's id or name.
    pub id: String,
    /// What else is known: a container's name, image and labels, an exit code.
    pub attributes: BTreeMap<String, String>,
}

impl Event {
    /// That objects without use were removed.
    pub(crate) fn prune(object: EventType, reclaimed: u64) -> Self {
        Self {
            object,
            action: "prune".to_owned(),
            id: String::new(),
            attributes: BTreeMap::from([("reclaimed".to_owned(), reclaimed.to_string())]),
        }
    }
}

impl From<images::Happening> for Event {
    fn from(happening: images::Happening) -> Self {
        Self {
            object: EventType::Image,
            action: happening.action.to_owned(),
            id: happening.id,
            attributes: happening.attributes,
        }
    }
}
