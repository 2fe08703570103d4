//! The sockets that are listened on.

use crate::activation::{self, Activated};
use crate::host::Host;
use crate::{group, lock};
use anyhow::{Context, bail};
use api_docker::Stream;
use api_registry::Tls;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A socket that is listened on.
pub(crate) enum Listener {
    /// Of the Unix family.
    Unix {
        /// Its file, which goes with it, unless systemd owns it. It goes first: as long as the
        /// socket lives, no other file can have its inode.
        _file: Option<SocketFile>,
        /// The socket.
        listener: UnixListener,
    },
    /// Of TCP.
    Tcp(TcpListener, Option<TlsAcceptor>),
}

/// A connection that was accepted.
pub(crate) enum Accepted {
    /// As it is.
    Plain(Stream),
    /// It is to be encrypted.
    Tls(TcpStream, TlsAcceptor),
}

/// How long a client may take to agree on encryption.
const HANDSHAKE: Duration = Duration::from_secs(10);
const NOT_ENCRYPTED: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

impl Accepted {
    /// The connection once it is encrypted, if it is to be.
    pub(crate) async fn stream(self) -> io::Result<Stream> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Tls(stream, acceptor) => {
                let agreed = tokio::time::timeout(HANDSHAKE, encrypt(stream, acceptor)).await;
                Ok(Stream::Tls(Box::new(agreed??)))
            }
        }
    }
}

/// Agrees on encryption. COMPAT: who speaks HTTP is told, in the words of Go's server.
async fn encrypt(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    let peeked = stream.peek(&mut first).await?;
    if peeked == 1 && first[0].is_ascii_uppercase() {
        stream.write_all(NOT_ENCRYPTED).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("it speaks HTTP without TLS"));
    }
    acceptor.accept(stream).await
}

/// The file of a Unix socket, removed with the listener if it is still ours.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // Nobody could do anything about it now.
            drop(fs::remove_file(&self.path));
        }
    }
}

impl Listener {
    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Plain(Stream::Unix(stream)))
            }
            Self::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(match tls {
                    None => Accepted::Plain(Stream::Tcp(stream)),
                    Some(acceptor) => Accepted::Tls(stream, acceptor.clone()),
                })
            }
        }
    }
}

/// Opens all of them.
pub(crate) fn all(
    hosts: &[String],
    group: Option<&str>,
    tls: Option<&Tls>,
) -> anyhow::Result<Vec<Listener>> {
    let group = group.map(group::number).transpose()?;
    let tls = tls.map(Tls::acceptor).transpose()?;
    let mut listeners = Vec::new();
    for host in hosts {
        match host.parse::<Host>()? {
            Host::Unix(path) => listeners.push(unix(&path, group)?),
            Host::Tcp(address) => {
                let what = || format!("cannot listen on {address}");
                let listener = std::net::TcpListener::bind(address).with_context(what)?;
                listeners.push(tcp(listener, tls.clone()).with_context(what)?);
            }
            Host::Activated => listeners.extend(activated(tls.as_ref())?),
        }
    }
    Ok(listeners)
}

/// Listens for those who ask for metrics.
pub(crate) async fn metrics(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot serve metrics on {address}"))
}

fn tcp(listener: std::net::TcpListener, tls: Option<TlsAcceptor>) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    Ok(Listener::Tcp(TcpListener::from_std(listener)?, tls))
}

fn activated(tls: Option<&TlsAcceptor>) -> anyhow::Result<Vec<Listener>> {
    let sockets = activation::sockets()?;
    if sockets.is_empty() {
        bail!("fd://: no sockets were passed by systemd");
    }
    let listeners = sockets.into_iter().map(|socket| match socket {
        Activated::Tcp(listener) => tcp(listener, tls.cloned()),
        Activated::Unix(listener) => {
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            Ok(Listener::Unix {
                listener,
                _file: None,
            })
        }
    });
    let listeners: io::Result<Vec<_>> = listeners.collect();
    listeners.context("fd://: cannot listen on a socket passed by systemd")
}

fn unix(path: &Path, group: Option<u32>) -> anyhow::Result<Listener> {
    let what = || format!("cannot listen on {}", path.display());
    if let Some(directory) = path.parent() {
        lock::private(directory)?;
    }
    if path.exists() {
        if UnixStream::connect(path).is_ok() {
            bail!("{}: another process listens there", what());
        }
        fs::remove_file(path).with_context(what)?;
    }
    // Nobody gets in before group and mode are right: the name is given last.
    remove_drafts(path);
    let draft = draft(path, std::process::id().cast_signed());
    drop(fs::remove_file(&draft));
    let listener = UnixListener::bind(&draft).with_context(what)?;
    let prepared = || {
        fs::set_permissions(&draft, Permissions::from_mode(0o660))?;
        chown(&draft, None, group)?;
        fs::rename(&draft, path)?;
        fs::symlink_metadata(path)
    };
    let made = prepared().inspect_err(|_| drop(fs::remove_file(&draft)));
    let made = made.with_context(what)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (made.dev(), made.ino()),
    };
    Ok(Listener::Unix {
        listener,
        _file: Some(file),
    })
}

/// What a socket is called until it is ready.
fn draft(path: &Path, pid: i32) -> PathBuf {
    path.with_extension(format!("{pid}.new"))
}

/// Removes the sockets of daemons that were killed before theirs was ready.
fn remove_drafts(path: &Path) {
    let beside = path.parent().and_then(|parent| fs::read_dir(parent).ok());
    for found in beside.into_iter().flatten().flatten() {
        let name = found.file_name().into_string().unwrap_or_default();
        let mut parts = name.rsplit('.').skip(1);
        let Some(pid) = parts.next().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        if found.path() == draft(path, pid) && !sys::identity::runs(pid) {
            drop(fs::remove_file(found.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/a.sock");
        drop(
            all(
                &["unix:///nowhere-relative".to_owned()],
                Some("no such group"),
                None,
            )
            .err()
            .unwrap(),
        );
        let first = unix(&path, None).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(
            unix(&path, None)
                .err()
                .unwrap()
                .to_string()
                .contains("another process")
        );
        fs::remove_file(&path).unwrap();
        let second = unix(&path, None).unwrap();
        drop(first);
        assert!(path.exists(), "the first must not remove the second's file");
        let own = draft(&path, std::process::id().cast_signed());
        let dead = std::process::Command::new("true").spawn().unwrap();
        let left = draft(&path, dead.id().cast_signed());
        dead.wait_with_output().unwrap();
        for file in [&own, &left] {
            fs::write(file, "").unwrap();
        }
        remove_drafts(&path);
        assert_eq!((own.exists(), left.exists()), (true, false));
        fs::remove_file(own).unwrap();
        drop(second);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }
}
