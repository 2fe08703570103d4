//! The table of kernel features used: since which version, what happens without, and a probe each.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::sync::OnceLock;

mod probe;

/// A kernel feature that corten uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// `fsopen`, `fsconfig`, `fsmount`, `move_mount`.
    MountApi,
    /// `open_tree` with `OPEN_TREE_CLONE`.
    OpenTree,
    /// `openat2` with `RESOLVE_IN_ROOT`.
    Openat2,
    /// `clone3`.
    Clone3,
    /// `CLONE_INTO_CGROUP`.
    CloneIntoCgroup,
    /// `CLONE_NEWTIME`.
    TimeNamespace,
    /// `setns` with a pidfd and a mask.
    JoinByPidfd,
    /// `close_range`.
    CloseRange,
    /// `mount_setattr`.
    MountSetattr,
    /// `MOUNT_ATTR_IDMAP`.
    IdmappedMounts,
    /// The EROFS file system.
    Erofs,
    /// An EROFS image mounted from a regular file.
    ErofsFile,
    /// Overlay's `lowerdir+`.
    OverlayAppend,
    /// `PIDFD_GET_MNT_NAMESPACE`.
    PidfdMountNamespace,
    /// A mount that is attached nowhere as a layer of an overlay.
    DetachedLayers,
    /// `PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`.
    PidfdExit,
    /// seccomp filters.
    Seccomp,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The feature.
    pub feature: Feature,
    /// The call or option, as error messages name it.
    pub name: &'static str,
    /// The first Linux version that has it.
    pub since: (u8, u8),
    /// What corten does without it; `None` if it cannot do the work at all.
    pub fallback: Option<&'static str>,
}

const fn row(
    feature: Feature,
    name: &'static str,
    since: (u8, u8),
    fallback: Option<&'static str>,
) -> Row {
    Row {
        feature,
        name,
        since,
        fallback,
    }
}

/// Every feature, in the order of its first version.
pub const TABLE: [Row; 17] = [
    row(Feature::Seccomp, "seccomp filters", (3, 17), None),
    row(Feature::MountApi, "fsopen and move_mount", (5, 2), None),
    row(Feature::OpenTree, "open_tree", (5, 2), None),
    row(Feature::Clone3, "clone3 with CLEAR_SIGHAND", (5, 5), None),
    row(Feature::Openat2, "openat2", (5, 6), None),
    row(Feature::TimeNamespace, "time namespaces", (5, 6), None),
    row(
        Feature::CloneIntoCgroup,
        "clone3 into a cgroup",
        (5, 7),
        None,
    ),
    row(Feature::JoinByPidfd, "setns by pidfd", (5, 8), None),
    row(Feature::CloseRange, "close_range", (5, 11), None),
    row(Feature::MountSetattr, "mount_setattr", (5, 12), None),
    row(Feature::IdmappedMounts, "idmapped mounts", (5, 12), None),
    row(
        Feature::Erofs,
        "EROFS",
        (5, 4),
        Some("layers as directories"),
    ),
    row(
        Feature::OverlayAppend,
        "overlay lowerdir+",
        (6, 5),
        Some("one lowerdir option"),
    ),
    row(
        Feature::PidfdMountNamespace,
        "mount namespace by pidfd",
        (6, 11),
        Some("the last process of a container takes its mounts apart"),
    ),
    row(
        Feature::ErofsFile,
        "EROFS mounted from a file",
        (6, 12),
        Some("layers as directories"),
    ),
    row(
        Feature::DetachedLayers,
        "detached mounts as overlay's layers",
        (6, 15),
        Some("a mount namespace that has them while the overlay is made"),
    ),
    row(
        Feature::PidfdExit,
        "exit status by pidfd",
        (6, 15),
        Some("status unknown after adoption"),
    ),
];

impl Feature {
    /// The feature's row.
    pub fn row(self) -> &'static Row {
        TABLE
            .iter()
            .find(|row| row.feature == self)
            .unwrap_or(&TABLE[0])
    }

    /// Asks the kernel whether it has the feature; the answer is kept.
    ///
    /// `None`: it cannot be told without side effects or privileges that are missing.
    pub fn probe(self) -> Option<bool> {
        static ANSWERS: [OnceLock<Option<bool>>; TABLE.len()] =
            [const { OnceLock::new() }; TABLE.len()];
        let at = TABLE.iter().position(|row| row.feature == self)?;
        *ANSWERS[at].get_or_init(|| probe::ask(self))
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row();
        let (major, minor) = row.since;
        write!(f, "{} (since Linux {major}.{minor})", row.name)
    }
}

/// The feature that an error of a call means to be missing, if it does.
pub fn missing(feature: Feature, error: &io::Error) -> Option<Feature> {
    let code = error.raw_os_error()?;
    let absent = match code {
        libc::ENOSYS => true,
        libc::EINVAL | libc::ENODEV | libc::ENOTBLK | libc::ENOTTY | libc::EOPNOTSUPP => {
            feature.probe() == Some(false)
        }
        _ => false,
    };
    absent.then_some(feature)
}

/// The names of file systems that the kernel knows now; modules not loaded are not among them.
fn file_system_known(name: &CStr) -> bool {
    let known = std::fs::read("/proc/filesystems").unwrap_or_default();
    known
        .split(|byte| *byte == b'\n')
        .any(|line| line.rsplit(|byte| *byte == b'\t').next() == Some(name.to_bytes()))
}
