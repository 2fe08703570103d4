//! Mounting what a volume's options name on its directory.

use crate::{Error, Local};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use std::ffi::CString;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;

/// One word of the options: a flag to set, or one to take away.
enum Flag {
    Set(MountFlags),
    Clear(MountFlags),
}

/// Options that are flags of the mount; the others are for the file system.
fn flag(word: &str) -> Option<Flag> {
    use Flag::{Clear, Set};
    Some(match word {
        "defaults" => Clear(MountFlags::empty()),
        "ro" => Set(MountFlags::RDONLY),
        "rw" => Clear(MountFlags::RDONLY),
        "nosuid" => Set(MountFlags::NOSUID),
        "suid" => Clear(MountFlags::NOSUID),
        "nodev" => Set(MountFlags::NODEV),
        "dev" => Clear(MountFlags::NODEV),
        "noexec" => Set(MountFlags::NOEXEC),
        "exec" => Clear(MountFlags::NOEXEC),
        "sync" => Set(MountFlags::SYNCHRONOUS),
        "async" => Clear(MountFlags::SYNCHRONOUS),
        "dirsync" => Set(MountFlags::DIRSYNC),
        "noatime" => Set(MountFlags::NOATIME),
        "atime" => Clear(MountFlags::NOATIME),
        "nodiratime" => Set(MountFlags::NODIRATIME),
        "diratime" => Clear(MountFlags::NODIRATIME),
        "relatime" => Set(MountFlags::RELATIME),
        "norelatime" => Clear(MountFlags::RELATIME),
        "strictatime" => Set(MountFlags::STRICTATIME),
        "nostrictatime" => Clear(MountFlags::STRICTATIME),
        _ => return None,
    })
}

fn propagation(word: &str) -> Option<MountPropagationFlags> {
    let (name, all) = match word.strip_prefix('r') {
        Some(name) => (name, MountPropagationFlags::REC),
        None => (word, MountPropagationFlags::empty()),
    };
    let kind = match name {
        "shared" => MountPropagationFlags::SHARED,
        "slave" => MountPropagationFlags::DOWNSTREAM,
        "private" => MountPropagationFlags::PRIVATE,
        "unbindable" => MountPropagationFlags::UNBINDABLE,
        _ => return None,
    };
    Some(kind | all)
}

/// The options, sorted out.
struct Words {
    flags: MountFlags,
    bind: Option<Bind>,
    propagation: Option<MountPropagationFlags>,
    data: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bind {
    Alone,
    Recursive,
}

impl Words {
    fn read(options: &str) -> Self {
        let mut words = Self {
            flags: MountFlags::empty(),
            bind: None,
            propagation: None,
            data: Vec::new(),
        };
        for word in options.split(',').filter(|word| !word.is_empty()) {
            match (word, flag(word), propagation(word)) {
                ("bind", ..) => words.bind = words.bind.or(Some(Bind::Alone)),
                ("rbind", ..) => words.bind = Some(Bind::Recursive),
                (_, Some(Flag::Set(flag)), _) => words.flags |= flag,
                (_, Some(Flag::Clear(flag)), _) => words.flags &= !flag,
                (_, _, Some(kind)) => words.propagation = Some(kind),
                _ => words.data.push(word.to_owned()),
            }
        }
        words
    }
}

/// Mounts it on `path`.
pub(crate) fn mount(local: &Local, path: &Path) -> Result<(), Error> {
    let words = Words::read(&local.options);
    let failed = |source: io::Error| Error::Mount {
        device: local.device.clone(),
        path: path.to_owned(),
        data: local.shown(),
        source,
    };
    match words.bind {
        Some(bind) => bound(local, path, &words, bind).map_err(failed)?,
        None => file_system(local, path, &words).map_err(failed)?,
    }
    if let Some(kind) = words.propagation {
        let changed = rustix::mount::mount_change(path, kind);
        if let Err(error) = changed {
            // Half a mount is none.
            drop(unmount(path));
            return Err(failed(error.into()));
        }
    }
    Ok(())
}

fn bound(local: &Local, path: &Path, words: &Words, bind: Bind) -> io::Result<()> {
    match bind {
        Bind::Alone => rustix::mount::mount_bind(&*local.device, path)?,
        Bind::Recursive => rustix::mount::mount_bind_recursive(&*local.device, path)?,
    }
    if words.flags.is_empty() {
        return Ok(());
    }
    // The flags of a bind mount are set by a second call.
    let flags = MountFlags::BIND | words.flags;
    rustix::mount::mount_remount(path, flags, c"").map_err(|error| {
        drop(unmount(path));
        error.into()
    })
}

fn file_system(local: &Local, path: &Path, words: &Words) -> io::Result<()> {
    let mut data = words.data.clone();
    if matches!(local.kind.as_str(), "nfs" | "nfs4" | "cifs") {
        // The kernel takes addresses only.
        for word in &mut data {
            if let Some(host) = word.strip_prefix("addr=") {
                *word = format!("addr={}", address(host)?);
            }
        }
    }
    let data = CString::new(data.join(","))?;
    rustix::mount::mount(&*local.device, path, &*local.kind, words.flags, &*data)?;
    Ok(())
}

/// The address of a host.
fn address(host: &str) -> io::Result<IpAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let mut found = (host, 0).to_socket_addrs()?;
    let first = found.next().map(|address| address.ip());
    first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")))
}

/// Takes the mount on `path` away, even if it is busy.
pub(crate) fn unmount(path: &Path) -> Result<(), Error> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(Error::io("unmount", path)(error)),
    }
}
