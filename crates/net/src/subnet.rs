//! Subnets in CIDR notation.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address range of either family: its first address and prefix length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetError(String);

impl fmt::Display for SubnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid CIDR address: {}", self.0)
    }
}

impl std::error::Error for SubnetError {}

/// An address as a number, left-aligned in 128 bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of `family` that is this number, left-aligned.
fn of_bits(bits: u128, family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(
            u32::try_from(bits >> 96).unwrap_or(u32::MAX),
        )),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

const fn width(family: IpAddr) -> u8 {
    match family {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The bits of a prefix, set.
fn mask(prefix: u8) -> u128 {
    if prefix == 0 {
        0
    } else {
        u128::MAX << (128 - u32::from(prefix))
    }
}

impl Subnet {
    /// The subnet of `prefix` bits that holds `address`; `None` if the family has fewer bits.
    pub fn holding(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(address)).then(|| Self {
            first: of_bits(bits(address) & mask(prefix), address),
            prefix,
        })
    }

    /// Its first address: the network's own.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Its last address: the broadcast address in IPv4.
    pub fn last(&self) -> IpAddr {
        let family_mask = if width(self.first) == 32 {
            mask(32)
        } else {
            u128::MAX
        };
        of_bits(
            (bits(self.first) | !mask(self.prefix)) & family_mask,
            self.first,
        )
    }

    /// The number of bits that all its addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is of IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.first.is_ipv6()
    }

    /// Whether `address` is one of its own.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_ipv6() && bits(address) & mask(self.prefix) == bits(self.first)
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// The address at `offset` from the first; `None` beyond the last.
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        let shift = 128 - u32::from(width(self.first));
        let hosts = u32::from(width(self.first) - self.prefix);
        let fits = hosts >= 128 || offset < 1_u128 << hosts;
        fits.then(|| of_bits(bits(self.first) | (offset << shift), self.first))
    }

    /// How far `address` is from the first; `None` outside.
    pub fn offset(&self, address: IpAddr) -> Option<u128> {
        let shift = 128 - u32::from(width(self.first));
        self.contains(address)
            .then(|| (bits(address) & !mask(self.prefix)) >> shift)
    }

    /// Its parts of `prefix` bits, in order.
    pub fn split(&self, prefix: u8) -> impl Iterator<Item = Self> + use<> {
        let own = *self;
        let usable = prefix >= own.prefix && prefix <= width(own.first);
        let bits_between = u32::from(prefix.saturating_sub(own.prefix)).min(127);
        let count = if usable { 1_u128 << bits_between } else { 0 };
        let step = u32::from(width(own.first).saturating_sub(prefix));
        (0..count).filter_map(move |n| Self::holding(own.nth(n.checked_shl(step)?)?, prefix))
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let plain = prefix.bytes().all(|b| b.is_ascii_digit());
            Self::holding(address.parse().ok()?, plain.then(|| prefix.parse().ok())??)
        });
        parsed.ok_or_else(|| SubnetError(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for Subnet {
    type Error = SubnetError;

    fn try_from(text: String) -> Result<Self, SubnetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect(text)
    }

    #[test]
    fn a_subnet_knows_its_addresses() {
        let net = subnet("172.17.5.9/16");
        assert_eq!(net.to_string(), "172.17.0.0/16");
        assert_eq!(net.last().to_string(), "172.17.255.255");
        assert_eq!(
            net.nth(1).map(|a| a.to_string()).as_deref(),
            Some("172.17.0.1")
        );
        assert_eq!(net.nth(65_536), None);
        assert_eq!(
            net.offset("172.17.1.0".parse().expect("an address")),
            Some(256)
        );
        let six = subnet("fd00:1::/64");
        assert_eq!(
            six.nth(0xffff_ffff).map(|a| a.to_string()).as_deref(),
            Some("fd00:1::ffff:ffff")
        );
        assert_eq!(subnet("0.0.0.0/0").last().to_string(), "255.255.255.255");
    }

    #[test]
    fn overlap_is_seen_in_both_directions_and_within_a_family_only() {
        assert!(subnet("10.0.0.0/8").overlaps(&subnet("10.1.2.0/24")));
        assert!(subnet("10.1.2.0/24").overlaps(&subnet("10.0.0.0/8")));
        assert!(!subnet("10.0.0.0/24").overlaps(&subnet("10.0.1.0/24")));
        assert!(!subnet("0.0.0.0/0").overlaps(&subnet("::/0")));
    }

    #[test]
    fn a_subnet_splits_into_its_parts() {
        let parts: Vec<_> = subnet("192.168.0.0/16")
            .split(20)
            .map(|s| s.to_string())
            .collect();
        assert_eq!((parts.len(), parts[1].as_str()), (16, "192.168.16.0/20"));
        assert_eq!(subnet("10.0.0.0/24").split(16).count(), 0);
        assert_eq!(
            subnet("fd00::/8")
                .split(64)
                .nth(1)
                .map(|s| s.to_string())
                .as_deref(),
            Some("fd00:0:0:1::/64")
        );
    }

    #[test]
    fn what_is_no_subnet_is_refused() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "x/8",
            "10.0.0/8",
        ] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }
}
