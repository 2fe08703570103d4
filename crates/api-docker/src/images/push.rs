//! Images that go: pushed to their registry, saved in an archive.

use super::credentials::credentials;
use super::fetch::{one_platform, platform, told};
use super::{blocking, reference};
use crate::body::{self, Response, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use http::StatusCode;
use images::{Push, RegistryError};
use std::io::{self, BufWriter, Write};

/// Bytes of an archive that go at once.
const PIECE: usize = 128 << 10;

pub(crate) async fn push(call: Call) -> Result<Response> {
    let push = Push {
        reference: reference(call.name(), call.query.text("tag"))?,
        platform: platform(call.query.text("platform"))?,
        credentials: credentials(call.header("x-registry-auth")),
    };
    let images = call.api.engine.images().clone();
    told(&call.api, |progress| async move {
        images.push(push, progress).await?;
        Ok(None)
    })
    .await
}

pub(crate) async fn save(call: Call) -> Result<Response> {
    let name = call.name().to_owned();
    write(call, vec![name]).await
}

pub(crate) async fn save_all(call: Call) -> Result<Response> {
    // COMPAT: a client may say them in one parameter, too.
    let named = call.query.all("names");
    let names = named.flat_map(|names| names.split(',')).map(str::to_owned);
    let names = names.filter(|name| !name.is_empty()).collect();
    write(call, names).await
}

async fn write(call: Call, names: Vec<String>) -> Result<Response> {
    let platform = one_platform(&call)?;
    let images = call.api.engine.images().clone();
    let archive = blocking(move || {
        images
            .save(&names, platform.as_ref())
            .map_err(|error| match error {
                // COMPAT: without `latest`, unlike elsewhere.
                images::Error::NotFound { name } => {
                    let name = names.iter().find(|&n| name.starts_with(n)).unwrap_or(&name);
                    Error::new(StatusCode::NOT_FOUND, format!("No such image: {name}"))
                }
                error => error.into(),
            })
    })
    .await?;
    let (writer, response) = body::stream("application/x-tar");
    call.api.tracker.spawn(async move {
        let pipe = Pipe {
            writer: writer.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let out = BufWriter::with_capacity(PIECE, pipe);
        if let Err(error) = blocking(move || archive.write(out)).await {
            writer.fail(error).await;
        }
    });
    Ok(response)
}

/// A body's writer for who writes in a thread of its own.
struct Pipe {
    writer: Writer,
    runtime: tokio::runtime::Handle,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.writer.send(bytes.to_vec()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a registry has under a name.
pub(crate) async fn offered(call: Call) -> Result<Response> {
    let named = reference(call.name(), "")?;
    let shown = credentials(call.header("x-registry-auth"));
    let images = call.api.engine.images().clone();
    let offered = images.offered(&named, shown).await.map_err(withheld)?;
    Ok(body::ok(&super::document::offered(&offered)))
}

/// COMPAT: what a registry keeps from the caller is forbidden here, in its own words.
fn withheld(error: images::Error) -> Error {
    match &error {
        images::Error::Registry { source } => match &**source {
            RegistryError::Denied { cause, .. } => {
                Error::new(StatusCode::FORBIDDEN, cause.to_string())
            }
            _ => error.into(),
        },
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_keeps_from_the_caller_is_forbidden() {
        let source = Box::new(RegistryError::Denied {
            access: images::RegistryAccess::Pull,
            repository: "h/a".to_owned(),
            cause: images::RegistryCause {
                code: "DENIED".to_owned(),
                message: "not yours".to_owned(),
            },
        });
        let error = withheld(images::Error::Registry { source });
        assert_eq!(error.status(), StatusCode::FORBIDDEN);
        assert_eq!(error.message(), "denied: not yours");
    }
}
