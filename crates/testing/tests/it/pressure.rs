//! Many clients, and clients that are slow, silent or endless: others are answered, and memory
//! stays bounded.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use testing::{PATIENCE, TestHost};

/// Clients at once.
const CLIENTS: usize = 1000;
/// What the daemon may hold at most in the build for tests, in kilobytes.
const MOST: u64 = 160 << 10;

fn connect(host: &TestHost) -> UnixStream {
    let stream = UnixStream::connect(&host.paths().socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// This process may have so many files open.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: now.maximum,
        ..now
    };
    setrlimit(Resource::Nofile, wanted).expect("up to the hard limit");
}

fn resident(host: &TestHost) -> u64 {
    let status = format!("/proc/{}/status", host.daemon_pid().unwrap());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn files(host: &TestHost) -> usize {
    let files = format!("/proc/{}/fd", host.daemon_pid().unwrap());
    std::fs::read_dir(files).unwrap().count()
}

fn status(stream: &mut UnixStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).unwrap() > 0 {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).trim().to_owned()
}

#[test]
fn a_thousand_clients_at_once_are_answered_and_leave_nothing() {
    let host = TestHost::start();
    allow_files();
    host.run_detached(&[
        "--network",
        "none",
        "--name",
        "one",
        "busybox",
        "sleep",
        "600",
    ]);
    let before = files(&host);
    let mut asking: Vec<_> = (0..CLIENTS).map(|_| connect(&host)).collect();
    for (number, stream) in asking.iter_mut().enumerate() {
        let request = match number % 4 {
            0 => "GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n",
            1 => "GET /containers/one/json HTTP/1.1\r\nHost: d\r\n\r\n",
            2 => {
                "POST /containers/one/exec HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"Cmd\":[\"true\"]}"
            }
            // It stops in the middle.
            _ => "GET /containers/json HTTP/1.1\r\nHo",
        };
        stream.write_all(request.as_bytes()).unwrap();
    }
    for (number, stream) in asking.iter_mut().enumerate() {
        let expected = match number % 4 {
            0 | 1 => "HTTP/1.1 200 OK",
            2 => "HTTP/1.1 201 Created",
            _ => continue,
        };
        assert_eq!(status(stream), expected, "{number}");
    }
    // While all of them are there, and a quarter of them says no more, work goes on.
    host.cli(&["exec", "one", "true"]).success();
    host.cli(&["run", "--rm", "--network", "none", "busybox", "true"])
        .success();
    let held = resident(&host);
    assert!(held < MOST, "{held} kB");
    drop(asking);
    host.until("their descriptors are given back", |host| {
        files(host) <= before + 8
    });
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_held() {
    let host = TestHost::start();
    let refused = |head: &str, piece: &[u8], pieces: usize| {
        let mut stream = connect(&host);
        let request = format!(
            "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        for _ in 0..pieces {
            match stream.write_all(piece) {
                Ok(()) => {}
                // It has been told and cut off.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                    ) =>
                {
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        status(&mut stream)
    };
    let before = resident(&host);
    let text = vec![b' '; 1 << 20];
    let length = format!("Content-Length: {}", 1_u64 << 40);
    let said = refused(&length, &text, 64);
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");
    let mut chunk = b"100000\r\n".to_vec();
    chunk.extend(&text);
    chunk.extend(b"\r\n");
    let said = refused("Transfer-Encoding: chunked", &chunk, 64);
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");
    let grown = resident(&host).saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} kB");
    host.cli(&["run", "--rm", "--network", "none", "busybox", "true"])
        .success();
}

/// A container that writes 30 MB and ends.
const TALKATIVE: [&str; 10] = [
    "--network",
    "none",
    "--name",
    "one",
    "--log-opt",
    "max-size=1g",
    "busybox",
    "sh",
    "-c",
    "yes 0123456789012345678901234567890123456789 | head -c 30000000",
];

#[test]
fn clients_that_do_not_read_hold_up_nobody() {
    let host = TestHost::start();
    host.run_detached(&TALKATIVE);
    let mut silent = Vec::new();
    for path in [
        "/containers/one/logs?follow=1&stdout=1",
        "/containers/one/logs?stdout=1",
        "/events",
        "/containers/one/stats?stream=1",
    ] {
        for _ in 0..10 {
            let mut stream = connect(&host);
            let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            silent.push(stream);
        }
    }
    // Its log is written and it ends, whoever reads.
    assert_eq!(host.cli(&["wait", "one"]).success().text(), "0\n");
    for _ in 0..20 {
        host.cli(&["run", "--rm", "--network", "none", "busybox", "true"])
            .success();
    }
    let held = resident(&host);
    assert!(held < MOST, "{held} kB");
    // Who begins to read has all of it.
    let first = &mut silent[0];
    first
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (mut seen, mut piece) = (0, vec![0; 1 << 20]);
    while seen < 30_000_000 {
        let read = first.read(&mut piece).unwrap();
        assert!(read > 0, "it ends after {seen} bytes");
        seen += read;
    }
    drop(silent);
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn who_attaches_and_does_not_read_holds_up_no_one_else_and_has_it_all_at_last() {
    let host = TestHost::start();
    host.cli(&[&["create"], &TALKATIVE[..]].concat()).success();
    let mut silent = connect(&host);
    let attach = "POST /containers/one/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n";
    silent.write_all(attach.as_bytes()).unwrap();
    assert_eq!(status(&mut silent), "HTTP/1.1 200 OK");
    host.cli(&["start", "one"]).success();
    for _ in 0..20 {
        host.cli(&["run", "--rm", "--network", "none", "busybox", "true"])
            .success();
        // It waits for its reader, and can be looked at.
        host.inspect("one", "{{.State.Status}}");
    }
    let held = resident(&host);
    assert!(held < MOST, "{held} kB");
    let mut all = Vec::new();
    silent.read_to_end(&mut all).unwrap();
    assert!(all.len() > 30_000_000, "{} bytes", all.len());
    assert_eq!(host.cli(&["wait", "one"]).success().text(), "0\n");
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn requests_that_are_never_finished_hold_nobody_up_and_leave_nothing() {
    let host = TestHost::start();
    host.cli(&["ps"]).success();
    let before = files(&host);
    let begun = [
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Le",
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
         Content-Length: 500\r\n\r\n{\"Image\":",
        "POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ];
    let open = |text: &str| {
        let mut stream = connect(&host);
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let all: Vec<_> = begun
        .iter()
        .cycle()
        .take(150)
        .map(|text| open(text))
        .collect();
    for _ in 0..5 {
        host.cli(&["run", "--rm", "--network", "none", "busybox", "true"])
            .success();
    }
    // Half of them say that no more comes, the others are gone.
    for (index, mut stream) in all.into_iter().enumerate() {
        if index % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            // Some are told that it is no request; it may be closed before that is read.
            stream.read_to_string(&mut answer).ok();
            assert!(!answer.starts_with("HTTP/1.1 201"), "{answer}");
        }
    }
    host.until("their descriptors are given back", |host| {
        files(host) <= before + 8
    });
    assert_eq!(host.cli(&["ps", "-aq"]).success().text(), "");
    host.cli(&["system", "doctor"]).success();
}

#[test]
fn who_sends_what_is_refused_is_told_why_and_not_cut_off() {
    let host = TestHost::start();
    host.cli(&["create", "--name", "one", "busybox"]).success();
    let piece = vec![0; 4 << 10];
    for _ in 0..30 {
        let mut stream = connect(&host);
        let head = format!(
            "PUT /containers/one/archive?path=/nope HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n",
            8 * piece.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..8 {
            stream.write_all(&piece).expect("it is read");
            std::thread::yield_now();
        }
        assert_eq!(status(&mut stream), "HTTP/1.1 404 Not Found");
    }
    host.cli(&["rm", "one"]).success();
}
