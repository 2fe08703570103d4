//! What is said of networks: flags and file together.

use crate::file::File;
use crate::flags::Flags;
use crate::settings::{non_empty, pair};
use anyhow::{Context, bail};
use engine::{DefaultBridge, NetworkSettings};
use net::Subnet;
use net::pool::Pool;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One of `default-address-pools`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePool {
    pub(crate) base: String,
    pub(crate) size: u8,
}

/// What holds.
pub(crate) fn settings(flags: &Flags, file: &File) -> anyhow::Result<NetworkSettings> {
    let of_flags = flags.default_address_pools.iter().map(|text| pool_of(text));
    let of_flags: Vec<FilePool> = of_flags.collect::<anyhow::Result<_>>()?;
    let pools = match &of_flags[..] {
        [] => &file.default_address_pools,
        _ => &of_flags,
    };
    let gateways = match &flags.host_gateway_ips[..] {
        [] => file
            .host_gateway_ip
            .iter()
            .chain(&file.host_gateway_ips)
            .cloned()
            .collect(),
        flags => flags.to_vec(),
    };
    let mut options: BTreeMap<_, BTreeMap<_, _>> = file.default_network_opts.clone();
    for option in &flags.default_network_opts {
        let (driver, option) = pair("default-network-opt", option)?;
        let (name, value) = pair("default-network-opt", &option)?;
        options.entry(driver).or_default().insert(name, value);
    }
    Ok(NetworkSettings {
        pools: pools.iter().map(pool).collect::<anyhow::Result<_>>()?,
        bridge: bridge(flags, file)?,
        options,
        dns: addresses("dns", non_empty(&flags.dns, file.dns.clone()))?,
        dns_search: non_empty(&flags.dns_search, file.dns_search.clone()),
        dns_options: non_empty(&flags.dns_options, file.dns_opts.clone()),
        host_gateways: addresses("host-gateway-ip", gateways)?,
    })
}

fn bridge(flags: &Flags, file: &File) -> anyhow::Result<DefaultBridge> {
    let default = DefaultBridge::default();
    let address = flags.bip.as_ref().or(file.bip.as_ref());
    let range = flags.fixed_cidr.as_ref().or(file.fixed_cidr.as_ref());
    let range_v6 = flags.fixed_cidr_v6.as_ref().or(file.fixed_cidr_v6.as_ref());
    let binding = flags.ip.as_ref().or(file.ip.as_ref());
    let bridge = DefaultBridge {
        address: address.map(|text| own(text)).transpose()?,
        range: range
            .map(|text| subnet("fixed-cidr", text, false))
            .transpose()?,
        ipv6: flags.ipv6 || file.ipv6.unwrap_or_default(),
        subnet_v6: range_v6
            .map(|text| subnet("fixed-cidr-v6", text, true))
            .transpose()?,
        reachable: flags.icc.or(file.icc).unwrap_or(default.reachable),
        masqueraded: flags
            .ip_masq
            .or(file.ip_masq)
            .unwrap_or(default.masqueraded),
        binding: match binding {
            Some(text) => text
                .parse()
                .with_context(|| format!("ip {text:?} is no address"))?,
            None => default.binding,
        },
        mtu: flags
            .mtu
            .or(file.mtu)
            .filter(|mtu| *mtu > 0)
            .unwrap_or(default.mtu),
    };
    if let (Some((address, prefix)), Some(range)) = (bridge.address, bridge.range)
        && !Subnet::holding(address.into(), prefix).is_some_and(|own| own.contains(range.first()))
    {
        bail!("fixed-cidr {range} is not in the subnet of bip {address}/{prefix}");
    }
    Ok(bridge)
}

/// The host's address on the default bridge.
fn own(text: &str) -> anyhow::Result<(std::net::Ipv4Addr, u8)> {
    let split = text.split_once('/');
    let parsed =
        split.and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
    let (address, prefix) = parsed.with_context(|| format!("bip: invalid CIDR address: {text}"))?;
    let subnet = Subnet::holding(IpAddr::V4(address), prefix).filter(|_| prefix < 31);
    let subnet = subnet.with_context(|| format!("bip: invalid CIDR address: {text}"))?;
    if [subnet.first(), subnet.last()].contains(&address.into()) {
        bail!("bip {text}: the address is the network's own");
    }
    Ok((address, prefix))
}

fn subnet(key: &str, text: &str, ipv6: bool) -> anyhow::Result<Subnet> {
    let subnet: Subnet = text.parse().with_context(|| key.to_owned())?;
    if subnet.is_ipv6() != ipv6 {
        bail!("{key}: {text} is of the other family");
    }
    Ok(subnet)
}

fn addresses(key: &str, texts: Vec<String>) -> anyhow::Result<Vec<IpAddr>> {
    let address = |text: &String| {
        text.parse()
            .with_context(|| format!("{key}: IP address is not correctly formatted: {text}"))
    };
    texts.iter().map(address).collect()
}

