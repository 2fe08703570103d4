//! Lists of containers by the ports that they publish or expose.

use crate::error::{Error, Result};
use docker_schema::container::Port;
use docker_schema::filters::Filters;
use http::StatusCode;
use std::ops::RangeInclusive;

/// Ports of a protocol: `NUMBER[-NUMBER][/PROTOCOL]`.
#[derive(Debug, PartialEq, Eq)]
struct Ports {
    numbers: RangeInclusive<u16>,
    protocol: String,
}

impl Ports {
    fn contain(&self, number: u16, protocol: &str) -> bool {
        self.numbers.contains(&number) && self.protocol == protocol
    }
}

/// What `publish` and `expose` name: a container has to have one of all of them.
#[derive(Debug)]
pub(super) struct PortFilter {
    published: Vec<Ports>,
    exposed: Vec<Ports>,
}

impl PortFilter {
    pub(super) fn of(filters: &Filters) -> Result<Self> {
        Ok(Self {
            published: ports(filters, "publish")?,
            exposed: ports(filters, "expose")?,
        })
    }

    pub(super) fn matches(&self, ports: &[Port]) -> bool {
        if self.published.is_empty() && self.exposed.is_empty() {
            return true;
        }
        let has = |wanted: &[Ports], number: u16, protocol: &str| {
            wanted.iter().any(|wanted| wanted.contain(number, protocol))
        };
        ports.iter().any(|port| {
            has(&self.published, port.public_port, &port.r#type)
                || has(&self.exposed, port.private_port, &port.r#type)
        })
    }
}

fn ports(filters: &Filters, name: &str) -> Result<Vec<Ports>> {
    let failed = |words: String| Error::new(StatusCode::INTERNAL_SERVER_ERROR, words);
    let read = |value: &str| {
        if value.contains(':') {
            let words = format!("filter for '{name}' should not contain ':': {value}");
            return Err(failed(words));
        }
        parse(value)
            .map_err(|why| failed(format!("error while looking up for {name} {value}: {why}")))
    };
    filters.values(name).map(read).collect()
}

/// COMPAT: what is wrong is told in the words of Go's parsers.
fn parse(value: &str) -> std::result::Result<Ports, String> {
    let (numbers, protocol) = match value.split_once('/') {
        Some((numbers, protocol)) if !protocol.is_empty() => (numbers, protocol),
        Some((numbers, _)) => (numbers, "tcp"),
        None => (value, "tcp"),
    };
    if numbers.is_empty() {
        return Err("Empty string specified for ports.".to_owned());
    }
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(format!("Invalid range specified for the Port: {numbers}"));
    }
    Ok(Ports {
        numbers: first..=last,
        protocol: protocol.to_owned(),
    })
}

fn number(text: &str) -> std::result::Result<u16, String> {
    text.parse().map_err(|_| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let why = match digits {
            true => "value out of range",
            false => "invalid syntax",
        };
        format!("strconv.ParseUint: parsing {text:?}: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_and_ranges_of_a_protocol() {
        for (value, numbers, protocol) in [
            ("80", 80..=80, "tcp"),
            ("53/udp", 53..=53, "udp"),
            ("80-90/", 80..=90, "tcp"),
        ] {
            let protocol = protocol.to_owned();
            assert_eq!(parse(value), Ok(Ports { numbers, protocol }), "{value}");
        }
        for (value, words) in [
            ("", "Empty string specified for ports."),
            (
                "70000",
                "strconv.ParseUint: parsing \"70000\": value out of range",
            ),
            ("80-x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("90-80", "Invalid range specified for the Port: 90-80"),
        ] {
            assert_eq!(parse(value).unwrap_err(), words);
        }
    }
}
