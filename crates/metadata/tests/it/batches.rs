use crate::backend::{Disk, Fault, File, Operation};
use crate::{Thing, thing};
use metadata::{Batch, Database, Error, Span};
use std::time::Duration;
use types::{ErrorKind, Kind, Timestamp};

/// More than the log holds at once.
const LONG: usize = 600 << 10;

fn put(count: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(&count.to_string(), &thing(count)).unwrap();
    batch.append(Timestamp::now(), &count).unwrap();
    batch
}

/// A batch of which the log holds fifty or so.
fn put_long(count: u64, length: usize) -> Batch {
    let mut batch = Batch::new();
    let name = "n".repeat(length);
    batch
        .put(&count.to_string(), &Thing { name, count })
        .unwrap();
    batch
}

fn find(database: &Database, key: &str) -> Option<Thing> {
    database.read(|read| read.find(key)).unwrap()
}

fn keys(database: &Database) -> Vec<String> {
    let listed = database.read(metadata::Read::list::<Thing>).unwrap();
    listed.into_iter().map(|(key, _)| key).collect()
}

fn events(database: &Database) -> Vec<u64> {
    let entries = database.read(|read| read.entries::<u64>(&Span::default()));
    let entries = entries.unwrap().into_iter();
    entries.map(|entry| entry.event).collect()
}

#[test]
fn a_commit_is_one_sync() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    let before = disk.syncs();
    for count in 0..10 {
        database.commit(put(count)).unwrap();
    }
    assert_eq!(disk.syncs() - before, 10);
}

#[test]
fn commits_of_the_same_moment_share_their_sync() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    let before = disk.syncs();
    disk.set_slowness(Duration::from_millis(100));
    std::thread::scope(|scope| {
        for count in 0..16 {
            let database = &database;
            scope.spawn(move || database.commit(put(count)).unwrap());
        }
    });
    let syncs = disk.syncs() - before;
    assert!(syncs <= 4, "{syncs} syncs for 16 commits");
    for count in 0..16 {
        assert_eq!(find(&database, &count.to_string()), Some(thing(count)));
    }
}

#[test]
fn what_is_appended_is_seen_at_once_outlives_a_kill_and_is_synced_when_asked() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    let before = disk.syncs();
    assert_eq!(database.append(put(1)).unwrap(), [1]);
    assert_eq!(database.append(put(2)).unwrap(), [2]);
    assert_eq!(find(&database, "1"), Some(thing(1)));
    assert_eq!(disk.syncs(), before);
    let again = Disk::after(&disk.done()).open().unwrap();
    assert_eq!(
        (keys(&again), events(&again)),
        (keys(&database), vec![1, 2])
    );
    database.sync().unwrap();
    database.sync().unwrap();
    assert_eq!(disk.syncs() - before, 1);
}

#[test]
fn who_waits_for_what_was_appended_until_then_waits_for_nothing_later() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.append(put(1)).unwrap();
    let first = database.mark();
    assert!(!database.is_synced_to(first));
    database.sync_to(first).unwrap();
    database.append(put(2)).unwrap();
    let before = disk.syncs();
    assert!(database.is_synced_to(first));
    assert!(!database.is_synced_to(database.mark()));
    database.sync_to(first).unwrap();
    assert_eq!(disk.syncs(), before);
    database.sync_to(database.mark()).unwrap();
    assert_eq!(disk.syncs(), before + 1);
}

#[test]
fn readers_see_what_is_only_in_the_log_over_the_tables() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    for count in [1, 2, 3] {
        database.commit(put(count)).unwrap();
    }
    drop(database);
    let database = disk.open().unwrap();
    let mut batch = put(2);
    batch.put("2", &thing(20)).unwrap();
    batch.remove::<Thing>("1");
    batch.append(Timestamp::now(), &4).unwrap();
    assert_eq!(database.append(batch).unwrap(), [4, 5]);
    assert_eq!(keys(&database), ["2", "3"]);
    assert_eq!(find(&database, "1"), None);
    assert_eq!(find(&database, "2"), Some(thing(20)));
    assert_eq!(events(&database), [1, 2, 3, 2, 4]);
    let after = Span {
        after: Some(4),
        ..Span::default()
    };
    let late = database.read(|read| read.entries::<u64>(&after)).unwrap();
    assert_eq!(late.len(), 1);
}

