//! `-p` and `--expose`.

use docker_schema::Empty;
use docker_schema::container::PortBinding;
use std::collections::BTreeMap;

/// Ports of the container, with where they are published.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// `80/tcp`
    pub(super) exposed: BTreeMap<String, Empty>,
    /// Where each is published.
    pub(super) bindings: BTreeMap<String, Option<Vec<PortBinding>>>,
}

/// Reads both flags.
pub(super) fn parse(publish: &[String], expose: &[String]) -> Result<Ports, String> {
    let mut ports = Ports::default();
    for text in publish {
        match text.contains('=') {
            true => long(text, &mut ports)?,
            false => short(text, &mut ports)?,
        }
    }
    for text in expose {
        if text.contains(':') {
            return Err(format!("invalid port format for --expose: {text}"));
        }
        let (range, protocol) = protocol(text)?;
        for port in
            numbers(range).ok_or_else(|| format!("invalid range format for --expose: {text}"))?
        {
            ports.exposed.insert(format!("{port}/{protocol}"), Empty {});
        }
    }
    Ok(ports)
}

fn protocol(text: &str) -> Result<(&str, &str), String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match protocol {
        "tcp" | "udp" | "sctp" => Ok((ports, protocol)),
        _ => Err(format!("invalid proto: {protocol}")),
    }
}

fn numbers(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, with ranges.
fn short(text: &str, ports: &mut Ports) -> Result<(), String> {
    let invalid = || format!("invalid containerPort: {text}");
    let (text, protocol) = protocol(text)?;
    let (left, container) = match text.rsplit_once(':') {
        Some((left, container)) => (Some(left), container),
        None => (None, text),
    };
    let (ip, host) = match left {
        None => ("", ""),
        Some(left) => left.rsplit_once(':').unwrap_or(("", left)),
    };
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address: {ip}"));
    }
    let container = numbers(container).ok_or_else(invalid)?;
    let hosts = match host {
        "" => None,
        host => Some(numbers(host).ok_or_else(|| format!("invalid hostPort: {host}"))?),
    };
    publish(ports, ip, hosts, container, protocol)
}

fn publish(
    ports: &mut Ports,
    ip: &str,
    hosts: Option<std::ops::RangeInclusive<u16>>,
    container: std::ops::RangeInclusive<u16>,
    protocol: &str,
) -> Result<(), String> {
    let count = container.len();
    for (index, port) in container.enumerate() {
        let host_port = match &hosts {
            None => String::new(),
            Some(hosts) if hosts.len() == count => hosts
                .clone()
                .nth(index)
                .map(|p| p.to_string())
                .unwrap_or_default(),
            // COMPAT: one port in a range of the host's is any free one of them.
            Some(hosts) if count == 1 => format!("{}-{}", hosts.start(), hosts.end()),
            Some(_) => return Err("invalid ranges specified for container and host Ports".into()),
        };
        let key = format!("{port}/{protocol}");
        ports.exposed.insert(key.clone(), Empty {});
        let bindings = ports.bindings.entry(key).or_default();
        bindings.get_or_insert_default().push(PortBinding {
            host_ip: ip.to_owned(),
            host_port,
        });
    }
    Ok(())
}

/// `target=80,published=8080,protocol=tcp`
fn long(text: &str, ports: &mut Ports) -> Result<(), String> {
    let (mut target, mut published, mut protocol) = (None, None, "tcp");
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "target" => target = numbers(value),
            "published" => published = numbers(value),
            "protocol" => protocol = value,
            "mode" => {}
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    let target = target.ok_or_else(|| format!("missing mandatory field 'target' in {text}"))?;
    publish(ports, "", published, target, protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_every_form() {
        for (text, key, ip, host) in [
            ("80", "80/tcp", "", ""),
            ("8080:80", "80/tcp", "", "8080"),
            ("127.0.0.1:8080:80/udp", "80/udp", "127.0.0.1", "8080"),
            ("127.0.0.1::80", "80/tcp", "127.0.0.1", ""),
            ("[::1]:1:2", "2/tcp", "::1", "1"),
            ("8000-8010:80", "80/tcp", "", "8000-8010"),
            ("target=80,published=8080", "80/tcp", "", "8080"),
        ] {
            let ports = parse(&[text.into()], &[]).unwrap();
            let binding = ports.bindings[key].as_ref().unwrap()[0].clone();
            assert_eq!(
                (binding.host_ip.as_str(), binding.host_port.as_str()),
                (ip, host)
            );
        }
        let range = parse(&["1-3:11-13".into()], &["20-21/udp".into()]).unwrap();
        assert_eq!(range.bindings.len(), 3);
        assert_eq!(range.exposed.len(), 5);
        for text in ["", "x", "1:2:3:4", "80/icmp", "1-2:1-3", "70000"] {
            assert!(parse(&[text.into()], &[]).is_err(), "{text}");
        }
    }
}
