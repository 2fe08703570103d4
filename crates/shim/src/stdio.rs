//! One process's stdin, stdout, stderr or terminal, seen from outside.

use crate::error::{Error, Result};
use crate::poll::{Interest, Poll, Token};
use crate::queue::Queue;
use logs::{Stream, Writer};
use proto::shim::Stdin as Policy;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use types::Timestamp;

/// How much output clients may be behind before the process's output is read no further.
const BEHIND: usize = 64 << 10;
/// The same after the process has ended: no more comes than its pipes held.
const BEHIND_AT_END: usize = 2 << 20;

/// The way into a process.
#[derive(Debug)]
struct Input {
    fd: OwnedFd,
    queue: Queue,
    /// It ends once the queue is empty.
    ending: bool,
    watched: bool,
}

/// A way out of a process.
#[derive(Debug)]
struct Output {
    fd: OwnedFd,
    watched: bool,
}

/// A process's streams, our ends.
#[derive(Debug)]
pub(crate) struct Stdio {
    key: u32,
    input: Option<Input>,
    outputs: [Option<Output>; 2],
    terminal: bool,
    policy: Policy,
    log: Option<Writer>,
    /// Why the log could not be written, if so: said once.
    log_failure: Option<String>,
    /// The process has ended.
    pub ended: bool,
}

/// What reading an output gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Its end.
    End,
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Both ends of a process's streams, until it is made. A terminal has none: it comes with the
/// process.
#[derive(Debug)]
pub(crate) struct Ends {
    null: OwnedFd,
    theirs: Option<[Option<OwnedFd>; 3]>,
    ours: [Option<OwnedFd>; 3],
}

impl Ends {
    /// Makes them. `path` is what an error names.
    pub(crate) fn make(terminal: bool, policy: Policy, path: &Path) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, Mode::empty())
            .map_err(Error::io("open", Path::new("/dev/null")))?;
        if terminal {
            return Ok(Self {
                null,
                theirs: None,
                ours: [None, None, None],
            });
        }
        let pipe = || pipe().map_err(Error::io("make streams of", path));
        let (their_stdin, stdin) = match policy {
            Policy::Null => (None, None),
            Policy::Open | Policy::Once => {
                let (theirs, ours) = pipe()?;
                (Some(theirs), Some(ours))
            }
        };
        let (stdout, their_stdout) = pipe()?;
        let (stderr, their_stderr) = pipe()?;
        Ok(Self {
            null,
            theirs: Some([their_stdin, Some(their_stdout), Some(their_stderr)]),
            ours: [stdin, Some(stdout), Some(stderr)],
        })
    }

    /// What the process gets.
    pub(crate) fn theirs(&self) -> ::container::Stdio<'_> {
        let end = |index: usize| {
            let ends = self.theirs.as_ref().and_then(|ends| ends.get(index));
            ends.and_then(Option::as_ref).unwrap_or(&self.null).as_fd()
        };
        ::container::Stdio::Descriptors {
            stdin: end(0),
            stdout: end(1),
            stderr: end(2),
        }
    }

    /// What we keep; `console` is the terminal's master.
    pub(crate) fn ours(
        self,
        key: u32,
        policy: Policy,
        log: Option<Writer>,
        console: Option<OwnedFd>,
    ) -> Result<Stdio> {
        let [stdin, stdout, stderr] = self.ours;
        let made = match (self.theirs.is_none(), console) {
            (false, _) => Stdio::new(key, policy, log, [stdin, stdout, stderr]),
            (true, Some(master)) => Stdio::terminal(key, policy, log, master),
            (true, None) => return Err(Error::invalid("process.terminal")("gave no terminal")),
        };
        made.map_err(Error::io("use", Path::new("streams")))
    }
}

impl Stdio {
    /// Streams that are pipes.
    fn new(
        key: u32,
        policy: Policy,
        log: Option<Writer>,
        [stdin, stdout, stderr]: [Option<OwnedFd>; 3],
    ) -> io::Result<Self> {
        Ok(Self {
            key,
            input: stdin.map(Input::new).transpose()?,
            outputs: [
                stdout.map(Output::new).transpose()?,
                stderr.map(Output::new).transpose()?,
            ],
            terminal: false,
            policy,
            log,
            log_failure: None,
            ended: false,
        })
    }

    /// Streams that are a terminal of this master.
    fn terminal(
        key: u32,
        policy: Policy,
        log: Option<Writer>,
        master: OwnedFd,
    ) -> io::Result<Self> {
        let input = match policy {
            Policy::Null => None,
            Policy::Open | Policy::Once => Some(master.try_clone()?),
        };
        let mut stdio = Self::new(key, policy, log, [input, Some(master), None])?;
        stdio.terminal = true;
        Ok(stdio)
    }

