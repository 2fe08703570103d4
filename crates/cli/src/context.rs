//! What every command has: where the daemon is, and a client of it.

use crate::failure::{Failure, Result};
use crate::start;
use client::{Client, Host};
use std::cell::OnceCell;
use std::path::PathBuf;
use types::Paths;

/// Where a daemon is, and whether it may be started.
#[derive(Debug)]
pub(crate) struct Context {
    host: Host,
    /// The places of the daemon that is started if none answers; `None` if the user named one.
    own: Option<Paths>,
    client: OnceCell<Client>,
}

impl Context {
    /// The daemon that `-H` names, else `CORTEN_HOST` or `DOCKER_HOST`, else our own.
    pub(crate) fn new(host: Option<&str>) -> Result<Self> {
        let named = host.map(str::to_owned).or_else(|| {
            ["CORTEN_HOST", "DOCKER_HOST"]
                .into_iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        });
        let (host, own) = match named {
            Some(named) => {
                let host = named.parse::<Host>();
                (host.map_err(|e| Failure::text(1, e.to_string()))?, None)
            }
            None => {
                let paths = paths()?;
                (Host::Unix(paths.socket.clone()), Some(paths))
            }
        };
        Ok(Self {
            host,
            own,
            client: OnceCell::new(),
        })
    }

    /// The daemon's places, if it is ours and on this machine.
    pub(crate) fn own(&self) -> Option<&Paths> {
        self.own.as_ref()
    }

    /// A client with an open connection. Starts the daemon if there is none and it is ours.
    pub(crate) async fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(self.host.clone());
        match (client.open(1).await, &self.own) {
            (Ok(()), _) => {}
            (Err(error), Some(paths)) if error.is_absent() => {
                start::daemon(paths)?;
                client.open(1).await?;
            }
            (Err(error), _) => return Err(error.into()),
        }
        Ok(self.client.get_or_init(|| client))
    }
}

/// Where our own daemon keeps its things: `CORTEN_ROOT` and `CORTEN_RUN`, else the defaults of
/// whoever calls.
pub(crate) fn paths() -> Result<Paths> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let default = match rustix::process::geteuid().is_root() {
        true => Paths::system(),
        false => {
            let missing = |name: &str| {
                Failure::hinted(
                    anyhow::anyhow!("{name} is not set"),
                    "log in properly, or set CORTEN_ROOT and CORTEN_RUN",
                )
            };
            let runtime = variable("XDG_RUNTIME_DIR").ok_or_else(|| missing("XDG_RUNTIME_DIR"))?;
            let data = match (variable("XDG_DATA_HOME"), variable("HOME")) {
                (Some(data), _) => PathBuf::from(data),
                (None, Some(home)) => PathBuf::from(home).join(".local/share"),
                (None, None) => return Err(missing("HOME")),
            };
            Paths::user(&data, &PathBuf::from(runtime))
        }
    };
    let root = variable("CORTEN_ROOT").map_or(default.root, PathBuf::from);
    let run = variable("CORTEN_RUN").map_or(default.run, PathBuf::from);
    Ok(Paths::under(&root, &run))
}
