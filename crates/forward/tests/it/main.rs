//! Records sent through real sockets.

#![allow(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use flate2::read::GzDecoder;
use forward::{Options, Origin, Sender, Target};
use logs::{Record, Stream};
use std::collections::BTreeMap;
use std::io::Read;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use types::Timestamp;

const AT: Timestamp = Timestamp::from_nanos(1_795_316_792_120_000_000);

fn target(driver: &str, options: &[(&str, &str)]) -> Target {
    let options: BTreeMap<String, String> = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Target::read(driver, &Options(&options)).unwrap()
}

fn sender(target: Target) -> Sender {
    let origin = Origin {
        id: "a".repeat(64),
        name: "web".to_owned(),
        image: "busybox".to_owned(),
        tag: "t".to_owned(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        ..Origin::default()
    };
    Sender::new(target, origin)
}

fn record(stream: Stream, line: &str) -> Record {
    Record {
        stream,
        at: AT,
        line: line.into(),
        attributes: BTreeMap::new(),
    }
}

#[tokio::test]
async fn gelf_goes_compressed_by_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    let mut sender = sender(target("gelf", &[("gelf-address", &address)]));
    sender.send(&record(Stream::Stderr, "bad\n")).await.unwrap();
    let mut datagram = vec![0; 65_536];
    let length = socket.recv(&mut datagram).await.unwrap();
    let mut text = String::new();
    let mut decoder = GzDecoder::new(&datagram[..length]);
    decoder.read_to_string(&mut text).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["version"], "1.1");
    assert_eq!(document["short_message"], "bad");
    assert_eq!(document["level"], 3);
    assert_eq!(document["timestamp"], 1_795_316_792.12);
    assert_eq!(document["_container_name"], "web");
    assert_eq!(document["_k"], "v");
}

#[tokio::test]
async fn fluentd_acknowledges_what_it_was_asked_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = [
        ("fluentd-address", address.as_str()),
        ("fluentd-request-ack", "true"),
    ];
    let mut sender = sender(target("fluentd", &options));
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut message = vec![0; 4096];
        let length = client.read(&mut message).await.unwrap();
        message.truncate(length);
        let at = message
            .windows(5)
            .position(|part| part == b"chunk")
            .unwrap();
        // {"ack": ...} with the name of the chunk as it came, its length before it.
        let mut answer = b"\x81\xa3ack".to_vec();
        answer.extend_from_slice(&message[at + 5..]);
        client.write_all(&answer).await.unwrap();
        message
    });
    sender
        .send(&record(Stream::Stdout, "good\n"))
        .await
        .unwrap();
    let message = server.await.unwrap();
    // [tag, seconds, ...
    assert_eq!(message[..3], [0x94, 0xa1, b't']);
    assert_eq!(message[3..8], [0xce, 0x6b, 0x02, 0x5c, 0x38]);
    for pair in [
        &b"\xa3log\xa4good"[..],
        b"\xa6source\xa6stdout",
        b"\xaecontainer_name\xa4/web",
    ] {
        assert!(
            message.windows(pair.len()).any(|part| part == pair),
            "{message:?}"
        );
    }
}

#[tokio::test]
async fn a_broken_connection_is_made_again_and_the_record_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let options = [("syslog-address", address.as_str())];
    let mut sender = sender(target("syslog", &options));
    sender.connect().await.unwrap();
    drop(listener.accept().await.unwrap());
    // What goes into a connection that is gone is lost; that it is, the next finds out.
    while sender.send(&record(Stream::Stdout, "lost\n")).await.is_ok() {}
    sender
        .send(&record(Stream::Stdout, "told\n"))
        .await
        .unwrap();
    let (mut client, _) = listener.accept().await.unwrap();
    let mut line = vec![0; 256];
    let length = client.read(&mut line).await.unwrap();
    let line = String::from_utf8_lossy(&line[..length]).into_owned();
    assert!(
        line.starts_with("<30>") && line.ends_with("]: told\n"),
        "{line:?}"
    );
}
