//! Stopping all processes of a group at once, and letting them go on.

use crate::group::{Group, gone};
use crate::{Cgroup, Error};
use std::time::{Duration, Instant};

/// How long freezing may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// After how many looks a version 1 group is thawed and frozen again: a process forking all
/// the time can outrun the freezer.
const REFREEZE: u32 = 50;

impl Cgroup {
    /// Stops every process, and waits until all have stopped.
    pub fn freeze(&self) -> Result<(), Error> {
        if let Some(group) = self.unified_freezer() {
            return freeze_v2(group);
        }
        freeze_v1(self.need("freezer", "freezing")?)
    }

    /// Lets every process go on.
    pub fn thaw(&self) -> Result<(), Error> {
        match self.unified_freezer() {
            Some(group) => group.write("cgroup.freeze", "0"),
            None => self
                .need("freezer", "thawing")?
                .write("freezer.state", "THAWED"),
        }
    }

    /// Lets those go on who are there to go on: a group that is gone has none, nor one that
    /// cannot be frozen.
    pub fn thaw_any(&self) -> Result<(), Error> {
        match self.thaw() {
            Err(Error::NoController { .. }) => Ok(()),
            Err(Error::Write { source, .. }) if gone(&source) => Ok(()),
            thawed => thawed,
        }
    }

    /// Whether the processes are stopped; a group that is gone is not.
    pub fn frozen(&self) -> Result<bool, Error> {
        if let Some(group) = self.unified_freezer() {
            return Ok(group
                .find("cgroup.freeze")?
                .is_some_and(|text| text.trim_end() == "1"));
        }
        let Some(group) = self.group("freezer") else {
            return Ok(false);
        };
        Ok(group
            .find("freezer.state")?
            .is_some_and(|text| text.trim_end() != "THAWED"))
    }

    /// Version 2's freezer is taken wherever it is: its processes can be killed while frozen.
    fn unified_freezer(&self) -> Option<&Group> {
        self.group("")
    }
}

fn freeze_v2(group: &Group) -> Result<(), Error> {
    group.write("cgroup.freeze", "1")?;
    let mut wait = Wait::new();
    while !group.read("cgroup.events")?.contains("frozen 1") {
        if !wait.again() {
            group.write("cgroup.freeze", "0")?;
            return Err(not_frozen(group));
        }
    }
    Ok(())
}

fn freeze_v1(group: &Group) -> Result<(), Error> {
    let mut wait = Wait::new();
    loop {
        group.write("freezer.state", "FROZEN")?;
        if group.read("freezer.state")?.trim_end() == "FROZEN" {
            return Ok(());
        }
        if wait.looks % REFREEZE == REFREEZE - 1 {
            group.write("freezer.state", "THAWED")?;
        }
        if !wait.again() {
            group.write("freezer.state", "THAWED")?;
            return Err(not_frozen(group));
        }
    }
}

fn not_frozen(group: &Group) -> Error {
    Error::NotFrozen {
        path: group.path.clone(),
    }
}

/// Pauses between looks at a state, growing from nothing to 10 ms.
struct Wait {
    until: Instant,
    looks: u32,
}

impl Wait {
    fn new() -> Self {
        Self {
            until: Instant::now() + DEADLINE,
            looks: 0,
        }
    }

    fn again(&mut self) -> bool {
        self.looks += 1;
        let pause = Duration::from_micros(20 * u64::from(self.looks.min(500)));
        std::thread::sleep(pause);
        Instant::now() < self.until
    }
}
