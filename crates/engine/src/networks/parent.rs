//! The link of the host that a macvlan's or ipvlan's network is on: the caller's, a VLAN of one,
//! or one that leads nowhere.

use super::NetworkError;
use super::registry::{Inner, Registry};
use crate::{Error, NetworkDriver, NetworkRecord};
use net::Parent;
use net::link::{Ipvlan, Macvlan, Siblings};
use std::collections::BTreeMap;
use std::io;

type Options = BTreeMap<String, String>;

const MACVLAN_MODES: [(&str, Macvlan); 4] = [
    ("bridge", Macvlan::Bridge),
    ("private", Macvlan::Private),
    ("vepa", Macvlan::Vepa),
    ("passthru", Macvlan::Passthru),
];
const IPVLAN_MODES: [(&str, Ipvlan); 3] =
    [("l2", Ipvlan::L2), ("l3", Ipvlan::L3), ("l3s", Ipvlan::L3s)];
const IPVLAN_FLAGS: [(&str, Siblings); 3] = [
    ("bridge", Siblings::Bridge),
    ("private", Siblings::Private),
    ("vepa", Siblings::Vepa),
];

/// The option's value, and what it stands for; the first of `known` if it is not given.
fn chosen<T: Copy>(options: &Options, name: &str, known: &[(&str, T)]) -> Result<T, String> {
    let given = options.get(name).map_or("", String::as_str);
    let mut fit = known
        .iter()
        .filter(|(word, _)| given.is_empty() || *word == given);
    fit.next()
        .map(|(_, value)| *value)
        .ok_or_else(|| given.to_owned())
}

fn mode<T: Copy>(record: &NetworkRecord, name: &str, known: &[(&str, T)]) -> T {
    // What the options say was checked when the network was made.
    chosen(&record.options, name, known).unwrap_or(known[0].1)
}

pub(super) fn macvlan_mode(record: &NetworkRecord) -> Macvlan {
    mode(record, "macvlan_mode", &MACVLAN_MODES)
}

pub(super) fn ipvlan_mode(record: &NetworkRecord) -> (Ipvlan, Siblings) {
    let siblings = mode(record, "ipvlan_flag", &IPVLAN_FLAGS);
    (mode(record, "ipvlan_mode", &IPVLAN_MODES), siblings)
}

/// Whether endpoints send what has no other route by their link, through no gateway.
pub(super) fn routes_by_link(record: &NetworkRecord) -> bool {
    record.driver == NetworkDriver::Ipvlan && ipvlan_mode(record).0 != Ipvlan::L2
}

/// Whether nothing beyond the network is reached from it.
pub(super) fn is_closed(record: &NetworkRecord) -> bool {
    record.internal || is_on_dummy(record)
}

fn is_on_dummy(record: &NetworkRecord) -> bool {
    record.driver.has_parent() && record.link == dummy(record.driver, &record.id)
}

/// Whether a link cannot be made because of another that may be about to go: the only one of its
/// parent, or one with the same address.
pub(super) fn is_occupied(record: &NetworkRecord, error: &net::Error) -> bool {
    match error {
        net::Error::Link { source, .. } => {
            let alone = record.driver == NetworkDriver::Macvlan
                && macvlan_mode(record) == Macvlan::Passthru;
            alone && source.kind() == io::ErrorKind::InvalidInput
        }
        net::Error::Address { source, .. } => {
            let shared = record.driver == NetworkDriver::Ipvlan;
            shared && source.kind() == io::ErrorKind::AddrInUse
        }
        _ => false,
    }
}

/// The parent's name.
pub(super) fn name(driver: NetworkDriver, options: &Options, id: &str) -> String {
    match options.get("parent").map(String::as_str) {
        None | Some("") => dummy(driver, id),
        Some(parent) => parent.to_owned(),
    }
}

