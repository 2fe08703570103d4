//! How registries are spoken to: flags, file and environment together.

use crate::file::File;
use crate::flags::Flags;
use crate::settings::non_empty;
use anyhow::{Context, bail};
use images::{Patience, Proxies, Settings};
use serde::Deserialize;

/// `proxies` in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FileProxies {
    pub(crate) http_proxy: Option<String>,
    pub(crate) https_proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
}

/// What holds. The environment counts where nothing else is said of a proxy.
pub(crate) fn settings(flags: &Flags, file: &File) -> anyhow::Result<Settings> {
    let FileProxies {
        http_proxy,
        https_proxy,
        no_proxy,
    } = file.proxies.clone();
    let said = Proxies {
        http: flags.http_proxy.clone().or(http_proxy),
        https: flags.https_proxy.clone().or(https_proxy),
        no: flags.no_proxy.clone().or(no_proxy),
    };
    let proxies = said.or(Proxies::from_environment());
    proxies.check().context("invalid proxy")?;
    let attempts = flags.max_download_attempts.or(file.max_download_attempts);
    if attempts == Some(0) {
        bail!("invalid max download attempts: 0");
    }
    Ok(Settings {
        insecure: non_empty(&flags.insecure_registries, file.insecure_registries.clone()),
        mirrors: non_empty(&flags.registry_mirrors, file.registry_mirrors.clone()),
        hosts: match (&flags.registry_hosts[..], &file.registry_hosts[..]) {
            ([], []) => Settings::places(),
            ([], file) => file.to_vec(),
            (flags, _) => flags.to_vec(),
        },
        credentials: flags
            .registry_credentials
            .clone()
            .or_else(|| file.registry_credentials.clone()),
        proxies,
        patience: Patience {
            attempts: attempts.unwrap_or(Patience::default().attempts),
            ..Patience::default()
        },
        ..Settings::default()
    })
}
