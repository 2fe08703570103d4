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
/// in parts of 20 bits.
pub fn defaults() -> Vec<Pool> {
    let wide = (17..=31)
        .map(|n| Subnet::holding([172, n, 0, 0].into(), 16).map(|base| Pool { base, size: 16 }));
    let small = Subnet::holding([192, 168, 0, 0].into(), 16).map(|base| Pool { base, size: 20 });
    wide.chain([small]).flatten().collect()
}

/// The first subnet of `pools` that overlaps none of `used`: other networks' and the host's
/// own routes, a VPN's among them.
pub fn free_subnet(pools: &[Pool], used: &[Subnet]) -> Result<Subnet, Error> {
    let mut parts = pools.iter().flat_map(|pool| pool.base.split(pool.size));
    parts
        .find(|part| !used.iter().any(|taken| taken.overlaps(part)))
        .ok_or(Error::NoSubnet { used: used.len() })
}

/// The addresses of one subnet, and which of them are given.
#[derive(Clone, Debug)]
pub struct Addresses {
    subnet: Subnet,
    range: Subnet,
    taken: BTreeSet<u128>,
    next: u128,
}

impl Addresses {
    /// Those of `subnet`; without an address asked for, they are given from `range`.
    pub fn new(subnet: Subnet, range: Option<Subnet>) -> Self {
        let range = range.unwrap_or(subnet);
        let next = subnet.offset(range.first()).unwrap_or_default();
        Self {
            subnet,
            range,
            taken: BTreeSet::new(),
            next,
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

    /// Gives the next free address, so that one freed a moment ago is not given at once.
    pub fn give(&mut self) -> Result<IpAddr, Error> {
        let exhausted = Error::Exhausted { subnet: self.range };
        let (Some(first), Some(last)) = (
            self.subnet.offset(self.range.first()),
            self.subnet.offset(self.range.last()),
        ) else {
            return Err(exhausted);
        };
        let start = self.next.clamp(first, last);
        let free = |offset: &u128| !self.taken.contains(offset) && !self.reserved(*offset);
        let found = (start..=last)
            .find(free)
            .or_else(|| (first..start).find(free));
        let Some(offset) = found else {
            return Err(exhausted);
        };
        self.taken.insert(offset);
        self.next = offset.saturating_add(1);
        self.subnet.nth(offset).ok_or(exhausted)
    }

    /// Takes an address back.
    pub fn release(&mut self, address: IpAddr) {
        if let Some(offset) = self.subnet.offset(address) {
            self.taken.remove(&offset);
        }
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
        assert!(free_subnet(&defaults(), &[subnet("0.0.0.0/0")]).is_err());
    }

    #[test]
    fn addresses_are_given_once_and_wrap_around() {
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
