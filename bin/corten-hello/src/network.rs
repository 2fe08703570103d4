//! Interfaces and addresses.

use crate::{Report, read};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Each interface with its addresses.
pub(crate) fn report(report: &mut Report) {
    let interfaces = interfaces();
    let four = ipv4();
    let mut lines: Vec<String> = interfaces
        .iter()
        .map(|name| {
            let mut addresses = ipv6(name);
            if name == "lo" {
                let loopback = four.iter().filter(|address| address.is_loopback());
                addresses.extend(loopback.map(ToString::to_string));
            }
            format!("{name} {}", addresses.join(" "))
                .trim_end()
                .to_owned()
        })
        .collect();
    let others: Vec<_> = four
        .iter()
        .filter(|address| !address.is_loopback())
        .collect();
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(ToString::to_string).collect();
        lines.push(format!("IPv4 {}", others.join(" ")));
    }
    report.lines("network", &lines);
}

/// `/proc/net/dev` names every interface of our namespace, whatever `/sys` shows.
fn interfaces() -> Vec<String> {
    let text = read("/proc/self/net/dev");
    let names = text.lines().filter_map(|line| line.split_once(':'));
    let names: Vec<_> = names.map(|(name, _)| name.trim().to_owned()).collect();
    match (names.is_empty(), fs::read_dir("/sys/class/net")) {
        (true, Ok(entries)) => entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
        _ => names,
    }
}

/// Local addresses: the `/32 host LOCAL` leaves of the routing trie.
fn ipv4() -> Vec<Ipv4Addr> {
    let text = read("/proc/self/net/fib_trie");
    let mut found = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn ipv6(interface: &str) -> Vec<String> {
    let text = read("/proc/self/net/if_inet6");
    let addresses = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (digits, name) = (fields.next()?, fields.last()?);
        let bits = u128::from_str_radix(digits, 16).ok()?;
        (name == interface).then(|| Ipv6Addr::from_bits(bits).to_string())
    });
    addresses.collect()
}
