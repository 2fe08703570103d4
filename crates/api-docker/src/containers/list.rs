//! Lists of containers, and their removal in bulk.

use super::host_config::network_name;
use super::inspect::mount_point;
use super::network::{endpoints, summary_ports};
use super::port_filter::PortFilter;
use super::status::status;
use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::server::Api;
use crate::version::ApiVersion;
use docker_schema::container::{PruneReport, Summary, SummaryHostConfig, SummaryNetworkSettings};
use docker_schema::filters::Filters;
use docker_schema::network::EndpointSettings;
use engine::{Container, ContainerFilter, LabelFilter, Networks, Pattern, Status};
use images::Image;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use types::Timestamp;

const FILTERS: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

pub(crate) async fn list(call: Call) -> Result<Response> {
    let filters = call.query.filters(&FILTERS)?;
    let mut filter = ContainerFilter {
        all: call.query.flag("all"),
        ancestors: ancestors(&call.api, &filters).await?,
        ..filter(&filters)?
    };
    let limit = call.query.number("limit")?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0);
    let matches = matcher(&filters)?;
    // The edge's own filters come before the limit.
    filter.all |= limit.is_some();
    let mut found = call.api.engine.containers().list(&filter)?;
    found.retain(|container| matches(container));
    found.truncate(limit.unwrap_or(usize::MAX));
    let sizes = call.query.flag("size");
    let mut summaries = summaries(&call.api, &found, sizes).await?;
    if call.version >= HEALTH {
        for (summary, container) in summaries.iter_mut().zip(&found) {
            summary.health = Some(super::health::summary(&container.state));
        }
    }
    Ok(body::ok(&summaries))
}

/// The version since which a list tells of health.
const HEALTH: ApiVersion = ApiVersion::new(1, 52);

/// The containers in a list's form.
pub(crate) async fn summaries(
    api: &Api,
    containers: &[Arc<Container>],
    sizes: bool,
) -> Result<Vec<Summary>> {
    let now = Timestamp::now();
    let mut links = api.engine.containers().link_names();
    let mut summaries = Vec::with_capacity(containers.len());
    for container in containers {
        let mut summary = summary(container, api.engine.networks(), now);
        summary
            .names
            .extend(links.remove(container.id()).unwrap_or_default());
        summary.names.sort();
        summaries.push(summary);
    }
    if sizes {
        measure(api, containers, &mut summaries).await?;
    }
    Ok(summaries)
}

/// Adds what each has written and what its image has; nothing, of what cannot be counted.
async fn measure(api: &Api, of: &[Arc<Container>], summaries: &mut [Summary]) -> Result<()> {
    let ids = of.iter().map(|container| container.id().clone()).collect();
    let written = api.engine.containers().usages(ids).await?;
    let mut below = HashMap::new();
    for (summary, container) in summaries.iter_mut().zip(of) {
        let image = &container.record.image_id;
        let below = below.entry(image).or_insert_with(|| {
            let image = api.engine.images().resolve(image);
            image.map_or(0, |image| signed(image.size))
        });
        summary.size_rw = written.get(container.id()).copied().map_or(0, signed);
        summary.size_root_fs = summary.size_rw.saturating_add(*below);
    }
    Ok(())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn summary(container: &Container, networks: &Networks, now: Timestamp) -> Summary {
    let (record, spec) = (&container.record, &container.record.spec);
    Summary {
        id: record.id.to_string(),
        names: vec![format!("/{}", record.name)],
        image: spec.image.clone(),
        image_id: record.image_id.clone(),
        command: command(&record.program()),
        created: i64::try_from(record.created.seconds()).unwrap_or(i64::MAX),
        ports: summary_ports(container),
        labels: spec.labels.clone(),
        state: container.state.status.name().to_owned(),
        status: status(&container.state, now),
        host_config: SummaryHostConfig {
            network_mode: network_name(&spec.namespaces.network),
            annotations: super::inspect::map_or_null(&spec.annotations),
        },
        network_settings: SummaryNetworkSettings {
            networks: told(endpoints(container, networks)),
        },
        mounts: record.mounts.iter().map(mount_point).collect(),
        ..Summary::default()
    }
}

/// COMPAT: what a list says of networks has no names and no options.
fn told(mut networks: BTreeMap<String, EndpointSettings>) -> BTreeMap<String, EndpointSettings> {
    for endpoint in networks.values_mut() {
        endpoint.aliases = None;
        endpoint.dns_names = None;
        endpoint.driver_opts = None;
        if let Some(ipam) = &mut endpoint.ipam_config {
            ipam.link_local_ips = None;
        }
    }
    networks
}

/// The words in one line; those with spaces are quoted.
fn command(words: &[&str]) -> String {
    let Some((program, arguments)) = words.split_first() else {
        return String::new();
    };
    let mut line = (*program).to_owned();
    for word in arguments {
        line.push(' ');
        match word.contains(' ') {
            true => line.extend(["'", word, "'"]),
            false => line.push_str(word),
        }
    }
    line
}

/// COMPAT: with strconv's words where it is no number.
fn unread_code(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(_) => format!("invalid filter 'exited={text}'"),
        Err(_) => format!(
            "invalid filter 'exited={text}': strconv.Atoi: parsing {text:?}: invalid syntax"
        ),
    }
}

