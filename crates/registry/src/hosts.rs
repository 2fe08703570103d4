//! What directories say of registries' hosts: containerd's `hosts.toml`, docker's certificates.

mod certificates;
mod file;

use crate::Error;
use crate::tls::Trust;
use http::HeaderMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory for hosts that have none.
const DEFAULT: &str = "_default";

/// What is said of one server of a registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Host {
    /// Where it is; `None` is the registry itself.
    pub(crate) url: Option<String>,
    /// Whether it is said to be the registry's own server, and no mirror.
    pub(crate) is_server: bool,
    /// What it may be asked for.
    pub(crate) abilities: Abilities,
    pub(crate) way: Way,
    /// What is sent with every request.
    pub(crate) headers: HeaderMap,
    /// Whether the path of `url` is whole, without `/v2`.
    pub(crate) whole_path: bool,
}

/// How a server is connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) trust: Trust,
    /// How long that may take, if it is said.
    pub(crate) connect: Option<Duration>,
}

/// What a server may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Blobs, and manifests by their digests.
    pub(crate) pull: bool,
    /// Manifests by tags.
    pub(crate) resolve: bool,
    /// What is sent to it.
    pub(crate) push: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            pull: true,
            resolve: true,
            push: true,
        }
    }
}

/// What the first of `directories` that knows the host says; its own server comes last.
/// `None`: none of them does, or has only certificates, which [`certificates_for`] reads.
pub(crate) fn servers(directories: &[PathBuf], host: &str) -> Result<Option<Vec<Host>>, Error> {
    for directory in candidates(directories, host) {
        let path = directory.join("hosts.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => return file::parse(&text, &path).map(Some),
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(Error::configuration(&path, &error)),
        }
    }
    Ok(None)
}

/// The certificates of the first directory that has some for the host, in docker's layout.
pub(crate) fn certificates_for(
    directories: &[PathBuf],
    host: &str,
) -> Result<Option<Trust>, Error> {
    for directory in candidates(directories, host) {
        let found = certificates::read(&directory)?;
        if found != Trust::default() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where something may be said of a host: `host:port` cannot be a name everywhere, so
/// containerd takes `host_port_` as well.
fn candidates(directories: &[PathBuf], host: &str) -> Vec<PathBuf> {
    // A host never leads out of its directory.
    if host.contains('/') || host.starts_with('.') {
        return Vec::new();
    }
    let mut names = vec![host.to_owned(), DEFAULT.to_owned()];
    if let Some((name, port)) = host.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        names.insert(0, format!("{name}_{port}_"));
    }
    let named = |directory: &PathBuf| names.iter().map(|name| directory.join(name)).collect();
    let all = directories.iter().map(named);
    all.flat_map(|named: Vec<PathBuf>| named)
        .filter(|path| path.is_dir())
        .collect()
}

fn is_absence(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::configuration(path, &error))
}
