//! Joins the control groups: version 1 by writing "0", from here; version 2 was by the clone, or
//! is by who can put us there.

use super::Setup;
use crate::channel::{self, Tag};
use crate::fault::{During, Fault};
use rustix::io::Errno;
use std::os::fd::AsFd;

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(entry) = setup.launch.entry else {
        return Ok(());
    };
    let class = entry.class.iter().map(AsFd::as_fd);
    for tasks in entry.tasks.iter().copied().chain(class) {
        rustix::io::write(tasks, b"0").during("join a control group")?;
    }
    if entry.attachment.is_none() {
        return Ok(());
    }
    const ASKED: &str = "be put into a control group";
    channel::send(setup.channel, Tag::Group, 0, None).during(ASKED)?;
    match channel::wait_for(setup.channel, Tag::Go).during(ASKED)? {
        Some(_) => Ok(()),
        None => Err(Fault::new(ASKED, b"", Errno::PIPE)),
    }
}
