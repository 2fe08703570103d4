//! From a container to here.

use super::here::{self, Destination};
use super::{PathStat, base, beside, look, rooted};
use crate::cmd::container;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::stdio::Stream;
use client::{BytesStream, Call};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use unpack::{Job, Owner, Place, Placed};

/// Copies and gives how many bytes came.
pub(super) async fn copy(
    cx: &Context,
    name: &str,
    path: &str,
    here: &str,
    follow: bool,
) -> Result<u64> {
    let client = cx.client().await?;
    let (mut path, mut called) = (rooted(path), None);
    if follow
        && let Some(found) = look(client, name, &path).await?
        && found.is_link()
    {
        // The copy is called as the link is.
        called = Some(base(&path).to_owned());
        path = beside(&path, &found.link_target);
    }
    let call = Call::get(container(name, "/archive")).query("path", &path);
    let mut archive = client.bytes_stream(call).await?;
    if here == "-" {
        let mut out = Stream::output()?;
        let mut copied = 0;
        while let Some(piece) = archive.next().await? {
            copied += piece.len() as u64;
            out.write_all(&piece).await?;
        }
        return Ok(copied);
    }
    let found = PathStat::of(archive.headers()).unwrap_or_default();
    let destination = Destination::find(here, found.is_directory())?;
    let first = base(&path).to_owned();
    let mut place = Place {
        dir: "/".to_owned(),
        owner: Owner::Worker,
        strict: true,
        ..Place::default()
    };
    let mut dir = destination.dir;
    match (destination.name.or(called), first.as_str()) {
        // What is in a directory goes to a new one.
        (Some(new), "." | "/") => {
            dir.push(new);
            std::fs::create_dir(&dir).map_err(|error| {
                Failure::text(
                    1,
                    format!("mkdir {}: {}", dir.display(), here::words(&error)),
                )
            })?;
        }
        (Some(new), _) => place.rename = Some((first, new)),
        (None, _) => {}
    }
    let tree = here::directory(&dir)?;
    let (read, write) = std::io::pipe()?;
    let job = here::worker()?.place(read.into(), tree, &place);
    let job = job.map_err(|error| here::refused(&error))?;
    receive(archive, pipe::Sender::from_owned_fd(write.into())?, job).await
}

/// Gives the archive to the worker, and waits for it.
pub(in crate::cmd) async fn receive(
    mut archive: BytesStream,
    mut worker: pipe::Sender,
    job: Job<Placed>,
) -> Result<u64> {
    let mut copied = 0;
    let mut broken = None;
    loop {
        match archive.next().await {
            Ok(Some(piece)) => {
                copied += piece.len() as u64;
                // A worker that has enough says why in its answer.
                if worker.write_all(&piece).await.is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    drop(worker);
    let placed = job.wait();
    match broken {
        Some(error) => Err(error.into()),
        None => placed
            .map(|_| copied)
            .map_err(|error| here::refused(&error)),
    }
}
