//! Packets over a Unix socket, with descriptors.
//!
//! A call with a timeout ends early when the process is stopped and goes on, or is looked at by
//! another (signal(7), "Interruption of system calls ... by stop signals"): it is made again.

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// How many descriptors come with a packet at most. SCM_MAX_FD, unix(7), is a little more.
pub const DESCRIPTORS: usize = 250;
/// How long a packet is at most, in bytes.
pub const PACKET: usize = 160 * 1024;

/// Sends a document with descriptors.
pub fn send(
    socket: BorrowedFd<'_>,
    document: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = serde_json::to_vec(document)?;
    let size = rustix::cmsg_space!(ScmRights(DESCRIPTORS));
    let mut space = vec![MaybeUninit::uninit(); if descriptors.is_empty() { 0 } else { size }];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let bytes = [IoSlice::new(&bytes)];
    retry_on_intr(|| sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives a document with descriptors; `None` at the end.
///
/// # Errors
/// `EMFILE` if descriptors came that this process has no room for: that packet is lost, and the
/// next one is as if it had not been.
pub fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; length(socket)?];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = retry_on_intr(|| recvmsg(socket, &mut into, &mut control, flags))?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    // There is room for as many as may come: this process may have no more (RLIMIT_NOFILE).
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Errno::MFILE.into());
    }
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a packet is too large",
        ));
    }
    let document = serde_json::from_slice(&bytes[..got.bytes])?;
    Ok(Some((document, descriptors)))
}

/// How long the next packet is, which is left where it is.
fn length(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    let (_, length) = retry_on_intr(|| recv(socket, &mut [0; 0], flags))?;
    Ok(length.min(PACKET))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{Timeout, set_socket_timeout};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::os::fd::AsFd as _;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn who_is_stopped_while_it_waits_waits_on() {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (ours, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        set_socket_timeout(&ours, Timeout::Recv, Some(Duration::from_secs(10))).unwrap();
        let stop = "sleep 0.2; kill -STOP $0; sleep 0.1; kill -CONT $0";
        let own = std::process::id().to_string();
        let mut stopper = Command::new("sh").args(["-c", stop, &own]).spawn().unwrap();
        let sender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(800));
            send(theirs.as_fd(), &"answer", &[])
        });
        let (heard, _) = receive::<String>(ours.as_fd()).unwrap().unwrap();
        assert_eq!(heard, "answer");
        sender.join().unwrap().unwrap();
        assert!(stopper.wait().unwrap().success());
    }
}
