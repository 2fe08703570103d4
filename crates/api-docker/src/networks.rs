//! Networks: listed, made, joined, left, removed.

use crate::body::{self, Response};
use crate::call::Call;
use crate::containers::{map_or_null, or_null, parse};
use crate::error::{Error, Result};
use crate::version::ApiVersion;
use docker_schema::filters::Filters;
use docker_schema::network::{
    ConfigReference, ConnectRequest, CreateRequest, CreateResponse, DisconnectRequest,
    EndpointIpamConfig, EndpointResource, EndpointSettings, Ipam, IpamConfig, IpamStatus, Network,
    NetworkStatus, PruneReport, SubnetStatus,
};
use engine::{
    AddressPool, AddressSpec, EndpointSpec, EndpointState, LabelFilter, Member, NetworkFilter,
    NetworkRecord, NetworkSpec, Pattern, PoolSpec, mac_text,
};
use http::StatusCode;
use std::collections::BTreeMap;
use std::net::IpAddr;

const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

pub(crate) async fn list(call: Call) -> Result<Response> {
    let filters = call.query.filters(&FILTERS)?;
    let networks = call.api.engine.networks().list(&filter(&filters)?);
    // COMPAT: a list does not say who is in them.
    let documents = networks.iter().map(|record| document(record, &[]));
    Ok(body::ok(&documents.collect::<Vec<_>>()))
}

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    let networks = call.api.engine.networks();
    let record = networks.find(call.id())?;
    let mut document = document(&record, &networks.members(&record));
    if call.version >= STATUS {
        let subnets = networks.allocated(&record);
        document.status = Some(NetworkStatus {
            ipam: IpamStatus {
                subnets: subnets.iter().map(subnet).collect(),
            },
        });
    }
    Ok(body::ok(&document))
}

/// The version since which a network says which addresses are given.
const STATUS: ApiVersion = ApiVersion::new(1, 52);
/// The version since which a running container gets the hardware address that was asked for.
const MAC_OF_CONNECTION: ApiVersion = ApiVersion::new(1, 54);

/// COMPAT: numbers end where 64 bits do.
fn subnet(subnet: &engine::Allocated) -> (String, SubnetStatus) {
    let number = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
    let status = SubnetStatus {
        ips_in_use: number(subnet.used),
        dynamic_ips_available: number(subnet.available),
    };
    (subnet.subnet.to_string(), status)
}

pub(crate) async fn create(call: Call) -> Result<Response> {
    let api = call.api.clone();
    let request: CreateRequest = call.document().await?;
    let spec = specification(request)?;
    let record = api.engine.networks().create(spec).await?;
    let document = CreateResponse {
        id: record.id.clone(),
        warning: String::new(),
    };
    Ok(body::json(StatusCode::CREATED, &document))
}

