//! Forms of files that hold numbers.

use super::{BlkioEntry, Counter, Pressure, Stall};
use crate::Error;
use crate::group::Group;

/// A file with one number; `max` is the greatest. Zero if there is no such file.
pub(super) fn number(group: &Group, file: &str) -> Result<u64, Error> {
    Ok(group.find(file)?.map_or(0, |text| parsed(text.trim_end())))
}

fn parsed(word: &str) -> u64 {
    match word {
        "max" => u64::MAX,
        word => word.parse().unwrap_or_default(),
    }
}

/// Lines of a key and a number.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key, parsed(value.trim())))
}

/// One of [`pairs`], zero if missing.
pub(super) fn value(text: &str, key: &str) -> u64 {
    pairs(text)
        .find(|(known, _)| *known == key)
        .map_or(0, |(_, value)| value)
}

/// Numbers on one line.
pub(super) fn list(text: &str) -> Vec<u64> {
    text.split_whitespace().map(parsed).collect()
}

/// Ranges such as `0-3,7`.
pub(super) fn ranges(text: &str) -> Vec<u16> {
    let mut all = Vec::new();
    for part in text.trim_end().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            all.extend(first..=last);
        }
    }
    all
}

/// A pressure file, if this kernel counts it.
pub(super) fn pressure(group: &Group, file: &str) -> Result<Option<Pressure>, Error> {
    let Some(text) = group.find(file)? else {
        return Ok(None);
    };
    let mut pressure = Pressure::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("some", rest)) => pressure.some = stall(rest),
            Some(("full", rest)) => pressure.full = stall(rest),
            _ => {}
        }
    }
    Ok(Some(pressure))
}

fn stall(text: &str) -> Stall {
    let mut stall = Stall::default();
    for (key, value) in text.split(' ').filter_map(|word| word.split_once('=')) {
        match key {
            "avg10" => stall.avg10 = value.parse().unwrap_or_default(),
            "avg60" => stall.avg60 = value.parse().unwrap_or_default(),
            "avg300" => stall.avg300 = value.parse().unwrap_or_default(),
            "total" => stall.total = parsed(value),
            _ => {}
        }
    }
    stall
}

/// Version 1's three files about one kind of memory, with its names' common part.
pub(super) fn counter(group: &Group, prefix: &str) -> Result<Counter, Error> {
    let file = |rest: &str| number(group, &format!("{prefix}{rest}"));
    Ok(Counter {
        usage: file("usage_in_bytes")?,
        max: file("max_usage_in_bytes")?,
        limit: file("limit_in_bytes")?,
        failcnt: file("failcnt")?,
    })
}

/// Lines such as `8:0 Read 4096`.
pub(super) fn devices(text: &str) -> Vec<BlkioEntry> {
    let entry = |line: &str| {
        let mut words = line.split(' ');
        let (major, minor) = words.next()?.split_once(':')?;
        let (op, value) = (words.next()?, words.next()?);
        Some(BlkioEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            op: op.to_owned(),
            value: value.parse().ok()?,
        })
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        assert_eq!(ranges("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(ranges("\n"), [0_u16; 0]);
        assert_eq!(value("a 1\nb 22\n", "b"), 22);
        assert_eq!(parsed("max"), u64::MAX);
        let entries = devices("8:0 Read 10\n8:0 Write 20\nTotal 30\n");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].op.as_str(), entries[1].value), ("Write", 20));
        let stall = stall("avg10=1.50 avg60=0.00 avg300=0.25 total=77");
        assert_eq!((stall.avg10, stall.avg300, stall.total), (1.5, 0.25, 77));
    }
}
