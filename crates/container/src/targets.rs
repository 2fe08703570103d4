//! The places of mounts, without the mounts: for who has them made by somebody else.

use crate::Error;
use crate::fault::{During, Fault};
use crate::plan::Target;
use crate::target::{self, Links};
use oci::runtime::{Mount, Spec};
use rustix::fs::{FileType, Mode, OFlags};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// Makes what is missing of the places of a configuration's mounts, as [`crate::create`] does.
///
/// A place on a bind mount of the configuration is made in that one's source; a place on another
/// mount comes with that.
pub fn make_targets(rootfs: &Path, bundle: &Path, spec: &Spec) -> Result<(), Error> {
    for (i, mount) in spec.mounts.iter().enumerate() {
        let destination = Path::new(&mount.destination);
        let below = |other: &&Mount| {
            destination != Path::new(&other.destination)
                && destination.starts_with(&other.destination)
        };
        let (base, path) = match spec.mounts[..i].iter().rev().find(below) {
            None => (rootfs.to_owned(), destination),
            Some(other) if is_bind(other) => {
                let path = destination.strip_prefix(&other.destination);
                (bundle.join(&other.source), path.unwrap_or(destination))
            }
            Some(_) => continue,
        };
        let file = is_bind(mount) && !bundle.join(&mount.source).is_dir();
        let field = format!("mounts[{i}].destination");
        let target = Target::plan(&field, &path.to_string_lossy())?;
        make(&base, &target, file).map_err(|fault| {
            let source = io::Error::from_raw_os_error(fault.errno);
            Error::host(fault.action, destination)(source)
        })?;
    }
    Ok(())
}

fn make<'a>(base: &Path, target: &'a Target, file: bool) -> Result<(), Fault<'a>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let base = rustix::fs::open(base, flags, Mode::empty()).during("open what is mounted below")?;
    let kind = match file {
        true => FileType::RegularFile,
        false => FileType::Directory,
    };
    target::place(base.as_fd(), target, kind, Links::Follow).map(drop)
}

fn is_bind(mount: &Mount) -> bool {
    mount.kind == "bind" || mount.options.iter().any(|o| o.ends_with("bind"))
}
