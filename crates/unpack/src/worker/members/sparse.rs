//! Maps of sparse files: GNU's own header, and PAX in GNU's forms 0.0, 0.1 and 1.0.

use std::io::Read;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::super::guard::refusal_of;
use super::pax::{Records, number};
use crate::error::Refusal;

/// Where the stored bytes belong.
#[derive(Debug)]
pub(super) struct Map {
    /// Offset and length, ascending and apart.
    parts: Vec<(u64, u64)>,
    size: u64,
    /// Where reading is.
    at: u64,
    part: usize,
}

impl Map {
    fn new(parts: Vec<(u64, u64)>, size: u64) -> Result<Self, Refusal> {
        let mut end = 0;
        for (offset, length) in &parts {
            let after = offset.checked_add(*length).filter(|_| *offset >= end);
            end = after.filter(|end| *end <= size).ok_or_else(wrong)?;
        }
        let parts = parts.into_iter().filter(|(_, length)| *length > 0);
        Ok(Self {
            parts: parts.collect(),
            size,
            at: 0,
            part: 0,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are stored.
    pub(super) fn stored(&self) -> Option<u64> {
        let mut lengths = self.parts.iter().map(|(_, length)| *length);
        lengths.try_fold(0, u64::checked_add)
    }

    /// Goes on by at most `most` bytes of one kind, and says whether they are stored.
    pub(super) fn advance(&mut self, most: usize) -> (usize, bool) {
        let (next, stored) = match self.parts.get(self.part) {
            Some((offset, _)) if self.at < *offset => (*offset, false),
            Some((offset, length)) => (offset + length, true),
            None => (self.size, false),
        };
        let left = usize::try_from(next - self.at).unwrap_or(usize::MAX);
        let length = left.min(most);
        self.at += length as u64;
        if stored && self.at == next {
            self.part += 1;
        }
        (length, stored)
    }

    /// Goes back, as less was read than announced.
    pub(super) fn give_back(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        self.at -= length as u64;
        // The part that was left may be this one again.
        if let Some(before) = self.part.checked_sub(1)
            && let Some((offset, length)) = self.parts.get(before)
            && self.at < offset + length
        {
            self.part = before;
        }
    }
}

/// GNU's own form: four parts in the header, more behind it.
pub(super) fn gnu(header: &Header, reader: &mut impl Read, most: u64) -> Result<Map, Refusal> {
    let gnu = header.as_gnu().ok_or_else(wrong)?;
    let mut parts = Vec::new();
    add(&mut parts, &gnu.sparse)?;
    let mut extended = gnu.is_extended();
    let mut bytes = 0;
    while extended {
        bytes += 512;
        if bytes > most {
            return Err(too_large(most));
        }
        let mut more = GnuExtSparseHeader::new();
        reader
            .read_exact(more.as_mut_bytes())
            .map_err(|error| refusal_of(&error))?;
        add(&mut parts, &more.sparse)?;
        extended = more.is_extended();
    }
    let size = gnu.real_size().map_err(|_| wrong())?;
    Map::new(parts, size)
}

fn add(parts: &mut Vec<(u64, u64)>, fields: &[GnuSparseHeader]) -> Result<(), Refusal> {
    for field in fields.iter().filter(|field| !field.is_empty()) {
        let offset = field.offset().map_err(|_| wrong())?;
        parts.push((offset, field.length().map_err(|_| wrong())?));
    }
    Ok(())
}

/// PAX forms 0.0 and 0.1; `None` if the member is not sparse.
pub(super) fn pax_0(records: &Records) -> Result<Option<Map>, Refusal> {
    let Some(size) = records.last(b"GNU.sparse.size") else {
        return Ok(None);
    };
    let size = number(size).ok_or_else(wrong)?;
    let numbers: Option<Vec<u64>> = match records.last(b"GNU.sparse.map") {
        Some(map) => map.split(|byte| *byte == b',').map(number).collect(),
        None => {
            let pairs = records
                .iter()
                .filter(|(key, _)| matches!(*key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes"));
            pairs.map(|(_, value)| number(value)).collect()
        }
    };
    Map::new(pairs(&numbers.ok_or_else(wrong)?)?, size).map(Some)
}

/// PAX form 1.0: the map stands before the contents, in lines.
pub(super) fn pax_1(
    records: &Records,
    contents: &mut impl Read,
    most: u64,
) -> Result<Map, Refusal> {
    let size = records.last(b"GNU.sparse.realsize").and_then(number);
    let size = size.ok_or_else(wrong)?;
    let mut lines = Lines {
        contents,
        record: [0; 512],
        at: 512,
        left: most,
    };
    let count = lines.number()?;
    if count > most {
        return Err(too_large(most));
    }
    let mut numbers = Vec::new();
    for _ in 0..count * 2 {
        numbers.push(lines.number()?);
    }
    Map::new(pairs(&numbers)?, size)
}

fn pairs(numbers: &[u64]) -> Result<Vec<(u64, u64)>, Refusal> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    match rest {
        [] => Ok(pairs
            .iter()
            .map(|[offset, length]| (*offset, *length))
            .collect()),
        _ => Err(wrong()),
    }
}

/// Numbers in lines, in whole records of 512 bytes.
struct Lines<'a, R> {
    contents: &'a mut R,
    record: [u8; 512],
    at: usize,
    left: u64,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> Result<u64, Refusal> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return number(&digits).ok_or_else(wrong),
                digit if digits.len() < 20 => digits.push(digit),
                _ => return Err(wrong()),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        if self.at == self.record.len() {
            self.left = self.left.checked_sub(512).ok_or_else(|| too_large(0))?;
            let read = self.contents.read_exact(&mut self.record);
            read.map_err(|error| refusal_of(&error))?;
            self.at = 0;
        }
        self.at += 1;
        Ok(self.record[self.at - 1])
    }
}

fn wrong() -> Refusal {
    Refusal::Damaged("the map of a sparse file is wrong".to_owned())
}

fn too_large(most: u64) -> Refusal {
    Refusal::Limit {
        entry: "stream".to_owned(),
        what: "the size of a sparse file's map".to_owned(),
        limit: most,
    }
}
