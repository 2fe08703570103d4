//! What the daemon's settings say of networks.

use super::NetworkError;
use super::create::{self, Choice};
use super::registry::Registry;
use crate::{AddressPool, ContainerRecord, Error, NetworkDriver, NetworkRecord};
use net::{Subnet, pool};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// What the daemon's settings say of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Where networks get their subnets of IPv4 from; empty: Docker's pools, and then others.
    pub pools: Vec<pool::Pool>,
    /// The network of containers that name none.
    pub bridge: DefaultBridge,
    /// Options of networks by their driver, where their makers say nothing.
    pub options: BTreeMap<String, BTreeMap<String, String>>,
    /// Name servers of containers that name none.
    pub dns: Vec<IpAddr>,
    /// Search domains of containers that name none.
    pub dns_search: Vec<String>,
    /// Resolver options of containers that give none.
    pub dns_options: Vec<String>,
    /// What `host-gateway` means; empty: the host's addresses on the default bridge.
    pub host_gateways: Vec<IpAddr>,
}

/// The network of containers that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultBridge {
    /// The host's address on it, with the length of its subnet's prefix; `None`: chosen once.
    pub address: Option<(Ipv4Addr, u8)>,
    /// The part of the subnet that addresses are given from.
    pub range: Option<Subnet>,
    /// Whether its containers have addresses of IPv6 too.
    pub ipv6: bool,
    /// Their subnet of IPv6; `None`: chosen once.
    pub subnet_v6: Option<Subnet>,
    /// Whether its containers reach each other.
    pub reachable: bool,
    /// Whether what its containers send outside comes from the host's address.
    pub masqueraded: bool,
    /// The host's address that ports are published at where nothing is said.
    pub binding: IpAddr,
    /// The largest packet, in bytes.
    pub mtu: u32,
}

impl Default for DefaultBridge {
    fn default() -> Self {
        Self {
            address: None,
            range: None,
            ipv6: false,
            subnet_v6: None,
            reachable: true,
            masqueraded: true,
            binding: Ipv4Addr::UNSPECIFIED.into(),
            mtu: 1500,
        }
    }
}

impl NetworkSettings {
    /// Where subnets of IPv4 come from.
    pub(super) fn pools(&self) -> Vec<pool::Pool> {
        match &self.pools[..] {
            [] => pool::defaults(),
            pools => pools.to_vec(),
        }
    }

    /// Adds what these settings say to a network's own options.
    pub(super) fn complete(&self, driver: NetworkDriver, own: &mut BTreeMap<String, String>) {
        for (name, value) in self.options.get(driver.name()).into_iter().flatten() {
            own.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// A container with the name servers that it has because it says nothing of its own.
    pub(crate) fn resolving<'a>(&self, record: &'a ContainerRecord) -> Cow<'a, ContainerRecord> {
        let mut record = Cow::Borrowed(record);
        if record.spec.dns.is_empty() && !self.dns.is_empty() {
            record.to_mut().spec.dns = self.dns.iter().map(IpAddr::to_string).collect();
        }
        if record.spec.dns_search.is_empty() && !self.dns_search.is_empty() {
            record.to_mut().spec.dns_search.clone_from(&self.dns_search);
        }
        if record.spec.dns_options.is_empty() && !self.dns_options.is_empty() {
            record
                .to_mut()
                .spec
                .dns_options
                .clone_from(&self.dns_options);
        }
        record
    }
}

impl DefaultBridge {
    /// The driver's options.
    fn options(&self, link: &str) -> BTreeMap<String, String> {
        let prefixed = |name: &str, value: String| (format!("com.docker.network.{name}"), value);
        BTreeMap::from([
            prefixed("bridge.default_bridge", true.to_string()),
            prefixed("bridge.enable_icc", self.reachable.to_string()),
            prefixed("bridge.enable_ip_masquerade", self.masqueraded.to_string()),
            prefixed("bridge.host_binding_ipv4", self.binding.to_string()),
            prefixed("bridge.name", link.to_owned()),
            prefixed("driver.mtu", self.mtu.to_string()),
        ])
    }

    /// The pool that the settings name.
    fn pool(&self) -> Option<AddressPool> {
        let (subnet, gateway) = match (self.address, self.range) {
            (Some((address, prefix)), _) => (
                Subnet::holding(address.into(), prefix)?,
                Some(address.into()),
            ),
            // Without an address the range is all there is.
            (None, Some(range)) => (range, range.nth(1)),
            (None, None) => return None,
        };
        let range = self.range.filter(|range| *range != subnet);
        Some(pool_of(subnet, range, gateway))
    }
}

fn pool_of(subnet: Subnet, range: Option<Subnet>, gateway: Option<IpAddr>) -> AddressPool {
    AddressPool {
        subnet,
        range,
        gateway,
        implied_gateway: false,
        auxiliary: BTreeMap::new(),
        chosen: false,
    }
}

impl Registry {
    /// The network of containers whose caller names none, as the settings have it; what they
    /// leave open is as it was `before`, or chosen.
    pub(super) fn default_bridge(
        &self,
        instance: &str,
        before: Option<&NetworkRecord>,
    ) -> Result<NetworkRecord, Error> {
        let settings = &self.settings.bridge;
        let link = create::default_link(instance);
        let old = |is_v6: bool| {
            let mut pools = before.into_iter().flat_map(|record| &record.pools);
            pools.find(|pool| pool.subnet.is_ipv6() == is_v6).cloned()
        };
        let failed = NetworkError::kernel("make", "bridge");
        let mut pools = vec![match settings.pool().or_else(|| old(false)) {
            Some(pool) => pool,
            None => {
                let used = self.used()?;
                let subnet = pool::free_subnet(&self.settings.pools(), &used).map_err(failed)?;
                pool_of(subnet, None, subnet.nth(1))
            }
        }];
        if settings.ipv6 {
            let given = settings
                .subnet_v6
                .map(|subnet| pool_of(subnet, None, subnet.nth(1)));
            pools.push(match given.or_else(|| old(true)) {
                Some(pool) => pool,
                None => create::chosen_pool(Choice::IPv6, &[])?,
            });
        }
        Ok(NetworkRecord {
            options: settings.options(&link),
            ipv6: settings.ipv6,
            pools,
            link,
            ..create::predefined("bridge", NetworkDriver::Bridge)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bridges_addresses_are_as_the_settings_say() {
        let subnet = |text: &str| text.parse::<Subnet>().unwrap();
        let of = |address: Option<&str>, range: Option<&str>| {
            let bridge = DefaultBridge {
                address: address.map(|text| {
                    let (address, prefix) = text.split_once('/').unwrap();
                    (address.parse().unwrap(), prefix.parse().unwrap())
                }),
                range: range.map(subnet),
                ..DefaultBridge::default()
            };
            let pool = bridge.pool()?;
            Some((pool.subnet, pool.range, pool.gateway.unwrap().to_string()))
        };
        assert_eq!(of(None, None), None);
        assert_eq!(
            of(Some("10.5.0.7/24"), None),
            Some((subnet("10.5.0.0/24"), None, "10.5.0.7".to_owned()))
        );
        assert_eq!(
            of(Some("10.5.0.1/24"), Some("10.5.0.128/25")),
            Some((
                subnet("10.5.0.0/24"),
                Some(subnet("10.5.0.128/25")),
                "10.5.0.1".to_owned()
            ))
        );
        assert_eq!(
            of(None, Some("10.5.0.0/25")),
            Some((subnet("10.5.0.0/25"), None, "10.5.0.1".to_owned()))
        );
    }
}
