//! A tar's entries, each to the sink; OCI's whiteouts are understood here.

use erofs::{Metadata, Mtime, Node, Xattr};
use std::io::{self, Read};
use tar::{EntryType, Header};

use super::members::{Member, Members, number};
use super::sink::{Marks, Sink};
use crate::error::Refusal;
use crate::limits::Limits;

/// Starts the name of a whiteout.
const WHITEOUT: &[u8] = b".wh.";
/// Starts the name of what aufs kept for itself, and of the mark of an opaque directory.
const META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Bytes of a symbolic link's target.
const TARGET: usize = 4095;

/// What was applied.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) entries: u64,
    pub(super) ignored_xattrs: u64,
}

/// Applies every entry of the tar that `reader` gives.
pub(super) fn apply(
    reader: impl Read,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Result<Applied, Refusal> {
    let mut applied = Applied::default();
    let mut members = Members::new(reader, limits);
    while let Some(member) = members.next()? {
        if members.seen() > limits.entries {
            return Err(Refusal::Limit {
                entry: shown(&member.path),
                what: "the number of entries".to_owned(),
                limit: limits.entries,
            });
        }
        applied.ignored_xattrs += one(&member, &mut members.contents(), sink, limits)?;
    }
    applied.entries = members.seen();
    Ok(applied)
}

/// Applies one entry; returns how many of its attributes were left out.
fn one(
    member: &Member,
    contents: &mut dyn Read,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Result<u64, Refusal> {
    let path = &member.path;
    let parts = check(path, limits)?;
    if let Some((name, parents)) = parts.split_last()
        && sink.marks() == Marks::AreWhiteouts
    {
        if parts.iter().any(|part| part.starts_with(META)) {
            if *name == OPAQUE {
                sink.opaque(&parents.join(&b'/'))?;
            }
            return Ok(0);
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return whiteout(path, parents, hidden, sink).map(|()| 0);
        }
    }
    let described = describe(member, limits)?;
    make(member, contents, described.metadata, sink)?;
    Ok(described.ignored)
}

fn check<'a>(path: &'a [u8], limits: &Limits) -> Result<Vec<&'a [u8]>, Refusal> {
    let limit = |what: &str, limit: usize| Refusal::Limit {
        entry: shown(path),
        what: what.to_owned(),
        limit: limit as u64,
    };
    if path.len() > limits.path {
        return Err(limit("the length of its name", limits.path));
    }
    let parts = erofs::clean(path).map_err(|error| {
        let text = error.to_string();
        let reason = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
        refuse(path, reason)
    })?;
    if parts.len() > limits.depth {
        return Err(limit("the number of its directories", limits.depth));
    }
    Ok(parts)
}

fn whiteout(
    path: &[u8],
    parents: &[&[u8]],
    hidden: &[u8],
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    if matches!(hidden, b"" | b"." | b"..") {
        return Err(refuse(path, "a whiteout of no name"));
    }
    let mut target = parents.to_vec();
    target.push(hidden);
    sink.whiteout(&target.join(&b'/'))
}

fn make(
    member: &Member,
    contents: &mut dyn Read,
    metadata: Metadata,
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    let (path, kind) = (&*member.path, member.kind());
    match kind {
        // Before ustar, a directory was a file whose name ends in a slash.
        EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => {
            sink.directory(path, metadata)
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            sink.file(path, metadata, contents)
        }
        EntryType::Directory => sink.directory(path, metadata),
        EntryType::Symlink => {
            let target = target(member)?;
            if !(1..=TARGET).contains(&target.len()) {
                let reason = "the target of a symbolic link has 1 to 4095 bytes";
                return Err(refuse(path, reason));
            }
            sink.symlink(path, target, &metadata)
        }
        EntryType::Link => {
            let target = target(member)?;
            if erofs::clean(target).is_err() {
                let target = shown(target);
                return Err(refuse(
                    path,
                    &format!("hard link to {target}, which no layer has"),
                ));
            }
            sink.link(path, target)
        }
        EntryType::Char | EntryType::Block => {
            let (major, minor) = device(member.header(), path)?;
            let node = match kind {
                EntryType::Char => Node::Character(major, minor),
                _ => Node::Block(major, minor),
            };
            sink.node(path, node, &metadata)
        }
        EntryType::Fifo => sink.node(path, Node::Fifo, &metadata),
        other => {
            let type_flag = other.as_byte().escape_ascii().to_string();
            Err(refuse(path, &format!("its type {type_flag:?} is unknown")))
        }
    }
}

fn target(member: &Member) -> Result<&[u8], Refusal> {
    let target = member.target.as_deref();
    target.ok_or_else(|| refuse(&member.path, "a link without a target"))
}

