//! Signals to us that are meant for the container, and changes of the terminal's size.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is forwarded, by number. The stop signals keep their effect on us: ctrl-z suspends the
/// command, not the container.
const FORWARDED: [i32; 8] = [1, 2, 3, 6, 10, 12, 14, 15];

/// Signals that are caught and wait to be forwarded.
#[derive(Debug, Default)]
pub(crate) struct Forwarded(Vec<(i32, Signal)>);

impl Forwarded {
    /// Starts to catch. From here on these signals do not end the command.
    pub(crate) fn catch() -> io::Result<Self> {
        let caught = FORWARDED.iter().map(|number| {
            let caught = signal(SignalKind::from_raw(*number))?;
            Ok((*number, caught))
        });
        caught.collect::<io::Result<_>>().map(Self)
    }

    /// The next one's number; never, if none are caught.
    pub(crate) async fn next(&mut self) -> i32 {
        poll_fn(|cx| {
            for (number, caught) in &mut self.0 {
                if let Poll::Ready(Some(())) = caught.poll_recv(cx) {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Waits for the next change of the terminal's size.
#[derive(Debug)]
pub(crate) struct Resized(Signal);

impl Resized {
    /// Starts to watch.
    pub(crate) fn watch() -> io::Result<Self> {
        signal(SignalKind::window_change()).map(Self)
    }

    /// Waits.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}
