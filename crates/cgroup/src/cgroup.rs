//! A control group in all hierarchies.

use crate::group::{self, Group, Origin};
use crate::hierarchy::Version;
use crate::resctrl::{self, Class, Resctrl};
use crate::systemd::{self, Attachment, Holder, Scope};
use crate::{Error, Hierarchies, Hierarchy, Property, devices, limits};
use oci::runtime::{DeviceRule, IntelRdt, Resources};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Version 1 hierarchies that [`Reach::Limited`] joins only when one of their limits is set: a new
/// cpuset cannot be joined before it is filled, and the others change nothing by themselves.
const ON_DEMAND: [&str; 5] = ["cpuset", "net_cls", "net_prio", "perf_event", "misc"];
/// Where processes are looked up, the first that is there.
const PROCESS_HIERARCHIES: [&str; 5] = ["", "pids", "devices", "freezer", "memory"];

/// Who makes the group's directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// We do.
    #[default]
    Cgroupfs,
    /// systemd does, as a scope.
    Systemd,
}

/// Which of version 1's hierarchies have the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Each, as runc's containers have.
    Every,
    /// Each but those that do nothing until one of their limits is set.
    Limited,
}

/// What group is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The container's id: the group's name if there is no path.
    pub id: &'a str,
    /// The document's `cgroupsPath`. One that begins with `/` is below each hierarchy's mount,
    /// another below the group that we are in ourselves. systemd's is `SLICE:PREFIX:NAME`.
    pub path: Option<&'a str>,
    /// The limits, if any.
    pub resources: Option<&'a Resources>,
    /// The class of service that its processes join too, if any.
    pub intel_rdt: Option<&'a IntelRdt>,
    /// Where it is made.
    pub reach: Reach,
    /// Who makes it.
    pub driver: Driver,
    /// The unit's, beside those of the limits, where systemd makes it.
    pub properties: &'a [Property],
}

impl Request<'_> {
    /// Whether the group is in a hierarchy.
    fn reaches(&self, hierarchy: &Hierarchy) -> bool {
        let Version::V1(controllers) = &hierarchy.version else {
            return true;
        };
        let limited = |controller: &str| {
            let uses = |resources| limits::v1::uses(controller, resources);
            self.resources.is_some_and(uses)
        };
        let wanted = |controller: &str| !ON_DEMAND.contains(&controller) || limited(controller);
        self.reach == Reach::Every || controllers.iter().any(|one| wanted(one))
    }
}

/// What is needed to find a group again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Who made it.
    pub driver: Driver,
    /// Its directory in each hierarchy, by its controllers' names; `""` is version 2.
    pub paths: BTreeMap<String, PathBuf>,
    /// The class of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<resctrl::State>,
}

/// A control group: one directory in each hierarchy.
#[derive(Debug)]
pub struct Cgroup {
    driver: Driver,
    groups: Vec<Group>,
    pub(crate) class: Option<Class>,
    /// Where systemd made it: the scope's name.
    unit: Option<String>,
    /// Keeps a new scope until this is dropped: by then somebody else must be in it.
    holder: Option<Holder>,
    /// Where version 2 is mounted, as its maker found it.
    unified_mount: Option<PathBuf>,
    /// The rules for devices that were applied ahead.
    pub(crate) devices: Option<Vec<DeviceRule>>,
}

/// How a child comes into version 2's group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// By its clone.
    Clone,
    /// By itself, later: from a cgroup namespace in which the group cannot be seen none is cloned
    /// into it (`nsdelegate`, cgroups(7)), while a file opened outside can be written to.
    Join,
}

/// What a child needs to join without a look-up: it writes `0` to each of [`Self::tasks`] and
/// [`Self::class`], and is cloned into [`Self::unified`] if that is there.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The groups' files to join by, open for writing: version 1's `tasks`.
    pub tasks: Vec<BorrowedFd<'a>>,
    /// The files to join a class of service by.
    pub class: Vec<OwnedFd>,
    /// Version 2: the group's directory, for `CLONE_INTO_CGROUP`.
    pub unified: Option<BorrowedFd<'a>>,
    /// Version 2 in place of both: who puts the child in when it asks for it.
    pub attachment: Option<Attachment>,
}

