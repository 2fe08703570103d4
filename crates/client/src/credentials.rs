//! Credentials for registries as docker keeps them: `config.json`, and helpers that it names.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use docker_schema::auth::AuthConfig;
use http::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What carries credentials to the daemon.
pub const HEADER: HeaderName = HeaderName::from_static("x-registry-auth");
/// The key of Docker Hub.
pub const INDEX: &str = "https://index.docker.io/v1/";
/// What a helper says of a server that it has nothing of.
const NOTHING: &str = "credentials not found in native keychain";
/// The name that says that the secret is an identity token.
const TOKEN: &str = "<token>";

/// What went wrong with what docker keeps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody says where the file is.
    #[error("HOME is not set")]
    NoHome,
    /// The file cannot be read, or is not what docker writes.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A helper cannot be run, or its answer not be read.
    #[error("cannot run {program}")]
    Run {
        /// The helper.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A helper refused.
    #[error("{program} {verb}: {said}")]
    Helper {
        /// The helper.
        program: String,
        /// What it was asked.
        verb: String,
        /// Its words.
        said: String,
    },
}

type Result<T> = std::result::Result<T, Error>;

/// docker's file. What is not known here stays as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    auths: BTreeMap<String, Entry>,
    #[serde(skip_serializing_if = "String::is_empty")]
    creds_store: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(skip_serializing_if = "String::is_empty")]
    auth: String,
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty")]
    identity_token: String,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl std::fmt::Debug for Entry {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// What a helper is told, and tells.
#[derive(Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
struct Kept {
    #[serde(rename = "ServerURL")]
    server_url: String,
    username: String,
    secret: String,
}

/// Where a registry's credentials went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file, readable to whoever reads the file.
    File,
    /// A helper.
    Helper,
}

/// What is kept for the registry of `image`.
///
/// # Errors
/// If the file or a helper cannot be asked.
pub fn of(image: &str) -> Result<Option<AuthConfig>> {
    Config::read()?.find(server_of(image))
}

/// The header's text for the registry of `image`; `None` if there is nothing to show.
///
/// # Errors
/// As of [`of`].
pub fn header(image: &str) -> Result<Option<String>> {
    let Some(auth) = of(image)? else {
        return Ok(None);
    };
    let json = serde_json::to_vec(&auth).unwrap_or_default();
    Ok(Some(URL_SAFE.encode(json)))
}

/// The key of an image's registry.
fn server_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => server(host),
        _ => INDEX,
    }
}

/// The key of a registry as a person names it.
pub fn server(name: &str) -> &str {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" | "" => INDEX,
        host => host,
    }
}

/// Where docker's file is: `DOCKER_CONFIG`, else `~/.docker`.
pub fn path() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = variable("DOCKER_CONFIG").map(PathBuf::from);
    let directory = directory.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".docker")));
    Ok(directory.ok_or(Error::NoHome)?.join("config.json"))
}

