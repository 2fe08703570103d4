//! Groups that nobody owns any more.

use crate::cgroup::{Driver, State};
use crate::{Cgroup, Error, Hierarchies};
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Cgroup {
    /// Ends and removes the groups directly below the one at `path`, a request's parent, whose
    /// names are not `known`. Gives their names, or the first failure once all were tried.
    pub fn sweep(path: &str, known: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let hierarchies = Hierarchies::probe()?;
        let mut found: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
        for (controllers, parent) in Self::places(&hierarchies, path) {
            // Where there is no parent there is nothing.
            let Ok(entries) = std::fs::read_dir(parent) else {
                continue;
            };
            let folders = entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            for folder in folders {
                let name = folder.file_name().to_string_lossy().into_owned();
                if !known(&name) {
                    let paths = found.entry(name).or_default();
                    paths.insert(controllers.clone(), folder.path());
                }
            }
        }
        let ends = found
            .into_iter()
            .map(|(name, paths)| end(paths).map(|()| name));
        // Each is tried before the first failure is told.
        let ends: Vec<_> = ends.collect();
        ends.into_iter().collect()
    }
}

/// Ends what is in a group, and removes it.
fn end(paths: BTreeMap<String, PathBuf>) -> Result<(), Error> {
    let driver = Driver::Cgroupfs;
    let group = Cgroup::open(&State {
        driver,
        paths,
        class: None,
    })?;
    group.kill()?;
    group.delete()
}
