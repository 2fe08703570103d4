//! The version of the whole database, and the steps from older ones.

use crate::{Error, Write};
use redb::{Builder, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use std::path::Path;

/// The version of the database's tables written now.
///
/// Since 2 there may be a log ahead of the tables, which an older corten would not see.
pub const VERSION: u32 = 2;

const NAME: &str = "corten";
const TABLE: TableDefinition<'static, &'static str, u32> = TableDefinition::new(NAME);
const KEY: &str = "version";

/// Changes a database of one version into one of the next.
pub(crate) type Step = fn(&Write) -> Result<(), Error>;

/// The step from version `n` is at index `n - 1`.
pub(crate) const STEPS: [Step; VERSION as usize - 1] = [|_| Ok(())];

/// Refuses a newer database before anything is written to it. What cannot be read without a
/// repair is judged after that, by [`settle`].
pub(crate) fn look(path: &Path, builder: &Builder, steps: &[Step]) -> Result<(), Error> {
    let found = builder.open_read_only(path).ok().and_then(|database| {
        let read = database.begin_read().ok()?;
        let table = read.open_table(TABLE).ok()?;
        let version = table.get(KEY).ok()??;
        Some(version.value())
    });
    match found {
        Some(found) => refuse_newer(path, found, known(steps)),
        None => Ok(()),
    }
}

fn known(steps: &[Step]) -> u32 {
    u32::try_from(steps.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

fn refuse_newer(path: &Path, found: u32, known: u32) -> Result<(), Error> {
    match found > known {
        true => Err(Error::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        false => Ok(()),
    }
}

/// Writes the version of a new database, or brings an older one to the version after the
/// last of `steps`. Says whether anything changed.
pub(crate) fn settle(write: &Write, path: &Path, steps: &[Step]) -> Result<bool, Error> {
    let known = known(steps);
    let found = match stored(write)? {
        Some(found) => found,
        None if is_new(write)? => 0,
        None => {
            return Err(Error::Foreign {
                path: path.to_owned(),
            });
        }
    };
    refuse_newer(path, found, known)?;
    if found == known {
        return Ok(false);
    }
    if found > 0 {
        for step in steps.iter().skip(found as usize - 1) {
            step(write)?;
        }
    }
    store(write, known)?;
    Ok(true)
}

fn stored(write: &Write) -> Result<Option<u32>, Error> {
    let tables = write.0.list_tables().map_err(Error::store("list", NAME))?;
    if !tables.into_iter().any(|table| table.name() == NAME) {
        return Ok(None);
    }
    let table = write
        .0
        .open_table(TABLE)
        .map_err(Error::store("open", NAME))?;
    let found = table.get(KEY).map_err(Error::store("read", NAME))?;
    Ok(found.map(|version| version.value()))
}

fn is_new(write: &Write) -> Result<bool, Error> {
    let tables = write.0.list_tables().map_err(Error::store("list", NAME))?;
    Ok(tables.into_iter().next().is_none())
}

fn store(write: &Write, version: u32) -> Result<(), Error> {
    let mut table = write
        .0
        .open_table(TABLE)
        .map_err(Error::store("open", NAME))?;
    let stored = table.insert(KEY, version).map(drop);
    stored.map_err(Error::store("write to", NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Word(String);

    impl Record for Word {
        const TABLE: &'static str = "words";
        const VERSION: u16 = 1;
    }

    fn rename(write: &Write) -> Result<(), Error> {
        write.remove::<Word>("old")?;
        write.put("new", &Word("b".to_owned()))
    }

    fn settled(write: &Write, steps: &[Step]) -> Result<bool, Error> {
        settle(write, Path::new("db"), steps)
    }

    #[test]
    fn an_older_database_goes_through_every_step_once() {
        let store = redb::Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .unwrap();
        let write = Write(store.begin_write().unwrap());
        assert!(settled(&write, &[]).unwrap());
        write.put("old", &Word("a".to_owned())).unwrap();
        write.0.commit().unwrap();
        let write = Write(store.begin_write().unwrap());
        assert!(settled(&write, &[rename]).unwrap());
        assert_eq!(write.find::<Word>("old").unwrap(), None);
        assert_eq!(write.find("new").unwrap(), Some(Word("b".to_owned())));
        assert!(!settled(&write, &[rename]).unwrap());
        assert!(matches!(
            settled(&write, &[]),
            Err(Error::Newer {
                found: 2,
                known: 1,
                ..
            })
        ));
    }
}
