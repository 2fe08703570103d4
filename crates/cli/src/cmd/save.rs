//! `save`: images to an archive, or to a directory with an OCI layout.

use super::layout;
use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::stdio::Stream;
use crate::{output, platform};
use client::{BytesStream, Call};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Save {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<PathBuf>,
    /// Save only the given platform variant. Formatted as `os[/arch[/variant]]` (e.g., `linux/amd64`)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Shape of what is saved: `docker-archive`, or `oci-dir` for a directory with an OCI layout
    #[arg(long, value_name = "string", default_value = "docker-archive")]
    format: String,
    #[arg(required = true, hide = true)]
    images: Vec<String>,
}

impl Action for Save {
    const ABOUT: &'static str =
        "Save one or more images to a tar archive (streamed to STDOUT by default)";
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";
    const TAKES: Takes = Takes::AtLeast(1);

    async fn run(self, cx: &Context) -> Result {
        let format = self.format()?;
        let mut call = Call::get("/images/get")
            .optional("platform", platform::document(self.platform.as_deref())?);
        for image in &self.images {
            call = call.query("names", image);
        }
        let stream = cx.client().await?.bytes_stream(call).await?;
        match format {
            Format::DockerArchive => write(stream, self.output.as_deref()).await?,
            Format::OciDir(directory) => layout::save(stream, &directory).await?,
        }
        Ok(0)
    }
}

/// What is saved.
enum Format {
    /// One file, which docker loads.
    DockerArchive,
    /// The specification's layout in this directory.
    OciDir(PathBuf),
}

impl Save {
    fn format(&self) -> Result<Format> {
        match (self.format.as_str(), &self.output) {
            ("docker-archive", path) => {
                refuse_terminal(path.as_deref())?;
                Ok(Format::DockerArchive)
            }
            ("oci-dir", Some(path)) => Ok(Format::OciDir(path.clone())),
            ("oci-dir", None) => Err(Failure::text(1, "a directory must be given by --output")),
            (other, _) => Err(Failure::text(
                1,
                format!("unknown format {other:?}: docker-archive or oci-dir"),
            )),
        }
    }
}

/// An archive on a terminal helps nobody.
pub(crate) fn refuse_terminal(path: Option<&Path>) -> Result<()> {
    match path.is_none() && output::is_terminal() {
        true => Err(Failure::text(
            1,
            "cowardly refusing to save to a terminal. Use the -o flag or redirect",
        )),
        false => Ok(()),
    }
}

/// Writes an archive to a file, which appears whole or not at all, or to standard output.
pub(crate) async fn write(mut stream: BytesStream, path: Option<&Path>) -> Result<()> {
    let Some(path) = path else {
        let mut out = Stream::output()?;
        while let Some(piece) = stream.next().await? {
            out.write_all(&piece).await?;
        }
        return Ok(());
    };
    let cannot = |error: std::io::Error| {
        Failure::text(1, format!("cannot write {}: {error}", path.display()))
    };
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut file = std::fs::File::create(&partial).map_err(cannot)?;
    let copied = async {
        while let Some(piece) = stream.next().await? {
            file.write_all(&piece).map_err(cannot)?;
        }
        std::fs::rename(&partial, path).map_err(cannot)
    };
    let copied = copied.await;
    if copied.is_err() {
        drop(std::fs::remove_file(&partial));
    }
    copied
}