pub(crate) async fn remove(call: Call) -> Result<Response> {
    call.api.engine.networks().remove(call.id()).await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn prune(call: Call) -> Result<Response> {
    let filters = call.query.filters(&["label", "label!", "until"])?;
    let filter = NetworkFilter {
        custom: Some(true),
        labels: labels(&filters, "label"),
        without_labels: labels(&filters, "label!"),
        until: crate::query::until(&filters)?,
        ..NetworkFilter::default()
    };
    let pruned = call.api.engine.networks().prune(&filter).await?;
    Ok(body::ok(&PruneReport {
        networks_deleted: or_null(pruned),
        ..PruneReport::default()
    }))
}

pub(crate) async fn connect(call: Call) -> Result<Response> {
    let (api, network) = (call.api.clone(), call.id().to_owned());
    let version = call.version;
    let request: ConnectRequest = call.document().await?;
    check_named(&request.container)?;
    let container = api.engine.containers().resolve(&request.container)?;
    let mut settings = request.endpoint_config.unwrap_or_default();
    let running = api.engine.containers().inspect(&container)?;
    if version < MAC_OF_CONNECTION && running.container.state.status.is_live() {
        settings.mac_address.clear();
    }
    let spec = endpoint(&settings)?;
    let networks = api.engine.networks();
    networks.connect(&network, &container, spec).await?;
    Ok(body::empty(StatusCode::OK))
}

/// Refuses a container without a name. COMPAT: in dockerd's words.
fn check_named(container: &str) -> Result<()> {
    match container {
        "" => Err(Error::bad_request("invalid name or ID supplied: \"\"")),
        _ => Ok(()),
    }
}

pub(crate) async fn disconnect(call: Call) -> Result<Response> {
    let (api, network) = (call.api.clone(), call.id().to_owned());
    let request: DisconnectRequest = call.document().await?;
    check_named(&request.container)?;
    let container = match api.engine.containers().resolve(&request.container) {
        // COMPAT: by force an endpoint is looked for, whose container may be gone.
        Err(engine::Error::NotFound(_)) if request.force => {
            let words = format!("endpoint {} not found", request.container);
            return Err(Error::new(StatusCode::NOT_FOUND, words));
        }
        found => found?,
    };
    let networks = api.engine.networks();
    networks.disconnect(&network, &container).await?;
    Ok(body::empty(StatusCode::OK))
}

fn labels(filters: &Filters, name: &str) -> Vec<LabelFilter> {
    filters.values(name).map(LabelFilter::parse).collect()
}

fn filter(filters: &Filters) -> Result<NetworkFilter> {
    let texts = |name: &str| filters.values(name).map(str::to_owned).collect();
    let invalid =
        |name: &str, value: &str| Error::bad_request(format!("invalid filter: '{name}'='{value}'"));
    let custom = match filters.values("type").next() {
        None => None,
        Some("custom") => Some(true),
        Some("builtin") => Some(false),
        Some(value) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(invalid("type", value).with_status(status));
        }
    };
    let dangling = match filters.values("dangling").next() {
        None => None,
        Some("1" | "true" | "True" | "TRUE" | "t" | "T") => Some(true),
        Some("0" | "false" | "False" | "FALSE" | "f" | "F") => Some(false),
        Some(_) => {
            return Err(Error::bad_request(
                "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" \
                 (or \"0\")",
            ));
        }
    };
    Ok(NetworkFilter {
        names: filters.values("name").map(Pattern::from).collect(),
        ids: texts("id"),
        drivers: texts("driver"),
        scopes: texts("scope"),
        custom,
        dangling,
        labels: labels(filters, "label"),
        ..NetworkFilter::default()
    })
}

fn specification(request: CreateRequest) -> Result<NetworkSpec> {
    if request.scope == "swarm" || request.ingress {
        let words = "cannot create a swarm scoped network when swarm is not active";
        return Err(Error::new(StatusCode::FORBIDDEN, words));
    }
    if request.driver == "overlay" {
        return Err(Error::new(StatusCode::FORBIDDEN, crate::swarm::INACTIVE));
    }
    let ipam = request.ipam.unwrap_or_default();
    if !matches!(ipam.driver.as_str(), "" | "default") {
        return Err(Error::not_found("plugin", &ipam.driver)
            .worded(format!("plugin {:?} not found", ipam.driver)));
    }
    let pools = ipam.config.unwrap_or_default();
    let pools = pools.into_iter().map(|pool| PoolSpec {
        subnet: pool.subnet,
        range: pool.ip_range,
        gateway: pool.gateway,
        auxiliary: pool.auxiliary_addresses.unwrap_or_default(),
    });
    Ok(NetworkSpec {
        name: request.name,
        driver: request.driver,
        ipv4: request.enable_ipv4,
        ipv6: request.enable_ipv6,
        internal: request.internal,
        attachable: request.attachable,
        options: request.options.unwrap_or_default(),
        labels: request.labels.unwrap_or_default(),
        ipam_options: ipam.options,
        pools: pools.collect(),
        config_only: request.config_only,
        config_from: request
            .config_from
            .map(|from| from.network)
            .filter(|name| !name.is_empty()),
    })
}

/// A place in a network as it is asked for.
pub(crate) fn endpoint(asked: &EndpointSettings) -> Result<EndpointSpec> {
    let links = asked.links.clone().unwrap_or_default();
    for text in &links {
        engine::Link::parse(text).map_err(|error| parse(&error))?;
    }
    let addresses = asked.ipam_config.as_ref().map(|ipam| -> Result<_> {
        Ok(AddressSpec {
            ipv4: address(&ipam.ipv4_address, "IPv4")?,
            ipv6: address(&ipam.ipv6_address, "IPv6")?,
            link_local: ipam
                .link_local_ips
                .iter()
                .flatten()
                .map(|text| {
                    let parsed = text.parse();
                    parsed.map_err(|_| invalid_address("link-local IP", text))
                })
                .collect::<Result<_>>()?,
        })
    });
    Ok(EndpointSpec {
        aliases: asked.aliases.clone(),
        links,
        addresses: addresses.transpose()?,
        mac: asked.mac_address.clone(),
        options: asked.driver_opts.clone(),
        gateway_priority: asked.gw_priority,
    })
}

fn invalid_address(family: &str, text: &str) -> Error {
    Error::bad_request(format!(
        "invalid endpoint settings:\ninvalid {family} address: {text}"
    ))
}

fn address<T: std::str::FromStr>(text: &str, family: &str) -> Result<Option<T>> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| invalid_address(family, text)),
    }
}

