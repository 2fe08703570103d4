//! A volume as it is stored.

use crate::{Event, EventType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use types::{ContainerId, Timestamp};
use volume::Name;

/// The label of volumes that nobody named. COMPAT: clients and prune know them by it.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The driver whose volumes are directories of ours.
pub(crate) const LOCAL: &str = "local";

/// A volume as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSpec {
    /// Its name; empty: one is made up.
    pub name: String,
    /// Its driver; empty: `local`.
    pub driver: String,
    /// Options for the driver.
    pub options: Option<BTreeMap<String, String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
}

/// A volume as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// Its name.
    pub name: Name,
    /// Its driver.
    pub driver: String,
    /// Options of the driver.
    pub options: Option<BTreeMap<String, String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// When it was made.
    pub created: Timestamp,
    /// The container that it was made for and goes with; `None` once that was removed without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ContainerId>,
}

impl metadata::Record for VolumeRecord {
    const TABLE: &'static str = "volumes";
    const VERSION: u16 = 1;
}

impl VolumeRecord {
    /// Whether nobody named it.
    pub fn is_anonymous(&self) -> bool {
        let labels = self.labels.iter();
        labels.flatten().any(|(label, _)| label == ANONYMOUS)
    }

    pub(crate) fn event<const N: usize>(
        &self,
        action: &str,
        attributes: [(&str, String); N],
    ) -> Event {
        let mut all = BTreeMap::from([("driver".to_owned(), self.driver.clone())]);
        all.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
        Event {
            object: EventType::Volume,
            action: action.to_owned(),
            id: self.name.to_string(),
            attributes: all,
        }
    }
}
