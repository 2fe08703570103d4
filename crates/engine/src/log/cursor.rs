//! How far a log was sent.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use types::Timestamp;

/// The last record that was sent: records of one moment are told apart by their count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) at: Timestamp,
    pub(super) sent: u64,
}

impl Cursor {
    fn path(dir: &Path) -> PathBuf {
        dir.join("forwarded.json")
    }

    /// What an earlier task wrote; nothing was sent if there is none.
    pub(super) fn read(dir: &Path) -> Self {
        let text = fs::read(Self::path(dir)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Takes one more record as sent.
    pub(super) fn advance(&mut self, at: Timestamp) {
        match self.at == at {
            true => self.sent += 1,
            false => *self = Self { at, sent: 1 },
        }
    }

    pub(super) fn write(self, dir: &Path) -> Result<(), Error> {
        let path = Self::path(dir);
        let draft = path.with_extension("json.new");
        let text = serde_json::to_vec(&self).map_err(io::Error::other);
        let written = text.and_then(|text| fs::write(&draft, text));
        let placed = written.and_then(|()| fs::rename(&draft, &path));
        match placed {
            // The container is gone, and its files with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            placed => placed.map_err(Error::io("write", &path)),
        }
    }
}
