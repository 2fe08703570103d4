//! A client's socket that a shim takes over.

use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;

/// How output travels on an attached socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Bytes as they are: a terminal's one stream.
    Raw,
    /// Docker's stdcopy: 8 bytes of header (stream, 0, 0, 0, big-endian length) before each piece.
    Multiplexed,
}

/// A client's socket, handed to the shim, which copies stdio to and from it.
///
/// The HTTP answer was written before; the shim closes the socket when the process has ended
/// and all its output was sent, or when the keys to detach were read.
#[derive(Debug)]
pub struct Attach {
    /// The socket (or any other stream that can be polled).
    pub fd: OwnedFd,
    /// What was read from it already, beyond the request: the first bytes of stdin.
    pub unread: Vec<u8>,
    /// Copy from the client to the process; an end of the client's half is passed on by the
    /// process's [`StdinPolicy`](crate::StdinPolicy).
    pub stdin: bool,
    /// Copy the process's stdout to the client.
    pub stdout: bool,
    /// Copy the process's stderr to the client.
    pub stderr: bool,
    /// How output is framed.
    pub framing: Framing,
    /// The keys that detach, on a terminal only; `None`: none do.
    pub detach_keys: Option<DetachKeys>,
}

/// A sequence of keys that detaches a client from a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

/// Why a text names no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeysError(String);

impl fmt::Display for DetachKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unknown character: '{}'", self.0)
    }
}

impl std::error::Error for DetachKeysError {}

impl DetachKeys {
    /// The bytes that the terminal sends for them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Default for DetachKeys {
    /// ctrl-p, ctrl-q.
    fn default() -> Self {
        Self(vec![16, 17])
    }
}

impl FromStr for DetachKeys {
    type Err = DetachKeysError;

    /// Keys divided by commas: single characters, or `ctrl-` and one of `a`-`z @ [ \ ] ^ _`.
    fn from_str(text: &str) -> Result<Self, DetachKeysError> {
        let keys = text.split(',').map(key).collect::<Option<Vec<u8>>>();
        match keys {
            Some(keys) => Ok(Self(keys)),
            None => Err(DetachKeysError(text.chars().take(80).collect())),
        }
    }
}

fn key(name: &str) -> Option<u8> {
    if let Some(letter) = name.strip_prefix("ctrl-") {
        return match letter.as_bytes() {
            [c @ b'a'..=b'z'] => Some(c - b'a' + 1),
            b"@" => Some(0),
            [c @ b'['..=b'_'] => Some(c - b'[' + 27),
            _ => None,
        };
    }
    match name.as_bytes() {
        [c] => Some(*c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("ctrl-p,ctrl-q", &[16, 17][..]),
            ("a", b"a"),
            ("ctrl-@,ctrl-[,ctrl-_", &[0, 27, 31]),
            ("ctrl-\\,x", &[28, b'x']),
        ] {
            assert_eq!(
                text.parse::<DetachKeys>().unwrap().as_bytes(),
                bytes,
                "{text}"
            );
        }
        for text in ["", "ctrl-", "ctrl-A", "ab", "ctrl-p,", "é"] {
            assert!(text.parse::<DetachKeys>().is_err(), "{text}");
        }
    }
}
