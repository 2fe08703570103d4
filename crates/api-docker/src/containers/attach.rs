//! Attaching a client's connection to a container.

use crate::body::Response;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::hearing;
use crate::takeover::MediaType;
use crate::version::ApiVersion;
use engine::{Attach, Attachment, DetachKeys, Framing, Status};
use http::StatusCode;
use std::io::Write;

/// The version from which the media type tells of framing.
const MULTIPLEXED: ApiVersion = ApiVersion::new(1, 42);

pub(crate) async fn attach(call: Call) -> Result<Response> {
    let id = call.container()?;
    let keys = detach_keys(call.query.text("detachKeys"))?;
    let container = call.api.engine.containers().find(&id)?;
    if container.state.status == Status::Paused {
        return Err(Error::new(
            StatusCode::CONFLICT,
            format!("container {id} is paused, unpause the container before attach"),
        ));
    }
    let tty = container.record.spec.streams.tty;
    let query = &call.query;
    let (logs, stream) = (query.flag("logs"), query.flag("stream"));
    let (stdin, stdout, stderr) = (
        query.flag("stdin"),
        query.flag("stdout"),
        query.flag("stderr"),
    );
    let media_type = media_type(call.version, tty);
    // One that does not run says nothing before it is started, which comes after the head.
    let speaks = logs || container.state.status == Status::Running;
    let waits = speaks && hearing::is_deaf(&call.headers);
    let gate = call.api.gates.close(&id);
    let api = call.api.clone();
    let (response, pending) = call
        .takeover()
        .begin(media_type, &api.tracker)
        .map_err(|error| unable(&error))?;
    let containers = api.engine.containers().clone();
    api.tracker.spawn(async move {
        let socket = match pending.socket().await {
            Ok(socket) => socket,
            Err(error) => {
                tracing::debug!(container.id = %id, %error, "client went before it was attached");
                return;
            }
        };
        if waits {
            hearing::heard(&socket.fd).await;
        }
        let report = socket.fd.try_clone();
        let attach = Attach {
            fd: socket.fd,
            unread: socket.unread,
            stdin,
            stdout,
            stderr,
            framing: if tty {
                Framing::Raw
            } else {
                Framing::Multiplexed
            },
            detach_keys: tty.then_some(keys),
        };
        let attachment = Attachment {
            attach,
            logs,
            stream,
        };
        let attached = containers.attach(&id, attachment).await;
        drop(gate);
        if let (Err(error), Ok(report)) = (attached, report) {
            let message = format!("Error attaching: {}\r\n", Error::from(error));
            drop(report_failure(report, tty, &message));
        }
    });
    Ok(response)
}

/// The media type of a container's or exec's streams.
pub(crate) fn media_type(version: ApiVersion, tty: bool) -> MediaType {
    if tty || version < MULTIPLEXED {
        MediaType::Raw
    } else {
        MediaType::Multiplexed
    }
}

/// Keys that detach; empty is docker's default.
pub(crate) fn detach_keys(text: &str) -> Result<DetachKeys> {
    if text.is_empty() {
        return Ok(DetachKeys::default());
    }
    text.parse()
        .map_err(|_| Error::bad_request(format!("invalid detach keys ({text}) provided")))
}

/// The error of a connection that cannot be taken over.
pub(crate) fn unable(error: &std::io::Error) -> Error {
    Error::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("cannot take the connection over: {error}"),
    )
}

/// Writes words to a client after its connection was taken over; on no terminal framed.
///
/// COMPAT: as standard output, where dockerd says it.
pub(crate) fn report_failure(
    fd: std::os::fd::OwnedFd,
    tty: bool,
    message: &str,
) -> std::io::Result<()> {
    let bytes = match tty {
        true => message.as_bytes().to_vec(),
        false => frame(1, message.as_bytes()),
    };
    // The socket does not block: a client that reads nothing hears nothing.
    std::fs::File::from(fd).write_all(&bytes)
}

/// Docker's stdcopy: the stream's number and the length, then the bytes.
pub(crate) fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(8 + bytes.len());
    framed.extend_from_slice(&[stream, 0, 0, 0]);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(bytes);
    framed
}
