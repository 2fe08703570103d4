//! How errors look: the only place where they are phrased.
//!
//! COMPAT: what the daemon refused is said in docker's words, which scripts match on. What goes
//! wrong on our side is an `error:` line, `caused by:` lines, and a `hint:` line if there is one.

use crate::output;
use client::{Error, credentials};
use std::fmt::Write;

/// A command that failed: what to say and the status to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    text: String,
}

/// What a command gives: the status to exit with.
pub(crate) type Result<T = u8> = std::result::Result<T, Failure>;

impl Failure {
    /// Exactly this text.
    pub(crate) fn text(status: u8, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    /// A failure that was reported already, or has nothing to say.
    pub(crate) fn silent(status: u8) -> Self {
        Self::text(status, "")
    }

    /// One of our own errors, with a hint.
    pub(crate) fn hinted(error: anyhow::Error, hint: impl Into<String>) -> Self {
        let mut failure = Self::from(error);
        let _infallible = write!(failure.text, "\nhint: {}", hint.into());
        failure
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// The same in the form of `run`, `create` and `start`: the program's name in front and
    /// where to find help behind.
    pub(crate) fn with_help(mut self, command: &str) -> Self {
        self.text = format!(
            "corten: {}\n\nRun 'corten {command} --help' for more information",
            self.text
        );
        self
    }

    /// What is said.
    pub(crate) fn message(&self) -> &str {
        &self.text
    }

    /// Several failures as one, each on its lines.
    pub(crate) fn all(failures: Vec<Self>) -> Result<()> {
        let status = failures.iter().map(|failure| failure.status).max();
        let texts: Vec<_> = failures.into_iter().map(|failure| failure.text).collect();
        match status {
            None => Ok(()),
            Some(status) => Err(Self::text(status, texts.join("\n"))),
        }
    }

    /// Says it and gives the status.
    pub(crate) fn report(self) -> u8 {
        if !self.text.is_empty() {
            output::error(&self.text);
        }
        self.status
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { message, .. } => {
                Self::text(1, format!("Error response from daemon: {message}"))
            }
            error @ Error::Connect { .. } => unreachable_daemon(&error),
            error => Self::from(anyhow::Error::new(error)),
        }
    }
}

/// COMPAT: the first words are docker's.
fn unreachable_daemon(error: &Error) -> Failure {
    let Error::Connect { host, source } = error else {
        return Failure::text(1, error.to_string());
    };
    Failure::text(
        1,
        format!(
            "Cannot connect to the corten daemon at {host}. Is the corten daemon running?\n\
             caused by: {source}\n\
             hint: start it with `corten daemon -H {host}`, or leave out -H, CORTEN_HOST and \
             DOCKER_HOST: corten then starts its own"
        ),
    )
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<Error>() {
            Ok(error @ (Error::Refused { .. } | Error::Connect { .. })) => {
                return Self::from(error);
            }
            Ok(error) => anyhow::Error::new(error),
            Err(error) => error,
        };
        let mut text = format!("error: {error}");
        for cause in error.chain().skip(1) {
            let _infallible = write!(text, "\ncaused by: {cause}");
        }
        Self::text(1, text)
    }
}

impl From<credentials::Error> for Failure {
    fn from(error: credentials::Error) -> Self {
        let unset = matches!(error, credentials::Error::NoHome);
        let error = anyhow::Error::new(error);
        match unset {
            true => Self::hinted(error, "set DOCKER_CONFIG to a directory of your own"),
            false => Self::from(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Whoever reads our output went away: what `yes | head` does, and no failure to report.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(1);
        }
        Self::from(anyhow::Error::new(error))
    }
}
