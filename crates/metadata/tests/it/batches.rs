use crate::backend::Disk;
use crate::{Thing, thing};
use metadata::{Batch, Database};
use std::sync::Barrier;
use types::{ErrorKind, Kind};

fn put(count: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(&count.to_string(), &thing(count)).unwrap();
    batch
}

fn find(database: &Database, key: &str) -> Option<Thing> {
    database.read(|read| read.find(key)).unwrap()
}

#[test]
fn a_commit_is_one_sync() {
    let disk = Disk::default();
    let database = Database::with_backend(disk.clone()).unwrap();
    let before = disk.syncs();
    for count in 0..10 {
        database.commit(put(count)).unwrap();
    }
    assert_eq!(disk.syncs() - before, 10);
}

#[test]
fn commits_of_the_same_moment_share_their_sync() {
    let disk = Disk::default();
    let database = Database::with_backend(disk.clone()).unwrap();
    let before = disk.syncs();
    let barrier = Barrier::new(17);
    std::thread::scope(|scope| {
        for count in 0..16 {
            let (barrier, database) = (&barrier, &database);
            scope.spawn(move || {
                barrier.wait();
                database.commit(put(count)).unwrap();
            });
        }
        // While the turn is held, all sixteen queue up.
        let held = database.write(|_| {
            barrier.wait();
            std::thread::sleep(std::time::Duration::from_millis(100));
            Ok::<_, metadata::Error>(())
        });
        held.unwrap();
    });
    let syncs = disk.syncs() - before;
    assert!(syncs <= 3, "{syncs} syncs for 17 commits");
    for count in 0..16 {
        assert_eq!(find(&database, &count.to_string()), Some(thing(count)));
    }
}

#[test]
fn a_deferred_change_goes_with_the_next_commit_and_with_the_end() {
    let disk = Disk::default();
    let database = Database::with_backend(disk.clone()).unwrap();
    let before = disk.syncs();
    database.defer(put(1));
    assert_eq!((find(&database, "1"), disk.syncs()), (None, before));
    database.commit(put(2)).unwrap();
    assert_eq!(find(&database, "1"), Some(thing(1)));
    assert_eq!(disk.syncs() - before, 1);
    database.defer(put(3));
    drop(database);
    let again = Database::with_backend(Disk::after(&disk.log())).unwrap();
    assert_eq!(find(&again, "3"), Some(thing(3)));
}

#[test]
fn a_commit_to_a_full_disk_fails_and_the_next_to_a_freed_one_succeeds() {
    let disk = Disk::default();
    let database = Database::with_backend(disk.clone()).unwrap();
    database.commit(put(1)).unwrap();
    disk.set_full(true);
    let error = database.commit(put(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    disk.set_full(false);
    assert_eq!(find(&database, "1"), Some(thing(1)));
    database.commit(put(3)).unwrap();
    assert_eq!(find(&database, "2"), None);
    assert_eq!(find(&database, "3"), Some(thing(3)));
}
