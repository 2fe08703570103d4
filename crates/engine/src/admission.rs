//! Whether a request can be had, and what the image and the daemon decide of it.

use crate::context::Context;
use crate::image::Image;
use crate::limits::Limits;
use crate::{
    CgroupDriver, CgroupMode, ContainerSpec, Error, IpcMode, Link, NetworkError, NetworkMode,
    PidMode, RestartPolicy, Update, UserMode,
};
use oci::image::ExecConfig;
use types::Signal;

/// Fills in what the image and the daemon decide, and refuses what cannot be so. Gives
/// warnings too.
pub(crate) fn admit(
    mut spec: ContainerSpec,
    image: &Image,
    context: &Context,
) -> Result<(ContainerSpec, Vec<String>), Error> {
    take_from_image(&mut spec, &image.config)?;
    take_from_config(&mut spec, context);
    let mut warnings = Vec::new();
    let dir = &mut spec.process.working_dir;
    if dir.starts_with('/') {
        *dir = crate::mount_points::clean(dir);
    }
    check_process(&spec)?;
    check_slice(&spec, context)?;
    admit_joined(&mut spec, context)?;
    check_users(&spec, context)?;
    check_namespaces(&spec)?;
    admit_links(&mut spec, context)?;
    admit_networks(&mut spec, context)?;
    check_policy(&spec)?;
    let weighed = !spec.resources.blkio_weight_device.is_empty();
    context.limits.admit(&mut spec.resources, &mut warnings)?;
    if weighed && spec.resources.blkio_weight_device.is_empty() {
        // COMPAT: what was discarded is shown as an empty list.
        spec.empty_lists.insert("blkio_weight_device".to_owned());
    }
    check_resources(&mut spec, &mut warnings)?;
    check_mounts(&spec)?;
    for host in &spec.extra_hosts {
        crate::files::extra_host(host)?;
    }
    crate::log::check(&spec)?;
    crate::spec::check(&spec)?;
    Ok((spec, warnings))
}

/// Changes a specification as an update asks; gives warnings.
pub(crate) fn update(
    spec: &mut ContainerSpec,
    update: &Update,
    limits: &Limits,
) -> Result<Vec<String>, Error> {
    let mut changed = spec.clone();
    if let Some(restart) = update.restart {
        changed.restart = restart;
    }
    changed.resources.take(&update.resources);
    for (field, new) in [
        ("memory_swap", update.resources.memory_swap.is_some()),
        (
            "memory_reservation",
            update.resources.memory_reservation.is_some(),
        ),
    ] {
        if new {
            changed.given.remove(field);
        }
    }
    changed.resources.take_devices(&update.block_devices);
    check_policy(&changed)?;
    let mut warnings = Vec::new();
    limits.admit(&mut changed.resources, &mut warnings)?;
    check_resources(&mut changed, &mut warnings)?;
    *spec = changed;
    Ok(warnings)
}

