//! The program of a container and its standard streams.

use serde::{Deserialize, Serialize};

/// The program a container runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessSpec {
    /// The first words; `None`: the image's; `Some([])`: none.
    pub entrypoint: Option<Vec<String>>,
    /// The words after them; `None`: the image's, unless there is an entry point.
    pub command: Option<Vec<String>>,
    /// `NAME=value`; a `NAME` alone takes the image's variable away.
    pub env: Vec<String>,
    /// `name|uid[:group|gid]`; empty: the image's, else root.
    pub user: String,
    /// The directory it starts in; empty: the image's, else `/`.
    pub working_dir: String,
}

/// The standard streams of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "six independent switches of Docker's request, echoed by inspect"
)]
pub struct Streams {
    /// The creating client attaches stdin.
    pub attach_stdin: bool,
    /// The creating client attaches stdout.
    pub attach_stdout: bool,
    /// The creating client attaches stderr.
    pub attach_stderr: bool,
    /// Stdin is a pipe that stays open, not `/dev/null`.
    pub open_stdin: bool,
    /// Stdin ends with the first attached client's.
    pub stdin_once: bool,
    /// All three are one terminal.
    pub tty: bool,
}
