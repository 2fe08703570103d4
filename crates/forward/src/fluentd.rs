//! Fluentd's forward protocol, in its message mode.

use crate::address::Url;
use crate::sender::Message;
use crate::socket::{Peer, Socket, TlsFiles};
use crate::{Error, OptionError, Options};
use rmp::encode;
use std::time::Duration;
use types::Timestamp;

const OPTIONS: [&str; 9] = [
    "fluentd-address",
    "fluentd-async",
    "fluentd-async-reconnect-interval",
    "fluentd-buffer-limit",
    "fluentd-max-retries",
    "fluentd-request-ack",
    "fluentd-retry-wait",
    "fluentd-sub-second-precision",
    "fluentd-write-timeout",
];
const PORT: u16 = 24_224;
/// How long an acknowledgement is waited for.
const ACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What the options say. What bounds retries and buffers there needs no word here: records
/// wait in the log's own file.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) peer: Peer,
    /// A container starts whether the connection is there or not.
    pub(crate) asynchronous: bool,
    acknowledged: bool,
    precise: bool,
}

impl Settings {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self, OptionError> {
        options.among(&OPTIONS, |name| {
            format!("unknown log opt '{name}' for fluentd log driver")
        })?;
        if let Some(size) = options.text("fluentd-buffer-limit") {
            logs::size(size).map_err(OptionError)?;
        }
        options.number("fluentd-max-retries", "ParseUint")?;
        options.duration("fluentd-retry-wait")?;
        let timeout = "fluentd-write-timeout";
        if options
            .text(timeout)
            .is_some_and(|text| text.starts_with('-'))
        {
            let words = "value must be a duration that is non-negative";
            return Err(OptionError(format!("invalid value for {timeout}: {words}")));
        }
        options.duration(timeout)?;
        options.duration("fluentd-async-reconnect-interval")?;
        Ok(Self {
            peer: peer(options.text("fluentd-address"))?,
            asynchronous: options.switch("fluentd-async")?,
            acknowledged: options.switch("fluentd-request-ack")?,
            precise: options.switch("fluentd-sub-second-precision")?,
        })
    }
}

fn peer(address: Option<&str>) -> Result<Peer, OptionError> {
    let address = address.unwrap_or("tcp://127.0.0.1");
    let whole = match address.contains("://") {
        true => address.to_owned(),
        false => format!("tcp://{address}"),
    };
    let invalid =
        |reason: &str| OptionError(format!("invalid fluentd-address ({address}): {reason}"));
    let mut url = Url::parse(&whole).map_err(|reason| invalid(&reason))?;
    if url.host.is_empty() {
        url.host = "127.0.0.1".to_owned();
    }
    let to = url.authority(PORT);
    match url.scheme.as_str() {
        "unix" if url.path.is_empty() => Err(invalid("path is empty")),
        "unix" => Ok(Peer::Unix(url.path.into())),
        "tcp" | "tls" if !url.path.is_empty() => Err(invalid("should not contain a path element")),
        "tcp" => Ok(Peer::Tcp(to)),
        "tls" => Ok(Peer::Tls(to, TlsFiles::default())),
        scheme => Err(invalid(&format!("unsupported scheme: '{scheme}'"))),
    }
}

pub(crate) async fn send(
    settings: &Settings,
    socket: &mut Socket,
    message: Message<'_>,
) -> Result<(), Error> {
    let chunk = settings.acknowledged.then(|| {
        let at = message.record.at.nanos();
        format!(
            "{}-{at:x}-{}",
            message.origin.short_id(),
            message.record.stream.name()
        )
    });
    let failed = || Error::connection("send to fluentd");
    let bytes = write(settings, message, chunk.as_deref()).map_err(failed())?;
    socket.send(&bytes).await.map_err(failed())?;
    let Some(chunk) = chunk else {
        return Ok(());
    };
    let mut answer = [0; 1024];
    let length = socket
        .read(&mut answer, ACKNOWLEDGED)
        .await
        .map_err(failed())?;
    let answer = answer.get(..length).unwrap_or_default();
    let acknowledged = answer
        .windows(chunk.len())
        .any(|part| part == chunk.as_bytes());
    match acknowledged {
        true => Ok(()),
        false => Err(Error::Unacknowledged("fluentd".to_owned())),
    }
}

/// `[tag, time, record, option]`.
fn write(
    settings: &Settings,
    message: Message<'_>,
    chunk: Option<&str>,
) -> std::io::Result<Vec<u8>> {
    let (origin, parts) = (message.origin, message.parts);
    let name = format!("/{}", origin.name);
    let ordinal = parts.ordinal.to_string();
    let mut pairs = vec![
        ("container_id", origin.id.as_bytes()),
        ("container_name", name.as_bytes()),
        ("source", message.record.stream.name().as_bytes()),
        ("log", message.line),
    ];
    if parts.ordinal > 0 {
        pairs.extend([
            ("partial_message", &b"true"[..]),
            ("partial_id", parts.id.as_bytes()),
            ("partial_ordinal", ordinal.as_bytes()),
            ("partial_last", if parts.last { b"true" } else { b"false" }),
        ]);
    }
    pairs.extend(
        origin
            .attributes
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_bytes())),
    );
    let mut bytes = Vec::with_capacity(256 + message.line.len());
    encode::write_array_len(&mut bytes, 4)?;
    encode::write_str(&mut bytes, &origin.tag)?;
    time(&mut bytes, message.record.at, settings.precise)?;
    map(&mut bytes, &pairs)?;
    let option: Vec<_> = chunk
        .map(|chunk| ("chunk", chunk.as_bytes()))
        .into_iter()
        .collect();
    map(&mut bytes, &option)?;
    Ok(bytes)
}

/// Seconds or, in the protocol's own type, seconds and nanoseconds.
fn time(bytes: &mut Vec<u8>, at: Timestamp, precise: bool) -> std::io::Result<()> {
    if !precise {
        encode::write_uint(bytes, at.seconds())?;
        return Ok(());
    }
    encode::write_ext_meta(bytes, 8, 0)?;
    let halves = [at.seconds(), at.subsec_nanos()];
    for half in halves.map(|half| u32::try_from(half).unwrap_or(u32::MAX)) {
        bytes.extend_from_slice(&half.to_be_bytes());
    }
    Ok(())
}

/// COMPAT: strings are whatever bytes there are, as Go's are.
fn map(bytes: &mut Vec<u8>, pairs: &[(&str, &[u8])]) -> std::io::Result<()> {
    encode::write_map_len(bytes, u32::try_from(pairs.len()).unwrap_or(0))?;
    for (key, value) in pairs {
        encode::write_str(bytes, key)?;
        encode::write_str_len(bytes, u32::try_from(value.len()).unwrap_or(0))?;
        bytes.extend_from_slice(value);
    }
    Ok(())
}
