//! Reading a log back: its files from the oldest, records by time and stream, the last of them,
//! and on over rotations while it is written.

mod file;

use crate::{Error, JsonFile, Stream, Watch, escape, time};
use file::Part;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use types::Timestamp;

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Those of stdout.
    pub stdout: bool,
    /// Those of stderr.
    pub stderr: bool,
    /// Those of this time and later.
    pub since: Option<Timestamp>,
    /// Those of this time and earlier.
    pub until: Option<Timestamp>,
    /// Only those among so many last records of the log, of either stream, as Docker counts.
    pub tail: Option<u64>,
}

impl Default for Query {
    /// All.
    fn default() -> Self {
        Self {
            stdout: true,
            stderr: true,
            since: None,
            until: None,
            tail: None,
        }
    }
}

/// A line, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it was written.
    pub stream: Stream,
    /// When it was read from the process.
    pub at: Timestamp,
    /// What was written, with its end of line if it has one.
    pub line: Vec<u8>,
    /// Labels, environment and tag.
    pub attributes: BTreeMap<String, String>,
}

/// The document of a record.
#[derive(Debug, Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    /// The line to the byte, if it is no UTF-8: characters with the numbers of its bytes.
    #[serde(default)]
    bytes: Option<String>,
    #[serde(default = "Document::stdout")]
    stream: Stream,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

impl Document<'_> {
    const fn stdout() -> Stream {
        Stream::Stdout
    }
}

/// A place in a log.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    files: u32,
    query: Query,
    /// The files still to be read, the oldest first.
    parts: VecDeque<Part>,
    clock: Clock,
    /// A record later than asked for was seen.
    over: bool,
}

/// The time that was read last: what was written together has the same.
#[derive(Debug, Default)]
struct Clock {
    text: String,
    at: Option<Timestamp>,
}

impl Clock {
    fn read(&mut self, text: &str) -> Option<Timestamp> {
        if self.text != text {
            self.at = time::parse(text);
            text.clone_into(&mut self.text);
        }
        self.at
    }
}

impl Reader {
    /// Begins to read; a log that does not exist yet is empty.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn open(config: &JsonFile, query: Query) -> Result<Self, Error> {
        let files = config.files();
        let mut parts = file::open_all(&config.path, files)?;
        if let Some(tail) = query.tail {
            file::seek_tail(&mut parts, tail)?;
        }
        if let Some(since) = query.since {
            // The last record of a file is as old as the file.
            while parts.len() > 1 && parts.front().is_some_and(|part| part.is_before(since)) {
                parts.pop_front();
            }
        }
        Ok(Self {
            path: config.path.clone(),
            files,
            query,
            parts,
            clock: Clock::default(),
            over: false,
        })
    }

    /// The next record that is wanted; `None`: there is none now, but more may come unless
    /// [`Self::is_over`].
    ///
    /// # Errors
    /// If a file cannot be read. A line that is no record is passed over.
    pub fn next_record(&mut self) -> Result<Option<Record>, Error> {
        while !self.over {
            let Some(part) = self.parts.front_mut() else {
                self.parts = file::open_all(&self.path, self.files)?;
                if self.parts.is_empty() {
                    return Ok(None);
                }
                continue;
            };
            if let Some(line) = part.line()? {
                match wanted(&self.query, &mut self.clock, line) {
                    Wanted::Yes(record) => return Ok(Some(record)),
                    Wanted::No => {}
                    Wanted::Later => self.over = true,
                }
            } else if !self.go_on()? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Whether a record later than `until` was seen: no more is to come.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Reports when the log's files change.
    ///
    /// To lose no change, take it before the [`Self::next_record`] that finds nothing.
    ///
    /// # Errors
    /// If inotify is not to be had.
    pub fn watch(&self) -> Result<Watch, Error> {
        Watch::of(&self.path)
    }

    /// At the end of a file: goes to the next, if the log goes on there.
    fn go_on(&mut self) -> Result<bool, Error> {
        if self.parts.len() > 1 {
            self.parts.pop_front();
            return Ok(true);
        }
        let Some(last) = self.parts.front_mut() else {
            return Ok(false);
        };
        if last.was_emptied()? {
            return Ok(true);
        }
        let now = file::open_all(&self.path, self.files)?;
        let place = now.iter().position(|part| part.is(last));
        match place {
            Some(place) if place + 1 == now.len() => Ok(false),
            // Moved away, but what was written until then is in it: read first.
            _ if last.has_grown()? => Ok(true),
            _ => {
                let newer = now.into_iter().skip(place.map_or(0, |place| place + 1));
                self.parts = newer.collect();
                Ok(!self.parts.is_empty())
            }
        }
    }
}

enum Wanted {
    Yes(Record),
    No,
    Later,
}

/// The document of a line, whoever wrote it.
fn document(line: &[u8]) -> Option<Document<'_>> {
    plain(line).or_else(|| serde_json::from_slice(line).ok())
}

/// The document of a line as nearly all are: no attributes, and nothing escaped in it but an end
/// of line.
fn plain(line: &[u8]) -> Option<Document<'_>> {
    let rest = line.strip_prefix(b"{\"log\":\"")?;
    let (text, rest) = rest.split_at(memchr::memchr(b'"', rest)?);
    let log = match memchr::memchr(b'\\', text) {
        None => Cow::Borrowed(std::str::from_utf8(text).ok()?),
        Some(at) if text.get(at..) == Some(b"\\n") => {
            let mut line = String::with_capacity(at + 1);
            line.push_str(std::str::from_utf8(text.get(..at)?).ok()?);
            line.push('\n');
            Cow::Owned(line)
        }
        Some(_) => return None,
    };
    let rest = rest.strip_prefix(b"\",\"stream\":\"std")?;
    let (stream, rest) = rest.split_at_checked(3)?;
    let stream = match stream {
        b"out" => Stream::Stdout,
        b"err" => Stream::Stderr,
        _ => return None,
    };
    let time = rest.strip_prefix(b"\",\"time\":\"")?.strip_suffix(b"\"}")?;
    Some(Document {
        log,
        bytes: None,
        stream,
        time: Cow::Borrowed(std::str::from_utf8(time).ok()?),
        attrs: BTreeMap::new(),
    })
}

fn wanted(query: &Query, clock: &mut Clock, line: &[u8]) -> Wanted {
    let Some(document) = document(line) else {
        return Wanted::No;
    };
    let Some(at) = clock.read(&document.time) else {
        return Wanted::No;
    };
    if query.until.is_some_and(|until| at > until) {
        return Wanted::Later;
    }
    let stream = match document.stream {
        Stream::Stdout => query.stdout,
        Stream::Stderr => query.stderr,
    };
    if !stream || query.since.is_some_and(|since| at < since) {
        return Wanted::No;
    }
    Wanted::Yes(Record {
        stream: document.stream,
        at,
        line: match document.bytes {
            Some(text) => escape::bytes(&text),
            None => document.log.into_owned().into_bytes(),
        },
        attributes: document.attrs,
    })
}

#[cfg(test)]
mod tests;
