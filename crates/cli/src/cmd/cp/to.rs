//! From here to a container.

use super::here;
use super::{base, beside, look, means_directory, rooted};
use crate::cmd::container;
use crate::context::Context;
use crate::failure::{Failure, Result};
use client::{Call, Client};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::net::unix::pipe;
use unpack::Pack;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// A link is copied as what it leads to.
    pub(super) follow: bool,
    /// Files belong to whom they belong to here.
    pub(super) owners: bool,
}

/// Where something is to go in the container.
struct Destination {
    path: String,
    is_directory: bool,
    exists: bool,
}

/// Copies and gives how many bytes the files have.
pub(super) async fn copy(
    cx: &Context,
    here: &str,
    name: &str,
    path: &str,
    how: How,
) -> Result<u64> {
    // What is not here needs no daemon.
    let source = match here {
        "-" => None,
        here => Some(Source::find(here, how)?),
    };
    let client = cx.client().await?;
    let destination = Destination::find(client, name, path).await?;
    let put = |dir: &str| {
        Call::put(container(name, "/archive"))
            .query("path", dir)
            .query("noOverwriteDirNonDir", "true")
            .optional("copyUIDGID", how.owners.then_some("true"))
    };
    let Some(source) = source else {
        if !destination.is_directory {
            return Err(Failure::text(
                1,
                format!("destination \"{name}:{path}\" must be a directory"),
            ));
        }
        client
            .done(put(&destination.path).stream(tokio::io::stdin()))
            .await?;
        return Ok(0);
    };
    let (dir, rename) = destination.for_source(&source)?;
    let order = Pack {
        dir: "/".to_owned(),
        name: source.name.clone(),
        rename,
        ..Pack::default()
    };
    let tree = here::directory(&source.dir)?;
    let (read, write) = std::io::pipe()?;
    let job = here::worker()?.pack(tree, write.into(), &order);
    let job = job.map_err(|error| here::refused(&error))?;
    let archive = pipe::Receiver::from_owned_fd(read.into())?;
    client.done(put(&dir).stream(archive)).await?;
    job.wait().map_err(|error| here::refused(&error))?;
    Ok(source.size)
}

/// What is copied.
struct Source {
    /// The directory that it is in, or that it is.
    dir: PathBuf,
    /// Its name in there; empty: the directory, or all that is in it.
    name: String,
    /// What it is called.
    called: String,
    is_directory: bool,
    size: u64,
}

impl Source {
    fn find(path: &str, how: How) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::text(1, format!("lstat {path}: {}", here::words(&error)))
        };
        let follow = how.follow || means_directory(path);
        let found = match follow {
            true => fs::metadata(path),
            false => fs::symlink_metadata(path),
        };
        let found = found.map_err(failed)?;
        if means_directory(path) && !found.is_dir() {
            return Err(Failure::text(1, "not a directory"));
        }
        let real = match follow {
            true => fs::canonicalize(path).map_err(failed)?,
            false => PathBuf::from(path.trim_end_matches('/')),
        };
        if found.is_dir() {
            let dir = if path == "/" {
                PathBuf::from("/")
            } else {
                real
            };
            return Ok(Self {
                dir,
                name: String::new(),
                called: base(path).to_owned(),
                is_directory: true,
                size: 0,
            });
        }
        let parent = real
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        Ok(Self {
            dir: parent.unwrap_or(Path::new(".")).to_owned(),
            name: base(&real.to_string_lossy()).to_owned(),
            called: base(path).to_owned(),
            is_directory: false,
            size: found.len(),
        })
    }
}

impl Destination {
    async fn find(client: &Client, name: &str, path: &str) -> Result<Self> {
        let mut path = rooted(path);
        let mut found = look(client, name, &path).await?;
        if let Some(link) = found.take_if(|found| found.is_link()) {
            path = beside(&path, &link.link_target);
            found = look(client, name, &path).await?;
        }
        Ok(Self {
            is_directory: found.as_ref().is_some_and(super::PathStat::is_directory),
            exists: found.is_some(),
            path,
        })
    }

    /// The directory to place it in, and what it is called there.
    fn for_source(&self, source: &Source) -> Result<(String, String)> {
        let called = match source.called.as_str() {
            "." | ".." | "/" => ".".to_owned(),
            called => called.to_owned(),
        };
        match (self.exists, source.is_directory) {
            (true, _) if self.is_directory => Ok((self.path.clone(), called)),
            (true, true) => Err(Failure::text(1, "cannot copy directory")),
            (false, false) if means_directory(&self.path) => {
                Err(Failure::text(1, "no such directory"))
            }
            _ => {
                let path = self.path.trim_end_matches("/.").trim_end_matches('/');
                let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
                Ok((format!("{dir}/"), name.to_owned()))
            }
        }
    }
}
