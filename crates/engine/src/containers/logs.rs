//! Reading a container's log back.

use super::Containers;
use crate::context::Context;
use crate::log::Plan;
use crate::owner::Handle;
use crate::{Container, Error, Problem};
use logs::{Query, Reader, Record, Stream, Watch};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use task::{Attach, Framing};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use types::{ContainerId, Timestamp};

/// How many records are read at a time.
const BATCH: usize = 1_024;
/// How much of the log is read at a time, if its records are long.
const HELD: usize = 256 << 10;

/// Which part of a log is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// What was written to stdout.
    pub stdout: bool,
    /// What was written to stderr.
    pub stderr: bool,
    /// Only so many last records.
    pub tail: Option<u64>,
    /// Only records at this time or later.
    pub since: Option<Timestamp>,
    /// Only records at this time or earlier.
    pub until: Option<Timestamp>,
    /// Wait for more until the container ends.
    pub follow: bool,
}

/// A place in a container's log.
#[derive(Debug)]
pub struct Log {
    /// Away while it is read on another thread.
    reader: Option<Reader>,
    /// Learns of more, if the log is followed.
    changes: Option<AsyncFd<Watch>>,
    container: watch::Receiver<Arc<Container>>,
    records: VecDeque<Record>,
    path: std::path::PathBuf,
}

impl Containers {
    /// Begins to read a container's log.
    ///
    /// # Errors
    /// [`Problem::NoLog`] if its driver keeps none that can be read.
    pub fn logs(&self, id: &ContainerId, query: LogQuery) -> Result<Log, Error> {
        let handle = self.context.index.container(id)?;
        if !self.log_plan(id)?.readable {
            return Err(Error::state("read the log of", id, Problem::NoLog));
        }
        Log::open(&self.context, &handle, query)
    }

    fn log_plan(&self, id: &ContainerId) -> Result<Plan, Error> {
        let handle = self.context.index.container(id)?;
        let dir = self.context.config.paths.container(id);
        crate::log::plan(&handle.snapshot().record, &dir)
    }

    /// Sends what the log holds to a client's socket.
    pub(super) async fn send_log(&self, id: &ContainerId, attach: &Attach) -> Result<(), Error> {
        let query = LogQuery {
            stdout: attach.stdout,
            stderr: attach.stderr,
            ..LogQuery::default()
        };
        let mut log = match self.logs(id, query) {
            // COMPAT: an attach that also asks for the log goes on without one.
            Err(Error::State {
                problem: Problem::NoLog,
                ..
            }) => return Ok(()),
            log => log?,
        };
        let io = Error::io("send the log to", "client".as_ref());
        let client = match client(attach) {
            Ok(client) => client,
            Err(error) => return Err(io(error)),
        };
        while let Some(record) = log.next().await? {
            if write_all(&client, &framed(&record, attach.framing))
                .await
                .is_err()
            {
                // The client went away: what follows finds out, too.
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Log {
    /// Begins to read, whoever may read it.
    pub(crate) fn open(context: &Context, handle: &Handle, query: LogQuery) -> Result<Self, Error> {
        let id = handle.id();
        let dir = context.config.paths.container(id);
        let plan = crate::log::plan(&handle.snapshot().record, &dir)?;
        let logs::Config::JsonFile(file) = plan.config else {
            return Err(Error::state("read the log of", id, Problem::NoLog));
        };
        let failed = |source| Error::Log {
            id: id.clone(),
            source,
        };
        let wanted = Query {
            stdout: query.stdout,
            stderr: query.stderr,
            since: query.since,
            until: query.until,
            tail: query.tail,
        };
        let reader = Reader::open(&file, wanted).map_err(failed)?;
        let changes = match query.follow {
            true => {
                let watch = reader.watch().map_err(failed)?;
                Some(readiness(watch).map_err(Error::io("watch", &file.path))?)
            }
            false => None,
        };
        Ok(Self {
            reader: Some(reader),
            changes,
            container: handle.watch(),
            records: VecDeque::new(),
            path: file.path,
        })
    }

    /// Whether all that was read was given out.
    pub(crate) fn is_read(&self) -> bool {
        self.records.is_empty()
    }

    /// The records that were read with the next one; the last of them ends what is there now.
    pub fn waiting(&mut self) -> impl Iterator<Item = Record> {
        self.records.drain(..)
    }

    /// The next record; `None` at the end, which a followed log has when its container ends.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn next(&mut self) -> Result<Option<Record>, Error> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(Some(record));
            }
            // Asked before reading: what is written until the end is read after it.
            let ended = !lives(&self.container.borrow());
            if let Some(changes) = &self.changes {
                changes
                    .get_ref()
                    .clear()
                    .map_err(|source| self.failed(source))?;
            }
            let over = self.read().await?;
            if !self.records.is_empty() {
                continue;
            }
            let Some(changes) = self.changes.as_ref().filter(|_| !over && !ended) else {
                return Ok(None);
            };
            tokio::select! {
                ready = changes.readable() => {
                    let mut ready = ready.map_err(Error::io("watch", &self.path))?;
                    ready.clear_ready();
                }
                gone = self.container.wait_for(|container| !lives(container)) => {
                    if gone.is_err() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Reads some records; says whether none can follow.
    async fn read(&mut self) -> Result<bool, Error> {
        let mut reader = self.reader.take().ok_or(Error::Stopping)?;
        let (reader, read) = crate::context::blocking(move || {
            let (mut records, mut held) = (VecDeque::new(), 0);
            let read = loop {
                match reader.next_record() {
                    Ok(Some(record)) => {
                        held += record.line.len();
                        records.push_back(record);
                    }
                    Ok(None) => break Ok(records),
                    Err(error) => break Err(error),
                }
                if records.len() == BATCH || held >= HELD {
                    break Ok(records);
                }
            };
            (reader, read)
        })
        .await?;
        let over = reader.is_over();
        self.reader = Some(reader);
        self.records = read.map_err(|source| self.failed(source))?;
        Ok(over)
    }

    fn failed(&self, source: logs::Error) -> Error {
        Error::Log {
            id: self.container.borrow().record.id.clone(),
            source,
        }
    }
}

fn lives(container: &Container) -> bool {
    !container.removed && container.state.status.is_live()
}

/// The client's socket for this task, which must not block.
fn client(attach: &Attach) -> std::io::Result<AsyncFd<OwnedFd>> {
    let socket = attach.fd.try_clone()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    readiness(socket)
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe; both types here own the descriptor they answer with"
)]
pub(crate) fn readiness<T: std::os::fd::AsRawFd>(owner: T) -> std::io::Result<AsyncFd<T>> {
    AsyncFd::new(owner)
}

async fn write_all(client: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = client.writable().await?;
        match ready.try_io(|client| Ok(rustix::io::write(client.get_ref(), bytes)?)) {
            Ok(written) => bytes = bytes.get(written?..).unwrap_or_default(),
            Err(_would_block) => {}
        }
    }
    Ok(())
}

fn framed(record: &Record, framing: Framing) -> Vec<u8> {
    let line = &record.line;
    match framing {
        Framing::Raw => line.to_vec(),
        Framing::Multiplexed => {
            let stream = match record.stream {
                Stream::Stdout => 1,
                Stream::Stderr => 2,
            };
            let length = u32::try_from(line.len()).unwrap_or(u32::MAX).to_be_bytes();
            let mut frame = vec![stream, 0, 0, 0];
            frame.extend_from_slice(&length);
            frame.extend_from_slice(line);
            frame
        }
    }
}
