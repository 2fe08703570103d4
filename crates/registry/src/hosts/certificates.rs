//! docker's layout: `*.crt` vouch for a registry; `*.cert` with `*.key` are shown to it.

use super::{is_absence, read as bytes_of};
use crate::Error;
use crate::tls::{Identity, Trust};
use std::path::{Path, PathBuf};

fn sort_out(files: &[PathBuf]) -> Result<Trust, Error> {
    let mut trust = Trust::default();
    for path in files {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => trust.roots.push(bytes_of(path)?),
            Some("cert") => {
                let key = path.with_extension("key");
                if !files.contains(&key) {
                    return Err(missing(path, "key", &key, "client certificate"));
                }
                trust.identities.push(Identity {
                    certificate: bytes_of(path)?,
                    key: bytes_of(&key)?,
                });
            }
            Some("key") => {
                let certificate = path.with_extension("cert");
                if !files.contains(&certificate) {
                    return Err(missing(path, "client certificate", &certificate, "key"));
                }
            }
            _ => {}
        }
    }
    Ok(trust)
}

/// What a directory has; nothing if it is not there.
pub(super) fn read(directory: &Path) -> Result<Trust, Error> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Trust::default()),
        Err(error) => return Err(Error::configuration(directory, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::configuration(directory, &error))?;
        files.push(entry.path());
    }
    files.sort();
    sort_out(&files)
}

/// COMPAT: dockerd's words.
fn missing(path: &Path, what: &str, lacking: &Path, of: &str) -> Error {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let hint = match what {
        "client certificate" => "",
        _ => ". CA certificates must use the extension .crt",
    };
    let reason = format!(
        "missing {what} {} for {of} {}{hint}",
        name(lacking),
        name(path)
    );
    Error::configuration(path, &reason)
}
