//! Where a repository's requests go.

use crate::settings::{Settings, name_of};
use oci::Reference;

/// Docker Hub's API is not where its name says.
const HUB: &str = "docker.io";
const HUB_API: &str = "registry-1.docker.io";

/// A server that may have the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host` or `host:port`.
    pub(crate) host: String,
    /// What comes before `/v2/`.
    pub(crate) prefix: String,
    /// Ways to reach it, the better first.
    pub(crate) schemes: Vec<&'static str>,
    /// Whether the certificate may be anybody's.
    pub(crate) insecure: bool,
    /// Whether it is the reference's own registry, which credentials are for.
    pub(crate) own: bool,
}

/// The servers for a reference, in the order in which they are asked.
pub(crate) fn targets(reference: &Reference, settings: &Settings) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut host = reference.domain();
    if host == HUB {
        targets.extend(
            settings
                .mirrors
                .iter()
                .filter_map(|url| mirror(url, settings)),
        );
        host = HUB_API;
    }
    targets.push(server(host, settings));
    targets
}

/// The registry at a host itself.
pub(crate) fn server(host: &str, settings: &Settings) -> Target {
    let host = if host == HUB { HUB_API } else { host };
    let insecure = settings.is_insecure(host);
    Target {
        host: host.to_owned(),
        prefix: String::new(),
        schemes: match insecure {
            true => vec!["https", "http"],
            false => vec!["https"],
        },
        insecure,
        own: true,
    }
}

fn mirror(url: &str, settings: &Settings) -> Option<Target> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let insecure = settings.is_insecure(host);
    let schemes = match scheme {
        "https" => vec!["https"],
        "http" => vec!["http"],
        _ => return None,
    };
    (!name_of(host).is_empty()).then(|| Target {
        host: host.to_owned(),
        prefix: match prefix.is_empty() {
            true => String::new(),
            false => format!("/{prefix}"),
        },
        schemes,
        insecure,
        own: false,
    })
}
