//! The journal of systemd, by its own protocol.

use crate::sender::Message;
use crate::socket::{Peer, Socket};
use crate::{Error, Origin};
use std::collections::BTreeMap;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

pub(crate) async fn connect() -> Result<Socket, Error> {
    let connected = Socket::connect(&Peer::UnixDatagram(SOCKET.into())).await;
    connected.map_err(|_| Error::Absent("journald is not enabled on this host".to_owned()))
}

pub(crate) async fn send(socket: &mut Socket, message: Message<'_>) -> Result<(), Error> {
    let sent = socket.send(&write(message)).await;
    sent.map_err(Error::connection("send to the journal"))
}

fn write(message: Message<'_>) -> Vec<u8> {
    let (origin, parts) = (message.origin, message.parts);
    let severity = message.severity().to_string();
    let at = message.record.at.to_string();
    let ordinal = message.ordinal.to_string();
    let mut entry = Vec::with_capacity(512 + message.line.len());
    field(&mut entry, "MESSAGE", message.line);
    for (name, value) in [
        ("PRIORITY", severity.as_str()),
        ("CONTAINER_ID", origin.short_id()),
        ("CONTAINER_ID_FULL", &origin.id),
        ("CONTAINER_LOG_EPOCH", message.epoch),
        ("CONTAINER_LOG_ORDINAL", &ordinal),
        ("CONTAINER_NAME", &origin.name),
        ("CONTAINER_TAG", &origin.tag),
        ("IMAGE_NAME", &origin.image),
        ("SYSLOG_IDENTIFIER", &origin.tag),
        ("SYSLOG_TIMESTAMP", &at),
    ] {
        field(&mut entry, name, value);
    }
    if parts.ordinal > 0 {
        field(&mut entry, "CONTAINER_PARTIAL_ID", &parts.id);
        field(
            &mut entry,
            "CONTAINER_PARTIAL_ORDINAL",
            parts.ordinal.to_string(),
        );
        field(
            &mut entry,
            "CONTAINER_PARTIAL_LAST",
            if parts.last { "true" } else { "false" },
        );
        if !parts.last {
            field(&mut entry, "CONTAINER_PARTIAL_MESSAGE", "true");
        }
    }
    for (name, value) in attributes(origin) {
        field(&mut entry, &name, value);
    }
    entry
}

/// The attributes as the journal has them; it takes no name that begins with a digit.
pub(crate) fn attributes(origin: &Origin) -> BTreeMap<String, String> {
    let named = origin.attributes.iter();
    let named = named.map(|(name, value)| (sanitized(name), value.clone()));
    named
        .filter(|(name, _)| name.starts_with(|first: char| first.is_ascii_uppercase()))
        .collect()
}

/// One field: on a line of its own or, if it has several, with its length before it.
fn field(entry: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    let value = value.as_ref();
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

/// A name as the journal takes them: capitals, digits and underscores, the first a letter.
fn sanitized(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = upper.chars().map(safe).collect();
    name.trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_numbered() {
        let record = logs::Record {
            stream: logs::Stream::Stdout,
            at: types::Timestamp::from_nanos(1),
            line: b"a\n".to_vec(),
            attributes: BTreeMap::new(),
        };
        let entry = write(Message {
            record: &record,
            line: b"a",
            parts: &crate::sender::Parts::default(),
            origin: &Origin::default(),
            host: "host",
            epoch: "e",
            ordinal: 3,
        });
        let text = String::from_utf8(entry).unwrap();
        assert!(
            text.contains("CONTAINER_LOG_EPOCH=e\nCONTAINER_LOG_ORDINAL=3\n"),
            "{text}"
        );
        assert!(!text.contains("PARTIAL"), "{text}");
    }

    #[test]
    fn a_field_of_several_lines_says_its_length() {
        let mut entry = Vec::new();
        field(&mut entry, "A", "b");
        field(&mut entry, "C", "d\ne");
        assert_eq!(entry, b"A=b\nC\n\x03\0\0\0\0\0\0\0d\ne\n");
        assert_eq!(sanitized("_com.example"), "COM_EXAMPLE");
    }

    #[test]
    fn attributes_are_named_as_the_journal_takes_them() {
        let given = [("com.example-x", "1"), ("_y", "2"), ("9z", "3"), ("_", "4")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let origin = Origin {
            attributes: given.into(),
            ..Origin::default()
        };
        let expected = [("COM_EXAMPLE_X", "1"), ("Y", "2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(attributes(&origin), expected.into());
    }
}
