use super::*;
use crate::Writer;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::num::{NonZeroU32, NonZeroU64};
use tempfile::TempDir;

fn config(folder: &TempDir, size: u64, files: u32) -> JsonFile {
    JsonFile {
        path: folder.path().join("log"),
        max_size: NonZeroU64::new(size),
        max_file: NonZeroU32::new(files),
        attributes: [].into(),
        exact: false,
        compress: false,
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_nanos(second * 1_000_000_000)
}

/// Writes the numbers of `lines`, each at its second; those that 3 divides to stderr.
fn write(writer: &mut Writer, lines: std::ops::Range<u64>) {
    for line in lines {
        let stream = match line % 3 {
            0 => Stream::Stderr,
            _ => Stream::Stdout,
        };
        let text = format!("{line}\n");
        writer.write(stream, text.as_bytes(), at(line)).unwrap();
    }
}

fn text(record: &Record) -> &str {
    std::str::from_utf8(&record.line).unwrap()
}

fn rest(reader: &mut Reader) -> Vec<u64> {
    let next = || reader.next_record().unwrap();
    let number = |record: Record| text(&record).trim().parse().unwrap();
    std::iter::from_fn(next).map(number).collect()
}

fn check(config: &JsonFile, query: Query, expected: impl IntoIterator<Item = u64>) {
    let mut reader = Reader::open(config, query.clone()).unwrap();
    let expected: Vec<u64> = expected.into_iter().collect();
    assert_eq!(rest(&mut reader), expected, "{query:?}");
}

#[test]
fn bytes_that_are_no_text_come_back_where_files_are_exact() {
    let lines = [
        &b"a\tb \xff\xfe x\n"[..],
        "é\n".as_bytes(),
        b"\xc3",
        b"\"\0\n",
    ];
    for exact in [true, false] {
        let folder = TempDir::new().unwrap();
        let config = JsonFile {
            exact,
            ..config(&folder, 2000, 5)
        };
        let mut writer = Writer::open(config.clone()).unwrap();
        for line in lines {
            writer.write(Stream::Stdout, line, at(1)).unwrap();
        }
        let mut reader = Reader::open(&config, Query::default()).unwrap();
        let next = || reader.next_record().unwrap();
        let read: Vec<_> = std::iter::from_fn(next).map(|r| r.line).collect();
        let other = ["a\tb \u{fffd}\u{fffd} x\n", "é\n", "\u{fffd}\"\0\n"];
        let expected = match exact {
            true => vec![lines[0].to_vec(), lines[1].to_vec(), lines[2..].concat()],
            false => other.map(|line| line.as_bytes().to_vec()).to_vec(),
        };
        assert_eq!(read, expected, "{exact}");
    }
}

#[test]
fn records_are_selected_by_stream_time_and_number_over_all_files() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 2000, 5);
    write(&mut Writer::open(config.clone()).unwrap(), 0..100);
    let all = Query::default();
    check(&config, all.clone(), 0..100);
    check(
        &config,
        Query {
            stdout: false,
            ..all.clone()
        },
        (0..100).filter(|line| line % 3 == 0),
    );
    check(
        &config,
        Query {
            since: Some(at(40)),
            until: Some(at(60)),
            ..all.clone()
        },
        40..61,
    );
    for tail in [0, 1, 7, 29, 30, 99, 100, 1000] {
        let query = Query {
            tail: Some(tail),
            ..all.clone()
        };
        check(&config, query, 100_u64.saturating_sub(tail)..100);
    }
}

#[test]
fn following_goes_on_over_rotations_and_loses_nothing() {
    for (size, files) in [(1000, 3), (0, 1)] {
        let folder = TempDir::new().unwrap();
        let config = config(&folder, size, files);
        let mut reader = Reader::open(&config, Query::default()).unwrap();
        assert_eq!(rest(&mut reader).len(), 0);
        let mut writer = Writer::open(config).unwrap();
        let mut seen = Vec::new();
        for step in 0..50 {
            // Files of about 15 records: at most two are begun between looks.
            write(&mut writer, step * 20..(step + 1) * 20);
            seen.extend(rest(&mut reader));
        }
        assert_eq!(seen, (0..1000).collect::<Vec<_>>(), "{size}");
    }
}

#[test]
fn one_file_that_is_emptied_is_read_on_from_its_beginning() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 1000, 1);
    let mut writer = Writer::open(config.clone()).unwrap();
    let mut reader = Reader::open(&config, Query::default()).unwrap();
    let mut seen = Vec::new();
    for line in 0..100 {
        write(&mut writer, line..line + 1);
        seen.extend(rest(&mut reader));
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[test]
fn half_a_record_waits_and_a_damaged_one_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 0, 1);
    let mut writer = Writer::open(config.clone()).unwrap();
    write(&mut writer, 0..1);
    let mut file = OpenOptions::new().append(true).open(&config.path).unwrap();
    file.write_all(b"{\"log\":\"x").unwrap();
    let mut reader = Reader::open(&config, Query::default()).unwrap();
    assert_eq!(rest(&mut reader), [0]);
    file.write_all(b"!\n").unwrap();
    write(&mut writer, 1..2);
    assert_eq!(rest(&mut reader), [1]);
}

#[test]
fn a_watch_reports_what_is_written_after_it_was_taken() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 0, 1);
    let mut writer = Writer::open(config.clone()).unwrap();
    let reader = Reader::open(&config, Query::default()).unwrap();
    let watch = reader.watch().unwrap();
    let readable = || {
        let mut polled = [rustix::event::PollFd::new(
            &watch,
            rustix::event::PollFlags::IN,
        )];
        let none = rustix::event::Timespec::default();
        rustix::event::poll(&mut polled, Some(&none)).unwrap() == 1
    };
    assert!(!readable());
    write(&mut writer, 0..1);
    assert!(readable());
    watch.clear().unwrap();
    assert!(!readable());
}

#[test]
fn the_short_way_reads_as_the_long_one_does() {
    let lines = [
        r#"{"log":"a b\n","stream":"stdout","time":"2026-11-22T03:06:32.12Z"}"#,
        r#"{"log":"a","stream":"stderr","time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"","stream":"stdout","time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"é\n","stream":"stdout","time":"2026-11-22T03:06:32Z"}"#,
    ];
    for line in lines {
        let short = plain(line.as_bytes()).unwrap();
        let long: Document<'_> = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&short.log, short.stream, &short.time),
            (&long.log, long.stream, &long.time)
        );
    }
    for line in [
        r#"{"log":"a\n\n","stream":"stdout","time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"a\"\n","stream":"stdout","time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"a\\n","stream":"stdout","time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"a","stream":"stdout","attrs":{"k":"v"},"time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"a","stream":"stdxyz","time":"2026-11-22T03:06:32Z"}"#,
        r#"{"log":"a","stream":"stdout","time":"2026"#,
    ] {
        assert!(plain(line.as_bytes()).is_none(), "{line}");
    }
}
