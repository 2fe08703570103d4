//! Where the shim is: its own session and directory, and its files in the run directory.

use crate::error::{Error, Result, chain};
use crate::record;
use proto::run;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What the shim says of its own faults.
const FAULTS: &str = "shim.log";

/// A sandbox's run directory, which is the shim's working directory.
#[derive(Debug)]
pub(crate) struct Place {
    /// The sandbox's id.
    pub sandbox: Rc<str>,
    /// `RUN/shims/SANDBOX`.
    pub folder: PathBuf,
    /// This boot's name.
    pub boot_id: String,
}

/// Who the shim is, wherever it is.
#[derive(Debug)]
pub(crate) struct Own {
    boot_id: String,
    process: run::Identity,
}

/// Leaves the caller's session, and takes orphans; gives who the shim is.
pub(crate) fn leave_caller() -> Result<Own> {
    let itself = Path::new("the shim's own process");
    match rustix::process::setsid() {
        // A caller that made it a session's leader has done so already.
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(Error::io("make a session of", itself)(error)),
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(Error::io("give orphans to", itself))?;
    let pid = rustix::process::getpid().as_raw_pid();
    Ok(Own {
        boot_id: sys::identity::boot_id()
            .map_err(Error::io("identify", Path::new("this boot")))?
            .to_owned(),
        process: record::identity(pid).map_err(Error::io("identify", itself))?,
    })
}

impl Place {
    /// Enters its run directory, and says there who it is.
    pub(crate) fn take(sandbox: String, folder: PathBuf, own: Own) -> Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("make", &folder)(error));
            }
            _ => {}
        }
        rustix::process::chdir(&folder).map_err(Error::io("enter", &folder))?;
        let place = Self {
            sandbox: sandbox.into(),
            folder,
            boot_id: own.boot_id,
        };
        place.describe(own.process)?;
        Ok(place)
    }

    fn describe(&self, process: run::Identity) -> Result<()> {
        let document = run::Shim {
            version: run::VERSION,
            service: proto::VERSION,
            sandbox: self.sandbox.to_string(),
            boot_id: self.boot_id.clone(),
            process,
        };
        record::replace(&self.folder, run::SHIM, &document)
    }

    /// Listens at the path socket, for root alone.
    pub(crate) fn listen(&self) -> Result<OwnedFd> {
        let path = self.folder.join(run::SOCKET);
        let make = || -> io::Result<OwnedFd> {
            let flags = SocketFlags::CLOEXEC;
            let socket =
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            drop(fs::remove_file(&path));
            // What it is bound to has its mode from the beginning.
            rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
            // By its short name: an address has room for 107 bytes.
            rustix::net::bind(&socket, &SocketAddrUnix::new(run::SOCKET)?)?;
            rustix::net::listen(&socket, 16)?;
            Ok(socket)
        };
        make().map_err(Error::io("listen at", &path))
    }

    /// The directory of a container's configuration.
    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// Notes a fault that no caller can be told.
    pub(crate) fn report(&self, what: &str, error: &dyn std::error::Error) {
        self.note(what, &chain(error));
    }

    /// Notes a fault in words.
    pub(crate) fn note(&self, what: &str, words: &str) {
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true).mode(0o600);
        let file = options.open(self.folder.join(FAULTS));
        if let Ok(mut file) = file {
            let now = types::Timestamp::now();
            drop(writeln!(file, "{now} {what}: {words}"));
        }
    }

    /// Leaves nothing behind. What says who the shim is goes last: as long as anything else is
    /// there, whoever looks knows that it is being removed.
    pub(crate) fn leave(&self) -> Result<()> {
        rustix::process::chdir("/").map_err(Error::io("enter", Path::new("/")))?;
        let failed = Error::io("remove", &self.folder);
        self.remove().map_err(failed)
    }

    fn remove(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false if entry.file_name() == run::SHIM => {}
                false => fs::remove_file(entry.path())?,
            }
        }
        fs::remove_file(self.folder.join(run::SHIM))?;
        fs::remove_dir(&self.folder)
    }
}
