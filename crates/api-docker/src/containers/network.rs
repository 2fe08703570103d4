//! A container's networks and published ports, as inspect and list show them.

use crate::networks::settings;
use docker_schema::Map;
use docker_schema::container::{NetworkSettings, Port, PortBinding};
use docker_schema::network::EndpointSettings;
use engine::{Container, EndpointSpec, Networks};
use std::collections::BTreeMap;

/// The networks by name.
pub(crate) fn endpoints(
    container: &Container,
    networks: &Networks,
) -> BTreeMap<String, EndpointSettings> {
    let (record, spec) = (&container.record, &container.record.spec);
    if let Some(fixed) = spec.namespaces.network.fixed() {
        let mut shown = settings(&EndpointSpec::default(), None, None);
        // It has one place alone there, which has no other name.
        shown
            .endpoint_id
            .clone_from(&container.state.network.sandbox);
        let found = networks.find(fixed);
        shown.network_id = found.map(|found| found.id.clone()).unwrap_or_default();
        return BTreeMap::from([(fixed.to_owned(), shown)]);
    }
    let places = &container.state.network.endpoints;
    let shown = spec.networks.iter().map(|(name, asked)| {
        let place = places.iter().find(|place| place.name == *name);
        let has_names = name != "bridge";
        let names = has_names.then(|| record.network_names(asked.aliases()));
        let mut shown = settings(asked, place, names);
        if place.is_none() && container.state.started.is_some() {
            let found = networks.find(name);
            shown.network_id = found.map(|found| found.id.clone()).unwrap_or_default();
        }
        (name.clone(), shown)
    });
    shown.collect()
}

/// Exposed and published ports by port and protocol.
fn ports(container: &Container) -> Map<Option<Vec<PortBinding>>> {
    let network = &container.state.network;
    let exposed = exposed(container).map(|key| (key, None));
    let mut shown: BTreeMap<String, Option<Vec<PortBinding>>> = exposed.collect();
    for port in &network.ports {
        let bindings = shown.entry(port.key()).or_default();
        bindings.get_or_insert_default().push(PortBinding {
            host_ip: port.host.to_string(),
            host_port: match port.host_port {
                0 => String::new(),
                number => number.to_string(),
            },
        });
    }
    Some(shown)
}

/// The ports that it exposes, while it is in a network that leads anywhere.
fn exposed(container: &Container) -> impl Iterator<Item = String> {
    let shown = container.state.network.leads_out();
    let exposed = container.record.spec.exposed_ports.iter();
    exposed.filter(move |_| shown).map(|key| with_protocol(key))
}

fn with_protocol(key: &str) -> String {
    match key.contains('/') {
        true => key.to_owned(),
        false => format!("{key}/tcp"),
    }
}

/// All that inspect shows of it.
pub(crate) fn network_settings(container: &Container, networks: &Networks) -> NetworkSettings {
    let networks = endpoints(container, networks);
    let state = &container.state.network;
    let mut shown = NetworkSettings {
        sandbox_id: state.sandbox.clone(),
        sandbox_key: match (container.state.pid, state.sandbox.is_empty()) {
            (Some(pid), false) => format!("/proc/{pid}/ns/net"),
            _ => String::new(),
        },
        ports: ports(container),
        ..NetworkSettings::default()
    };
    // COMPAT: the default network's are repeated where they were before there were others.
    if let Some(own) = networks.get("bridge") {
        shown.endpoint_id.clone_from(&own.endpoint_id);
        shown.gateway.clone_from(&own.gateway);
        shown.ip_address.clone_from(&own.ip_address);
        shown.ip_prefix_len = own.ip_prefix_len;
        shown.ipv6_gateway.clone_from(&own.ipv6_gateway);
        shown
            .global_ipv6_address
            .clone_from(&own.global_ipv6_address);
        shown.global_ipv6_prefix_len = own.global_ipv6_prefix_len;
        shown.mac_address.clone_from(&own.mac_address);
    }
    shown.networks = networks;
    shown
}

/// Exposed ports that are not published, then those that are.
pub(crate) fn summary_ports(container: &Container) -> Vec<Port> {
    let published = &container.state.network.ports;
    let exposed = exposed(container).filter_map(|key| {
        if published.iter().any(|port| port.key() == key) {
            return None;
        }
        let (number, protocol) = key.split_once('/')?;
        Some(Port {
            private_port: number.parse().ok()?,
            r#type: protocol.to_owned(),
            ..Port::default()
        })
    });
    let published = published.iter().map(|port| Port {
        ip: port.host.to_string(),
        private_port: port.port,
        public_port: port.host_port,
        r#type: port.protocol_name().to_owned(),
    });
    exposed.chain(published).collect()
}
