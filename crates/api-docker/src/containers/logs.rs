//! A container's log, read back and followed.

use super::attach::media_type;
use super::frame;
use crate::body::{self, Response, Writer};
use crate::call::Call;
use crate::error::{Error, Result};
use engine::{Log, LogQuery, LogRecord, LogStream};
use types::Timestamp;

/// How records are written.
#[derive(Clone, Copy, Debug)]
struct Form {
    tty: bool,
    timestamps: bool,
    details: bool,
}

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
    let id = call.container()?;
    let containers = call.api.engine.containers();
    let tty = containers.find(&id)?.record.spec.streams.tty;
    let form = Form {
        tty,
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
    };
    let log = containers.logs(&id, wanted)?;
    let (writer, response) = body::stream(media_type(call.version, tty).name());
    let stopping = call.api.stopping.clone();
    call.api.tracker.spawn(async move {
        tokio::select! {
            () = send(log, &writer, form) => {}
            () = writer.closed() => {}
            () = stopping.cancelled() => {}
        }
    });
    Ok(response)
}

async fn send(mut log: Log, writer: &Writer, form: Form) {
    loop {
        match log.next().await {
            Ok(Some(record)) => {
                // What is there already goes along: a chunk a record would be slow.
                let mut bytes = form.write(&record);
                log.waiting()
                    .for_each(|record| bytes.extend(form.write(&record)));
                if writer.send(bytes).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return writer.fail(error.into()).await,
        }
    }
}

impl Form {
    fn write(self, record: &LogRecord) -> Vec<u8> {
        let mut line = String::with_capacity(record.line.len() + 32);
        if self.timestamps {
            line.push_str(&fixed(record.at));
            line.push(' ');
        }
        if self.details {
            let pairs = record.attributes.iter();
            let pairs = pairs.map(|(key, value)| format!("{}={}", escape(key), escape(value)));
            line.push_str(&pairs.collect::<Vec<_>>().join(","));
            line.push(' ');
        }
        line.push_str(&record.line);
        if self.tty {
            return line.into_bytes();
        }
        match record.stream {
            LogStream::Stdout => frame(1, line.as_bytes()),
            LogStream::Stderr => frame(2, line.as_bytes()),
        }
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
            line: "a\n".to_owned(),
            attributes: [("k,".to_owned(), "v w".to_owned())].into(),
        };
        let form = |tty, timestamps, details| Form {
            tty,
            timestamps,
            details,
        };
        assert_eq!(form(true, false, false).write(&record), b"a\n");
        assert_eq!(
            form(false, false, false).write(&record),
            b"\x02\0\0\0\0\0\0\x02a\n"
        );
        let full = b"2000-02-29T00:00:00.500000000Z k%2C=v+w a\n";
        assert_eq!(form(true, true, true).write(&record), full);
    }
}
