//! Names and addresses of sandboxes, by network.

use crate::request::{Place, Sandbox};
use std::collections::HashMap;
use std::net::IpAddr;

/// Names and addresses of sandboxes, by network.
#[derive(Debug, Default)]
pub(crate) struct Names {
    networks: HashMap<String, Network>,
}

#[derive(Debug, Default)]
struct Network {
    /// In small letters.
    names: HashMap<String, Vec<Member>>,
    addresses: HashMap<IpAddr, Owner>,
}

#[derive(Debug)]
struct Member {
    sandbox: String,
    addresses: Vec<IpAddr>,
}

#[derive(Debug)]
struct Owner {
    sandbox: String,
    name: String,
}

/// What a name is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It has these addresses; none of the family that was asked for, perhaps.
    Addresses(Vec<IpAddr>),
    /// Nobody's in the asker's networks.
    Unknown,
}

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

impl Names {
    /// Adds a sandbox's names, which must not be there.
    pub(crate) fn add(&mut self, sandbox: &Sandbox) {
        for place in &sandbox.places {
            let network = self.networks.entry(place.network.clone()).or_default();
            network.add(&sandbox.id, place);
        }
    }

    /// Removes a sandbox's names.
    pub(crate) fn remove(&mut self, sandbox: &Sandbox) {
        for place in &sandbox.places {
            let Some(network) = self.networks.get_mut(&place.network) else {
                continue;
            };
            network.remove(&sandbox.id, place);
            if network.names.is_empty() && network.addresses.is_empty() {
                self.networks.remove(&place.network);
            }
        }
    }

    /// What `name` is for one who is in `places`: first as it is, then as a name within the
    /// network that its last label names; before that, by what its places call others.
    pub(crate) fn find(&self, places: &[Place], name: &str, family: Family) -> Found {
        let name = name.to_ascii_lowercase();
        let mut known = false;
        let asked = |place: &Place| {
            let within = name.rsplit_once('.');
            let within = within.filter(|(_, last)| place.network_name.eq_ignore_ascii_case(last));
            [
                Some(name.clone()),
                within.map(|(first, _)| first.to_owned()),
            ]
        };
        let linked = places.iter().flat_map(|place| {
            let names = asked(place).into_iter().flatten();
            names.map(move |name| (place, place.linked(&name)))
        });
        let plain = places.iter().flat_map(|place| {
            let names = asked(place).into_iter().flatten();
            names.map(move |name| (place, Some(name)))
        });
        for (place, name) in linked.chain(plain) {
            let network = self.networks.get(&place.network);
            let (Some(network), Some(name)) = (network, name) else {
                continue;
            };
            let Some(members) = network.names.get(&name) else {
                continue;
            };
            known = true;
            let all = members.iter().flat_map(|member| &member.addresses);
            let found: Vec<_> = all.copied().filter(|one| family.has(*one)).collect();
            if !found.is_empty() {
                return Found::Addresses(found);
            }
        }
        match known {
            true => Found::Addresses(Vec::new()),
            false => Found::Unknown,
        }
    }

    /// Whose address it is, in one of these places: `NAME.NETWORK`.
    pub(crate) fn owner(&self, places: &[Place], address: IpAddr) -> Option<String> {
        places.iter().find_map(|place| {
            let owner = self.networks.get(&place.network)?.addresses.get(&address)?;
            Some(format!("{}.{}", owner.name, place.network_name))
        })
    }
}

impl Place {
    /// The name that one of its own names for others stands for; in small letters.
    fn linked(&self, name: &str) -> Option<String> {
        let mut links = self.links.iter();
        let (_, member) = links.find(|(alias, _)| alias.eq_ignore_ascii_case(name))?;
        Some(member.to_ascii_lowercase())
    }
}

impl Network {
    fn add(&mut self, sandbox: &str, place: &Place) {
        for name in &place.names {
            let members = self.names.entry(name.to_ascii_lowercase()).or_default();
            // Two of its names may be one in small letters.
            if members.iter().all(|member| member.sandbox != sandbox) {
                members.push(Member {
                    sandbox: sandbox.to_owned(),
                    addresses: place.addresses.clone(),
                });
            }
        }
        for (address, name) in place
            .addresses
            .iter()
            .zip(place.names.first().iter().cycle())
        {
            let owner = Owner {
                sandbox: sandbox.to_owned(),
                name: (*name).clone(),
            };
            self.addresses.insert(*address, owner);
        }
    }