    /// The terminal's master, if there is one and it has not ended.
    pub(crate) fn master(&self) -> Option<BorrowedFd<'_>> {
        let [output, _] = &self.outputs;
        output
            .as_ref()
            .filter(|_| self.terminal)
            .map(|output| output.fd.as_fd())
    }

    /// Whether both outputs have ended.
    pub(crate) fn is_drained(&self) -> bool {
        self.outputs.iter().all(Option::is_none)
    }

    /// Whether the process takes no stdin now, or never again.
    pub(crate) fn input_is_full(&self) -> bool {
        self.input
            .as_ref()
            .is_none_or(|input| !input.queue.is_empty() || input.ending)
    }

    /// Whether a client's stdin would reach anybody.
    pub(crate) fn has_input(&self) -> bool {
        self.input.as_ref().is_some_and(|input| !input.ending)
    }

    /// Begins to watch the outputs.
    pub(crate) fn watch(&mut self, poll: &Poll) -> io::Result<()> {
        self.set_reading(poll, true)
    }

    /// Watches the outputs or not, as clients are `behind` by so many bytes.
    pub(crate) fn balance(&mut self, poll: &Poll, behind: usize) -> io::Result<()> {
        let bound = if self.ended { BEHIND_AT_END } else { BEHIND };
        self.set_reading(poll, behind < bound)
    }

    fn set_reading(&mut self, poll: &Poll, reading: bool) -> io::Result<()> {
        let tokens = [Token::Stdout(self.key), Token::Stderr(self.key)];
        for (output, token) in self.outputs.iter_mut().zip(tokens) {
            let Some(output) = output.as_mut().filter(|output| output.watched != reading) else {
                continue;
            };
            // Removed, not masked: an end would be reported all the time.
            if reading {
                poll.add(&output.fd, token, Interest::READ)?;
            } else {
                poll.remove(&output.fd)?;
            }
            output.watched = reading;
        }
        Ok(())
    }

    /// Reads an output once; an end is final.
    pub(crate) fn read(&mut self, stream: Stream, buffer: &mut [u8]) -> Read {
        let slot = &mut self.outputs[stream as usize];
        let Some(output) = slot else {
            return Read::Nothing;
        };
        match rustix::io::read(&output.fd, buffer) {
            Ok(0) => {}
            Ok(length) => return Read::Bytes(length),
            Err(Errno::AGAIN | Errno::INTR) => return Read::Nothing,
            // A terminal whose last user has closed it; nothing else can be read either.
            Err(_) => {}
        }
        *slot = None;
        self.log(stream, None);
        Read::End
    }

    /// Gives an output up that others keep open.
    pub(crate) fn abandon(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if self.outputs[stream as usize].take().is_some() {
                self.log(stream, None);
            }
        }
    }

    /// Writes to the log; `None`: the stream has ended.
    pub(crate) fn log(&mut self, stream: Stream, bytes: Option<&[u8]>) {
        let Some(log) = &mut self.log else {
            return;
        };
        let now = Timestamp::now();
        let written = match bytes {
            Some(bytes) => log.write(stream, bytes, now),
            None => log.finish(stream, now),
        };
        if let Err(error) = written {
            self.log_failure
                .get_or_insert_with(|| crate::error::chain(&error));
        }
    }

    /// Why the log could not be written, if so.
    pub(crate) fn log_failure(&self) -> Option<&str> {
        self.log_failure.as_deref()
    }

    /// Gives back memory that only a burst needs.
    pub(crate) fn release(&mut self) {
        if let Some(log) = &mut self.log {
            log.release();
        }
    }

    /// Gives `bytes` to the process.
    pub(crate) fn give(&mut self, poll: &Poll, bytes: &[u8]) -> io::Result<()> {
        let Some(input) = self.input.as_mut().filter(|input| !input.ending) else {
            return Ok(());
        };
        let written = input.queue.write(input.fd.as_fd(), &[], bytes);
        self.after_writing(poll, written)
    }

    /// Goes on giving what the process did not take before.
    pub(crate) fn give_rest(&mut self, poll: &Poll) -> io::Result<()> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        let written = input.queue.flush(input.fd.as_fd());
        self.after_writing(poll, written)
    }

    fn after_writing(
        &mut self,
        poll: &Poll,
        written: std::result::Result<(), Errno>,
    ) -> io::Result<()> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        if written.is_err() || (input.ending && input.queue.is_empty()) {
            self.input = None;
            return Ok(());
        }
        let wanted = !input.queue.is_empty();
        if wanted != input.watched {
            let interest = Interest {
                read: false,
                write: true,
            };
            match wanted {
                true => poll.add(&input.fd, Token::Stdin(self.key), interest)?,
                false => poll.remove(&input.fd)?,
            }
            input.watched = wanted;
        }
        Ok(())
    }

    /// A client gives no more: stdin ends with it, if that is the policy.
    pub(crate) fn client_ended(&mut self, poll: &Poll) -> io::Result<()> {
        // COMPAT: a terminal stays; Docker closes stdin "once" without one only.
        if self.policy == Policy::Once && !self.terminal {
            self.end_input(poll)?;
        }
        Ok(())
    }

    /// Ends stdin once what waits was taken.
    pub(crate) fn end_input(&mut self, poll: &Poll) -> io::Result<()> {
        if let Some(input) = &mut self.input {
            input.ending = true;
        }
        self.give_rest(poll)
    }
}

impl Input {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self {
            fd,
            queue: Queue::default(),
            ending: false,
            watched: false,
        })
    }
}

impl Output {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self { fd, watched: false })
    }
}
