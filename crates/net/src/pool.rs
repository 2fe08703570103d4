//! Addresses to give: free subnets of the pools, and free addresses of a subnet.

use crate::{Error, Subnet};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A range of addresses from which networks get their subnets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The whole range.
    pub base: Subnet,
    /// The prefix length of each subnet given from it.
    pub size: u8,
}

/// Docker's pools of IPv4, in its order: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16
/// in parts of 20 bits; and after them the upper half of 10.0.0.0/8 in parts of 24 bits, for who
/// has more networks than docker can.
pub fn defaults() -> Vec<Pool> {
    let wide = (17..=31)
        .map(|n| Subnet::holding([172, n, 0, 0].into(), 16).map(|base| Pool { base, size: 16 }));
    let small = Subnet::holding([192, 168, 0, 0].into(), 16).map(|base| Pool { base, size: 20 });
    let many = Subnet::holding([10, 128, 0, 0].into(), 9).map(|base| Pool { base, size: 24 });
    wide.chain([small, many]).flatten().collect()
}

/// The first subnet of `pools` that overlaps none of `used`: other networks' and the host's
/// own routes, a VPN's among them.
pub fn free_subnet(pools: &[Pool], used: &[Subnet]) -> Result<Subnet, Error> {
    let mut sorted: Vec<&Subnet> = used.iter().collect();
    sorted.sort_unstable_by_key(|taken| taken.first());
    let free = |pool: &Pool| free_part(pool, &sorted);
    let found = pools.iter().find_map(free);
    found.ok_or(Error::NoSubnet { used: used.len() })
}

/// The first part of a pool that overlaps none of `used`, which is sorted: both are walked once.
fn free_part(pool: &Pool, used: &[&Subnet]) -> Option<Subnet> {
    let mut used = used
        .iter()
        .filter(|taken| taken.overlaps(&pool.base))
        .peekable();
    let mut end: Option<IpAddr> = None;
    pool.base.split(pool.size).find(|part| {
        while let Some(taken) = used.next_if(|taken| taken.first() <= part.last()) {
            end = end.max(Some(taken.last()));
        }
        end.is_none_or(|end| end < part.first())
    })
}

/// The addresses of one subnet, and which of them are given.
#[derive(Clone, Debug)]
pub struct Addresses {
    subnet: Subnet,
    range: Subnet,
    taken: BTreeSet<u128>,
}

impl Addresses {
    /// Those of `subnet`; without an address asked for, they are given from `range`.
    pub fn new(subnet: Subnet, range: Option<Subnet>) -> Self {
        let range = range.unwrap_or(subnet);
        Self {
            subnet,
            range,
            taken: BTreeSet::new(),
        }
    }

    /// Takes `address`: a gateway, an auxiliary address, or one that a user chose.
    pub fn take(&mut self, address: IpAddr) -> Result<(), Error> {
        let refuse = |why| Error::Unavailable {
            address,
            subnet: self.subnet,
            why,
        };
        let offset = self
            .subnet
            .offset(address)
            .ok_or_else(|| refuse("it is outside"))?;
        if self.reserved(offset) {
            return Err(refuse("it names the network itself"));
        }
        if !self.taken.insert(offset) {
            return Err(refuse("it is in use"));
        }
        Ok(())
    }

    /// Gives the first free address. COMPAT: so a container that is started again, or made anew,
    /// mostly has the one that it had, as those who know it by that expect.
    pub fn give(&mut self) -> Result<IpAddr, Error> {
        let exhausted = Error::Exhausted { subnet: self.range };
        let (Some(first), Some(last)) = (
            self.subnet.offset(self.range.first()),
            self.subnet.offset(self.range.last()),
        ) else {
            return Err(exhausted);
        };
        let mut offset = first + u128::from(self.reserved(first));
        // A range can be the network's own first address alone.
        for taken in self.taken.range(offset.min(last)..=last) {
            if offset < *taken {
                break;
            }
            offset = taken.saturating_add(1).max(offset);
        }
        if offset > last || self.reserved(offset) {
            return Err(exhausted);
        }
        self.taken.insert(offset);
        self.subnet.nth(offset).ok_or(exhausted)
    }

    /// Takes an address back.
    pub fn release(&mut self, address: IpAddr) {
        if let Some(offset) = self.subnet.offset(address) {
            self.taken.remove(&offset);
        }
    }

    /// How many addresses of the subnet nobody can be given, the network's own among them.
    pub fn used(&self) -> u128 {
        self.taken.len() as u128 + u128::try_from(self.own().count()).unwrap_or_default()
    }

    /// How many of the range can still be given.
    pub fn available(&self) -> u128 {
        let (Some(first), Some(last)) = (
            self.subnet.offset(self.range.first()),
            self.subnet.offset(self.range.last()),
        ) else {
            return 0;
        };
        let within = |offset: &u128| (first..=last).contains(offset);
        let taken = self.taken.range(first..=last).count() + self.own().filter(within).count();
        (last - first)
            .saturating_add(1)
            .saturating_sub(taken as u128)
    }

    /// The addresses that name the network itself.
    fn own(&self) -> impl Iterator<Item = u128> {
        let last = self.subnet.offset(self.subnet.last());
        let ends = [Some(0), last].into_iter().flatten();
        ends.filter(|offset| self.reserved(*offset))
    }

