//! The caller's side: start the worker, wait for its answer.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use types::Algorithm;

use crate::error::{Error, Refusal};
use crate::files::{Pack, Packed, Place, Placed};
use crate::limits::Limits;
use crate::outcome::{Outcome, Split, Unpacked, VERSION};

/// The longest answer that is read.
const ANSWER: u64 = 64 << 20;

/// Starts workers. Each reads one stream, writes one output and ends.
#[derive(Clone, Debug)]
pub struct Unpack {
    exe: PathBuf,
    limits: Limits,
    named: Named,
}

/// How the archive of a layer is named.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Named {
    sha512: bool,
}

impl Named {
    pub(crate) fn algorithm(self) -> Algorithm {
        match self.sha512 {
            true => Algorithm::Sha512,
            false => Algorithm::Sha256,
        }
    }
}

impl Unpack {
    /// Workers are this executable: `corten-unpack`, next to the daemon's.
    pub fn new(exe: impl Into<PathBuf>) -> Self {
        Self {
            exe: exe.into(),
            limits: Limits::default(),
            named: Named::default(),
        }
    }

    /// Workers are the executable next to this program's own, as both are installed.
    pub fn beside() -> io::Result<Self> {
        let exe = std::env::current_exe()?;
        Ok(Self::new(exe.with_file_name("corten-unpack")))
    }

    /// With other caps than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Naming layers' archives by this algorithm, and not by SHA-256.
    #[must_use]
    pub fn with_diff_ids(mut self, algorithm: Algorithm) -> Self {
        self.named.sha512 = algorithm == Algorithm::Sha512;
        self
    }

    /// Unpacks a layer's stream into `blob`, an empty file open for reading and writing, as
    /// EROFS. The file is complete but not durable when the job is done.
    ///
    /// The caller that has no file for the stream makes a pipe (`std::io::pipe`), gives the
    /// reading end and writes from another thread; closing the writing end is the stream's end.
    /// Writing fails with a broken pipe when the worker refuses: the job then says why.
    pub fn layer(&self, stream: OwnedFd, blob: File) -> Result<Job<Unpacked>, Error> {
        let output = name(&blob);
        let job = self.start("layer", stream, blob.into(), Some(&self.naming()?))?;
        Ok(job.into_output(output))
    }

    /// Unpacks a layer's stream into the empty directory `dir`, as overlay's lower layer.
    pub fn tree(&self, stream: OwnedFd, dir: OwnedFd) -> Result<Job<Unpacked>, Error> {
        let output = name(&dir);
        let job = self.start("tree", stream, dir, Some(&self.naming()?))?;
        Ok(job.into_output(output))
    }

    /// Splits an image archive into blobs of the directory `dir`, each at `ALGORITHM/HEX`;
    /// a blob that is there already is left alone.
    pub fn archive(&self, stream: OwnedFd, dir: OwnedFd) -> Result<Job<Split>, Error> {
        let output = name(&dir);
        let job = self.start("archive", stream, dir, None)?;
        Ok(job.into_output(output))
    }

    /// Writes files of `tree`, a directory, to `archive` as a tar archive.
    pub fn pack(
        &self,
        tree: OwnedFd,
        archive: OwnedFd,
        order: &Pack,
    ) -> Result<Job<Packed>, Error> {
        let order = serde_json::to_string(order).map_err(|error| self.failed(error.into()))?;
        self.start("pack", tree, archive, Some(&order))
    }

    /// Places the members of an archive among the files of `tree`, a directory in use. What was
    /// placed before a refusal stays.
    pub fn place(
        &self,
        stream: OwnedFd,
        tree: OwnedFd,
        order: &Place,
    ) -> Result<Job<Placed>, Error> {
        let order = serde_json::to_string(order).map_err(|error| self.failed(error.into()))?;
        self.start("place", stream, tree, Some(&order))
    }

    fn naming(&self) -> Result<String, Error> {
        serde_json::to_string(&self.named).map_err(|error| self.failed(error.into()))
    }

    pub(crate) fn failed(&self, source: io::Error) -> Error {
        Error::Start {
            exe: self.exe.clone(),
            source,
        }
    }