impl Cgroup {
    /// Makes the group and applies its limits, before anything joins it.
    pub fn create(request: &Request<'_>) -> Result<Self, Error> {
        Self::create_in(&Hierarchies::probe()?, request)
    }

    /// As [`Self::create`], in hierarchies found before.
    pub fn create_in(hierarchies: &Hierarchies, request: &Request<'_>) -> Result<Self, Error> {
        let scope = scope(hierarchies, request)?;
        let mut cgroup = Self {
            driver: request.driver,
            groups: Vec::new(),
            class: None,
            unit: scope.as_ref().map(|scope| scope.unit.clone()),
            holder: None,
            unified_mount: hierarchies.find("").map(|whole| whole.mount.clone()),
            devices: None,
        };
        let place = Place::of(hierarchies, request, scope.as_ref());
        if let Some(scope) = &scope {
            // systemd puts processes into groups that are another one's, or frozen.
            place.expect_unused(request)?;
            cgroup.holder = Some(scope.start(hierarchies, request)?);
        }
        let mut made = Vec::new();
        if let Err(error) = cgroup.make(&place, request, &mut made) {
            // What failed is told; what was made goes again.
            cgroup.holder = None;
            if let Some(unit) = &cgroup.unit {
                drop(systemd::stop(unit));
            }
            for path in made {
                drop(group::remove(&path));
            }
            return Err(error);
        }
        Ok(cgroup)
    }

    /// How the group will be found again, before it is made: for whoever must not lose it.
    pub fn planned(hierarchies: &Hierarchies, request: &Request<'_>) -> Result<State, Error> {
        let scope = scope(hierarchies, request)?;
        let place = Place::of(hierarchies, request, scope.as_ref());
        let wanted = hierarchies.iter();
        let wanted = wanted.filter(|hierarchy| request.reaches(hierarchy));
        let path = |hierarchy: &Hierarchy| (hierarchy.version.name(), place.within(hierarchy));
        Ok(State {
            driver: request.driver,
            paths: wanted.map(path).collect(),
            class: match request.intel_rdt {
                Some(wanted) => Some(Resctrl::find()?.planned(request.id, wanted)?),
                None => None,
            },
        })
    }

    /// Whether this group, made without limits, is all that a request asks for but its limits.
    pub fn serves(&self, hierarchies: &Hierarchies, request: &Request<'_>) -> Result<bool, Error> {
        Ok(Self::planned(hierarchies, request)? == self.state())
    }

    /// Applies the limits of a group that was made without, before anything joins it.
    pub fn limit(&self, resources: &Resources) -> Result<(), Error> {
        if self.unit.is_some() {
            return limits::apply(self, &systemd::rounded(resources), limits::When::Create);
        }
        limits::apply(self, resources, limits::When::Create)
    }

    /// Applies rules for devices to a new group of version 1, before its limits. If these are the
    /// same they are there then, and others take their place; a program of version 2 would stay.
    pub fn limit_devices(&mut self, rules: Vec<DeviceRule>) -> Result<(), Error> {
        if self.group("devices").is_none() {
            return Ok(());
        }
        devices::apply(self, &rules)?;
        self.devices = Some(rules);
        Ok(())
    }

    fn make(
        &mut self,
        place: &Place<'_>,
        request: &Request<'_>,
        made: &mut Vec<PathBuf>,
    ) -> Result<(), Error> {
        for hierarchy in place.hierarchies.iter() {
            if !request.reaches(hierarchy) {
                continue;
            }
            let path = place.within(hierarchy);
            let (group, origin) = Group::create(hierarchy, &path)?;
            match origin {
                Origin::Made => made.push(path),
                // It was looked at before systemd put the holder in.
                Origin::Found if self.holder.is_some() => {}
                Origin::Found => group.expect_unused()?,
            }
            self.prepare(group, hierarchy)?;
        }
        if let Some(resources) = request.resources {
            self.limit(resources)?;
        }
        if let Some(wanted) = request.intel_rdt {
            self.class = Some(Class::create(Resctrl::find()?, request.id, wanted)?);
        }
        Ok(())
    }

