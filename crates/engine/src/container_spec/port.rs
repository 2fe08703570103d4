//! Ports of a container that the host is to take connections for.

use super::ParseError;
use net::Protocol;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where a port is published, in the caller's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortBinding {
    /// The host's address; empty: all of them.
    pub host: String,
    /// The host's port, a range of them from which any will do, or nothing: any at all.
    pub port: String,
}

/// A container's port and where it is published, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) host: Option<IpAddr>,
    /// The host's ports, the first and the last; `None`: any.
    pub(crate) range: Option<(u16, u16)>,
}

/// What a port's number is in an error.
pub(crate) const PORT_SPECIFICATION: &str = "port specification";
const NUMBER: &str = "the number is not of 1 to 65535";

/// Reads `80/tcp`; a port without a protocol is of TCP.
pub(crate) fn port(text: &str) -> Result<(u16, Protocol), ParseError> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let refuse = |why| match why {
        NUMBER => ParseError::new(PORT_SPECIFICATION, number, why),
        why => ParseError::new("port", text, why),
    };
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return Err(refuse("the protocol is none of tcp, udp, sctp")),
    };
    match number.parse() {
        Ok(0) | Err(_) => Err(refuse(NUMBER)),
        Ok(number) => Ok((number, protocol)),
    }
}

/// The word for a protocol.
pub(crate) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

impl Publication {
    /// Reads one binding of the port `key`.
    pub(crate) fn read(key: &str, binding: &PortBinding) -> Result<Self, ParseError> {
        let (port, protocol) = port(key)?;
        let host = match binding.host.as_str() {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|_| ParseError::new("host IP", text, "no address"))?,
            ),
        };
        let refuse = || {
            ParseError::new(
                PORT_SPECIFICATION,
                &binding.port,
                "no port or range of ports",
            )
        };
        let range = match binding.port.as_str() {
            "" | "0" => None,
            text => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                let (first, last): (u16, u16) = (
                    first.parse().map_err(|_| refuse())?,
                    last.parse().map_err(|_| refuse())?,
                );
                if first == 0 || first > last {
                    return Err(refuse());
                }
                Some((first, last))
            }
        };
        Ok(Self {
            port,
            protocol,
            host,
            range,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_names_an_address_and_a_port_or_a_range() {
        let read = |key: &str, host: &str, port: &str| {
            let binding = PortBinding {
                host: host.to_owned(),
                port: port.to_owned(),
            };
            Publication::read(key, &binding)
        };
        let one = read("53/udp", "127.0.0.1", "5353").unwrap();
        assert_eq!((one.port, one.range), (53, Some((5353, 5353))));
        assert_eq!(read("80", "", "").unwrap().range, None);
        assert_eq!(
            read("80", "", "8000-8010").unwrap().range,
            Some((8000, 8010))
        );
        for (key, host, port) in [
            ("0/tcp", "", ""),
            ("80/icmp", "", ""),
            ("80", "nowhere", ""),
            ("80", "", "9-8"),
            ("80", "", "70000"),
        ] {
            assert!(read(key, host, port).is_err(), "{key} {host} {port}");
        }
    }
}
