//! What SIGHUP changes: what the file says of the log, of labels, of registries and transfers, of
//! containers that say nothing, and of how long a stop may take.

use crate::flags::Flags;
use crate::logging::Level;
use crate::settings::Settings;
use api_docker::{About, Api, Host};
use engine::{CgroupMode, IpcMode};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::level_filters::LevelFilter;

/// Bytes of `/dev/shm` where nothing is said of it.
const SHM_SIZE: u64 = 64 << 20;

/// What may be told anew.
#[derive(Debug)]
pub(crate) struct Reload<'a> {
    flags: &'a Flags,
    level: &'a Level,
    api: &'a Api,
    shutdown_timeout: Cell<Duration>,
}

impl<'a> Reload<'a> {
    pub(crate) fn new(
        flags: &'a Flags,
        level: &'a Level,
        api: &'a Api,
        settings: &Settings,
    ) -> Self {
        Self {
            flags,
            level,
            api,
            shutdown_timeout: Cell::new(settings.shutdown_timeout),
        }
    }

    /// Reads the configuration again. What it says wrongly changes nothing.
    pub(crate) fn run(&self) {
        match Settings::load(self.flags) {
            Ok(settings) => self.apply(&settings),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "configuration not reloaded");
            }
        }
    }

    /// How long a stop may take, by what was read last.
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.shutdown_timeout.get()
    }

    fn apply(&self, settings: &Settings) {
        let before = self.api.about();
        let engine = &self.api.engine;
        self.level.set(settings.log_level);
        self.shutdown_timeout.set(settings.shutdown_timeout);
        engine
            .images()
            .set_transfers(&settings.registries, settings.at_once);
        engine.system().set_defaults(settings.defaults.clone());
        let about = about(settings, before.id.clone(), before.host.clone());
        let attributes = attributes(settings, &about);
        self.api.set_about(about);
        engine.events().record_reload(&before.id, attributes);
        tracing::info!(file = %settings.config_file.display(), "configuration reloaded");
    }
}

/// What the daemon says of itself by these settings.
pub(crate) fn about(settings: &Settings, id: String, host: Host) -> About {
    About {
        id,
        host,
        labels: settings.labels.clone(),
        debug: settings.log_level >= LevelFilter::DEBUG,
        registries: settings.registries.clone(),
    }
}

/// What holds now, as the event says it. COMPAT: dockerd's names and texts.
fn attributes(settings: &Settings, about: &About) -> BTreeMap<String, String> {
    let list = |words: &[String]| serde_json::Value::from(words.to_vec()).to_string();
    let defaults = &settings.defaults;
    let own_groups = about.host.cgroup_version > 1;
    let cgroup = match defaults.cgroup {
        CgroupMode::Private => "private",
        CgroupMode::Default if own_groups => "private",
        CgroupMode::Default | CgroupMode::Host => "host",
    };
    let ipc = match defaults.ipc {
        IpcMode::Shareable => "shareable",
        _ => "private",
    };
    let registries = &settings.registries;
    let said = [
        ("debug", about.debug.to_string()),
        ("default-cgroupns-mode", cgroup.to_owned()),
        ("default-ipc-mode", ipc.to_owned()),
        ("default-runtime", "runc".to_owned()),
        (
            "default-shm-size",
            defaults.shm_size.unwrap_or(SHM_SIZE).to_string(),
        ),
        ("features", "map[]".to_owned()),
        ("insecure-registries", list(&registries.insecure)),
        ("labels", list(&settings.labels)),
        ("live-restore", "true".to_owned()),
        (
            "max-concurrent-downloads",
            settings.at_once.fetched.to_string(),
        ),
        ("max-concurrent-uploads", settings.at_once.sent.to_string()),
        (
            "max-download-attempts",
            registries.patience.attempts.to_string(),
        ),
        ("name", about.host.name.clone()),
        ("registry-mirrors", list(&registries.mirrors)),
        ("runtimes", String::new()),
        (
            "shutdown-timeout",
            settings.shutdown_timeout.as_secs().to_string(),
        ),
    ];
    said.map(|(name, text)| (name.to_owned(), text)).into()
}
