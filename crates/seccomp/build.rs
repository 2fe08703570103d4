//! Turns `data/syscalls.tsv` into tables that need no relocation and no parsing at run time.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Slots of the hash table: a power of two, more than twice the names.
const SLOTS: usize = 2048;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=data/syscalls.tsv");
    let text = fs::read_to_string("data/syscalls.tsv")?;
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let columns: Vec<&str> = lines
        .next()
        .ok_or("no header")?
        .split('\t')
        .skip(1)
        .collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();

    let mut names = String::new();
    let mut ends = vec![0_usize];
    let mut slots = vec![usize::from(u16::MAX); SLOTS];
    for (row, fields) in rows.iter().enumerate() {
        names.push_str(fields[0]);
        ends.push(names.len());
        let mut slot = usize::try_from(hash(fields[0]))? % SLOTS;
        while slots[slot] != usize::from(u16::MAX) {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = row;
    }

    let mut out = String::new();
    writeln!(out, "const SLOTS: usize = {SLOTS};")?;
    writeln!(out, "static NAMES: &str = {names:?};")?;
    writeln!(out, "static ENDS: [u16; {}] = {ends:?};", ends.len())?;
    writeln!(out, "static SLOT_ROWS: [u16; SLOTS] = {slots:?};")?;
    writeln!(
        out,
        "static NUMBERS: [[i32; {}]; {}] = [",
        rows.len(),
        columns.len()
    )?;
    for column in 1..=columns.len() {
        let numbers: Result<Vec<i32>, _> = rows
            .iter()
            .map(|row| {
                if row[column] == "-" {
                    Ok(-1)
                } else {
                    row[column].parse()
                }
            })
            .collect();
        writeln!(out, "    {:?},", numbers?)?;
    }
    writeln!(out, "];")?;
    writeln!(out, "/// A column of the table.")?;
    writeln!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq)]")?;
    writeln!(out, "pub(crate) enum Column {{")?;
    for column in columns {
        let (first, rest) = column.split_at(1);
        writeln!(out, "    {}{rest},", first.to_uppercase())?;
    }
    writeln!(out, "}}")?;
    let target = Path::new(&env::var("OUT_DIR")?).join("syscalls.rs");
    fs::write(target, out)?;
    Ok(())
}

/// FNV-1a, as in `src/syscalls.rs`.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