    fn remove(&mut self, sandbox: &str, place: &Place) {
        for name in &place.names {
            let name = name.to_ascii_lowercase();
            if let Some(members) = self.names.get_mut(&name) {
                members.retain(|member| member.sandbox != sandbox);
                if members.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        for address in &place.addresses {
            // Another may have it by now.
            if self
                .addresses
                .get(address)
                .is_some_and(|owner| owner.sandbox == sandbox)
            {
                self.addresses.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(id: &str, network: &str, address: &str, names: &[&str]) -> Sandbox {
        Sandbox {
            id: id.to_owned(),
            places: vec![Place {
                network: format!("id-of-{network}"),
                network_name: network.to_owned(),
                addresses: vec![address.parse().unwrap()],
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                ..Place::default()
            }],
            ..Sandbox::default()
        }
    }

    fn addresses(list: &[&str]) -> Found {
        Found::Addresses(list.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_name_is_known_in_its_networks_alone() {
        let mut names = Names::default();
        let web = sandbox("1", "front", "10.0.0.2", &["Web", "www"]);
        let other = sandbox("2", "front", "10.0.0.3", &["other", "www"]);
        let far = sandbox("3", "back", "10.1.0.2", &["db"]);
        for one in [&web, &other, &far] {
            names.add(one);
        }
        let ask = |name, family| names.find(&other.places, name, family);
        assert_eq!(ask("wEb", Family::V4), addresses(&["10.0.0.2"]));
        assert_eq!(ask("web.FRONT", Family::V4), addresses(&["10.0.0.2"]));
        assert_eq!(ask("web.back", Family::V4), Found::Unknown);
        assert_eq!(ask("www", Family::V4), addresses(&["10.0.0.2", "10.0.0.3"]));
        assert_eq!(ask("web", Family::V6), addresses(&[]));
        assert_eq!(ask("db", Family::V4), Found::Unknown);
        let owner = |text: &str| names.owner(&other.places, text.parse().unwrap());
        assert_eq!(owner("10.0.0.2").as_deref(), Some("Web.front"));
        assert_eq!(owner("10.1.0.2"), None);
    }

    #[test]
    fn a_link_is_known_to_the_one_who_has_it() {
        let mut names = Names::default();
        let web = sandbox("1", "front", "10.0.0.2", &["Web", "db"]);
        let mut asker = sandbox("2", "front", "10.0.0.3", &["asker"]);
        let links = [("DB", "asker"), ("w", "WEB"), ("gone", "nobody")];
        let links = links.map(|(alias, name)| (alias.to_owned(), name.to_owned()));
        asker.places[0].links = links.into_iter().collect();
        names.add(&web);
        names.add(&asker);
        let ask = |places: &[Place], name| names.find(places, name, Family::V4);
        assert_eq!(ask(&asker.places, "W"), addresses(&["10.0.0.2"]));
        assert_eq!(ask(&asker.places, "w.front"), addresses(&["10.0.0.2"]));
        assert_eq!(ask(&asker.places, "db"), addresses(&["10.0.0.3"]));
        assert_eq!(ask(&asker.places, "gone"), Found::Unknown);
        assert_eq!(ask(&web.places, "w"), Found::Unknown);
    }

    #[test]
    fn what_is_removed_leaves_nothing() {
        let mut names = Names::default();
        let first = sandbox("1", "front", "10.0.0.2", &["web", "WEB"]);
        let second = sandbox("2", "front", "10.0.0.2", &["new"]);
        names.add(&first);
        names.add(&second);
        names.remove(&first);
        let address = "10.0.0.2".parse().unwrap();
        assert_eq!(
            names.owner(&second.places, address).as_deref(),
            Some("new.front"),
            "an address that was given anew is not lost"
        );
        names.remove(&second);
        assert!(names.networks.is_empty());
    }
}
