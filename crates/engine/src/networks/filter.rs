//! Which networks a list is about.

use super::NetworkRecord;
use crate::{LabelFilter, Pattern};
use types::Timestamp;

/// Which networks a list is about: those that match one value of every filter given.
#[derive(Clone, Debug, Default)]
pub struct NetworkFilter {
    /// What their names match.
    pub names: Vec<Pattern>,
    /// Starts of ids.
    pub ids: Vec<String>,
    /// Drivers.
    pub drivers: Vec<String>,
    /// Scopes: `local` is all there is.
    pub scopes: Vec<String>,
    /// The daemon's own (`Some(false)`) or people's (`Some(true)`).
    pub custom: Option<bool>,
    /// Those that no container runs in, or those that one does.
    pub dangling: Option<bool>,
    /// Labels; all of them must be there.
    pub labels: Vec<LabelFilter>,
    /// Labels none of which may be there.
    pub without_labels: Vec<LabelFilter>,
    /// Made before this time.
    pub until: Option<Timestamp>,
}

impl NetworkFilter {
    /// Whether it is one of these; `is_joined` is asked only if that matters.
    pub(super) fn matches(&self, record: &NetworkRecord, is_joined: impl Fn() -> bool) -> bool {
        let any = |list: &[String], matches: &dyn Fn(&String) -> bool| {
            list.is_empty() || list.iter().any(matches)
        };
        let is_dangling = || !record.predefined && !is_joined();
        (self.names.is_empty() || self.names.iter().any(|name| name.matches(&record.name)))
            && any(&self.ids, &|id| record.id.starts_with(id.as_str()))
            && any(&self.drivers, &|driver| driver == record.driver.name())
            && any(&self.scopes, &|scope| scope == "local")
            && self.custom.is_none_or(|custom| custom != record.predefined)
            && self
                .dangling
                .is_none_or(|dangling| dangling == is_dangling())
            && self
                .labels
                .iter()
                .all(|label| label.matches(&record.labels))
            && !self
                .without_labels
                .iter()
                .any(|label| label.matches(&record.labels))
            && self.until.is_none_or(|until| record.created < until)
    }
}
