//! host-local: the ranges that addresses are given from, in turn.

use super::Failure;
use super::store::Store;
use crate::{Address, Attachment, Dns, IpRange, Route};
use net::Subnet;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

const DIRECTORY: &str = "/var/lib/cni/networks";

/// `ipam` of the type host-local.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ipam {
    #[serde(rename = "type")]
    kind: String,
    subnet: Option<String>,
    range_start: Option<String>,
    range_end: Option<String>,
    gateway: Option<String>,
    #[serde(default)]
    ranges: Vec<Vec<IpRange>>,
    #[serde(default)]
    routes: Vec<PlainRoute>,
    data_dir: Option<PathBuf>,
    resolv_conf: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainRoute {
    dst: String,
    gw: Option<IpAddr>,
}

/// Sets of ranges: one address of each is given to an attachment.
#[derive(Debug)]
pub(crate) struct Ranges {
    sets: Vec<Vec<IpRange>>,
    /// Addresses that are asked for, besides those that the runtime has a capability for.
    wanted: Vec<String>,
    routes: Vec<Route>,
    directory: PathBuf,
    /// A file of the host that says where pods' questions go.
    resolv_conf: Option<PathBuf>,
}

/// A range: both ends are given too.
#[derive(Debug, Clone, Copy)]
struct Range {
    subnet: Subnet,
    first: IpAddr,
    last: IpAddr,
    gateway: IpAddr,
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => four.to_bits().into(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// The address after this one, of the same family.
fn next(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(four) => Ipv4Addr::from_bits(four.to_bits().wrapping_add(1)).into(),
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits().wrapping_add(1)).into(),
    }
}

impl Range {
    fn of(range: &IpRange) -> Result<Self, Failure> {
        let parse = |text: &str| {
            let address: Result<IpAddr, _> = text.parse();
            address.map_err(|_| Failure::config(format!("{text:?} is no IP address")))
        };
        let subnet: Result<Subnet, _> = range.subnet.parse();
        let subnet = subnet.map_err(|error| Failure::config(error.to_string()))?;
        let address = range.subnet.split('/').next().unwrap_or_default();
        if parse(address)? != subnet.first() {
            let first = subnet.first();
            let reason = format!("Network has host bits set; its address is {first}");
            return Err(Failure::config(reason));
        }
        let width = if subnet.is_ipv6() { 128 } else { 32 };
        if subnet.prefix() > width - 2 {
            let reason = format!("Network {subnet} too small to allocate from");
            return Err(Failure::config(reason));
        }
        let lowest = next(subnet.first());
        let last = match subnet.last() {
            IpAddr::V4(four) => Ipv4Addr::from_bits(four.to_bits() - 1).into(),
            six @ IpAddr::V6(_) => six,
        };
        let given = |text: &Option<String>, default| match text {
            Some(text) => parse(text),
            None => Ok(default),
        };
        let own = Self {
            subnet,
            first: given(&range.range_start, lowest)?,
            last: given(&range.range_end, last)?,
            gateway: given(&range.gateway, lowest)?,
        };
        for (name, end) in [("RangeStart", own.first), ("RangeEnd", own.last)] {
            if !subnet.contains(end) {
                let reason = format!("{name} {end} not in network {subnet}");
                return Err(Failure::config(reason));
            }
        }
        if number(own.first) > number(own.last) {
            let reason = format!("RangeStart {} is after RangeEnd {}", own.first, own.last);
            return Err(Failure::config(reason));
        }
        Ok(own)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.subnet.is_ipv6() == other.subnet.is_ipv6()
            && number(self.first) <= number(other.last)
            && number(other.first) <= number(self.last)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.subnet.contains(address)
            && (number(self.first)..=number(self.last)).contains(&number(address))
    }
}

/// What a resolv.conf(5) says; the last domain counts, of other words all do.
fn name_servers(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("nameserver") => dns.nameservers.extend(words.next()),
            Some("domain") => dns.domain = words.next().unwrap_or_default(),
            Some("search") => dns.search.extend(words),
            Some("options") => dns.options.extend(words),
            _ => {}
        }
    }
    dns
}

impl Ranges {
    /// The ranges of a plugin's `ipam`; those asked for by the runtime come first.
    pub(crate) fn of(
        ipam: &Value,
        told: &Map<String, Value>,
        wanted: Vec<String>,
    ) -> Result<Self, String> {
        let ipam = Ipam::deserialize(ipam).map_err(|error| format!("ipam: {error}"))?;
        if ipam.kind != "host-local" {
            return Err(format!("ipam type {}", ipam.kind));
        }
        let asked = told
            .get("runtimeConfig")
            .and_then(|all| all.get("ipRanges"));
        let asked = asked.map(Vec::<Vec<IpRange>>::deserialize).transpose();
        let mut sets = asked
            .map_err(|error| error.to_string())?
            .unwrap_or_default();
        sets.extend(ipam.subnet.map(|subnet| {
            vec![IpRange {
                subnet,
                range_start: ipam.range_start,
                range_end: ipam.range_end,
                gateway: ipam.gateway,
            }]
        }));
        sets.extend(ipam.ranges);
        let plain = |route: PlainRoute| Route {
            dst: route.dst,
            gw: route.gw,
            ..Route::default()
        };
        Ok(Self {
            sets,
            wanted,
            routes: ipam.routes.into_iter().map(plain).collect(),
            directory: ipam.data_dir.unwrap_or_else(|| DIRECTORY.into()),
            resolv_conf: ipam.resolv_conf.filter(|path| !path.as_os_str().is_empty()),
        })
    }

    pub(crate) fn store(&self, network: &str) -> Result<Store, Failure> {
        Store::open(&self.directory.join(network))
    }

