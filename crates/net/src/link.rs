//! Links: bridges, veth pairs, macvlans; made in one message each (rtnetlink(7)).

use crate::Error;
use netlink::{Attributes, Flags, Message, Socket};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use std::io;

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const VETH_INFO_PEER: u16 = 1;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const UP: u32 = 1;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A link of the socket's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it.
    pub index: u32,
}

/// What every new link may be given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// At most 15 bytes.
    pub name: &'a str,
    /// The largest packet in bytes; the kernel's default if `None`.
    pub mtu: Option<u32>,
    /// The Ethernet address; random if `None`.
    pub mac: Option<Mac>,
    /// A text that says whose it is; for links of this namespace.
    pub alias: Option<&'a str>,
}

/// How a macvlan's links see each other (`MACVLAN_MODE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Macvlan {
    /// Not at all.
    Private = 1,
    /// Through the switch outside.
    Vepa = 2,
    /// Directly.
    Bridge = 4,
    /// One link alone takes the parent over.
    Passthru = 8,
}

/// How an ipvlan forwards (`IPVLAN_MODE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipvlan {
    /// As a switch.
    L2 = 0,
    /// As a router.
    L3 = 1,
    /// As a router, through the host's firewall.
    L3s = 2,
}

/// How an ipvlan's links see each other (`IPVLAN_F_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Siblings {
    /// Directly.
    Bridge = 0,
    /// Not at all.
    Private = 1,
    /// Through the switch outside.
    Vepa = 2,
}

/// `struct ifinfomsg` with these flags set.
fn info(index: u32, up: bool) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    let flags = if up { UP } else { 0 };
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&flags.to_ne_bytes());
    fixed
}

fn settings(mut message: Message, settings: &Settings<'_>) -> Message {
    message = message.with_text(IFLA_IFNAME, settings.name);
    if let Some(mtu) = settings.mtu {
        message = message.with_u32(IFLA_MTU, mtu);
    }
    if let Some(mac) = settings.mac {
        message = message.with(IFLA_ADDRESS, &mac);
    }
    message
}

/// Sends the message that makes a link or gives it its `master`, and with it the one that gives
/// it its alias and its settings as a port: the kernel reads neither of the two there.
fn create(
    socket: &mut Socket,
    message: Message,
    wanted: &Settings<'_>,
    master: Option<Link>,
) -> io::Result<()> {
    let mut change =
        Message::new(NEWLINK, Flags::CHANGE, &info(0, true)).with_text(IFLA_IFNAME, wanted.name);
    if let Some(alias) = wanted.alias {
        change = change.with(IFLA_IFALIAS, alias.as_bytes());
    }
    if master.is_some() {
        // Hairpin: an endpoint reaches itself by a port of the host.
        change = change.with_nested(IFLA_LINKINFO, |m| {
            m.with(IFLA_INFO_SLAVE_KIND, b"bridge")
                .with_nested(IFLA_INFO_SLAVE_DATA, |m| m.with(IFLA_BRPORT_MODE, &[1]))
        });
    }
    socket
        .batch(vec![message, change])
        .map_err(|refused| refused.source)
}

pub(crate) fn failed<'a>(
    action: &'static str,
    name: &'a str,
) -> impl FnOnce(io::Error) -> Error + use<'a> {
    move |source| Error::Link {
        action,
        name: name.to_owned(),
        source,
    }
}

/// Makes a bridge, up.
pub fn add_bridge(socket: &mut Socket, wanted: &Settings<'_>) -> Result<Link, Error> {
    let message = settings(Message::new(NEWLINK, Flags::CREATE, &info(0, true)), wanted)
        .with_nested(IFLA_LINKINFO, |m| m.with(IFLA_INFO_KIND, b"bridge"));
    create(socket, message, wanted, None).map_err(failed("make bridge", wanted.name))?;
    find(socket, wanted.name)
}

/// Makes a veth pair, up on this side: `host` here, on the bridge `master` if there is one,
/// and `peer` in the namespace `netns`. One message does it all.
pub fn add_veth(
    socket: &mut Socket,
    host: &Settings<'_>,
    master: Option<Link>,
    peer: &Settings<'_>,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let mut message = settings(Message::new(NEWLINK, Flags::CREATE, &info(0, true)), host);
    if let Some(bridge) = master {
        message = message.with_u32(IFLA_MASTER, bridge.index);
    }
    let message = with_peer(message, peer, netns);
    create(socket, message, host, master).map_err(failed("make veth pair", host.name))
}

