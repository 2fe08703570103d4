//! Chains that are there, whoever made them.

use crate::Error;
use netlink::{Attributes, Flags, Message, Socket};

const GETCHAIN: u16 = 10 << 8 | 4;
/// `struct nfgenmsg` of every family.
const ANY: [u8; 4] = [0; 4];
/// `enum nft_chain_attributes`
const TABLE: u16 = 1;
const NAME: u16 = 3;
const HOOK: u16 = 4;
const POLICY: u16 = 5;
const TYPE: u16 = 7;
/// `NFTA_HOOK_HOOKNUM`
const HOOK_NUMBER: u16 = 1;
/// `NF_DROP`
const DROP: u32 = 0;

/// A chain that packets pass by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Based {
    /// Its table's family, `NFPROTO_*`.
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// Where packets pass it, as [`super::Hook`] numbers the places.
    pub hook: u32,
    /// What no rule decides is dropped.
    pub drops: bool,
}

/// Every base chain of the caller's network namespace.
///
/// # Errors
/// If the kernel does not tell.
pub fn based(socket: &mut Socket) -> Result<Vec<Based>, Error> {
    let mut found = Vec::new();
    let message = Message::new(GETCHAIN, Flags::DUMP, &ANY);
    let told = socket.dump(message, |_, body| found.extend(read(body)));
    told.map_err(|source| Error::Ask {
        what: "the chains of its firewall",
        source,
    })?;
    Ok(found)
}

fn read(body: &[u8]) -> Option<Based> {
    let attributes = Attributes::new(body.get(ANY.len()..)?);
    let number = |attributes: &Attributes<'_>, kind| {
        let bytes = attributes.find_kind(kind)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let hook = Attributes::new(attributes.find_kind(HOOK)?);
    Some(Based {
        family: *body.first()?,
        table: attributes.find_text(TABLE)?,
        name: attributes.find_text(NAME)?,
        kind: attributes.find_text(TYPE)?,
        hook: number(&hook, HOOK_NUMBER)?,
        drops: number(&attributes, POLICY) == Some(DROP),
    })
}
