//! The daemon itself.

mod disk_usage;

use crate::body::{self, Response};
use crate::call::Call;
use crate::compat::{self, Rule};
use crate::containers::{DEFAULT_RUNTIME, RUNTIMES, or_null};
use crate::error::{Error, Result};
use crate::images::blocking;
use crate::server::About;
use crate::version::ApiVersion;
use crate::{containers, images, volumes};
use docker_schema::filters::Filters;
use docker_schema::system::{
    AddressPool, Component, DiskUsage, FirewallBackend, IndexConfig, Info, Platform, Plugins,
    RegistryConfig, Runtime, Swarm, Version,
};
use engine::{CgroupDriver, ContainerFilter, NetworkSettings};
use http::{HeaderName, HeaderValue, header};
use std::collections::BTreeMap;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The architecture in Go's name.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(crate) async fn ping(call: Call) -> Result<Response> {
    drop(call);
    let mut response = body::text(http::StatusCode::OK, "OK");
    let headers = response.headers_mut();
    let no_cache = HeaderValue::from_static("no-cache, no-store, must-revalidate");
    headers.insert(header::CACHE_CONTROL, no_cache);
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    // COMPAT: 1 is the builder without BuildKit; 2 would make clients open a session.
    let builder = HeaderName::from_static("builder-version");
    headers.insert(builder, HeaderValue::from_static("1"));
    let swarm = HeaderName::from_static("swarm");
    headers.insert(swarm, HeaderValue::from_static("inactive"));
    Ok(response)
}

pub(crate) async fn version(call: Call) -> Result<Response> {
    let about = call.api.about();
    let host = &about.host;
    let newest = ApiVersion::NEWEST.to_string();
    let oldest = ApiVersion::OLDEST.to_string();
    let details = [
        ("ApiVersion", newest.as_str()),
        ("Arch", go_arch()),
        ("Experimental", "false"),
        ("GitCommit", ""),
        ("GoVersion", ""),
        ("KernelVersion", host.kernel.as_str()),
        ("MinAPIVersion", oldest.as_str()),
        ("Os", "linux"),
    ];
    let details = details.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(body::ok(&Version {
        platform: Platform {
            name: "corten".to_owned(),
        },
        components: Some(vec![Component {
            name: "Engine".to_owned(),
            version: VERSION.to_owned(),
            details: Some(BTreeMap::from(details)),
        }]),
        version: VERSION.to_owned(),
        os: "linux".to_owned(),
        arch: go_arch().to_owned(),
        kernel_version: host.kernel.clone(),
        api_version: newest,
        min_api_version: oldest,
        ..Version::default()
    }))
}