fn texts(filters: &Filters, name: &str) -> Vec<String> {
    filters.values(name).map(str::to_owned).collect()
}

fn labels(filters: &Filters, name: &str) -> Vec<LabelFilter> {
    filters.values(name).map(LabelFilter::parse).collect()
}

fn filter(filters: &Filters) -> Result<ContainerFilter> {
    let statuses = filters.values("status").map(|text| {
        text.parse::<Status>().map_err(|_| {
            Error::bad_request(format!(
                "invalid filter 'status={text}': invalid value for state ({text}): must be one \
                 of created, running, paused, restarting, removing, exited, dead"
            ))
        })
    });
    // A code that no container can have matches none, and must not be left out.
    let codes = filters.values("exited").map(|text| {
        let code = text.parse::<u8>();
        code.map_err(|_| Error::bad_request(unread_code(text)))
    });
    Ok(ContainerFilter {
        ids: texts(filters, "id"),
        names: filters.values("name").map(Pattern::from).collect(),
        labels: labels(filters, "label"),
        statuses: statuses.collect::<Result<_>>()?,
        before: filters.values("before").next().map(str::to_owned),
        since: filters.values("since").next().map(str::to_owned),
        exit_codes: codes.collect::<Result<_>>()?,
        volumes: texts(filters, "volume"),
        networks: texts(filters, "network"),
        ..ContainerFilter::default()
    })
}

/// The images that `ancestor` names, whatever a container's request called them, and those made
/// of them here. COMPAT: a name that no image has is that of none.
async fn ancestors(api: &Api, filters: &Filters) -> Result<Option<BTreeSet<String>>> {
    let names = texts(filters, "ancestor");
    if names.is_empty() {
        return Ok(None);
    }
    let images = api.engine.images().clone();
    let found = crate::images::blocking(move || {
        let named = names.iter().filter_map(|name| images.resolve(name).ok());
        let mut found: BTreeSet<String> = named.map(|image| image.id.to_string()).collect();
        let all = images.list()?;
        let mut known = 0;
        while known < found.len() {
            known = found.len();
            let is_child = |image: &&Image| {
                let parent = image.parent.as_ref();
                parent.is_some_and(|parent| found.contains(&parent.to_string()))
            };
            let children = all
                .iter()
                .filter(is_child)
                .map(|image| image.id.to_string());
            let children: Vec<String> = children.collect();
            found.extend(children);
        }
        Ok::<_, images::Error>(found)
    });
    found.await.map(Some)
}

/// The filters that the engine has no notion of: ports, health, and swarm, which is not there.
fn matcher(filters: &Filters) -> Result<impl Fn(&Container) -> bool> {
    const HEALTH: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];
    let (ports, health) = (PortFilter::of(filters)?, texts(filters, "health"));
    if let Some(text) = health.iter().find(|text| !HEALTH.contains(&text.as_str())) {
        return Err(Error::bad_request(format!(
            "invalid filter 'health={text}': invalid value for health ({text}): must be one of \
             none, starting, healthy, unhealthy"
        )));
    }
    let tasks = filters.truth("is-task");
    let tasks = tasks.map_err(Error::bad_request)?;
    Ok(move |container: &Container| {
        let state = &container.state;
        tasks != Some(true)
            && (health.is_empty() || health.iter().any(|text| text == super::health::word(state)))
            && ports.matches(&summary_ports(container))
    })
}

pub(crate) async fn prune(call: Call) -> Result<Response> {
    let filters = call.query.filters(&["label", "label!", "until"])?;
    let filter = ContainerFilter {
        labels: labels(&filters, "label"),
        without_labels: labels(&filters, "label!"),
        until: crate::query::until(&filters)?,
        ..ContainerFilter::default()
    };
    let pruned = call.api.engine.containers().prune(&filter).await?;
    let ids = pruned.containers.iter().map(ToString::to_string).collect();
    Ok(body::ok(&PruneReport {
        containers_deleted: super::inspect::or_null(ids),
        space_reclaimed: pruned.bytes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line() {
        assert_eq!(command(&["sh", "-c", "echo a"]), "sh -c 'echo a'");
        assert_eq!(command(&["a b"]), "a b");
        assert_eq!(command(&[]), "");
    }

    #[test]
    fn an_unknown_status_is_told_in_dockers_words() {
        let filters = Filters::default().with("status", "x");
        let error = filter(&filters).unwrap_err().to_string();
        assert!(error.starts_with("invalid filter 'status=x': invalid value for state (x)"));
    }
}