    /// The network's own first address, and the broadcast address of IPv4.
    fn reserved(&self, offset: u128) -> bool {
        let width = if self.subnet.is_ipv6() { 128 } else { 32 };
        // A point-to-point link (RFC 3021, RFC 6164) and a single address reserve none.
        if width - self.subnet.prefix() <= 1 {
            return false;
        }
        offset == 0
            || (!self.subnet.is_ipv6() && self.subnet.offset(self.subnet.last()) == Some(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_and_what_is_left_is_counted() {
        let range = Some(subnet("10.0.0.128/25"));
        let mut addresses = Addresses::new(subnet("10.0.0.0/24"), range);
        assert_eq!((addresses.used(), addresses.available()), (2, 127));
        addresses.take([10, 0, 0, 1].into()).unwrap();
        addresses.give().unwrap();
        assert_eq!((addresses.used(), addresses.available()), (4, 126));
        let pair = Addresses::new(subnet("10.0.0.0/31"), None);
        assert_eq!((pair.used(), pair.available()), (0, 2));
        let wide = Addresses::new(subnet("fd00::/64"), None);
        assert_eq!((wide.used(), wide.available()), (1, (1 << 64) - 1));
    }

    fn subnet(text: &str) -> Subnet {
        text.parse().expect(text)
    }

    #[test]
    fn a_subnet_is_chosen_around_what_is_in_use() {
        let used = [
            subnet("172.17.0.0/16"),
            subnet("172.18.4.0/24"),
            subnet("10.0.0.0/8"),
        ];
        assert_eq!(
            free_subnet(&defaults(), &used).expect("many are free"),
            subnet("172.19.0.0/16")
        );
        let vpn = [subnet("172.16.0.0/12")];
        assert_eq!(
            free_subnet(&defaults(), &vpn).expect("the last pool"),
            subnet("192.168.0.0/20")
        );
        let docker = [vpn[0], subnet("192.168.0.0/16"), subnet("10.128.0.0/23")];
        assert_eq!(
            free_subnet(&defaults(), &docker).expect("one after docker's"),
            subnet("10.128.2.0/24")
        );
        assert!(free_subnet(&defaults(), &[subnet("0.0.0.0/0")]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_free_subnet_is_the_first_that_overlaps_nothing(
            taken in proptest::collection::vec((0_u32..1 << 16, 16_u8..30), 0..40),
        ) {
            let pool = Pool { base: subnet("10.7.0.0/16"), size: 22 };
            let used: Vec<Subnet> = taken
                .into_iter()
                .map(|(low, prefix)| {
                    let address = std::net::Ipv4Addr::from_bits(0x0a07_0000 | low);
                    Subnet::holding(address.into(), prefix).expect("a prefix of IPv4")
                })
                .collect();
            let first = pool
                .base
                .split(pool.size)
                .find(|part| !used.iter().any(|taken| taken.overlaps(part)));
            proptest::prop_assert_eq!(free_subnet(&[pool], &used).ok(), first);
        }
    }

    #[test]
    fn the_first_free_address_is_given_once() {
        let mut addresses = Addresses::new(subnet("10.0.0.0/29"), None);
        addresses
            .take("10.0.0.1".parse().expect("an address"))
            .expect("the gateway");
        let given: Vec<_> = (0..5)
            .map(|_| addresses.give().expect("five are left").to_string())
            .collect();
        assert_eq!(
            given,
            ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
        );
        assert!(addresses.give().is_err());
        addresses.release("10.0.0.3".parse().expect("an address"));
        assert_eq!(
            addresses.give().expect("the freed one").to_string(),
            "10.0.0.3"
        );
        for freed in ["10.0.0.5", "10.0.0.2"] {
            addresses.release(freed.parse().expect("an address"));
        }
        let given = [(), ()].map(|()| addresses.give().expect("two are free").to_string());
        assert_eq!(given, ["10.0.0.2", "10.0.0.5"]);
        for (alone, range) in [
            ("10.0.0.0/24", "10.0.0.0/32"),
            ("10.0.0.0/24", "10.0.0.255/32"),
        ] {
            let mut addresses = Addresses::new(subnet(alone), Some(subnet(range)));
            assert!(
                addresses.give().is_err(),
                "{range} names the network itself"
            );
        }
        let mut pair = Addresses::new(subnet("10.0.0.0/31"), None);
        let given = [(), ()].map(|()| pair.give().expect("two are free").to_string());
        assert_eq!(given, ["10.0.0.0", "10.0.0.1"]);
        assert!(pair.give().is_err());
    }

    #[test]
    fn an_address_that_cannot_be_given_says_why() {
        let mut addresses = Addresses::new(subnet("10.0.0.0/24"), Some(subnet("10.0.0.128/25")));
        for (address, why) in [
            ("10.0.1.1", "outside"),
            ("10.0.0.0", "network itself"),
            ("10.0.0.255", "network itself"),
        ] {
            let error = addresses
                .take(address.parse().expect("an address"))
                .expect_err(address);
            assert!(error.to_string().contains(why), "{error}");
        }
        addresses
            .take("10.0.0.5".parse().expect("an address"))
            .expect("outside the range, inside the subnet");
        assert_eq!(
            addresses.give().expect("from the range").to_string(),
            "10.0.0.128"
        );
    }
}
