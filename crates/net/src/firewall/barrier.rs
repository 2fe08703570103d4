//! Others' chains that drop what containers forward: a table of ours cannot allow what another
//! one drops.

use crate::Error;
use crate::nft::{self, Hook};
use netlink::Socket;
use std::fmt;

/// `NFPROTO_INET`, `NFPROTO_IPV4` and `NFPROTO_IPV6`, as nft(8) has them.
const FAMILIES: [(u8, &str); 3] = [(1, "inet"), (2, "ip"), (10, "ip6")];

/// A chain of somebody else's by whose policy forwarded packets are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    family: &'static str,
    table: String,
    chain: String,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "table {} {}, chain {}",
            self.family, self.table, self.chain
        )
    }
}

impl Barrier {
    /// Those of the caller's network namespace.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn all() -> Result<Vec<Self>, Error> {
        let mut socket = Socket::netfilter().map_err(|source| Error::Ask {
            what: "the chains of its firewall",
            source,
        })?;
        let found = nft::based(&mut socket)?.into_iter().filter_map(Self::of);
        let found = found.collect();
        socket.close_behind();
        Ok(found)
    }

    fn of(chain: nft::Based) -> Option<Self> {
        let (_, family) = FAMILIES
            .iter()
            .find(|(number, _)| *number == chain.family)?;
        let stops = chain.drops && chain.kind == "filter" && chain.hook == Hook::Forward as u32;
        stops.then_some(Self {
            family,
            table: chain.table,
            chain: chain.name,
        })
    }
}
