//! VLANs of a bridge's ports (`RTM_SETLINK` of `AF_BRIDGE`, `include/uapi/linux/if_bridge.h`).

use crate::Error;
use crate::link::{Link, failed};
use netlink::{Attributes, Flags, Message, Socket};

const SETLINK: u16 = 19;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const AF_BRIDGE: u8 = 7;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_EXT_MASK: u16 = 29;
/// `RTEXT_FILTER_BRVLAN`
const WITH_VLANS: u32 = 2;
const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
/// `BRIDGE_FLAGS_MASTER`: of the bridge that the link is a port of.
const OF_BRIDGE: u16 = 1;

/// A VLAN that a port takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vlan {
    /// Packets carry its number.
    Tagged(u16),
    /// Packets without a number are its, and its packets leave without.
    Native(u16),
}

impl Vlan {
    /// `struct bridge_vlan_info`
    fn info(self) -> [u8; 4] {
        /// `BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED`
        const NATIVE: u16 = 2 | 4;
        let (flags, number) = match self {
            Self::Tagged(number) => (0, number),
            Self::Native(number) => (NATIVE, number),
        };
        let [flags, number] = [flags, number].map(u16::to_ne_bytes);
        [flags[0], flags[1], number[0], number[1]]
    }
}

/// `struct ifinfomsg`
fn port_info(port: Link) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[0] = AF_BRIDGE;
    fixed[4..8].copy_from_slice(&port.index.to_ne_bytes());
    fixed
}

fn change(kind: u16, port: Link, vlan: Vlan) -> Message {
    Message::new(kind, Flags::CHANGE, &port_info(port)).with_nested(IFLA_AF_SPEC, |m| {
        m.with(IFLA_BRIDGE_FLAGS, &OF_BRIDGE.to_ne_bytes())
            .with(IFLA_BRIDGE_VLAN_INFO, &vlan.info())
    })
}

/// Has a port take part in a VLAN of its bridge.
pub fn add(socket: &mut Socket, port: Link, vlan: Vlan) -> Result<(), Error> {
    socket
        .request(change(SETLINK, port, vlan))
        .map_err(failed("add a VLAN to", &port.index.to_string()))
}

/// Takes a VLAN from a port.
pub fn remove(socket: &mut Socket, port: Link, number: u16) -> Result<(), Error> {
    socket
        .request(change(DELLINK, port, Vlan::Tagged(number)))
        .map_err(failed("take a VLAN from", &port.index.to_string()))
}

/// The numbers of the VLANs that a port takes part in.
pub fn of_port(socket: &mut Socket, port: Link) -> Result<Vec<u16>, Error> {
    let mut numbers = Vec::new();
    let whole = Link { index: 0 };
    let message =
        Message::new(GETLINK, Flags::DUMP, &port_info(whole)).with_u32(IFLA_EXT_MASK, WITH_VLANS);
    let told = socket.dump(message, |_, body| {
        let Some((fixed, rest)) = body.split_first_chunk::<16>() else {
            return;
        };
        if fixed[4..8] != port.index.to_ne_bytes() {
            return;
        }
        let own = Attributes::new(rest).find_kind(IFLA_AF_SPEC);
        let infos = own.map(Attributes::new).into_iter().flatten();
        let infos = infos.filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO);
        numbers.extend(infos.filter_map(|(_, info)| {
            let number = info.get(2..4)?.try_into().ok()?;
            Some(u16::from_ne_bytes(number))
        }));
    });
    told.map_err(|source| Error::Ask {
        what: "the VLANs of its bridges",
        source,
    })?;
    Ok(numbers)
}