/// `base=10.0.0.0/8,size=24`.
fn pool_of(text: &str) -> anyhow::Result<FilePool> {
    let (mut base, mut size) = (None, None);
    for part in text.split(',') {
        match pair("default-address-pool", part)? {
            (key, value) if key == "base" => base = Some(value),
            (key, value) if key == "size" => size = value.parse().ok(),
            (key, _) => bail!("unexpected key '{key}' in '{text}'"),
        }
    }
    base.zip(size)
        .map(|(base, size)| FilePool { base, size })
        .with_context(|| format!("default-address-pool {text:?}: base and size are needed"))
}

fn pool(said: &FilePool) -> anyhow::Result<Pool> {
    let base = subnet("default-address-pools", &said.base, false)?;
    if said.size < base.prefix() || said.size > 30 {
        bail!(
            "invalid default address pool: {base} has no subnets of {} bits",
            said.size
        );
    }
    let size = said.size;
    Ok(Pool { base, size })
}

/// What is said on both sides.
pub(crate) fn conflicts(
    flags: &Flags,
    file: &File,
) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let list = |list: &[String]| (!list.is_empty()).then(|| format!("[{}]", list.join(" ")));
    let shown = |value: Option<bool>| value.map(|value| value.to_string());
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let pools = |pools: &[FilePool]| (!pools.is_empty()).then(|| format!("{pools:?}"));
    vec![
        ("bip", flags.bip.clone(), file.bip.clone()),
        (
            "fixed-cidr",
            flags.fixed_cidr.clone(),
            file.fixed_cidr.clone(),
        ),
        (
            "fixed-cidr-v6",
            flags.fixed_cidr_v6.clone(),
            file.fixed_cidr_v6.clone(),
        ),
        (
            "ipv6",
            flags.ipv6.then(|| "true".to_owned()),
            shown(file.ipv6),
        ),
        ("icc", shown(flags.icc), shown(file.icc)),
        ("ip-masq", shown(flags.ip_masq), shown(file.ip_masq)),
        ("ip", flags.ip.clone(), file.ip.clone()),
        ("mtu", number(flags.mtu), number(file.mtu)),
        ("dns", list(&flags.dns), list(&file.dns)),
        (
            "dns-search",
            list(&flags.dns_search),
            list(&file.dns_search),
        ),
        ("dns-opts", list(&flags.dns_options), list(&file.dns_opts)),
        (
            "default-address-pools",
            list(&flags.default_address_pools),
            pools(&file.default_address_pools),
        ),
        (
            "host-gateway-ip",
            list(&flags.host_gateway_ips),
            file.host_gateway_ip.clone(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(json: &str) -> anyhow::Result<NetworkSettings> {
        settings(&Flags::default(), &serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_the_file_says_holds() {
        let said = of_file(
            r#"{"bip":"10.9.0.1/24","fixed-cidr":"10.9.0.128/25","mtu":1400,"icc":false,
                "dns":["1.1.1.1"],"host-gateway-ip":"10.9.0.9","ip":"127.0.0.1",
                "default-address-pools":[{"base":"10.20.0.0/16","size":24}],
                "default-network-opts":{"bridge":{"com.docker.network.driver.mtu":"1300"}}}"#,
        )
        .unwrap();
        assert_eq!(said.bridge.address, Some(([10, 9, 0, 1].into(), 24)));
        assert_eq!((said.bridge.mtu, said.bridge.reachable), (1400, false));
        assert_eq!(said.pools[0].size, 24);
        assert_eq!(said.dns, [IpAddr::from([1, 1, 1, 1])]);
        assert_eq!(
            said.options["bridge"]["com.docker.network.driver.mtu"],
            "1300"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, words) in [
            (
                r#"{"bip":"10.9.0.1"}"#,
                "bip: invalid CIDR address: 10.9.0.1",
            ),
            (r#"{"bip":"10.9.0.0/24"}"#, "the network's own"),
            (
                r#"{"bip":"10.9.0.1/24","fixed-cidr":"10.8.0.0/25"}"#,
                "is not in the subnet",
            ),
            (r#"{"fixed-cidr":"fd00::/64"}"#, "of the other family"),
            (
                r#"{"dns":["x"]}"#,
                "dns: IP address is not correctly formatted: x",
            ),
            (
                r#"{"default-address-pools":[{"base":"10.0.0.0/16","size":8}]}"#,
                "no subnets of 8 bits",
            ),
        ] {
            let error = format!("{:#}", of_file(json).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_pool_is_read_from_a_flag() {
        let pool = pool_of("base=10.0.0.0/8,size=24").unwrap();
        assert_eq!((pool.base.as_str(), pool.size), ("10.0.0.0/8", 24));
        for text in ["base=10.0.0.0/8", "size=8", "base=x,size=y", "foo=1", "x"] {
            assert!(pool_of(text).is_err(), "{text}");
        }
    }
}
