//! Builds: none is offered yet, so that there is nothing of them to remove.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::query;
use docker_schema::build::PruneReport;
use engine::EventType;
use http::StatusCode;
use http_body_util::BodyExt as _;

/// Whoever asks for a build is told that there is none, once what it sends was taken: a client
/// that still sends does not read.
pub(crate) async fn refuse(mut call: Call) -> Result<Response> {
    while let Some(Ok(_)) = call.body.frame().await {}
    Err(Call::refuse(
        "building images",
        "build them elsewhere, and load, import or pull them",
    ))
}

/// There is no build that could be ended. COMPAT: one that is not known has ended already.
pub(crate) async fn cancel(call: Call) -> Result<Response> {
    match call.query.text("id") {
        "" => Err(Error::bad_request("build ID not provided")),
        _ => Ok(body::empty(StatusCode::OK)),
    }
}

/// COMPAT: `docker system prune` asks this too, whatever else it is about.
pub(crate) async fn prune(call: Call) -> Result<Response> {
    for name in SIZES {
        let size = call.query.text(name);
        if !size.is_empty() && size.parse::<i64>().is_err() {
            return Err(Error::bad_request(format!(
                "{name} is in bytes and expects an integer, got {size}: strconv.Atoi: parsing \
                 {size:?}: invalid syntax"
            )));
        }
    }
    let failed = |error: Error| error.prefixed("failed to prune build cache: ");
    let filters = call.query.filters(&FILTERS).map_err(failed)?;
    query::until(&filters).map_err(|error| {
        failed(error.prefixed("\"until\" filter expects a duration (e.g., '24h') or a timestamp: "))
    })?;
    let events = call.api.engine.events();
    events.record_prune(EventType::Builder, 0);
    Ok(body::ok(&PruneReport::default()))
}

/// What may stay, in bytes.
const SIZES: [&str; 4] = [
    "keep-storage",
    "reserved-space",
    "max-used-space",
    "min-free-space",
];

const FILTERS: [&str; 11] = [
    "description",
    "id",
    "inuse",
    "label",
    "label!",
    "parent",
    "private",
    "shared",
    "type",
    "until",
    "unused-for",
];