fn with_peer(message: Message, peer: &Settings<'_>, netns: BorrowedFd<'_>) -> Message {
    let namespace = netns.as_raw_fd().cast_unsigned();
    message.with_nested(IFLA_LINKINFO, |m| {
        m.with(IFLA_INFO_KIND, b"veth")
            .with_nested(IFLA_INFO_DATA, |m| {
                m.with_nested(VETH_INFO_PEER, |m| {
                    settings(m.with_bytes(&info(0, false)), peer)
                        .with_u32(IFLA_NET_NS_FD, namespace)
                })
            })
    })
}

/// Makes a veth pair that is down, and in no network: `host` here, `peer` in the namespace
/// `netns`.
pub fn add_pair(
    socket: &mut Socket,
    host: &str,
    peer: &str,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let named = |name| Settings {
        name,
        ..Settings::default()
    };
    let message = Message::new(NEWLINK, Flags::CREATE, &info(0, false));
    let message = with_peer(settings(message, &named(host)), &named(peer), netns);
    socket
        .request(message)
        .map_err(failed("make veth pair", host))
}

/// How a bridge treats one of its ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// It sends packets back by the port that they came by.
    pub hairpin: bool,
    /// It passes nothing on from one such port to another.
    pub isolated: bool,
}

/// Makes a link a port of the bridge `master`, and changes nothing else of it.
pub fn set_master(
    socket: &mut Socket,
    link: Link,
    master: Link,
    wanted: Port,
) -> Result<(), Error> {
    let change = || Message::new(NEWLINK, Flags::CHANGE, &info(link.index, false));
    let port = change().with_nested(IFLA_LINKINFO, |m| {
        m.with(IFLA_INFO_SLAVE_KIND, b"bridge")
            .with_nested(IFLA_INFO_SLAVE_DATA, |m| {
                m.with(IFLA_BRPORT_MODE, &[u8::from(wanted.hairpin)])
                    .with(IFLA_BRPORT_ISOLATED, &[u8::from(wanted.isolated)])
            })
    });
    let join = change().with_u32(IFLA_MASTER, master.index);
    socket
        .batch(vec![join, port])
        .map_err(|refused| failed("join", &link.index.to_string())(refused.source))
}

/// Has a bridge look at the VLANs of packets and ports.
pub fn filter_vlans(socket: &mut Socket, bridge: Link) -> Result<(), Error> {
    let message = Message::new(NEWLINK, Flags::CHANGE, &info(bridge.index, false)).with_nested(
        IFLA_LINKINFO,
        |m| {
            m.with(IFLA_INFO_KIND, b"bridge")
                .with_nested(IFLA_INFO_DATA, |m| m.with(IFLA_BR_VLAN_FILTERING, &[1]))
        },
    );
    socket
        .request(message)
        .map_err(failed("filter VLANs of", &bridge.index.to_string()))
}

/// The message that gives a link an Ethernet address, and changes nothing else of it.
pub(crate) fn readdressed(link: Link, mac: Mac) -> Message {
    Message::new(NEWLINK, Flags::CHANGE, &info(link.index, false)).with(IFLA_ADDRESS, &mac)
}

/// Gives a link an Ethernet address; a bridge that has one does not take its ports'.
pub fn set_mac(socket: &mut Socket, link: Link, mac: Mac) -> Result<(), Error> {
    socket
        .request(readdressed(link, mac))
        .map_err(failed("change", &link.index.to_string()))
}

/// Brings a link that is there into the network of `master`, and sets it up.
pub fn join(socket: &mut Socket, wanted: &Settings<'_>, master: Link) -> Result<(), Error> {
    let message = Message::new(NEWLINK, Flags::CHANGE, &info(0, true));
    let message = settings(message, wanted).with_u32(IFLA_MASTER, master.index);
    create(socket, message, wanted, Some(master)).map_err(failed("join", wanted.name))
}

/// The message that gives a link that is down its name, address and largest packet, and sets it
/// up if that is wanted.
pub(crate) fn changed(link: Link, wanted: &Settings<'_>, up: bool) -> Message {
    let message = Message::new(NEWLINK, Flags::CHANGE, &info(link.index, up));
    settings(message, wanted)
}

/// Gives a link that is down its name, address and largest packet.
pub(crate) fn change(socket: &mut Socket, link: Link, wanted: &Settings<'_>) -> Result<(), Error> {
    socket
        .request(changed(link, wanted, false))
        .map_err(failed("change", wanted.name))
}

/// Makes a macvlan of `parent` in the namespace `netns`.
pub fn add_macvlan(
    socket: &mut Socket,
    parent: Link,
    mode: Macvlan,
    wanted: &Settings<'_>,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let mode = (mode as u32).to_ne_bytes();
    let options = [(IFLA_MACVLAN_MODE, &mode[..])];
    add_child(socket, (parent, b"macvlan"), &options, wanted, netns)
}

