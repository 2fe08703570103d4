//! A container's files: looked at, fetched and sent as archives.

use crate::body::{self, Response, Sent, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use base64::Engine as _;
use engine::{Archive, Extraction, PathStat};
use futures_util::TryStreamExt;
use http::{HeaderName, HeaderValue, StatusCode};
use std::io;
use tokio::io::AsyncWriteExt;

const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

pub(crate) async fn stat(call: Call) -> Result<Response> {
    let path = path(&call)?;
    let id = call.container()?;
    let found = call.api.engine.containers().path_stat(&id, &path).await;
    let found = found.map_err(|error| phrase(&error, call.id()))?;
    let mut response = body::empty(StatusCode::OK);
    response.headers_mut().insert(STAT, header(&found)?);
    Ok(response)
}

pub(crate) async fn fetch(call: Call) -> Result<Response> {
    let path = path(&call)?;
    let id = call.container()?;
    let fetched = call.api.engine.containers().archive(&id, &path).await;
    let (found, archive) = fetched.map_err(|error| phrase(&error, call.id()))?;
    let mut response = send(&call, archive, "application/x-tar");
    response.headers_mut().insert(STAT, header(&found)?);
    Ok(response)
}

pub(crate) async fn export(call: Call) -> Result<Response> {
    let id = call.container()?;
    let archive = call.api.engine.containers().export(&id).await?;
    Ok(send(&call, archive, "application/octet-stream"))
}

pub(crate) async fn place(call: Call) -> Result<Response> {
    let path = path(&call)?;
    let id = call.container()?;
    let how = Extraction {
        strict: call.query.flag("noOverwriteDirNonDir"),
        own: call.query.flag("copyUIDGID"),
    };
    let name = call.id().to_owned();
    let engine = call.api.engine.clone();
    let (read, write) = io::pipe().map_err(unreadable)?;
    let write = tokio::net::unix::pipe::Sender::from_owned_fd(write.into()).map_err(unreadable)?;
    let sent = receive(call.body, write);
    let containers = engine.containers();
    let placed = containers.extract(&id, &path, read.into(), how);
    let (sent, placed) = tokio::join!(sent, placed);
    placed.map_err(|error| phrase(&error, &name))?;
    sent.map_err(unreadable)?;
    Ok(body::empty(StatusCode::OK))
}

/// Passes a body on. A reader that has enough is no failure: its answer says why.
async fn receive(body: Sent, mut write: tokio::net::unix::pipe::Sender) -> io::Result<()> {
    let mut pieces = body.pieces();
    while let Some(piece) = pieces.try_next().await? {
        if write.write_all(&piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn send(call: &Call, archive: Archive, media_type: &'static str) -> Response {
    let (writer, response) = body::stream(media_type);
    call.api.tracker.spawn(copy(archive, writer));
    response
}

async fn copy(mut archive: Archive, writer: Writer) {
    loop {
        let piece = match archive.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return,
            Err(error) => return writer.fail(error.into()).await,
        };
        // A client that is gone ends it.
        if writer.send(piece).await.is_err() {
            return;
        }
    }
}

/// COMPAT: dockerd's words, with the space that they lack.
fn path(call: &Call) -> Result<String> {
    match call.query.text("path") {
        "" => Err(Error::bad_request("bad parameter: pathcannot be empty")),
        path => Ok(path.to_owned()),
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::bad_request(format!("cannot read the body: {error}"))
}

/// The error in dockerd's words, about a container by the name that the caller gave.
fn phrase(error: &engine::Error, name: &str) -> Error {
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    match error {
        engine::Error::Path { path, source, .. } if source.kind() == io::ErrorKind::NotFound => {
            let message = format!("Could not find the file {path} in container {name}");
            Error::new(StatusCode::NOT_FOUND, message)
        }
        engine::Error::Path {
            absolute, source, ..
        } => {
            let words = source.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            let message = format!("lstat {absolute}: {}", words.to_lowercase());
            Error::new(internal, message)
        }
        engine::Error::Invalid {
            field: "path",
            reason,
        } => Error::bad_request(reason.clone()),
        // COMPAT: what an archive has is dockerd's failure and not its caller's.
        engine::Error::Contents { source, .. } => {
            let refusal = std::error::Error::source(source);
            let words = refusal.map_or_else(|| source.to_string(), ToString::to_string);
            Error::new(internal, words)
        }
        error => super::phrase::phrase(error),
    }
}

/// The description of a path: JSON in base 64.
fn header(stat: &PathStat) -> Result<HeaderValue> {
    let document = serde_json::json!({
        "name": stat.name,
        "size": stat.size,
        "mode": go_mode(stat.mode),
        "mtime": time(stat.modified),
        "linkTarget": stat.link_target,
    });
    let text = base64::engine::general_purpose::STANDARD.encode(document.to_string());
    HeaderValue::from_str(&text)
        .map_err(|error| Error::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Go's `os.FileMode`.
fn go_mode(mode: u32) -> u32 {
    const TYPES: [(u32, u32); 6] = [
        (0o040_000, 1 << 31),
        (0o120_000, 1 << 27),
        (0o060_000, 1 << 26),
        (0o010_000, 1 << 25),
        (0o140_000, 1 << 24),
        (0o020_000, 1 << 26 | 1 << 21),
    ];
    const BITS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let kind = TYPES.iter().find(|(kind, _)| *kind == mode & 0o170_000);
    let bits = BITS.iter().filter(|(bit, _)| mode & bit != 0);
    let bits = bits.fold(0, |all, (_, bit)| all | bit);
    mode & 0o777 | bits | kind.map_or(0, |(_, bit)| *bit)
}

/// RFC 3339 with as many digits as are needed.
fn time((seconds, nanos): (i64, u32)) -> String {
    let nanos = i32::try_from(nanos).unwrap_or_default();
    jiff::Timestamp::new(seconds, nanos).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_times_are_told_as_go_tells_them() {
        for (mode, told) in [
            (0o040_755, 2_147_484_141),
            (0o104_755, 8_389_101),
            (0o120_777, 134_218_239),
            (0o010_644, 33_554_852),
        ] {
            assert_eq!(go_mode(mode), told, "{mode:o}");
        }
        assert_eq!(time((0, 500_000_000)), "1970-01-01T00:00:00.5Z");
    }
}
