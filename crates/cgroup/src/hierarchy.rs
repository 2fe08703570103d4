//! The hierarchies that are mounted, and where in each we are ourselves.

use crate::Error;
use rustix::fs::{self, Access, Mode, OFlags};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `CGROUP_SUPER_MAGIC`, statfs(2).
const V1_MAGIC: u64 = 0x0027_e0eb;
/// `CGROUP2_SUPER_MAGIC`, statfs(2).
const V2_MAGIC: u64 = 0x6367_7270;

/// Most hosts' mounts fit.
const READ_AT_ONCE: usize = 16 << 10;

/// A hierarchy's version and, for version 1, what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// Its controllers, or `name=...` alone.
    V1(Vec<String>),
    /// The unified one; which controllers it has is said by each group.
    V2,
}

impl Version {
    /// Its controllers, divided by commas; `""` is version 2.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::V1(controllers) => controllers.join(","),
            Self::V2 => String::new(),
        }
    }
}

/// A mounted hierarchy.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// The version.
    pub version: Version,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The directory below [`Self::mount`] of the group that we are in ourselves.
    pub own: PathBuf,
}

/// The mounted hierarchies.
#[derive(Clone, Debug)]
pub struct Hierarchies(Vec<Hierarchy>);

impl Hierarchy {
    /// Whether the controller, or named hierarchy `name=...`, is this one. `""` is version 2.
    pub fn has(&self, controller: &str) -> bool {
        match &self.version {
            Version::V1(controllers) => controllers.iter().any(|known| known == controller),
            Version::V2 => controller.is_empty(),
        }
    }

    /// Whether the mount is what is seen at that path: others may lie over it.
    fn is_seen(&self) -> bool {
        let expected = match self.version {
            Version::V1(_) => V1_MAGIC,
            Version::V2 => V2_MAGIC,
        };
        let found = fs::statfs(&self.mount);
        found.is_ok_and(|found| u64::try_from(found.f_type) == Ok(expected))
    }
}

impl Hierarchy {
    /// Whether groups can be made below the one that we are in.
    fn is_ours(&self) -> bool {
        fs::access(&self.own, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }
}

impl Hierarchies {
    /// Finds them in `/proc/self/mountinfo`, and ourselves in `/proc/self/cgroup`.
    pub fn probe() -> Result<Self, Error> {
        let mounts = read("/proc/self/mountinfo")?;
        let own = read("/proc/self/cgroup")?;
        let mut found: Vec<Hierarchy> = Vec::new();
        for line in mounts.lines() {
            let Some((hierarchy, root)) = mounted(line) else {
                continue;
            };
            let known = |other: &Hierarchy| other.version == hierarchy.version;
            if found.iter().any(known) || !hierarchy.is_seen() {
                continue;
            }
            let own = own_path(&own, &hierarchy, &root);
            found.push(Hierarchy { own, ..hierarchy });
        }
        if found.is_empty() {
            return Err(Error::NoHierarchy);
        }
        // Who is root of a user namespace alone has no more than was delegated to it.
        if sys::namespace::maps_users() {
            found.retain(Hierarchy::is_ours);
        }
        Ok(Self(found))
    }

