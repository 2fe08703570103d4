//! The process outside: it keeps the namespaces of a daemon without root, takes ports of the
//! host's for it, and runs the program that leads out.

use crate::message::{Answer, Request, VERSION, Way};
use crate::program::{self, Program};
use companion::{Post, packets};
use net::Protocol;
use net::reservation::{Binder as _, Here};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketFlags, accept_with};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How often it is looked whether somebody still needs the namespaces, while no daemon is there.
const LOOK: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
/// As they are given to a daemon.
const FILES: [&str; 5] = ["user", "mnt", "net", "ipc", "uts"];

/// Runs the holder: `corten-rootless --directory DIRECTORY`, a daemon at descriptor 0.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    companion::main("corten-rootless", arguments, run)
}

fn run(post: Post) -> io::Result<()> {
    let mut holder = Holder {
        directory: post.directory,
        listener: post.listener,
        daemons: vec![post.daemon],
        held: None,
    };
    let served = holder.serve();
    drop(holder.held);
    companion::leave(&holder.directory);
    served
}

struct Holder {
    directory: PathBuf,
    listener: OwnedFd,
    daemons: Vec<OwnedFd>,
    held: Option<Held>,
}

/// A daemon's namespaces.
struct Held {
    /// As in [`FILES`].
    namespaces: Vec<OwnedFd>,
    program: Option<Program>,
    way: Way,
}

impl Held {
    /// Has a program lead out of the namespaces, which are those of process `pid`.
    fn lead_out(&mut self, directory: &Path, pid: u32) {
        self.program = None;
        (self.program, self.way) = program::start(directory, pid);
    }

    fn has_lost_its_way(&self) -> bool {
        self.program.as_ref().is_some_and(Program::has_ended)
    }
}

impl Holder {
    /// Serves until there is no daemon, and nothing left in the namespaces.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let readable = self.wait()?;
            if readable.first() == Some(&true) {
                match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                    Ok(daemon) => self.daemons.push(daemon),
                    Err(rustix::io::Errno::AGAIN) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            let daemons = std::mem::take(&mut self.daemons);
            for (at, daemon) in daemons.into_iter().enumerate() {
                let asked = readable.get(at + 1) == Some(&true);
                // One that went, or said what cannot be understood, is heard no more.
                if !asked || self.answer(daemon.as_fd()).unwrap_or(false) {
                    self.daemons.push(daemon);
                }
            }
            if self.daemons.is_empty() && self.inhabitant().is_none() {
                return Ok(());
            }
            self.mend();
        }
    }

    /// Which of the listener and the daemons can be read; with no daemon, after a while at most.
    /// The end of the program that leads out counts too.
    fn wait(&self) -> io::Result<Vec<bool>> {
        let program = self.held.as_ref().and_then(|held| held.program.as_ref());
        let end = program.map(Program::end);
        let all = std::iter::once(&self.listener).chain(&self.daemons);
        let all = all.chain(end);
        let mut all: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let patience = self.daemons.is_empty().then_some(&LOOK);
        match poll(&mut all, patience) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let readable = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Ok(all.iter().map(readable).collect())
    }

    /// A process that lives in the namespaces: a daemon, or a container's supervisor.
    fn inhabitant(&self) -> Option<u32> {
        let mounts = self.held.as_ref()?.namespaces.get(1)?;
        let mounts = rustix::fs::fstat(mounts).ok()?;
        let processes = fs::read_dir("/proc").ok()?;
        processes.flatten().find_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let own = fs::metadata(process.path().join("ns/mnt")).ok()?;
            ((own.dev(), own.ino()) == (mounts.st_dev, mounts.st_ino)).then_some(pid)
        })
    }

    /// Starts the program that leads out again, if it has ended.
    fn mend(&mut self) {
        if !self.held.as_ref().is_some_and(Held::has_lost_its_way) {
            return;
        }
        if let (Some(pid), Some(held)) = (self.inhabitant(), &mut self.held) {
            held.lead_out(&self.directory, pid);
        }
    }

    /// Answers one request; `false` at the end.
    fn answer(&mut self, daemon: BorrowedFd<'_>) -> io::Result<bool> {
        let Some((request, _)) = packets::receive::<Request>(daemon)? else {
            return Ok(false);
        };
        match request {
            Request::Hello { version } if version != VERSION => {
                let reason = format!("it is of version {VERSION}, the daemon of {version}");
                packets::send(daemon, &Answer::Refused { reason }, &[])?;
            }
            Request::Hello { .. } => self.tell(daemon)?,
            Request::Hold { pid, new } => match self.hold(pid, new) {
                Ok(()) => self.tell(daemon)?,
                Err(reason) => packets::send(daemon, &Answer::Refused { reason }, &[])?,
            },
            Request::Take {
                protocol,
                host,
                port,
            } => match take(protocol, host, port) {
                Ok(socket) => packets::send(daemon, &Answer::Taken, &[socket.as_fd()])?,
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or_default();
                    packets::send(daemon, &Answer::NotTaken { errno }, &[])?;
                }
            },
        }
        Ok(true)
    }

    fn tell(&self, daemon: BorrowedFd<'_>) -> io::Result<()> {
        let Some(held) = &self.held else {
            return packets::send(daemon, &Answer::Nothing, &[]);
        };
        let namespaces: Vec<_> = held.namespaces.iter().map(|fd| fd.as_fd()).collect();
        packets::send(daemon, &Answer::Namespaces(held.way.clone()), &namespaces)
    }

    /// Keeps the namespaces of a process; new ones are made its user's before.
    fn hold(&mut self, pid: u32, new: bool) -> Result<(), String> {
        if self.held.is_some() {
            return Err("it has namespaces already".to_owned());
        }
        if new {
            let maps = crate::ids::own().map_err(|error| error.to_string())?;
            let of = i32::try_from(pid).map_err(|_| format!("{pid} is no process"))?;
            container::write_maps(of, &maps).map_err(|error| chain(&error))?;
        }
        let open = |name: &&str| File::open(format!("/proc/{pid}/ns/{name}")).map(OwnedFd::from);
        let namespaces: Result<Vec<_>, _> = FILES.iter().map(open).collect();
        let namespaces = namespaces.map_err(|error| format!("namespaces of {pid}: {error}"))?;
        let mut held = Held {
            namespaces,
            program: None,
            way: Way::default(),
        };
        held.lead_out(&self.directory, pid);
        self.held = Some(held);
        Ok(())
    }
}

fn take(protocol: u8, host: std::net::IpAddr, port: u16) -> io::Result<OwnedFd> {
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = known.into_iter().find(|known| *known as u8 == protocol);
    let protocol = protocol.ok_or(io::ErrorKind::InvalidInput)?;
    Here.take(protocol, host, port)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
