//! Messages in the forms of logrus, which runc's callers read.

use anyhow::{Context, Result, bail};
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;
use types::Timestamp;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Where messages go.
#[derive(Debug, Default)]
pub(crate) struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Debug,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Debug => "debug",
        }
    }
}

/// Opens the log once.
pub(crate) fn open(path: Option<&str>, format: Option<&str>, debug: bool) -> Result<()> {
    let format = match format {
        None | Some("" | "text") => Format::Text,
        Some("json") => Format::Json,
        Some(other) => bail!("invalid log-format: {other}"),
    };
    let file = path.filter(|path| !path.is_empty());
    let file = file.map(|path| {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o644);
        options.open(path).with_context(|| format!("open {path}"))
    });
    let log = Log {
        file: file.transpose()?,
        format,
        debug,
    };
    // Only the first command line counts; there is only one.
    LOG.get_or_init(|| log);
    Ok(())
}

/// Writes a message.
pub(crate) fn write(level: Level, message: &str) {
    let fallback = Log::default();
    let log = LOG.get().unwrap_or(&fallback);
    if level == Level::Debug && !log.debug {
        return;
    }
    let line = line(log.format, level, message);
    // There is nowhere to tell that a message could not be told.
    drop(match &log.file {
        Some(file) => (&*file).write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    });
}

/// What only those who look for a fault want to know.
pub(crate) fn debug(message: &str) {
    write(Level::Debug, message);
}

/// How far a process has come, with its pid.
///
/// COMPAT: runc's words for the stages of its own set-up, which tools look for in a debug log.
/// Ours has no stages: by the time that this is said all of them are over.
pub(crate) fn stages(pid: i32, affinity: Option<&str>) {
    if !LOG.get().is_some_and(|log| log.debug) {
        return;
    }
    debug(&format!("nsexec[{pid}]: => nsexec container setup"));
    if let Some(mask) = affinity {
        debug(&format!("nsexec[{pid}]: affinity: {mask}"));
    }
    debug("child process in init()");
    debug("init: closing the pipe to signal completion");
    debug("setns_init: about to exec");
}

/// A warning.
pub(crate) fn warn(message: &str) {
    write(Level::Warning, message);
}

/// Ends a command that failed: into the log, and to standard error if that is another place.
pub(crate) fn fatal(error: &anyhow::Error) {
    let message = phrase(error);
    write(Level::Error, &message);
    if LOG.get().is_some_and(|log| log.file.is_some()) {
        drop(writeln!(io::stderr(), "{message}"));
    }
}

/// Every cause, the outermost first.
///
/// COMPAT: the kernel's answers in Go's words, which callers match on.
fn phrase(error: &anyhow::Error) -> String {
    let missing = |cause: &&(dyn Error + 'static)| {
        let cause = cause.downcast_ref::<container::Error>();
        matches!(cause, Some(container::Error::CommandNotFound { command, .. }) if !command.contains('/'))
    };
    // What is on no PATH needs no further reason.
    let last = error.chain().position(|cause| missing(&cause));
    let told = last.map_or(usize::MAX, |last| last + 1);
    let causes = error.chain().take(told).map(|cause| {
        let number = match cause.downcast_ref::<io::Error>() {
            Some(error) => error.raw_os_error(),
            None => cause
                .downcast_ref::<rustix::io::Errno>()
                .map(|errno| errno.raw_os_error()),
        };
        let text = cause.to_string();
        match number {
            Some(number) => text
                .trim_end_matches(&format!(" (os error {number})"))
                .to_lowercase(),
            None => text,
        }
    });
    causes.collect::<Vec<_>>().join(": ")
}

fn line(format: Format, level: Level, message: &str) -> String {
    let (time, level) = (Timestamp::now().to_string(), level.as_str());
    match format {
        Format::Text => format!(
            "time={:?} level={level} msg={message:?}\n",
            whole_seconds(&time)
        ),
        Format::Json => {
            let line =
                serde_json::json!({"level": level, "msg": message, "time": whole_seconds(&time)});
            format!("{line}\n")
        }
    }
}

/// logrus leaves fractions out.
fn whole_seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}
