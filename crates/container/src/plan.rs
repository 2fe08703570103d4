//! A configuration as what is to be done: checked, and with every string and descriptor made.
//!
//! Whatever the child needs is here, so that it allocates nothing; whatever cannot be is
//! refused here, before anything was made, by an error that names the field.

mod attributes;
mod bind;
mod cgroups;
mod credentials;
mod devices;
mod enter;
mod filter;
mod interfaces;
mod mounts;
mod namespaces;
mod part;
mod process;
mod root;
mod scheduling;
mod sysctl;
mod text;

pub(crate) use attributes::Dressing;
pub(crate) use bind::{Tree, clone_flags, map_ids};
pub use cgroups::owner_of_cgroup;
pub(crate) use credentials::{Credentials, LAST_CAPABILITY};
pub(crate) use devices::{Device, LINKS, usual as usual_devices};
pub(crate) use enter::Enter;
use filter::Filter;
pub(crate) use interfaces::Interface;
pub(crate) use mounts::{Mount, Source, plan as mounts};
pub(crate) use namespaces::Namespaces;
pub(crate) use part::{Done, Part};
pub(crate) use process::Process;
pub(crate) use root::Root;
use scheduling::Memory;
pub use scheduling::initial_cpus;
pub(crate) use sysctl::Sysctl;
pub(crate) use text::{Target, all as strings, c};

use crate::Error;
use crate::create::Create;
use crate::exec::Exec;
use crate::hooks::Prepared;
use cgroup::{Cgroup, Entrance, Entry};
use oci::runtime::{IdMaps, Linux, Spec, State, Status};
use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use sys::namespace::Kind;
use types::ContainerId;

/// A new container, or a process that joins one.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) namespaces: Namespaces,
    pub(crate) maps: Option<IdMaps>,
    pub(crate) container: Option<Container>,
    pub(crate) join: Option<Join<'a>>,
    pub(crate) process: Process,
    pub(crate) filter: Option<Filter>,
    pub(crate) keyring: Option<CString>,
    pub(crate) preserve_fds: u32,
}

/// What only a new container has.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) root: Root,
    pub(crate) enter: Enter,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) devices: Vec<Device>,
    pub(crate) dev: Target,
    /// `/dev` is not the host's, bound.
    pub(crate) own_dev: bool,
    /// The usual nodes and links are there already.
    pub(crate) ready_dev: bool,
    pub(crate) masked: Vec<CString>,
    /// The host's null device, where the host's root is out of sight.
    pub(crate) null: Option<OwnedFd>,
    pub(crate) readonly: Vec<CString>,
    /// The options of the empty directory over those that are masked.
    pub(crate) cover: Vec<(CString, Option<CString>)>,
    pub(crate) hostname: Vec<u8>,
    pub(crate) domainname: Vec<u8>,
    pub(crate) sysctl: Vec<Sysctl>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) hooks: Prepared,
}

/// Which container a process joins.
#[derive(Debug)]
pub(crate) struct Join<'a> {
    pub(crate) pidfd: BorrowedFd<'a>,
    pub(crate) pid: CString,
    pub(crate) root: OwnedFd,
    /// `CLONE_NEW*` bits; the pid namespace is joined by the parent.
    pub(crate) kinds: u64,
}

