//! Swarm's endpoints: corten answers as a dockerd that is in no swarm.

use crate::body::Response;
use crate::call::Call;
use crate::error::{Error, Result};
use http::StatusCode;

/// dockerd's words, on which compose and Portainer fall back.
pub(crate) const INACTIVE: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";

pub(crate) async fn inactive(_: Call) -> Result<Response> {
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, INACTIVE))
}

pub(crate) async fn leave(_: Call) -> Result<Response> {
    let words = "This node is not part of a swarm";
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, words))
}

/// Making or joining a swarm is not offered; Kubernetes does what swarm did.
pub(crate) async fn refuse(_: Call) -> Result<Response> {
    Err(Call::refuse(
        "swarm",
        "corten is a node runtime; schedule with Kubernetes",
    ))
}
