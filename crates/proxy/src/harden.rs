//! What the process gives up before it reads anything of a sandbox's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};
use std::io;

/// Keeps of its privileges only the one to enter sandboxes' networks, and takes as many
/// descriptors as it may.
pub(crate) fn harden() -> io::Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, all)?;
    set_no_new_privs(true)?;
    let kept = capabilities(None)?.permitted & CapabilitySet::SYS_ADMIN;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    Ok(())
}