impl<'a> Plan<'a> {
    /// The plan of a new container.
    pub(crate) fn of_create(request: &Create<'a>, part: Part<'_>) -> Result<Self, Error> {
        let spec = request.spec;
        refuse_others(spec)?;
        let empty = Linux::default();
        let linux = spec.linux.as_ref().unwrap_or(&empty);
        refuse(linux)?;
        let process = spec
            .process
            .as_ref()
            .ok_or_else(|| Error::invalid("process", "missing"))?;
        let namespaces = Namespaces::plan(linux)?;
        let maps = crate::users::maps(linux, &namespaces)?;
        names(request, &namespaces)?;
        let mut process = Process::plan(process, "process")?;
        process.memory = Memory::plan(linux.memory_policy.as_ref(), linux.personality.as_ref())?;
        let mounts = mounts::plan(request, part)?;
        let bound =
            |m: &Mount| m.target.is("dev") && matches!(m.source, Source::Tree(_)) && !m.devices;
        let ready_dev = part.has_devices() || mounts.iter().any(|mount| mount.devices);
        let enter = Enter::plan(request, linux, &namespaces)?;
        // The host's root alone makes device nodes.
        let binds_devices = namespaces.own(Kind::User) || sys::namespace::maps_users();
        let container = Container {
            root: Root::plan(request, linux)?,
            null: match &enter {
                Enter::Joined => Some(devices::null()?),
                _ => None,
            },
            enter,
            own_dev: !mounts.iter().any(bound),
            ready_dev,
            mounts,
            dev: Target::plan("linux.devices", "/dev")?,
            devices: devices::plan(linux, binds_devices, ready_dev)?,
            masked: text::inside("linux.maskedPaths", &part.masked(linux))?,
            readonly: text::inside("linux.readonlyPaths", &part.readonly(linux))?,
            cover: mounts::label_option(mounts::mount_label(Some(linux))?, &[])
                .into_iter()
                .collect(),
            hostname: spec.hostname.clone().into_bytes(),
            domainname: spec.domainname.clone().into_bytes(),
            sysctl: sysctl::plan(&part.sysctl(linux), &namespaces)?,
            interfaces: interfaces::plan(linux, &namespaces)?,
            hooks: Prepared::plan(spec.hooks.as_ref(), &state(request))?,
        };
        if process.terminal && !has_devpts(&spec.mounts)? {
            return Err(Error::invalid(
                "process.terminal",
                "needs a mount of type devpts at /dev/pts",
            ));
        }
        Ok(Self {
            namespaces,
            maps,
            container: Some(container),
            join: None,
            process,
            filter: Filter::plan(request.seccomp, request.spec)?,
            keyring: keyring(request.id, request.keep_keyring),
            preserve_fds: request.preserve_fds,
        })
    }

    /// The plan of a process that joins a container.
    pub(crate) fn of_exec(request: &Exec<'a>) -> Result<Self, Error> {
        let mut process = Process::plan(request.process, "process")?;
        if let Some(linux) = &request.spec.linux {
            process.memory =
                Memory::plan(linux.memory_policy.as_ref(), linux.personality.as_ref())?;
        }
        Ok(Self {
            join: Some(namespaces::join(request)?),
            namespaces: Namespaces::none(),
            maps: None,
            container: None,
            process,
            filter: Filter::plan(request.seccomp, request.spec)?,
            keyring: keyring(request.id, request.keep_keyring),
            preserve_fds: request.preserve_fds,
        })
    }

    /// Whether the container has a user namespace of its own, without rights on the host.
    pub(crate) fn in_user_namespace(&self) -> bool {
        let user = Kind::User;
        let joins = |join: &Join<'_>| join.kinds & user.flag() != 0;
        self.namespaces.own(user) || self.join.as_ref().is_some_and(joins)
    }

    /// Whether the container has a time namespace of its own.
    pub(crate) fn has_time_namespace(&self) -> bool {
        self.namespaces.makes(Kind::Time) || self.joins(Kind::Time)
    }

    /// Whether a stage joins namespaces and clones the process in them.
    pub(crate) fn has_stage(&self) -> bool {
        let through = |join: &Join<'_>| join.through_user_namespace();
        self.namespaces.joined_with_user()
            || self.join.as_ref().is_some_and(through)
            // Who is root of its own user namespace alone could not go back to the host's.
            || self.joins(Kind::Pid) && sys::namespace::maps_users()
    }

    fn joins(&self, kind: Kind) -> bool {
        let joins = |join: &Join<'_>| join.kinds & kind.flag() != 0;
        self.namespaces.joins(kind) || self.join.as_ref().is_some_and(joins)
    }

    /// Whether a namespace of this kind is joined by the time of the clone.
    fn clones_within(&self, kind: Kind) -> bool {
        self.joins(kind) && self.has_stage()
    }

