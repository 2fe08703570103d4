//! Watching for others' changes to the firewall's table.

use crate::Error;
use netlink::{Attributes, Socket};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// `NFNL_SUBSYS_NFTABLES`
const NFTABLES: u16 = 10;
/// `NFT_MSG_DELTABLE`, `DELCHAIN`, `DELRULE`, `DELSET`, `DELSETELEM`
const REMOVALS: [u16; 5] = [2, 5, 8, 11, 14];
const DELETE_RULE: u16 = 8;
/// `struct nfgenmsg`
const GENERIC: usize = 4;
/// The table's name is the first attribute of all of them.
const TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;

/// Tells when somebody else removes something of an instance's table.
#[derive(Debug)]
pub struct Watch {
    instance: String,
    socket: Socket,
}

impl Watch {
    /// Begins to watch, in the caller's network namespace. It is readable when the firewall
    /// has changed.
    ///
    /// # Errors
    /// If the kernel tells nothing.
    pub fn open(instance: &str) -> Result<Self, Error> {
        let socket = Socket::netfilter_changes().map_err(ask)?;
        Ok(Self {
            instance: instance.to_owned(),
            socket,
        })
    }

    /// Whether somebody but the maker that is `own` at the end has removed something of the table
    /// since the last call; also if that may be.
    ///
    /// # Errors
    /// If the kernel tells nothing.
    pub fn is_damaged(&mut self, own: impl FnOnce() -> u32) -> Result<bool, Error> {
        let mut makers = Vec::new();
        let instance = &self.instance;
        let whole = self.socket.changes(|kind, port, body| {
            if removes(kind, body, instance) {
                makers.push(port);
            }
        });
        if !whole.map_err(ask)? {
            return Ok(true);
        }
        let own = own();
        Ok(makers.into_iter().any(|maker| maker != own))
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn ask(source: io::Error) -> Error {
    Error::Ask {
        what: "changes to the firewall",
        source,
    }
}

/// Whether a message tells that something of the table is gone. People's own rules are theirs.
fn removes(kind: u16, body: &[u8], instance: &str) -> bool {
    let (subsystem, operation) = (kind >> 8, kind & 0xff);
    if subsystem != NFTABLES || !REMOVALS.contains(&operation) {
        return false;
    }
    let attributes = Attributes::new(body.get(GENERIC..).unwrap_or_default());
    let peoples =
        operation == DELETE_RULE && attributes.find_text(RULE_CHAIN).as_deref() == Some("user");
    attributes.find_text(TABLE).as_deref() == Some(instance) && !peoples
}
