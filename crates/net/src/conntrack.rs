//! Connections that the kernel remembers.

use crate::Error;
use netlink::{Attributes, Flags, Message, Socket};

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const NESTED: u16 = 1 << 15;
const TUPLE_ORIGINAL: u16 = 1;
const ID: u16 = 12;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION: u16 = 3;
/// `AF_INET`, `AF_INET6`
const FAMILIES: [u8; 2] = [2, 10];

/// Forgets connections of a protocol to these ports, whatever their addresses, so that their
/// next packets meet the rules that there are now.
pub fn forget(socket: &mut Socket, protocol: u8, ports: &[u16]) -> Result<(), Error> {
    for family in FAMILIES {
        let mut found = Vec::new();
        let dump = Message::new(GET, Flags::DUMP, &[family, 0, 0, 0]);
        let told = socket.dump(dump, |_, body| {
            let connection = Attributes::new(body.get(4..).unwrap_or_default());
            let tuple = connection.find_kind(TUPLE_ORIGINAL);
            if let Some(tuple) = tuple.filter(|tuple| leads(tuple, protocol, ports)) {
                let id = connection.find_kind(ID).map(<[u8]>::to_vec);
                found.push((tuple.to_vec(), id));
            }
        });
        let ask = |source| Error::Ask {
            what: "the connections that it remembers",
            source,
        };
        told.map_err(ask)?;
        for (tuple, id) in found {
            let mut message = Message::new(DELETE, Flags::CHANGE, &[family, 0, 0, 0])
                .with(TUPLE_ORIGINAL | NESTED, &tuple);
            if let Some(id) = id {
                message = message.with(ID, &id);
            }
            match socket.request(message) {
                // It has ended by itself.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                forgotten => forgotten.map_err(ask)?,
            }
        }
    }
    Ok(())
}

/// Whether a connection is of the protocol and to one of the ports.
fn leads(tuple: &[u8], protocol: u8, ports: &[u16]) -> bool {
    let part = Attributes::new(tuple).find_kind(TUPLE_PROTOCOL);
    let part = Attributes::new(part.unwrap_or_default());
    let port = part.find_kind(PROTOCOL_DESTINATION);
    let port = port.and_then(|port| Some(u16::from_be_bytes(port.try_into().ok()?)));
    part.find_kind(PROTOCOL_NUMBER) == Some(&[protocol])
        && port.is_some_and(|port| ports.contains(&port))
}
