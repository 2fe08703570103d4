//! Which containers a list is about.

use crate::{Container, Status};
use regex::Regex;
use std::collections::BTreeSet;

/// A label that must be there, with a value if one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    /// Its name.
    pub name: String,
    /// Its value; `None`: any.
    pub value: Option<String>,
}

impl LabelFilter {
    /// Reads `name` or `name=value`.
    pub fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((name, value)) => Self {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            },
            None => Self {
                name: text.to_owned(),
                value: None,
            },
        }
    }

    pub(crate) fn matches(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.name);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}

/// What names match: a regular expression, found anywhere in them. One that is none matches
/// nothing but itself.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    expression: Option<Regex>,
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            expression: Regex::new(text).ok(),
        }
    }
}

impl Pattern {
    pub(crate) fn matches(&self, name: &str) -> bool {
        let found = |expression: &Regex| expression.is_match(name);
        name == self.text || self.expression.as_ref().is_some_and(found)
    }

    /// COMPAT: a container's name is tried with the slash that Docker has before it, too.
    fn matches_slashed(&self, name: &str) -> bool {
        self.matches(name) || self.matches(&format!("/{name}"))
    }
}

/// Which containers a list is about: those that match one value of every filter given.
#[derive(Clone, Debug, Default)]
pub struct ContainerFilter {
    /// Also those that do not run. A filter by status, exit code or a limit implies it.
    pub all: bool,
    /// At most so many, the newest.
    pub limit: Option<usize>,
    /// Starts of ids.
    pub ids: Vec<String>,
    /// What their names match, with or without a slash before.
    pub names: Vec<Pattern>,
    /// Labels; all of them must be there.
    pub labels: Vec<LabelFilter>,
    /// Labels none of which may be there.
    pub without_labels: Vec<LabelFilter>,
    /// What they do.
    pub statuses: Vec<Status>,
    /// Made of one of these images, by id; any if `None`.
    pub ancestors: Option<BTreeSet<String>>,
    /// Made before this one.
    pub before: Option<String>,
    /// Made after this one.
    pub since: Option<String>,
    /// Ended with this exit code.
    pub exit_codes: Vec<u8>,
    /// With this volume's name or mount target.
    pub volumes: Vec<String>,
    /// On this network.
    pub networks: Vec<String>,
    /// Made before this time, for prune's `until`.
    pub until: Option<types::Timestamp>,
}

impl ContainerFilter {
    /// Whether those that do not run are wanted.
    pub(crate) fn wants_stopped(&self) -> bool {
        self.all || self.limit.is_some() || !self.statuses.is_empty() || !self.exit_codes.is_empty()
    }

    /// Whether `container` matches, by what is known of it alone; `before`, `since`
    /// and `limit` need the others.
    pub(crate) fn matches(&self, container: &Container) -> bool {
        let (record, state) = (&container.record, &container.state);
        let spec = &record.spec;
        let one_of = |empty: bool, any: bool| empty || any;
        let made_of = |ids: &BTreeSet<String>| ids.contains(&record.image_id);
        self.ancestors.as_ref().is_none_or(made_of)
            && one_of(
                self.ids.is_empty(),
                self.ids.iter().any(|id| record.id.as_str().starts_with(id)),
            )
            && one_of(
                self.names.is_empty(),
                self.names
                    .iter()
                    .any(|pattern| pattern.matches_slashed(&record.name)),
            )
            && self.labels.iter().all(|label| label.matches(&spec.labels))
            && !self
                .without_labels
                .iter()
                .any(|label| label.matches(&spec.labels))
            && one_of(
                self.statuses.is_empty(),
                self.statuses.contains(&state.status),
            )
            && one_of(
                self.exit_codes.is_empty(),
                state.status == Status::Exited && self.exit_codes.contains(&state.exit_code),
            )
            && one_of(
                self.volumes.is_empty(),
                self.volumes.iter().any(|volume| {
                    let mut mounts = record.mounts.iter();
                    mounts.any(|m| m.target == *volume || m.name.as_ref() == Some(volume))
                }),
            )
            && one_of(
                self.networks.is_empty(),
                self.networks
                    .iter()
                    .any(|network| is_on(container, network)),
            )
            && self.until.is_none_or(|until| record.created < until)
    }
}

/// Whether a container is on a network of this name or id.
fn is_on(container: &Container, network: &str) -> bool {
    let spec = &container.record.spec;
    let mut places = container.state.network.endpoints.iter();
    spec.networks.contains_key(network)
        || places.any(|place| place.network.starts_with(network))
        || spec.namespaces.network.to_string() == network
}