    /// Where nothing is counted, and nothing limited.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether there is none in which groups can be made.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether groups below the one that we are in can be limited by a controller.
    pub fn limits(&self, controller: &str) -> bool {
        let offers = |hierarchy: &Hierarchy| match &hierarchy.version {
            Version::V1(_) => hierarchy.has(controller),
            Version::V2 => {
                let offered = read(&hierarchy.own.join("cgroup.controllers").to_string_lossy());
                offered.is_ok_and(|text| text.split_whitespace().any(|one| one == controller))
            }
        };
        self.iter().any(offers)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Hierarchy> {
        self.0.iter()
    }

    /// The groups that we are in ourselves, by their controllers' names; `""` is version 2.
    pub fn own(&self) -> BTreeMap<String, PathBuf> {
        let own = self.iter().map(|one| (one.version.name(), one.own.clone()));
        own.collect()
    }

    /// Whether version 2 is all there is.
    pub fn unified(&self) -> bool {
        self.0.iter().all(|one| one.version == Version::V2)
    }

    /// The one with a controller; `""` is version 2.
    pub fn find(&self, controller: &str) -> Option<&Hierarchy> {
        self.0.iter().find(|one| one.has(controller))
    }
}

/// Reads a file of procfs, whose size is not known, in large pieces.
pub(crate) fn read(path: &str) -> Result<String, Error> {
    let read = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut file = std::fs::File::from(fs::open(path, flags, Mode::empty())?);
        let mut text = String::with_capacity(READ_AT_ONCE);
        file.read_to_string(&mut text)?;
        Ok::<String, std::io::Error>(text)
    };
    read().map_err(Error::io("read", Path::new(path)))
}

/// A line of mountinfo: the hierarchy, and which of its groups the mount's root is.
fn mounted(line: &str) -> Option<(Hierarchy, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    let version = match after.next()? {
        "cgroup2" => Version::V2,
        "cgroup" => Version::V1(controllers(after.nth(1)?)),
        _ => return None,
    };
    let mut before = before.split(' ');
    let root = unescaped(before.nth(3)?);
    let mount = unescaped(before.next()?);
    let hierarchy = Hierarchy {
        version,
        own: mount.clone(),
        mount,
    };
    Some((hierarchy, root))
}

/// The controllers among a version 1 mount's super options.
fn controllers(options: &str) -> Vec<String> {
    const OTHERS: [&str; 6] = ["rw", "ro", "xattr", "none", "noprefix", "clone_children"];
    let option = |word: &&str| !OTHERS.contains(word) && !word.starts_with("release_agent=");
    options
        .split(',')
        .filter(option)
        .map(str::to_owned)
        .collect()
}

/// Mountinfo writes blanks and the like in octal.
fn unescaped(field: &str) -> PathBuf {
    if !field.contains('\\') {
        return PathBuf::from(field);
    }
    let mut text = field.to_owned();
    for (code, plain) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        text = text.replace(code, plain);
    }
    PathBuf::from(text)
}

/// Our own group's directory in a hierarchy. A group outside of the mount's root is taken as
/// the root itself: there is nothing nearer that we could reach.
fn own_path(own: &str, hierarchy: &Hierarchy, root: &Path) -> PathBuf {
    let path = own.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (names, path) = line.split_once(':')?;
        let same = match &hierarchy.version {
            Version::V2 => names.is_empty(),
            Version::V1(_) => names.split(',').any(|name| hierarchy.has(name)) && !names.is_empty(),
        };
        same.then_some(path)
    });
    let relative = path.and_then(|path| Path::new(path).strip_prefix(root).ok());
    match relative {
        Some(relative) if relative.as_os_str().is_empty() => hierarchy.mount.clone(),
        Some(relative) => hierarchy.mount.join(relative),
        None => hierarchy.mount.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_a_hierarchy_or_nothing() {
        let line = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct";
        let (hierarchy, root) = mounted(line).unwrap();
        assert_eq!(
            hierarchy.version,
            Version::V1(vec!["cpu".into(), "cpuacct".into()])
        );
        assert_eq!(hierarchy.mount, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(root, Path::new("/"));
        let line = "40 31 0:37 /x\\040y /c rw - cgroup cgroup rw,xattr,name=systemd";
        let (hierarchy, root) = mounted(line).unwrap();
        assert!(hierarchy.has("name=systemd"));
        assert_eq!(root, Path::new("/x y"));
        assert!(mounted("22 27 0:21 / /proc rw,relatime - proc proc rw").is_none());
    }

    #[test]
    fn our_own_group_is_found_below_the_mounts_root() {
        let own = "4:memory:/a/b\n1:name=systemd:/s\n0::/u/v\n";
        let memory = Hierarchy {
            version: Version::V1(vec!["memory".into()]),
            mount: "/m".into(),
            own: "/m".into(),
        };
        for (root, expected) in [
            ("/", "/m/a/b"),
            ("/a", "/m/b"),
            ("/a/b", "/m"),
            ("/z", "/m"),
        ] {
            assert_eq!(own_path(own, &memory, Path::new(root)), Path::new(expected));
        }
        let unified = Hierarchy {
            version: Version::V2,
            mount: "/c".into(),
            own: "/c".into(),
        };
        assert_eq!(own_path(own, &unified, Path::new("/")), Path::new("/c/u/v"));
    }
}
