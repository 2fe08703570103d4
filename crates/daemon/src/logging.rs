//! The daemon's own log: to stderr, which whoever starts it leads to a file or the journal.

use crate::settings::Format;
use std::io::Write;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets the level while the daemon runs.
#[derive(Debug)]
pub(crate) struct Level(reload::Handle<LevelFilter, Registry>);

impl Level {
    pub(crate) fn set(&self, level: LevelFilter) {
        // It fails only after the subscriber is gone, which is at the end of the process.
        drop(self.0.reload(level));
    }
}

/// Begins to log.
pub(crate) fn begin(level: LevelFilter, format: Format) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(level);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match format {
        Format::Text => registry.with(lines).try_init()?,
        Format::Json => registry.with(lines.json()).try_init()?,
    }
    Ok(Level(handle))
}

/// Why the daemon did not start, for whoever started it.
pub(crate) fn complain(error: &anyhow::Error) {
    // Nobody is left to hear that stderr is closed.
    drop(writeln!(std::io::stderr(), "corten daemon: {error:#}"));
}

/// An answer on stdout.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
