use super::*;
use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use tempfile::TempDir;

const AT: Timestamp = Timestamp::from_nanos(1_795_316_792_120_000_000);

fn config(folder: &TempDir) -> JsonFile {
    JsonFile {
        path: folder.path().join("x-json.log"),
        max_size: None,
        max_file: None,
        attributes: [].into(),
        exact: false,
        compress: false,
    }
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

/// The `log` of each record in order.
fn logs(text: &str) -> Vec<String> {
    let log = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["log"].clone();
    text.lines()
        .map(|line| log(line).as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_line_is_one_record_to_the_byte() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder);
    let mut writer = Writer::open(config.clone()).unwrap();
    writer.write(Stream::Stdout, b"one\ntw", AT).unwrap();
    writer.write(Stream::Stderr, b"e\n", AT).unwrap();
    writer.write(Stream::Stdout, b"o\nthree", AT).unwrap();
    writer.finish(Stream::Stdout, AT).unwrap();
    writer.finish(Stream::Stderr, AT).unwrap();
    let time = "2026-11-22T03:06:32.12Z";
    assert_eq!(
        text(config.path),
        [
            ("one\\n", "stdout"),
            ("e\\n", "stderr"),
            ("two\\n", "stdout"),
            ("three", "stdout")
        ]
        .map(|(log, stream)| format!(
            "{{\"log\":\"{log}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n"
        ))
        .concat()
    );
}

#[test]
fn attributes_stand_before_the_time() {
    let folder = TempDir::new().unwrap();
    let mut config = config(&folder);
    config.attributes = [("b".into(), "1".into()), ("a".into(), "<".into())].into();
    let mut writer = Writer::open(config.clone()).unwrap();
    writer.write(Stream::Stdout, b"x\n", AT).unwrap();
    assert!(text(config.path).starts_with(
        "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"<\",\"b\":\"1\"},\"time\":"
    ));
}

#[test]
fn a_long_line_is_cut_into_pieces_of_16_kib_and_never_in_a_character() {
    for reads in [1, 1000, 16 << 10, 1 << 20] {
        let folder = TempDir::new().unwrap();
        let config = config(&folder);
        let mut writer = Writer::open(config.clone()).unwrap();
        let mut line = vec![b'x'; PIECE];
        line.extend("é".repeat(PIECE).as_bytes());
        line.insert(0, b'-');
        line.push(b'\n');
        for part in line.chunks(reads) {
            writer.write(Stream::Stdout, part, AT).unwrap();
        }
        let logs = logs(&text(config.path));
        assert_eq!(logs.concat().as_bytes(), line, "{reads}");
        let lengths: Vec<_> = logs.iter().map(String::len).collect();
        assert_eq!(lengths, [PIECE, PIECE - 1, PIECE, 3], "{reads}");
    }
}

#[test]
fn bytes_that_are_no_text_come_through_in_bounded_pieces() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder);
    let mut writer = Writer::open(config.clone()).unwrap();
    for byte in [0xff_u8, 0x80, 0xf0] {
        writer
            .write(Stream::Stdout, &vec![byte; 3 * PIECE], AT)
            .unwrap();
    }
    writer.finish(Stream::Stdout, AT).unwrap();
    let characters = logs(&text(config.path)).concat().chars().count();
    assert_eq!(characters, 9 * PIECE);
}

#[test]
fn files_move_up_once_the_bound_is_reached_and_the_oldest_goes() {
    let folder = TempDir::new().unwrap();
    let mut config = config(&folder);
    config.max_size = NonZeroU64::new(130);
    config.max_file = NonZeroU32::new(3);
    let mut writer = Writer::open(config.clone()).unwrap();
    for line in 0..9 {
        let line = format!("{line}\n");
        writer.write(Stream::Stdout, line.as_bytes(), AT).unwrap();
    }
    // A record has 68 bytes: two reach the bound.
    let path = |end| folder.path().join(format!("x-json.log{end}"));
    assert_eq!(logs(&text(path(""))), ["8\n"]);
    assert_eq!(logs(&text(path(".1"))), ["6\n", "7\n"]);
    assert_eq!(logs(&text(path(".2"))), ["4\n", "5\n"]);
    assert!(!path(".3").exists());
}

#[test]
fn one_file_alone_is_emptied() {
    let folder = TempDir::new().unwrap();
    let mut config = config(&folder);
    config.max_size = NonZeroU64::new(100);
    let mut writer = Writer::open(config.clone()).unwrap();
    writer.write(Stream::Stdout, b"1\n2\n3\n", AT).unwrap();
    assert_eq!(logs(&text(config.path)), ["3\n"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_log_opened_again_is_appended_to() {
    let folder = TempDir::new().unwrap();
    for line in ["1\n", "2\n"] {
        let mut writer = Writer::open(config(&folder)).unwrap();
        writer.write(Stream::Stdout, line.as_bytes(), AT).unwrap();
    }
    assert_eq!(logs(&text(config(&folder).path)), ["1\n", "2\n"]);
}
