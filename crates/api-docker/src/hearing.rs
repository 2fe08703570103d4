//! Clients that read the head of an answer before they are sent streams.

use http::{HeaderMap, header};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a client that waits for the head takes to read it, at most.
const AWAKE: Duration = Duration::from_micros(300);
/// How long one is waited for that does something else.
const BUSY: Duration = Duration::from_millis(20);
/// How often it is looked at; a timer of the runtime would take two milliseconds.
const PAUSE: Duration = Duration::from_micros(50);
/// How the commands call themselves, our own and docker's. They use what comes along with a head.
const COMMANDS: [&[u8]; 2] = [b"corten/", b"Docker-Client/"];

/// Whether a client may lose what comes along with the head of an answer.
///
/// COMPAT: docker-py reads a head through a buffer and then takes the socket below it: output
/// that came along with the head stays in the buffer and is lost. dockerd is never so fast.
pub(crate) fn is_deaf(headers: &HeaderMap) -> bool {
    !is_known(headers)
}

/// Whether a client makes streams of frames again, so that nobody sees where one ended.
///
/// COMPAT: docker-py and others give each frame of a log to their callers, and dockerd makes one
/// of each record; docker's command writes each by a system call of its own.
pub(crate) fn joins_frames(headers: &HeaderMap) -> bool {
    is_known(headers)
}

fn is_known(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    agent.is_some_and(|agent| {
        COMMANDS
            .iter()
            .any(|name| agent.as_bytes().starts_with(name))
    })
}

/// Waits until the client has read the head of the answer, or lets it wait no longer.
pub(crate) async fn heard(socket: &impl AsFd) {
    let begun = Instant::now();
    while is_unread(socket) {
        if begun.elapsed() >= AWAKE {
            // Without a duplicate nobody waits.
            if let Ok(socket) = socket.as_fd().try_clone_to_owned() {
                drop(tokio::task::spawn_blocking(move || watch(&socket, begun)).await);
            }
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn watch(socket: &OwnedFd, begun: Instant) {
    while is_unread(socket) && begun.elapsed() < BUSY {
        std::thread::sleep(PAUSE);
    }
}

fn is_unread(socket: &impl AsFd) -> bool {
    sys::socket::unread(socket.as_fd()).is_ok_and(|unread| unread > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn output_waits_until_the_head_was_read() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"head").unwrap();
        let waiting = tokio::spawn(async move { heard(&ours).await });
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
        heard(&ours).await;
    }

    #[test]
    fn clients_are_known_by_their_names() {
        for (agent, deaf) in [
            ("docker-sdk-python/7.1.0", true),
            ("Docker-Client/28.5.2 (linux)", false),
            ("corten/0.1.0", false),
            ("", true),
        ] {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, agent.parse().unwrap())]);
            assert_eq!(is_deaf(&headers), deaf, "{agent}");
        }
        assert!(is_deaf(&HeaderMap::new()));
    }
}
