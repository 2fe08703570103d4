//! Volumes: there are none that the API could list.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use docker_schema::volume::ListResponse;

pub(crate) async fn list(call: Call) -> Result<Response> {
    call.query
        .filters(&["dangling", "driver", "label", "name"])?;
    Ok(body::ok(&ListResponse {
        volumes: Some(Vec::new()),
        warnings: None,
    }))
}

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    Err(Error::not_found("volume", call.name()))
}
