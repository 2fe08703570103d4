//! Docker's frames around the output of a container without a terminal.
//!
//! Each frame is an 8 byte head (stream, three zeros, length as big-endian u32) and that many
//! bytes.

use std::io;

const HEAD: usize = 8;

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The daemon's own words about a stream that failed.
    Daemon,
}

/// Some bytes of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Which stream.
    pub source: Source,
    /// The bytes; never empty.
    pub bytes: &'a [u8],
}

/// Takes frames apart, wherever the reads cut them.
#[derive(Debug, Default)]
pub struct Demultiplexer {
    head: [u8; HEAD],
    /// How many bytes of the head are known.
    known: usize,
    /// How many bytes of the frame are still to come.
    left: usize,
}

impl Demultiplexer {
    /// Takes the next chunk off the front of `input`; `None` once `input` is used up.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> io::Result<Option<Chunk<'a>>> {
        while !input.is_empty() {
            if self.left == 0 && !self.head(input)? {
                continue;
            }
            let length = self.left.min(input.len());
            let (bytes, rest) = input.split_at(length);
            *input = rest;
            self.left -= length;
            if length > 0 {
                let source = self.source()?;
                return Ok(Some(Chunk { source, bytes }));
            }
        }
        Ok(None)
    }

    /// Whether the input ended between frames.
    pub fn is_complete(&self) -> bool {
        self.left == 0 && self.known == 0
    }

    /// Reads on the head; whether it is complete.
    fn head(&mut self, input: &mut &[u8]) -> io::Result<bool> {
        let length = (HEAD - self.known).min(input.len());
        let (bytes, rest) = input.split_at(length);
        for (known, byte) in self.head.iter_mut().skip(self.known).zip(bytes) {
            *known = *byte;
        }
        *input = rest;
        self.known += length;
        if self.known < HEAD {
            return Ok(false);
        }
        self.known = 0;
        let [_, _, _, _, a, b, c, d] = self.head;
        self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        self.source().map(|_| true)
    }

    fn source(&self) -> io::Result<Source> {
        match self.head {
            // COMPAT: 0 is standard input's number, which Docker's clients print as output.
            [0 | 1, ..] => Ok(Source::Stdout),
            [2, ..] => Ok(Source::Stderr),
            [3, ..] => Ok(Source::Daemon),
            [other, ..] => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("unrecognized input header: {other}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        frame.extend(bytes);
        frame
    }

    #[test]
    fn frames_are_taken_apart_wherever_reads_cut_them() {
        let wire = [
            frame(1, b"out"),
            frame(2, b""),
            frame(2, b"err"),
            frame(1, b"!"),
        ]
        .concat();
        for cut in 1..=wire.len() {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut demultiplexer = Demultiplexer::default();
            for piece in wire.chunks(cut) {
                let mut input = piece;
                while let Some(chunk) = demultiplexer.next(&mut input).unwrap() {
                    match chunk.source {
                        Source::Stdout => out.extend(chunk.bytes),
                        _ => err.extend(chunk.bytes),
                    }
                }
            }
            assert_eq!(
                (out.as_slice(), err.as_slice()),
                (&b"out!"[..], &b"err"[..])
            );
            assert!(demultiplexer.is_complete());
        }
    }

    #[test]
    fn an_unknown_stream_is_refused() {
        let wire = frame(9, b"x");
        assert!(Demultiplexer::default().next(&mut wire.as_slice()).is_err());
    }
}
