//! Groups that systemd makes: a scope, its place in the hierarchies, and its limits.

mod holder;
mod properties;

use crate::hierarchy::Version;
use crate::{Error, Hierarchies, Request};
use ::systemd::{Instance, Manager, Property};
pub(crate) use holder::Holder;
use oci::runtime::Resources;
pub(crate) use properties::rounded;
use std::path::{Path, PathBuf};

/// The first word of a unit's name where none is asked for.
const PREFIX: &str = "corten";
/// Since this version scopes have one.
const OOM_POLICIES: u32 = 253;

/// A scope that is wanted: its slice, and its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    slice: String,
    pub(crate) unit: String,
    /// Its directory from each hierarchy's mount.
    pub(crate) directory: PathBuf,
}

impl Scope {
    /// What a request names, and where it will be.
    pub(crate) fn plan(hierarchies: &Hierarchies, request: &Request<'_>) -> Result<Self, Error> {
        if !::systemd::runs() {
            return Err(Error::NoSystemd);
        }
        let instance = instance();
        if instance == Instance::User && !hierarchies.unified() {
            return Err(Error::Unsupported {
                what: "systemd's user manager on cgroup v1",
            });
        }
        let (slice, unit) = named(request, instance)?;
        let mut directory = expanded(&slice)?;
        if instance == Instance::User {
            let own = Manager::connect(instance)?.control_group()?;
            directory = own.strip_prefix("/").unwrap_or(&own).join(directory);
        }
        directory.push(&unit);
        Ok(Self {
            slice,
            unit,
            directory,
        })
    }

    /// Has systemd make the scope, with every limit that it knows. The holder keeps it until
    /// somebody else is in it.
    pub(crate) fn start(
        &self,
        hierarchies: &Hierarchies,
        request: &Request<'_>,
    ) -> Result<Holder, Error> {
        let unified = hierarchies.unified();
        let mut manager = Manager::connect(instance())?;
        let holder = Holder::start(is_for_one(request.resources))?;
        let io = match unified {
            true => "IOAccounting",
            false => "BlockIOAccounting",
        };
        let mut wanted = vec![
            Property::new("Description", format!("corten container {}", request.id)),
            Property::new("Slice", self.slice.clone()),
            Property::new("Delegate", true),
            Property::new("PIDs", vec![holder.number()]),
            Property::new("MemoryAccounting", true),
            Property::new("CPUAccounting", true),
            Property::new(io, true),
            Property::new("TasksAccounting", true),
            Property::new("DefaultDependencies", false),
        ];
        if let Some(resources) = request.resources {
            wanted.extend(properties::of(resources, unified)?);
            wanted.extend(properties::at_start(resources, unified)?);
            if let Some(policy) = properties::oom_policy(resources)
                && manager.version()? >= OOM_POLICIES
            {
                wanted.push(policy);
            }
        }
        // Those that were asked for by name come last, and count.
        wanted.retain(|known| {
            !request
                .properties
                .iter()
                .any(|own| own.name() == known.name())
        });
        wanted.extend_from_slice(request.properties);
        manager.start_scope(&self.unit, &wanted)?;
        Ok(holder)
    }
}

/// A group that only systemd can put a process in: a user's own processes are mostly in a group
/// that the user cannot take them out of.
#[derive(Debug)]
pub struct Attachment {
    unit: String,
    /// From the unit's group.
    below: String,
}

impl Attachment {
    /// Of the group at `path`, if it is a user's and one of the unit's.
    pub(crate) fn of(unit: &str, path: &Path) -> Option<Self> {
        if instance() == Instance::System {
            return None;
        }
        let mut parts = path.iter().skip_while(|part| *part != unit);
        parts.next()?;
        let below = Path::new("/").join(parts.collect::<PathBuf>());
        Some(Self {
            unit: unit.to_owned(),
            below: below.to_str()?.to_owned(),
        })
    }

    /// Puts a process in.
    pub fn attach(&self, process: i32) -> Result<(), Error> {
        let mut manager = Manager::connect(instance())?;
        Ok(manager.attach(&self.unit, &self.below, process.cast_unsigned())?)
    }
}

/// Tells systemd of limits that change, so that it does not take them back.
pub(crate) fn update(unit: &str, version: &Version, resources: &Resources) -> Result<(), Error> {
    let properties = properties::of(resources, *version == Version::V2)?;
    if properties.is_empty() {
        return Ok(());
    }
    Ok(Manager::connect(instance())?.set_properties(unit, &properties)?)
}

