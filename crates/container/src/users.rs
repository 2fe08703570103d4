//! User namespaces: their maps, and who may write them.

use crate::Error;
use crate::channel::{self, Received, Tag};
use crate::plan::Namespaces;
use oci::runtime::{IdMapping, IdMaps, Linux};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use sys::clone::Clone;
use sys::namespace::{self, Kind};

/// The maps, if there is a new user namespace, whose container's root they must name.
pub(crate) fn maps(linux: &Linux, namespaces: &Namespaces) -> Result<Option<IdMaps>, Error> {
    let fields = [
        ("linux.uidMappings", &linux.uid_mappings),
        ("linux.gidMappings", &linux.gid_mappings),
    ];
    if !namespaces.makes(Kind::User) {
        return match fields.iter().find(|(_, maps)| !maps.is_empty()) {
            // With a joined namespace they only describe it.
            Some((field, _)) if !namespaces.joins(Kind::User) => {
                Err(Error::invalid(*field, "needs a new user namespace"))
            }
            _ => Ok(None),
        };
    }
    for (field, maps) in fields {
        let root = |map: &&IdMapping| map.container_id == 0 && map.size > 0;
        if maps.iter().find(root).is_none() {
            return Err(Error::invalid(field, "maps nothing to id 0"));
        }
    }
    Ok(IdMaps::of(linux))
}

/// Writes the maps of a process' user namespace; by newuidmap and newgidmap where the caller may
/// not do so itself.
///
/// # Errors
/// [`Error::Host`] if the host does not give these ids to the caller.
pub fn write_maps(pid: i32, maps: &IdMaps) -> Result<(), Error> {
    write_map(pid, "uid_map", "newuidmap", &maps.uids)?;
    write_map(pid, "gid_map", "newgidmap", &maps.gids)
}

fn text(maps: &[IdMapping]) -> String {
    maps.iter().fold(String::new(), |mut text, map| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {} {}", map.container_id, map.host_id, map.size);
        text
    })
}

/// Writes directly, which the privileged may; else, for one's own group alone, after giving up
/// setgroups; else by shadow's helper.
fn write_map(pid: i32, file: &str, helper: &str, maps: &[IdMapping]) -> Result<(), Error> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    let denied = match fs::write(&path, text(maps)) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        Err(error) => return Err(Error::host("write", path)(error)),
    };
    if file == "gid_map" && own_group_alone(maps) {
        let groups = format!("/proc/{pid}/setgroups");
        fs::write(&groups, "deny").map_err(Error::host("write", groups))?;
        return fs::write(&path, text(maps)).map_err(Error::host("write", path));
    }
    match by_helper(pid, helper, maps) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::host(
            "write (and newuidmap is not installed)",
            path,
        )(denied)),
        other => other.map_err(Error::host("write by newuidmap or newgidmap", path)),
    }
}

/// Nobody's `/etc/subgid` need name what everybody has.
fn own_group_alone(maps: &[IdMapping]) -> bool {
    let own = rustix::process::getegid().as_raw();
    matches!(maps, [map] if (map.host_id, map.size) == (own, 1))
}

fn by_helper(pid: i32, helper: &str, maps: &[IdMapping]) -> io::Result<()> {
    let numbers = maps
        .iter()
        .flat_map(|map| [map.container_id, map.host_id, map.size]);
    let output = Command::new(helper)
        .arg(pid.to_string())
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{helper}: {said}")))
}

/// A user namespace, and a network namespace that its users own, with nobody in them yet.
#[derive(Debug)]
pub struct Owned {
    /// The user namespace.
    pub user: OwnedFd,
    /// The network namespace.
    pub network: OwnedFd,
}

impl Owned {
    /// Makes both.
    ///
    /// # Errors
    /// If the kernel makes none, or the caller may not give these ids.
    pub fn make(maps: &IdMaps) -> Result<Self, Error> {
        let kinds = Kind::User.flag() | Kind::Network.flag();
        made(maps, kinds, |pid| {
            Ok(Self {
                user: open(pid, Kind::User)?,
                network: open(pid, Kind::Network)?,
            })
        })
    }
}

/// A new network namespace that the users of `user`, a user namespace, own.
///
/// # Errors
/// If the kernel makes none.
pub fn network_of(user: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let (ours, theirs) = channel::pair().map_err(Error::process("make a socket pair"))?;
    let child = Clone::default()
        .spawn(|| {
            let mut keep = [theirs.as_raw_fd(), user.as_raw_fd()];
            keep.sort_unstable();
            drop(sys::fds::close_all_but(&keep));
            let entered = namespace::join(user, Kind::User)
                .and_then(|()| namespace::unshare(Kind::Network.flag()));
            if entered.is_err() {
                return 1;
            }
            drop(channel::send(theirs.as_fd(), Tag::Ready, 0, None));
            drop(channel::wait_for(theirs.as_fd(), Tag::Go));
            0
        })
        .map_err(Error::process("clone to make a network namespace"))?;
    drop(theirs);
    let taken = match channel::receive(&ours) {
        Ok(Received::Message(Tag::Ready, ..)) => open(child.pid, Kind::Network),
        Ok(_) => Err(Error::process("make a network namespace")(
            io::ErrorKind::PermissionDenied.into(),
        )),
        Err(error) => Err(Error::process("make a network namespace")(error)),
    };
    drop(ours);
    crate::launch::reap(child.pidfd.as_fd());
    taken
}

/// A user namespace with these maps and nobody in it, to shift the ids of mounts.
pub(crate) fn namespace_of(maps: &IdMaps) -> Result<OwnedFd, Error> {
    made(maps, Kind::User.flag(), |pid| open(pid, Kind::User))
}

/// New namespaces, one of users among them, taken from a child that ends at once.
fn made<T>(
    maps: &IdMaps,
    namespaces: u64,
    take: impl FnOnce(i32) -> Result<T, Error>,
) -> Result<T, Error> {
    let (ours, theirs) = channel::pair().map_err(Error::process("make a socket pair"))?;
    let new = Clone {
        namespaces,
        ..Clone::default()
    };
    let child = new
        .spawn(|| {
            // Both ends are open here too: ours must go, or the wait would never end.
            let keep = [theirs.as_raw_fd()];
            drop(sys::fds::close_all_but(&keep));
            drop(channel::wait_for(theirs.as_fd(), Tag::Go));
            0
        })
        .map_err(Error::process("clone into a user namespace"))?;
    let taken = write_maps(child.pid, maps).and_then(|()| take(child.pid));
    drop(ours);
    crate::launch::reap(child.pidfd.as_fd());
    taken
}

fn open(pid: i32, kind: Kind) -> Result<OwnedFd, Error> {
    let path = format!("/proc/{pid}/ns/{}", kind.file());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path.as_str(), flags, Mode::empty())
        .map_err(|errno| Error::host("open", path)(errno.into()))
}
