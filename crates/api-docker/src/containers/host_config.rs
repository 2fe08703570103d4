//! `HostConfig`: mounts, namespaces, and what is refused.

use super::resources::parse;
use crate::error::{Error, Result};
use docker_schema::container::{DeviceRequest, HostConfig, PortBinding};
use engine::{Bind, ContainerSpec, DeviceRule, Link, LogSpec, NamespaceSpec, NetworkMode};
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};

/// COMPAT: clients ask for runc by its names; each is the one runtime that is here.
pub(crate) const RUNTIMES: [&str; 3] = ["corten", DEFAULT_RUNTIME, "io.containerd.runc.v2"];
/// What a container that asked for none is said to have.
pub(crate) const DEFAULT_RUNTIME: &str = "runc";

/// Refuses by name what is understood and not done.
pub(crate) fn refuse(host: &HostConfig) -> Result<()> {
    let isolation = &host.isolation;
    if !(isolation.is_empty() || isolation.eq_ignore_ascii_case("default")) {
        return Err(Error::bad_request(format!(
            "invalid isolation ({}): linux only supports 'default'",
            host.isolation
        )));
    }
    if let Some(option) = host.storage_opt.iter().flat_map(BTreeMap::keys).next() {
        // COMPAT: as dockerd, where the writable part has no quota.
        let words = match option.as_str() {
            "size" => {
                "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
                    .to_owned()
            }
            other => format!("Unknown option {other}"),
        };
        return Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, words));
    }
    for (what, given) in [
        ("IOPs", host.io_maximum_iops),
        ("bandwidth", host.io_maximum_bandwidth),
    ] {
        if given != 0 {
            return Err(Error::bad_request(format!(
                "invalid option: QoS maximum {what} configuration is not supported on linux"
            )));
        }
    }
    if host
        .annotations
        .iter()
        .flatten()
        .any(|(name, _)| name.is_empty())
    {
        return Err(Error::bad_request(
            "invalid Annotations: the empty string is not permitted as an annotation key",
        ));
    }
    match host.runtime.as_str() {
        "" => Ok(()),
        known if RUNTIMES.contains(&known) => Ok(()),
        other => Err(Error::bad_request(format!(
            "unknown or invalid runtime name: {other}"
        ))),
    }
}

/// What dockerd takes, and finds out about when it starts the container.
fn unmet(host: &HostConfig) -> Option<String> {
    let rules = host.device_cgroup_rules.iter().flatten();
    let mut wrong = rules.filter(|rule| rule.parse::<DeviceRule>().is_err());
    let profiles = host.security_opt.iter().flatten();
    let mut profiles = profiles.filter_map(|option| super::security::wrong_profile(option));
    let mounts = host.mounts.iter().flatten();
    let mut mounts = mounts.filter_map(super::mounts::contradiction);
    let devices = host.device_requests.iter().flatten().next().map(no_driver);
    devices
        .or_else(|| {
            let rule = wrong.next()?;
            Some(format!("invalid device cgroup rule format: '{rule}'"))
        })
        .or_else(|| profiles.next())
        .or_else(|| mounts.next())
}

/// COMPAT: dockerd's words where no driver knows such devices, as here.
fn no_driver(request: &DeviceRequest) -> String {
    if request.driver == "cdi" {
        let devices = request.device_ids.iter().flatten();
        let devices: Vec<&str> = devices.map(String::as_str).collect();
        return format!(
            "CDI device injection failed: unresolvable CDI devices {}",
            devices.join(", ")
        );
    }
    let alternatives = request.capabilities.iter().flatten();
    let alternatives: Vec<String> = alternatives
        .map(|all| format!("[{}]", all.join(" ")))
        .collect();
    format!(
        "could not select device driver {:?} with capabilities: [{}]",
        request.driver,
        alternatives.join(" ")
    )
}