#[test]
fn a_transaction_sees_what_is_only_in_the_log_and_takes_it_along() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.append(put(1)).unwrap();
    let seen = database.write::<_, Error>(|write| {
        write.put("1", &thing(10))?;
        write.append(Timestamp::now(), &7_u64)?;
        write.list::<Thing>()
    });
    assert_eq!(seen.unwrap().len(), 1);
    assert_eq!(find(&database, "1"), Some(thing(10)));
    assert_eq!(database.append(put(3)).unwrap(), [3]);
    assert_eq!(events(&database), [1, 7, 3]);
    let refused = database.write::<(), _>(|write| {
        write.remove::<Thing>("3")?;
        Err(Error::interrupted("no"))
    });
    refused.unwrap_err();
    for database in [&database, &Disk::after(&disk.done()).open().unwrap()] {
        assert_eq!(keys(database), ["1", "3"]);
        assert_eq!(events(database), [1, 7, 3]);
    }
}

#[test]
fn the_log_goes_into_the_tables_when_it_is_full_and_starts_over() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    for count in 0..200 {
        database.commit(put_long(count, 10 << 10)).unwrap();
    }
    database.commit(put_long(1000, LONG)).unwrap();
    database.append(put(1001)).unwrap();
    for database in [&database, &Disk::after(&disk.done()).open().unwrap()] {
        assert_eq!(keys(database).len(), 202);
        assert_eq!(find(database, "1000").unwrap().name.len(), LONG);
    }
}

#[test]
fn a_checkpoint_is_made_only_when_there_is_much_to_bring_in() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.commit(put(1)).unwrap();
    let before = disk.syncs();
    database.checkpoint().unwrap();
    assert_eq!(disk.syncs(), before);
    for count in 0..30 {
        database.append(put_long(count, 10 << 10)).unwrap();
    }
    database.checkpoint().unwrap();
    assert!(disk.syncs() > before);
    let before = disk.syncs();
    // Nothing is left to sync.
    database.sync().unwrap();
    assert_eq!(disk.syncs(), before);
    assert_eq!(keys(&database).len(), 30);
}

#[test]
fn a_commit_to_a_full_disk_fails_and_the_next_to_a_freed_one_succeeds() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    disk.set_fault(Fault::FullTables);
    // The log has its space already.
    database.commit(put(1)).unwrap();
    let error = database.commit(put_long(2, LONG)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    disk.set_fault(Fault::None);
    assert_eq!(find(&database, "1"), Some(thing(1)));
    database.commit(put(3)).unwrap();
    for database in [&database, &Disk::after(&disk.done()).open().unwrap()] {
        assert_eq!(keys(database), ["1", "3"]);
    }
}

#[test]
fn a_disk_too_full_for_a_log_has_a_database_without_one() {
    let disk = Disk::default();
    drop(disk.open().unwrap());
    let of_log = |operation: &Operation| {
        matches!(
            operation,
            Operation::Write(File::Log, ..) | Operation::Length(File::Log, _)
        )
    };
    let tables = disk.done().into_iter().filter(|o| !of_log(o));
    let mut done: Vec<_> = tables.collect();
    let disk = Disk::after(&done);
    disk.set_fault(Fault::Full);
    let database = disk.open().unwrap();
    disk.set_fault(Fault::FullTables);
    database.commit(put(1)).unwrap_err();
    disk.set_fault(Fault::None);
    database.commit(put(2)).unwrap();
    database.append(put(3)).unwrap();
    done.extend(disk.done());
    for database in [&database, &Disk::after(&done).open().unwrap()] {
        assert_eq!(keys(database), ["2", "3"]);
    }
}

