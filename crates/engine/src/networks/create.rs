//! Making a network: what is asked for, checked and completed.

use super::registry::{Held, Registry, no_network};
use super::shape::GatewayMode;
use super::{NetworkError, parent};
use crate::network_record::truth;
use crate::{AddressPool, Error, NetworkDriver, NetworkRecord};
use net::{Subnet, pool};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use types::Timestamp;

/// A network as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Its driver; empty: bridge.
    pub driver: String,
    /// Whether endpoints have addresses of IPv4; `None`: they do.
    pub ipv4: Option<bool>,
    /// Whether endpoints have addresses of IPv6; `None`: they do not.
    pub ipv6: Option<bool>,
    /// Nothing beyond it is reached.
    pub internal: bool,
    /// Information only.
    pub attachable: bool,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options of the address management.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Its addresses; a family without a pool gets one.
    pub pools: Vec<PoolSpec>,
    /// It is what other networks are made from, and cannot be joined.
    pub config_only: bool,
    /// The network whose configuration it takes.
    pub config_from: Option<String>,
}

/// A range of addresses as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolSpec {
    /// The subnet.
    pub subnet: String,
    /// The part of it that addresses are given from; empty: all.
    pub range: String,
    /// What endpoints send through; empty: the first address.
    pub gateway: String,
    /// Addresses that others have, by name.
    pub auxiliary: BTreeMap<String, String>,
}

const SWITCHES: [&str; 4] = [
    "bridge.enable_icc",
    "bridge.enable_ip_masquerade",
    "bridge.inhibit_ipv4",
    "bridge.default_bridge",
];

/// One of the networks that every daemon has and that needs no addresses.
pub(super) fn predefined(name: &str, driver: NetworkDriver) -> Result<NetworkRecord, Error> {
    Ok(NetworkRecord {
        id: random_id()?,
        name: name.to_owned(),
        created: Timestamp::now(),
        driver,
        ipv4: true,
        ipv6: false,
        internal: false,
        attachable: false,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        ipam_options: None,
        pools: Vec::new(),
        link: String::new(),
        predefined: true,
        config_only: false,
        config_from: None,
    })
}

