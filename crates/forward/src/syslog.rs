//! Syslog: by the local socket, UDP, TCP or TLS.

use crate::address::Url;
use crate::sender::Message;
use crate::socket::{Peer, Socket, TlsFiles};
use crate::{Error, OptionError, Options};
use jiff::tz::TimeZone;
use std::path::PathBuf;

const OPTIONS: [&str; 7] = [
    "syslog-address",
    "syslog-facility",
    "syslog-format",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
];
/// The facilities, by their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
const DAEMON: u8 = 3;
/// Where a local syslog listens.
const LOCAL: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const PORT: u16 = 514;

/// What the options say.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `None`: the local one.
    peer: Option<Peer>,
    facility: u8,
    form: Form,
    /// Messages are counted, as in RFC 5425.
    counted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unix,
    Rfc3164,
    Rfc5424,
    Rfc5424Micro,
}

impl Settings {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self, OptionError> {
        options.among(&OPTIONS, |name| {
            format!("unknown log opt '{name}' for syslog log driver")
        })?;
        let files = TlsFiles {
            authority: options.text("syslog-tls-ca-cert").map(PathBuf::from),
            certificate: options.text("syslog-tls-cert").map(PathBuf::from),
            key: options.text("syslog-tls-key").map(PathBuf::from),
            // COMPAT: that it is there is enough.
            unverified: options.0.contains_key("syslog-tls-skip-verify"),
        };
        let peer = match options.text("syslog-address") {
            Some(address) => Some(peer(address, files)?),
            None => None,
        };
        let form = match options.text("syslog-format") {
            None => Form::Unix,
            Some("rfc3164") => Form::Rfc3164,
            Some("rfc5424") => Form::Rfc5424,
            Some("rfc5424micro") => Form::Rfc5424Micro,
            Some(_) => return Err(OptionError("Invalid syslog format".to_owned())),
        };
        let modern = matches!(form, Form::Rfc5424 | Form::Rfc5424Micro);
        Ok(Self {
            counted: modern && matches!(peer, Some(Peer::Tls(..))),
            facility: facility(options.text("syslog-facility"))?,
            peer,
            form,
        })
    }

    pub(crate) async fn connect(&self) -> Result<Socket, Error> {
        if let Some(peer) = &self.peer {
            return Socket::connect(peer).await;
        }
        for path in LOCAL {
            for peer in [Peer::UnixDatagram(path.into()), Peer::Unix(path.into())] {
                if let Ok(socket) = Socket::connect(&peer).await {
                    return Ok(socket);
                }
            }
        }
        Err(Error::Absent("Unix syslog delivery error".to_owned()))
    }

    fn write(&self, message: Message<'_>) -> Vec<u8> {
        let priority = self.facility * 8 + message.severity();
        let nanos = i128::from(message.record.at.nanos());
        let at = jiff::Timestamp::from_nanosecond(nanos).unwrap_or_default();
        let at = at.to_zoned(TimeZone::system());
        let (tag, host, pid) = (&message.origin.tag, message.host, std::process::id());
        let stamp = at.strftime("%b %e %H:%M:%S");
        let zone = at.strftime("%:z").to_string();
        let zone = if zone == "+00:00" { "Z" } else { &zone };
        let head = match self.form {
            Form::Unix => format!("<{priority}>{stamp} {tag}[{pid}]: "),
            Form::Rfc3164 => format!("<{priority}>{stamp} {host} {tag}[{pid}]: "),
            Form::Rfc5424 => {
                let at = at.strftime("%Y-%m-%dT%H:%M:%S");
                format!("<{priority}>1 {at}{zone} {host} {tag} {pid} {tag} - ")
            }
            Form::Rfc5424Micro => {
                let at = at.strftime("%Y-%m-%dT%H:%M:%S.%6f");
                format!("<{priority}>1 {at}{zone} {host} {tag} {pid} {tag} - ")
            }
        };
        let mut text = match self.counted {
            true => format!("{} {head}", head.len() + message.line.len() + 1),
            false => head,
        }
        .into_bytes();
        text.extend_from_slice(message.line);
        text.push(b'\n');
        text
    }
}

pub(crate) async fn send(
    settings: &Settings,
    socket: &mut Socket,
    message: Message<'_>,
) -> Result<(), Error> {
    // COMPAT: an empty line is none to syslog.
    if message.line.is_empty() {
        return Ok(());
    }
    let text = settings.write(message);
    let sent = socket.send(&text).await;
    sent.map_err(Error::connection("send to syslog"))
}

fn peer(address: &str, files: TlsFiles) -> Result<Peer, OptionError> {
    let mut url = Url::parse(address).map_err(OptionError)?;
    if url.host.is_empty() {
        // COMPAT: as Go dials it.
        url.host = "localhost".to_owned();
    }
    let path = PathBuf::from(&url.path);
    Ok(match url.scheme.as_str() {
        "tcp" => Peer::Tcp(url.authority(PORT)),
        "tcp+tls" => Peer::Tls(url.authority(PORT), files),
        "udp" => Peer::Udp(url.authority(PORT)),
        "unix" | "unixgram" => {
            if !path.exists() {
                let words = format!("stat {}: no such file or directory", url.path);
                return Err(OptionError(words));
            }
            match url.scheme.as_str() {
                "unix" => Peer::Unix(path),
                _ => Peer::UnixDatagram(path),
            }
        }
        scheme => return Err(OptionError(format!("unsupported scheme: '{scheme}'"))),
    })
}

fn facility(text: Option<&str>) -> Result<u8, OptionError> {
    let Some(text) = text else {
        return Ok(DAEMON);
    };
    let by_name = FACILITIES.iter().position(|name| *name == text);
    let number = by_name.and_then(|number| u8::try_from(number).ok());
    let number = number.or_else(|| text.parse().ok().filter(|number| *number <= 23));
    number.ok_or_else(|| OptionError("invalid syslog facility".to_owned()))
}