    /// Takes a new group in, ready to be joined.
    fn prepare(&mut self, group: Group, hierarchy: &Hierarchy) -> Result<(), Error> {
        if hierarchy.version == Version::V2 {
            limits::v2::enable_controllers(&group, &hierarchy.mount)?;
        }
        if group.has("cpuset") {
            limits::v1::fill_cpuset(&group)?;
        }
        self.groups.push(group);
        Ok(())
    }

    /// Finds a group again. Directories that are gone are left out.
    pub fn open(state: &State) -> Result<Self, Error> {
        let mut groups = Vec::new();
        for (name, path) in &state.paths {
            let version = match name.as_str() {
                "" => Version::V2,
                name => Version::V1(name.split(',').map(str::to_owned).collect()),
            };
            match Group::open(version, path) {
                Ok(group) => groups.push(group),
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let paths = state.paths.values().map(PathBuf::as_path);
        Ok(Self {
            driver: state.driver,
            groups,
            class: state.class.as_ref().and_then(Class::open),
            unit: match state.driver {
                Driver::Systemd => systemd::unit_of(paths),
                Driver::Cgroupfs => None,
            },
            holder: None,
            unified_mount: None,
            devices: None,
        })
    }

    /// Where version 2 is mounted as a whole, if that was looked up to make this.
    pub fn unified_mount(&self) -> Option<&Path> {
        self.unified_mount.as_deref()
    }

    /// Whether it is in version 2 alone.
    pub fn is_unified(&self) -> bool {
        matches!(&*self.groups, [one] if one.version.name().is_empty())
    }

    /// What is needed to find it again.
    pub fn state(&self) -> State {
        let path = |group: &Group| (group.version.name(), group.path.clone());
        State {
            driver: self.driver,
            paths: self.groups.iter().map(path).collect(),
            class: self.class.as_ref().map(|class| class.state().clone()),
        }
    }

    /// The group with those below it that are there already, by controller; `""` is version 2,
    /// and alone every controller. One that is not named stays where it is.
    pub fn below(&self, paths: &BTreeMap<String, String>) -> Result<Self, Error> {
        if let (Some(path), 1) = (paths.get(""), paths.len()) {
            return self.at(|_| Some(path));
        }
        if let Some(unknown) = paths.keys().find(|name| self.group(name).is_none()) {
            return Err(Error::Invalid {
                field: "cgroup",
                reason: format!("unknown controller {unknown:?}"),
            });
        }
        self.at(|group| {
            let named = paths.iter().find(|(name, _)| group.has(name));
            named.map(|(_, path)| path)
        })
    }

    /// The group with what is below at these paths.
    fn at<'p>(&self, path: impl Fn(&Group) -> Option<&'p String>) -> Result<Self, Error> {
        let open = |group: &Group| {
            let path = path(group).map_or_else(
                || group.path.clone(),
                |path| below(&group.path, path.trim_start_matches('/')),
            );
            Group::open(group.version.clone(), &path)
        };
        Ok(Self {
            driver: self.driver,
            groups: self.groups.iter().map(open).collect::<Result<_, _>>()?,
            class: self.class.clone(),
            unit: self.unit.clone(),
            holder: None,
            unified_mount: self.unified_mount.clone(),
            devices: None,
        })
    }

    /// Makes the group a user's, who may then divide it up: on version 2 alone, where that is safe.
    pub fn give(&self, user: u32) -> Result<(), Error> {
        match &*self.groups {
            [group] if group.version == Version::V2 => group.give(user),
            _ => Ok(()),
        }
    }

    /// What a child needs to join.
    pub fn entry(&self, entrance: Entrance) -> Result<Entry<'_>, Error> {
        let mut entry = Entry {
            tasks: Vec::with_capacity(self.groups.len()),
            class: Vec::new(),
            unified: None,
            attachment: None,
        };
        // A clone into a full group is refused, joining one is not.
        let crowded = self.holder.as_ref().is_some_and(|holder| holder.crowds);
        let cloned = entrance == Entrance::Clone && !crowded;
        for group in &self.groups {
            let unit = self.unit.as_ref().filter(|_| group.version == Version::V2);
            entry.attachment = unit.and_then(|unit| Attachment::of(unit, &group.path));
            if entry.attachment.is_some() {
                continue;
            }
            if group.version == Version::V2 && cloned {
                entry.unified = Some(group.directory());
                continue;
            }
            entry.tasks.push(group.door()?);
        }
        for tasks in self.class.iter().flat_map(Class::tasks) {
            entry.class.push(tasks?);
        }
        Ok(entry)
    }