impl Config {
    /// Reads the file; without it there is nothing. An image's pull without HOME has nothing.
    pub fn read() -> Result<Self> {
        let Ok(path) = path() else {
            return Ok(Self::default());
        };
        let failed = |source| Error::Read {
            path: path.clone(),
            source,
        };
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(failed)?,
        };
        serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))
    }

    fn helper(&self, server: &str) -> Option<&str> {
        let own = self.cred_helpers.get(server);
        let named = own.unwrap_or(&self.creds_store);
        (!named.is_empty()).then_some(named.as_str())
    }

    /// What is kept for a server.
    pub fn find(&self, server: &str) -> Result<Option<AuthConfig>> {
        if let Some(helper) = self.helper(server) {
            return get(helper, server);
        }
        let entry = self
            .auths
            .iter()
            .find(|(key, _)| self::server(key) == server);
        let Some((_, entry)) = entry else {
            return Ok(None);
        };
        let decoded = STANDARD.decode(&entry.auth).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.unwrap_or_default();
        let (username, password) = text.split_once(':').unwrap_or_default();
        Ok(Some(AuthConfig {
            username: username.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
            identity_token: entry.identity_token.clone(),
            server_address: server.to_owned(),
            ..AuthConfig::default()
        }))
    }

    /// Keeps credentials for a server.
    pub fn store(mut self, auth: &AuthConfig) -> Result<Place> {
        let server = auth.server_address.clone();
        let token = &auth.identity_token;
        if let Some(helper) = self.helper(&server) {
            let kept = match token.is_empty() {
                true => (&auth.username, &auth.password),
                false => (&TOKEN.to_owned(), token),
            };
            let kept = Kept {
                server_url: server.clone(),
                username: kept.0.clone(),
                secret: kept.1.clone(),
            };
            let document = serde_json::to_vec(&kept).unwrap_or_default();
            call(helper, "store", &document)?;
            // docker keeps an empty entry, which says that there is one.
            self.auths.insert(server, Entry::default());
            self.write()?;
            return Ok(Place::Helper);
        }
        let password = if token.is_empty() { &auth.password } else { "" };
        let entry = Entry {
            auth: STANDARD.encode(format!("{}:{password}", auth.username)),
            identity_token: token.clone(),
            other: Map::new(),
        };
        self.auths.insert(server, entry);
        self.write()?;
        Ok(Place::File)
    }

    /// Forgets a server; says whether there was anything.
    pub fn erase(mut self, server: &str) -> Result<bool> {
        let before = self.auths.len();
        self.auths.retain(|key, _| self::server(key) != server);
        let had = self.auths.len() < before;
        if let Some(helper) = self.helper(server) {
            call(helper, "erase", server.as_bytes())?;
        }
        if had {
            self.write()?;
        }
        Ok(had)
    }

    /// Replaces the file, which only its owner may read.
    fn write(&self) -> Result<()> {
        let path = path()?;
        let write = |path: &Path| -> io::Result<()> {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            let mut text = Vec::new();
            let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
            self.serialize(&mut serde_json::Serializer::with_formatter(&mut text, tabs))?;
            // A link to the file stays a link.
            let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            let draft = path.with_extension(format!("json{}", std::process::id()));
            let mut options = std::fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&draft)?.write_all(&text)?;
            std::fs::rename(&draft, &path)
        };
        write(&path).map_err(|source| Error::Write { path, source })
    }
}

fn get(helper: &str, server: &str) -> Result<Option<AuthConfig>> {
    let Some(answer) = call(helper, "get", server.as_bytes())? else {
        return Ok(None);
    };
    let program = format!("docker-credential-{helper}");
    let kept = serde_json::from_slice(&answer);
    let kept: Kept = kept.map_err(|error| Error::Run {
        program,
        source: error.into(),
    })?;
    let mut auth = AuthConfig {
        server_address: server.to_owned(),
        ..AuthConfig::default()
    };
    match kept.username == TOKEN {
        true => auth.identity_token = kept.secret,
        false => (auth.username, auth.password) = (kept.username, kept.secret),
    }
    Ok(Some(auth))
}

/// Asks a helper; `None` if it has nothing.
fn call(helper: &str, verb: &str, input: &[u8]) -> Result<Option<Vec<u8>>> {
    let program = format!("docker-credential-{helper}");
    let run = || -> io::Result<std::process::Output> {
        let mut child = Command::new(&program)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input)?;
        }
        child.wait_with_output()
    };
    let output = match run() {
        Ok(output) => output,
        Err(source) => return Err(Error::Run { program, source }),
    };
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.success() {
        true => Ok(Some(output.stdout)),
        false if said.contains(NOTHING) => Ok(None),
        false => Err(Error::Helper {
            program,
            verb: verb.to_owned(),
            said,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_leads_to_its_registrys_key() {
        for (image, key) in [
            ("busybox", INDEX),
            ("a/b:1", INDEX),
            ("docker.io/a/b", INDEX),
            ("127.0.0.1:5000/a", "127.0.0.1:5000"),
            ("localhost/a", "localhost"),
        ] {
            assert_eq!(server_of(image), key, "{image}");
        }
        assert_eq!(server("https://r.lan/v2/"), "r.lan");
    }

    #[test]
    fn what_is_not_known_of_the_file_stays() {
        let text = r#"{"auths":{"r":{"auth":"dTpw","email":"x"}},"psFormat":"{{.ID}}"}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let found = config.find("r").unwrap().unwrap();
        assert_eq!(
            (found.username.as_str(), found.password.as_str()),
            ("u", "p")
        );
        assert!(config.find("s").unwrap().is_none());
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
    }
}
