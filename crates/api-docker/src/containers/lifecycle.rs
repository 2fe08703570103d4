//! The verbs that change a container.

use super::create::restart_policy;
use super::resources;
use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::version::ApiVersion;
use docker_schema::container::{Top, UpdateRequest, UpdateResponse};
use engine::{BlockDevices, Problem, Removal, Size, Stop, Update};
use http::StatusCode;
use types::Signal;

fn no_content() -> Result<Response> {
    Ok(body::empty(StatusCode::NO_CONTENT))
}

fn signal(text: &str) -> Result<Option<Signal>> {
    if text.is_empty() {
        return Ok(None);
    }
    let signal = text.parse::<Signal>();
    signal
        .map(Some)
        .map_err(|error| Error::bad_request(error.to_string()))
}

pub(crate) async fn start(call: Call) -> Result<Response> {
    if call
        .query
        .find("checkpoint")
        .is_some_and(|name| !name.is_empty())
    {
        return Err(Call::refuse("checkpoint", "containers start afresh"));
    }
    let id = call.container()?;
    call.api.gates.wait(&id).await;
    call.api.engine.containers().start(&id).await?;
    no_content()
}

fn stop_of(call: &Call) -> Result<Stop> {
    Ok(Stop {
        signal: signal(call.query.text("signal"))?,
        timeout: call.query.number("t")?,
    })
}

pub(crate) async fn stop(call: Call) -> Result<Response> {
    let stop = stop_of(&call)?;
    let id = call.container()?;
    call.api.engine.containers().stop(&id, stop).await?;
    no_content()
}

pub(crate) async fn restart(call: Call) -> Result<Response> {
    let stop = stop_of(&call)?;
    let id = call.container()?;
    let restarted = call.api.engine.containers().restart(&id, stop).await;
    // COMPAT: dockerd says so before its reason.
    let prefix = format!("Cannot restart container {}: ", call.id());
    restarted.map_err(|error| Error::from(error).prefixed(prefix))?;
    no_content()
}

pub(crate) async fn kill(call: Call) -> Result<Response> {
    let prefix = format!("cannot kill container: {}: ", call.id());
    let killed = async {
        let signal = signal(call.query.text("signal"))?.unwrap_or(Signal::KILL);
        let id = call.container()?;
        Ok(call.api.engine.containers().kill(&id, signal).await?)
    };
    match killed.await {
        Ok(()) => no_content(),
        Err(error) => Err(Error::prefixed(error, prefix)),
    }
}

pub(crate) async fn pause(call: Call) -> Result<Response> {
    let id = call.container()?;
    call.api.engine.containers().pause(&id).await?;
    no_content()
}

pub(crate) async fn unpause(call: Call) -> Result<Response> {
    let id = call.container()?;
    match call.api.engine.containers().unpause(&id).await {
        // COMPAT: dockerd answers this one so.
        Err(error) if problem(&error) == Some(Problem::NotPaused) => {
            Err(Error::from(error).with_status(StatusCode::INTERNAL_SERVER_ERROR))
        }
        other => {
            other?;
            no_content()
        }
    }
}

fn problem(error: &engine::Error) -> Option<Problem> {
    match error {
        engine::Error::State { problem, .. } => Some(*problem),
        _ => None,
    }
}

const ALLOCATING: &str = "Error when allocating new name: ";

pub(crate) async fn rename(call: Call) -> Result<Response> {
    let name = call.query.text("name");
    let name = name.strip_prefix('/').unwrap_or(name);
    if name.is_empty() {
        return Err(Error::bad_request("Neither old nor new names may be empty"));
    }
    let id = call.container()?;
    let containers = call.api.engine.containers();
    if containers.find(&id)?.record.name == name {
        return Err(Error::bad_request(
            "Renaming a container with the same name as its current name",
        ));
    }
    match containers.rename(&id, name).await {
        Err(error @ engine::Error::NameInUse { .. }) => {
            Err(Error::from(error).prefixed(ALLOCATING))
        }
        // COMPAT: here the name has its slash.
        Err(error @ engine::Error::Invalid { .. }) => {
            let error = Error::from(error);
            let words = error.message().replacen('(', "(/", 1);
            Err(error.worded(format!("{ALLOCATING}{words}")))
        }
        renamed => {
            renamed?;
            no_content()
        }
    }
}

/// `h` and `w`, in dockerd's words if they are no numbers.
pub(crate) fn size(call: &Call) -> Result<Size> {
    let number = |name: &str, what: &str| {
        let text = call.query.text(name);
        text.parse::<u16>().map_err(|_| {
            let reason = match text.parse::<u64>() {
                Ok(_) => "value out of range",
                Err(_) => "invalid syntax",
            };
            Error::bad_request(format!("invalid resize {what} {text:?}: {reason}"))
        })
    };
    Ok(Size {
        height: number("h", "height")?,
        width: number("w", "width")?,
    })
}

pub(crate) async fn resize(call: Call) -> Result<Response> {
    let size = size(&call)?;
    let id = call.container()?;
    call.api.engine.containers().resize(&id, size).await?;
    Ok(body::empty(StatusCode::OK))
}

pub(crate) async fn remove(call: Call) -> Result<Response> {
    if call.query.flag("link") {
        call.api.engine.containers().unlink(call.id()).await?;
        return no_content();
    }
    let id = call.container()?;
    let removal = Removal {
        force: call.query.flag("force"),
        volumes: call.query.flag("v"),
    };
    let containers = call.api.engine.containers();
    let name = containers.find(&id)?.record.name.clone();
    match containers.remove(&id, removal).await {
        Err(error) => Err(match problem(&error).and_then(unremovable) {
            Some(why) => Error::new(
                StatusCode::CONFLICT,
                format!("cannot remove container {name:?}: container is {why}"),
            ),
            None => error.into(),
        }),
        Ok(()) => no_content(),
    }
}

/// COMPAT: what dockerd says of a container that has not ended.
const fn unremovable(problem: Problem) -> Option<&'static str> {
    Some(match problem {
        Problem::Running => "running: stop the container before removing or force remove",
        Problem::Restarting => "restarting: stop the container before removing or force remove",
        Problem::Paused => "paused and must be unpaused first",
        _ => return None,
    })
}

pub(crate) async fn top(call: Call) -> Result<Response> {
    let id = call.container()?;
    let arguments = call.query.text("ps_args").split_whitespace();
    let arguments: Vec<String> = arguments.map(str::to_owned).collect();
    let processes = call.api.engine.containers().top(&id, &arguments).await?;
    Ok(body::ok(&Top {
        processes: processes.rows,
        titles: processes.titles,
    }))
}

/// The version since which an update may change limits of block devices.
const BLOCK_DEVICES: ApiVersion = ApiVersion::new(1, 55);

pub(crate) async fn update(call: Call) -> Result<Response> {
    let id = call.container()?;
    let version = call.version;
    let containers = call.api.engine.containers().clone();
    let request: UpdateRequest = call.document().await?;
    let update = Update {
        resources: resources::updated(&request)?,
        block_devices: match version >= BLOCK_DEVICES {
            true => resources::block_devices(&request),
            false => BlockDevices::default(),
        },
        restart: match request.restart_policy.name.as_str() {
            "" => None,
            _ => Some(restart_policy(&request.restart_policy)?),
        },
    };
    let warnings = containers.update(&id, update).await?;
    Ok(body::ok(&UpdateResponse {
        warnings: (!warnings.is_empty()).then_some(warnings),
    }))
}
