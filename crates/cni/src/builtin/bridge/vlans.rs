//! Which VLANs a pod's port of the bridge takes part in.

use crate::builtin::Failure;
use net::link::Link;
use net::vlan::{self, Vlan};
use netlink::Socket;
use serde::Deserialize;
use std::collections::BTreeSet;

/// The VLAN of a port that has numbered ones alone, for what bears no number.
const USUAL: u16 = 1;
const HIGHEST: u16 = 4094;

/// An element of `vlanTrunk`: one number, or all from one to another, or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trunk {
    #[serde(rename = "minID")]
    first: Option<u16>,
    #[serde(rename = "maxID")]
    last: Option<u16>,
    id: Option<u16>,
}

/// The VLANs of a configuration.
#[derive(Debug, Default)]
pub(super) struct Vlans {
    /// Of what bears no number.
    native: Option<u16>,
    /// Of what bears one.
    tagged: BTreeSet<u16>,
    /// Whether the bridge is to look at them.
    pub(super) filtered: bool,
    /// Whether a port stays in the VLAN that the bridge gives to all.
    keeps_usual: bool,
}

impl Vlans {
    /// Of `vlan`, `vlanTrunk` and `preserveDefaultVlan`; wrong numbers are named.
    pub(super) fn of(
        native: u16,
        trunk: Option<&[Trunk]>,
        keeps_usual: bool,
    ) -> Result<Self, String> {
        if native > HIGHEST {
            return Err(format!("vlan {native}"));
        }
        let mut tagged = BTreeSet::new();
        for part in trunk.unwrap_or_default() {
            tagged.extend(numbers(part).ok_or_else(|| format!("vlanTrunk {part:?}"))?);
        }
        let native = Some(native).filter(|number| *number != 0);
        Ok(Self {
            native,
            tagged,
            filtered: native.is_some() || trunk.is_some(),
            keeps_usual,
        })
    }

    /// The number of the VLAN that the gateway is in too.
    pub(super) fn native(&self) -> Option<u16> {
        self.native
    }

    /// The same for the gateway's own port.
    pub(super) fn of_gateway(&self) -> Self {
        Self {
            native: self.native,
            tagged: BTreeSet::new(),
            ..*self
        }
    }

    /// Has a new port of the bridge take part in them.
    pub(super) fn give(&self, host: &mut Socket, port: Link) -> Result<(), Failure> {
        if self.native.is_none() && self.tagged.is_empty() {
            return Ok(());
        }
        if !self.keeps_usual {
            for number in vlan::of_port(host, port)? {
                vlan::remove(host, port, number)?;
            }
        }
        for number in &self.tagged {
            vlan::add(host, port, Vlan::Tagged(*number))?;
        }
        let native = Vlan::Native(self.native.unwrap_or(USUAL));
        Ok(vlan::add(host, port, native)?)
    }
}

/// The numbers that a part of a trunk names; none if it is wrong.
fn numbers(part: &Trunk) -> Option<Vec<u16>> {
    let valid = |number: &u16| (1..=HIGHEST).contains(number);
    let range = match (part.first, part.last) {
        (None, None) => Vec::new(),
        (Some(first), Some(last)) if first <= last => (first..=last).collect(),
        _ => return None,
    };
    let all: Vec<_> = range.into_iter().chain(part.id).collect();
    all.iter().all(valid).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(document: serde_json::Value) -> Result<Vec<u16>, String> {
        let parts: Vec<Trunk> = serde_json::from_value(document).map_err(|e| e.to_string())?;
        let vlans = Vlans::of(0, Some(&parts), false)?;
        assert!(vlans.filtered);
        Ok(vlans.tagged.into_iter().collect())
    }

    #[test]
    fn a_trunk_is_of_numbers_and_ranges() {
        let both = serde_json::json!([{"minID": 5, "maxID": 7}, {"id": 6}, {"id": 100, "minID": 1, "maxID": 1}]);
        assert_eq!(trunk(both).unwrap(), [1, 5, 6, 7, 100]);
        for wrong in [
            serde_json::json!([{"minID": 5}]),
            serde_json::json!([{"maxID": 5}]),
            serde_json::json!([{"minID": 0, "maxID": 5}]),
            serde_json::json!([{"minID": 7, "maxID": 5}]),
            serde_json::json!([{"minID": 7, "maxID": 4095}]),
            serde_json::json!([{"id": 0}]),
            serde_json::json!([{"id": 4095}]),
        ] {
            assert!(trunk(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(Vlans::of(4095, None, false).is_err());
    }
}
