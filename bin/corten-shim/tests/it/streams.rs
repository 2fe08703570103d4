//! What goes in and what comes out.

use crate::host::{Host, client, exec};
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use task::{EventKind, Framing, Size, StdinPolicy};

/// Takes stdcopy frames apart: stdout and stderr.
fn demultiplex(mut bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    while let Some((&[stream, 0, 0, 0, a, b, c, d], rest)) = bytes.split_first_chunk::<8>() {
        let (body, rest) = rest.split_at(u32::from_be_bytes([a, b, c, d]) as usize);
        streams[usize::from(stream - 1)].extend_from_slice(body);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    streams
}

#[tokio::test]
async fn an_attached_client_gets_both_streams_from_the_first_byte() {
    let mut host = Host::start();
    let mut create = host.container(&["sh", "-c", "echo out; echo err >&2"]);
    let (mut ours, attach) = client(Framing::Multiplexed);
    create.attach.push(attach);
    assert_eq!(host.run(create).await, Some(0));
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).unwrap();
    assert_eq!(
        demultiplex(&bytes),
        [b"out\n", b"err\n"].map(|text| text.to_vec())
    );
    host.end().await;
}

#[tokio::test]
async fn a_hundred_megabytes_come_through_to_a_slow_client_and_to_none() {
    let mut host = Host::start();
    let script = "yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 100000000";
    let mut create = host.container(&["sh", "-c", script]);
    create.log = logs::Config::None;
    let (mut ours, attach) = client(Framing::Multiplexed);
    create.attach.push(attach);
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        ours.read_to_end(&mut bytes).unwrap();
        bytes
    });
    assert_eq!(host.run(create).await, Some(0));
    let [stdout, stderr] = demultiplex(&reading.await.unwrap());
    assert_eq!((stdout.len(), stderr.len()), (100_000_000, 0));
    let mut expected = b"0123456789abcdefghijklmnopqrstuvwxyz\n".repeat(2_702_703);
    expected.truncate(100_000_000);
    assert_eq!(Sha256::digest(&stdout), Sha256::digest(&expected));
    host.end().await;
}

#[tokio::test]
async fn a_client_that_vanished_does_not_hold_its_container_back() {
    let mut host = Host::start();
    let script = "yes | head -c 10000000; echo end >&2";
    let mut create = host.container(&["sh", "-c", script]);
    let (ours, attach) = client(Framing::Raw);
    create.attach.push(attach);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    drop(ours);
    assert_eq!(host.exit(&id).await.code, Some(0));
    let logged = host.logged(&id);
    assert!(logged.ends_with("end\n") || logged.contains("end\n"));
    assert_eq!(logged.len(), 10_000_004);
    host.end().await;
}

#[tokio::test]
async fn stdin_ends_with_a_half_close_and_output_goes_on() {
    let mut host = Host::start();
    let mut create = host.container(&["sh", "-c", "cat; echo end"]);
    create.stdin = StdinPolicy::Once;
    let (mut ours, mut attach) = client(Framing::Raw);
    attach.unread = b"first ".to_vec();
    create.attach.push(attach);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    let input = b"0123456789".repeat(100_000);
    let mut writer = ours.try_clone().unwrap();
    let sent = input.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut output = Vec::new();
    let output = tokio::task::spawn_blocking(move || {
        ours.read_to_end(&mut output).unwrap();
        output
    });
    assert_eq!(host.exit(&id).await.code, Some(0));
    writing.join().unwrap();
    let expected = [b"first ", &input[..], b"end\n"].concat();
    assert!(output.await.unwrap() == expected);
    host.end().await;
}

#[tokio::test]
async fn open_stdin_stays_when_a_client_goes_and_takes_the_next_one() {
    let mut host = Host::start();
    let mut create = host.container(&["cat"]);
    create.stdin = StdinPolicy::Open;
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    for text in ["one\n", "two\n"] {
        let (mut ours, attach) = client(Framing::Raw);
        host.tasks.attach(&id, None, attach).await.unwrap();
        ours.write_all(text.as_bytes()).unwrap();
        let mut back = [0; 4];
        ours.read_exact(&mut back).unwrap();
        assert_eq!(&back, text.as_bytes());
    }
    host.tasks.close_stdin(&id, None).await.unwrap();
    assert_eq!(host.exit(&id).await.code, Some(0));
    assert_eq!(host.logged(&id), "one\ntwo\n");
    host.end().await;
}

#[tokio::test]
async fn a_terminal_has_its_size_and_echoes_and_detaches_by_its_keys() {
    let mut host = Host::start();
    let mut create = host.container(&[
        "sh",
        "-c",
        "stty size; read line; echo got $line; sleep 600",
    ]);
    create.stdin = StdinPolicy::Open;
    if let Some(process) = &mut create.spec.process {
        process.terminal = true;
        process.console_size = Some(oci::runtime::ConsoleSize {
            height: 30,
            width: 100,
        });
    }
    let (mut ours, mut attach) = client(Framing::Raw);
    attach.detach_keys = Some(task::DetachKeys::default());
    create.attach.push(attach);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    ours.write_all(b"hello\n").unwrap();
    let mut seen = String::new();
    let mut byte = [0];
    while !seen.contains("got hello\r\n") {
        ours.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    assert!(seen.contains("30 100\r\n"), "{seen}");
    let size = Size {
        height: 10,
        width: 20,
    };
    host.tasks.resize(&id, None, size).await.unwrap();
    ours.write_all(&[16, 17]).unwrap();
    host.event(|event| matches!(event.kind, EventKind::Detached { exec: None }).then_some(()))
        .await;
    let mut rest = Vec::new();
    ours.read_to_end(&mut rest).unwrap();
    host.end().await;
}

#[tokio::test]
async fn an_executed_process_has_streams_of_its_own() {
    let mut host = Host::start();
    let create = host.container(&["sleep", "600"]);
    let id = create.id.clone();
    host.tasks.run(create).await.unwrap();
    let mut exec = exec(&id, &["sh", "-c", "cat; echo err >&2; exit 2"]);
    exec.stdin = StdinPolicy::Once;
    let (mut ours, attach) = client(Framing::Multiplexed);
    exec.attach.push(attach);
    host.tasks.exec(exec).await.unwrap();
    ours.write_all(b"in").unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).unwrap();
    assert_eq!(demultiplex(&bytes), [b"in".to_vec(), b"err\n".to_vec()]);
    assert_eq!(host.logged(&id), "");
    host.end().await;
}
