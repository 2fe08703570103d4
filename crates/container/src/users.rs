//! User namespaces: their maps, and who may write them.

use crate::Error;
use crate::channel::{self, Tag};
use crate::plan::Namespaces;
use oci::runtime::{IdMapping, Linux};
use rustix::fs::{Mode, OFlags};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use sys::clone::Clone;
use sys::namespace::Kind;

/// The maps of a new user namespace.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) uids: Vec<IdMapping>,
    pub(crate) gids: Vec<IdMapping>,
}

impl Maps {
    /// The maps, if there is a new user namespace, whose container's root they must name.
    pub(crate) fn plan(linux: &Linux, namespaces: &Namespaces) -> Result<Option<Self>, Error> {
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
        Ok(Some(Self {
            uids: linux.uid_mappings.clone(),
            gids: linux.gid_mappings.clone(),
        }))
    }

    /// The container's root, user and group, as the host numbers it.
    pub(crate) fn root(&self) -> (u32, u32) {
        let root = |maps: &[IdMapping]| {
            let map = maps.iter().find(|map| map.container_id == 0);
            map.map_or(0, |map| map.host_id)
        };
        (root(&self.uids), root(&self.gids))
    }

    /// Writes the maps of the process' user namespace.
    pub(crate) fn write(&self, pid: i32) -> Result<(), Error> {
        write_maps(pid, &self.uids, &self.gids)
    }
}

/// Writes the maps of a process' user namespace; by newuidmap and newgidmap where the caller may
/// not do so itself.
///
/// # Errors
/// [`Error::Host`] if the host does not give these ids to the caller.
pub fn write_maps(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), Error> {
    write_map(pid, "uid_map", "newuidmap", uids)?;
    write_map(pid, "gid_map", "newgidmap", gids)
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

/// A user namespace with these maps and nobody in it, to shift the ids of mounts.
pub(crate) fn namespace_of(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, Error> {
    let maps = Maps {
        uids: uids.to_vec(),
        gids: gids.to_vec(),
    };
    let (ours, theirs) = channel::pair().map_err(Error::process("make a socket pair"))?;
    let user = Clone {
        namespaces: Kind::User.flag(),
        ..Clone::default()
    };
    let child = user
        .spawn(|| {
            // Both ends are open here too: ours must go, or the wait would never end.
            let keep = [std::os::fd::AsRawFd::as_raw_fd(&theirs)];
            drop(sys::fds::close_all_but(&keep));
            drop(channel::wait_for(theirs.as_fd(), Tag::Go));
            0
        })
        .map_err(Error::process(
            "clone into a user namespace for ids of mounts",
        ))?;
    let opened = maps.write(child.pid).and_then(|()| {
        let path = format!("/proc/{}/ns/user", child.pid);
        rustix::fs::open(
            path.as_str(),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| Error::host("open", path)(errno.into()))
    });
    drop(ours);
    crate::launch::reap(child.pidfd.as_fd());
    opened
}