pub(crate) async fn info(call: Call) -> Result<Response> {
    let api = &call.api;
    let about = api.about();
    let host = &about.host;
    let counts = api.engine.system().counts();
    let config = api.engine.system().config();
    let store = api.engine.images().clone();
    let images = blocking(move || store.list()).await?.len();
    let system = api.engine.system();
    let limits = |controller| system.limits(controller);
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let document = Info {
        id: about.id.clone(),
        containers: count(counts.containers),
        containers_running: count(counts.running),
        containers_paused: count(counts.paused),
        containers_stopped: count(counts.stopped),
        images: count(images),
        driver: api.engine.images().snapshotter().to_string(),
        driver_status: Some(Vec::new()),
        plugins: plugins(),
        memory_limit: limits("memory"),
        kernel_memory_tcp: host.cgroup_version == 1 && limits("memory"),
        swap_limit: limits("memory"),
        cpu_cfs_period: limits("cpu"),
        cpu_cfs_quota: limits("cpu"),
        cpu_shares: limits("cpu"),
        cpu_set: limits("cpuset"),
        pids_limit: limits("pids"),
        oom_kill_disable: host.cgroup_version == 1 && limits("memory"),
        ipv4_forwarding: host.ipv4_forwarding,
        debug: about.debug,
        system_time: types::Timestamp::now().to_string(),
        logging_driver: config.log.driver.clone(),
        cgroup_driver: match (system.has_cgroups(), config.cgroup_driver) {
            (false, _) => "none".to_owned(),
            (true, CgroupDriver::Cgroupfs) => "cgroupfs".to_owned(),
            (true, CgroupDriver::Systemd) => "systemd".to_owned(),
        },
        cgroup_version: host.cgroup_version.to_string(),
        kernel_version: host.kernel.clone(),
        operating_system: host.system.clone(),
        os_version: host.system_version.clone(),
        os_type: "linux".to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        registry_config: Some(registries(&about)),
        http_proxy: shown(about.registries.proxies.http.as_ref()),
        https_proxy: shown(about.registries.proxies.https.as_ref()),
        no_proxy: about.registries.proxies.no.clone().unwrap_or_default(),
        n_cpu: count(host.cpus),
        mem_total: i64::try_from(host.memory).unwrap_or(i64::MAX),
        docker_root_dir: config.paths.root.display().to_string(),
        name: host.name.clone(),
        labels: Some(about.labels.clone()),
        server_version: VERSION.to_owned(),
        runtimes: Some(
            RUNTIMES
                .map(|name| (name.to_owned(), Runtime::default()))
                .into(),
        ),
        default_runtime: DEFAULT_RUNTIME.to_owned(),
        swarm: Swarm {
            local_node_state: "inactive".to_owned(),
            ..Swarm::default()
        },
        live_restore_enabled: true,
        // COMPAT: the name that it has in containers.
        init_binary: "docker-init".to_owned(),
        default_address_pools: pools(&config.networks),
        security_options: Some(security_options(system)),
        warnings: warnings(system, host.cgroup_version),
        cdi_spec_dirs: Some(Vec::new()),
        firewall_backend: (call.version >= FIREWALL).then(|| FirewallBackend {
            driver: "nftables".to_owned(),
            ..FirewallBackend::default()
        }),
        ..Info::default()
    };
    Ok(compat::ok(&document, call.version, &[NO_KERNEL_MEMORY]))
}

const FIREWALL: ApiVersion = ApiVersion::new(1, 49);
const NO_KERNEL_MEMORY: Rule = Rule::gone(ApiVersion::new(1, 52), "", &["KernelMemoryTCP"]);

/// COMPAT: a profile by its path is called `custom`, as its document is what is kept.
fn security_options(system: &engine::System) -> Vec<String> {
    let defaults = system.defaults();
    let profile = match &defaults.seccomp {
        engine::SeccompMode::Default => "builtin",
        engine::SeccompMode::Unconfined => "unconfined",
        engine::SeccompMode::Profile(_) => "custom",
    };
    let mut options = vec![format!("name=seccomp,profile={profile}")];
    if system.config().users.is_some() {
        options.push("name=userns".to_owned());
    }
    if system.is_rootless() {
        options.push("name=rootless".to_owned());
    }
    if defaults.no_new_privileges {
        options.push("name=no-new-privileges".to_owned());
    }
    options
}

/// COMPAT: of cgroups dockerd's, of the firewall ours.
fn warnings(system: &engine::System, cgroup_version: u8) -> Option<Vec<String>> {
    let groups = match (system.has_cgroups(), system.is_rootless(), cgroup_version) {
        (true, ..) => None,
        (false, true, 1) => Some(
            "Running in rootless-mode without cgroups. To enable cgroups in rootless-mode, you need to boot the system in cgroup v2 mode.",
        ),
        (false, true, _) => Some(
            "Running in rootless-mode without cgroups. Systemd is required to enable cgroups in rootless-mode.",
        ),
        (false, false, _) => Some("Running without cgroups"),
    };
    let barriers = system.barriers().into_iter().map(|barrier| {
        format!("{barrier} drops by its policy what containers forward: they reach others only as far as its rules allow")
    });
    let all = groups.map(str::to_owned).into_iter().chain(barriers);
    let all: Vec<_> = all.map(|what| format!("WARNING: {what}")).collect();
    (!all.is_empty()).then_some(all)
}