fn device(header: &Header, path: &[u8]) -> Result<(u32, u32), Refusal> {
    let number = |number: io::Result<Option<u32>>| match number {
        Ok(number) => Ok(number.unwrap_or(0)),
        Err(error) => Err(refuse(path, &error.to_string())),
    };
    let (major, minor) = (
        number(header.device_major())?,
        number(header.device_minor())?,
    );
    if major > 0xfff || minor > 0xf_ffff {
        return Err(refuse(path, "its device number is larger than Linux's"));
    }
    Ok((major, minor))
}

/// What an entry says of its inode.
struct Described {
    metadata: Metadata,
    /// Attributes left out.
    ignored: u64,
}

fn describe(member: &Member, limits: &Limits) -> Result<Described, Refusal> {
    let path = &member.path;
    let bad = |error: io::Error| refuse(path, &error.to_string());
    let header = member.header();
    let id = |key: &[u8], field: io::Result<u64>| {
        let id = match member.records.last(key) {
            Some(digits) => number(digits),
            None => Some(field.map_err(bad)?),
        };
        let id = id.and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| refuse(path, "its owner is no number of 32 bits"))
    };
    let raw = header.as_old();
    let mode = or_zero(&raw.mode, header.mode().map(u64::from)).map_err(bad)? & 0o7777;
    let mut described = Described {
        metadata: Metadata {
            mode: u16::try_from(mode).unwrap_or(0o7777),
            uid: id(b"uid", or_zero(&raw.uid, header.uid()))?,
            gid: id(b"gid", or_zero(&raw.gid, header.gid()))?,
            mtime: time(member)?,
            xattrs: Vec::new(),
        },
        ignored: 0,
    };
    let mut bytes = 0;
    for (key, value) in member.records.iter() {
        let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else {
            continue;
        };
        bytes += name.len() + value.len();
        if bytes > limits.xattrs {
            return Err(Refusal::Limit {
                entry: shown(path),
                what: "the size of its extended attributes".to_owned(),
                limit: limits.xattrs as u64,
            });
        }
        let xattr = Xattr {
            name: name.to_vec(),
            value: value.to_vec(),
        };
        if taken(&xattr) {
            described.metadata.xattrs.push(xattr);
        } else {
            described.ignored += 1;
        }
    }
    Ok(described)
}

/// COMPAT: Go, and so every engine, reads a number that was left out as 0.
fn or_zero(field: &[u8], read: io::Result<u64>) -> io::Result<u64> {
    match field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        true => Ok(0),
        false => read,
    }
}

fn time(member: &Member) -> Result<Mtime, Refusal> {
    let path = &member.path;
    if let Some(text) = member.records.last(b"mtime") {
        return parse_time(text)
            .ok_or_else(|| refuse(path, "its time of modification is no number"));
    }
    let header = member.header();
    let field = or_zero(&header.as_old().mtime, header.mtime());
    Ok(Mtime {
        // A negative number in base 256 comes as its two's complement.
        seconds: field
            .map_err(|error| refuse(path, &error.to_string()))?
            .cast_signed(),
        nanos: 0,
    })
}

/// Overlay's own attributes would steer the mount; of others, those that a file system here holds.
fn taken(xattr: &Xattr) -> bool {
    let overlay = [b"trusted.overlay.".as_slice(), b"user.overlay."];
    let own = overlay.iter().any(|prefix| xattr.name.starts_with(prefix));
    !own && xattr.is_supported()
}

/// Seconds with a fraction, as PAX writes a time.
fn parse_time(value: &[u8]) -> Option<Mtime> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: u32 = digits.parse().ok()?;
    // Before the epoch the fraction counts away from it.
    Some(if whole.starts_with('-') && nanos > 0 {
        Mtime {
            seconds: seconds.checked_sub(1)?,
            nanos: 1_000_000_000 - nanos,
        }
    } else {
        Mtime { seconds, nanos }
    })
}

fn refuse(path: &[u8], reason: &str) -> Refusal {
    Refusal::Entry {
        entry: shown(path),
        reason: reason.to_owned(),
    }
}

/// A name for people: escaped and cut.
pub(super) fn shown(path: &[u8]) -> String {
    let cut = path.get(..200).unwrap_or(path);
    let dots = if cut.len() < path.len() { "..." } else { "" };
    format!("{}{dots}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_fraction_also_before_the_epoch() {
        let time = |text: &str| parse_time(text.as_bytes()).map(|t| (t.seconds, t.nanos));
        assert_eq!(time("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time("12.1234567891"), Some((12, 123_456_789)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("7"), Some((7, 0)));
        for bad in ["", ".", "a", "1.x", "1e5"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
