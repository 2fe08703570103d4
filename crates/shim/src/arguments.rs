//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the shim was started for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// To run a sandbox for corten's daemon, whose socket is descriptor 0.
    Serve {
        /// The sandbox's id.
        sandbox: String,
        /// Its run directory.
        folder: PathBuf,
    },
    /// To say its version.
    Version,
}

/// Why arguments make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ArgumentError {
    /// None of ours.
    #[error("unexpected argument {0:?}")]
    Unexpected(OsString),
    /// One that must be there.
    #[error("missing {0}")]
    Missing(&'static str),
}

/// Reads `serve --sandbox ID --directory DIR`.
pub(crate) fn read(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Arguments, ArgumentError> {
    let mut arguments = arguments.into_iter().skip(1);
    let command = arguments.next().ok_or(ArgumentError::Missing("command"))?;
    match command.to_str() {
        Some("serve") => {
            let (sandbox, folder) = read_flags(arguments)?;
            Ok(Arguments::Serve {
                sandbox: sandbox.ok_or(ArgumentError::Missing("--sandbox"))?,
                folder: folder.ok_or(ArgumentError::Missing("--directory"))?,
            })
        }
        Some("-v" | "--version") => Ok(Arguments::Version),
        _ => Err(ArgumentError::Unexpected(command)),
    }
}

type Flags = (Option<String>, Option<PathBuf>);

fn read_flags(mut arguments: impl Iterator<Item = OsString>) -> Result<Flags, ArgumentError> {
    let (mut sandbox, mut folder) = (None, None);
    while let Some(flag) = arguments.next() {
        let mut value = |name| arguments.next().ok_or(ArgumentError::Missing(name));
        match flag.to_str() {
            Some("--sandbox") => {
                let value = value("the sandbox's id")?;
                sandbox = Some(value.into_string().map_err(ArgumentError::Unexpected)?);
            }
            Some("--directory") => folder = Some(value("the run directory")?.into()),
            _ => return Err(ArgumentError::Unexpected(flag)),
        }
    }
    Ok((sandbox, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Arguments, ArgumentError>) {
        assert_eq!(read(line.split(' ').map(OsString::from)), expected);
    }

    #[test]
    fn the_command_line_is_read() {
        let serve = Arguments::Serve {
            sandbox: "a".to_owned(),
            folder: "/b".into(),
        };
        check("shim serve --sandbox a --directory /b", Ok(serve));
        check("shim --version", Ok(Arguments::Version));
        check("shim", Err(ArgumentError::Missing("command")));
        check("shim x", Err(ArgumentError::Unexpected("x".into())));
        check(
            "shim serve --sandbox a",
            Err(ArgumentError::Missing("--directory")),
        );
    }
}