fn strings(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

fn plugins() -> Plugins {
    let logs = engine::LOG_DRIVERS;
    // COMPAT: that there is none is not listed.
    let logs: Vec<&str> = logs.into_iter().filter(|log| *log != "none").collect();
    Plugins {
        volume: strings(&["local"]),
        network: strings(&["bridge", "host", "ipvlan", "macvlan", "null"]),
        authorization: None,
        log: strings(&logs),
    }
}

/// Where networks take their subnets from, if the settings say.
fn pools(settings: &NetworkSettings) -> Option<Vec<AddressPool>> {
    let pools = settings.pools.iter().map(|pool| AddressPool {
        base: pool.base.to_string(),
        size: pool.size.into(),
    });
    or_null(pools.collect())
}

/// A proxy's URL without its password.
fn shown(url: Option<&String>) -> String {
    let url = url.map(String::as_str);
    url.map(::images::without_secret).unwrap_or_default()
}

fn registries(about: &About) -> RegistryConfig {
    // COMPAT: a mirror's URL ends with a slash.
    let mirrors = about.registries.mirrors.iter();
    let mirrors = mirrors.map(|url| format!("{}/", url.trim_end_matches('/')));
    let mirrors: Vec<String> = mirrors.collect();
    let hub = IndexConfig {
        mirrors: Some(mirrors.clone()),
        name: "docker.io".to_owned(),
        official: true,
        secure: true,
    };
    let insecure = about.registries.insecure.iter().map(String::as_str);
    // COMPAT: loopback is always among the networks, and each of them is there once.
    let insecure = insecure.chain(["::1/128", "127.0.0.0/8"]);
    let (networks, names): (Vec<_>, Vec<_>) = insecure.partition(|rule| rule.contains('/'));
    let mut cidrs: Vec<String> = Vec::new();
    for network in networks.into_iter().map(str::to_owned) {
        if !cidrs.contains(&network) {
            cidrs.push(network);
        }
    }
    let index = |name: &str| IndexConfig {
        mirrors: Some(Vec::new()),
        name: name.to_owned(),
        official: false,
        secure: false,
    };
    let names = names.into_iter().map(|name| (name.to_owned(), index(name)));
    let mut index_configs: BTreeMap<String, IndexConfig> = names.collect();
    index_configs.insert("docker.io".to_owned(), hub);
    RegistryConfig {
        index_configs,
        insecure_registry_cidrs: Some(cidrs),
        mirrors: Some(mirrors),
    }
}

pub(crate) async fn df(call: Call) -> Result<Response> {
    let asked: Vec<&str> = call.query.all("type").collect();
    let known = ["container", "image", "volume", "build-cache"];
    if let Some(unknown) = asked.iter().find(|kind| !known.contains(kind)) {
        return Err(Error::bad_request(format!(
            "unknown object type: {unknown}"
        )));
    }
    let wants = |kind: &str| asked.is_empty() || asked.contains(&kind);
    let mut document = DiskUsage::default();
    if wants("image") {
        let store = call.api.engine.images().clone();
        let usage = blocking(move || store.usage()).await?;
        document.layers_size = Some(i64::try_from(usage.total).unwrap_or(i64::MAX));
        let mut summaries = images::summaries(&call.api, &Filters::default(), call.version).await?;
        for summary in &mut summaries {
            let found = usage
                .images
                .iter()
                .find(|image| image.id.to_string() == summary.id);
            let shared = found.map_or(0, |image| image.shared);
            summary.shared_size = i64::try_from(shared).unwrap_or(i64::MAX);
            // COMPAT: an image without any has `null` here, and none in lists.
            summary.repo_digests = summary.repo_digests.take().filter(|all| !all.is_empty());
        }
        document.images = Some(summaries);
    }
    if wants("container") {
        let all = ContainerFilter {
            all: true,
            ..ContainerFilter::default()
        };
        let found = call.api.engine.containers().list(&all)?;
        document.containers = Some(containers::summaries(&call.api, &found, true).await?);
    }
    if wants("volume") {
        document.volumes = Some(volumes::usage(&call.api).await?);
    }
    if wants("build-cache") {
        document.build_cache = Some(Vec::new());
    }
    if call.version >= disk_usage::SINCE {
        disk_usage::sum_up(&mut document, call.query.flag("verbose"));
    } else {
        document.layers_size.get_or_insert_default();
    }
    Ok(compat::ok(&document, call.version, &disk_usage::RULES))
}
