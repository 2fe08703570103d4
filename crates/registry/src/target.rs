//! Where a repository's requests go.

use crate::credentials::file;
use crate::hosts::{self, Abilities, Host, Way};
use crate::http::Http;
use crate::settings::{Settings, name_of};
use crate::{Credentials, Error};
use http::{HeaderMap, Uri};
use oci::Reference;

/// Docker Hub's API is not where its name says.
const HUB: &str = "docker.io";
const HUB_API: &str = "registry-1.docker.io";
const HUB_SEARCH: &str = "index.docker.io";

/// A server that may have the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host` or `host:port`.
    pub(crate) host: String,
    /// What comes before a repository's path: `/v2` mostly.
    pub(crate) root: String,
    /// Ways to reach it, the better first.
    pub(crate) schemes: Vec<&'static str>,
    /// Whether the certificate may be anybody's.
    pub(crate) insecure: bool,
    /// Whether it is asked first whether it is there. COMPAT: containerd, whose files say how
    /// hosts are reached, does not ask them that.
    pub(crate) greets: bool,
    /// Whether it is the reference's own registry, which the caller's credentials are for.
    pub(crate) own: bool,
    /// What a mirror is shown: the machine's own credentials for it.
    pub(crate) credentials: Option<Credentials>,
    /// What it may be asked for.
    pub(crate) abilities: Abilities,
    /// What is sent with every request.
    pub(crate) headers: HeaderMap,
    /// The registry that a mirror is asked for: one mirror may have several.
    pub(crate) namespace: Option<String>,
}

/// The servers for a reference, in the order in which they are asked.
pub(crate) fn targets(reference: &Reference, http: &Http) -> Result<Vec<Target>, Error> {
    let mut targets = asked(reference, http)?;
    if let Some(path) = &http.settings().credentials {
        for mirror in targets.iter_mut().filter(|target| !target.own) {
            mirror.credentials = file::find(path, &mirror.host)?;
        }
    }
    Ok(targets)
}

fn asked(reference: &Reference, http: &Http) -> Result<Vec<Target>, Error> {
    let settings = http.settings();
    let domain = reference.domain();
    if let Some(said) = hosts::servers(&settings.hosts, domain)? {
        let target = |host: Host| configured(domain, host, http);
        return said.into_iter().map(target).collect();
    }
    let mut targets = Vec::new();
    if domain == HUB {
        let mirrors = settings.mirrors.iter();
        targets.extend(mirrors.filter_map(|url| mirror(url, settings)));
    }
    targets.push(server(domain, http)?);
    Ok(targets)
}

/// The registry at a host itself, with docker's certificates for it.
pub(crate) fn server(host: &str, http: &Http) -> Result<Target, Error> {
    let trust = hosts::certificates_for(&http.settings().hosts, host)?;
    let target = plain(host, http.settings());
    if let Some(mut trust) = trust {
        trust.anybody = target.insecure;
        let connect = None;
        http.learn(&target.host, Way { trust, connect })?;
    }
    Ok(target)
}

/// The server of a registry's first API, at which images are searched.
pub(crate) fn searched(host: &str, http: &Http) -> Result<Target, Error> {
    let host = if host == HUB { HUB_SEARCH } else { host };
    Ok(Target {
        root: "/v1".to_owned(),
        greets: false,
        ..server(host, http)?
    })
}

fn plain(host: &str, settings: &Settings) -> Target {
    let host = if host == HUB { HUB_API } else { host };
    let insecure = settings.is_insecure(host);
    Target {
        host: host.to_owned(),
        root: "/v2".to_owned(),
        schemes: match insecure {
            true => vec!["https", "http"],
            false => vec!["https"],
        },
        insecure,
        greets: true,
        own: true,
        credentials: None,
        abilities: Abilities::default(),
        headers: HeaderMap::new(),
        namespace: None,
    }
}

/// A server as `hosts.toml` has it: exactly what it says, loopback or not.
fn configured(domain: &str, said: Host, http: &Http) -> Result<Target, Error> {
    let Some(url) = &said.url else {
        let mut target = plain(domain, http.settings());
        let mut way = said.way;
        way.trust.anybody |= target.insecure;
        http.learn(&target.host, way)?;
        target.greets = false;
        target.abilities = said.abilities;
        target.headers = said.headers;
        return Ok(target);
    };
    let wrong = || Error::Protocol {
        url: url.clone(),
        reason: "no server: neither http://HOST nor https://HOST".to_owned(),
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.authority().ok_or_else(wrong)?.to_string();
    let scheme = match uri.scheme_str() {
        Some("https") => "https",
        Some("http") => "http",
        _ => return Err(wrong()),
    };
    let path = uri.path().trim_end_matches('/');
    let own = said.is_server || host == domain;
    let insecure = said.way.trust.anybody || scheme == "http";
    http.learn(&host, said.way)?;
    Ok(Target {
        root: match said.whole_path || path.ends_with("/v2") {
            true => path.to_owned(),
            false => format!("{path}/v2"),
        },
        namespace: (!own).then(|| domain.to_owned()),
        host,
        schemes: vec![scheme],
        insecure,
        greets: false,
        own,
        credentials: None,
        abilities: said.abilities,
        headers: said.headers,
    })
}

fn mirror(url: &str, settings: &Settings) -> Option<Target> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/');
    let schemes = match scheme {
        "https" => vec!["https"],
        "http" => vec!["http"],
        _ => return None,
    };
    (!name_of(host).is_empty()).then(|| Target {
        root: match path.is_empty() {
            true => "/v2".to_owned(),
            false => format!("/{path}/v2"),
        },
        schemes,
        greets: true,
        own: false,
        ..plain(host, settings)
    })
}
