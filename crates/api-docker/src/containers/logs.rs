//! A container's log, read back and followed.

use super::attach::media_type;
use crate::body::{self, Response, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::hearing;
use crate::version::ApiVersion;
use engine::{Log, LogQuery, LogRecord, LogStream};
use types::Timestamp;

/// How records are written.
#[derive(Clone, Copy, Debug)]
struct Form {
    tty: bool,
    timestamps: bool,
    details: bool,
    /// Records of one stream share a frame.
    joined: bool,
}

/// The version since which a client may name a form.
const FORMATS: ApiVersion = ApiVersion::new(1, 54);

/// The most of a frame that records share: what docker's command has room for at first.
const FRAME: usize = 32 << 10;
/// The head of a frame: stream, three zeroes, big-endian length.
const HEAD: usize = 8;

pub(crate) async fn logs(call: Call) -> Result<Response> {
    let query = &call.query;
    let wanted = LogQuery {
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        // COMPAT: what is no number, `all` first of all, is everything.
        tail: query.text("tail").parse().ok(),
        since: query.time("since")?,
        until: query.time("until")?,
        follow: query.flag("follow"),
    };
    if !wanted.stdout && !wanted.stderr {
        return Err(Error::bad_request(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    if call.version >= FORMATS {
        match query.text("format") {
            "" => {}
            // COMPAT: experimental there, and in no document of the API.
            "json" => return Err(Call::refuse("format=json", "records are written as frames")),
            _ => return Err(Error::bad_request("unsupported log format")),
        }
    }
    let id = call.container()?;
    let containers = call.api.engine.containers();
    let tty = containers.find(&id)?.record.spec.streams.tty;
    let form = Form {
        tty,
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
        joined: hearing::joins_frames(&call.headers),
    };
    let log = containers.logs(&id, wanted)?;
    let (writer, response) = body::stream(media_type(call.version, tty).name());
    let stopping = call.api.stopping.clone();
    call.api.tracker.spawn(async move {
        tokio::select! {
            () = send(log, &writer, form) => {}
            () = writer.closed() => {}
            () = stopping.cancelled() => writer.interrupt(),
        }
    });
    Ok(response)
}

async fn send(mut log: Log, writer: &Writer, form: Form) {
    loop {
        match log.next().await {
            Ok(Some(record)) => {
                // What is there already goes along: a chunk a record would be slow.
                let mut chunk = Chunk::new(form);
                chunk.push(&record);
                log.waiting().for_each(|record| chunk.push(&record));
                if writer.send(chunk.bytes).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return writer.fail(error.into()).await,
        }
    }
}

/// Records as they are sent.
struct Chunk {
    form: Form,
    bytes: Vec<u8>,
    /// Where the last frame begins, and of which stream it is.
    last: Option<(usize, LogStream)>,
}

impl Chunk {
    fn new(form: Form) -> Self {
        Self {
            form,
            bytes: Vec::new(),
            last: None,
        }
    }

    fn push(&mut self, record: &LogRecord) {
        if self.form.tty {
            return self.line(record);
        }
        let joined = self.last.filter(|(start, stream)| {
            let length = self.bytes.len() - start + record.line.len();
            self.form.joined && *stream == record.stream && length <= FRAME
        });
        let start = joined.map_or(self.bytes.len(), |(start, _)| start);
        if joined.is_none() {
            let number = match record.stream {
                LogStream::Stdout => 1,
                LogStream::Stderr => 2,
            };
            self.bytes.extend([number, 0, 0, 0, 0, 0, 0, 0]);
            self.last = Some((start, record.stream));
        }
        self.line(record);
        let length = self.bytes.len() - start - HEAD;
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = self
            .bytes
            .get_mut(start + HEAD - length.len()..start + HEAD)
        {
            place.copy_from_slice(&length);
        }
    }

    fn line(&mut self, record: &LogRecord) {
        if self.form.timestamps {
            self.bytes.extend(fixed(record.at).bytes());
            self.bytes.push(b' ');
        }
        if self.form.details {
            let pairs = record.attributes.iter();
            let pairs = pairs.map(|(key, value)| format!("{}={}", escape(key), escape(value)));
            self.bytes
                .extend(pairs.collect::<Vec<_>>().join(",").bytes());
            self.bytes.push(b' ');
        }
        self.bytes.extend_from_slice(&record.line);
    }
}

/// RFC 3339 with all nine digits of the fraction.
fn fixed(time: Timestamp) -> String {
    let whole = Timestamp::from_nanos(time.seconds() * 1_000_000_000).to_string();
    format!(
        "{}.{:09}Z",
        whole.trim_end_matches('Z'),
        time.subsec_nanos()
    )
}

/// As Go escapes a query, so that commas and equals signs divide.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            byte if plain(byte) => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_as_asked() {
        let record = LogRecord {
            stream: LogStream::Stderr,
            at: Timestamp::from_nanos(951_782_400_500_000_000),
            line: b"a\n".to_vec(),
            attributes: [("k,".to_owned(), "v w".to_owned())].into(),
        };
        let written = |(tty, timestamps, details), records: &[&LogRecord], joined| {
            let mut chunk = Chunk::new(Form {
                tty,
                timestamps,
                details,
                joined,
            });
            records.iter().for_each(|record| chunk.push(record));
            chunk.bytes
        };
        let plain = (false, false, false);
        assert_eq!(written((true, false, false), &[&record], false), b"a\n");
        let alone = b"\x02\0\0\0\0\0\0\x02a\n";
        assert_eq!(written(plain, &[&record], false), alone);
        let full = b"2000-02-29T00:00:00.500000000Z k%2C=v+w a\n";
        assert_eq!(written((true, true, true), &[&record], false), full);
        let other = LogRecord {
            stream: LogStream::Stdout,
            ..record.clone()
        };
        let three = [&record, &record, &other];
        let apart = written(plain, &three, false);
        assert_eq!(
            apart,
            b"\x02\0\0\0\0\0\0\x02a\n\x02\0\0\0\0\0\0\x02a\n\x01\0\0\0\0\0\0\x02a\n"
        );
        let joined = written(plain, &three, true);
        assert_eq!(joined, b"\x02\0\0\0\0\0\0\x04a\na\n\x01\0\0\0\0\0\0\x02a\n");
    }
}
