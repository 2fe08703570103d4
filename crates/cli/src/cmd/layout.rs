//! Directories with an OCI layout, as `load` reads and `save` writes them.

use super::cp::{from, here};
use super::progress::{self, To};
use crate::context::Context;
use crate::failure::{Failure, Result};
use client::{BytesStream, Call};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokio::net::unix::pipe;
use unpack::{Owner, Pack, Place};

/// What an archive has besides the layout, for docker alone. Beside a layout that others add
/// images to, it would soon say something else than `index.json`.
const DOCKERS: [&str; 2] = ["manifest.json", "repositories"];

/// Sends the directory to the daemon as an archive.
pub(super) async fn load(cx: &Context, call: Call, directory: &Path) -> Result {
    let tree = here::directory(directory)?;
    let client = cx.client().await?;
    let order = Pack {
        dir: "/".to_owned(),
        ..Pack::default()
    };
    let (read, write) = std::io::pipe()?;
    let job = here::worker()?.pack(tree, write.into(), &order);
    let job = job.map_err(|error| here::refused(&error))?;
    let archive = pipe::Receiver::from_owned_fd(read.into())?;
    let stream = client.json_stream(call.stream(archive)).await?;
    progress::show(stream, To::Output).await?;
    job.wait().map_err(|error| here::refused(&error))?;
    Ok(0)
}

/// Writes an archive's layout to a directory, which appears whole or not at all.
pub(super) async fn save(stream: BytesStream, directory: &Path) -> Result<()> {
    let cannot = |error: std::io::Error| {
        Failure::text(1, format!("cannot write {}: {error}", directory.display()))
    };
    let mut partial = directory.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::create_dir(&partial).map_err(cannot)?;
    let placed = async {
        place(stream, &partial).await?;
        for name in DOCKERS {
            match fs::remove_file(partial.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(error)),
                _ => {}
            }
        }
        // An empty directory gives way, any other refuses.
        fs::rename(&partial, directory).map_err(cannot)
    };
    let placed = placed.await;
    if placed.is_err() {
        drop(fs::remove_dir_all(&partial));
    }
    placed
}

async fn place(stream: BytesStream, directory: &Path) -> Result<()> {
    let order = Place {
        dir: "/".to_owned(),
        owner: Owner::Worker,
        strict: true,
        ..Place::default()
    };
    let tree = here::directory(directory)?;
    let (read, write) = std::io::pipe()?;
    let job = here::worker()?.place(read.into(), tree, &order);
    let job = job.map_err(|error| here::refused(&error))?;
    let worker = pipe::Sender::from_owned_fd(write.into())?;
    from::receive(stream, worker, job).await.map(drop)
}
