//! Volumes: made, listed, removed.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::server::Api;
use crate::version::ApiVersion;
use docker_schema::filters::Filters;
use docker_schema::volume::{CreateRequest, ListResponse, PruneReport, UsageData, Volume};
use engine::{Absent, LabelFilter, Named, Pattern, VolumeFilter, VolumeRecord, VolumeSpec};
use http::StatusCode;
use std::collections::BTreeMap;

pub(crate) async fn create(call: Call) -> Result<Response> {
    let api = call.api.clone();
    let request: CreateRequest = call.document().await?;
    let spec = VolumeSpec {
        name: request.name,
        driver: request.driver,
        options: request.driver_opts,
        labels: request.labels,
    };
    let made = api.engine.volumes().create(spec).await?;
    Ok(body::json(StatusCode::CREATED, &shown(&api, &made)))
}

pub(crate) async fn list(call: Call) -> Result<Response> {
    let filters = call
        .query
        .filters(&["dangling", "driver", "label", "name"])?;
    let filter = VolumeFilter {
        names: filters.values("name").map(Pattern::from).collect(),
        drivers: filters.values("driver").map(str::to_owned).collect(),
        dangling: dangling(&filters)?,
        ..labelled(&filters)
    };
    let found = call.api.engine.volumes().list(&filter);
    let shown = found.iter().map(|record| shown(&call.api, record));
    Ok(body::ok(&ListResponse {
        volumes: Some(shown.collect()),
        warnings: None,
    }))
}

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    let found = call.api.engine.volumes().find(call.name())?;
    Ok(body::ok(&shown(&call.api, &found)))
}

/// COMPAT: only volumes of a swarm can be changed.
pub(crate) async fn update(call: Call) -> Result<Response> {
    drop(call);
    Err(Error::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "volume update only valid for cluster volumes, but swarm is unavailable",
    ))
}

pub(crate) async fn remove(call: Call) -> Result<Response> {
    let absent = match call.query.flag("force") {
        true => Absent::Ignored,
        false => Absent::Refused,
    };
    let volumes = call.api.engine.volumes();
    volumes.remove(call.name(), absent).await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn prune(call: Call) -> Result<Response> {
    let filters = call.query.filters(&["all", "label", "label!"])?;
    // COMPAT: before API 1.42 volumes with a name went too.
    let named = match all(&filters)? || call.version < ApiVersion::new(1, 42) {
        true => Named::Removed,
        false => Named::Kept,
    };
    let volumes = call.api.engine.volumes();
    let pruned = volumes.prune(&labelled(&filters), named).await?;
    let names = pruned.volumes.iter().map(ToString::to_string);
    Ok(body::ok(&PruneReport {
        volumes_deleted: Some(names.collect()),
        space_reclaimed: pruned.bytes,
    }))
}

/// Every volume with what it takes, for `system df`.
pub(crate) async fn usage(api: &Api) -> Result<Vec<Volume>> {
    let volumes = api.engine.volumes();
    let counts = volumes.use_counts();
    let mut documents = Vec::new();
    // COMPAT: those with options, whose files are elsewhere, are not counted.
    let own = |record: &VolumeRecord| record.options.iter().all(BTreeMap::is_empty);
    let listed = volumes.list(&VolumeFilter::default());
    for record in listed.into_iter().filter(|record| own(record)) {
        // One that cannot be counted, or is gone meanwhile, has an unknown size.
        let bytes = volumes.usage(&record).await.ok().flatten();
        let size = bytes.and_then(|bytes| i64::try_from(bytes).ok());
        let users = counts
            .get(record.name.as_str())
            .copied()
            .unwrap_or_default();
        documents.push(Volume {
            usage_data: Some(UsageData {
                ref_count: i64::try_from(users).unwrap_or(i64::MAX),
                size: size.unwrap_or(-1),
            }),
            ..shown(api, &record)
        });
    }
    Ok(documents)
}

fn shown(api: &Api, record: &VolumeRecord) -> Volume {
    let seconds = record.created.to_string();
    let seconds = seconds.split(['.', 'Z']).next().unwrap_or_default();
    Volume {
        created_at: format!("{seconds}Z"),
        driver: record.driver.clone(),
        labels: record.labels.clone(),
        mountpoint: api.engine.volumes().mountpoint(record),
        name: record.name.to_string(),
        options: record.options.clone(),
        scope: "local".to_owned(),
        status: None,
        usage_data: None,
    }
}

fn labelled(filters: &Filters) -> VolumeFilter {
    VolumeFilter {
        labels: filters.values("label").map(LabelFilter::parse).collect(),
        without_labels: filters.values("label!").map(LabelFilter::parse).collect(),
        ..VolumeFilter::default()
    }
}

fn dangling(filters: &Filters) -> Result<Option<bool>> {
    truth(filters, "dangling")
}

fn all(filters: &Filters) -> Result<bool> {
    Ok(truth(filters, "all")?.unwrap_or(false))
}

fn truth(filters: &Filters, name: &str) -> Result<Option<bool>> {
    let values: Vec<&str> = filters.values(name).collect();
    match values.as_slice() {
        [] => Ok(None),
        ["1" | "true"] => Ok(Some(true)),
        ["0" | "false"] => Ok(Some(false)),
        [value] if name == "all" => Err(Error::bad_request(format!(
            "invalid filter '{name}': strconv.ParseBool: parsing {value:?}: invalid syntax"
        ))),
        values => Err(Error::bad_request(format!(
            "invalid filter '{name}=[{}]'",
            values.join(" ")
        ))),
    }
}
