//! What runs in `corten-unpack`: standard input is the stream, standard output the file or
//! directory to fill, standard error where the answer's one line goes.

mod apply;
mod archive;
mod blob;
mod confine;
mod copy;
mod document;
mod guard;
mod members;
mod pack;
mod place;
mod repositories;
mod sink;
mod stream;
mod tree;

use oci::image::Document;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use crate::document::Declared;
use crate::error::Refusal;
use crate::files::{Place, Placed};
use crate::job::{Line, Named};
use crate::limits::Limits;
use crate::outcome::{Outcome, Unpacked, VERSION};
use apply::Applied;
use confine::Mode;
use stream::{Finished, Stream};
use types::Algorithm;

/// The worker's `main`: `corten-unpack MODE LIMITS`.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.skip(1).collect();
    let outcome = run(&arguments).unwrap_or_else(Outcome::Failed);
    let code = match outcome {
        Outcome::Failed(_) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    };
    match answer(outcome) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(outcome: Outcome) -> io::Result<()> {
    let version = VERSION;
    let mut line = serde_json::to_vec(&Line { version, outcome })?;
    line.push(b'\n');
    io::stderr().lock().write_all(&line)
}

fn run(arguments: &[String]) -> Result<Outcome, Refusal> {
    let (mode, limits, order) = match arguments {
        [mode, limits] => (mode, limits, "{}"),
        [mode, limits, order] => (mode, limits, order.as_str()),
        _ => return Err(usage("corten-unpack MODE LIMITS [ORDER]")),
    };
    let limits: Limits = serde_json::from_str(limits).map_err(|error| usage(&error.to_string()))?;
    let mode = match mode.as_str() {
        "layer" => Mode::Layer,
        "tree" => Mode::Tree,
        "archive" => Mode::Archive,
        "pack" => Mode::Pack,
        "place" => Mode::Place,
        "document" => Mode::Document,
        "config" => Mode::Config,
        other => return Err(usage(&format!("{other:?} is no mode"))),
    };
    // Looked up now: procfs is out of reach later.
    sys::namespace::maps_users();
    // Modes are as the archive says.
    rustix::process::umask(rustix::fs::Mode::empty());
    let input = own(io::stdin().as_fd(), "duplicate the stream")?;
    let output = own(io::stdout().as_fd(), "duplicate the output")?;
    if mode == Mode::Pack {
        confine::confine(mode, &input)?;
        let order = parse(order)?;
        let packed = pack::pack(&input, output.into(), &order, &limits)?;
        return Ok(Outcome::Pack(packed));
    }
    confine::confine(mode, &output)?;
    if let Mode::Document | Mode::Config = mode {
        return document(mode, File::from(input), order, &limits);
    }
    let algorithm = match mode {
        Mode::Layer | Mode::Tree => parse::<Named>(order)?.algorithm(),
        _ => Algorithm::Sha256,
    };
    let stream = Stream::open(File::from(input), &limits, algorithm)?;
    match mode {
        Mode::Layer => layer(stream, output.into(), &limits).map(Outcome::Layer),
        Mode::Tree => tree(stream, output, &limits).map(Outcome::Layer),
        Mode::Archive => archive::split(stream, &output, &limits).map(Outcome::Archive),
        Mode::Place => place(stream, output, &parse(order)?, &limits).map(Outcome::Place),
        // Answered above: they read no stream of an archive.
        Mode::Pack | Mode::Document | Mode::Config => Err(usage("it has no stream")),
    }
}

/// The worker's work without a process of its own, for fuzz targets.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::{Limits, Refusal, Stream, Unpacked};
    use crate::outcome::Split;
    use std::fs::File;
    use std::os::fd::OwnedFd;

    fn stream(input: File) -> Result<(Stream, Limits), Refusal> {
        let limits = Limits {
            uncompressed: 64 << 20,
            entries: 10_000,
            ..Limits::default()
        };
        Ok((Stream::open(input, &limits, Algorithm::Sha256)?, limits))
    }

    /// Makes an EROFS image of a layer.
    pub fn layer(input: File, blob: File) -> Result<Unpacked, Refusal> {
        let (stream, limits) = stream(input)?;
        super::layer(stream, blob, &limits)
    }

    /// Makes a directory of a layer.
    pub fn tree(input: File, directory: OwnedFd) -> Result<Unpacked, Refusal> {
        let (stream, limits) = stream(input)?;
        super::tree(stream, directory, &limits)
    }

    /// Makes blobs of an image archive.
    pub fn archive(input: File, directory: OwnedFd) -> Result<Split, Refusal> {
        let (stream, limits) = stream(input)?;
        super::archive::split(stream, &directory, &limits)
    }
}

fn parse<T: serde::de::DeserializeOwned>(order: &str) -> Result<T, Refusal> {
    serde_json::from_str(order).map_err(|error| usage(&error.to_string()))
}

fn document(mode: Mode, input: File, order: &str, limits: &Limits) -> Result<Outcome, Refusal> {
    let bytes = document::bytes(input, limits)?;
    if mode == Mode::Config {
        let config = document::read("image configuration", &bytes)?;
        return Ok(Outcome::Config(config));
    }
    let Declared { media_type } = parse(order)?;
    let document = Document::from_slice(media_type.as_deref(), &bytes)?;
    Ok(Outcome::Document(document))
}

fn place(
    mut stream: Stream,
    tree: OwnedFd,
    order: &Place,
    limits: &Limits,
) -> Result<Placed, Refusal> {
    let mut files = place::Files::new(tree, order, limits)?;
    let applied = apply::apply(&mut stream, &mut files, limits)?;
    let placed = files.finish(applied.entries)?;
    stream.finish()?;
    Ok(placed)
}

fn layer(mut stream: Stream, blob: File, limits: &Limits) -> Result<Unpacked, Refusal> {
    let mut blob = blob::Blob::new(blob, limits);
    let applied = apply::apply(&mut stream, &mut blob, limits)?;
    let summary = blob.finish()?;
    let read = stream.finish()?;
    Ok(unpacked(read, &applied, summary.size, summary.implied))
}

fn tree(mut stream: Stream, dir: OwnedFd, limits: &Limits) -> Result<Unpacked, Refusal> {
    let mut tree = tree::Tree::new(dir, limits);
    let applied = apply::apply(&mut stream, &mut tree, limits)?;
    let summary = tree.finish()?;
    let read = stream.finish()?;
    Ok(unpacked(read, &applied, summary.written, summary.implied))
}

fn unpacked(read: Finished, applied: &Applied, written: u64, implied: u64) -> Unpacked {
    Unpacked {
        digest: read.digest,
        size: read.size,
        compression: read.compression,
        diff_id: read.diff_id,
        diff_size: read.diff_size,
        written,
        entries: applied.entries,
        implied,
        ignored_xattrs: applied.ignored_xattrs,
    }
}

fn own(fd: impl AsFd, attempt: &str) -> Result<OwnedFd, Refusal> {
    let fd = fd.as_fd().try_clone_to_owned();
    fd.map_err(|error| machine(attempt, &error))
}

fn usage(reason: &str) -> Refusal {
    Refusal::Machine {
        attempt: "read the arguments".to_owned(),
        reason: reason.to_owned(),
        full: false,
    }
}

/// What the system refused.
fn machine(attempt: &str, error: &io::Error) -> Refusal {
    Refusal::Machine {
        attempt: attempt.to_owned(),
        reason: error.to_string(),
        full: matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        ),
    }
}
