//! Checkpoints: not offered yet.

use crate::body::Response;
use crate::call::Call;
use crate::error::{Error, Result};

/// COMPAT: what dockerd says unless it was started in experimental mode.
pub(crate) async fn refuse(_: Call) -> Result<Response> {
    Err(Error::not_implemented(
        "This experimental feature is disabled by default. Start the Docker daemon in \
         experimental mode in order to enable it.",
    ))
}
