//! What SIGHUP changes: what the file says of the log.

use crate::flags::Flags;
use crate::logging::Level;
use crate::settings::Settings;

/// Reads the configuration again. What it says wrongly changes nothing.
pub(crate) fn reload(flags: &Flags, level: &Level) {
    match Settings::load(flags) {
        Ok(settings) => {
            level.set(settings.log_level);
            tracing::info!(file = %settings.config_file.display(), "configuration reloaded");
        }
        Err(error) => tracing::error!(error = format!("{error:#}"), "configuration not reloaded"),
    }
}
