//! Waits for the start, holding nothing but what the program gets and the gate.

use super::{Setup, descriptors};
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use crate::gate::{Gate, Waiting};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use std::os::fd::AsFd;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    descriptors::close_all_but(setup.waiting)?;
    channel::send(setup.channel, Tag::Ready, 0, None).during("say that it is ready")?;
    let gone = || Fault::new("wait for the start", b"", Errno::PIPE);
    if setup.launch.gate.opens_itself() && setup.plan.in_user_namespace() {
        // The parent has something to do yet.
        let go = channel::wait_for(setup.channel, Tag::Go).during("wait for the parent")?;
        go.ok_or_else(gone)?;
    }
    match setup.launch.gate {
        Gate::Open => Ok(()),
        Gate::Promised(promise) => {
            let mut byte = [0];
            let read = rustix::io::retry_on_intr(|| rustix::io::read(promise, &mut byte));
            match read.during("wait for the start")? {
                0 => Err(gone()),
                _ => Ok(()),
            }
        }
        Gate::Held => {
            let start =
                channel::wait_for(setup.channel, Tag::Start).during("wait for the start")?;
            start.map(drop).ok_or_else(gone)
        }
        Gate::Waiting(waiting) => {
            // It can wait for long. If the pages are not taken back, that costs only memory.
            drop(sys::memory::release_code());
            // COMPAT: as runc's init, which a signal ends before its start.
            sys::signal::end_when_asked().during("handle signals")?;
            wait(setup, waiting)
        }
    }
}

/// Waits until somebody comes and says that it shall start.
fn wait<'a>(setup: &mut Setup<'a>, waiting: &Waiting) -> Result<(), Fault<'a>> {
    loop {
        let caller =
            accept_with(waiting.listener(), SocketFlags::CLOEXEC).during("wait for the start")?;
        // One that only looks, and says nothing, does not start it.
        if channel::wait_for(caller.as_fd(), Tag::Start)
            .during("wait for the start")?
            .is_some()
        {
            setup.report = Some(caller);
            return Ok(());
        }
    }
}
