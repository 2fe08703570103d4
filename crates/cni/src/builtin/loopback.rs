//! loopback: the pod's own loopback link, up.

use super::links::{Netns, enter, namespace};
use super::{Failure, Subject};
use crate::{Address, Interface, Success};
use net::{address, link};
use std::net::IpAddr;

pub(crate) fn add(subject: &Subject<'_>) -> Result<Success, Failure> {
    let netns = Netns::open(subject)?;
    let mut addresses = enter(&netns, |socket| {
        let lo = link::find(socket, "lo")?;
        link::set_up(socket, lo)?;
        Ok(address::all(socket, lo)?)
    })?;
    if let Some(previous) = subject.previous {
        return Ok(previous.clone());
    }
    addresses.sort_by_key(|(address, _)| address.is_ipv6());
    addresses.dedup_by_key(|(address, _)| address.is_ipv6());
    if let Some((strange, _)) = addresses.iter().find(|(a, _)| !IpAddr::is_loopback(a)) {
        let reason = format!("loopback interface found with non-loopback address \"{strange}\"");
        return Err(Failure::new(reason));
    }
    let given = |(address, prefix)| Address {
        interface: Some(0),
        address: format!("{address}/{prefix}"),
        gateway: None,
    };
    Ok(Success {
        interfaces: vec![Interface {
            name: "lo".into(),
            mac: "00:00:00:00:00:00".into(),
            sandbox: subject.attachment.netns.clone(),
            ..Interface::default()
        }],
        ips: addresses.into_iter().map(given).collect(),
        ..Success::default()
    })
}

pub(crate) fn delete(subject: &Subject<'_>) -> Result<(), Failure> {
    let Some(netns) = namespace(subject)? else {
        return Ok(());
    };
    enter(&netns, |socket| {
        let lo = link::find(socket, "lo")?;
        Ok(link::set_down(socket, lo)?)
    })
}

pub(crate) fn check(subject: &Subject<'_>) -> Result<(), Failure> {
    let netns = Netns::open(subject)?;
    let lo = enter(&netns, |socket| Ok(link::details(socket, "lo")?))?;
    match lo.up {
        true => Ok(()),
        false => Err(Failure::new("loopback interface is down")),
    }
}
