//! Network devices of the host that move in.

use crate::Error;
use crate::plan::Namespaces;
use oci::runtime::Linux;
use std::collections::BTreeSet;
use sys::namespace::Kind;

/// A network device that moves in.
#[derive(Debug)]
pub(crate) struct Interface {
    /// Its name on the host.
    pub(crate) name: String,
    /// Its name inside.
    pub(crate) inside: String,
}

pub(super) fn plan(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<Interface>, Error> {
    const FIELD: &str = "linux.netDevices";
    if linux.net_devices.is_empty() {
        return Ok(Vec::new());
    }
    if !namespaces.own(Kind::Network) {
        let reason = "unable to move network devices without a private NET namespace";
        return Err(Error::invalid(FIELD, reason));
    }
    let mut planned = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, device) in &linux.net_devices {
        let inside = match device.name.as_str() {
            "" => name,
            inside => inside,
        };
        for name in [name, inside] {
            if !is_name(name) {
                return Err(Error::invalid(
                    FIELD,
                    format!("{name:?} is no name of a network device"),
                ));
            }
        }
        if !seen.insert(inside) {
            return Err(Error::invalid(
                FIELD,
                format!("two devices would be called {inside:?}"),
            ));
        }
        planned.push(Interface {
            name: name.clone(),
            inside: inside.to_owned(),
        });
    }
    Ok(planned)
}

/// What the kernel takes for a name (`dev_valid_name`), and no pattern of one.
fn is_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= 15 && name != "." && name != "..";
    fits && !name.contains(|c: char| c.is_ascii_whitespace() || "/:%".contains(c))
}
