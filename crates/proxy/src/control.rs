//! A daemon's connection: its requests, carried out one after the other.

use crate::nameserver::Nameserver;
use crate::request::{Answer, Port, Request, Sandbox, TOLD, VERSION};
use crate::sandbox::{Shared, forget, release, watch};
use crate::wait::awaited;
use companion::packets;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::Rc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Serves a connection to its end.
pub(crate) async fn serve(shared: Shared, socket: OwnedFd) {
    shared.borrow_mut().daemons += 1;
    // A connection that fails has ended.
    drop(requests(&shared, socket).await);
    let mut server = shared.borrow_mut();
    server.daemons -= 1;
    if server.is_idle() {
        server.idle.notify_one();
    } else {
        server.last = None;
    }
}

async fn requests(shared: &Shared, socket: OwnedFd) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&socket, true)?;
    let socket = awaited(socket, Interest::READABLE | Interest::WRITABLE)?;
    loop {
        let received = socket
            .async_io(Interest::READABLE, |socket| {
                packets::receive::<Request>(socket.as_fd())
            })
            .await;
        let (request, descriptors) = match received {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => {
                let reason = format!("it may not have more descriptors (RLIMIT_NOFILE): {error}");
                answer(&socket, &Answer::Refused { reason }).await?;
                continue;
            }
            Err(error) => {
                let reason = error.to_string();
                answer(&socket, &Answer::Refused { reason }).await?;
                return Err(error);
            }
        };
        if request == Request::End {
            answer(&socket, &Answer::Done).await?;
            // If this is the end, the daemon hears of it when the process is gone.
            shared.borrow_mut().last = Some(socket);
            return Ok(());
        }
        for part in carry_out(shared, request, descriptors).await {
            answer(&socket, &part).await?;
        }
    }
}

async fn answer(socket: &AsyncFd<OwnedFd>, answer: &Answer) -> io::Result<()> {
    let send = |socket: &OwnedFd| packets::send(socket.as_fd(), answer, &[]);
    socket.async_io(Interest::WRITABLE, send).await
}

async fn carry_out(shared: &Shared, request: Request, descriptors: Vec<OwnedFd>) -> Vec<Answer> {
    let done = match request {
        Request::Hello { version: VERSION } => return sandboxes(shared),
        Request::Hello { version } => Err(io::Error::other(format!(
            "it speaks version {VERSION}, and was asked in {version}"
        ))),
        Request::Put(sandbox) => put(shared, sandbox, descriptors),
        Request::Hold { sandbox, ports } => hold(shared, &sandbox, ports, descriptors),
        Request::Lead { sandbox, ports } => {
            shared.borrow().lead(&sandbox, &ports);
            Ok(())
        }
        Request::Release { sandbox, ports } => {
            release(shared, &sandbox, &ports).await;
            Ok(())
        }
        Request::Watch { sandbox } => match <[OwnedFd; 1]>::try_from(descriptors) {
            Ok([process]) => watch(shared, &sandbox, process),
            Err(_) => Err(io::ErrorKind::InvalidInput.into()),
        },
        Request::Forget { sandbox } => {
            forget(shared, &sandbox).await;
            Ok(())
        }
        Request::End => Ok(()),
    };
    let answer = match done {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused {
            reason: error.to_string(),
        },
    };
    vec![answer]
}

fn sandboxes(shared: &Shared) -> Vec<Answer> {
    let all = shared.borrow().held();
    let mut parts: Vec<_> = all.chunks(TOLD).map(<[_]>::to_vec).collect();
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    let last = parts.len() - 1;
    let parts = parts.into_iter().enumerate();
    parts
        .map(|(number, sandboxes)| Answer::Sandboxes {
            sandboxes,
            more: number < last,
        })
        .collect()
}

fn put(shared: &Shared, sandbox: Sandbox, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let id = sandbox.id.clone();
    let sockets = match descriptors.len() {
        0 => None,
        _ => {
            let sockets = <[OwnedFd; 3]>::try_from(descriptors);
            Some(sockets.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?)
        }
    };
    shared.borrow_mut().put(sandbox);
    if let Some([udp, tcp, netns]) = sockets {
        let served = Nameserver::serve(Rc::clone(shared), &id, (udp, tcp, netns))?;
        shared.borrow_mut().serve(&id, served);
    }
    Ok(())
}

fn hold(shared: &Shared, sandbox: &str, ports: Vec<Port>, sockets: Vec<OwnedFd>) -> io::Result<()> {
    if ports.len() != sockets.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let ports = ports.into_iter().zip(sockets).collect();
    shared.borrow_mut().hold(sandbox, ports)
}