    /// Standard input is the stream, standard output the output, standard error the answer:
    /// no other descriptor is inherited, so nothing but `posix_spawn` is needed.
    pub(crate) fn start<T>(
        &self,
        mode: &str,
        stream: OwnedFd,
        output: OwnedFd,
        order: Option<&str>,
    ) -> Result<Job<T>, Error> {
        let failed = |source| self.failed(source);
        let limits =
            serde_json::to_string(&self.limits).map_err(|error| failed(io::Error::other(error)))?;
        let (answer, theirs) = io::pipe().map_err(failed)?;
        let child = Command::new(&self.exe)
            .args([mode, &limits])
            .args(order)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(stream))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(theirs))
            .spawn()
            .map_err(failed)?;
        Ok(Job {
            exe: self.exe.clone(),
            output: None,
            child,
            answer,
            result: PhantomData,
        })
    }
}

/// Where an open file is, or the directory that it was made in without a name.
fn name(file: &impl AsRawFd) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    match path.to_string_lossy().ends_with(" (deleted)") {
        true => path.parent().map(Path::to_path_buf),
        false => Some(path),
    }
}

/// A worker at work. Dropping it kills and reaps the worker.
#[derive(Debug)]
pub struct Job<T> {
    exe: PathBuf,
    /// What it writes, for whoever reads an error.
    output: Option<PathBuf>,
    child: Child,
    answer: PipeReader,
    result: PhantomData<fn() -> T>,
}

impl<T: Answer> Job<T> {
    /// Waits until the worker has ended, and returns its answer.
    pub fn wait(mut self) -> Result<T, Error> {
        let mut said = Vec::new();
        let read = (&mut self.answer).take(ANSWER).read_to_end(&mut said);
        // A worker that goes on beyond the longest answer is broken: end it.
        if said.len() as u64 == ANSWER || read.is_err() {
            drop(self.child.kill());
        }
        let status = self.child.wait().map_err(|source| Error::Start {
            exe: self.exe.clone(),
            source,
        })?;
        match parse(&said).and_then(T::from_outcome) {
            Some(Ok(result)) if status.success() => Ok(result),
            Some(Err(source @ Refusal::Machine { .. })) => Err(match self.output.take() {
                Some(output) => {
                    let source = Box::new(source);
                    Error::Output { output, source }
                }
                None => Error::Refused(source),
            }),
            Some(Err(refusal)) => Err(Error::Refused(refusal)),
            _ => Err(self.silent(&format!("{status}: {}", excerpt(&said)))),
        }
    }

    fn into_output(mut self, output: Option<PathBuf>) -> Self {
        self.output = output;
        self
    }

    /// The worker's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn silent(&self, detail: &str) -> Error {
        Error::Worker {
            exe: self.exe.clone(),
            detail: detail.to_owned(),
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// A result that an [`Outcome`] may carry.
pub trait Answer: Sized {
    /// This result or the refusal; `None` if the outcome is another's.
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>>;
}

impl Answer for Unpacked {
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>> {
        match outcome {
            Outcome::Layer(unpacked) => Some(Ok(unpacked)),
            Outcome::Failed(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }
}

impl Answer for Split {
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>> {
        match outcome {
            Outcome::Archive(split) => Some(Ok(split)),
            Outcome::Failed(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }
}

impl Answer for Packed {
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>> {
        match outcome {
            Outcome::Pack(packed) => Some(Ok(packed)),
            Outcome::Failed(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }
}

impl Answer for Placed {
    fn from_outcome(outcome: Outcome) -> Option<Result<Self, Refusal>> {
        match outcome {
            Outcome::Place(placed) => Some(Ok(placed)),
            Outcome::Failed(refusal) => Some(Err(refusal)),
            _ => None,
        }
    }
}

/// The answer's line: `{"version":1, ...}`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) version: u32,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

fn parse(said: &[u8]) -> Option<Outcome> {
    let last = said.strip_suffix(b"\n")?.rsplit(|b| *b == b'\n').next()?;
    let line: Line = serde_json::from_slice(last).ok()?;
    (line.version == VERSION).then_some(line.outcome)
}

fn excerpt(said: &[u8]) -> String {
    let start = said.len().saturating_sub(500);
    let tail = String::from_utf8_lossy(said.get(start..).unwrap_or_default());
    tail.trim().to_owned()
}
