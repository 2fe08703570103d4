//! What a container changed of its image's files.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::Result;
use docker_schema::container::FilesystemChange;
use engine::ChangeKind;

pub(crate) async fn list(call: Call) -> Result<Response> {
    let id = call.container()?;
    let changes = call.api.engine.containers().changes(&id).await?;
    let changes = changes.into_iter().map(|change| FilesystemChange {
        kind: match change.kind {
            ChangeKind::Modified => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        },
        path: change.path,
    });
    Ok(body::ok(&super::or_null(changes.collect())))
}
