use crate::Thing;
use crate::backend::{Disk, Operation};
use metadata::{Batch, Database, Error, Span};
use types::Timestamp;

const STEPS: u64 = 40;
/// So that the log starts over a few times.
const LENGTH: usize = 40 << 10;

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

/// How long the disk's history was when a step was answered, and how many steps a loss of
/// power may not take from then on.
struct Answered {
    at: usize,
    durable: u64,
}

fn named(count: u64) -> Thing {
    let name = "n".repeat(LENGTH);
    Thing { name, count }
}

/// Stores step `count` in one of the ways; says whether it is durable.
fn step(database: &Database, count: u64) -> bool {
    let key = format!("{count:03}");
    let old = (count % 3 == 2).then(|| format!("{:03}", count - 2));
    if count % 10 == 9 {
        let written = database.write::<_, Error>(|write| {
            write.put(&key, &named(count))?;
            write.append(Timestamp::now(), &count)?;
            old.as_ref()
                .map(|old| write.remove::<Thing>(old))
                .transpose()
        });
        written.unwrap();
        return true;
    }
    let mut batch = Batch::new();
    batch.put(&key, &named(count)).unwrap();
    batch.append(Timestamp::now(), &count).unwrap();
    if let Some(old) = old {
        batch.remove::<Thing>(&old);
    }
    match count % 4 {
        3 => database.append(batch).unwrap(),
        _ => database.commit(batch).unwrap(),
    };
    count % 4 != 3
}

/// Commits records and events in every way; gives the disk's history, and when each step was
/// answered.
fn history() -> (Vec<Operation>, Vec<Answered>) {
    let disk = Disk::default();
    let database = disk.open().unwrap();
    let mut answered = vec![Answered {
        at: disk.done().len(),
        durable: 0,
    }];
    for count in 0..STEPS {
        let durable = match step(&database, count) {
            true => count + 1,
            false => answered.last().unwrap().durable,
        };
        let at = disk.done().len();
        answered.push(Answered { at, durable });
    }
    // No orderly end: the history is the crash.
    (disk.done(), answered)
}

/// The database holds the first steps, at least `least` and at most `most`, whole.
fn check(operations: &[Operation], (least, most): (u64, u64), what: &str) {
    let database = Disk::after(operations).open();
    let database = database.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let events = database.read(|read| read.entries::<u64>(&Span::default()));
    let events: Vec<u64> = events.unwrap().iter().map(|entry| entry.event).collect();
    let last = events.len() as u64;
    assert_eq!(events, (0..last).collect::<Vec<_>>(), "{what}");
    assert!(
        least <= last && last <= most,
        "{what}: {last}, not {least} to {most}"
    );
    let things = database.read(metadata::Read::list::<Thing>).unwrap();
    let keys: Vec<u64> = things.into_iter().map(|(_, thing)| thing.count).collect();
    let expected: Vec<u64> = (0..last).filter(|n| n % 3 != 0 || n + 2 >= last).collect();
    assert_eq!(keys, expected, "{what}");
    step(&database, last);
}

/// What a loss of power leaves of `operations` behind the last sync: some writes, one in part.
fn torn(operations: &[Operation], random: &mut Random) -> Vec<Operation> {
    let synced = |file| {
        let last = operations.iter().rposition(|o| match o {
            Operation::Sync(synced) => *synced == file,
            _ => false,
        });
        last.map_or(0, |n| n + 1)
    };
    let mut left = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        match operation {
            Operation::Write(file, offset, data) if index >= synced(*file) => {
                let length = match random.next() % 3 {
                    0 => 0,
                    1 => data.len(),
                    _ => usize::try_from(random.next()).unwrap_or(0) % (data.len() + 1),
                };
                let data = data.get(..length).unwrap().to_vec();
                left.push(Operation::Write(*file, *offset, data));
            }
            other => left.push(other.clone()),
        }
    }
    left
}

#[test]
fn a_crash_at_any_point_loses_nothing_that_is_promised_and_leaves_no_half() {
    let (done, answered) = history();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for cut in answered[0].at..=done.len() {
        let steps = answered.iter().take_while(|step| step.at <= cut);
        let (steps, durable) = steps.fold((0, 0), |(n, _), step| (n + 1, step.durable));
        let steps = steps - 1;
        // A kill takes nothing that was answered; the step under way may have got through.
        check(
            &done[..cut],
            (steps, steps + 1),
            &format!("a kill at {cut}"),
        );
        for round in 0..3 {
            let left = torn(&done[..cut], &mut random);
            let what = format!("round {round} of a loss of power at {cut}");
            check(&left, (durable, steps + 1), &what);
        }
    }
}