    /// Changes limits; those not given stay. The [`State`] can be another one afterwards.
    pub fn update(&mut self, resources: &Resources) -> Result<(), Error> {
        self.join_on_demand(resources)?;
        if let (Some(unit), Some(group)) = (&self.unit, self.process_group()) {
            limits::check(self, resources)?;
            let known = limits::with_present_time(self, resources)?;
            systemd::update(unit, &group.version, &known)?;
            return limits::apply(self, &systemd::rounded(&known), limits::When::Update);
        }
        limits::apply(self, resources, limits::When::Update)
    }

    /// What of the limits systemd cannot be told together, and is passed over, in words for users.
    pub fn passed_over(driver: Driver, resources: &Resources) -> Option<&'static str> {
        let unified = || Hierarchies::probe().is_ok_and(|found| found.unified());
        let words = limits::v2::passed_over(resources).filter(|_| driver == Driver::Systemd);
        words.filter(|_| unified())
    }

    /// Changes the shares of the class of service; lines that are empty stay as they are.
    pub fn update_class(&self, wanted: &IntelRdt) -> Result<(), Error> {
        self.class
            .as_ref()
            .map_or(Ok(()), |class| class.update(wanted))
    }

    /// Moves the processes into hierarchies that only now have a limit.
    fn join_on_demand(&mut self, resources: &Resources) -> Result<(), Error> {
        let needed = |name: &&str| limits::v1::uses(name, resources) && self.group(name).is_none();
        let needed: Vec<&str> = ON_DEMAND.into_iter().filter(needed).collect();
        if needed.is_empty() {
            return Ok(());
        }
        let hierarchies = Hierarchies::probe()?;
        for name in needed {
            let Some(hierarchy) = hierarchies.find(name) else {
                continue;
            };
            let path = self.beside(&hierarchies, hierarchy);
            let (group, _) = Group::create(hierarchy, &path)?;
            self.prepare(group, hierarchy)?;
            let pids = self.pids()?;
            let Some(group) = self.group(name) else {
                continue;
            };
            for pid in pids {
                // A process that has left meanwhile needs no limit.
                let _ = group.try_write("cgroup.procs", &pid.to_string());
            }
        }
        Ok(())
    }

    /// The directory in another hierarchy that corresponds to those we have.
    fn beside(&self, hierarchies: &Hierarchies, other: &Hierarchy) -> PathBuf {
        for group in &self.groups {
            let same = |one: &&Hierarchy| one.version == group.version;
            let Some(hierarchy) = hierarchies.iter().find(same) else {
                continue;
            };
            if let Ok(path) = group.path.strip_prefix(&hierarchy.mount) {
                return other.mount.join(path);
            }
        }
        other.own.clone()
    }

    /// Removes the group and those below it. Processes that just leave are waited for.
    pub fn delete(&self) -> Result<(), Error> {
        let mut first = match &self.unit {
            Some(unit) => systemd::stop(unit),
            None => Ok(()),
        };
        for group in &self.groups {
            let removed = group.remove();
            if first.is_ok() {
                first = removed;
            }
        }
        if let Some(class) = &self.class {
            first = first.and(class.remove());
        }
        first
    }

    /// Opens ahead what a child joins version 1's groups by. What cannot be opened now is asked
    /// for by [`Self::entry`].
    pub fn open_doors(&self) {
        let first = |group: &&Group| group.version != Version::V2;
        for group in self.groups.iter().filter(first) {
            drop(group.door());
        }
    }

    /// Closes what children have joined by; the next one opens it again.
    pub fn close_doors(&mut self) {
        self.groups.iter_mut().for_each(Group::close_door);
    }

    /// Lets go of what keeps a new scope: somebody is in it now.
    pub fn settle(&mut self) {
        self.holder = None;
    }

    /// Removes the group at `path`, a request's parent, from every hierarchy where it is empty.
    pub fn remove_empty(path: &str) -> Result<(), Error> {
        for (_, place) in Self::places(&Hierarchies::probe()?, path) {
            // What is busy or gone stays as it is.
            drop(std::fs::remove_dir(place));
        }
        Ok(())
    }

    /// Where a request's path is in each hierarchy, by its controllers' names.
    pub(crate) fn places(
        hierarchies: &Hierarchies,
        path: &str,
    ) -> impl Iterator<Item = (String, PathBuf)> {
        let request = Request {
            id: path,
            path: Some(path),
            resources: None,
            intel_rdt: None,
            reach: Reach::Every,
            driver: Driver::default(),
            properties: &[],
        };
        let place = Place::of(hierarchies, &request, None);
        let each = |hierarchy: &Hierarchy| (hierarchy.version.name(), place.within(hierarchy));
        hierarchies.iter().map(each).collect::<Vec<_>>().into_iter()
    }

    /// Whether it is in no hierarchy: its processes are neither counted nor limited.
    pub fn is_nowhere(&self) -> bool {
        self.groups.is_empty()
    }

    /// The directory that stands for the whole group in messages.
    pub fn path(&self) -> &Path {
        self.process_group()
            .map_or(Path::new("/"), |group| &group.path)
    }

    /// The group in the hierarchy of a controller; `""` is version 2.
    pub(crate) fn group(&self, controller: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.has(controller))
    }

    /// The group in each hierarchy.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// As [`Self::group`], an error if there is none.
    pub(crate) fn need(
        &self,
        controller: &'static str,
        limit: &'static str,
    ) -> Result<&Group, Error> {
        self.group(controller)
            .ok_or(Error::NoController { limit, controller })
    }

    pub(crate) fn process_group(&self) -> Option<&Group> {
        PROCESS_HIERARCHIES
            .iter()
            .find_map(|name| self.group(name))
            .or_else(|| self.groups.first())
    }
}

