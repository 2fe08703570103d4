//! The names of a log's files, and moving them up.

use crate::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The `number`th older file: 1 is the newest of them.
pub(crate) fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Moves `PATH` to `PATH.1`, `PATH.1` to `PATH.2` and so on, so that with a new `PATH` there
/// are at most `files`. With one file alone nothing moves: it is to be emptied.
pub(crate) fn rotate(path: &Path, files: u32) -> Result<(), Error> {
    for number in (1..files).rev() {
        let from = match number {
            1 => path.to_owned(),
            _ => older(path, number - 1),
        };
        match fs::rename(&from, older(path, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("rotate", &from)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
