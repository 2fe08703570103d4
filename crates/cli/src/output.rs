//! Results go to standard output, everything said to a person to standard error.

use std::io::{self, IsTerminal, Write};

/// Writes `text` and a line end to standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes `text` to standard output as it is.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes `text` and a line end to standard error. There is nobody to tell if that fails.
pub(crate) fn error(text: &str) {
    let _untold = writeln!(io::stderr().lock(), "{text}");
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
