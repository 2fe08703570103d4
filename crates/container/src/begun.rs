//! An init that is made before anybody asks for its container: it has set up what containers have
//! alike, and waits for the rest.
//!
//! What it has done is a part of a configuration. A container whose configuration has that part
//! too is made by [`Begun::finish`]; for any other the init is dropped, which ends it, and nothing
//! of it is seen: it has a copy of the mount namespace made ahead, and clones of the mounts.

use crate::Error;
use crate::create::{self, Create};
use crate::init::Init;
use crate::launch::Launch;
use crate::plan::{self, Done, Part, Plan};
use crate::steps::{self, Setup};
use crate::stock::Stock;
use crate::target::{self, Links};
use oci::runtime::Spec;
use rustix::fs::OFlags;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use sys::clone::{Clone, Parked};
use sys::namespace::Kind;

/// The init.
#[derive(Debug)]
pub struct Begun {
    parked: Parked<Left>,
    done: Done,
}

/// What it holds.
#[derive(Debug)]
pub(crate) struct Left {
    /// The root.
    pub(crate) root: OwnedFd,
    /// A procfs of the container's own that nobody mounted over.
    pub(crate) procfs: Option<OwnedFd>,
}

impl Left {
    /// The numbers of its descriptors.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        let procfs = self.procfs.iter();
        procfs.chain([&self.root]).map(|fd| fd.as_raw_fd())
    }
}

impl Begun {
    /// Makes an init for containers whose configuration is like this one, in the namespaces that
    /// it joins. `None` where that is not done.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn begin(request: &Create<'_>) -> Result<Option<Self>, Error> {
        if sys::namespace::maps_users() || !has_places(request) {
            return Ok(None);
        }
        let done = Done::of(request.spec);
        let plan = Plan::of_create(request, Part::First(&done))?;
        let entry = plan::membership(&plan, request.cgroup)?;
        let launch = Launch {
            plan: &plan,
            entry: entry.as_ref(),
            stdio: request.stdio,
            gate: &request.gate,
            state: plan::state(request),
            cloned: None,
        };
        if !launch.child_is_alone() {
            return Ok(None);
        }
        let parked = Clone {
            namespaces: plan.namespaces.new & !Kind::Cgroup.flag(),
            cgroup: entry.as_ref().and_then(|entry| entry.unified),
            ..Clone::default()
        }
        .park(|| steps::begin(&launch));
        let parked = parked.map_err(Error::process("begin a container's process"))?;
        Ok(parked.map(|parked| Self { parked, done }))
    }

    /// Whether it waits, and a container of this configuration, which joins nothing that was made
    /// ahead yet, is one that it was begun for.
    pub fn fits(&self, spec: &Spec) -> bool {
        self.parked.left().is_some() && self.done.is_part_of(spec)
    }

    /// Makes the container, as [`crate::create`] does. It must fit, and nobody be asked on the way.
    pub fn finish(self, request: &Create<'_>) -> Result<Init, Error> {
        create::make(request, Some(self))
    }

    pub(crate) fn done(&self) -> &Done {
        &self.done
    }

    pub(crate) fn into_parked(self) -> Parked<Left> {
        self.parked
    }
}

/// Whether the root has places for what is mounted: none is made in a root that a container may
/// never have.
fn has_places(request: &Create<'_>) -> bool {
    let Some(root) = request.stock.and_then(Stock::root) else {
        return false;
    };
    let Ok(tree) = root.tree() else { return false };
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    [c"dev", c"proc"]
        .iter()
        .all(|name| target::open(tree.as_fd(), name, flags, Links::Refuse).is_ok())
}

impl Setup<'_> {
    /// What a begun init leaves.
    pub(crate) fn into_left(self) -> Option<Left> {
        let (root, procfs) = self.into_root();
        Some(Left {
            root: root?,
            procfs,
        })
    }
}
