//! Network links: corten's own carry `INSTANCE:OWNER` as their alias, a sandbox or a network.

use crate::{Case, Findings, Leak, What};
use netlink::{Attributes, Flags, Message, Socket};
use std::io;

const GETLINK: u16 = 18;
/// `struct ifinfomsg`
const INFO: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_IFALIAS: u16 = 20;

pub(crate) fn examine(case: &Case<'_>, findings: &mut Findings) {
    let named = match aliased() {
        Ok(named) => named,
        Err(error) => return findings.unread("network links", error),
    };
    for (name, alias) in named {
        let owner = alias
            .split_once(':')
            .filter(|(instance, _)| *instance == case.instance);
        if let Some((_, sandbox)) = owner
            && !case.live.contains(sandbox)
            && !case.records.may_hold_network(sandbox)
        {
            findings.leak(Leak::new(
                What::Link,
                name,
                format!("sandbox {sandbox} has no live shim"),
            ));
        }
    }
}

/// Names and aliases of the links that have one.
fn aliased() -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    Socket::route()?.dump(Message::new(GETLINK, Flags::DUMP, &[0; INFO]), |_, body| {
        let attributes = Attributes::new(body.get(INFO..).unwrap_or_default());
        found.extend(
            attributes
                .find_text(IFLA_IFNAME)
                .zip(attributes.find_text(IFLA_IFALIAS)),
        );
    })?;
    Ok(found)
}
