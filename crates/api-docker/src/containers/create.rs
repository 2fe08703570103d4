//! A create request becomes a specification: every field is understood, or refused by name.

use super::{health, host_config, resources, security};
use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::server::Api;
use crate::version::ApiVersion;
use docker_schema::container::{self, Config, CreateRequest, CreateResponse};
use engine::{ContainerSpec, EndpointSpec, NetworkMode, ProcessSpec, RestartPolicy, Streams};
use http::StatusCode;
use std::collections::BTreeMap;
use types::{Signal, SignalError};

pub(crate) async fn create(call: Call) -> Result<Response> {
    let name = call.query.text("name").to_owned();
    let platform = call.query.text("platform").to_owned();
    let (api, version) = (call.api.clone(), call.version);
    let mut request = call.required(CreateRequest::decode).await?;
    // COMPAT: without the container's own part there is none.
    if request.config == Config::default() {
        return Err(Error::bad_request(
            "config cannot be empty in order to create a container",
        ));
    }
    check_platform(&api, &request.config.image, &platform).await?;
    let name = name.strip_prefix('/').unwrap_or(&name);
    let name = (!name.is_empty()).then_some(name);
    if version >= V1_52 {
        // They are gone, and what clients say of them with it.
        request.config.mac_address.clear();
        request.host_config.kernel_memory_tcp = 0;
    }
    let dated = (version >= V1_44 && !request.config.mac_address.is_empty()).then(|| {
        "The container-wide MacAddress field is now deprecated. It should be specified in \
         EndpointsConfig instead."
            .to_owned()
    });
    let migrated = super::sysctls::migrate(&mut request, version)?;
    let unbound = unbound_ports(&request, version);
    let ignored = ignored(&request);
    let spec = specification(&request)?;
    let created = api.engine.containers().create(name, spec).await?;
    let document = CreateResponse {
        id: created.id.to_string(),
        warnings: created
            .warnings
            .into_iter()
            .chain(dated)
            .chain(migrated)
            .chain(unbound)
            .chain(ignored)
            .collect(),
    };
    Ok(body::json(StatusCode::CREATED, &document))
}

const V1_44: ApiVersion = ApiVersion::new(1, 44);
const V1_52: ApiVersion = ApiVersion::new(1, 52);

/// COMPAT: a port with an empty list of bindings is published wherever there is room, of which a
/// newer client is warned.
fn unbound_ports(request: &CreateRequest, version: ApiVersion) -> Option<String> {
    let bindings = request.host_config.port_bindings.iter().flatten();
    let empty = bindings.filter(|(_, bindings)| bindings.iter().all(Vec::is_empty));
    let ports = empty.map(|(port, _)| match port.contains('/') {
        true => port.clone(),
        false => format!("{port}/tcp"),
    });
    let ports: Vec<String> = ports.collect();
    (version >= V1_52 && !ports.is_empty()).then(|| {
        format!(
            "Following container port(s) have an empty list of port-bindings: {}. Such bindings \
             will be discarded in a future version.",
            ports.join(", ")
        )
    })
}

