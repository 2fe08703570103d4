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
    // COMPAT: none is as if nothing were said.
    let attempts = flags.max_download_attempts.or(file.max_download_attempts);
    let attempts = attempts.filter(|attempts| *attempts > 0);
    Ok(Settings {
        insecure: insecure(non_empty(
            &flags.insecure_registries,
            file.insecure_registries.clone(),
        )),
        mirrors: mirrors(non_empty(
            &flags.registry_mirrors,
            file.registry_mirrors.clone(),
        ))?,
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

/// Hosts without the scheme that some give them. COMPAT: dockerd takes it off, and says so.
fn insecure(said: Vec<String>) -> Vec<String> {
    let host = |text: String| {
        for scheme in ["http://", "https://"] {
            let (start, rest) = text.split_at_checked(scheme.len()).unwrap_or_default();
            if start.eq_ignore_ascii_case(scheme) {
                tracing::warn!(registry = text, "insecure registry: {scheme} is left out");
                return rest.to_owned();
            }
        }
        text
    };
    said.into_iter().map(host).collect()
}

/// URLs of mirrors that can be such, in dockerd's words where they cannot.
fn mirrors(said: Vec<String>) -> anyhow::Result<Vec<String>> {
    const SCHEMES: &str = "must use either 'https://' or 'http://'";
    for url in &said {
        let Some((scheme, rest)) = url.split_once("://") else {
            bail!("invalid mirror: no scheme specified for {url:?}: {SCHEMES}");
        };
        if !matches!(scheme, "http" | "https") {
            bail!("invalid mirror: unsupported scheme {scheme:?} in {url:?}: {SCHEMES}");
        }
        if rest.contains(['?', '#']) {
            bail!("invalid mirror: query or fragment at end of the URI {url:?}");
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if let Some((user, host)) = authority.rsplit_once('@') {
            let user = user.split(':').next().unwrap_or_default();
            let shown = format!("{scheme}://{user}:xxxxx@{host}");
            bail!("invalid mirror: username/password not allowed in URI {shown:?}");
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_urls_without_secrets() {
        let words = |url: &str| mirrors(vec![url.to_owned()]).map_err(|error| error.to_string());
        assert!(words("http://127.0.0.1:5000").is_ok());
        assert!(words("https://mirror.lan/a/").is_ok());
        for (url, expected) in [
            ("nonsense", "no scheme specified for \"nonsense\""),
            ("ftp://x", "unsupported scheme \"ftp\" in \"ftp://x\""),
            ("http://x?a=b", "query or fragment at end of the URI"),
            (
                "http://u:secret@x",
                "not allowed in URI \"http://u:xxxxx@x\"",
            ),
        ] {
            let error = words(url).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn schemes_of_insecure_registries_are_left_out() {
        let said = ["HTTP://x", "https://b:5000", "10.0.0.0/8", "c"];
        let said = said.map(str::to_owned).to_vec();
        assert_eq!(insecure(said), ["x", "b:5000", "10.0.0.0/8", "c"]);
    }
}
