//! The kernel's calls that no library wraps, and the table of features probed; all unsafe code lives here.
//!
//! It knows one system call family a module, as functions over borrowed descriptors and typed
//! flags that allocate nothing. It must not know what a container is. Read first: [`clone`],
//! [`feature`], [`mount`].

pub mod bpf;
pub mod children;
pub mod clone;
pub mod device;
pub mod directory;
pub mod entry;
pub mod exec;
pub mod fds;
pub mod feature;
pub mod identity;
pub mod keyring;
pub mod kill;
pub mod landlock;
pub mod link;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod overlay;
pub mod pidfd;
pub mod removal;
pub mod resolve;
pub mod scheduling;
pub mod seal;
pub mod seccomp;
pub mod signal;
pub mod socket;