/// Fills in what `HostConfig` says beyond limits and security.
pub(crate) fn fill(spec: &mut ContainerSpec, host: &HostConfig) -> Result<()> {
    spec.annotations = host.annotations.clone().unwrap_or_default();
    let binds = host.binds.iter().flatten();
    let binds = binds.map(|text| {
        let bind = text.parse::<Bind>();
        let checked = bind.and_then(|bind| bind.check().map(|()| bind));
        checked.map_err(|error| parse(&error))
    });
    spec.binds = binds.collect::<Result<_>>()?;
    let mounts = host.mounts.iter().flatten().map(super::mounts::read);
    spec.mounts = mounts.collect::<Result<_>>()?;
    spec.tmpfs = host.tmpfs.clone().unwrap_or_default();
    spec.volume_driver = host.volume_driver.clone();
    spec.volumes_from = host.volumes_from.clone().unwrap_or_default();
    spec.read_only_root = host.readonly_rootfs;
    spec.shm_size = match host.shm_size {
        0 => None,
        size => Some(
            u64::try_from(size)
                .map_err(|_| Error::bad_request("SHM size can not be less than 0"))?,
        ),
    };
    spec.namespaces = namespaces(host)?;
    spec.port_bindings = port_bindings(host);
    spec.publish_all_ports = host.publish_all_ports;
    let links = host.links.iter().flatten().map(|text| Link::parse(text));
    spec.links = links
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| parse(&error))?;
    spec.dns = host.dns.clone().unwrap_or_default();
    spec.dns_options = host.dns_options.clone().unwrap_or_default();
    spec.dns_search = host.dns_search.clone().unwrap_or_default();
    spec.extra_hosts = host.extra_hosts.clone().unwrap_or_default();
    spec.auto_remove = host.auto_remove;
    if spec.auto_remove && spec.restart != engine::RestartPolicy::No {
        return Err(Error::bad_request(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    spec.init = host.init;
    spec.isolation.clone_from(&host.isolation);
    spec.runtime.clone_from(&host.runtime);
    spec.log = LogSpec {
        driver: host.log_config.r#type.clone(),
        options: host.log_config.config.clone().unwrap_or_default(),
    };
    spec.console_size = super::create::console_size(host.console_size);
    spec.empty_lists = empty_lists(host);
    spec.unmet = unmet(host);
    Ok(())
}

macro_rules! lists {
    ($($field:ident),* $(,)?) => {
        /// Those of its lists that are given with nothing in them.
        fn empty_lists(host: &HostConfig) -> BTreeSet<String> {
            let lists = [$((stringify!($field), host.$field.as_ref().is_some_and(Vec::is_empty))),*];
            let empty = lists.into_iter().filter(|(_, empty)| *empty);
            empty.map(|(name, _)| name.to_owned()).collect()
        }

        /// COMPAT: an empty list is shown as it was given: as one, or as Go's nil.
        fn show_empty_lists(host: &mut HostConfig, given: &BTreeSet<String>) {
            $(if host.$field.as_ref().is_none_or(Vec::is_empty) {
                host.$field = given.contains(stringify!($field)).then(Vec::new);
            })*
        }
    };
}

lists!(
    binds,
    blkio_device_read_bps,
    blkio_device_read_iops,
    blkio_device_write_bps,
    blkio_device_write_iops,
    blkio_weight_device,
    cap_add,
    cap_drop,
    device_cgroup_rules,
    device_requests,
    devices,
    dns,
    dns_options,
    dns_search,
    extra_hosts,
    group_add,
    security_opt,
    ulimits,
    volumes_from,
);

/// Where ports are published, each under its port and protocol.
fn port_bindings(host: &HostConfig) -> BTreeMap<String, Vec<engine::PortBinding>> {
    let asked = host.port_bindings.iter().flatten();
    let bindings = asked.map(|(key, bindings)| {
        let key = match key.contains('/') {
            true => key.clone(),
            false => format!("{key}/tcp"),
        };
        let bindings = bindings.iter().flatten();
        let mut bindings: Vec<_> = bindings
            .map(|binding| engine::PortBinding {
                host: binding.host_ip.clone(),
                port: binding.host_port.clone(),
            })
            .collect();
        if bindings.is_empty() {
            // COMPAT: it is published wherever there is room.
            bindings.push(engine::PortBinding::default());
        }
        (key, bindings)
    });
    bindings.collect()
}

/// COMPAT: who is not confined has no label, and says so unless a label was asked for.
fn security_options(spec: &ContainerSpec) -> Vec<String> {
    let mut options = spec.security.options.clone();
    let namespaces = &spec.namespaces;
    let of_host = |mode: String| mode == "host";
    let unconfined = spec.security.privileged
        || of_host(namespaces.pid.to_string())
        || of_host(namespaces.ipc.to_string());
    if unconfined && !options.iter().any(|option| option.starts_with("label")) {
        options.push("label=disable".to_owned());
    }
    options
}

/// The same in the API's words.
fn show_bindings(spec: &ContainerSpec) -> BTreeMap<String, Option<Vec<PortBinding>>> {
    let bindings = spec.port_bindings.iter().map(|(key, bindings)| {
        let bindings = bindings.iter().map(|binding| PortBinding {
            host_ip: binding.host.clone(),
            host_port: binding.port.clone(),
        });
        (key.clone(), Some(bindings.collect()))
    });
    bindings.collect()
}

fn namespaces(host: &HostConfig) -> Result<NamespaceSpec> {
    let network = match host.network_mode.as_str() {
        "" | "default" => NetworkMode::Default,
        "none" => NetworkMode::None,
        "host" => NetworkMode::Host,
        mode => match mode.strip_prefix("container:") {
            Some("") => {
                return Err(Error::bad_request(
                    "invalid network mode: invalid container format container:<name|id>",
                ));
            }
            Some(container) => NetworkMode::Container(container.to_owned()),
            None => NetworkMode::Named(mode.to_owned()),
        },
    };
    Ok(NamespaceSpec {
        network,
        pid: host.pid_mode.parse().map_err(|error| parse(&error))?,
        ipc: host.ipc_mode.parse().map_err(|error| parse(&error))?,
        uts: host.uts_mode.parse().map_err(|error| parse(&error))?,
        cgroup: host.cgroupns_mode.parse().map_err(|error| parse(&error))?,
        user: host.userns_mode.parse().map_err(|error| parse(&error))?,
    })
}

/// `HostConfig` as inspect shows it.
pub(crate) fn show(spec: &ContainerSpec) -> HostConfig {
    use super::inspect::{map_or_null, or_null};
    let mut host = HostConfig {
        binds: or_null(spec.binds.iter().map(ToString::to_string).collect()),
        network_mode: network_name(&spec.namespaces.network),
        port_bindings: Some(show_bindings(spec)),
        publish_all_ports: spec.publish_all_ports,
        auto_remove: spec.auto_remove,
        volume_driver: spec.volume_driver.clone(),
        volumes_from: or_null(spec.volumes_from.clone()),
        console_size: spec
            .console_size
            .map_or([0, 0], |(h, w)| [h.into(), w.into()]),
        annotations: map_or_null(&spec.annotations),
        cap_add: or_null(spec.security.cap_add.clone()),
        cap_drop: or_null(spec.security.cap_drop.clone()),
        cgroupns_mode: spec.namespaces.cgroup.to_string(),
        dns: Some(spec.dns.clone()),
        dns_options: Some(spec.dns_options.clone()),
        dns_search: Some(spec.dns_search.clone()),
        extra_hosts: or_null(spec.extra_hosts.clone()),
        group_add: or_null(spec.security.group_add.clone()),
        ipc_mode: spec.namespaces.ipc.to_string(),
        pid_mode: spec.namespaces.pid.to_string(),
        privileged: spec.security.privileged,
        readonly_rootfs: spec.read_only_root,
        security_opt: or_null(security_options(spec)),
        tmpfs: map_or_null(&spec.tmpfs),
        uts_mode: spec.namespaces.uts.to_string(),
        userns_mode: spec.namespaces.user.to_string(),
        shm_size: i64::try_from(spec.shm_size.unwrap_or(64 << 20)).unwrap_or(i64::MAX),
        sysctls: map_or_null(&spec.security.sysctls),
        runtime: match spec.runtime.as_str() {
            "" => DEFAULT_RUNTIME.to_owned(),
            asked => asked.to_owned(),
        },
        isolation: spec.isolation.clone(),
        masked_paths: spec.security.masked(),
        readonly_paths: spec.security.read_only(),
        // COMPAT: what the daemon decides is shown only where it is so.
        init: spec.init.filter(|init| *init),
        ..HostConfig::default()
    };
    host.log_config.r#type.clone_from(&spec.log.driver);
    host.log_config.config = Some(spec.log.options.clone());
    host.restart_policy.name = spec.restart.name().to_owned();
    host.restart_policy.maximum_retry_count = spec.restart.maximum().into();
    host.mounts = or_null(spec.mounts.iter().map(super::mounts::show).collect());
    super::resources::show(&mut host, &spec.resources);
    show_empty_lists(&mut host, &spec.empty_lists);
    super::given::show_host(&mut host, &spec.given);
    super::mounts::mark(host.mounts.as_deref_mut().unwrap_or_default());
    host
}

/// The network in the API's words.
pub(crate) fn network_name(network: &NetworkMode) -> String {
    match network {
        NetworkMode::Named(name) => name.clone(),
        mode => mode.to_string(),
    }
}

#[cfg(test)]
mod tests;
