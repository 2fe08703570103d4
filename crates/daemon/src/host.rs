//! Addresses to listen on.

use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// `unix://PATH`.
    Unix(PathBuf),
    /// `tcp://ADDRESS:PORT`; beyond loopback only where TLS tells clients apart.
    Tcp(SocketAddr),
    /// `fd://`: the sockets that systemd gave.
    Activated,
}

impl Host {
    /// Refuses an address at which strangers would get in.
    pub(crate) fn check(&self, verified: bool) -> anyhow::Result<()> {
        match self {
            Self::Tcp(address) if !verified && !address.ip().is_loopback() => bail!(
                "host \"tcp://{address}\": without TLS that verifies clients anybody who reaches \
                 this address is root here; give --tlsverify, or a loopback address"
            ),
            _ => Ok(()),
        }
    }
}

impl FromStr for Host {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') {
                bail!("host {text:?}: the path of a Unix socket must be absolute");
            }
            return Ok(Self::Unix(path.into()));
        }
        if let Some(address) = text.strip_prefix("tcp://") {
            return tcp(text, address);
        }
        if text.starts_with("fd://") {
            return Ok(Self::Activated);
        }
        bail!("host {text:?}: expected unix://PATH, tcp://ADDRESS:PORT or fd://")
    }
}

fn tcp(text: &str, address: &str) -> anyhow::Result<Host> {
    let address = address
        .trim_end_matches('/')
        .replace("localhost", "127.0.0.1");
    let address: SocketAddr = address
        .parse()
        .with_context(|| format!("host {text:?}: expected tcp://ADDRESS:PORT"))?;
    Ok(Host::Tcp(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_and_open_ones_refused() {
        let host = |text: &str| text.parse::<Host>().ok();
        assert_eq!(host("unix:///a/b"), Some(Host::Unix("/a/b".into())));
        assert_eq!(
            host("tcp://localhost:2375"),
            Some(Host::Tcp(([127, 0, 0, 1], 2375).into()))
        );
        assert!(host("tcp://[::1]:2375").is_some());
        assert_eq!(host("fd://"), Some(Host::Activated));
        for open in ["tcp://0.0.0.0:1", "tcp://10.0.0.1:1"] {
            let host = host(open).unwrap();
            assert!(
                host.check(false).is_err() && host.check(true).is_ok(),
                "{open}"
            );
        }
        assert!(host("tcp://127.0.0.1:1").unwrap().check(false).is_ok());
        for refused in ["unix://a", "npipe:///x", "", "tcp://x"] {
            assert_eq!(host(refused), None, "{refused}");
        }
    }
}
