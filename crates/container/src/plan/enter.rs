//! How the container enters its root.

use super::Namespaces;
use super::text::c;
use crate::Error;
use crate::create::Create;
use crate::stock::Stock;
use oci::runtime::Linux;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::mount::{UnmountFlags, unmount};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::namespace::Kind;
use types::Rootfs;

/// How the container enters its root.
#[derive(Debug)]
pub(crate) enum Enter {
    /// The root takes the place of the host's, which goes.
    Pivot,
    /// The mount namespace that is joined has no other root.
    Joined,
    /// The root is moved over the host's, where a root cannot be pivoted, such as an initramfs.
    /// These mounts of procfs and sysfs go first: one in plain sight, even below the root, lets
    /// a user namespace inside mount another without what is masked here.
    Move(Vec<CString>),
    /// The root is only changed: the mounts are in the caller's own mount namespace. With the
    /// mount that is at the root's path before.
    Change(u64),
}

impl Enter {
    pub(super) fn plan(
        request: &Create<'_>,
        linux: &Linux,
        namespaces: &Namespaces,
    ) -> Result<Self, Error> {
        if request.stock.and_then(Stock::mount_namespace).is_some() {
            return Ok(Self::Joined);
        }
        if namespaces.own(Kind::Mount) {
            return Ok(match request.no_pivot {
                false => Self::Pivot,
                true => Self::Move(in_sight()?),
            });
        }
        const FIELD: &str = "linux.namespaces";
        if !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty() {
            // COMPAT: the words that callers match on.
            let reason = "unable to restrict sys entries without a private MNT namespace";
            return Err(Error::invalid(FIELD, reason));
        }
        match request.rootfs {
            Rootfs::Directory(root) => Ok(Self::Change(mount_at(root)?)),
            Rootfs::Layers { .. } | Rootfs::Shifted(_) => Err(Error::invalid(
                FIELD,
                "layers need a mount namespace of the container's own",
            )),
        }
    }
}

/// The number of the mount that a path is on.
pub(super) fn mount_at(path: &Path) -> Result<u64, Error> {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID);
    found
        .map(|found| found.stx_mnt_id)
        .map_err(|errno| Error::host("look at", path)(errno.into()))
}

impl Enter {
    /// Takes the mounts away that a failed set-up has made at the root's path in the caller's
    /// own mount namespace.
    pub(crate) fn undo(&self, root: &CStr) {
        let Self::Change(before) = self else {
            return;
        };
        let root = Path::new(OsStr::from_bytes(root.to_bytes()));
        while mount_at(root).is_ok_and(|now| now != *before) {
            // The error that is told says more than this one could.
            if unmount(root, UnmountFlags::DETACH).is_err() {
                return;
            }
        }
    }
}

/// Where procfs and sysfs are mounted, those on top of others first.
fn in_sight() -> Result<Vec<CString>, Error> {
    const FILE: &str = "/proc/self/mountinfo";
    let text = std::fs::read_to_string(FILE).map_err(Error::host("read", FILE))?;
    let mut paths = Vec::new();
    for line in text.lines().rev() {
        let Some((mount, file_system)) = line.split_once(" - ") else {
            continue;
        };
        let kind = file_system.split(' ').next();
        if let (Some("proc" | "sysfs"), Some(path)) = (kind, mount.split(' ').nth(4)) {
            paths.push(c(FILE, &unescape(path))?);
        }
    }
    Ok(paths)
}

/// Blanks and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn mountinfo_writes_blanks_in_octal() {
        assert_eq!(unescape(r"/a\040b\134c"), r"/a b\c");
        assert_eq!(unescape("/proc"), "/proc");
    }
}
