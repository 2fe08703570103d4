//! The linker script of an executable: its hot functions in an output section of their own.

use super::functions::of_libc;
use crate::build;
use anyhow::{Context, Result};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Writes `bin/NAME/hot.ld` for functions in this order.
pub(super) fn write(name: &str, functions: &[&str]) -> Result<()> {
    let libc = of_libc()?;
    let mut seen = HashSet::new();
    let sections = functions.iter().filter_map(|function| {
        let mangled = pattern(function).map(|pattern| format!("*(.text.{pattern})"));
        let object = || libc.get(*function);
        mangled.or_else(|| Some(format!("*libc.a:{}(.text .text.*)", object()?)))
    });
    let sections: Vec<_> = sections.filter(|one| seen.insert(one.clone())).collect();
    let path = build::root().join("bin").join(name).join("hot.ld");
    let text = text(name, &sections)?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}: {} functions", path.display(), sections.len());
    Ok(())
}

fn text(name: &str, sections: &[String]) -> Result<String> {
    let mut text = format!(
        "/* What the starts of {name} go through, side by side. Made by `cargo xtask hot`. */\n\
         SECTIONS\n{{\n  .text.hot :\n  {{\n"
    );
    for section in sections {
        writeln!(text, "    {section}")?;
    }
    text.push_str("  }\n}\nINSERT BEFORE .text;\n");
    Ok(text)
}

/// A pattern for a function's name in any build: crates are disambiguated by hashes, `Cs…_`, which
/// differ, and what refers back to a part of the name, `B…_`, depends on their lengths. `None` if
/// it is not Rust's (v0 of its mangling).
fn pattern(name: &str) -> Option<String> {
    let rest = name.strip_prefix("_R")?;
    let mut pattern = String::from("_R");
    let mut left = rest;
    while let Some(first) = left.chars().next() {
        let hash = left.strip_prefix("Cs").map(|after| ("C", after));
        let hash = hash.or_else(|| left.strip_prefix('B').map(|after| ("B", after)));
        let end = hash.and_then(|(kind, after)| {
            let length = after.find(|c: char| !c.is_ascii_alphanumeric())?;
            let after = after.get(length..)?.strip_prefix('_')?;
            Some((kind, after))
        });
        match end {
            Some((kind, after)) => {
                pattern.push_str(kind);
                pattern.push_str("*_");
                left = after;
            }
            None => {
                pattern.push(first);
                left = left.get(first.len_utf8()..)?;
            }
        }
    }
    Some(pattern)
}
