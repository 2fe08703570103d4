//! The user's terminal: raw while a container's terminal is shown, restored on every way out.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, IsTerminal};

/// The terminal in raw mode; restored when dropped.
#[derive(Debug)]
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Makes standard input's terminal raw, if it is one.
    pub(crate) fn input() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _restored = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// The terminal without echo; restored when dropped.
#[derive(Debug)]
pub(crate) struct Silent {
    before: Termios,
}

impl Silent {
    /// Makes standard input's terminal show nothing of what is typed.
    pub(crate) fn input() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _restored = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Rows and columns of standard output's terminal, else of standard input's.
pub(crate) fn size() -> Option<[u32; 2]> {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin()));
    let size = size.ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then(|| [size.ws_row.into(), size.ws_col.into()])
}