/// Has systemd stop the scope, and forget it.
pub(crate) fn stop(unit: &str) -> Result<(), Error> {
    Ok(Manager::connect(instance())?.stop(unit)?)
}

/// A group that may hold one task has room for its holder or for whoever is cloned into it.
fn is_for_one(resources: Option<&Resources>) -> bool {
    let pids = resources.and_then(|resources| resources.pids.as_ref());
    pids.and_then(|pids| pids.limit)
        .is_some_and(|limit| (0..=1).contains(&limit))
}

/// Whose manager is asked: without rights on the host, the user's.
fn instance() -> Instance {
    let root = rustix::process::geteuid().is_root();
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mapped = map.split_whitespace().eq(["0", "0", "4294967295"]);
    match root && mapped {
        true => Instance::System,
        false => Instance::User,
    }
}

/// The slice and the unit's name: `SLICE:PREFIX:NAME`, or what there is without.
fn named(request: &Request<'_>, instance: Instance) -> Result<(String, String), Error> {
    let own = match instance {
        Instance::System => "system.slice",
        Instance::User => "user.slice",
    };
    let path = request.path.filter(|path| !path.is_empty());
    let (slice, prefix, name) = match path {
        None => (own, PREFIX, request.id),
        Some(path) => {
            let mut parts = path.split(':');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(""), Some(prefix), Some(name), None) => (own, prefix, name),
                (Some(slice), Some(prefix), Some(name), None) => (slice, prefix, name),
                _ => {
                    return Err(invalid(format!(
                        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd \
                         cgroups, got {path:?} instead"
                    )));
                }
            }
        }
    };
    if name.ends_with(".slice") {
        return Err(invalid(format!(
            "{name} is a slice, which can hold no processes"
        )));
    }
    if name.is_empty() || name.contains('/') || prefix.contains('/') {
        return Err(invalid(format!("{prefix}-{name}.scope is no unit's name")));
    }
    Ok((slice.to_owned(), format!("{prefix}-{name}.scope")))
}

/// Where a slice is: `a-b.slice` is in `a.slice`.
fn expanded(slice: &str) -> Result<PathBuf, Error> {
    let wrong = || invalid(format!("invalid slice name: {slice}"));
    let name = slice.strip_suffix(".slice").ok_or_else(wrong)?;
    if name == "-" {
        return Ok(PathBuf::new());
    }
    if name.contains('/') || name.split('-').any(str::is_empty) {
        return Err(wrong());
    }
    let ends = name.match_indices('-').map(|(at, _)| at);
    let parts = ends.chain([name.len()]);
    Ok(parts.map(|end| format!("{}.slice", &name[..end])).collect())
}

fn invalid(reason: String) -> Error {
    Error::Invalid {
        field: "linux.cgroupsPath",
        reason,
    }
}

/// The unit whose group is at these paths.
pub(crate) fn unit_of<'a>(mut paths: impl Iterator<Item = &'a Path>) -> Option<String> {
    let name = paths.next()?.file_name()?;
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_slice_a_prefix_and_a_name() {
        let request = |path| Request {
            id: "x",
            path,
            resources: None,
            intel_rdt: None,
            reach: crate::Reach::Every,
            driver: crate::Driver::Systemd,
            properties: &[],
        };
        for (path, expected) in [
            (None, Some(("system.slice", "corten-x.scope"))),
            (Some(""), Some(("system.slice", "corten-x.scope"))),
            (Some(":docker:1"), Some(("system.slice", "docker-1.scope"))),
            (Some("a-b.slice:p:n"), Some(("a-b.slice", "p-n.scope"))),
            (Some("a.slice:p"), None),
            (Some("a.slice:p:n:m"), None),
            (Some("/a/b"), None),
            (Some("a.slice:p:n.slice"), None),
            (Some("a.slice:p:../n"), None),
            (Some("a.slice:p:"), None),
        ] {
            let found = named(&request(path), Instance::System).ok();
            let expected = expected.map(|(slice, unit)| (slice.to_owned(), unit.to_owned()));
            assert_eq!(found, expected, "{path:?}");
        }
    }

    #[test]
    fn a_slice_is_inside_of_those_that_its_name_begins_with() {
        for (slice, expected) in [
            ("system.slice", Some("system.slice")),
            ("a-b-c.slice", Some("a.slice/a-b.slice/a-b-c.slice")),
            ("-.slice", Some("")),
            ("a--b.slice", None),
            ("-a.slice", None),
            ("a/b.slice", None),
            (".slice", None),
            ("a", None),
        ] {
            let found = expanded(slice).ok();
            assert_eq!(found.as_deref(), expected.map(Path::new), "{slice}");
        }
    }
}