    /// Where pods' questions go, as its file of resolv.conf(5) says; `own` says it first.
    pub(crate) fn dns(&self, own: &Dns) -> Result<Dns, Failure> {
        match &self.resolv_conf {
            Some(path) if own.is_empty() => {
                let what = format!("cannot read {}", path.display());
                std::fs::read_to_string(path)
                    .map(|text| name_servers(&text))
                    .map_err(Failure::io(what))
            }
            _ => Ok(own.clone()),
        }
    }

    /// The container's routes.
    pub(crate) fn routes(&self) -> Vec<Route> {
        self.routes.clone()
    }

    fn parsed(&self) -> Result<Vec<Vec<Range>>, Failure> {
        let mut sets: Vec<Vec<Range>> = Vec::new();
        for (place, set) in self.sets.iter().enumerate() {
            let wrong = |failure: Failure| {
                Failure::config(format!("invalid range set {place}: {}", failure.message))
            };
            let ranges: Result<Vec<_>, _> = set.iter().map(Range::of).collect();
            let ranges = ranges.map_err(wrong)?;
            if ranges.is_empty() {
                return Err(wrong(Failure::config("empty range set")));
            }
            let clash = |(at, range): (usize, &Range)| {
                let mut others = sets.iter().flatten().chain(&ranges[..at]);
                others.any(|other| range.overlaps(other))
            };
            if ranges.iter().enumerate().any(clash) {
                let reason = format!("range set {place} overlaps with another or itself");
                return Err(Failure::config(reason));
            }
            let six = ranges[0].subnet.is_ipv6();
            if ranges.iter().any(|range| range.subnet.is_ipv6() != six) {
                return Err(wrong(Failure::config("mixed address families")));
            }
            sets.push(ranges);
        }
        match sets.is_empty() {
            true => Err(Failure::config("no IP ranges specified")),
            false => Ok(sets),
        }
    }

    /// Gives an attachment one address of each set, or none at all.
    pub(crate) fn give(
        &self,
        network: &str,
        attachment: &Attachment,
        asked: &[String],
    ) -> Result<Vec<Address>, Failure> {
        let sets = self.parsed()?;
        let mut asked = self
            .wanted
            .iter()
            .chain(asked)
            .map(|text| {
                let address = text.split('/').next().unwrap_or_default().parse();
                address.map_err(|_| Failure::config(format!("cannot understand ip: {text:?}")))
            })
            .collect::<Result<Vec<IpAddr>, _>>()?;
        let store = self.store(network)?;
        let mut given = Vec::new();
        let all = sets.iter().enumerate().try_for_each(|(place, set)| {
            let inside = |address: &IpAddr| set.iter().any(|range| range.contains(*address));
            let wanted = asked.iter().position(inside).map(|at| asked.remove(at));
            let (address, range) =
                one(&store, set, (place, wanted), attachment).map_err(|f| Failure {
                    message: format!("failed to allocate for range {place}: {}", f.message),
                    ..f
                })?;
            given.push(Address {
                interface: None,
                address: format!("{address}/{}", range.subnet.prefix()),
                gateway: Some(range.gateway),
            });
            Ok(())
        });
        let all = all.and_then(|()| match &asked[..] {
            [] => Ok(()),
            rest => Err(Failure::new(format!(
                "failed to allocate all requested IPs: {rest:?}"
            ))),
        });
        match all {
            Ok(()) => Ok(given),
            Err(failure) => {
                for address in &given {
                    store.release(address.ip())?;
                }
                Err(failure)
            }
        }
    }
}

/// Reserves one address of a set: the one wanted, or the next free one after the last given.
fn one<'a>(
    store: &Store,
    set: &'a [Range],
    (place, wanted): (usize, Option<IpAddr>),
    attachment: &Attachment,
) -> Result<(IpAddr, &'a Range), Failure> {
    let holding = |address| set.iter().position(|range| range.contains(address));
    if let Some((address, at)) = wanted.and_then(|address| Some((address, holding(address)?))) {
        if address == set[at].gateway {
            return Err(Failure::new(format!(
                "requested ip {address} is subnet's gateway"
            )));
        }
        return match store.reserve(attachment, address, place)? {
            true => Ok((address, &set[at])),
            false => Err(Failure::new(format!(
                "requested IP address {address} is not available in range set {}",
                shown(set)
            ))),
        };
    }
    let held = store.held_by(attachment)?;
    if let Some(address) = held.into_iter().find(|address| holding(*address).is_some()) {
        return Err(Failure::new(format!(
            "{address} has been allocated to {}, duplicate allocation is not allowed",
            attachment.container
        )));
    }
    let last = store
        .last(place)
        .and_then(|address| Some((holding(address)?, address)));
    let (mut at, mut address) = match last {
        Some((at, address)) => after(set, at, address),
        None => (0, set[0].first),
    };
    let start = address;
    loop {
        if address != set[at].gateway && store.reserve(attachment, address, place)? {
            return Ok((address, &set[at]));
        }
        (at, address) = after(set, at, address);
        if address == start {
            let set = shown(set);
            return Err(Failure::new(format!(
                "no IP addresses available in range set: {set}"
            )));
        }
    }
}

/// The next address: of the same range, or the first of the next, round and round.
fn after(set: &[Range], at: usize, address: IpAddr) -> (usize, IpAddr) {
    if address != set[at].last {
        return (at, next(address));
    }
    let at = (at + 1) % set.len();
    (at, set[at].first)
}

fn shown(set: &[Range]) -> String {
    let ranges = set
        .iter()
        .map(|range| format!("{}-{}", range.first, range.last));
    ranges.collect::<Vec<_>>().join(",")
}
