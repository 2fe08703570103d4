//! The functions of an executable.

use crate::bench::output;
use anyhow::{Context, Result};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// All of them, by their addresses.
pub(super) struct Functions {
    all: Vec<(Range<u64>, String)>,
}

impl Functions {
    /// Reads the table of symbols.
    pub(super) fn of(executable: &Path) -> Result<Self> {
        let mut nm = Command::new("nm");
        nm.args(["--numeric-sort", "--print-size"]).arg(executable);
        let all = output(nm)?.lines().filter_map(function).collect();
        Ok(Self { all })
    }

    /// Where code is.
    pub(super) fn code(&self) -> Range<u64> {
        let start = self.all.first().map_or(0, |(range, _)| range.start);
        let end = self.all.iter().map(|(range, _)| range.end).max();
        start..end.unwrap_or(start)
    }

    /// The names of those that these addresses are in, each once, in this order.
    pub(super) fn visited(&self, addresses: &[u64]) -> Vec<&str> {
        let mut seen = HashSet::new();
        let names = addresses.iter().filter_map(|address| {
            let after = self
                .all
                .partition_point(|(range, _)| range.start <= *address);
            let (range, name) = self.all.get(after.checked_sub(1)?)?;
            range.contains(address).then_some(name.as_str())
        });
        names.filter(|name| seen.insert(*name)).collect()
    }
}

/// `ADDRESS SIZE KIND NAME`, if the kind is one of code.
fn function(line: &str) -> Option<(Range<u64>, String)> {
    let mut words = line.split(' ');
    let number = |word: Option<&str>| u64::from_str_radix(word?, 16).ok();
    let (start, size) = (number(words.next())?, number(words.next())?);
    let kind = words.next()?;
    let name = words.next()?;
    is_code(kind).then(|| (start..start + size, name.to_owned()))
}

/// Whether nm's kind of a symbol is one of functions.
fn is_code(kind: &str) -> bool {
    matches!(kind, "t" | "T" | "w" | "W" | "i")
}

/// The object of the C library that each of its functions is in, by their names.
pub(super) fn of_libc() -> Result<HashMap<String, String>> {
    let mut gcc = Command::new("gcc");
    gcc.arg("-print-file-name=libc.a");
    let archive = output(gcc)?;
    let mut nm = Command::new("nm");
    nm.args(["--print-file-name", "--defined-only"])
        .arg(archive.trim());
    // What has no symbols is said on stderr.
    let text = nm.output().context("cannot start nm")?.stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    // ARCHIVE:OBJECT:ADDRESS KIND NAME
    let one = |line: &str| {
        let (place, rest) = line.rsplit_once(':')?;
        let (_, object) = place.rsplit_once(':')?;
        let mut words = rest.split(' ').skip(1);
        let code = is_code(words.next()?);
        code.then_some((words.next()?.to_owned(), object.to_owned()))
    };
    Ok(text.lines().filter_map(one).collect())
}
