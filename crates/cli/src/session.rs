//! A container's streams on our own: what `run`, `start -a`, `attach` and `exec` share.

use crate::detach_keys::DetachKeys;
use crate::failure::{Failure, Result};
use crate::signals::{Forwarded, Resized};
use crate::stdio::Stream;
use crate::terminal;
use client::{Call, Client, Demultiplexer, Socket, Source};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

const PIECE: usize = 64 << 10;

/// What is shown, and how.
#[derive(Debug)]
pub(crate) struct Session {
    /// The container's side.
    pub(crate) stream: client::Stream,
    /// Whether our input goes there.
    pub(crate) stdin: bool,
    /// Whether it has a terminal: bytes come raw.
    pub(crate) tty: bool,
    /// The keys that end the session; only watched for with a terminal.
    pub(crate) detach: DetachKeys,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The container closed its streams.
    Closed,
    /// The user typed the detach keys.
    Detached,
}

impl Session {
    /// Copies until the container's output ends or the user detaches. What has come is written
    /// before this returns.
    pub(crate) async fn copy(self) -> Result<End> {
        let raw = match self.tty && self.stdin {
            true => terminal::Raw::input()?,
            false => None,
        };
        let keys = (raw.is_some()).then_some(self.detach);
        let (from, to) = tokio::io::split(self.stream.socket);
        let output = output(self.stream.read.to_vec(), from, self.tty);
        tokio::pin!(output);
        if !self.stdin {
            output.await?;
            return Ok(End::Closed);
        }
        let input = input(to, keys);
        tokio::pin!(input);
        tokio::select! {
            done = &mut output => {
                done?;
                return Ok(End::Closed);
            }
            end = &mut input => if end == End::Detached {
                return Ok(End::Detached);
            },
        }
        output.await?;
        Ok(End::Closed)
    }
}

/// Our input to the container; at its end the connection is half closed.
async fn input(mut to: WriteHalf<Socket>, mut keys: Option<DetachKeys>) -> End {
    // A broken connection shows in the output, which has the last word.
    match forward(&mut to, &mut keys).await {
        Ok(End::Detached) => return End::Detached,
        Ok(End::Closed) | Err(_) => {}
    }
    drop(to.shutdown().await);
    End::Closed
}

async fn forward(to: &mut WriteHalf<Socket>, keys: &mut Option<DetachKeys>) -> io::Result<End> {
    let mut stdin = Stream::input()?;
    let mut buffer = vec![0; PIECE];
    loop {
        let length = stdin.read(&mut buffer).await?;
        let bytes = buffer.get(..length).unwrap_or_default();
        match keys {
            _ if bytes.is_empty() => return Ok(End::Closed),
            None => to.write_all(bytes).await?,
            Some(keys) => {
                let (bytes, detach) = keys.pass(bytes);
                to.write_all(&bytes).await?;
                if detach {
                    return Ok(End::Detached);
                }
            }
        }
    }
}

/// The container's output to ours, beginning with what was read already.
async fn output(first: Vec<u8>, mut from: ReadHalf<Socket>, tty: bool) -> Result<()> {
    let mut printer = Printer::new(tty)?;
    printer.print(&first).await?;
    let mut buffer = Vec::with_capacity(PIECE);
    loop {
        buffer.clear();
        match from.read_buf(&mut buffer).await {
            // The daemon or shim closed with some of our input unread: nothing more will come.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            result => result?,
        };
        if buffer.is_empty() {
            return Ok(());
        }
        printer.print(&buffer).await?;
    }
}

/// Writes output to where it belongs.
#[derive(Debug)]
pub(crate) struct Printer {
    stdout: Stream,
    stderr: Stream,
    frames: Option<Demultiplexer>,
}

impl Printer {
    /// For raw bytes (`tty`) or frames.
    pub(crate) fn new(tty: bool) -> Result<Self> {
        Ok(Self {
            stdout: Stream::output()?,
            stderr: Stream::error()?,
            frames: (!tty).then(Demultiplexer::default),
        })
    }

    /// Writes what came.
    pub(crate) async fn print(&mut self, mut bytes: &[u8]) -> Result<()> {
        let Some(frames) = &mut self.frames else {
            return Ok(self.stdout.write_all(bytes).await?);
        };
        while let Some(chunk) = frames.next(&mut bytes)? {
            match chunk.source {
                Source::Stdout => self.stdout.write_all(chunk.bytes).await?,
                Source::Stderr => self.stderr.write_all(chunk.bytes).await?,
                Source::Daemon => {
                    let words = String::from_utf8_lossy(chunk.bytes);
                    return Err(Failure::text(
                        1,
                        format!("error from daemon in stream: {words}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Runs `session` while signals are forwarded and the terminal's size is followed.
pub(crate) async fn accompany<T>(
    session: impl Future<Output = T>,
    client: &Client,
    target: &Target,
    mut signals: Forwarded,
) -> Result<T> {
    let mut resized = match target.tty() {
        true => Resized::watch()?,
        false => Resized::default(),
    };
    // The size may have changed since it was looked at and before it was watched.
    let mut unsure = target.tty();
    tokio::pin!(session);
    loop {
        // A container that is gone takes neither; the session's end says so.
        tokio::select! {
            biased;
            end = &mut session => return Ok(end),
            signal = signals.next() => drop(target.signal(client, signal).await),
            () = async {}, if unsure => {
                unsure = false;
                drop(target.resize(client).await);
            }
            () = resized.next() => drop(target.resize(client).await),
        }
    }
}

/// What signals and sizes go to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A container, by id.
    Container {
        /// Its id or name.
        id: String,
        /// Whether it has a terminal.
        tty: bool,
    },
    /// A process executed in one; signals cannot be sent to it.
    Exec {
        /// Its id.
        id: String,
        /// Whether it has a terminal.
        tty: bool,
    },
}

impl Target {
    fn tty(&self) -> bool {
        match self {
            Self::Container { tty, .. } | Self::Exec { tty, .. } => *tty,
        }
    }

    async fn signal(&self, client: &Client, number: i32) -> client::Result<()> {
        match self {
            Self::Container { id, .. } => {
                let path = format!("/containers/{}/kill", client::encode(id));
                let call = Call::post(path).query("signal", number.to_string());
                client.done(call).await
            }
            Self::Exec { .. } => Ok(()),
        }
    }

    /// Tells the terminal's size.
    pub(crate) async fn resize(&self, client: &Client) -> client::Result<()> {
        let Some([rows, columns]) = terminal::size().filter(|_| self.tty()) else {
            return Ok(());
        };
        let path = match self {
            Self::Container { id, .. } => format!("/containers/{}/resize", client::encode(id)),
            Self::Exec { id, .. } => format!("/exec/{id}/resize"),
        };
        let call = Call::post(path)
            .query("h", rows.to_string())
            .query("w", columns.to_string());
        client.done(call).await
    }
}
