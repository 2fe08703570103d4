//! Requests to CRIU, which writes processes down and brings them back.
//!
//! It knows how CRIU is started, asked and heard. It must not know what a container is. Read
//! first: [`Criu`], [`Request`], [`Event`].
//!
//! One `criu swrk FD` serves one request over a sequenced-packet socket. While it works it tells
//! what it is about to do, and goes on when it is told to.

pub mod rpc;

mod error;

pub use error::Error;
pub use rpc::CriuReqType as Kind;

use prost::Message as _;
use rpc::{CriuFeatures, CriuNotify, CriuOpts, CriuReq, CriuResp};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command};

/// The longest message that CRIU sends.
const LONGEST: usize = 10 * 4096;

/// What CRIU tells while it works.
#[derive(Debug)]
pub struct Event {
    /// What it is about: `post-dump`, `setup-namespaces`, `post-restore` and the like.
    pub script: String,
    /// The process that it is about, 0 if none.
    pub pid: i32,
    /// What comes with it: a terminal's master side.
    pub descriptor: Option<OwnedFd>,
}

/// What CRIU is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub kind: Kind,
    /// How.
    pub options: CriuOpts,
}

/// A CRIU that waits for its request.
#[derive(Debug)]
pub struct Criu {
    child: Child,
    socket: OwnedFd,
}

impl Criu {
    /// Starts CRIU with our standard streams and these descriptors, under their numbers.
    pub fn start(inherited: &[BorrowedFd<'_>]) -> Result<Self, Error> {
        let (socket, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|errno| Error::Start(errno.into()))?;
        let kept = || inherited.iter().copied().chain([theirs.as_fd()]);
        let set = |flags| {
            kept()
                .try_for_each(|fd| fcntl_setfd(fd, flags))
                .map_err(|errno| Error::Start(errno.into()))
        };
        set(FdFlags::empty())?;
        let number = theirs.as_raw_fd().to_string();
        let mut command = Command::new("criu");
        command.args(["swrk", &number]);
        let child = sys::signal::reset_in(&mut command).spawn();
        set(FdFlags::CLOEXEC)?;
        Ok(Self {
            child: child.map_err(Error::Start)?,
            socket,
        })
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(-1)
    }

    /// Has it work to its end; what `heard` fails at ends it.
    pub fn run<E: From<Error>>(
        mut self,
        request: &Request,
        mut heard: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<CriuResp, E> {
        let answered = self.converse(request, &mut heard);
        // Without us it ends, and takes back what it has not finished.
        drop(self.socket);
        let status = self.child.wait().map_err(Error::Wait)?;
        let answer = answered?;
        // After a pre-dump it waits for the next one, which does not come.
        if !status.success() && request.kind != Kind::PreDump {
            return Err(Error::Ended(status).into());
        }
        Ok(answer)
    }

    fn converse<E: From<Error>>(
        &mut self,
        request: &Request,
        heard: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<CriuResp, E> {
        let sent = CriuReq {
            opts: Some(request.options.clone()),
            ..empty(request.kind)
        };
        self.send(&sent)?;
        loop {
            let (answer, descriptor) = self.receive()?;
            if !answer.success {
                return Err(Error::Failed {
                    kind: answer.r#type(),
                    errno: answer.cr_errno.unwrap_or(0),
                    message: answer.cr_errmsg.unwrap_or_default(),
                }
                .into());
            }
            match (answer.r#type(), answer.notify.clone()) {
                (Kind::Notify, Some(notify)) => {
                    heard(event(notify, descriptor))?;
                    self.send(&CriuReq {
                        notify_success: Some(true),
                        ..empty(Kind::Notify)
                    })?;
                }
                (kind, _) if kind == request.kind => return Ok(answer),
                (kind, _) => return Err(Error::Unexpected(kind).into()),
            }
        }
    }

    fn send(&self, request: &CriuReq) -> Result<(), Error> {
        sys::socket::send(self.socket.as_fd(), &request.encode_to_vec(), None).map_err(Error::Talk)
    }

    fn receive(&self) -> Result<(CriuResp, Option<OwnedFd>), Error> {
        let mut bytes = vec![0; LONGEST];
        let received = sys::socket::receive(self.socket.as_fd(), &mut bytes);
        let (length, descriptor) = received.map_err(Error::Talk)?;
        if length == 0 {
            return Err(Error::Gone);
        }
        let answer = CriuResp::decode(&bytes[..length]).map_err(Error::Unread)?;
        Ok((answer, descriptor))
    }

    fn ask(mut self, request: &CriuReq) -> Result<CriuResp, Error> {
        self.send(request)?;
        let (answer, _) = self.receive()?;
        drop(self.socket);
        self.child.wait().map_err(Error::Wait)?;
        if !answer.success {
            return Err(Error::Failed {
                kind: request.r#type(),
                errno: answer.cr_errno.unwrap_or(0),
                message: answer.cr_errmsg.unwrap_or_default(),
            });
        }
        Ok(answer)
    }
}

/// The version as one number: 40201 is 4.2.1.
pub fn version() -> Result<i32, Error> {
    let answer = Criu::start(&[])?.ask(&empty(Kind::Version))?;
    let version = answer.version.ok_or(Error::Unexpected(Kind::Version))?;
    Ok(version.major_number * 10_000 + version.minor_number * 100 + version.sublevel.unwrap_or(0))
}

/// Which of the features asked for are there.
pub fn features(asked: CriuFeatures) -> Result<CriuFeatures, Error> {
    let request = CriuReq {
        features: Some(asked),
        ..empty(Kind::FeatureCheck)
    };
    let answer = Criu::start(&[])?.ask(&request)?;
    answer.features.ok_or(Error::Unexpected(Kind::FeatureCheck))
}

fn empty(kind: Kind) -> CriuReq {
    CriuReq {
        r#type: kind.into(),
        opts: None,
        notify_success: None,
        keep_open: None,
        features: None,
        pid: None,
    }
}

fn event(notify: CriuNotify, descriptor: Option<OwnedFd>) -> Event {
    Event {
        pid: notify.pid.unwrap_or(0),
        script: notify.script.unwrap_or_default(),
        descriptor,
    }
}
