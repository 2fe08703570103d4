use crate::{Thing, thing};
use metadata::{Database, Error, Record};
use serde::{Deserialize, Serialize};

/// As an older corten wrote it.
#[derive(Serialize, Deserialize)]
struct OldThing {
    name: String,
    number: u64,
}

impl Record for OldThing {
    const TABLE: &'static str = "things";
    const VERSION: u16 = 1;
}

/// As a newer corten writes it.
#[derive(Debug, Serialize, Deserialize)]
struct NewThing {}

impl Record for NewThing {
    const TABLE: &'static str = "things";
    const VERSION: u16 = 3;
}

fn open() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("db")).unwrap();
    (dir, database)
}

#[test]
fn a_failed_operation_changes_nothing() {
    let (_dir, database) = open();
    let failed: Result<(), Error> = database.write(|write| {
        write.put("a", &thing(1))?;
        write.append(types::Timestamp::now(), &"event")?;
        assert_eq!(write.find::<Thing>("a")?, Some(thing(1)));
        Err(write.put("b", &NotJson).unwrap_err())
    });
    assert!(matches!(failed, Err(Error::Encode { .. })));
    assert_eq!(database.read(|read| read.find::<Thing>("a")).unwrap(), None);
    let entries = database.read(|read| read.entries::<String>(&metadata::Span::default()));
    assert_eq!(entries.unwrap(), []);
}

/// A value that JSON has no form for.
#[derive(Deserialize)]
struct NotJson;

impl Serialize for NotJson {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no form"))
    }
}

impl Record for NotJson {
    const TABLE: &'static str = "not_json";
    const VERSION: u16 = 1;
}

#[test]
fn records_are_put_replaced_listed_and_removed() {
    let (_dir, database) = open();
    assert_eq!(database.read(metadata::Read::list::<Thing>).unwrap(), []);
    database
        .write(|write| {
            write.put("b", &thing(1))?;
            write.put("a", &thing(2))?;
            write.put("b", &thing(3))
        })
        .unwrap();
    let listed = database.read(metadata::Read::list::<Thing>).unwrap();
    assert_eq!(
        listed,
        [("a".to_owned(), thing(2)), ("b".to_owned(), thing(3))]
    );
    assert!(database.write(|write| write.remove::<Thing>("a")).unwrap());
    assert!(!database.write(|write| write.remove::<Thing>("a")).unwrap());
}

#[test]
fn an_older_record_is_upgraded_and_a_newer_one_refused() {
    let (_dir, database) = open();
    let old = OldThing {
        name: "thing 7".to_owned(),
        number: 7,
    };
    database.write(|write| write.put("old", &old)).unwrap();
    assert_eq!(
        database.read(|read| read.find("old")).unwrap(),
        Some(thing(7))
    );
    database
        .write(|write| write.put("new", &NewThing {}))
        .unwrap();
    let refused = database.read(|read| read.find::<Thing>("new")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "record new of things has version 3, this corten knows up to 2"
    );
}

#[test]
fn a_reader_sees_one_moment_and_waits_for_no_writer() {
    let (_dir, database) = open();
    database.write(|write| write.put("a", &thing(1))).unwrap();
    let read: Result<(), Error> = database.read(|read| {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| database.write(|write| write.put("a", &thing(2))));
            writer.join().unwrap()
        })?;
        assert_eq!(read.find("a")?, Some(thing(1)));
        Ok(())
    });
    read.unwrap();
    let read: Result<(), Error> = database.write(|write| {
        write.put("a", &thing(3))?;
        let seen = database.read(|read| read.find("a"))?;
        assert_eq!(seen, Some(thing(2)));
        Ok(())
    });
    read.unwrap();
}
