use crate::backend::{Disk, Operation};
use crate::{Thing, thing};
use metadata::{Batch, Database, Span};
use types::Timestamp;

const COMMITS: u64 = 24;

/// Small, repeatable, good enough to pick writes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Commits records and events; gives the disk's log, and its length after each commit.
fn history() -> (Vec<Operation>, Vec<usize>) {
    let disk = Disk::default();
    let database = Database::with_backend(disk.clone()).unwrap();
    let mut ends = vec![disk.log().len()];
    for count in 0..COMMITS {
        let mut batch = Batch::new();
        batch.put(&format!("{count:03}"), &thing(count)).unwrap();
        batch.append(Timestamp::now(), &count).unwrap();
        if count % 3 == 2 {
            batch.remove::<Thing>(&format!("{:03}", count - 2));
        }
        database.commit(batch).unwrap();
        ends.push(disk.log().len());
    }
    // No orderly end: the log is the crash.
    (disk.log(), ends)
}

fn check(operations: &[Operation], committed: u64, what: &str) {
    let database = Database::with_backend(Disk::after(operations));
    let database = database.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let events = database
        .read(|read| read.entries::<u64>(&Span::default()))
        .unwrap();
    let last = events.last().map_or(0, |entry| entry.event + 1);
    // The commit under way may have got through, whole.
    assert!(
        last == committed || last == committed + 1,
        "{what}: {last} of {committed}"
    );
    let keys: Vec<u64> = database
        .read(metadata::Read::list::<Thing>)
        .unwrap()
        .into_iter()
        .map(|(_, thing)| thing.count)
        .collect();
    let expected: Vec<u64> = (0..last).filter(|n| n % 3 != 0 || n + 2 >= last).collect();
    assert_eq!(keys, expected, "{what}");
    database.commit(Batch::new()).unwrap();
}

#[test]
fn a_crash_at_any_point_loses_no_commit_and_leaves_no_half() {
    let (log, ends) = history();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for cut in ends[0]..=log.len() {
        let committed = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        check(&log[..cut], committed, &format!("all until {cut}"));
        // What was not synced may be on disk in part.
        let synced = log[..cut]
            .iter()
            .rposition(|o| matches!(o, Operation::Sync))
            .map_or(0, |n| n + 1);
        for round in 0..4 {
            let mut operations = log[..synced].to_vec();
            let kept = log[synced..cut].iter().filter(|operation| {
                matches!(operation, Operation::Length(_)) || random.next().is_multiple_of(2)
            });
            operations.extend(kept.cloned());
            check(
                &operations,
                committed,
                &format!("part {round} of {synced}..{cut}"),
            );
        }
    }
}
