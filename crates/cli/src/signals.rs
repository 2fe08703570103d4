//! Signals to us that are meant for the container, and changes of the terminal's size.

use rustix::fd::OwnedFd;
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What is forwarded, by number. The stop signals keep their effect on us: ctrl-z suspends the
/// command, not the container.
const FORWARDED: [i32; 8] = [1, 2, 3, 6, 10, 12, 14, 15];
/// The terminal has another size.
const WINDOW_CHANGE: i32 = 28;

/// Signals that are read from a descriptor, if any are.
#[derive(Debug, Default)]
struct Caught(Option<AsyncFd<OwnedFd>>);

impl Caught {
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor keeps its demands"
    )]
    fn of(signals: &[i32]) -> io::Result<Self> {
        let caught = sys::signal::catch(signals)?;
        AsyncFd::with_interest(caught, Interest::READABLE)
            .map(Some)
            .map(Self)
    }

    /// The next one's number; never, if none are caught.
    async fn next(&self) -> i32 {
        let Some(caught) = &self.0 else {
            return std::future::pending().await;
        };
        let read = caught.async_io(Interest::READABLE, |caught| sys::signal::caught(caught));
        match read.await {
            Ok(number) => number,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Signals that are caught and wait to be forwarded.
#[derive(Debug, Default)]
pub(crate) struct Forwarded(Caught);

impl Forwarded {
    /// Starts to catch. From here on these signals do not end the command.
    pub(crate) fn catch() -> io::Result<Self> {
        Caught::of(&FORWARDED).map(Self)
    }

    /// The next one's number; never, if none are caught.
    pub(crate) async fn next(&mut self) -> i32 {
        self.0.next().await
    }
}

/// Changes of the terminal's size.
#[derive(Debug, Default)]
pub(crate) struct Resized(Caught);

impl Resized {
    /// Starts to watch.
    pub(crate) fn watch() -> io::Result<Self> {
        Caught::of(&[WINDOW_CHANGE]).map(Self)
    }

    /// Waits for the next one; for ever, if they are not watched.
    pub(crate) async fn next(&mut self) {
        self.0.next().await;
    }
}