/// The scope that is wanted, if systemd makes the group.
fn scope(hierarchies: &Hierarchies, request: &Request<'_>) -> Result<Option<Scope>, Error> {
    match request.driver {
        Driver::Cgroupfs => Ok(None),
        Driver::Systemd => Scope::plan(hierarchies, request).map(Some),
    }
}

/// Where a group is to be.
struct Place<'a> {
    hierarchies: &'a Hierarchies,
    path: &'a str,
    scope: Option<&'a Scope>,
}

impl<'a> Place<'a> {
    fn of(hierarchies: &'a Hierarchies, request: &Request<'a>, scope: Option<&'a Scope>) -> Self {
        let path = request.path.filter(|path| !path.is_empty());
        Self {
            hierarchies,
            path: path.unwrap_or(request.id),
            scope,
        }
    }

    /// Where the group is there already it must be nobody's.
    fn expect_unused(&self, request: &Request<'_>) -> Result<(), Error> {
        for hierarchy in self.hierarchies.iter().filter(|one| request.reaches(one)) {
            match Group::open(hierarchy.version.clone(), &self.within(hierarchy)) {
                Ok(group) => group.expect_unused()?,
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Its directory in a hierarchy.
    fn within(&self, hierarchy: &Hierarchy) -> PathBuf {
        if let Some(scope) = self.scope {
            return hierarchy.mount.join(&scope.directory);
        }
        match self.path.strip_prefix('/') {
            Some(absolute) => below(&hierarchy.mount, absolute),
            // Version 2 gives no controllers to children of a group that has processes, as ours
            // most probably does; the one above it can have none.
            None if self.hierarchies.unified() && hierarchy.own != hierarchy.mount => {
                let above = hierarchy.own.parent().unwrap_or(&hierarchy.mount);
                below(above, self.path)
            }
            None => below(&hierarchy.own, self.path),
        }
    }
}

/// Joins a path that cannot lead out of its base.
fn below(base: &Path, path: &str) -> PathBuf {
    let mut whole = base.to_owned();
    let mut depth = 0;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if depth > 0 => {
                whole.pop();
                depth -= 1;
            }
            ".." => {}
            part => {
                whole.push(part);
                depth += 1;
            }
        }
    }
    whole
}
