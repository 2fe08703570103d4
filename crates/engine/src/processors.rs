//! Whether the processors and memory nodes that a container is to have are there.

use crate::{Error, ResourceSpec};
use std::collections::BTreeSet;
use std::fs;

const PROCESSORS: &str = "/sys/devices/system/cpu/online";
const NODES: &str = "/sys/devices/system/node/online";
const SECOND: u64 = 1_000_000_000;

/// Refuses more processors than there are, and those that are not there, in dockerd's words.
pub(crate) fn check(resources: &ResourceSpec) -> Result<(), Error> {
    if let Some(asked) = resources.nano_cpus {
        count(asked)?;
    }
    let processors = || online(PROCESSORS).unwrap_or_default();
    let cpus = ("cpus", "CPUs");
    within("CpusetCpus", cpus, &resources.cpuset_cpus, processors)?;
    // A kernel that knows of no nodes has one.
    let nodes = || online(NODES).unwrap_or_else(|| "0".to_owned());
    let mems = ("mems", "memory nodes");
    within("CpusetMems", mems, &resources.cpuset_mems, nodes)
}

fn count(asked: u64) -> Result<(), Error> {
    let there = online(PROCESSORS).map_or(0, |text| read(&text).map_or(0, |set| set.len()));
    let most = u64::try_from(there)
        .unwrap_or(u64::MAX)
        .saturating_mul(SECOND);
    if there == 0 || asked <= most {
        return Ok(());
    }
    let words = format!(
        "range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"
    );
    Err(Error::invalid("NanoCpus", words))
}

/// What is there, as the kernel tells it.
fn online(file: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned())
}

fn within(
    field: &'static str,
    (name, things): (&str, &str),
    asked: &str,
    there: impl FnOnce() -> String,
) -> Result<(), Error> {
    if asked.is_empty() {
        return Ok(());
    }
    let there = there();
    let wanted = read(asked).map_err(|part| {
        let words = format!("Invalid value {asked} for cpuset {name}: invalid format: {part}");
        Error::invalid(field, words)
    })?;
    let known = read(&there).unwrap_or_default();
    match known.is_empty() || wanted.is_subset(&known) {
        true => Ok(()),
        false => Err(Error::invalid(
            field,
            format!("Requested {things} are not available - requested {asked}, available: {there}"),
        )),
    }
}

/// Numbers and ranges, `0-2,7`; else the part that is none.
fn read(text: &str) -> Result<BTreeSet<u16>, String> {
    let mut all = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let wrong = || part.to_owned();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u16 = first.parse().map_err(|_| wrong())?;
        let last: u16 = last.parse().map_err(|_| wrong())?;
        if first > last {
            return Err(wrong());
        }
        all.extend(first..=last);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_what_is_none_is_named() {
        let set = |numbers: &[u16]| Ok(numbers.iter().copied().collect::<BTreeSet<_>>());
        assert_eq!(read("0-2,7"), set(&[0, 1, 2, 7]));
        assert_eq!(read(""), set(&[]));
        assert_eq!(read("1-x"), Err("1-x".to_owned()));
        assert_eq!(read("3-1"), Err("3-1".to_owned()));
    }

    #[test]
    fn what_is_not_there_is_refused_in_dockers_words() {
        let there = || "0-1".to_owned();
        let refused = within("CpusetCpus", ("cpus", "CPUs"), "9", there).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid CpusetCpus: Requested CPUs are not available - requested 9, available: 0-1"
        );
        assert!(within("CpusetCpus", ("cpus", "CPUs"), "1", there).is_ok());
    }
}
