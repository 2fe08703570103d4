//! Links of the host that macvlans and ipvlans are of: the caller's, or made for them.

use crate::link::{self, Settings};
use crate::{Bridges, Error};

/// A parent that is made if it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// A link that leads nowhere: its children reach each other alone.
    Dummy,
    /// A VLAN of another link.
    Vlan {
        /// That link's name.
        of: &'a str,
        /// The VLAN's number.
        number: u16,
    },
}

impl Bridges {
    /// Whether the host has a link of this name.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn has_link(&mut self, name: &str) -> Result<bool, Error> {
        match link::find(&mut self.route, name) {
            Ok(_) => Ok(true),
            // No link has a name that long.
            Err(_) if name.len() > 15 => Ok(false),
            Err(Error::NoLink { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a parent is there; one that is made is marked as the network `owner`'s.
    ///
    /// # Errors
    /// If the kernel refuses, or has no links of that kind.
    pub fn ensure_parent(
        &mut self,
        name: &str,
        parent: Parent<'_>,
        owner: &str,
    ) -> Result<(), Error> {
        if self.has_link(name)? {
            return Ok(());
        }
        let alias = format!("{}:{owner}", self.instance);
        let wanted = Settings {
            name,
            alias: Some(&alias),
            ..Settings::default()
        };
        match parent {
            Parent::Dummy => link::add_dummy(&mut self.route, &wanted),
            Parent::Vlan { of, number } => {
                let of = link::find(&mut self.route, of)?;
                link::add_vlan(&mut self.route, of, number, &wanted)
            }
        }
    }

    /// Removes a parent that was made for the network `owner`; it goes to the `heir`, if there is
    /// another network on it. The caller's own stays as it is.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn release_parent(
        &mut self,
        name: &str,
        owner: &str,
        heir: Option<&str>,
    ) -> Result<(), Error> {
        let alias = |owner: &str| format!("{}:{owner}", self.instance);
        let (parent, found) = match link::alias(&mut self.route, name) {
            Err(Error::NoLink { .. }) => return Ok(()),
            found => found?,
        };
        if found != Some(alias(owner)) {
            return Ok(());
        }
        match heir.map(alias) {
            Some(alias) => link::set_alias(&mut self.route, parent, &alias),
            None => link::delete(&mut self.route, parent),
        }
    }
}
