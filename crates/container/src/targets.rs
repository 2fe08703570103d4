//! The places of mounts, without the mounts: for who has them made by somebody else.

use crate::Error;
use crate::plan::Target;
use crate::target::{self, Links};
use oci::runtime::{Mount, Spec};
use rustix::fs::{FileType, Mode, OFlags};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// Makes what is missing of the places of a configuration's mounts, as [`crate::create`] does.
///
/// A place on another mount of the configuration is left out: it comes with that.
pub fn make_targets(rootfs: &Path, bundle: &Path, spec: &Spec) -> Result<(), Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(rootfs, flags, Mode::empty())
        .map_err(|errno| Error::host("open the root file system", rootfs)(errno.into()))?;
    for (i, mount) in spec.mounts.iter().enumerate() {
        let below = |other: &Mount| {
            let path = Path::new(&mount.destination);
            path != Path::new(&other.destination) && path.starts_with(&other.destination)
        };
        if spec.mounts[..i].iter().any(below) {
            continue;
        }
        let target = Target::plan(&format!("mounts[{i}].destination"), &mount.destination)?;
        let source = bundle.join(&mount.source);
        let bind = mount.kind == "bind" || mount.options.iter().any(|o| o.ends_with("bind"));
        let kind = match bind && !source.is_dir() {
            true => FileType::RegularFile,
            false => FileType::Directory,
        };
        let made = target::place(root.as_fd(), &target, kind, Links::Follow);
        made.map_err(|fault| {
            let source = io::Error::from_raw_os_error(fault.errno);
            Error::host(fault.action, Path::new(&mount.destination))(source)
        })?;
    }
    Ok(())
}