/// An id that nothing else has: of a network, a place in one, a sandbox.
pub(crate) fn random_id() -> Result<String, Error> {
    Ok(hex(&crate::containers::random()?))
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of a link on the host, out of random bytes.
pub(super) fn link_name(random: &[u8; 32]) -> String {
    format!("veth{}", hex(&random[8..12]).split_at(7).0)
}

/// The default network's bridge: one of the system's own daemon, others beside it.
pub(super) fn default_link(instance: &str) -> String {
    match instance.strip_prefix("corten-") {
        Some(hash) => format!("ct-{}", hash.get(..8).unwrap_or(hash)),
        None => format!("{instance}0"),
    }
}

impl Registry {
    /// Subnets that are in use: other networks' and those that the host has routes to.
    pub(super) fn used(&self) -> Result<Vec<Subnet>, Error> {
        let routes = self.kernel().routes();
        let routes = routes.map_err(NetworkError::kernel("find addresses for", "the new"))?;
        let mut used = self.inner().subnets();
        used.extend(routes);
        Ok(used)
    }

    /// Checks what is asked for, completes it, and takes its name and its addresses.
    pub(crate) fn admit(&self, spec: NetworkSpec) -> Result<Arc<NetworkRecord>, Error> {
        check_name(&spec.name)?;
        let mut spec = self.configured(spec)?;
        if spec.config_only {
            return self.admit_configuration(spec);
        }
        let driver = driver(&spec)?;
        if spec.config_from.is_none() {
            self.settings.complete(driver, &mut spec.options);
        }
        check_options(&spec)?;
        let mut pools = pools(&spec)?;
        let (ipv4, ipv6) = (spec.ipv4 != Some(false), spec.ipv6 == Some(true));
        if !ipv4 && !ipv6 {
            return Err(NetworkError::config("IPv4 or IPv6 must be enabled").into());
        }
        pools.retain(|pool| if pool.subnet.is_ipv6() { ipv6 } else { ipv4 });
        check_families(driver, &pools)?;
        let used = self.used()?;
        let id = random_id()?;
        let link = link(driver, &spec, &id)?;
        parent::check_options(driver, &spec.options)?;
        self.check_parent(driver, (&link, &id), &spec.name)?;
        let mut inner = self.inner();
        inner.expect_unnamed(&spec.name)?;
        inner.expect_shareable(driver, &spec.options, &link)?;
        if let Some(name) = &spec.config_from {
            inner.configuration(name)?;
        }
        let taken = inner.subnets();
        if pools
            .iter()
            .any(|own| taken.iter().any(|taken| taken.overlaps(&own.subnet)))
        {
            let message =
                "invalid pool request: Pool overlaps with other one on this address space";
            return Err(NetworkError::forbidden(message).into());
        }
        let used: Vec<_> = used.into_iter().chain(taken).collect();
        for (is_v6, wanted) in [(false, ipv4), (true, ipv6)] {
            if wanted && !pools.iter().any(|pool| pool.subnet.is_ipv6() == is_v6) {
                let choice = match is_v6 {
                    true => Choice::IPv6,
                    false => Choice::IPv4(self.settings.pools()),
                };
                pools.push(chosen_pool(choice, &used)?);
            }
        }
        let mut record = NetworkRecord {
            id: id.clone(),
            name: spec.name,
            created: Timestamp::now(),
            driver,
            ipv4,
            ipv6,
            internal: spec.internal,
            attachable: spec.attachable,
            options: spec.options,
            labels: spec.labels,
            ipam_options: spec.ipam_options,
            pools,
            link,
            predefined: false,
            config_only: false,
            config_from: spec.config_from,
        };
        leave_gateways_out(&mut record);
        let record = Arc::new(record);
        let held = Held::new(Arc::clone(&record));
        inner.networks.insert(id, held);
        Ok(record)
    }

    /// Makes a network's bridge and rules, or its parent.
    pub(crate) fn build(&self, record: &NetworkRecord) -> Result<(), Error> {
        let inner = self.inner();
        let held = inner.networks.get(&record.id);
        let record = held.map(|held| Arc::clone(&held.record));
        drop(inner);
        let record = record.ok_or_else(|| no_network(""))?;
        self.ready(&record)
    }
}

/// COMPAT: where not even the host is in the network, no address is kept for it.
fn leave_gateways_out(record: &mut NetworkRecord) {
    let isolated = |ipv6| GatewayMode::of(record, ipv6) == GatewayMode::Isolated;
    let isolated = [false, true].map(isolated);
    let pools = record.pools.iter_mut();
    let unasked = pools.filter(|pool| pool.implied_gateway || !pool.chosen);
    for pool in unasked.filter(|pool| isolated[usize::from(pool.subnet.is_ipv6())]) {
        pool.gateway = None;
        pool.implied_gateway = false;
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(NetworkError::config("invalid name: name is empty").into());
    }
    if matches!(name, "bridge" | "host" | "none" | "default") {
        let message = format!("operation is not permitted on predefined {name} network ");
        return Err(NetworkError::Predefined { message }.into());
    }
    Ok(())
}

fn driver(spec: &NetworkSpec) -> Result<NetworkDriver, Error> {
    match spec.driver.as_str() {
        "" | "bridge" | "default" => Ok(NetworkDriver::Bridge),
        "macvlan" => Ok(NetworkDriver::Macvlan),
        "ipvlan" => Ok(NetworkDriver::Ipvlan),
        "host" | "null" => {
            let driver = &spec.driver;
            let message = format!("only one instance of {driver:?} network is allowed");
            Err(NetworkError::forbidden(message).into())
        }
        driver => Err(NetworkError::Driver {
            driver: driver.to_owned(),
        }
        .into()),
    }
}

fn check_options(spec: &NetworkSpec) -> Result<(), Error> {
    let option = |name: &str| spec.options.get(&format!("com.docker.network.{name}"));
    let refuse = |name: &str, value: &str, why: String| {
        let words = format!("failed to parse com.docker.network.{name} value: {value} ({why})");
        Err(NetworkError::config(words).into())
    };
    for name in SWITCHES {
        if let Some(value) = option(name).filter(|value| truth(value).is_none()) {
            let why = format!("strconv.ParseBool: parsing {value:?}: invalid syntax");
            return refuse(name, value, why);
        }
    }
    if let Some(value) = option("driver.mtu").filter(|v| v.parse::<u32>().is_err()) {
        let why = format!("strconv.Atoi: parsing {value:?}: invalid syntax");
        return refuse("driver.mtu", value, why);
    }
    let binding = "bridge.host_binding_ipv4";
    if let Some(value) = option(binding).filter(|value| value.parse::<IpAddr>().is_err()) {
        return refuse(binding, value, "nil ip".to_owned());
    }
    for name in ["bridge.gateway_mode_ipv4", "bridge.gateway_mode_ipv6"] {
        match option(name).map(String::as_str) {
            None | Some("" | "nat" | "routed" | "nat-unprotected") => {}
            Some("isolated") if spec.internal => {}
            Some("isolated") => {
                let words = format!(
                    "gateway mode 'isolated' can only be used for an internal network: com.docker.network.{name}"
                );
                return Err(NetworkError::config(words).into());
            }
            Some(value) => return refuse(name, value, format!("unknown gateway mode {value}")),
        }
    }
    Ok(())
}

/// One line for a single reason, a list for several, as Go's clients print them.
pub(super) fn reasons(head: &str, reasons: &[String]) -> String {
    match reasons {
        [one] => format!("{head}\n{one}"),
        many => many.iter().fold(head.to_owned(), |mut text, reason| {
            text.push_str("\n* ");
            text.push_str(reason);
            text
        }),
    }
}

pub(super) fn pools(spec: &NetworkSpec) -> Result<Vec<AddressPool>, Error> {
    let mut wrong = Vec::new();
    let mut pools = Vec::new();
    for pool in &spec.pools {
        match read_pool(pool) {
            Ok(pool) => pools.push(pool),
            Err(found) => wrong.extend(found),
        }
    }
    match wrong.is_empty() {
        true => Ok(pools),
        false => Err(NetworkError::config(reasons("invalid network config:", &wrong)).into()),
    }
}

fn read_pool(spec: &PoolSpec) -> Result<AddressPool, Vec<String>> {
    let text = &spec.subnet;
    let Ok(subnet) = text.parse::<Subnet>() else {
        return Err(vec![format!(
            "invalid subnet {text}: invalid CIDR block notation"
        )]);
    };
    let mut wrong = Vec::new();
    if subnet.to_string() != *text && text.split('/').next() != Some(&subnet.first().to_string()) {
        wrong.push(format!("invalid subnet {text}: it should be {subnet}"));
    }
    let mut inside = |what: &str, text: &str| -> Option<IpAddr> {
        let Ok(address) = text.parse::<IpAddr>() else {
            wrong.push(format!("invalid {what} {text}: invalid address"));
            return None;
        };
        if !subnet.contains(address) {
            wrong.push(format!(
                "invalid {what} {text}: parent subnet {subnet} doesn't contain this address"
            ));
        }
        Some(address)
    };
    let gateway = match spec.gateway.as_str() {
        "" => None,
        text => inside("gateway", text),
    };
    let mut auxiliary = BTreeMap::new();
    for (name, text) in &spec.auxiliary {
        if let Some(address) = inside(&format!("auxiliary address {name}:"), text) {
            auxiliary.insert(name.clone(), address);
        }
    }
    let range = read_range(spec, subnet, &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(AddressPool {
        subnet,
        range,
        implied_gateway: gateway.is_none(),
        gateway: gateway.or_else(|| free_first(subnet, range, &auxiliary)),
        auxiliary,
        chosen: true,
    })
}

fn read_range(spec: &PoolSpec, subnet: Subnet, wrong: &mut Vec<String>) -> Option<Subnet> {
    let text = spec.range.as_str();
    if text.is_empty() {
        return None;
    }
    let Ok(range) = text.parse::<Subnet>() else {
        wrong.push(format!(
            "invalid ip-range {text}: invalid CIDR block notation"
        ));
        return None;
    };
    if !subnet.contains(range.first()) || range.prefix() < subnet.prefix() {
        wrong.push(format!(
            "invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"
        ));
    }
    Some(range)
}

/// COMPAT: a gateway that nobody chose is the first free address of the range, if there is
/// one, else of the subnet.
fn free_first(
    subnet: Subnet,
    range: Option<Subnet>,
    auxiliary: &BTreeMap<String, IpAddr>,
) -> Option<IpAddr> {
    let within = range.unwrap_or(subnet);
    let first = subnet.offset(within.first())?;
    let candidates = (first.max(1)..).map_while(|offset| subnet.nth(offset));
    let mut free = candidates.filter(|a| !auxiliary.values().any(|taken| taken == a));
    free.find(|address| within.contains(*address))
}

fn check_families(driver: NetworkDriver, pools: &[AddressPool]) -> Result<(), Error> {
    for is_v6 in [false, true] {
        let mut own = pools.iter().filter(|pool| pool.subnet.is_ipv6() == is_v6);
        if own.by_ref().take(2).count() == 2 {
            let message = format!("{} driver doesn't support multiple subnets", driver.name());
            return Err(NetworkError::forbidden(message).into());
        }
    }
    Ok(())
}

/// Where a pool that we choose is from.
pub(super) enum Choice {
    /// One of these ranges.
    IPv4(Vec<pool::Pool>),
    /// A random unique local prefix (RFC 4193).
    IPv6,
}

/// A pool that we choose.
pub(super) fn chosen_pool(choice: Choice, used: &[Subnet]) -> Result<AddressPool, Error> {
    let subnet = match choice {
        // COMPAT: dockerd's words.
        Choice::IPv4(pools) => pool::free_subnet(&pools, used).map_err(|_| {
            NetworkError::config("all predefined address pools have been fully subnetted")
        })?,
        Choice::IPv6 => {
            let random = crate::containers::random()?;
            let mut bytes = [0; 16];
            bytes[..6].copy_from_slice(&random[..6]);
            bytes[0] = 0xfd;
            let first = IpAddr::from(bytes);
            Subnet::holding(first, 64)
                .ok_or_else(|| NetworkError::config("no prefix of IPv6 is left"))?
        }
    };
    Ok(AddressPool {
        subnet,
        range: None,
        gateway: subnet.nth(1),
        implied_gateway: false,
        auxiliary: BTreeMap::new(),
        chosen: false,
    })
}

/// The bridge's name, or the parent's.
fn link(driver: NetworkDriver, spec: &NetworkSpec, id: &str) -> Result<String, Error> {
    let name = match driver {
        NetworkDriver::Bridge => spec
            .options
            .get("com.docker.network.bridge.name")
            .cloned()
            .unwrap_or_else(|| format!("br-{}", id.get(..12).unwrap_or(id))),
        _ => return Ok(parent::name(driver, &spec.options, id)),
    };
    let allowed = |c: char| !c.is_whitespace() && c != '/' && !c.is_control();
    match name.len() < 16 && name.chars().all(allowed) {
        true => Ok(name),
        false => Err(NetworkError::config(format!("{name:?} is no name of a link")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(subnet: &str, range: &str, gateway: &str) -> PoolSpec {
        PoolSpec {
            subnet: subnet.to_owned(),
            range: range.to_owned(),
            gateway: gateway.to_owned(),
            auxiliary: BTreeMap::new(),
        }
    }

    #[test]
    fn a_pool_is_completed_by_its_gateway() {
        for (subnet, range, gateway, expected) in [
            ("10.1.0.0/24", "", "", "10.1.0.1"),
            ("10.1.0.0/24", "", "10.1.0.9", "10.1.0.9"),
            ("10.1.0.0/24", "10.1.0.128/25", "", "10.1.0.128"),
            ("fd00::/64", "", "", "fd00::1"),
        ] {
            let read = read_pool(&pool(subnet, range, gateway)).expect(subnet);
            let gateway = read.gateway.map(|address| address.to_string());
            assert_eq!(gateway.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_wrong_pool_is_told_in_dockers_words() {
        for (subnet, range, gateway, words) in [
            (
                "bad",
                "",
                "",
                "invalid subnet bad: invalid CIDR block notation",
            ),
            (
                "10.1.0.1/24",
                "",
                "",
                "invalid subnet 10.1.0.1/24: it should be 10.1.0.0/24",
            ),
            (
                "10.1.0.0/24",
                "",
                "10.2.0.1",
                "invalid gateway 10.2.0.1: parent subnet 10.1.0.0/24 doesn't contain this address",
            ),
            (
                "10.1.0.0/24",
                "10.2.0.0/25",
                "",
                "invalid ip-range 10.2.0.0/25: parent subnet 10.1.0.0/24 doesn't contain ip-range",
            ),
        ] {
            let wrong = read_pool(&pool(subnet, range, gateway)).expect_err(subnet);
            assert_eq!(wrong, [words]);
        }
    }

    #[test]
    fn the_default_bridge_is_called_by_its_daemon() {
        assert_eq!(default_link("corten"), "corten0");
        assert_eq!(default_link("corten-01234567"), "ct-01234567");
    }
}
