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
