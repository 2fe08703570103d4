//! Networks, hosts and restart policies.

use super::flags::{Addresses, Names, Network};
use super::key_value::fields;
use docker_schema::container::RestartPolicy;
use docker_schema::network::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};
use std::collections::BTreeMap;

/// Reads `no`, `always`, `unless-stopped`, `on-failure[:N]`.
pub(crate) fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => {
            let count = count.parse::<i64>();
            let count = count.map_err(|_| {
                "invalid restart policy format: maximum retry count must be an integer".to_owned()
            })?;
            (name, count)
        }
        None => (text, 0),
    };
    if name.is_empty() && !text.is_empty() {
        return Err("invalid restart policy format: no policy provided before colon".into());
    }
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count: count,
    })
}

/// Reads `HOST:IP` and `HOST=IP`; the API has colons.
pub(super) fn extra_hosts(list: &[String]) -> Result<Vec<String>, String> {
    let hosts = list.iter().map(|text| {
        let pair = text.split_once('=').or_else(|| text.split_once(':'));
        match pair {
            Some((name, address)) if !name.is_empty() && is_address(address) => {
                let address = address.trim_start_matches('[').trim_end_matches(']');
                Ok(format!("{name}:{address}"))
            }
            Some((name, address)) if !name.is_empty() => {
                Err(format!("invalid IP address in add-host: {address:?}"))
            }
            _ => Err(format!("bad format for add-host: {text:?}")),
        }
    });
    hosts.collect()
}

fn is_address(text: &str) -> bool {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare == "host-gateway" || bare.parse::<std::net::IpAddr>().is_ok()
}

/// The network that is the container's mode, and the endpoints in all of them.
pub(super) fn networks(
    flags: &Network,
    addresses: &Addresses,
    names: &Names,
) -> Result<(String, Option<NetworkingConfig>), String> {
    let mut endpoints = BTreeMap::new();
    let mut mode = String::from("default");
    for (index, text) in flags.network.iter().enumerate() {
        let (name, mut endpoint) = endpoint(text)?;
        if index == 0 {
            apply(addresses, &mut endpoint);
            if !names.link.is_empty() && is_made(&name) {
                endpoint.links = Some(names.link.clone());
            }
            mode.clone_from(&name);
        }
        endpoints.insert(name, endpoint);
    }
    if flags.network.is_empty() {
        let mut endpoint = EndpointSettings::default();
        apply(addresses, &mut endpoint);
        endpoints.insert(mode.clone(), endpoint);
    }
    // An endpoint that says nothing is implied by the mode.
    let said = endpoints.len() > 1
        || endpoints
            .values()
            .any(|endpoint| *endpoint != EndpointSettings::default());
    Ok((
        mode,
        said.then_some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        }),
    ))
}

/// Whether a network is none of those that are always there.
fn is_made(name: &str) -> bool {
    !matches!(name, "default" | "bridge" | "none" | "host") && !name.starts_with("container:")
}

/// Reads a name, or `name=NET,alias=A,ip=…`.
fn endpoint(text: &str) -> Result<(String, EndpointSettings), String> {
    let mut endpoint = EndpointSettings::default();
    if !text.contains('=') {
        return Ok((text.to_owned(), endpoint));
    }
    let mut name = String::new();
    for field in fields(text) {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| format!("invalid field {field}"))?;
        let ipam = |endpoint: &mut EndpointSettings, set: &dyn Fn(&mut EndpointIpamConfig)| {
            set(endpoint.ipam_config.get_or_insert_default());
        };
        match key {
            "name" => value.clone_into(&mut name),
            "alias" => endpoint.aliases.get_or_insert_default().push(value.into()),
            "ip" => ipam(&mut endpoint, &|c| value.clone_into(&mut c.ipv4_address)),
            "ip6" => ipam(&mut endpoint, &|c| value.clone_into(&mut c.ipv6_address)),
            "link-local-ip" => ipam(&mut endpoint, &|c| {
                c.link_local_ips.get_or_insert_default().push(value.into());
            }),
            "mac-address" => value.clone_into(&mut endpoint.mac_address),
            "gw-priority" => {
                let number = value.parse();
                endpoint.gw_priority =
                    number.map_err(|_| format!("invalid gw-priority ({value})"))?;
            }
            "driver-opt" => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                let options = endpoint.driver_opts.get_or_insert_default();
                options.insert(name.to_owned(), value.to_owned());
            }
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    match name.is_empty() {
        true => Err("network name/id is not specified".into()),
        false => Ok((name, endpoint)),
    }
}

/// The flags that are about the first network.
fn apply(flags: &Addresses, endpoint: &mut EndpointSettings) {
    if !flags.network_alias.is_empty() {
        let aliases = endpoint.aliases.get_or_insert_default();
        aliases.extend_from_slice(&flags.network_alias);
    }
    if let Some(address) = &flags.mac_address {
        address.clone_into(&mut endpoint.mac_address);
    }
    if flags.ip.is_some() || flags.ip6.is_some() || !flags.link_local_ip.is_empty() {
        let ipam = endpoint.ipam_config.get_or_insert_default();
        ipam.ipv4_address = flags.ip.clone().unwrap_or_default();
        ipam.ipv6_address = flags.ip6.clone().unwrap_or_default();
        let locals = flags.link_local_ip.clone();
        ipam.link_local_ips = (!locals.is_empty()).then_some(locals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies_are_read() {
        let read = restart_policy("on-failure:3").unwrap();
        assert_eq!(
            (read.name.as_str(), read.maximum_retry_count),
            ("on-failure", 3)
        );
        assert!(restart_policy("on-failure:x").is_err());
        assert!(restart_policy(":3").is_err());
    }

    #[test]
    fn hosts_are_read_in_both_forms() {
        let read = extra_hosts(&[
            "a:1.2.3.4".into(),
            "b=[::1]".into(),
            "c:host-gateway".into(),
        ]);
        assert_eq!(read.unwrap(), ["a:1.2.3.4", "b:::1", "c:host-gateway"]);
        for bad in ["a", ":1.2.3.4", "a:nowhere"] {
            assert!(extra_hosts(&[bad.into()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_read_by_its_fields() {
        let (name, read) = endpoint("name=net,alias=a,alias=b,ip=1.2.3.4").unwrap();
        assert_eq!(name, "net");
        assert_eq!(read.aliases, Some(vec!["a".into(), "b".into()]));
        assert!(endpoint("alias=a").is_err());
    }
}