/// Makes an ipvlan of `parent` in the namespace `netns`.
pub fn add_ipvlan(
    socket: &mut Socket,
    parent: Link,
    (mode, siblings): (Ipvlan, Siblings),
    wanted: &Settings<'_>,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let [mode, flags] = [mode as u16, siblings as u16].map(u16::to_ne_bytes);
    let options = [(IFLA_IPVLAN_MODE, &mode[..]), (IFLA_IPVLAN_FLAGS, &flags)];
    add_child(socket, (parent, b"ipvlan"), &options, wanted, netns)
}

fn add_child(
    socket: &mut Socket,
    (parent, kind): (Link, &[u8]),
    options: &[(u16, &[u8])],
    wanted: &Settings<'_>,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let message = settings(
        Message::new(NEWLINK, Flags::CREATE, &info(0, false)),
        wanted,
    )
    .with_u32(IFLA_LINK, parent.index)
    .with_u32(IFLA_NET_NS_FD, netns.as_raw_fd().cast_unsigned())
    .with_nested(IFLA_LINKINFO, |m| {
        m.with(IFLA_INFO_KIND, kind)
            .with_nested(IFLA_INFO_DATA, |m| {
                options
                    .iter()
                    .fold(m, |m, (kind, value)| m.with(*kind, value))
            })
    });
    socket
        .request(message)
        .map_err(failed("make child", wanted.name))
}

/// Makes a link that leads nowhere, up.
pub fn add_dummy(socket: &mut Socket, wanted: &Settings<'_>) -> Result<(), Error> {
    let message = settings(Message::new(NEWLINK, Flags::CREATE, &info(0, true)), wanted)
        .with_nested(IFLA_LINKINFO, |m| m.with(IFLA_INFO_KIND, b"dummy"));
    create(socket, message, wanted, None).map_err(failed("make dummy", wanted.name))
}

/// Makes the VLAN `number` of `parent` a link of its own, up.
pub fn add_vlan(
    socket: &mut Socket,
    parent: Link,
    number: u16,
    wanted: &Settings<'_>,
) -> Result<(), Error> {
    let message = settings(Message::new(NEWLINK, Flags::CREATE, &info(0, true)), wanted)
        .with_u32(IFLA_LINK, parent.index)
        .with_nested(IFLA_LINKINFO, |m| {
            m.with(IFLA_INFO_KIND, b"vlan")
                .with_nested(IFLA_INFO_DATA, |m| {
                    m.with(IFLA_VLAN_ID, &number.to_ne_bytes())
                })
        });
    create(socket, message, wanted, None).map_err(failed("make VLAN", wanted.name))
}

/// Gives a link another alias.
pub fn set_alias(socket: &mut Socket, link: Link, alias: &str) -> Result<(), Error> {
    let message = Message::new(NEWLINK, Flags::CHANGE, &info(link.index, false))
        .with(IFLA_IFALIAS, alias.as_bytes());
    socket
        .request(message)
        .map_err(failed("change", &link.index.to_string()))
}

/// Sets a link up.
pub fn set_up(socket: &mut Socket, link: Link) -> Result<(), Error> {
    let message = Message::new(NEWLINK, Flags::CHANGE, &info(link.index, true));
    socket
        .request(message)
        .map_err(failed("set up", &link.index.to_string()))
}

/// Has a link take what is sent to others too.
pub fn set_promiscuous(socket: &mut Socket, link: Link) -> Result<(), Error> {
    /// `IFF_PROMISC`.
    const PROMISCUOUS: u32 = 0x100;
    let mut fixed = info(link.index, false);
    for part in [8, 12] {
        fixed[part..part + 4].copy_from_slice(&PROMISCUOUS.to_ne_bytes());
    }
    socket
        .request(Message::new(NEWLINK, Flags::CHANGE, &fixed))
        .map_err(failed("make promiscuous", &link.index.to_string()))
}

/// Sets a link down.
pub fn set_down(socket: &mut Socket, link: Link) -> Result<(), Error> {
    let mut fixed = info(link.index, true);
    fixed[8..12].fill(0);
    socket
        .request(Message::new(NEWLINK, Flags::CHANGE, &fixed))
        .map_err(failed("set down", &link.index.to_string()))
}

/// Moves a link into the namespace `netns`, under a name, in one step. It must be down.
pub fn move_to(
    socket: &mut Socket,
    link: Link,
    name: &str,
    netns: BorrowedFd<'_>,
) -> Result<(), Error> {
    let message = Message::new(NEWLINK, Flags::CHANGE, &info(link.index, false))
        .with_text(IFLA_IFNAME, name)
        .with_u32(IFLA_NET_NS_FD, netns.as_raw_fd().cast_unsigned());
    socket.request(message).map_err(failed("move", name))
}

