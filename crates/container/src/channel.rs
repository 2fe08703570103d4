//! What parent and child tell each other: messages of one sequenced-packet socket.
//!
//! | tag | from | carries |
//! |---|---|---|
//! | `U` | child | it is in its new user namespace and waits for its maps |
//! | `P` | stage | the pid of the process that goes on, a sibling |
//! | `C` | child | the terminal's master |
//! | `L` | child | its network namespace is there, links may move in |
//! | `I` | child | a tree that gets its maps of ids, and the number of its mount |
//! | `H` | child | the runtime's hooks may run |
//! | `N` | child | the seccomp listener |
//! | `R` | child | it is ready, at the gate |
//! | `F` | child | step, class, errno, action, object: it failed |
//! | `G` | parent | go on; its pid |
//! | `S` | parent | start |

use crate::error::Error;
use crate::fault::{Class, Fault};
use crate::hooks;
use crate::steps;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The longest message; objects are cut to fit.
const LONGEST: usize = 1024;

/// A message without a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    Maps = b'U',
    Group = b'A',
    Pid = b'P',
    Console = b'C',
    Interfaces = b'L',
    IdMap = b'I',
    Hooks = b'H',
    Listener = b'N',
    Ready = b'R',
    Go = b'G',
    Start = b'S',
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        const ALL: [Tag; 11] = [
            Tag::Maps,
            Tag::Group,
            Tag::Pid,
            Tag::Console,
            Tag::Interfaces,
            Tag::IdMap,
            Tag::Hooks,
            Tag::Listener,
            Tag::Ready,
            Tag::Go,
            Tag::Start,
        ];
        ALL.into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// What was received.
#[derive(Debug)]
pub(crate) enum Received {
    /// The other end is closed.
    End,
    /// A message, the number and the descriptor in it.
    Message(Tag, i32, Option<OwnedFd>),
    /// The child failed.
    Failed(Error),
}

/// Both ends: the parent's and the child's.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let pair = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(pair)
}

/// Sends a message; no allocation.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    tag: Tag,
    number: i32,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut bytes = [tag as u8; 5];
    bytes[1..].copy_from_slice(&number.to_ne_bytes());
    sys::socket::send(socket, &bytes, fd)
}

/// Waits for one of the parent's messages; no allocation. `None`: the parent is gone.
pub(crate) fn wait_for(socket: BorrowedFd<'_>, tag: Tag) -> io::Result<Option<i32>> {
    let mut bytes = [0_u8; 5];
    let (length, _) = sys::socket::receive(socket, &mut bytes)?;
    match bytes {
        [first, number @ ..] if length == bytes.len() && first == tag as u8 => {
            Ok(Some(i32::from_ne_bytes(number)))
        }
        _ => Ok(None),
    }
}

/// Tells a failure; no allocation. An error here has nobody to be told to.
pub(crate) fn send_failure(socket: BorrowedFd<'_>, step: usize, fault: &Fault<'_>) {
    let mut bytes = [0_u8; LONGEST];
    bytes[0] = b'F';
    bytes[1] = u8::try_from(step).unwrap_or(u8::MAX);
    bytes[2] = fault.class as u8;
    bytes[3..7].copy_from_slice(&fault.errno.to_ne_bytes());
    let action = fault.action.as_bytes();
    bytes[7] = u8::try_from(action.len()).unwrap_or(0);
    let mut end = 8;
    for part in [action, fault.object] {
        let length = part.len().min(LONGEST - end);
        bytes[end..end + length].copy_from_slice(&part[..length]);
        end += length;
    }
    drop(sys::socket::send(socket, &bytes[..end], None));
}

/// Waits for the child's next message.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Received> {
    let mut bytes = [0_u8; LONGEST];
    let (length, fd) = sys::socket::receive(socket.as_fd(), &mut bytes)?;
    let bytes = &bytes[..length];
    Ok(match bytes {
        [] => Received::End,
        [b'F', rest @ ..] => Received::Failed(failure(rest)),
        [tag, number @ ..] => {
            let number = number.try_into().map_or(0, i32::from_ne_bytes);
            let tag = Tag::of(*tag).ok_or(io::ErrorKind::InvalidData)?;
            Received::Message(tag, number, fd)
        }
    })
}

fn failure(bytes: &[u8]) -> Error {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let [step, class, e0, e1, e2, e3, length, rest @ ..] = bytes else {
        return Error::process("read the child's failure")(io::ErrorKind::InvalidData.into());
    };
    let source = io::Error::from_raw_os_error(i32::from_ne_bytes([*e0, *e1, *e2, *e3]));
    let (action, object) = rest.split_at(usize::from(*length).min(rest.len()));
    match *class {
        class if class == Class::CommandNotFound as u8 => Error::CommandNotFound {
            command: text(object),
            source,
        },
        class if class == Class::CommandNotExecutable as u8 => Error::CommandNotExecutable {
            command: text(object),
            source,
        },
        class if class == Class::Mount as u8 => {
            let told = text(object);
            let (from, to) = told.split_once('\0').unwrap_or(("", &told));
            Error::Mount {
                mount: Error::named(from, to),
                action: text(action),
                source,
            }
        }
        class if class == Class::Hook as u8 => hook(&text(action), &text(object)),
        class if class == Class::ForeignRoot as u8 => Error::ForeignRoot {
            pid: text(object).parse().unwrap_or(0),
        },
        class if class == Class::NoAccount as u8 => Error::NoAccount {
            file: text(action),
            name: text(object),
        },
        _ => Error::Step {
            step: steps::name(usize::from(*step)),
            action: text(action),
            object: text(object),
            source,
        },
    }
}

/// A hook's failure: its list, and its index, path and what happened, divided by zero bytes.
fn hook(stage: &str, told: &str) -> Error {
    let mut parts = told.splitn(3, '\0');
    let index = parts.next().and_then(|index| index.parse().ok());
    let mut next = || parts.next().unwrap_or_default().to_owned();
    Error::Hook {
        stage: hooks::Stage::named(stage).map_or("", hooks::Stage::name),
        index: index.unwrap_or(0),
        path: next(),
        reason: hooks::in_words(next().trim()),
    }
}