/// A place in a network as inspect shows it: what was asked for, and where it is while the
/// container runs.
pub(crate) fn settings(
    asked: &EndpointSpec,
    place: Option<&EndpointState>,
    names: Option<Vec<String>>,
) -> EndpointSettings {
    let ipam = asked.addresses.as_ref().map(|asked| EndpointIpamConfig {
        ipv4_address: asked.ipv4.map(|a| a.to_string()).unwrap_or_default(),
        ipv6_address: asked.ipv6.map(|a| a.to_string()).unwrap_or_default(),
        link_local_ips: or_null(asked.link_local.iter().map(ToString::to_string).collect()),
    });
    let mut shown = EndpointSettings {
        ipam_config: ipam,
        links: or_null(asked.links.clone()),
        aliases: asked.aliases.clone(),
        mac_address: asked.mac.clone(),
        driver_opts: asked.options.clone(),
        gw_priority: asked.gateway_priority,
        dns_names: names,
        ..EndpointSettings::default()
    };
    if let Some(place) = place {
        shown.mac_address = mac_text(place.mac);
        shown.network_id.clone_from(&place.network);
        shown.endpoint_id.clone_from(&place.id);
        let told = |gateway: Option<IpAddr>| gateway.filter(|own| !own.is_unspecified());
        let text = |gateway| told(gateway).map_or_else(String::new, |own| own.to_string());
        shown.gateway = text(place.gateway4.map(IpAddr::V4));
        shown.ipv6_gateway = text(place.gateway6.map(IpAddr::V6));
        if let Some((address, prefix)) = place.ipv4 {
            shown.ip_address = address.to_string();
            shown.ip_prefix_len = prefix.into();
        }
        if let Some((address, prefix)) = place.ipv6 {
            shown.global_ipv6_address = address.to_string();
            shown.global_ipv6_prefix_len = prefix.into();
        }
    }
    shown
}

fn document(record: &NetworkRecord, members: &[Member]) -> Network {
    let members = members.iter().map(|member| {
        let place = &member.endpoint;
        let cidr = |address: Option<(String, u8)>| {
            address.map(|(address, prefix)| format!("{address}/{prefix}"))
        };
        let resource = EndpointResource {
            name: member.name.clone(),
            endpoint_id: place.id.clone(),
            mac_address: mac_text(place.mac),
            ipv4_address: cidr(place.ipv4.map(|(a, p)| (a.to_string(), p))).unwrap_or_default(),
            ipv6_address: cidr(place.ipv6.map(|(a, p)| (a.to_string(), p))).unwrap_or_default(),
        };
        (member.container.to_string(), resource)
    });
    Network {
        name: record.name.clone(),
        id: record.id.clone(),
        created: record.created.to_string(),
        scope: "local".to_owned(),
        driver: record.driver.name().to_owned(),
        enable_ipv4: record.ipv4,
        enable_ipv6: record.ipv6,
        ipam: Ipam {
            driver: "default".to_owned(),
            options: record.ipam_options.clone(),
            config: or_null(record.pools.iter().map(pool).collect()),
        },
        internal: record.internal,
        attachable: record.attachable,
        config_from: ConfigReference {
            network: record.config_from.clone().unwrap_or_default(),
        },
        config_only: record.config_only,
        containers: members.collect(),
        options: Some(record.options.clone()),
        labels: Some(record.labels.clone()),
        ..Network::default()
    }
}

fn pool(pool: &AddressPool) -> IpamConfig {
    let auxiliary = pool.auxiliary.iter();
    let auxiliary: BTreeMap<_, _> = auxiliary
        .map(|(name, address)| (name.clone(), address.to_string()))
        .collect();
    IpamConfig {
        subnet: pool.subnet.to_string(),
        ip_range: pool
            .range
            .map(|range| range.to_string())
            .unwrap_or_default(),
        gateway: pool
            .gateway
            .filter(|_| !pool.implied_gateway)
            .map(|gateway| gateway.to_string())
            .unwrap_or_default(),
        auxiliary_addresses: map_or_null(&auxiliary),
    }
}
