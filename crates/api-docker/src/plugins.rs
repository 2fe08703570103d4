//! Managed plugins: there are none.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use http::StatusCode;

pub(crate) async fn list(_: Call) -> Result<Response> {
    Ok(body::ok::<[(); 0]>(&[]))
}

/// Nothing is installed.
pub(crate) async fn refuse(_: Call) -> Result<Response> {
    Err(Call::refuse(
        "a managed plugin",
        "volumes, networks and logs have drivers of their own here",
    ))
}

/// No plugin has this name, or any.
pub(crate) async fn missing(call: Call) -> Result<Response> {
    let message = format!("plugin {:?} not found", call.name());
    Err(Error::new(StatusCode::NOT_FOUND, message))
}
