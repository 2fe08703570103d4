//! The daemon's side: finding the proxy or starting it, and asking.

use crate::request::{Answer, Bound, Held, Port, Request, VERSION};
use companion::packets::DESCRIPTORS;
use companion::{is_absent, packets, reach};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

const LOG: &str = "proxy.log";
/// How long an answer may take; it does nothing that waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ports that one request names without their sockets.
const NAMED: usize = 500;

/// Why the proxy could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started, or does not answer.
    #[error("cannot {action} the proxy of published ports and names")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It refused.
    #[error("the proxy of published ports and names refused: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
}

fn failed(action: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, source }
}

/// A connection to the proxy.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    /// If this process started it.
    child: Option<Child>,
    /// Answers that were not waited for.
    unheard: usize,
}

impl Client {
    /// Whether the proxy is still at the other end.
    pub fn is_connected(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // It says nothing unasked.
        match rustix::net::recv(&self.socket, &mut [0; 1], flags) {
            Ok((length, _)) => length > 0 && self.unheard > 0,
            Err(errno) => errno == Errno::AGAIN,
        }
    }

    /// Connects to the proxy that runs already in `folder`, and asks which sandboxes it has;
    /// `None` if none runs there.
    ///
    /// # Errors
    /// If one is there that does not answer as it must.
    pub fn find(folder: &Path) -> Result<Option<(Self, Vec<Held>)>, Error> {
        let socket = match reach(folder) {
            Ok(socket) => socket,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed("reach")(error)),
        };
        let mut client = Self {
            socket,
            child: None,
            unheard: 0,
        };
        match client.hello() {
            Ok(held) => Ok(Some((client, held))),
            // It ended between the two.
            Err(Error::Io { source, .. }) if is_absent(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts a proxy in `folder`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(executable: &Path, folder: &Path) -> Result<Self, Error> {
        let (socket, child) =
            companion::start(executable, folder, LOG, None).map_err(failed("start"))?;
        let mut client = Self {
            socket,
            child: Some(child),
            unheard: 0,
        };
        client.hello()?;
        Ok(client)
    }

    fn hello(&mut self) -> Result<Vec<Held>, Error> {
        let patience = Some(PATIENCE);
        for direction in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&self.socket, direction, patience)
                .map_err(|errno| failed("reach")(errno.into()))?;
        }
        let mut all = Vec::new();
        let mut answer = self.exchange(&Request::Hello { version: VERSION }, &[])?;
        loop {
            match answer {
                Answer::Sandboxes { sandboxes, more } => {
                    all.extend(sandboxes);
                    if !more {
                        return Ok(all);
                    }
                }
                Answer::Refused { reason } => return Err(Error::Refused { reason }),
                Answer::Done => {
                    return Err(failed("understand")(io::ErrorKind::InvalidData.into()));
                }
            }
            answer = self.answer()?;
        }
    }

    /// Asks for something, with the descriptors that belong to it.
    ///
    /// # Errors
    /// [`Error::Io`] if the proxy is gone, [`Error::Refused`].
    pub fn ask(&mut self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        done(self.exchange(request, descriptors)?)
    }

    /// Asks for something, does `meanwhile`, and waits for the answer as long as `patience` says,
    /// or until there is one. False if there was none: it is heard before the next is asked for;
    /// and who would have to wait for such a one first asks and does nothing.
    ///
    /// # Errors
    /// As [`Self::ask`]; `meanwhile` is done all the same.
    pub fn ask_while(
        &mut self,
        request: &Request,
        patience: Option<Duration>,
        meanwhile: impl FnOnce(),
    ) -> Result<bool, Error> {
        if patience.is_some() && self.unheard > 0 {
            return Ok(false);
        }
        let heard = self.hear();
        let sent = heard.and_then(|()| self.send(request, &[]));
        meanwhile();
        sent?;
        if patience.is_some_and(|patience| !self.is_answered(patience)) {
            self.unheard += 1;
            return Ok(false);
        }
        done(self.answer()?).map(|()| true)
    }

