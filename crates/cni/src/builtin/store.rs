//! Which attachment has which address.
//!
//! COMPAT: the directory is host-local's: one file an address with the container and the
//! interface in it, the last address of each set, and a file that is locked (flock(2)) by
//! whoever changes anything. Both can work in it at the same time.

use super::Failure;
use crate::Attachment;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A network's directory, locked as long as this lives.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    _lock: File,
}

fn content(container: &str, interface: &str) -> String {
    format!("{container}\r\n{interface}")
}

impl Store {
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let lock = directory.join("lock");
        let open = || {
            fs::create_dir_all(directory)?;
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&lock)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        let file = open().map_err(Failure::io(lock.display()))?;
        Ok(Self {
            directory: directory.to_owned(),
            _lock: file,
        })
    }

    /// Reserves an address; gives false if it is taken.
    pub(crate) fn reserve(
        &self,
        attachment: &Attachment,
        address: IpAddr,
        set: usize,
    ) -> Result<bool, Failure> {
        let path = self.directory.join(address.to_string());
        let text = content(&attachment.container, &attachment.interface);
        let mut file = match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            file => file.map_err(Failure::io(path.display()))?,
        };
        let last = self.directory.join(format!("last_reserved_ip.{set}"));
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| fs::write(last, address.to_string()));
        if let Err(error) = written {
            drop(fs::remove_file(&path));
            return Err(Failure::io(path.display())(error));
        }
        Ok(true)
    }

    /// The last address given of a set.
    pub(crate) fn last(&self, set: usize) -> Option<IpAddr> {
        let path = self.directory.join(format!("last_reserved_ip.{set}"));
        fs::read_to_string(path).ok()?.parse().ok()
    }

    /// Every address that is given, and to whom.
    fn all(&self) -> Result<Vec<(IpAddr, String)>, Failure> {
        let failed = || Failure::io(self.directory.display());
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let address = name.to_str().and_then(|name| name.parse().ok());
            let Some(address) = address else { continue };
            let text = fs::read_to_string(entry.path()).map_err(failed())?;
            all.push((address, text.trim().to_owned()));
        }
        Ok(all)
    }

    /// The addresses that an attachment has.
    pub(crate) fn held_by(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, Failure> {
        let own = content(&attachment.container, &attachment.interface);
        let all = self.all()?.into_iter();
        // The first host-local wrote the container alone.
        let all = all.filter(|(_, text)| *text == own || *text == attachment.container);
        Ok(all.map(|(address, _)| address).collect())
    }

    /// Gives an address back; nothing if it is free.
    pub(crate) fn release(&self, address: Option<IpAddr>) -> Result<(), Failure> {
        let Some(address) = address else {
            return Ok(());
        };
        let path = self.directory.join(address.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(Failure::io(path.display())),
        }
    }

    /// Gives back every address of an attachment, and says which they were.
    pub(crate) fn release_all(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, Failure> {
        let held = self.held_by(attachment)?;
        held.iter()
            .try_for_each(|address| self.release(Some(*address)))?;
        Ok(held)
    }

    /// Gives back every address that none of these has, and says which they were. A file that
    /// has nothing in it is what a crash left.
    pub(crate) fn collect(&self, valid: &[(String, String)]) -> Result<Vec<IpAddr>, Failure> {
        let stays = |text: &String| {
            let mut valid = valid.iter();
            valid.any(|(container, interface)| {
                *text == content(container, interface) || text == container
            })
        };
        let mut gone = Vec::new();
        for (address, text) in self.all()? {
            if !stays(&text) {
                self.release(Some(address))?;
                gone.push(address);
            }
        }
        Ok(gone)
    }
}
