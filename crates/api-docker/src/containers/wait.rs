//! Waiting for a container: the head of the answer is sent at once, its body at the end.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::version::ApiVersion;
use docker_schema::container::{WaitError, WaitResponse};
use engine::WaitCondition;

/// The version that brought conditions.
const CONDITIONS: ApiVersion = ApiVersion::new(1, 30);

pub(crate) async fn wait(call: Call) -> Result<Response> {
    let condition = condition(&call)?;
    let id = call.container()?;
    let waiter = call.api.engine.containers().wait(&id, condition)?;
    let (writer, response) = body::stream("application/json");
    let stopping = call.api.stopping.clone();
    call.api.tracker.spawn(async move {
        let ended = tokio::select! {
            ended = waiter.ended() => ended,
            () = writer.closed() => return,
            () = stopping.cancelled() => return writer.interrupt(),
        };
        match ended {
            // A client that went meanwhile needs no answer.
            Ok(ended) => drop(writer.document(&answer(ended, condition)).await),
            Err(error) => writer.fail(error.into()).await,
        }
    });
    Ok(response)
}

fn condition(call: &Call) -> Result<WaitCondition> {
    if call.version < CONDITIONS {
        return Ok(WaitCondition::NotRunning);
    }
    match call.query.text("condition") {
        "" | "not-running" => Ok(WaitCondition::NotRunning),
        "next-exit" => Ok(WaitCondition::NextExit),
        "removed" => Ok(WaitCondition::Removed),
        other => Err(Error::bad_request(format!("invalid condition: {other:?}"))),
    }
}

fn answer(ended: engine::Ended, condition: WaitCondition) -> WaitResponse {
    // COMPAT: a removal that went well has no error, whatever went wrong before.
    let failed = !ended.error.is_empty() && condition != WaitCondition::Removed;
    WaitResponse {
        error: failed.then_some(WaitError {
            message: ended.error,
        }),
        status_code: ended.exit_code.into(),
    }
}
