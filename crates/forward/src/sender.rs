//! A connection that records are sent through, made again when it fails.

use crate::socket::Socket;
use crate::{Error, Kind, Origin, Target, fluentd, gelf, journald, syslog};
use logs::Record;

/// Sends a container's records.
#[derive(Debug)]
pub struct Sender {
    target: Target,
    origin: Origin,
    host: String,
    socket: Option<Socket>,
    /// The lines of each stream that go on.
    parts: [Parts; 2],
    /// What tells its records from those of another.
    epoch: String,
    /// How many it has sent.
    sent: u64,
}

/// How far a long line was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// A name for the line's pieces.
    pub(crate) id: String,
    /// The piece's number, from one; zero outside of a long line.
    pub(crate) ordinal: u64,
    /// It is the line's last piece.
    pub(crate) last: bool,
}

/// A record with what drivers say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) record: &'a Record,
    /// Without its end of line.
    pub(crate) line: &'a [u8],
    pub(crate) parts: &'a Parts,
    pub(crate) origin: &'a Origin,
    /// This host's name.
    pub(crate) host: &'a str,
    /// What tells the sender's records from another's.
    pub(crate) epoch: &'a str,
    /// Its number among the sender's records, from one.
    pub(crate) ordinal: u64,
}

impl Message<'_> {
    /// The line for who takes only text. COMPAT: in place of each byte that is none is a sign.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.line.len());
        for chunk in self.line.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        text
    }

    /// The severity of syslog and the priority of the journal: information, or an error.
    pub(crate) fn severity(&self) -> u8 {
        match self.record.stream {
            logs::Stream::Stdout => 6,
            logs::Stream::Stderr => 3,
        }
    }
}

impl Sender {
    /// Prepares to send; [`Self::connect`] makes the connection.
    pub fn new(target: Target, origin: Origin) -> Self {
        let host = rustix::system::uname();
        Self {
            target,
            origin,
            host: host.nodename().to_string_lossy().into_owned(),
            socket: None,
            parts: [Parts::default(), Parts::default()],
            epoch: epoch(),
            sent: 0,
        }
    }

    /// Whether a container whose records cannot be sent yet may start.
    pub fn may_wait(&self) -> bool {
        matches!(&self.target.0, Kind::Fluentd(settings) if settings.asynchronous)
    }

    /// Makes the connection, if there is none.
    ///
    /// # Errors
    /// If nobody is there.
    pub async fn connect(&mut self) -> Result<(), Error> {
        if self.socket.is_none() {
            self.socket = Some(match &self.target.0 {
                Kind::Syslog(settings) => settings.connect().await?,
                Kind::Journald => journald::connect().await?,
                Kind::Fluentd(settings) => Socket::connect(&settings.peer).await?,
                Kind::Gelf(settings) => settings.connect().await?,
            });
        }
        Ok(())
    }

    /// Sends a record; when this fails, it is to be sent again.
    ///
    /// # Errors
    /// If there is no connection, or it broke.
    pub async fn send(&mut self, record: &Record) -> Result<(), Error> {
        if let Some(socket) = &mut self.socket
            && socket.has_ended().await
        {
            self.socket = None;
        }
        self.connect().await?;
        let mut parts = self.parts[record.stream as usize].clone();
        parts.advance(record);
        let message = Message {
            record,
            line: record.line.strip_suffix(b"\n").unwrap_or(&record.line),
            parts: &parts,
            origin: &self.origin,
            host: &self.host,
            epoch: &self.epoch,
            ordinal: self.sent + 1,
        };
        let Some(socket) = &mut self.socket else {
            return Ok(());
        };
        let sent = match &self.target.0 {
            Kind::Syslog(settings) => syslog::send(settings, socket, message).await,
            Kind::Journald => journald::send(socket, message).await,
            Kind::Fluentd(settings) => fluentd::send(settings, socket, message).await,
            Kind::Gelf(settings) => gelf::send(settings, socket, message).await,
        };
        match &sent {
            Ok(()) => {
                self.parts[record.stream as usize] = parts;
                self.sent += 1;
            }
            Err(_) => self.socket = None,
        }
        sent
    }
}

impl Parts {
    /// Takes the next record of the stream into account. COMPAT: an end of the output that is no
    /// end of a line goes on as well, and nothing follows.
    fn advance(&mut self, record: &Record) {
        let goes_on = !record.line.ends_with(b"\n");
        if self.last || self.ordinal == 0 {
            *self = Self::default();
        }
        if goes_on || self.ordinal > 0 {
            if self.ordinal == 0 {
                self.id = format!("{:064x}", record.at.nanos());
            }
            self.ordinal += 1;
            self.last = !goes_on;
        }
    }
}

/// A name that no sender had before.
fn epoch() -> String {
    let now = types::Timestamp::now().nanos();
    format!("{:032x}{:032x}", now, std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Timestamp;

    #[test]
    fn pieces_of_a_long_line_are_numbered() {
        let record = |line: String| Record {
            line: line.into_bytes(),
            stream: logs::Stream::Stdout,
            at: Timestamp::from_nanos(255),
            attributes: std::collections::BTreeMap::new(),
        };
        let mut parts = Parts::default();
        let mut seen = Vec::new();
        for line in [
            "a\n".to_owned(),
            "x".repeat(16 << 10),
            "y\n".to_owned(),
            "b\n".to_owned(),
            "end".to_owned(),
        ] {
            parts.advance(&record(line));
            seen.push((parts.id.clone(), parts.ordinal, parts.last));
        }
        let none = (String::new(), 0, false);
        let id = format!("{:064x}", 255);
        assert_eq!(
            seen,
            [
                none.clone(),
                (id.clone(), 1, false),
                (id.clone(), 2, true),
                none,
                (id, 1, false)
            ]
        );
    }
}
