//! The members of a tar, one after the other: headers with their extensions, then contents.
//!
//! The `tar` crate reads a header's fields. What goes before and between headers is read here,
//! as its own reader splits PAX records at newlines, which binary values contain.

mod pax;
mod sparse;

use std::io::{self, Read};
use tar::{EntryType, Header};

use super::guard::{carry, refusal_of};
use crate::error::Refusal;
use crate::limits::Limits;
use pax::Records;
pub(super) use pax::number;
use sparse::Map;

/// Everything in a tar is padded to this.
const RECORD: u64 = 512;

/// Reads one member after the other.
#[derive(Debug)]
pub(super) struct Members<R> {
    reader: R,
    limits: Limits,
    seen: u64,
    /// Bytes of this member that were not read.
    left: u64,
    padding: u64,
    /// Where the contents are, if not all from the start on.
    map: Option<Map>,
    /// Bytes that sparse files are larger than what is stored of them.
    expanded: u64,
}

/// A member's header with what extends it.
#[derive(Debug)]
pub(super) struct Member {
    header: Header,
    pub(super) path: Vec<u8>,
    /// Of links.
    pub(super) target: Option<Vec<u8>>,
    /// Bytes of contents.
    pub(super) size: u64,
    pub(super) records: Records,
}

impl Member {
    pub(super) fn kind(&self) -> EntryType {
        self.header.entry_type()
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }
}

/// Extensions that stand before a header.
#[derive(Debug, Default)]
struct Extensions {
    records: Option<Records>,
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    bytes: u64,
}

impl<R: Read> Members<R> {
    pub(super) fn new(reader: R, limits: &Limits) -> Self {
        Self {
            reader,
            limits: *limits,
            seen: 0,
            left: 0,
            padding: 0,
            map: None,
            expanded: 0,
        }
    }

