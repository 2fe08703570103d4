//! Routes: the default one, those of the host that subnets must avoid, and any others.

use crate::address::{family, octets};
use crate::{Error, Link, Subnet};
use netlink::{Attributes, Flags, Message, Socket};
use std::net::IpAddr;

const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const MAIN_TABLE: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
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

/// The message that has what has no other route go through `gateway` on `link`; without any if it
/// is the unspecified address.
pub(crate) fn default_message(link: Link, gateway: IpAddr) -> Message {
    let mut fixed = fixed(family(gateway), 0);
    if gateway == IpAddr::from([0; 4]) {
        fixed[6] = Scope::Link as u8;
    }
    let message = Message::new(NEWROUTE, Flags::REPLACE, &fixed).with_u32(RTA_OIF, link.index);
    match gateway.is_unspecified() {
        true => message,
        false => message.with(RTA_GATEWAY, &octets(gateway)),
    }
}

/// Sends what has no other route through `gateway` on `link`, as [`default_message`] says.
pub fn add_default(socket: &mut Socket, link: Link, gateway: IpAddr) -> Result<(), Error> {
    let message = default_message(link, gateway);
    let failed = |source| Error::Route {
        destination: format!("default via {gateway}"),
        source,
    };
    socket.request(message).map_err(failed)
}

/// How far away a route leads (`RT_SCOPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere.
    Universe = 0,
    /// To what is on the link.
    Link = 253,
    /// To this host.
    Host = 254,
    /// For a removal: whatever it is.
    Nowhere = 255,
}

/// A route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: Subnet,
    /// By which router; on the link itself if there is none.
    pub gateway: Option<IpAddr>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// How far away it leads.
    pub scope: Scope,
}

impl Route {
    fn message(&self, kind: u16, flags: Flags, link: Link) -> Message {
        let first = self.destination.first();
        let mut fixed = fixed(family(first), self.destination.prefix());
        if kind == DELROUTE {
            // Whoever made it, of whatever type.
            (fixed[5], fixed[7]) = (0, 0);
        } else {
            fixed[5] = PROTOCOL_BOOT;
        }
        fixed[6] = self.scope as u8;
        let mut message = Message::new(kind, flags, &fixed).with_u32(RTA_OIF, link.index);
        if self.destination.prefix() > 0 {
            message = message.with(RTA_DST, &octets(first));
        }
        if let Some(gateway) = self.gateway {
            message = message.with(RTA_GATEWAY, &octets(gateway));
        }
        if let Some(source) = self.source {
            message = message.with(RTA_PREFSRC, &octets(source));
        }
        message
    }
}

/// Adds a route by `link`, as one that somebody gave by hand.
pub fn add(socket: &mut Socket, link: Link, route: &Route) -> Result<(), Error> {
    let message = route.message(NEWROUTE, Flags::ENSURE, link);
    socket.request(message).map_err(|source| Error::Route {
        destination: route.destination.to_string(),
        source,
    })
}

/// Removes a route by `link`; `None` if there is none.
pub fn remove(socket: &mut Socket, link: Link, route: &Route) -> Result<Option<()>, Error> {
    const NO_SUCH_PROCESS: i32 = 3;
    match socket.request(route.message(DELROUTE, Flags::CHANGE, link)) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => Ok(None),
        Err(source) => Err(Error::Route {
            destination: route.destination.to_string(),
            source,
        }),
    }
}

/// Every route of the main table by `link`: where to, and by which router.
pub fn by_link(socket: &mut Socket, link: Link) -> Result<Vec<(Subnet, Option<IpAddr>)>, Error> {
    let mut found = Vec::new();
    let dump = socket.dump(Message::new(GETROUTE, Flags::DUMP, &[0; 12]), |_, body| {
        let (Some(rest), Some(&table)) = (body.get(12..), body.get(4)) else {
            return;
        };
        let attributes = Attributes::new(rest);
        if table != MAIN_TABLE || attributes.find_u32(RTA_OIF) != Some(link.index) {
            return;
        }
        let all = if body[0] == family(IpAddr::from([0; 4])) {
            Subnet::holding(IpAddr::from([0; 4]), 0)
        } else {
            Subnet::holding(IpAddr::from([0; 16]), 0)
        };
        let gateway = attributes.find_kind(RTA_GATEWAY).and_then(parse);
        if let Some(destination) = destination(body).or(all) {
            found.push((destination, gateway));
        }
    });
    dump.map_err(|source| Error::Ask {
        what: "its routes",
        source,
    })?;
    Ok(found)
}

fn parse(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let six = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
    four().or_else(six)
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
    Subnet::holding(parse(value)?, *body.get(1)?)
}
