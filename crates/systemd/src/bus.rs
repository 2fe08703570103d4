//! A connection to a bus, or to a manager itself.

use crate::Error;
use crate::message::{self, Body, Method, Received};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use zbus::wire::DynamicType;

/// How long an answer, or the end of a job, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line of the handshake.
const LINE_MOST: usize = 512;
/// The most signals that are kept for later.
const SIGNALS_MOST: usize = 1024;

const HELLO: Method = Method {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    name: "Hello",
};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A manager, which takes calls without a destination.
    Manager,
    /// A bus with others on it.
    Bus,
}

#[derive(Debug)]
pub(crate) struct Bus {
    stream: UnixStream,
    pub(crate) peer: Peer,
    serial: u32,
    signals: VecDeque<(String, Body)>,
}

impl Bus {
    pub(crate) fn connect(path: &Path, peer: Peer) -> Result<Self, Error> {
        let stream = UnixStream::connect(path).map_err(|source| Error::Connect {
            path: path.to_owned(),
            source,
        })?;
        let mut bus = Self {
            stream,
            peer,
            serial: 0,
            signals: VecDeque::new(),
        };
        bus.authenticate().map_err(Error::bus("authenticate on"))?;
        if peer == Peer::Bus {
            bus.call(&HELLO, &())?;
        }
        Ok(bus)
    }

    /// As whoever the kernel says we are: a number of ours may be another one out there.
    fn authenticate(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream
            .write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let (challenge, verdict) = (self.line()?, self.line()?);
        match challenge.starts_with("DATA") && verdict.starts_with("OK ") {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, verdict)),
        }
    }

    /// A line of the handshake; what follows the last one is not ours to read.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            if line.len() == LINE_MOST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call<B>(&mut self, method: &Method, body: &B) -> Result<Body, Error>
    where
        B: Serialize + DynamicType,
    {
        self.serial += 1;
        // The bus itself is addressed by name also before we have one.
        let bytes = message::call(self.serial, method, self.peer == Peer::Bus, body)?;
        self.stream
            .write_all(&bytes)
            .map_err(Error::bus("write to"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.receive(deadline)? {
                Received::Reply(serial, answer) if serial == self.serial => {
                    return answer.map_err(|refusal| Error::Refused {
                        method: method.name,
                        name: refusal.name,
                        message: refusal.message,
                    });
                }
                Received::Signal(member, body) if self.signals.len() < SIGNALS_MOST => {
                    self.signals.push_back((member, body));
                }
                _ => {}
            }
        }
    }

    /// The next signal, of those that came already too.
    pub(crate) fn signal(&mut self, deadline: Instant) -> Result<(String, Body), Error> {
        if let Some(signal) = self.signals.pop_front() {
            return Ok(signal);
        }
        loop {
            if let Received::Signal(member, body) = self.receive(deadline)? {
                return Ok((member, body));
            }
        }
    }

    /// A deadline for what is waited for from now on.
    pub(crate) fn deadline() -> Instant {
        Instant::now() + PATIENCE
    }

    fn receive(&mut self, deadline: Instant) -> Result<Received, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        // No time at all would mean no limit.
        let left = left.max(Duration::from_millis(1));
        self.stream
            .set_read_timeout(Some(left))
            .map_err(Error::bus("read from"))?;
        message::receive(&mut self.stream)
    }
}