    /// What the set-up has used and nobody needs any more, to be closed when there is time.
    pub(crate) fn into_descriptors(self) -> Vec<OwnedFd> {
        let namespaces = self.namespaces.joined.into_iter();
        let mut used: Vec<OwnedFd> = namespaces.map(|(_, fd, _)| fd).collect();
        let Some(container) = self.container else {
            return used;
        };
        let mounts = container.mounts.into_iter();
        let trees = mounts.filter_map(|mount| match mount.source {
            Source::Tree(tree) => tree.into_descriptor(),
            Source::FileSystem { .. } => None,
        });
        used.extend(trees.chain(container.root.tree.into_descriptor()));
        used.extend(container.root.spent.into_iter().chain(container.null));
        used
    }

    /// The numbers of all detached trees.
    pub(crate) fn trees(&self) -> impl Iterator<Item = i32> {
        let container = self.container.iter();
        container.flat_map(|container| {
            let mounts = container
                .mounts
                .iter()
                .filter_map(|mount| match &mount.source {
                    Source::Tree(tree) => Some(tree),
                    Source::FileSystem { .. } => None,
                });
            let devices = container.devices.iter().filter_map(|d| d.host.as_ref());
            mounts
                .chain(devices)
                .chain([&container.root.tree])
                .filter_map(Tree::number)
                .chain(container.null.iter().map(AsRawFd::as_raw_fd))
        })
    }
}

/// Whether something is mounted where terminals are.
fn has_devpts(mounts: &[oci::runtime::Mount]) -> Result<bool, Error> {
    for mount in mounts {
        if Target::plan("mounts", &mount.destination)?.is("dev/pts") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The name of the container's session keyring, as runc's.
fn keyring(id: &ContainerId, keep: bool) -> Option<CString> {
    let name = (!keep).then(|| CString::new(format!("_ses.{id}")));
    name.and_then(Result::ok)
}

/// Settings of the configuration that corten does not do.
fn refuse(linux: &Linux) -> Result<(), Error> {
    if !linux.mount_label.is_empty() && !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        return Err(Error::invalid(
            "linux.mountLabel",
            "SELinux is not enabled on this host",
        ));
    }
    Ok(())
}

/// Settings of other platforms, without which the container would not be what was asked for.
fn refuse_others(spec: &Spec) -> Result<(), Error> {
    let process = spec.process.as_ref();
    let line = process.is_some_and(|process| !process.command_line.is_empty());
    for (given, field, of) in [
        (spec.vm.is_some(), "vm", "virtual machines"),
        (spec.windows.is_some(), "windows", "Windows"),
        (spec.solaris.is_some(), "solaris", "Solaris"),
        (spec.freebsd.is_some(), "freebsd", "FreeBSD"),
        (spec.zos.is_some(), "zos", "z/OS"),
        (line, "process.commandLine", "Windows"),
    ] {
        if given {
            return Err(Error::invalid(field, format!("is for {of}")));
        }
    }
    Ok(())
}

fn names(request: &Create<'_>, namespaces: &Namespaces) -> Result<(), Error> {
    for (field, name) in [
        ("hostname", &request.spec.hostname),
        ("domainname", &request.spec.domainname),
    ] {
        if name.len() > 64 {
            return Err(Error::invalid(field, "longer than 64 bytes"));
        }
        if !name.is_empty() && !namespaces.own(Kind::Uts) {
            return Err(Error::invalid(field, "needs a uts namespace of its own"));
        }
    }
    Ok(())
}

/// What hooks are told; the pid is filled in when it is known.
pub(crate) fn state(request: &Create<'_>) -> State {
    State {
        oci_version: request.spec.oci_version.clone(),
        id: request.id.to_string(),
        status: Status::Creating,
        bundle: request.bundle.display().to_string(),
        pid: 0,
        annotations: request.spec.annotations.clone(),
    }
}

/// What the child needs to join its control group.
pub(crate) fn membership<'a>(
    plan: &Plan<'_>,
    cgroup: Option<&'a Cgroup>,
) -> Result<Option<Entry<'a>>, Error> {
    let entrance = match plan.clones_within(Kind::Cgroup) {
        true => Entrance::Join,
        false => Entrance::Clone,
    };
    cgroup
        .map(|cgroup| cgroup.entry(entrance))
        .transpose()
        .map_err(|source| Error::Cgroup { source })
}