fn dummy(driver: NetworkDriver, id: &str) -> String {
    let prefix = match driver {
        NetworkDriver::Ipvlan => "di",
        _ => "dm",
    };
    format!("{prefix}-{}", id.get(..12).unwrap_or(id))
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Error> {
    let message = message.into();
    Err(NetworkError::Refused { message }.into())
}

/// Refuses what the drivers do not know, in dockerd's words.
pub(super) fn check_options(driver: NetworkDriver, options: &Options) -> Result<(), Error> {
    let of = driver.name();
    let wrong = match driver {
        NetworkDriver::Macvlan => {
            let mode = chosen(options, "macvlan_mode", &MACVLAN_MODES).err();
            mode.map(|mode| format!("requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"))
        }
        NetworkDriver::Ipvlan => {
            let mode = chosen(options, "ipvlan_mode", &IPVLAN_MODES).err();
            let mode = mode.map(|mode| format!("requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default"));
            let flag = chosen(options, "ipvlan_flag", &IPVLAN_FLAGS).err();
            mode.or(flag.map(|flag| format!("requested ipvlan flag '{flag}' is not valid, 'bridge' is the ipvlan driver default")))
        }
        _ => return Ok(()),
    };
    match wrong {
        Some(message) => refuse(message),
        None if options.get("parent").is_some_and(|parent| parent == "lo") => refuse(format!(
            "loopback interface is not a valid {of} parent link"
        )),
        None => Ok(()),
    }
}

/// The link and the number of the VLAN that a name stands for, or dockerd's words for why none.
fn vlan(name: &str) -> Result<(&str, u16), String> {
    let mut parts = name.split('.');
    let (Some(of), Some(number), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(match name.contains('.') {
            false => {
                format!("invalid subinterface vlan name {name}, example formatting is eth0.10")
            }
            true => format!(
                "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {name}"
            ),
        });
    };
    let Ok(parsed) = number.parse::<i64>() else {
        return Err(format!(
            "unable to parse a valid vlan id from: {number} (ex. eth0.10 for vlan 10)"
        ));
    };
    match u16::try_from(parsed) {
        Ok(number @ 1..=4094) => Ok((of, number)),
        _ => Err(format!(
            "vlan id must be between 1-4094, received: {parsed}"
        )),
    }
}

impl Registry {
    /// Refuses a parent that is not there and cannot be made.
    pub(super) fn check_parent(
        &self,
        driver: NetworkDriver,
        (name, id): (&str, &str),
        network: &str,
    ) -> Result<(), Error> {
        if !driver.has_parent() || name == dummy(driver, id) {
            return Ok(());
        }
        let failed = |source| NetworkError::kernel("make", network)(source);
        let mut kernel = self.kernel();
        let bridges = kernel.bridges().map_err(failed)?;
        if bridges.has_link(name).map_err(failed)? {
            return Ok(());
        }
        match vlan(name) {
            Ok((of, _)) if !bridges.has_link(of).map_err(failed)? => refuse(format!(
                "-o parent interface was not found on the host: {of}"
            )),
            Ok(_) => Ok(()),
            Err(words) => refuse(words),
        }
    }

    /// Makes sure that a network's parent is there.
    pub(super) fn ensure_parent(&self, record: &NetworkRecord) -> Result<(), Error> {
        let failed = |source| NetworkError::kernel("make", &record.name)(source);
        let parent = match is_on_dummy(record) {
            true => Some(Parent::Dummy),
            false => vlan(&record.link)
                .ok()
                .map(|(of, number)| Parent::Vlan { of, number }),
        };
        let Some(parent) = parent else {
            // The caller's own; who joins is told if it is gone.
            return Ok(());
        };
        let mut kernel = self.kernel();
        let bridges = kernel.bridges().map_err(failed)?;
        let made = bridges.ensure_parent(&record.link, parent, &record.id);
        Ok(made.map_err(failed)?)
    }

    /// Removes the parent that was made for a network, unless another is on it too.
    pub(super) fn release_parent(&self, record: &NetworkRecord) -> Result<(), Error> {
        let failed = |source| NetworkError::kernel("remove", &record.name)(source);
        let mut kernel = self.kernel();
        let heir = self.inner().on_parent(&record.link, &record.id);
        let bridges = kernel.bridges().map_err(failed)?;
        let released = bridges.release_parent(&record.link, &record.id, heir.as_deref());
        if released.is_err() {
            self.reopen(&record.id);
        }
        Ok(released.map_err(failed)?)
    }
}

impl Inner {
    /// Networks on a parent, of a driver that has one.
    fn children<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a NetworkRecord> {
        let records = self.networks.values().map(|held| &*held.record);
        records.filter(move |other| other.driver.has_parent() && other.link == parent)
    }

    /// Another network on a parent.
    fn on_parent(&self, parent: &str, id: &str) -> Option<String> {
        let mut others = self.children(parent).filter(|other| other.id != id);
        others.next().map(|other| other.id.clone())
    }

    /// Refuses a parent that others do not share.
    pub(super) fn expect_shareable(
        &self,
        driver: NetworkDriver,
        options: &Options,
        parent: &str,
    ) -> Result<(), Error> {
        let passthru = |options: &Options| {
            options
                .get("macvlan_mode")
                .is_some_and(|mode| mode == "passthru")
        };
        for other in self.children(parent).filter(|other| other.driver == driver) {
            let id = &other.id;
            if driver == NetworkDriver::Ipvlan {
                let own = dummy(driver, id);
                return refuse(format!(
                    "network {own} is already using parent interface {parent}"
                ));
            }
            if passthru(options) {
                return refuse(format!(
                    "cannot use mode passthru, macvlan network {id} is already using parent interface {parent}"
                ));
            }
            if passthru(&other.options) {
                return refuse(format!(
                    "macvlan network {id} is already using parent interface {parent} in mode passthru"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_is_named_by_its_link_and_its_number() {
        assert_eq!(vlan("eth0.10"), Ok(("eth0", 10)));
        assert_eq!(vlan("eth0.4094"), Ok(("eth0", 4094)));
        for (name, words) in [
            ("eth0", "invalid subinterface vlan name eth0"),
            ("eth0.1.2", "required interface name format"),
            ("eth0.x", "unable to parse a valid vlan id from: x"),
            ("eth0.0", "received: 0"),
            ("eth0.4095", "received: 4095"),
            ("eth0.70000", "received: 70000"),
        ] {
            let refused = vlan(name).expect_err(name);
            assert!(refused.contains(words), "{refused}");
        }
    }
}
