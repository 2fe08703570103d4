//! `HostConfig`: mounts, namespaces, and what is refused.

use super::resources::parse;
use crate::call::Call;
use crate::error::{Error, Result};
use docker_schema::container::HostConfig;
use docker_schema::mount;
use engine::{ContainerSpec, LogSpec, Mount, MountKind, NamespaceSpec, NetworkMode};

/// Refuses by name what is understood and not done.
pub(crate) fn refuse(host: &HostConfig) -> Result<()> {
    const NETWORKS: &str = "networks are not offered; use the network mode host or none";
    const WINDOWS: &str = "it is for Windows containers";
    let some = |list: &Option<Vec<_>>| {
        list.as_ref()
            .is_some_and(|list: &Vec<String>| !list.is_empty())
    };
    let ports = host
        .port_bindings
        .as_ref()
        .is_some_and(|ports| !ports.is_empty());
    let requests = host
        .device_requests
        .as_ref()
        .is_some_and(|requests| !requests.is_empty());
    let storage = host
        .storage_opt
        .as_ref()
        .is_some_and(|options| !options.is_empty());
    let volume_driver = !matches!(host.volume_driver.as_str(), "" | "local");
    let isolation = !matches!(host.isolation.as_str(), "" | "default" | "process");
    for (option, given, reason) in [
        ("PortBindings", ports, NETWORKS),
        ("PublishAllPorts", host.publish_all_ports, NETWORKS),
        ("Links", some(&host.links), NETWORKS),
        ("VolumeDriver", volume_driver, "the driver is local"),
        ("Cgroup", !host.cgroup.is_empty(), "give CgroupParent"),
        ("DeviceRequests", requests, "give Devices"),
        ("StorageOpt", storage, "the writable part has no quota"),
        (
            "KernelMemory",
            host.kernel_memory != 0,
            "kernels have it no more",
        ),
        ("Isolation", isolation, "isolation is by process"),
        ("CpuCount", host.cpu_count != 0, WINDOWS),
        ("CpuPercent", host.cpu_percent != 0, WINDOWS),
        ("IOMaximumIOps", host.io_maximum_iops != 0, WINDOWS),
        (
            "IOMaximumBandwidth",
            host.io_maximum_bandwidth != 0,
            WINDOWS,
        ),
    ] {
        if given {
            return Err(Call::refuse(option, reason));
        }
    }
    match host.runtime.as_str() {
        "" | "runc" | "corten" | "io.containerd.runc.v2" => Ok(()),
        other => Err(Error::bad_request(format!(
            "unknown or invalid runtime name: {other}"
        ))),
    }
}

/// Fills in what `HostConfig` says beyond limits and security.
pub(crate) fn fill(spec: &mut ContainerSpec, host: &HostConfig) -> Result<()> {
    spec.annotations = host.annotations.clone().unwrap_or_default();
    let binds = host.binds.iter().flatten();
    let binds = binds.map(|bind| bind.parse().map_err(|error| parse(&error)));
    spec.binds = binds.collect::<Result<_>>()?;
    let mounts = host.mounts.iter().flatten().map(mounted);
    spec.mounts = mounts.collect::<Result<_>>()?;
    spec.tmpfs = host.tmpfs.clone().unwrap_or_default();
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
    spec.log = LogSpec {
        driver: host.log_config.r#type.clone(),
        options: host.log_config.config.clone().unwrap_or_default(),
    };
    spec.console_size = super::create::console_size(host.console_size);
    Ok(())
}

