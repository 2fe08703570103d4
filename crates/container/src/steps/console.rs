//! The terminal: made in the container's own devpts, its master handed to the parent.

use super::Setup;
use super::mounts::move_to;
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::target::{self, Links};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const DEVPTS: u64 = 0x1cd1;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if !setup.plan.process.terminal {
        return Ok(());
    }
    let opened;
    let root = match setup.container() {
        Some(_) => setup.root()?,
        None => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            opened = rustix::fs::open(c"/", flags, Mode::empty()).during("open the root")?;
            opened.as_fd()
        }
    };
    let master = master(root)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    unlockpt(&master).during("unlock the terminal")?;
    let slave = ioctl_tiocgptpeer(&master, flags).during("open the terminal's slave")?;
    if let Some(size) = setup.plan.process.size {
        rustix::termios::tcsetwinsize(&slave, size).during("set the terminal's size")?;
    }
    if setup.container().is_some() {
        console(root, master.as_fd(), slave.as_fd())?;
    }
    channel::send(setup.channel, Tag::Console, 0, Some(master.as_fd()))
        .during("hand over the terminal")?;
    rustix::process::ioctl_tiocsctty(&slave).during("take the controlling terminal")?;
    for number in 0..3 {
        sys::fds::duplicate_to(slave.as_fd(), number).during("place the terminal")?;
    }
    setup.slave = Some(slave);
    Ok(())
}

/// The multiplexer of the container's devpts, and of nothing else that was put there.
fn master<'a>(root: BorrowedFd<'_>) -> Result<OwnedFd, Fault<'a>> {
    const PATH: &CStr = c"dev/pts/ptmx";
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let master = target::open(root, PATH, flags, Links::Refuse).on("open", PATH)?;
    let kind = rustix::fs::fstatfs(&master).on("look at", PATH)?.f_type;
    let number = rustix::fs::fstat(&master).on("look at", PATH)?.st_rdev;
    let multiplexer =
        u64::try_from(kind).ok() == Some(DEVPTS) && number == sys::device::number(5, 2);
    if !multiplexer && Guard::Multiplexer.holds() {
        return Err(Errno::NOTTY).on("open a terminal's multiplexer at", PATH);
    }
    Ok(master)
}

/// Puts the slave at `/dev/console`.
fn console<'a>(
    root: BorrowedFd<'_>,
    master: BorrowedFd<'_>,
    slave: BorrowedFd<'_>,
) -> Result<(), Fault<'a>> {
    const PATH: &CStr = c"dev/console";
    let dev = target::open(root, c"dev", OFlags::PATH, Links::Refuse).on("open", c"dev")?;
    match rustix::fs::mknodat(
        &dev,
        c"console",
        FileType::RegularFile,
        Mode::from_raw_mode(0o600),
        0,
    ) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).on("make", PATH),
    }
    let place = target::open(root, PATH, OFlags::PATH, Links::Refuse).on("open", PATH)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let named;
    let slave = match Guard::Console.holds() {
        true => slave,
        false => {
            named = by_name(root, master).on("open by its name the terminal for", PATH)?;
            named.as_fd()
        }
    };
    let tree = open_tree(slave, c"", flags).on("clone the terminal for", PATH)?;
    move_to(tree.as_fd(), place.as_fd()).on("attach the terminal at", PATH)
}

/// What has the terminal's name in the container.
fn by_name(root: BorrowedFd<'_>, master: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let name = rustix::pty::ptsname(master, Vec::new())?;
    target::open(root, &name, OFlags::PATH, Links::Follow)
}
