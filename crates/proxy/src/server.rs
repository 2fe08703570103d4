//! The process: its place, its thread, its end.

use crate::control;
use crate::harden::harden;
use crate::sandbox::Shared;
use crate::wait::awaited;
use companion::Post;
use rustix::net::{SocketFlags, accept_with};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::task::{JoinSet, LocalSet};

/// Runs the proxy: `corten-proxy --directory DIRECTORY`, a daemon at descriptor 0.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    companion::main("corten-proxy", arguments, run)
}

fn run(post: Post) -> io::Result<()> {
    let Post {
        directory,
        daemon,
        listener,
    } = post;
    crate::forward::stay_at_home()?;
    harden(&directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let shared = Shared::default();
    let served = LocalSet::new().block_on(&runtime, serve(&shared, daemon, listener));
    companion::leave(&directory);
    served
}

/// Serves until there is no sandbox and no daemon.
async fn serve(shared: &Shared, daemon: OwnedFd, listener: OwnedFd) -> io::Result<()> {
    let idle = Rc::clone(&shared.borrow().idle);
    let mut connections = JoinSet::new();
    connections.spawn_local(control::serve(Rc::clone(shared), daemon));
    let listener = awaited(listener, Interest::READABLE)?;
    loop {
        let accept = |listener: &OwnedFd| Ok(accept_with(listener, SocketFlags::CLOEXEC)?);
        tokio::select! {
            accepted = listener.async_io(Interest::READABLE, accept) => match accepted {
                Ok(daemon) => {
                    connections.spawn_local(control::serve(Rc::clone(shared), daemon));
                }
                // Out of descriptors, mostly: others must be given up first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            () = idle.notified() => {
                if shared.borrow().is_idle() {
                    return Ok(());
                }
            }
        }
    }
}
