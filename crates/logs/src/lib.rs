//! A container's log file: json-file records, rotation, and reading them back.
//!
//! It knows Docker's `json-file` to the byte. It must not know containers or their streams'
//! descriptors. Read first: [`Config`], [`Writer`], [`Reader`].

mod compress;
mod config;
mod error;
mod escape;
mod reader;
mod rotate;
mod time;
mod watch;
mod writer;

pub use compress::compress_older;
pub use config::{Config, JsonFile, file_size, size};
pub use error::Error;
pub use reader::{Query, Reader, Record};
pub use watch::Watch;
pub use writer::Writer;

use serde::{Deserialize, Serialize};

/// Which of a process's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output; all output of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}