/// COMPAT: what dockerd says of what it takes and does not do, or does not promise.
fn ignored(request: &CreateRequest) -> Vec<String> {
    let host = &request.host_config;
    let percent =
        (host.cpu_percent != 0).then_some("linux does not support CPU percent. Percent discarded.");
    let mut mounts = host.mounts.iter().flatten();
    let image = mounts.any(|mount| mount.r#type == "image");
    let image = image.then_some("Image mount is an experimental feature");
    percent
        .into_iter()
        .chain(image)
        .map(str::to_owned)
        .collect()
}

/// Refuses an image that is here for another platform than was asked for.
async fn check_platform(api: &Api, image: &str, platform: &str) -> Result<()> {
    let Some(wanted) = crate::images::platform(platform)? else {
        return Ok(());
    };
    let (images, name) = (api.engine.images().clone(), image.to_owned());
    let Ok(found) = crate::images::blocking(move || images.resolve(&name)).await else {
        // That it is not there is told when it is needed.
        return Ok(());
    };
    let own = found.config.platform();
    match wanted.rank(&own) {
        Some(_) => Ok(()),
        None => Err(Error::not_found("image", image).worded(format!(
            "image with reference {image} was found but its platform ({own}) does not match the \
             specified platform ({wanted})"
        ))),
    }
}

/// The specification of a request.
pub(crate) fn specification(request: &CreateRequest) -> Result<ContainerSpec> {
    let (config, host) = (&request.config, &request.host_config);
    host_config::refuse(host)?;
    let mut spec = ContainerSpec {
        image: config.image.clone(),
        process: process(config),
        streams: streams(config),
        hostname: config.hostname.clone(),
        domainname: config.domainname.clone(),
        labels: config.labels.clone().unwrap_or_default(),
        exposed_ports: keys(config.exposed_ports.as_ref()),
        volumes: keys(config.volumes.as_ref()),
        stop_signal: stop_signal(&config.stop_signal)?,
        stop_timeout: config.stop_timeout,
        health: config.healthcheck.as_ref().map(health::check).transpose()?,
        on_build: config.on_build.clone().unwrap_or_default(),
        shell: config.shell.clone().unwrap_or_default(),
        restart: restart_policy(&host.restart_policy)?,
        resources: resources::of_new(host)?,
        security: security::of(host)?,
        ..ContainerSpec::default()
    };
    host_config::fill(&mut spec, host)?;
    let own = matches!(
        spec.namespaces.network,
        NetworkMode::Default | NetworkMode::Named(_)
    );
    if config.network_disabled && own {
        spec.namespaces.network = NetworkMode::None;
    }
    spec.networks = networks(request, &spec)?;
    super::given::keep(&mut spec, request);
    Ok(spec)
}

/// The signal that asks the program to end. COMPAT: a number that is no signal is taken, and the
/// program is asked in the usual way.
fn stop_signal(text: &str) -> Result<Option<Signal>> {
    if text.is_empty()
        || text
            .parse::<u16>()
            .is_ok_and(|number| number > GREATEST_SIGNAL)
    {
        return Ok(None);
    }
    let parsed = text.parse().map(Some);
    parsed.map_err(|error: SignalError| Error::bad_request(error.to_string()))
}

const GREATEST_SIGNAL: u16 = 64;

fn process(config: &Config) -> ProcessSpec {
    ProcessSpec {
        entrypoint: config.entrypoint.clone(),
        // COMPAT: an empty list is as none.
        command: config.cmd.clone().filter(|words| !words.is_empty()),
        env: config.env.clone().unwrap_or_default(),
        user: config.user.clone(),
        working_dir: config.working_dir.clone(),
    }
}

fn streams(config: &Config) -> Streams {
    Streams {
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        tty: config.tty,
    }
}

fn keys<K: Ord + Clone, V>(map: Option<&BTreeMap<K, V>>) -> std::collections::BTreeSet<K> {
    map.into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect()
}

/// The places in networks; an address given the old way is the first network's.
fn networks(
    request: &CreateRequest,
    spec: &ContainerSpec,
) -> Result<BTreeMap<String, EndpointSpec>> {
    let asked = request.networking_config.iter();
    let asked = asked.flat_map(|networking| &networking.endpoints_config);
    let mut networks = BTreeMap::new();
    for (name, endpoint) in asked.flatten() {
        networks.insert(name.clone(), crate::networks::endpoint(endpoint)?);
    }
    let mac = &request.config.mac_address;
    if !mac.is_empty() {
        let mode = host_config::network_name(&spec.namespaces.network);
        let own: &mut EndpointSpec = networks.entry(mode).or_default();
        own.mac.clone_from(mac);
    }
    Ok(networks)
}

/// The policy, checked in dockerd's words.
pub(crate) fn restart_policy(policy: &container::RestartPolicy) -> Result<RestartPolicy> {
    let count = policy.maximum_retry_count;
    let only = |policy| match count {
        0 => Ok(policy),
        _ => Err(Error::bad_request(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        )),
    };
    match policy.name.as_str() {
        "" | "no" => only(RestartPolicy::No),
        "always" => only(RestartPolicy::Always),
        "unless-stopped" => only(RestartPolicy::UnlessStopped),
        "on-failure" => u32::try_from(count)
            .map(RestartPolicy::OnFailure)
            .map_err(|_| {
                Error::bad_request("invalid restart policy: maximum retry count cannot be negative")
            }),
        other => Err(Error::bad_request(format!(
            "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', \
             'on-failure', or 'unless-stopped'"
        ))),
    }
}

/// A terminal's size, rows and columns; nothing for zero.
pub(crate) fn console_size(size: [u32; 2]) -> Option<(u16, u16)> {
    let [height, width] = size.map(|side| u16::try_from(side).unwrap_or(u16::MAX));
    (height > 0 && width > 0).then_some((height, width))
}
