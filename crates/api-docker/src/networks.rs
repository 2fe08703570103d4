//! Networks: the two that need no address.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use docker_schema::network::{Ipam, Network};
use std::collections::BTreeMap;

const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];
/// Name and driver.
const PREDEFINED: [(&str, &str); 2] = [("none", "null"), ("host", "host")];

/// A predefined network's id: its name in hexadecimal digits, the same on every host.
pub(crate) fn id(name: &str) -> String {
    let mut id = String::with_capacity(64);
    for byte in name.bytes() {
        id.push_str(&format!("{byte:02x}"));
    }
    format!("{id:0<64}")
}

fn network(name: &str, driver: &str) -> Network {
    Network {
        name: name.to_owned(),
        id: id(name),
        created: docker_schema::ZERO_TIME.to_owned(),
        scope: "local".to_owned(),
        driver: driver.to_owned(),
        enable_ipv4: true,
        ipam: Ipam {
            driver: "default".to_owned(),
            ..Ipam::default()
        },
        options: Some(BTreeMap::new()),
        labels: Some(BTreeMap::new()),
        ..Network::default()
    }
}

pub(crate) async fn list(call: Call) -> Result<Response> {
    let filters = call.query.filters(&FILTERS)?;
    let any = |name: &str, matches: &dyn Fn(&str) -> bool| {
        !filters.contains(name) || filters.values(name).any(matches)
    };
    let networks = PREDEFINED
        .iter()
        .map(|(name, driver)| network(name, driver));
    let networks = networks.filter(|network| {
        any("name", &|value| network.name.contains(value))
            && any("id", &|value| network.id.starts_with(value))
            && any("driver", &|value| network.driver == value)
            && any("scope", &|value| network.scope == value)
            && any("type", &|value| value == "builtin")
            && any("dangling", &|value| matches!(value, "false" | "0"))
            && any("label", &|_| false)
    });
    Ok(body::ok(&networks.collect::<Vec<_>>()))
}

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    let asked = call.id();
    let mut networks = PREDEFINED
        .iter()
        .map(|(name, driver)| network(name, driver));
    let found = networks.find(|network| {
        network.name == asked || (!asked.is_empty() && network.id.starts_with(asked))
    });
    match found {
        Some(network) => Ok(body::ok(&network)),
        None => Err(Error::not_found("network", asked)),
    }
}
