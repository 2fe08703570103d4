//! Ids and capabilities, in the order that keeps each step allowed.
//!
//! Without no_new_privs a filter needs CAP_SYS_ADMIN: it is kept, in these steps alone, until
//! the filter is loaded, so that the filter is the last thing but one before the exec, and need
//! not allow what happens here.

use super::Setup;
use crate::fault::{During, Fault};
use crate::guard::Guard;
use crate::plan::{Credentials, LAST_CAPABILITY};
use rustix::fs::fchown;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let credentials = &setup.plan.process.credentials;
    streams(setup)?;
    if credentials.no_new_privileges {
        set_no_new_privs(true).during("set no_new_privs")?;
    }
    bounding(credentials)?;
    ids(setup, credentials)?;
    if filter_needs_rights(setup) {
        return set(credentials, CapabilitySet::SYS_ADMIN);
    }
    set(credentials, CapabilitySet::empty())?;
    ambient(credentials)
}

/// The rest, once the filter is loaded.
pub(super) fn last<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    if !filter_needs_rights(setup) {
        return Ok(());
    }
    let credentials = &setup.plan.process.credentials;
    set(credentials, CapabilitySet::empty())?;
    ambient(credentials)
}

fn filter_needs_rights(setup: &Setup<'_>) -> bool {
    setup.plan.filter.is_some() && !setup.plan.process.credentials.no_new_privileges
}

/// The program may open its streams again by `/dev/stdout`, so they become its user's.
fn streams<'a>(setup: &Setup<'a>) -> Result<(), Fault<'a>> {
    let uid = setup.identity.uid;
    let in_user_namespace = setup.plan.in_user_namespace();
    if uid.is_root() && !in_user_namespace {
        return Ok(());
    }
    let null = sys::device::number(1, 3);
    for number in 0..3 {
        let Some(stream) = sys::fds::borrow(number) else {
            continue;
        };
        let status = rustix::fs::fstat(stream).during("look at standard streams")?;
        if status.st_rdev == null || status.st_uid == uid.as_raw() {
            continue;
        }
        match fchown(stream, Some(uid), None) {
            // Another one's file, or one on a file system that cannot: it stays as it is.
            Ok(()) | Err(Errno::PERM | Errno::ROFS | Errno::INVAL) => {}
            Err(errno) => return Err(errno).during("give standard streams to the user"),
        }
    }
    Ok(())
}

fn bounding<'a>(credentials: &Credentials) -> Result<(), Fault<'a>> {
    for number in 0..=LAST_CAPABILITY {
        let bit = 1_u64 << number;
        if credentials.bounding & bit != 0 {
            continue;
        }
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(bit)) {
            // The kernel does not know the last ones.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno).during("drop a capability of the bounding set"),
        }
    }
    Ok(())
}

fn ids<'a>(setup: &Setup<'_>, credentials: &Credentials) -> Result<(), Fault<'a>> {
    let (uid, gid) = (setup.identity.uid, setup.identity.gid);
    let groups = setup.identity.groups().unwrap_or(&credentials.groups);
    match set_thread_groups(groups) {
        // Forbidden in a user namespace that maps its owner's group alone.
        Err(Errno::PERM) if setup.plan.in_user_namespace() && groups.is_empty() => {}
        set => set.during("set process.user.additionalGids")?,
    }
    set_thread_res_gid(gid, gid, gid).during("set process.user.gid")?;
    if !uid.is_root() {
        set_keep_capabilities(true).during("keep capabilities over the change of the user")?;
    }
    set_thread_res_uid(uid, uid, uid).during("set process.user.uid")?;
    if !uid.is_root() {
        set_keep_capabilities(false).during("keep capabilities no longer")?;
    }
    let mask = rustix::fs::Mode::from_raw_mode(0o022);
    rustix::process::umask(credentials.umask.unwrap_or(mask));
    Ok(())
}

fn set<'a>(credentials: &Credentials, more: CapabilitySet) -> Result<(), Fault<'a>> {
    let set = CapabilitySet::from_bits_retain;
    let sets = CapabilitySets {
        effective: set(credentials.effective) | more,
        permitted: set(credentials.permitted) | more,
        inheritable: set(match Guard::Inheritable.holds() {
            true => credentials.inheritable,
            false => credentials.permitted,
        }),
    };
    set_capabilities(None, sets).during("set process.capabilities")
}

fn ambient<'a>(credentials: &Credentials) -> Result<(), Fault<'a>> {
    for number in 0..=LAST_CAPABILITY {
        let bit = 1_u64 << number;
        if credentials.ambient & bit != 0 {
            configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(bit), true)
                .during("raise an ambient capability")?;
        }
    }
    Ok(())
}
