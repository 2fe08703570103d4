//! Routes: the default one, and those of the host that subnets must avoid.

use crate::address::{family, octets};
use crate::{Error, Link, Subnet};
use netlink::{Attributes, Flags, Message, Socket};
use std::net::IpAddr;

const NEWROUTE: u16 = 24;
const GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const MAIN_TABLE: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
const SCOPE_UNIVERSE: u8 = 0;
const UNICAST: u8 = 1;

/// `struct rtmsg`
fn fixed(family: u8, prefix: u8) -> [u8; 12] {
    [
        family,
        prefix,
        0,
        0,
        MAIN_TABLE,
        PROTOCOL_STATIC,
        SCOPE_UNIVERSE,
        UNICAST,
        0,
        0,
        0,
        0,
    ]
}

/// The message that has what has no other route go through `gateway` on `link`.
pub(crate) fn default_message(link: Link, gateway: IpAddr) -> Message {
    Message::new(NEWROUTE, Flags::REPLACE, &fixed(family(gateway), 0))
        .with(RTA_GATEWAY, &octets(gateway))
        .with_u32(RTA_OIF, link.index)
}

/// Sends what has no other route through `gateway` on `link`.
pub fn add_default(socket: &mut Socket, link: Link, gateway: IpAddr) -> Result<(), Error> {
    let message = default_message(link, gateway);
    let failed = |source| Error::Route {
        destination: format!("default via {gateway}"),
        source,
    };
    socket.request(message).map_err(failed)
}

/// Every destination that the main table names, default routes aside.
pub fn destinations(socket: &mut Socket) -> Result<Vec<Subnet>, Error> {
    let mut found = Vec::new();
    let dump = socket.dump(Message::new(GETROUTE, Flags::DUMP, &[0; 12]), |_, body| {
        found.extend(destination(body));
    });
    dump.map_err(|source| Error::Ask {
        what: "its routes",
        source,
    })?;
    Ok(found)
}

fn destination(body: &[u8]) -> Option<Subnet> {
    if *body.get(4)? != MAIN_TABLE {
        return None;
    }
    let value = Attributes::new(body.get(12..)?).find_kind(RTA_DST)?;
    let address = match value.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(value).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
        _ => return None,
    };
    Subnet::holding(address, *body.get(1)?)
}
