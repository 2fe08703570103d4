//! What containers have that say nothing of it: the daemon's own choice.

use crate::container_spec::{CgroupMode, ContainerSpec, IpcMode, SeccompMode, Ulimit};

/// What containers have that say nothing of it.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The size of `/dev/shm` in bytes; `None`: 64 MiB.
    pub shm_size: Option<u64>,
    /// Resource limits, by their names.
    pub ulimits: Vec<Ulimit>,
    /// No program gains privileges by set-user-id bits.
    pub no_new_privileges: bool,
    /// Which system calls are filtered, but for privileged ones.
    pub seccomp: SeccompMode,
    /// Whether others may share a container's IPC namespace.
    pub ipc: IpcMode,
    /// Which control groups they see; `Default`: their own on version 2 alone.
    pub cgroup: CgroupMode,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            shm_size: None,
            ulimits: Vec::new(),
            no_new_privileges: false,
            seccomp: SeccompMode::Default,
            ipc: IpcMode::Private,
            cgroup: CgroupMode::Default,
        }
    }
}

impl Defaults {
    /// Fills what a container's maker left open.
    pub(crate) fn fill(&self, spec: &mut ContainerSpec) {
        spec.shm_size = spec.shm_size.or(self.shm_size);
        for default in &self.ulimits {
            let ulimits = &mut spec.resources.ulimits;
            if ulimits.iter().all(|ulimit| ulimit.name != default.name) {
                ulimits.push(default.clone());
            }
        }
        let security = &mut spec.security;
        let asked = |option: &str| {
            let mut options = security.options.iter();
            options.any(|given| given.split(['=', ':']).next() == Some(option))
        };
        let (privileges, filter) = (asked("no-new-privileges"), asked("seccomp"));
        security.no_new_privileges |= self.no_new_privileges && !privileges;
        if !filter && !security.privileged {
            security.seccomp.clone_from(&self.seccomp);
        }
        if spec.namespaces.ipc == IpcMode::Default {
            spec.namespaces.ipc.clone_from(&self.ipc);
        }
        if spec.namespaces.cgroup == CgroupMode::Default && !spec.security.privileged {
            spec.namespaces.cgroup.clone_from(&self.cgroup);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulimit(name: &str, soft: i64) -> Ulimit {
        Ulimit {
            name: name.to_owned(),
            soft,
            hard: soft,
        }
    }

    #[test]
    fn what_a_container_says_counts_more() {
        let defaults = Defaults {
            shm_size: Some(4096),
            ulimits: vec![ulimit("nofile", 1), ulimit("core", 2)],
            no_new_privileges: true,
            seccomp: SeccompMode::Unconfined,
            ipc: IpcMode::Shareable,
            cgroup: CgroupMode::Private,
        };
        let mut silent = ContainerSpec::default();
        defaults.fill(&mut silent);
        assert_eq!(silent.shm_size, Some(4096));
        assert_eq!(silent.resources.ulimits, defaults.ulimits);
        assert!(silent.security.no_new_privileges);
        assert_eq!(silent.security.seccomp, SeccompMode::Unconfined);
        assert_eq!(silent.namespaces.ipc, IpcMode::Shareable);
        assert_eq!(silent.namespaces.cgroup, CgroupMode::Private);

        let mut said = ContainerSpec::default();
        said.resources.ulimits = vec![ulimit("core", 9)];
        said.security.options = vec![
            "no-new-privileges:false".to_owned(),
            "seccomp=builtin".to_owned(),
        ];
        said.namespaces.ipc = IpcMode::None;
        said.shm_size = Some(8192);
        defaults.fill(&mut said);
        assert_eq!(
            said.resources.ulimits,
            [ulimit("core", 9), ulimit("nofile", 1)]
        );
        assert_eq!(said.shm_size, Some(8192));
        assert!(!said.security.no_new_privileges);
        assert_eq!(said.security.seccomp, SeccompMode::Default);
        assert_eq!(said.namespaces.ipc, IpcMode::None);
    }
}
