//! Firewall tables: corten's own are called as its instance is.

use crate::{Case, Findings, Leak, What};
use netlink::{Attributes, Flags, Message, Socket};
use std::io;

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE`
const GETTABLE: u16 = (10 << 8) | 1;
/// `struct nfgenmsg`
const GENERIC: usize = 4;
const NFTA_TABLE_NAME: u16 = 1;
const EINVAL: i32 = 22;

pub(crate) fn examine(case: &Case<'_>, findings: &mut Findings) {
    if case.records.may_hold_networks() {
        return;
    }
    let tables = match tables() {
        Ok(tables) => tables,
        // A kernel without nf_tables has no tables.
        Err(error) if error.raw_os_error() == Some(EINVAL) => return,
        Err(error) => return findings.unread("firewall tables", error),
    };
    for table in tables.into_iter().filter(|table| *table == case.instance) {
        findings.leak(Leak::new(
            What::Rule,
            format!("table {table}"),
            "no network of this daemon uses it",
        ));
    }
}

fn tables() -> io::Result<Vec<String>> {
    let mut tables = Vec::new();
    Socket::netfilter()?.dump(
        Message::new(GETTABLE, Flags::DUMP, &[0; GENERIC]),
        |_, body| {
            tables.extend(
                Attributes::new(body.get(GENERIC..).unwrap_or_default()).find_text(NFTA_TABLE_NAME),
            );
        },
    )?;
    Ok(tables)
}
