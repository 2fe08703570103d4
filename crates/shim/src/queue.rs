//! Bytes that a descriptor did not take yet.

use rustix::io::{Errno, writev};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// What wait to be written, in order. It is bounded by whoever fills it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    written: usize,
}

impl Queue {
    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds at the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes what waits, and then `head` and `body`, as far as `fd` takes it without waiting;
    /// the rest waits.
    ///
    /// # Errors
    /// Any but "try again": `fd` takes nothing any more.
    pub(crate) fn write(
        &mut self,
        fd: BorrowedFd<'_>,
        head: &[u8],
        body: &[u8],
    ) -> Result<(), Errno> {
        if self.is_empty() {
            let written = write_all(fd, head, body)?;
            let (head_rest, body_rest) = (
                head.get(written..).unwrap_or_default(),
                body.get(written.saturating_sub(head.len())..)
                    .unwrap_or_default(),
            );
            self.push(head_rest);
            self.push(body_rest);
            return Ok(());
        }
        self.push(head);
        self.push(body);
        self.flush(fd)
    }

    /// Writes what waits, as far as `fd` takes it without waiting.
    pub(crate) fn flush(&mut self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let waiting = self.bytes.get(self.written..).unwrap_or_default();
        self.written += write_all(fd, waiting, &[])?;
        if self.is_empty() {
            self.clear();
        }
        Ok(())
    }
}

/// Writes until all is written or `fd` would block; gives how many bytes were.
fn write_all(fd: BorrowedFd<'_>, head: &[u8], body: &[u8]) -> Result<usize, Errno> {
    let whole = head.len() + body.len();
    let mut written = 0;
    while written < whole {
        let parts = [
            IoSlice::new(head.get(written..).unwrap_or_default()),
            IoSlice::new(
                body.get(written.saturating_sub(head.len())..)
                    .unwrap_or_default(),
            ),
        ];
        match writev(fd, &parts) {
            Ok(more) => written += more,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
