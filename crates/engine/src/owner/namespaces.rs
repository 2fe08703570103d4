//! Namespaces of other containers that a container joins at its start.

use super::Owner;
use crate::spec::JoinedIpc;
use crate::{Container, ContainerRecord, Error, IpcMode, PidMode, Status};
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use types::{ErrorKind, Kind as _};

/// Where shared memory is in every container that has some.
const MEMORY: &str = "/dev/shm";

/// A running container whose namespace is joined.
struct Donor {
    container: Arc<Container>,
    pid: u32,
    pidfd: OwnedFd,
}

impl Donor {
    /// Its namespace of this kind.
    fn namespace(&self, file: &str) -> Result<OwnedFd, Error> {
        let path = format!("/proc/{}/ns/{file}", self.pid);
        let opened = File::open(&path).map_err(Error::io("open", path.as_ref()))?;
        // The number was that process's while the file was opened, if it still is.
        sys::pidfd::send_signal(self.pidfd.as_fd(), 0)
            .map_err(Error::io("find the process of", path.as_ref()))?;
        Ok(opened.into())
    }
}

impl Owner {
    /// The processes of another container, which must run.
    pub(super) fn join_processes(
        &self,
        record: &ContainerRecord,
    ) -> Result<Option<OwnedFd>, Error> {
        let PidMode::Container(of) = &record.spec.namespaces.pid else {
            return Ok(None);
        };
        // COMPAT: whatever stands against it is the daemon's failure here.
        let refuse = |reason, _| refused("PID", reason, ErrorKind::Internal);
        self.donor(of, &refuse)?.namespace("pid").map(Some)
    }

    /// The IPC objects and the shared memory of another container, which must run and let
    /// others in.
    pub(super) async fn join_ipc(
        &self,
        record: &ContainerRecord,
    ) -> Result<Option<JoinedIpc>, Error> {
        let IpcMode::Container(of) = &record.spec.namespaces.ipc else {
            return Ok(None);
        };
        let refuse = |reason, kind| refused("IPC", reason, kind);
        let donor = self.donor(of, &refuse)?;
        if !lets_in(&donor.container.record) {
            let reason = format!(
                "container {}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
                donor.container.id()
            );
            return Err(refuse(reason, ErrorKind::InvalidArgument));
        }
        let namespace = donor.namespace("ipc")?;
        let clone = move || container::files::part(donor.pidfd.as_fd(), MEMORY);
        let memory = crate::context::blocking(clone).await?;
        Ok(Some(JoinedIpc {
            namespace,
            memory: memory.map_err(Error::files("share", self.id()))?,
        }))
    }

    fn donor(&self, of: &str, refuse: &dyn Fn(String, ErrorKind) -> Error) -> Result<Donor, Error> {
        let index = &self.context.index;
        let found = index.resolve(of).and_then(|id| index.container(&id));
        let found = found.map_err(|error| match error.kind() {
            ErrorKind::NotFound => refuse(error.to_string(), ErrorKind::InvalidArgument),
            kind => refuse(error.to_string(), kind),
        })?;
        let container = found.snapshot();
        let id = container.id();
        if container.state.status == Status::Restarting {
            let reason =
                format!("Container {id} is restarting, wait until the container is running");
            return Err(refuse(reason, ErrorKind::Conflict));
        }
        let process = container.state.pid.and_then(|pid| {
            let pidfd = crate::containers::process(pid, id)?;
            Some((pid, pidfd))
        });
        let Some((pid, pidfd)) = process else {
            let reason = format!("container {id} is not running");
            return Err(refuse(reason, ErrorKind::Conflict));
        };
        Ok(Donor {
            container,
            pid,
            pidfd,
        })
    }
}

fn refused(namespace: &'static str, reason: String, kind: ErrorKind) -> Error {
    Error::JoinNamespace {
        namespace,
        reason,
        kind,
    }
}

/// Whether others may have its shared memory: it is the container's own and not hidden by a
/// mount of its caller's, or itself another's.
fn lets_in(donor: &ContainerRecord) -> bool {
    let hidden = || {
        let targets = donor.mounts.iter().map(|mount| &mount.target);
        let mut targets = targets.chain(donor.spec.tmpfs.keys());
        targets.any(|target| crate::mount_points::clean(target) == MEMORY)
    };
    match donor.spec.namespaces.ipc {
        IpcMode::Host | IpcMode::Container(_) => true,
        IpcMode::Shareable => !hidden(),
        IpcMode::Default | IpcMode::Private | IpcMode::None => false,
    }
}