fn namespaces(host: &HostConfig) -> Result<NamespaceSpec> {
    let network = match host.network_mode.as_str() {
        "" | "default" => NetworkMode::Default,
        "none" => NetworkMode::None,
        "host" => NetworkMode::Host,
        mode => match mode.strip_prefix("container:") {
            Some("") => {
                return Err(Error::bad_request(
                    "invalid container format container:<name|id>",
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

fn mounted(asked: &mount::Mount) -> Result<Mount> {
    let invalid = |reason: &str| {
        Error::bad_request(format!(
            "invalid mount config for type {:?}: {reason}",
            asked.r#type
        ))
    };
    if asked.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    let kind = match asked.r#type.as_str() {
        "bind" => bind(asked)?,
        "volume" => {
            let options = asked.volume_options.clone().unwrap_or_default();
            if !options.subpath.is_empty() {
                return Err(Call::refuse(
                    "VolumeOptions.Subpath",
                    "mount the whole volume",
                ));
            }
            if options
                .driver_config
                .is_some_and(|driver| !matches!(driver.name.as_str(), "" | "local"))
            {
                return Err(Call::refuse(
                    "VolumeOptions.DriverConfig",
                    "the driver is local",
                ));
            }
            MountKind::Volume {
                name: (!asked.source.is_empty()).then(|| asked.source.clone()),
                no_copy: options.no_copy,
            }
        }
        "tmpfs" => tmpfs(asked)?,
        "image" => return Err(Call::refuse("mount type image", "run the image instead")),
        _ => {
            return Err(Error::bad_request(format!(
                "mount type unknown: {:?}",
                asked.r#type
            )));
        }
    };
    let mount = Mount {
        target: asked.target.clone(),
        read_only: asked.read_only,
        kind,
    };
    mount.check().map_err(|error| invalid(&error.to_string()))?;
    Ok(mount)
}

fn bind(asked: &mount::Mount) -> Result<MountKind> {
    if asked.source.is_empty() {
        return Err(Error::bad_request(
            "invalid mount config for type \"bind\": field Source must not be empty",
        ));
    }
    let options = asked.bind_options.clone().unwrap_or_default();
    if options.read_only_force_recursive {
        return Err(Call::refuse(
            "BindOptions.ReadOnlyForceRecursive",
            "mounts below keep their own mode",
        ));
    }
    let propagation = match options.propagation.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| parse(&error))?),
    };
    Ok(MountKind::Bind {
        source: asked.source.clone(),
        propagation,
        non_recursive: options.non_recursive,
        create_source: options.create_mountpoint,
    })
}

fn tmpfs(asked: &mount::Mount) -> Result<MountKind> {
    if !asked.source.is_empty() {
        return Err(Error::bad_request(
            "invalid mount config for type \"tmpfs\": field Source must not be specified",
        ));
    }
    let options = asked.tmpfs_options.clone().unwrap_or_default();
    if options.options.is_some_and(|options| !options.is_empty()) {
        return Err(Call::refuse("TmpfsOptions.Options", "give Tmpfs"));
    }
    let size = u64::try_from(options.size_bytes).map_err(|_| {
        Error::bad_request("invalid mount config for type \"tmpfs\": size is negative")
    })?;
    Ok(MountKind::Tmpfs {
        size: (size > 0).then_some(size),
        mode: (options.mode > 0).then_some(options.mode),
    })
}

/// `HostConfig` as inspect shows it.
pub(crate) fn show(spec: &ContainerSpec) -> HostConfig {
    use super::inspect::{map_or_null, or_null};
    let mut host = HostConfig {
        binds: or_null(spec.binds.iter().map(ToString::to_string).collect()),
        network_mode: network_name(&spec.namespaces.network),
        port_bindings: Some(std::collections::BTreeMap::new()),
        auto_remove: spec.auto_remove,
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
        security_opt: or_null(spec.security.options.clone()),
        tmpfs: map_or_null(&spec.tmpfs),
        uts_mode: spec.namespaces.uts.to_string(),
        userns_mode: spec.namespaces.user.to_string(),
        shm_size: i64::try_from(spec.shm_size.unwrap_or(64 << 20)).unwrap_or(i64::MAX),
        sysctls: map_or_null(&spec.security.sysctls),
        runtime: "corten".to_owned(),
        masked_paths: spec.security.masked_paths.clone(),
        readonly_paths: spec.security.read_only_paths.clone(),
        // COMPAT: it is shown only where it is so.
        init: spec.init.filter(|init| *init),
        ..HostConfig::default()
    };
    host.log_config.r#type.clone_from(&spec.log.driver);
    host.log_config.config = Some(spec.log.options.clone());
    host.restart_policy.name = spec.restart.name().to_owned();
    host.restart_policy.maximum_retry_count = spec.restart.maximum().into();
    host.mounts = or_null(spec.mounts.iter().map(long_form).collect());
    super::resources::show(&mut host, &spec.resources);
    host
}

/// The network in the API's words.
pub(crate) fn network_name(network: &NetworkMode) -> String {
    match network {
        NetworkMode::Named(name) => name.clone(),
        mode => mode.to_string(),
    }
}

fn long_form(from: &Mount) -> mount::Mount {
    let mut shown = mount::Mount {
        target: from.target.clone(),
        read_only: from.read_only,
        ..mount::Mount::default()
    };
    match &from.kind {
        MountKind::Bind {
            source,
            propagation,
            non_recursive,
            create_source,
        } => {
            shown.r#type = "bind".to_owned();
            shown.source.clone_from(source);
            let options = mount::BindOptions {
                propagation: propagation.map(|p| p.name().to_owned()).unwrap_or_default(),
                non_recursive: *non_recursive,
                create_mountpoint: *create_source,
                ..mount::BindOptions::default()
            };
            shown.bind_options = (options != mount::BindOptions::default()).then_some(options);
        }
        MountKind::Volume { name, no_copy } => {
            shown.r#type = "volume".to_owned();
            shown.source = name.clone().unwrap_or_default();
            shown.volume_options = no_copy.then(|| mount::VolumeOptions {
                no_copy: true,
                ..mount::VolumeOptions::default()
            });
        }
        MountKind::Tmpfs { size, mode } => {
            shown.r#type = "tmpfs".to_owned();
            let options = mount::TmpfsOptions {
                size_bytes: size
                    .and_then(|size| i64::try_from(size).ok())
                    .unwrap_or_default(),
                mode: mode.unwrap_or_default(),
                options: None,
            };
            shown.tmpfs_options = (options != mount::TmpfsOptions::default()).then_some(options);
        }
    }
    shown
}
