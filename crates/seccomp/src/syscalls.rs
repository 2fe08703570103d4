//! System call numbers by name and architecture, from `data/syscalls.tsv`.

include!(concat!(env!("OUT_DIR"), "/syscalls.rs"));

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row(u16);

/// Finds a call on any architecture.
pub(crate) fn find(name: &str) -> Option<Row> {
    let mut slot = hash(name) as usize % SLOTS;
    loop {
        let row = SLOT_ROWS[slot];
        if row == u16::MAX {
            return None;
        }
        if self::name(Row(row)) == name {
            return Some(Row(row));
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The call's number in a column, without the architecture's base.
pub(crate) fn number(row: Row, column: Column) -> Option<u32> {
    u32::try_from(NUMBERS[column as usize][usize::from(row.0)]).ok()
}

/// The call's name.
pub(crate) fn name(row: Row) -> &'static str {
    let row = usize::from(row.0);
    &NAMES[usize::from(ENDS[row])..usize::from(ENDS[row + 1])]
}

/// FNV-1a, as in `build.rs`.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_calls_have_their_numbers() {
        let check = |name: &str, column, expected| {
            assert_eq!(
                find(name).and_then(|row| number(row, column)),
                expected,
                "{name}"
            );
        };
        check("read", Column::X86_64, Some(0));
        check("execve", Column::X86_64, Some(59));
        check("execve", Column::X86, Some(11));
        check("rt_sigaction", Column::X32, Some(512));
        check("openat2", Column::Aarch64, Some(437));
        check("open", Column::Aarch64, None);
        check("no_such_call", Column::X86_64, None);
    }

    #[test]
    fn every_name_is_found() {
        for row in 0..u16::try_from(ENDS.len() - 1).unwrap() {
            assert_eq!(find(name(Row(row))), Some(Row(row)));
        }
    }
}