    fn is_answered(&self, patience: Duration) -> bool {
        let mut answer = [PollFd::new(&self.socket, PollFlags::IN)];
        let patience = Timespec::try_from(patience).ok();
        // One that cannot be waited for is heard later.
        poll(&mut answer, patience.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Hears what was not waited for; nobody asks any more what it was.
    fn hear(&mut self) -> Result<(), Error> {
        for _ in 0..std::mem::take(&mut self.unheard) {
            self.answer()?;
        }
        Ok(())
    }

    /// Gives it what a sandbox has, and does `meanwhile` while it takes the first of that: what
    /// tells of its names with the sockets of its name server, if it has names, and sockets that
    /// hold ports for it. All of it is asked for before the first answer is awaited, except where
    /// the kernel would not take so many descriptors.
    ///
    /// # Errors
    /// As [`Self::ask`]; what was asked for besides may be so, and `meanwhile` is done all the
    /// same.
    pub fn give(
        &mut self,
        sandbox: &str,
        names: Option<(&Request, &[BorrowedFd<'_>])>,
        (ports, sockets): (&[Port], &[BorrowedFd<'_>]),
        meanwhile: impl FnOnce(),
    ) -> Result<(), Error> {
        let mut chunks = ports.chunks(DESCRIPTORS).zip(sockets.chunks(DESCRIPTORS));
        let mut asked = 0;
        let begun = self.hear().and_then(|()| {
            if let Some((request, descriptors)) = names {
                self.send(request, descriptors)?;
                asked += 1;
            }
            if let Some(chunk) = chunks.next() {
                self.send_ports(sandbox, chunk)?;
                asked += 1;
            }
            Ok(())
        });
        meanwhile();
        // Whatever it says to the one, the other is answered too.
        let answers: Result<Vec<_>, _> = (0..asked).map(|_| self.answer()).collect();
        begun?;
        answers?.into_iter().try_for_each(done)?;
        chunks.try_for_each(|chunk| {
            self.send_ports(sandbox, chunk)?;
            done(self.answer()?)
        })
    }

    fn send_ports(
        &self,
        sandbox: &str,
        (ports, sockets): (&[Port], &[BorrowedFd<'_>]),
    ) -> Result<(), Error> {
        let request = Request::Hold {
            sandbox: sandbox.to_owned(),
            ports: ports.to_vec(),
        };
        self.send(&request, sockets)
    }

    /// Has ports that it holds for a sandbox lead elsewhere, and lets others of them go.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn lead(
        &mut self,
        sandbox: &str,
        led: &[(Bound, SocketAddr)],
        released: &[Bound],
    ) -> Result<(), Error> {
        let sandbox = || sandbox.to_owned();
        let led = led.chunks(NAMED).map(|ports| Request::Lead {
            sandbox: sandbox(),
            ports: ports.to_vec(),
        });
        let released = released.chunks(NAMED).map(|ports| Request::Release {
            sandbox: sandbox(),
            ports: ports.to_vec(),
        });
        let mut requests = led.chain(released);
        requests.try_for_each(|request| self.ask(&request, &[]))
    }

    fn exchange(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Answer, Error> {
        self.hear()?;
        self.send(request, descriptors)?;
        self.answer()
    }

    fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        packets::send(self.socket.as_fd(), request, descriptors).map_err(failed("ask"))
    }

    fn answer(&self) -> Result<Answer, Error> {
        match packets::receive(self.socket.as_fd()).map_err(failed("hear"))? {
            Some((answer, _)) => Ok(answer),
            None => Err(failed("hear")(io::ErrorKind::ConnectionReset.into())),
        }
    }

    /// Says that the daemon goes. If the proxy ends by that, it has when this returns.
    pub fn leave(mut self) {
        if self.ask(&Request::End, &[]).is_ok() {
            // It says nothing more: this waits until it has gone, or closed the connection.
            drop(self.answer());
        }
        if let Some(child) = &mut self.child {
            // One that goes on is not waited for.
            drop(child.try_wait());
        }
    }
}

/// What is readable once the proxy in `folder` has ended. It counts as a daemon.
///
/// # Errors
/// If none is there.
pub fn end(folder: &Path) -> io::Result<OwnedFd> {
    reach(folder)
}

fn done(answer: Answer) -> Result<(), Error> {
    match answer {
        Answer::Done => Ok(()),
        Answer::Refused { reason } => Err(Error::Refused { reason }),
        Answer::Sandboxes { .. } => Err(failed("understand")(io::ErrorKind::InvalidData.into())),
    }
}
