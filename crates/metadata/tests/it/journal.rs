use metadata::{Batch, Database, Entry, JOURNAL_BOUND, Span};
use types::Timestamp;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn sequences(database: &Database, span: Span) -> Vec<u64> {
    let entries: Vec<Entry<String>> = database.read(|read| read.entries(&span)).unwrap();
    entries.iter().map(|entry| entry.sequence).collect()
}

#[test]
fn events_are_read_by_place_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("db")).unwrap();
    let mut batch = Batch::new();
    for second in 1..=5 {
        batch
            .append(at(second), &format!("event {second}"))
            .unwrap();
    }
    assert_eq!(database.commit(batch).unwrap(), [1, 2, 3, 4, 5]);
    let span = Span::default();
    assert_eq!(sequences(&database, span), [1, 2, 3, 4, 5]);
    assert_eq!(
        sequences(
            &database,
            Span {
                after: Some(3),
                ..span
            }
        ),
        [4, 5]
    );
    assert_eq!(
        sequences(
            &database,
            Span {
                since: Some(at(4)),
                ..span
            }
        ),
        [4, 5]
    );
    assert_eq!(
        sequences(
            &database,
            Span {
                until: Some(at(2)),
                ..span
            }
        ),
        [1, 2]
    );
    assert_eq!(
        sequences(
            &database,
            Span {
                after: Some(5),
                ..span
            }
        ),
        Vec::<u64>::new()
    );
}

#[test]
fn the_journal_forgets_the_oldest_and_never_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let database = Database::open(&path).unwrap();
    for _ in 0..3 {
        let mut batch = Batch::new();
        for _ in 0..JOURNAL_BOUND / 2 {
            batch.append(at(1), &"event").unwrap();
        }
        database.commit(batch).unwrap();
    }
    let kept = sequences(&database, Span::default());
    assert_eq!(kept.len() as u64, JOURNAL_BOUND);
    assert_eq!(kept.last(), Some(&(JOURNAL_BOUND / 2 * 3)));
    drop(database);
    let database = Database::open(&path).unwrap();
    let next = database
        .write(|write| write.append(at(2), &"event"))
        .unwrap();
    assert_eq!(next, JOURNAL_BOUND / 2 * 3 + 1);
}

#[test]
fn a_damaged_entry_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("db")).unwrap();
    database.write(|write| write.append(at(1), &7)).unwrap();
    let read = database.read(|read| read.entries::<String>(&Span::default()));
    assert_eq!(
        read.unwrap_err().to_string(),
        "record 1 of journal is damaged"
    );
}
