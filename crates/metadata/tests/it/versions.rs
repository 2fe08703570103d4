use crate::{Thing, thing};
use metadata::{Database, Error, VERSION};
use redb::TableDefinition;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use types::{ErrorKind, Kind};

fn set_version(path: &Path, version: u32) {
    let database = redb::Database::create(path).unwrap();
    let write = database.begin_write().unwrap();
    let definition: TableDefinition<'_, &str, u32> = TableDefinition::new("corten");
    write
        .open_table(definition)
        .unwrap()
        .insert("version", version)
        .unwrap();
    write.commit().unwrap();
}

#[test]
fn a_newer_database_is_refused_naming_both_versions_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    drop(Database::open(&path).unwrap());
    set_version(&path, VERSION + 6);
    let before = std::fs::read(&path).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        format!(
            "database {} has version {}, this corten knows versions up to {VERSION}: \
             use a newer corten",
            path.display(),
            VERSION + 6
        )
    );
    assert!(
        before == std::fs::read(&path).unwrap(),
        "the file was changed"
    );
}

#[test]
fn a_database_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    let definition: TableDefinition<'_, u32, u32> = TableDefinition::new("other");
    write.open_table(definition).unwrap();
    write.commit().unwrap();
    drop(database);
    assert!(matches!(Database::open(&path), Err(Error::Foreign { .. })));
    std::fs::write(&path, "no database at all").unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
}

#[test]
fn a_second_daemon_is_told_that_the_database_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let first = Database::open(&path).unwrap();
    assert!(matches!(Database::open(&path), Err(Error::InUse { .. })));
    drop(first);
    drop(Database::open(&path).unwrap());
}

#[test]
fn what_was_committed_is_there_after_a_reopen_and_the_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let database = Database::open(&path).unwrap();
    database.write(|write| write.put("a", &thing(1))).unwrap();
    drop(database);
    let database = Database::open(&path).unwrap();
    assert_eq!(
        database.read(|read| read.find::<Thing>("a")).unwrap(),
        Some(thing(1))
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
