//! A container's user namespace: one of its own, or that of the container whose other namespaces
//! it joins, because its users must own those.

use super::Owner;
use crate::context::blocking;
use crate::spec::Users;
use crate::{ContainerRecord, Error, IpcMode, NetworkMode, PidMode, UserMode};
use container::Owned;
use oci::runtime::IdMaps;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use types::ErrorKind;

/// A user namespace, and a network namespace that it owns, if the container joins networks.
pub(super) type Made = (Users, Option<OwnedFd>);

impl Owner {
    /// The user namespace of a container whose ids are not the host's.
    pub(super) async fn make_users(&self, record: &ContainerRecord) -> Result<Option<Made>, Error> {
        let modes = &record.spec.namespaces;
        let maps = self.context.config.users.clone();
        let Some(maps) = maps.filter(|_| modes.user != UserMode::Host) else {
            return Ok(None);
        };
        let joins_networks = matches!(modes.network, NetworkMode::Named(_));
        let donor = match (&modes.pid, &modes.ipc, &modes.network) {
            (PidMode::Container(of), ..)
            | (_, IpcMode::Container(of), _)
            | (.., NetworkMode::Container(of)) => Some(of),
            _ => None,
        };
        let failed = |source| Error::Namespaces {
            id: self.id().clone(),
            source,
        };
        if let Some(of) = donor {
            let Some((users, namespace)) = self.users_of(of)? else {
                return Ok(None);
            };
            let network = match joins_networks {
                true => {
                    let within = namespace.try_clone();
                    let within = within.map_err(Error::io("hold", "a user namespace".as_ref()))?;
                    let made = blocking(move || container::network_of(within.as_fd())).await?;
                    Some(made.map_err(failed)?)
                }
                false => None,
            };
            return Ok(Some((users, network)));
        }
        let mut users = Users {
            maps,
            namespace: None,
        };
        if !joins_networks {
            return Ok(Some((users, None)));
        }
        let maps = users.maps.clone();
        let owned = blocking(move || Owned::make(&maps))
            .await?
            .map_err(failed)?;
        users.namespace = Some(owned.user);
        Ok(Some((users, Some(owned.network))))
    }

    /// The user namespace of another container; `None` if it does not run, of which who joins it
    /// otherwise says more.
    fn users_of(&self, of: &str) -> Result<Option<(Users, OwnedFd)>, Error> {
        let index = &self.context.index;
        let other = index.resolve(of).and_then(|id| index.container(&id));
        let pid = other.ok().and_then(|other| other.snapshot().state.pid);
        let Some(pid) = pid else {
            return Ok(None);
        };
        let Some(maps) = maps_of(pid) else {
            return Err(Error::JoinNamespace {
                namespace: "user",
                reason: format!("container {of} has the host's: use --userns=host"),
                kind: ErrorKind::Conflict,
            });
        };
        let path = format!("/proc/{pid}/ns/user");
        let open = || File::open(&path).map_err(Error::io("open", path.as_ref()));
        let users = Users {
            maps,
            namespace: Some(open()?.into()),
        };
        Ok(Some((users, open()?.into())))
    }
}

/// The maps of a process's user namespace, if its ids are not our own.
pub(crate) fn maps_of(pid: u32) -> Option<IdMaps> {
    let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let maps = IdMaps::parse(&read("uid_map")?, &read("gid_map")?)?;
    (!maps.is_identity()).then_some(maps)
}
