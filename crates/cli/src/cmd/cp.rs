//! `cp`: files between a container and here.
//!
//! What a container sends is placed by the worker that the daemon uses too, with the
//! destination as root of every path: no name and no link in it leads elsewhere.

pub(super) mod from;
pub(super) mod here;
mod to;

use super::container;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use base64::Engine as _;
use client::{Call, Client};
use serde::Deserialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Copy {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached
    #[arg(short, long)]
    quiet: bool,
    #[arg(required = true, hide = true)]
    source: String,
    #[arg(required = true, hide = true, allow_hyphen_values = true)]
    destination: String,
}

impl Action for Copy {
    const ABOUT: &'static str = "Copy files/folders between a container and the local filesystem";
    const USAGE: &'static str = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tcorten cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH";
    const TAKES: Takes = Takes::Exactly(2);

    async fn run(self, cx: &Context) -> Result {
        for (side, text) in [("source", &self.source), ("destination", &self.destination)] {
            if text.is_empty() {
                return Err(Failure::text(1, format!("{side} can not be empty")));
            }
        }
        let quiet = self.quiet || !crate::output::is_terminal();
        let (source, destination) = (split(&self.source), split(&self.destination));
        let copied = match (source, destination) {
            ((Some(_), _), (Some(_), _)) => Err(Failure::text(
                1,
                "copying between containers is not supported",
            )),
            ((None, _), (None, _)) => Err(Failure::text(
                1,
                "must specify at least one container source",
            )),
            ((Some(name), path), (None, here)) => {
                from::copy(cx, name, path, here, self.follow_link).await
            }
            ((None, here), (Some(name), path)) => {
                let how = to::How {
                    follow: self.follow_link,
                    owners: self.archive,
                };
                to::copy(cx, here, name, path, how).await
            }
        }?;
        if !quiet && self.destination != "-" {
            let size = crate::units::size(i64::try_from(copied).unwrap_or(i64::MAX));
            crate::output::error(&format!(
                "Successfully copied {size} to {}",
                self.destination
            ));
        }
        Ok(0)
    }
}

/// `CONTAINER:PATH`, or a path here.
fn split(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((name, path)) if !text.starts_with(['/', '.']) => (Some(name), path),
        _ => (None, text),
    }
}

/// What the daemon says of a path in a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PathStat {
    /// Go's `os.FileMode`.
    mode: u32,
    link_target: String,
}

impl PathStat {
    const DIRECTORY: u32 = 1 << 31;
    const LINK: u32 = 1 << 27;

    fn of(headers: &http::HeaderMap) -> Option<Self> {
        let header = headers.get("x-docker-container-path-stat")?;
        let text = base64::engine::general_purpose::STANDARD;
        let text = text.decode(header.as_bytes()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn is_directory(&self) -> bool {
        self.mode & Self::DIRECTORY != 0
    }

    fn is_link(&self) -> bool {
        self.mode & Self::LINK != 0
    }
}

/// What is at a path in a container; `None` if nothing is, or it cannot be told.
async fn look(client: &Client, name: &str, path: &str) -> Result<Option<PathStat>> {
    let call = Call::head(container(name, "/archive")).query("path", path);
    match client.send(call).await {
        Ok(answer) => Ok(PathStat::of(answer.headers())),
        Err(client::Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A link's target from the directory that the link is in.
fn beside(path: &str, target: &str) -> String {
    match (
        target.starts_with('/'),
        path.trim_end_matches('/').rsplit_once('/'),
    ) {
        (false, Some((dir, _))) => format!("{dir}/{target}"),
        _ => target.to_owned(),
    }
}

/// A path in a container: what does not begin at its root does nevertheless.
fn rooted(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    }
}

/// The last part of a path, `.` where it ends so.
fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, last)) => last,
        None if trimmed.is_empty() => "/",
        None => trimmed,
    }
}

/// Whether a path can only be a directory's.
fn means_directory(path: &str) -> bool {
    path.ends_with('/') || path.ends_with("/.") || path == "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_and_a_path_are_told_from_a_path_here() {
        for (text, split_up) in [
            ("web:/etc", (Some("web"), "/etc")),
            ("web:", (Some("web"), "")),
            ("./a:b", (None, "./a:b")),
            ("/a:b", (None, "/a:b")),
            ("-", (None, "-")),
        ] {
            assert_eq!(split(text), split_up, "{text}");
        }
    }

    #[test]
    fn paths_keep_their_dot() {
        for (path, name) in [
            ("/a/b", "b"),
            ("/a/b/", "b"),
            ("/a/.", "."),
            ("/", "/"),
            ("a", "a"),
        ] {
            assert_eq!(base(path), name, "{path}");
        }
        assert!(means_directory("a/") && means_directory("a/.") && !means_directory("a"));
        assert_eq!(beside("/a/l", "b"), "/a/b");
        assert_eq!(beside("/a/l", "/b"), "/b");
    }
}
