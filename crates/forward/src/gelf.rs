//! Graylog's extended log format, by UDP in chunks or TCP.

use crate::address::Url;
use crate::sender::Message;
use crate::socket::{Peer, Socket};
use crate::{Error, OptionError, Options};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Map, Value};
use std::io::{self, Write as _};
use types::Timestamp;

const OPTIONS: [&str; 5] = [
    "gelf-address",
    "gelf-compression-level",
    "gelf-compression-type",
    "gelf-tcp-max-reconnect",
    "gelf-tcp-reconnect-delay",
];
/// How much of a message one datagram carries.
const CHUNK: usize = 1420 - 12;
/// How many datagrams a message may have.
const CHUNKS: usize = 128;
/// What a chunk begins with.
const MAGIC: [u8; 2] = [0x1e, 0x0f];

/// What the options say.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    peer: Peer,
    compression: Form,
    level: Compression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gzip,
    Zlib,
    None,
}

impl Settings {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self, OptionError> {
        let address = options.text("gelf-address").unwrap_or_default();
        if address.is_empty() {
            return Err(OptionError(
                "gelf-address is a required parameter".to_owned(),
            ));
        }
        let url = Url::parse(address).map_err(OptionError)?;
        let (tcp, udp) = (url.scheme == "tcp", url.scheme == "udp");
        if !tcp && !udp {
            return Err(OptionError(
                "gelf: endpoint needs to be TCP or UDP".to_owned(),
            ));
        }
        let (Some(port), false) = (url.port, url.host.is_empty()) else {
            return Err(OptionError(
                "gelf: please provide gelf-address as proto://host:port".to_owned(),
            ));
        };
        options.among(&OPTIONS, |name| {
            format!("unknown log opt {name:?} for gelf log driver")
        })?;
        for name in ["gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"] {
            if options.text(name).is_some() && udp {
                return Err(OptionError(format!("{name:?} is only valid for TCP")));
            }
            options
                .number(name, "Atoi")
                .map_err(|_| OptionError(format!("{name:?} must be a positive integer")))?;
        }
        let kind = options.text("gelf-compression-type");
        let level = options.text("gelf-compression-level");
        if tcp && (kind.is_some() || level.is_some()) {
            return Err(OptionError(
                "compression is only supported on UDP".to_owned(),
            ));
        }
        let to = url.authority(port);
        Ok(Self {
            peer: if tcp { Peer::Tcp(to) } else { Peer::Udp(to) },
            compression: form(kind)?,
            level: compression(level)?,
        })
    }

    pub(crate) async fn connect(&self) -> Result<Socket, Error> {
        let connected = Socket::connect(&self.peer).await;
        connected.map_err(|error| match (error, &self.peer) {
            (Error::Connection { action, source }, Peer::Tcp(to) | Peer::Udp(to)) => {
                let action = format!("gelf: cannot connect to GELF endpoint: {to} {action}");
                Error::Connection { action, source }
            }
            (error, _) => error,
        })
    }

    fn pack(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self.compression {
            Form::None => Ok(bytes.to_vec()),
            Form::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), self.level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Form::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), self.level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

fn form(text: Option<&str>) -> Result<Form, OptionError> {
    match text {
        None | Some("gzip") => Ok(Form::Gzip),
        Some("zlib") => Ok(Form::Zlib),
        Some("none") => Ok(Form::None),
        Some(other) => Err(OptionError(format!(
            "unknown value {other:?} for log opt \"gelf-compression-type\" for gelf log driver"
        ))),
    }
}

/// -1 is zlib's own choice.
fn compression(text: Option<&str>) -> Result<Compression, OptionError> {
    let Some(text) = text else {
        return Ok(Compression::fast());
    };
    match text.parse::<i32>() {
        Ok(-1) => Ok(Compression::default()),
        Ok(level @ 0..=9) => Ok(Compression::new(level.unsigned_abs())),
        _ => Err(OptionError(format!(
            "unknown value {text:?} for log opt \"gelf-compression-level\" for gelf log driver"
        ))),
    }
}

pub(crate) async fn send(
    settings: &Settings,
    socket: &mut Socket,
    message: Message<'_>,
) -> Result<(), Error> {
    // COMPAT: an empty line is not sent, which the format does not know.
    if message.line.is_empty() {
        return Ok(());
    }
    let failed = || Error::connection("send to gelf");
    let mut bytes = write(message);
    if let Peer::Tcp(_) = settings.peer {
        bytes.push(0);
        return socket.send(&bytes).await.map_err(failed());
    }
    let bytes = settings.pack(&bytes).map_err(failed())?;
    for datagram in datagrams(&bytes, message.record.at) {
        socket.send(&datagram).await.map_err(failed())?;
    }
    Ok(())
}

fn write(message: Message<'_>) -> Vec<u8> {
    let origin = message.origin;
    let milliseconds = message.record.at.nanos() / 1_000_000;
    let seconds = format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000);
    let seconds = seconds.parse::<f64>().unwrap_or_default();
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
    put("version", "1.1".into());
    put("host", message.host.into());
    put("short_message", message.text().into());
    put("timestamp", seconds.into());
    put("level", message.severity().into());
    for (key, value) in [
        ("_command", origin.command.as_str()),
        ("_container_id", &origin.id),
        ("_container_name", &origin.name),
        ("_created", &origin.created),
        ("_image_id", &origin.image_id),
        ("_image_name", &origin.image),
        ("_tag", &origin.tag),
    ] {
        put(key, value.into());
    }
    for (key, value) in &origin.attributes {
        put(&format!("_{key}"), value.as_str().into());
    }
    Value::Object(document).to_string().into_bytes()
}

/// A message in datagrams; one that would need too many is cut, as nobody could join it.
fn datagrams(bytes: &[u8], at: Timestamp) -> Vec<Vec<u8>> {
    if bytes.len() <= CHUNK + 12 {
        return vec![bytes.to_vec()];
    }
    let chunks: Vec<&[u8]> = bytes.chunks(CHUNK).take(CHUNKS).collect();
    let count = u8::try_from(chunks.len()).unwrap_or(0);
    let identity = at.nanos().rotate_left(17) ^ u64::from(std::process::id());
    let datagram = |(number, chunk): (u8, &&[u8])| {
        let mut datagram = Vec::with_capacity(CHUNK + 12);
        datagram.extend_from_slice(&MAGIC);
        datagram.extend_from_slice(&identity.to_be_bytes());
        datagram.extend_from_slice(&[number, count]);
        datagram.extend_from_slice(chunk);
        datagram
    };
    (0..count).zip(&chunks).map(datagram).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_goes_in_numbered_chunks() {
        let bytes = vec![7; CHUNK * 2 + 5];
        let sent = datagrams(&bytes, Timestamp::from_nanos(1));
        assert_eq!(sent.len(), 3);
        let mut joined = Vec::new();
        for (number, datagram) in sent.iter().enumerate() {
            assert_eq!(datagram[..2], MAGIC);
            assert_eq!(datagram[2..10], sent[0][2..10]);
            assert_eq!(usize::from(datagram[10]), number);
            assert_eq!(datagram[11], 3);
            joined.extend_from_slice(&datagram[12..]);
        }
        assert_eq!(joined, bytes);
        assert_eq!(datagrams(&[1; 100], Timestamp::default()).len(), 1);
    }
}
