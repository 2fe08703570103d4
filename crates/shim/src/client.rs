//! A client attached to a process: its socket takes output and gives stdin.

use crate::detach::Detector;
use crate::poll::{Interest, Token};
use crate::queue::Queue;
use logs::Stream;
use rustix::io::Errno;
use rustix::net::Shutdown;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How much of what a client sent and nobody wants is read away before its socket is closed,
/// so that it sees an end and not a reset.
const DISCARDED: usize = 1 << 20;

/// How long a client may take to read its last output before it is told that this was the end, and
/// how often that is looked at.
const AWAKE: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_micros(50);

/// What a client wants.
#[derive(Debug)]
pub(crate) struct Wants {
    /// It gives stdin.
    pub stdin: bool,
    /// It takes stdout.
    pub stdout: bool,
    /// It takes stderr.
    pub stderr: bool,
    /// It takes stdcopy frames.
    pub multiplexed: bool,
    /// Keys that detach it; empty: none.
    pub detach_keys: Vec<u8>,
}

/// An attached client.
#[derive(Debug)]
pub(crate) struct Client {
    fd: OwnedFd,
    /// The process it is attached to.
    pub process: u32,
    wants: Wants,
    detector: Option<Detector>,
    queue: Queue,
    /// Whether stdin may be read from it still.
    pub gives: bool,
    /// Whether output may be written to it still.
    takes: bool,
    /// The process's output has ended: it goes once its queue is empty.
    finishing: bool,
    /// What the poll watches it for; `None`: nothing at all.
    watched: Option<Interest>,
}

impl Client {
    /// A client of `process`.
    ///
    /// # Errors
    /// If its descriptor cannot be made non-blocking.
    pub(crate) fn new(fd: OwnedFd, process: u32, wants: Wants) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let detector =
            (!wants.detach_keys.is_empty()).then(|| Detector::new(wants.detach_keys.clone()));
        Ok(Self {
            fd,
            process,
            detector,
            queue: Queue::default(),
            gives: wants.stdin,
            takes: wants.stdout || wants.stderr,
            wants,
            finishing: false,
            watched: None,
        })
    }

    /// How many bytes it has not taken yet.
    pub(crate) fn behind(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing connects it with its process any more.
    pub(crate) fn is_done(&self) -> bool {
        let silent = !self.takes || (self.finishing && self.queue.is_empty());
        silent && (self.finishing || !self.gives)
    }

    /// Sends output to it; what it does not take waits.
    pub(crate) fn send(&mut self, stream: Stream, bytes: &[u8]) {
        let wanted = match stream {
            Stream::Stdout => self.wants.stdout,
            Stream::Stderr => self.wants.stderr,
        };
        if !wanted || !self.takes {
            return;
        }
        let mut header = [0; 8];
        let head = if self.wants.multiplexed {
            header[0] = 1 + stream as u8;
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            header[4..].copy_from_slice(&length.to_be_bytes());
            &header[..]
        } else {
            &[]
        };
        if self.queue.write(self.fd.as_fd(), head, bytes).is_err() {
            self.takes_no_more();
        }
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        if self.queue.flush(self.fd.as_fd()).is_err() {
            self.takes_no_more();
        }
    }

    /// Nobody reads at its other end.
    pub(crate) fn takes_no_more(&mut self) {
        self.takes = false;
        self.queue.clear();
    }

    /// No more output will come.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
    }

    /// Reads stdin from it: the number of bytes, 0 at the end, `None` if there is nothing now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match rustix::io::read(&self.fd, buffer) {
            Ok(length) => Some(length),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(_) => Some(0),
        }
    }

    /// What of `typed` is meant for the process, and whether the keys to detach were typed.
    pub(crate) fn filter(&mut self, typed: &[u8], passed: &mut Vec<u8>) -> bool {
        match &mut self.detector {
            Some(detector) => detector.feed(typed, passed),
            None => {
                passed.extend_from_slice(typed);
                false
            }
        }
    }

    /// What is to be waited for; `None`: nothing, because an end that is known would only be
    /// reported again and again. `full`: the process takes no stdin now.
    pub(crate) fn interest(&self, full: bool) -> Option<Interest> {
        let interest = Interest {
            read: self.gives && !full,
            write: !self.queue.is_empty(),
        };
        let idle = interest == Interest::NONE;
        // A client that gives nothing is watched for its end; one held back is not.
        (!idle || (self.takes && !self.gives)).then_some(interest)
    }

    /// What it is watched for now.
    pub(crate) fn watched(&mut self) -> &mut Option<Interest> {
        &mut self.watched
    }

    /// Its token, by its number.
    pub(crate) const fn token(key: u32) -> Token {
        Token::Client(key)
    }

    /// Waits a moment until the client has read what it was sent.
    ///
    /// COMPAT: who has waited for a container by another connection looks at its output then. A
    /// client that finds both to be read may take the answer first, as Node's do; dockerd is never
    /// so fast.
    fn await_read(&self) {
        let begun = Instant::now();
        let unread = || sys::socket::unread(self.fd.as_fd()).is_ok_and(|unread| unread > 0);
        while unread() && begun.elapsed() < AWAKE {
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends the connection so that the client reads all and then an end.
    pub(crate) fn close(self) {
        self.await_read();
        let ended = rustix::net::shutdown(&self.fd, Shutdown::Write);
        let mut scrap = [0; 1024];
        let mut discarded = 0;
        while ended.is_ok() && discarded < DISCARDED {
            match rustix::io::read(&self.fd, &mut scrap) {
                Ok(length) if length > 0 => discarded += length,
                _ => break,
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_client_that_reads_soon_has_read_all_when_it_is_let_go() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let wants = Wants {
            stdin: false,
            stdout: true,
            stderr: false,
            multiplexed: false,
            detach_keys: Vec::new(),
        };
        let mut client = Client::new(ours.into(), 1, wants).unwrap();
        client.send(Stream::Stdout, b"last words");
        let begun = Instant::now();
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2));
            let mut words = [0; 10];
            theirs.read_exact(&mut words).unwrap();
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).unwrap();
            (words, rest)
        });
        client.close();
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(2), "{waited:?}");
        assert_eq!(reader.join().unwrap(), (*b"last words", Vec::new()));
    }
}