#[test]
fn what_could_not_be_made_durable_is_taken_back() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.commit(put(1)).unwrap();
    database.append(put(2)).unwrap();
    disk.set_fault(Fault::Broken);
    let error = database.commit(put(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    database.append(put(4)).unwrap_err();
    assert_eq!(keys(&database), ["1", "2"], "readers go on");
    disk.set_fault(Fault::None);
    assert_eq!(keys(&database), ["1", "2"]);
    database.commit(put(5)).unwrap();
    for database in [&database, &Disk::after(&disk.done()).open().unwrap()] {
        assert_eq!(keys(database), ["1", "2", "5"]);
    }
}

#[test]
fn readers_go_on_while_a_disk_takes_nothing() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.commit(put(1)).unwrap();
    disk.set_fault(Fault::Broken);
    // Into the tables, which redb gives up by that.
    database.commit(put_long(2, LONG)).unwrap_err();
    database.commit(put_long(3, LONG)).unwrap_err();
    assert_eq!(find(&database, "1"), Some(thing(1)));
    assert_eq!(keys(&database), ["1"]);
    disk.set_fault(Fault::None);
    assert_eq!(keys(&database), ["1"]);
    database.commit(put(4)).unwrap();
    for database in [&database, &Disk::after(&disk.done()).open().unwrap()] {
        assert_eq!(keys(database), ["1", "4"]);
    }
}

#[test]
fn a_failed_sync_alone_is_made_good_through_the_tables_or_taken_back() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.commit(put(1)).unwrap();
    disk.set_slowness(Duration::from_millis(50));
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| database.commit(put(2)));
        std::thread::sleep(Duration::from_millis(20));
        disk.set_fault(Fault::Broken);
        // This one is in the log when the sync of the first ends, if it is not refused.
        let refused = database.commit(put(3));
        refused.unwrap_err();
        drop(committing.join().unwrap());
    });
    disk.set_fault(Fault::None);
    database.commit(put(4)).unwrap();
    let found = keys(&database);
    assert!(!found.contains(&"3".to_owned()), "{found:?}");
    let again = Disk::after(&disk.done()).open().unwrap();
    assert_eq!(keys(&again), found);
}

#[test]
fn what_could_not_be_synced_leaves_the_place_alone_that_another_has_now() {
    for _ in 0..20 {
        let disk = Disk::default();
        let database = disk.open().unwrap();
        disk.set_slowness(Duration::from_millis(30));
        std::thread::scope(|scope| {
            let committing = scope.spawn(|| database.commit(put(1)));
            std::thread::sleep(Duration::from_millis(10));
            disk.set_fault(Fault::LogSync);
            disk.set_slowness(Duration::ZERO);
            // It brings the first one into the tables; the next one gets its place.
            database
                .write::<_, Error>(|write| write.put("2", &thing(2)))
                .unwrap();
            database.append(put(3)).unwrap();
            disk.set_fault(Fault::Broken);
            committing.join().unwrap().unwrap();
        });
        disk.set_fault(Fault::None);
        for database in [&database, &Disk::after(&disk.done()).open().unwrap()] {
            assert_eq!(keys(database), ["1", "2", "3"]);
        }
    }
}

#[test]
fn readers_see_one_commits_state_while_the_log_goes_into_the_tables() {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    database.append(put_long(0, 10)).unwrap();
    let (database, done) = (&database, &std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let things = database.read(metadata::Read::list::<Thing>).unwrap();
                let counts: Vec<u64> = things.iter().map(|(_, thing)| thing.count).collect();
                // Both are always written together, and never go back.
                assert!(
                    counts.windows(2).all(|pair| pair[0] == pair[1]),
                    "{counts:?}"
                );
                assert!(counts[0] >= last);
                last = counts[0];
            }
        });
        for count in 1..400 {
            let (a, b) = (thing(count), thing(count));
            if count % 7 == 0 {
                let written = database.write::<_, Error>(|write| {
                    write.put("0", &a)?;
                    write.put("1", &b)
                });
                written.unwrap();
            } else {
                let mut batch = Batch::new();
                batch.put("0", &a).unwrap();
                batch.put("1", &b).unwrap();
                database.append(batch).unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}
