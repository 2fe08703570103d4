//! All about one container.

use super::host_config;
use super::network::network_settings;
use crate::body::Response;
use crate::call::Call;
use crate::compat::{self, Rule};
use crate::error::Result;
use crate::version::ApiVersion;
use docker_schema::container::{Config, HostConfig, Inspect, State};
use docker_schema::image::GraphDriver;
use docker_schema::mount::MountPoint;
use docker_schema::{Empty, ZERO_TIME};
use engine::{ContainerSpec, ContainerState, Inspection, Status};
use std::collections::BTreeMap;
use std::path::Path;
use types::Timestamp;

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    let id = call.container()?;
    let containers = call.api.engine.containers();
    let mut document = document(&containers.inspect(&id)?, call.api.engine.networks());
    if call.query.flag("size") {
        let usage = containers.usage(&id).await?;
        let written = i64::try_from(usage).unwrap_or(i64::MAX);
        let image = call.api.engine.images().resolve(&document.image);
        let below = image.map_or(0, |image| i64::try_from(image.size).unwrap_or(i64::MAX));
        document.size_rw = Some(written);
        document.size_root_fs = Some(written.saturating_add(below));
    }
    Ok(compat::ok(&document, call.version, &RULES))
}

const V1_52: ApiVersion = ApiVersion::new(1, 52);
/// What newer versions do not have.
const RULES: [Rule; 3] = [
    Rule::gone(
        V1_52,
        "NetworkSettings",
        &[
            "Bridge",
            "HairpinMode",
            "LinkLocalIPv6Address",
            "LinkLocalIPv6PrefixLen",
            "SecondaryIPAddresses",
            "SecondaryIPv6Addresses",
            "EndpointID",
            "Gateway",
            "GlobalIPv6Address",
            "GlobalIPv6PrefixLen",
            "IPAddress",
            "IPPrefixLen",
            "IPv6Gateway",
            "MacAddress",
        ],
    ),
    Rule::gone(V1_52, "HostConfig", &["KernelMemoryTCP"]),
    Rule::empty(V1_52, "Config", &["OnBuild"]),
];

/// A list, or Go's nil for an empty one.
pub(crate) fn or_null<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// A map, or Go's nil for an empty one.
pub(crate) fn map_or_null(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn document(inspection: &Inspection, networks: &engine::Networks) -> Inspect {
    let container = &inspection.container;
    let (record, spec) = (&container.record, &container.record.spec);
    let words = record.program();
    let (path, args) = words.split_first().unwrap_or((&"", &[]));
    Inspect {
        id: record.id.to_string(),
        created: record.created.to_string(),
        path: (*path).to_owned(),
        args: args.iter().map(|word| (*word).to_owned()).collect(),
        state: state(&container.state),
        image: record.image_id.clone(),
        resolv_conf_path: text(&inspection.resolv_conf_path),
        hostname_path: text(&inspection.hostname_path),
        hosts_path: text(&inspection.hosts_path),
        log_path: inspection.log_path.as_deref().map(text).unwrap_or_default(),
        name: format!("/{}", record.name),
        restart_count: container.state.restart_count.into(),
        driver: inspection.storage_driver.to_owned(),
        platform: "linux".to_owned(),
        app_armor_profile: spec.security.apparmor.clone().unwrap_or_default(),
        exec_ids: or_null(inspection.execs.iter().map(ToString::to_string).collect()),
        host_config: HostConfig {
            links: or_null(inspection.links.clone()),
            ..host_config::show(spec)
        },
        graph_driver: GraphDriver {
            name: inspection.storage_driver.to_owned(),
            data: None,
        },
        mounts: record.mounts.iter().map(mount_point).collect(),
        config: config(inspection),
        network_settings: network_settings(container, networks),
        ..Inspect::default()
    }
}

fn state(state: &ContainerState) -> State {
    let time = |time: Option<Timestamp>| time.map_or(ZERO_TIME.to_owned(), |t| t.to_string());
    State {
        status: state.status.name().to_owned(),
        // COMPAT: what is paused or waits for its restart counts as running.
        running: state.status.is_live(),
        paused: state.status == Status::Paused,
        restarting: state.status == Status::Restarting,
        oom_killed: state.oom_killed,
        dead: state.status == Status::Dead,
        pid: state.pid.unwrap_or_default().into(),
        exit_code: state.exit_code.into(),
        error: state.error.clone(),
        started_at: time(state.started),
        finished_at: time(state.finished),
        health: state.health.as_ref().map(super::health::show),
    }
}

pub(crate) fn mount_point(mount: &engine::MountPoint) -> MountPoint {
    MountPoint {
        r#type: mount.kind.clone(),
        name: mount.name.clone().unwrap_or_default(),
        source: mount.source.clone(),
        destination: mount.target.clone(),
        driver: mount.driver.clone().unwrap_or_default(),
        mode: mount.mode.clone(),
        rw: mount.writable,
        propagation: mount.propagation.clone(),
    }
}

fn set(names: &std::collections::BTreeSet<String>) -> Option<BTreeMap<String, Empty>> {
    let entries = names.iter().map(|name| (name.clone(), Empty {}));
    (!names.is_empty()).then(|| entries.collect())
}

fn config(inspection: &Inspection) -> Config {
    let record = &inspection.container.record;
    let mut config = own_config(&record.spec);
    if config.hostname.is_empty() {
        record.id.short().clone_into(&mut config.hostname);
    }
    // COMPAT: the Ethernet address that was asked for in its own network is shown here, too.
    let own = host_config::network_name(&record.spec.namespaces.network);
    if let Some(place) = record.spec.networks.get(&own) {
        config.mac_address.clone_from(&place.mac);
    }
    config
}

/// `Config` as inspect shows it, but for a host name that was not given.
pub(super) fn own_config(spec: &ContainerSpec) -> Config {
    let mut config = Config {
        hostname: spec.hostname.clone(),
        domainname: spec.domainname.clone(),
        user: spec.process.user.clone(),
        attach_stdin: spec.streams.attach_stdin,
        attach_stdout: spec.streams.attach_stdout,
        attach_stderr: spec.streams.attach_stderr,
        exposed_ports: set(&spec.exposed_ports),
        tty: spec.streams.tty,
        open_stdin: spec.streams.open_stdin,
        stdin_once: spec.streams.stdin_once,
        env: or_null(spec.process.env.clone()),
        cmd: spec.process.command.clone(),
        image: spec.image.clone(),
        volumes: set(&spec.volumes),
        working_dir: spec.process.working_dir.clone(),
        entrypoint: spec.process.entrypoint.clone(),
        on_build: or_null(spec.on_build.clone()),
        labels: Some(spec.labels.clone()),
        stop_signal: spec
            .stop_signal
            .map(|signal| signal.to_string())
            .unwrap_or_default(),
        stop_timeout: spec.stop_timeout,
        shell: or_null(spec.shell.clone()),
        healthcheck: spec.health.as_ref().map(super::health::show_check),
        ..Config::default()
    };
    super::given::show_config(&mut config, &spec.given);
    config
}