fn take_from_image(spec: &mut ContainerSpec, image: &ExecConfig) -> Result<(), Error> {
    let process = &mut spec.process;
    if process.user.is_empty() {
        process.user.clone_from(&image.user);
    }
    if process.working_dir.is_empty() {
        process.working_dir.clone_from(&image.working_dir);
    }
    let no_command = process.command.as_ref().is_none_or(Vec::is_empty);
    if process.entrypoint.is_none() {
        // An entry point of the caller's makes the image's command meaningless.
        if no_command {
            process.command.clone_from(&image.cmd);
        }
        process.entrypoint.clone_from(&image.entrypoint);
    } else if process
        .entrypoint
        .as_ref()
        .is_some_and(|words| words == &[""])
    {
        // COMPAT: `--entrypoint ""` takes the image's away and keeps the image's command away.
        process.entrypoint = None;
    } else if no_command && process.entrypoint.as_ref().is_some_and(Vec::is_empty) {
        // COMPAT: an empty list takes the image's away alone.
        process.command.clone_from(&image.cmd);
    }
    process.env = crate::spec::inherit_env(&process.env, &image.env);
    for (name, value) in &image.labels {
        spec.labels
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    spec.exposed_ports
        .extend(image.exposed_ports.keys().cloned());
    spec.volumes.extend(image.volumes.keys().cloned());
    if spec.stop_signal.is_none()
        && let Some(signal) = image
            .stop_signal
            .as_deref()
            .filter(|signal| !signal.is_empty())
    {
        let parsed = signal.parse::<Signal>();
        spec.stop_signal = Some(parsed.map_err(|e| Error::invalid("StopSignal", e.to_string()))?);
    }
    crate::container_spec::inherit_health(&mut spec.health, image.healthcheck.as_ref());
    spec.stop_timeout = spec.stop_timeout.or(image.stop_timeout);
    if spec.on_build.is_empty() {
        spec.on_build.clone_from(&image.on_build);
    }
    if spec.shell.is_empty() {
        spec.shell.clone_from(&image.shell);
    }
    Ok(())
}

fn take_from_config(spec: &mut ContainerSpec, context: &Context) {
    let config = &context.config;
    if spec.namespaces.network == NetworkMode::Default {
        spec.namespaces.network = config.network.clone();
    }
    context.defaults().fill(spec);
    if spec.namespaces.cgroup == CgroupMode::Default {
        spec.namespaces.cgroup = match context.limits.unified() && !spec.security.privileged {
            true => CgroupMode::Private,
            false => CgroupMode::Host,
        };
    }
    if spec.log.driver.is_empty() {
        spec.log.driver.clone_from(&config.log.driver);
    }
    if spec.log.driver == config.log.driver {
        for (name, value) in &config.log.options {
            let options = &mut spec.log.options;
            options.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    spec.init = spec.init.or(Some(config.init));
}

/// systemd's groups are in slices.
fn check_slice(spec: &ContainerSpec, context: &Context) -> Result<(), Error> {
    let parent = &spec.resources.cgroup_parent;
    let by_systemd = context.config.cgroup_driver == CgroupDriver::Systemd;
    match by_systemd && !parent.is_empty() && !crate::config::is_slice(parent) {
        false => Ok(()),
        true => Err(Error::invalid("CgroupParent", crate::config::NO_SLICE)),
    }
}

fn check_process(spec: &ContainerSpec) -> Result<(), Error> {
    let words = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
    if words(&spec.process.entrypoint) + words(&spec.process.command) == 0 {
        return Err(Error::invalid("Cmd", "no command specified"));
    }
    let dir = &spec.process.working_dir;
    if !dir.is_empty() && !dir.starts_with('/') {
        let reason =
            format!("the working directory '{dir}' is invalid, it needs to be an absolute path");
        return Err(Error::invalid("WorkingDir", reason));
    }
    let strings = spec
        .process
        .entrypoint
        .iter()
        .chain(&spec.process.command)
        .flatten();
    let unnamed = |word: &&String| word.is_empty() || word.starts_with('=');
    if let Some(word) = spec.process.env.iter().find(unnamed) {
        let words = format!("invalid environment variable: {word}");
        return Err(Error::invalid("Env", words));
    }
    match strings
        .chain(&spec.process.env)
        .chain([dir])
        .any(|s| s.contains('\0'))
    {
        true => Err(Error::invalid(
            "Cmd, Env or WorkingDir",
            "a string has a NUL byte",
        )),
        false => Ok(()),
    }
}

/// What the host's root alone can give, to a container whose root is somebody else.
fn check_users(spec: &ContainerSpec, context: &Context) -> Result<(), Error> {
    let namespaces = &spec.namespaces;
    if context.config.users.is_none() || namespaces.user == UserMode::Host {
        return Ok(());
    }
    let (field, words) = if spec.security.privileged {
        (
            "HostConfig.Privileged",
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
        )
    } else if namespaces.network == NetworkMode::Host {
        (
            "HostConfig.NetworkMode",
            "cannot share the host's network namespace when user namespaces are enabled",
        )
    } else if namespaces.pid == PidMode::Host {
        (
            "HostConfig.PidMode",
            "cannot share the host PID namespace when user namespaces are enabled",
        )
    } else {
        return Ok(());
    };
    Err(Error::invalid(field, words))
}

fn check_namespaces(spec: &ContainerSpec) -> Result<(), Error> {
    let namespaces = &spec.namespaces;
    match &namespaces.network {
        NetworkMode::Container(_) => return check_shared_network(spec),
        NetworkMode::Default | NetworkMode::None | NetworkMode::Host | NetworkMode::Named(_) => {}
    }
    if namespaces.uts == crate::UtsMode::Host {
        let names = [
            ("hostname", &spec.hostname),
            ("domainname", &spec.domainname),
        ];
        if let Some((what, _)) = names.into_iter().find(|(_, name)| !name.is_empty()) {
            let words = format!("conflicting options: {what} and the UTS mode");
            return Err(Error::invalid("Hostname", words));
        }
    }
    // COMPAT: how long it may be is the kernel's to say, at the start.
    match spec.hostname.chars().any(char::is_control) {
        false => Ok(()),
        true => Err(Error::invalid(
            "Hostname",
            format!("invalid hostname format: {}", spec.hostname),
        )),
    }
}

/// The containers whose processes and IPC objects this one is to see, by their ids.
fn admit_joined(spec: &mut ContainerSpec, context: &Context) -> Result<(), Error> {
    // COMPAT: a request that names a container which is not there is a wrong request.
    let resolve = |field, name: &str| {
        let found = context.index.resolve(name);
        found.map_err(|error| Error::invalid(field, error.to_string()))
    };
    let namespaces = &mut spec.namespaces;
    if let PidMode::Container(of) = &mut namespaces.pid {
        *of = resolve("HostConfig.PidMode", of)?.to_string();
    }
    if let IpcMode::Container(of) = &mut namespaces.ipc {
        *of = resolve("HostConfig.IpcMode", of)?.to_string();
    }
    Ok(())
}

/// What cannot be said of a network that is another container's.
fn check_shared_network(spec: &ContainerSpec) -> Result<(), Error> {
    let conflicts = |what: &str| {
        let message = format!("conflicting options: {what} and the container type network mode");
        Err(NetworkError::config(message).into())
    };
    if !spec.port_bindings.is_empty() || spec.publish_all_ports {
        return conflicts("port publishing");
    }
    match spec.hostname.is_empty() {
        true => Ok(()),
        false => conflicts("hostname"),
    }
}

/// The containers that are found under other names, by their ids. On a network that was made,
/// its own places say so.
fn admit_links(spec: &mut ContainerSpec, context: &Context) -> Result<(), Error> {
    if spec.links.is_empty() {
        return Ok(());
    }
    let conflicts = |mode: &str| -> Error {
        let message = format!(
            "conflicting options: {mode} can't be used with links. This would result in undefined behavior"
        );
        NetworkError::config(message).into()
    };
    const HOST: &str = "host type networking";
    match &spec.namespaces.network {
        NetworkMode::Host => return Err(conflicts(HOST)),
        NetworkMode::Container(_) => return Err(conflicts("container type network")),
        NetworkMode::Named(name) if name != "bridge" => {
            spec.links.clear();
            return Ok(());
        }
        NetworkMode::Named(_) | NetworkMode::None | NetworkMode::Default => {}
    }
    let mut links: Vec<Link> = Vec::with_capacity(spec.links.len());
    for mut link in std::mem::take(&mut spec.links) {
        let index = &context.index;
        let found = index.resolve(&link.container);
        let found = found.and_then(|id| index.container(&id)).map_err(|error| {
            let words = format!("could not get container for {}: {error}", link.container);
            Error::invalid("HostConfig.Links", words)
        })?;
        let linked = found.snapshot();
        if linked.record.spec.namespaces.network == NetworkMode::Host {
            return Err(conflicts(HOST));
        }
        link.container = linked.id().to_string();
        link.name.clone_from(&linked.record.name);
        // COMPAT: of two with the same alias the later one counts; one without is none.
        links.retain(|known| known.alias != link.alias);
        if !link.alias.is_empty() {
            links.push(link);
        }
    }
    spec.links = links;
    Ok(())
}

/// Brings the places in networks to one form, and checks those whose network is there
/// already. COMPAT: one that is not there is found out at the start.
fn admit_networks(spec: &mut ContainerSpec, context: &Context) -> Result<(), Error> {
    crate::networks::publications(spec)?;
    let mode = spec.namespaces.network.clone();
    let name = match &mode {
        NetworkMode::Named(name) => name.clone(),
        NetworkMode::Container(name) => {
            // COMPAT: that there is none is found out at the start.
            if let Ok(id) = context.index.resolve(name) {
                spec.namespaces.network = NetworkMode::Container(id.to_string());
            }
            spec.networks.clear();
            return Ok(());
        }
        NetworkMode::None | NetworkMode::Host | NetworkMode::Default => {
            spec.networks.clear();
            return Ok(());
        }
    };
    if let Some(default) = spec.networks.remove("default") {
        spec.networks.insert(name.clone(), default);
    }
    spec.networks.entry(name).or_default();
    for (name, place) in &spec.networks {
        let Ok(record) = context.networks.resolve(name) else {
            continue;
        };
        let checked = crate::networks::check_endpoint(&record, place);
        checked.map_err(|error| match error {
            Error::Network(NetworkError::Endpoint { message }) => {
                NetworkError::config(format!("invalid config for network {name}: {message}")).into()
            }
            error => error,
        })?;
    }
    Ok(())
}

fn check_policy(spec: &ContainerSpec) -> Result<(), Error> {
    match spec.auto_remove && spec.restart != RestartPolicy::No {
        true => Err(Error::invalid(
            "HostConfig.AutoRemove",
            "can't create 'AutoRemove' container with restart policy",
        )),
        false => Ok(()),
    }
}

fn check_resources(spec: &mut ContainerSpec, warnings: &mut Vec<String>) -> Result<(), Error> {
    const SMALLEST: u64 = 6 << 20;
    let resources = &mut spec.resources;
    let invalid = |field, words: &str| Error::invalid(field, words);
    if resources.memory.is_some_and(|memory| memory < SMALLEST) {
        return Err(invalid("Memory", "Minimum memory limit allowed is 6MB"));
    }
    check_swap(resources)?;
    if resources
        .memory_reservation
        .is_some_and(|low| low < SMALLEST)
    {
        return Err(invalid(
            "MemoryReservation",
            "Minimum memory reservation allowed is 6MB",
        ));
    }
    if resources
        .memory_reservation
        .is_some_and(|low| resources.memory.is_some_and(|memory| low > memory))
    {
        return Err(invalid(
            "MemoryReservation",
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ));
    }
    if resources.memory_swappiness.is_some_and(|value| value > 100) {
        let value = resources.memory_swappiness.unwrap_or_default();
        let words = format!("Invalid value: {value}, valid memory swappiness range is 0-100");
        return Err(Error::invalid("MemorySwappiness", words));
    }
    let rival = match (resources.cpu_period, resources.cpu_quota) {
        (Some(_), _) => Some("Period"),
        (None, Some(_)) => Some("Quota"),
        (None, None) => None,
    };
    if let Some(rival) = rival.filter(|_| resources.nano_cpus.is_some()) {
        let words = format!("Conflicting options: Nano CPUs and CPU {rival} cannot both be set");
        return Err(Error::invalid("NanoCpus", words));
    }
    crate::processors::check(resources)?;
    if resources
        .cpu_period
        .is_some_and(|period| !(1_000..=1_000_000).contains(&period))
    {
        return Err(invalid(
            "CpuPeriod",
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ));
    }
    if resources
        .cpu_quota
        .is_some_and(|quota| quota > 0 && quota < 1_000)
    {
        return Err(invalid(
            "CpuQuota",
            "CPU cfs quota can not be less than 1ms (i.e. 1000)",
        ));
    }
    if resources
        .blkio_weight
        .is_some_and(|weight| !(10..=1_000).contains(&weight))
    {
        return Err(invalid(
            "BlkioWeight",
            "Range of blkio weight is from 10 to 1000",
        ));
    }
    if resources
        .oom_score_adj
        .is_some_and(|adjust| !(-1_000..=1_000).contains(&adjust))
    {
        let value = resources.oom_score_adj.unwrap_or_default();
        let words = format!("Invalid value {value}, range for oom score adj is [-1000, 1000]");
        return Err(Error::invalid("OomScoreAdj", words));
    }
    if resources.oom_kill_disable == Some(true) && resources.memory.is_none() {
        warnings.push("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.".to_owned());
    }
    Ok(())
}

/// How far memory and swap together fit the memory.
fn check_swap(resources: &crate::ResourceSpec) -> Result<(), Error> {
    match (resources.memory, resources.memory_swap) {
        (None, Some(swap)) if swap > 0 => {
            return Err(Error::invalid(
                "MemorySwap",
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ));
        }
        (Some(memory), Some(swap)) if swap > 0 && swap.cast_unsigned() < memory => {
            return Err(Error::invalid(
                "MemorySwap",
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ));
        }
        _ => {}
    }
    Ok(())
}

fn check_mounts(spec: &ContainerSpec) -> Result<(), Error> {
    for target in &spec.volumes {
        // COMPAT: one that is not absolute is taken from the root; the root itself is not.
        let is_root = crate::mount_points::clean(target) == "/" || target.contains("..");
        if (is_root && !target.starts_with('/')) || target.contains('\0') {
            return Err(Error::invalid(
                "Config.Volumes",
                format!("invalid mount path: '{target}' mount path must be absolute"),
            ));
        }
    }
    for target in spec.tmpfs.keys() {
        if !target.starts_with('/') || target.contains('\0') {
            return Err(Error::invalid(
                "mount",
                format!("invalid mount path: '{target}' mount path must be absolute"),
            ));
        }
        if crate::mount_points::clean(target) == "/" {
            return Err(Error::invalid(
                "mount",
                "invalid specification: destination can't be '/'",
            ));
        }
    }
    Ok(())
}
