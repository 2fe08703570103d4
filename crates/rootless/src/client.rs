//! The daemon's side: becoming root of the user's namespaces, and asking the holder for ports.

use crate::Error;
use crate::message::{Answer, Request, VERSION, Way};
use crate::surroundings;
use companion::{is_absent, packets, reach};
use net::Protocol;
use net::reservation::Binder;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use sys::namespace::{Kind, join, unshare};

const LOG: &str = "rootless.log";
/// Where programs of the host's are, the user's surroundings aside.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// In the order in which they are joined. All that a supervisor leaves for a moment and comes back
/// to have to be the user's own.
const KINDS: [Kind; 5] = [Kind::User, Kind::Mount, Kind::Network, Kind::Ipc, Kind::Uts];

/// The holder, who is outside of our namespaces.
#[derive(Debug)]
pub struct Outside {
    executable: PathBuf,
    socket: Mutex<OwnedFd>,
    way: Way,
}

/// Makes this process root of namespaces of its user's: those that the holder in `folder` keeps;
/// those in which one of the processes `inside` lives, which lost their holder; or else new ones.
/// The last two have a new holder, `executable`. There must be no other thread.
///
/// # Errors
/// If there are no ids to give away, or the kernel does not let users make namespaces.
pub fn enter(executable: &Path, folder: &Path, inside: &[u32]) -> Result<Outside, Error> {
    if let Some(outside) = find(executable, folder)? {
        return Ok(outside);
    }
    // Told before anything is made.
    crate::ids::own()?;
    let started = companion::start(executable, folder, LOG, Some(PATH));
    let (socket, _) = started.map_err(Error::io("start corten-rootless"))?;
    let mut outside = Outside::new(executable, socket);
    outside.exchange(&Request::Hello { version: VERSION })?;
    for pid in inside {
        let hold = Request::Hold {
            pid: *pid,
            new: false,
        };
        // One that ended meanwhile has none.
        if let Ok((Answer::Namespaces(way), namespaces)) = outside.exchange(&hold) {
            outside.join(way, &namespaces)?;
            return Ok(outside);
        }
    }
    let kinds = KINDS.iter().fold(0, |kinds, kind| kinds | kind.flag());
    unshare(kinds).map_err(|source| Error::Forbidden { source })?;
    let hold = Request::Hold {
        pid: std::process::id(),
        new: true,
    };
    match outside.exchange(&hold)? {
        (Answer::Namespaces(way), _) => outside.way = way,
        _ => return Err(confused()),
    }
    surroundings::arrange(folder, &outside.way)?;
    Ok(outside)
}

/// Joins the namespaces that an earlier daemon made, if their holder is there.
fn find(executable: &Path, folder: &Path) -> Result<Option<Outside>, Error> {
    let socket = match reach(folder) {
        Ok(socket) => socket,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(Error::io("reach corten-rootless")(error)),
    };
    let mut outside = Outside::new(executable, socket);
    let (way, namespaces) = match outside.exchange(&Request::Hello { version: VERSION }) {
        Ok((Answer::Namespaces(way), namespaces)) if namespaces.len() == KINDS.len() => {
            (way, namespaces)
        }
        // It ended meanwhile, or never had any.
        Ok((Answer::Nothing, _)) => return Ok(None),
        Err(Error::Io { source, .. }) if is_absent(&source) => return Ok(None),
        Err(error) => return Err(error),
        Ok(_) => return Err(confused()),
    };
    outside.join(way, &namespaces)?;
    Ok(Some(outside))
}

impl Outside {
    fn new(executable: &Path, socket: OwnedFd) -> Self {
        Self {
            executable: executable.to_owned(),
            socket: Mutex::new(socket),
            way: Way::default(),
        }
    }

    fn join(&mut self, way: Way, namespaces: &[OwnedFd]) -> Result<(), Error> {
        for (kind, namespace) in KINDS.iter().zip(namespaces) {
            join(namespace.as_fd(), *kind).map_err(Error::io("join the user's namespaces"))?;
        }
        self.way = way;
        Ok(())
    }

    /// The program by which containers reach beyond the host, or why there is none.
    pub fn way_out(&self) -> Result<&str, &str> {
        self.way.program.as_deref().ok_or(&self.way.reason)
    }

    fn exchange(&self, request: &Request) -> Result<(Answer, Vec<OwnedFd>), Error> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        packets::send(socket.as_fd(), request, &[]).map_err(Error::io("ask corten-rootless"))?;
        let answer = packets::receive(socket.as_fd());
        match answer.map_err(Error::io("hear corten-rootless"))? {
            Some((Answer::Refused { reason }, _)) => Err(Error::Refused {
                executable: self.executable.clone(),
                reason,
            }),
            Some(answer) => Ok(answer),
            None => Err(Error::io("hear corten-rootless")(io::Error::from(
                io::ErrorKind::ConnectionReset,
            ))),
        }
    }
}

impl Binder for Outside {
    fn take(&self, protocol: Protocol, host: IpAddr, port: u16) -> io::Result<OwnedFd> {
        let request = Request::Take {
            protocol: protocol as u8,
            host,
            port,
        };
        match self.exchange(&request) {
            Ok((Answer::Taken, mut sockets)) if sockets.len() == 1 => sockets
                .pop()
                .ok_or_else(|| io::ErrorKind::InvalidData.into()),
            Ok((Answer::NotTaken { errno }, _)) => Err(io::Error::from_raw_os_error(errno)),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(Error::Io { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn confused() -> Error {
    Error::io("understand corten-rootless")(io::Error::from(io::ErrorKind::InvalidData))
}
