//! Clients that read the head of an answer before they are sent streams.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use task::Attach;

/// How long a client that waits for the head takes to read it, at most.
const AWAKE: Duration = Duration::from_micros(300);
/// How long one is waited for that does something else.
const BUSY: Duration = Duration::from_millis(20);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until the client has read the head of the answer, or lets it wait no longer.
///
/// COMPAT: docker-py reads a head through a buffer and then takes the socket below it: output
/// that came along with the head stays in the buffer and is lost. dockerd is never so fast.
pub(crate) async fn heard(attach: &Attach) {
    let begun = Instant::now();
    while sys::socket::unread(attach.fd.as_fd()).is_ok_and(|unread| unread > 0) {
        match begun.elapsed() {
            waited if waited < AWAKE => tokio::task::yield_now().await,
            waited if waited < BUSY => tokio::time::sleep(PAUSE).await,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use task::Framing;

    fn attach(fd: UnixStream) -> Attach {
        Attach {
            fd: fd.into(),
            unread: Vec::new(),
            stdin: false,
            stdout: true,
            stderr: true,
            framing: Framing::Raw,
            detach_keys: None,
        }
    }

    #[tokio::test]
    async fn output_waits_until_the_head_was_read() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"head").unwrap();
        let attach = attach(ours);
        let waiting = tokio::spawn(async move { heard(&attach).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "nothing was read yet");
        let mut head = [0; 4];
        theirs.read_exact(&mut head).unwrap();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_not_waited_for() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"head").unwrap();
        heard(&attach(ours)).await;
    }
}
