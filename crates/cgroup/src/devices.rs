//! Which devices a group may use.

mod rules;
mod v1;
mod v2;

use crate::{Cgroup, Error};
use oci::runtime::DeviceRule;
use rules::Rules;

/// Applies the rules, after which those that every container has follow.
pub(crate) fn apply(cgroup: &Cgroup, rules: &[DeviceRule]) -> Result<(), Error> {
    let rules = Rules::of(rules)?;
    if let Some(group) = cgroup.group("devices") {
        return v1::apply(group, &rules);
    }
    match cgroup.group("") {
        Some(group) => v2::apply(group, &rules),
        None => Ok(()),
    }
}

/// Devices that are allowed, for who keeps a list of such.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// `block` or `char`.
    pub(crate) word: &'static str,
    /// All majors if missing.
    pub(crate) major: Option<u32>,
    /// All minors if missing.
    pub(crate) minor: Option<u32>,
    /// Of `rwm`.
    pub(crate) letters: String,
}

/// What the rules allow; nothing if that is everything, with exceptions or without.
pub(crate) fn allowed(rules: &[DeviceRule]) -> Result<Option<Vec<Allowed>>, Error> {
    let rules = Rules::of(rules)?;
    if rules.allow {
        return Ok(None);
    }
    Ok(Some(
        rules
            .exceptions
            .iter()
            .map(rules::Exception::allowed)
            .collect(),
    ))
}