/// Removes a link; a veth's peer goes with it. The kernel waits for its readers: 15 to 35 ms.
pub fn delete(socket: &mut Socket, link: Link) -> Result<(), Error> {
    let message = Message::new(DELLINK, Flags::CHANGE, &info(link.index, false));
    socket
        .request(message)
        .map_err(failed("remove", &link.index.to_string()))
}

/// The link called `name`.
pub fn find(socket: &mut Socket, name: &str) -> Result<Link, Error> {
    alias(socket, name).map(|(link, _)| link)
}

/// As [`find`], where there most probably is one: the kernel says so at once, but looks for a
/// module of that name where there is none (netdevice(7)).
pub(crate) fn find_at_once(socket: &Socket, name: &str) -> Result<Link, Error> {
    match name_to_index(socket, name) {
        Ok(index) => Ok(Link { index }),
        Err(Errno::NODEV) => Err(Error::NoLink {
            name: name.to_owned(),
        }),
        Err(errno) => Err(failed("find", name)(errno.into())),
    }
}

/// The link called `name`, and its alias.
pub fn alias(socket: &mut Socket, name: &str) -> Result<(Link, Option<String>), Error> {
    let mut alias = None;
    let message = Message::new(GETLINK, Flags::TELL, &info(0, false)).with_text(IFLA_IFNAME, name);
    let mut index = None;
    let told = socket.tell(message, |_, body| {
        let attributes = Attributes::new(body.get(16..).unwrap_or_default());
        alias = attributes.find_text(IFLA_IFALIAS);
        index = body
            .get(4..8)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_ne_bytes);
    });
    match (told, index) {
        (Ok(()), Some(index)) => Ok((Link { index }, alias)),
        (Err(error), _) if error.raw_os_error() != Some(19) => Err(failed("find", name)(error)),
        _ => Err(Error::NoLink {
            name: name.to_owned(),
        }),
    }
}

/// What a link is and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The link.
    pub link: Link,
    /// `bridge`, `veth` and so on; empty for hardware and the loopback.
    pub kind: String,
    /// Its Ethernet address; none for links without one.
    pub mac: Option<Mac>,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Whether it was set up.
    pub up: bool,
    /// Whether packets pass (`IF_OPER_UP`).
    pub running: bool,
    /// The bridge it is a port of.
    pub master: Option<Link>,
}

/// The link called `name`, and what it is and does.
pub fn details(socket: &mut Socket, name: &str) -> Result<Details, Error> {
    const OPER_UP: &[u8] = &[6];
    let mut found = None;
    let message = Message::new(GETLINK, Flags::TELL, &info(0, false)).with_text(IFLA_IFNAME, name);
    let told = socket.tell(message, |_, body| {
        let Some((fixed, rest)) = body.split_first_chunk::<16>() else {
            return;
        };
        let attributes = Attributes::new(rest);
        let word = |at: usize| fixed[at..at + 4].try_into().map_or(0, u32::from_ne_bytes);
        let kind = attributes.find_kind(IFLA_LINKINFO).map(Attributes::new);
        found = Some(Details {
            link: Link { index: word(4) },
            kind: kind
                .and_then(|kind| kind.find_text(IFLA_INFO_KIND))
                .unwrap_or_default(),
            mac: attributes
                .find_kind(IFLA_ADDRESS)
                .and_then(|mac| mac.try_into().ok()),
            mtu: attributes.find_u32(IFLA_MTU).unwrap_or(0),
            up: word(8) & UP != 0,
            running: attributes.find_kind(IFLA_OPERSTATE) == Some(OPER_UP),
            master: attributes.find_u32(IFLA_MASTER).map(|index| Link { index }),
        });
    });
    match (told, found) {
        (Ok(()), Some(details)) => Ok(details),
        (Err(error), _) if error.raw_os_error() != Some(19) => Err(failed("find", name)(error)),
        _ => Err(Error::NoLink {
            name: name.to_owned(),
        }),
    }
}

/// Every link's name and alias.
pub fn list(socket: &mut Socket) -> Result<Vec<(Link, String, Option<String>)>, Error> {
    let mut links = Vec::new();
    let dump = socket.dump(
        Message::new(GETLINK, Flags::DUMP, &info(0, false)),
        |_, body| {
            let attributes = Attributes::new(body.get(16..).unwrap_or_default());
            let index = body
                .get(4..8)
                .and_then(|b| b.try_into().ok())
                .map(u32::from_ne_bytes);
            if let (Some(index), Some(name)) = (index, attributes.find_text(IFLA_IFNAME)) {
                links.push((Link { index }, name, attributes.find_text(IFLA_IFALIAS)));
            }
        },
    );
    dump.map_err(|source| Error::Ask {
        what: "its links",
        source,
    })?;
    Ok(links)
}
