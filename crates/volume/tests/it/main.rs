//! The volumes' directories, on the real file system.
#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod volumes;
