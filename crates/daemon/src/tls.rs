//! TLS on TCP: dockerd's flags, and the files they mean.

use crate::file::File;
use crate::flags::Flags;
use anyhow::Context as _;
use api_registry::Tls;
use std::path::PathBuf;

/// What the flags and the file say; `None`: TCP is served in the clear.
pub(crate) fn settings(flags: &Flags, file: &File) -> anyhow::Result<Option<Tls>> {
    let verify = flags.tlsverify || file.tlsverify.unwrap_or_default();
    if !verify && !flags.tls && !file.tls.unwrap_or_default() {
        return Ok(None);
    }
    let folder = folder();
    let path = |flag: &Option<PathBuf>, file: &Option<PathBuf>, name: &str| {
        let said = flag.as_ref().or(file.as_ref()).cloned();
        let usual = || folder.as_ref().map(|folder| folder.join(name));
        said.or_else(usual)
            .with_context(|| format!("TLS: say where {name} is, or set DOCKER_CERT_PATH"))
    };
    let authority = || path(&flags.tlscacert, &file.tlscacert, "ca.pem");
    Ok(Some(Tls {
        certificate: path(&flags.tlscert, &file.tlscert, "cert.pem")?,
        key: path(&flags.tlskey, &file.tlskey, "key.pem")?,
        client_authority: verify.then(authority).transpose()?,
    }))
}

/// Where the files are by default, as for docker's client.
fn folder() -> Option<PathBuf> {
    let said = std::env::var_os("DOCKER_CERT_PATH").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    said.map(PathBuf::from).or_else(home)
}