    /// How many members there were so far.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The next member; what was not read of the last one is skipped.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Refusal> {
        self.skip()?;
        let mut extensions = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                return match extensions.bytes {
                    0 => Ok(None),
                    _ => Err(damaged("an extended header without a member")),
                };
            };
            match header.entry_type() {
                EntryType::XHeader => {
                    let bytes = self.extension(&header, &mut extensions)?;
                    let records = Records::parse(&bytes).ok_or_else(|| self.bad("PAX records"))?;
                    if extensions.records.replace(records).is_some() {
                        return Err(self.bad("two sets of PAX records"));
                    }
                }
                EntryType::XGlobalHeader => {
                    self.extension(&header, &mut extensions)?;
                    extensions.bytes = 0;
                }
                EntryType::GNULongName => {
                    extensions.path = Some(trimmed(self.extension(&header, &mut extensions)?));
                }
                EntryType::GNULongLink => {
                    extensions.target = Some(trimmed(self.extension(&header, &mut extensions)?));
                }
                _ => return self.member(header, extensions).map(Some),
            }
        }
    }

    /// The contents of the last member.
    pub(super) fn contents(&mut self) -> Contents<'_, R> {
        Contents { members: self }
    }

    fn member(&mut self, header: Header, extensions: Extensions) -> Result<Member, Refusal> {
        self.seen += 1;
        let records = extensions.records.unwrap_or_default();
        let path = records
            .last(b"path")
            .map(<[u8]>::to_vec)
            .or(extensions.path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let target = records
            .last(b"linkpath")
            .map(<[u8]>::to_vec)
            .or(extensions.target)
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let stored = match records.last(b"size") {
            Some(size) => number(size).ok_or_else(|| self.bad("the PAX record of a size"))?,
            None => header.entry_size().map_err(|_| self.bad("the size"))?,
        };
        // Links, directories and nodes have no contents, whatever their size says.
        let stored = match header.entry_type() {
            EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo => 0,
            _ => stored,
        };
        self.left = stored;
        self.padding = stored.wrapping_neg() % RECORD;
        let mut member = Member {
            size: stored,
            header,
            path,
            target,
            records,
        };
        self.sparse(&mut member)?;
        Ok(member)
    }

    /// Finds where a sparse member's contents are.
    fn sparse(&mut self, member: &mut Member) -> Result<(), Refusal> {
        let most = self.limits.headers;
        let map = if member.header.entry_type() == EntryType::GNUSparse {
            Some(sparse::gnu(&member.header, &mut self.reader, most)?)
        } else if member.records.last(b"GNU.sparse.major") == Some(b"1") {
            let mut contents = (&mut self.reader).take(self.left);
            let map = sparse::pax_1(&member.records, &mut contents, most)?;
            self.left = contents.limit();
            Some(map)
        } else {
            sparse::pax_0(&member.records)?
        };
        let Some(map) = map else { return Ok(()) };
        if let Some(name) = member.records.last(b"GNU.sparse.name") {
            member.path = name.to_vec();
        }
        if map.stored() != Some(self.left) {
            return Err(self.bad("the map of a sparse file"));
        }
        self.expanded = self.expanded.saturating_add(map.size());
        if self.expanded > self.limits.uncompressed {
            return Err(Refusal::Limit {
                entry: super::apply::shown(&member.path),
                what: "the size of sparse files".to_owned(),
                limit: self.limits.uncompressed,
            });
        }
        member.size = map.size();
        self.map = Some(map);
        Ok(())
    }

    /// `None` at the end: of the stream, or where zeros stand for a header.
    fn header(&mut self) -> Result<Option<Header>, Refusal> {
        let mut header = Header::new_old();
        let mut filled = 0;
        while filled < header.as_bytes().len() {
            match self.reader.read(&mut header.as_mut_bytes()[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(damaged("it ends within a header")),
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refusal_of(&error)),
            }
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = checksum(&header);
        match header.cksum() {
            Ok(said) if sum.contains(&i64::from(said)) => Ok(Some(header)),
            _ => Err(self.bad("the header's checksum")),
        }
    }

    /// An extension's bytes, if there are not too many.
    fn extension(
        &mut self,
        header: &Header,
        extensions: &mut Extensions,
    ) -> Result<Vec<u8>, Refusal> {
        let size = header.entry_size().map_err(|_| self.bad("the size"))?;
        extensions.bytes = extensions.bytes.saturating_add(size).saturating_add(RECORD);
        if extensions.bytes > self.limits.headers {
            return Err(Refusal::Limit {
                entry: format!("entry {}", self.seen + 1),
                what: "the size of its headers".to_owned(),
                limit: self.limits.headers,
            });
        }
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(size).read_to_end(&mut bytes);
        read.map_err(|error| refusal_of(&error))?;
        if bytes.len() as u64 != size {
            return Err(damaged("it ends within a header"));
        }
        self.padding = size.wrapping_neg() % RECORD;
        self.skip()?;
        Ok(bytes)
    }

    fn skip(&mut self) -> Result<(), Refusal> {
        self.map = None;
        let rest = self.left.saturating_add(self.padding);
        let skipped = io::copy(&mut (&mut self.reader).take(rest), &mut io::sink());
        // The last member's padding may be missing.
        if skipped.map_err(|error| refusal_of(&error))? < self.left {
            return Err(damaged("it ends within a member"));
        }
        self.left = 0;
        self.padding = 0;
        Ok(())
    }

    fn bad(&self, what: &str) -> Refusal {
        damaged(&format!("{what} of entry {} is wrong", self.seen + 1))
    }
}

/// Contents of a member; holes are read as zeros.
#[derive(Debug)]
pub(super) struct Contents<'a, R> {
    members: &'a mut Members<R>,
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let members = &mut *self.members;
        let (length, stored) = match &mut members.map {
            Some(map) => map.advance(out.len()),
            None => (out.len(), true),
        };
        if !stored {
            out[..length].fill(0);
            return Ok(length);
        }
        let most = usize::try_from(members.left).unwrap_or(usize::MAX);
        let length = length.min(most);
        if length == 0 {
            return Ok(0);
        }
        let read = members.reader.read(&mut out[..length])?;
        if read == 0 {
            return Err(carry(damaged("it ends within a member")));
        }
        members.left -= read as u64;
        if let Some(map) = &mut members.map {
            map.give_back(length - read);
        }
        Ok(read)
    }
}

/// The sum of unsigned bytes, as it should be, and of signed ones, as some wrote it.
fn checksum(header: &Header) -> [i64; 2] {
    let bytes = header.as_bytes().iter().enumerate();
    let counted = bytes.map(|(at, byte)| {
        if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        }
    });
    counted.fold([0, 0], |[unsigned, signed], byte| {
        [
            unsigned + i64::from(byte),
            signed + i64::from(byte.cast_signed()),
        ]
    })
}

fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

fn damaged(what: &str) -> Refusal {
    Refusal::Damaged(what.to_owned())
}
