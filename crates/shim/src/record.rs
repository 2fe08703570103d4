//! Files about the shim and its containers: replaced by rename, or durable before they count.

use crate::error::{Error, Result};
use proto::run;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Replaces `folder/name` by the JSON of `document`.
pub(crate) fn replace(folder: &Path, name: &str, document: &impl Serialize) -> Result<()> {
    let path = folder.join(name);
    let json = serde_json::to_vec(document).map_err(Error::io("encode", &path))?;
    let new = folder.join(format!("{name}.new"));
    write(&new, &json).map_err(Error::io("write", &new))?;
    fs::rename(&new, &path).map_err(Error::io("replace", &path))
}

/// Writes a private file, once.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}

/// Makes the exit record: once this returns it outlives us, and a loss of power if it is to be
/// `lasting`.
pub(crate) fn exit(folder: &Path, record: &run::Exit, lasting: bool) -> Result<()> {
    let path = folder.join(run::EXIT);
    let mut json = serde_json::to_vec(record).map_err(Error::io("encode", &path))?;
    json.push(b'\n');
    let make = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file: File = options.open(&path)?;
        file.write_all(&json)?;
        match lasting {
            true => file.sync_data(),
            false => Ok(()),
        }
    };
    make().map_err(Error::io("write", &path))
}

/// Removes the exit record of an earlier run.
pub(crate) fn forget_exit(folder: &Path) -> Result<()> {
    let path = folder.join(run::EXIT);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

/// Who the process `pid` is, for as long as the machine is up.
pub(crate) fn identity(pid: i32) -> io::Result<run::Identity> {
    let start_time = sys::identity::start_time(pid)?;
    Ok(run::Identity { pid, start_time })
}
