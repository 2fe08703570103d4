//! Builds: none is offered yet, so that there is nothing of them to remove.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::query;
use docker_schema::build::PruneReport;
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

/// COMPAT: `docker system prune` asks this too, whatever else it is about.
pub(crate) async fn prune(call: Call) -> Result<Response> {
    let filters = call.query.filters(&FILTERS)?;
    let until = query::until(&filters);
    until.map_err(|error| {
        let words = "failed to prune build cache: \"until\" filter expects a duration (e.g., \
                     '24h') or a timestamp: ";
        Error::prefixed(error, words)
    })?;
    Ok(body::ok(&PruneReport::default()))
}

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
