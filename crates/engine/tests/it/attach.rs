use crate::host::{DEADLINE, Host, sh, within};
use engine::{Attach, Attachment, Framing};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

fn attachment(stdin: bool, framing: Framing) -> (UnixStream, Attachment) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    let attach = Attach {
        fd: OwnedFd::from(theirs),
        unread: Vec::new(),
        stdin,
        stdout: true,
        stderr: true,
        framing,
        detach_keys: None,
    };
    let attachment = Attachment {
        attach,
        logs: false,
        stream: true,
    };
    (ours, attachment)
}

async fn read_all(mut client: UnixStream) -> Vec<u8> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        bytes
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_attached_before_the_start_gets_every_byte() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host
        .create(sh("echo out; echo err >&2; head -c 300000 /dev/zero"))
        .await;
    let (client, attachment) = attachment(false, Framing::Raw);
    let containers = host.engine.containers();
    containers.attach(&id, attachment).await.unwrap();
    containers.start(&id).await.unwrap();
    let bytes = within(read_all(client)).await;
    assert_eq!(bytes.len(), 300_008);
    // Two pipes have no common order.
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    let has = |word: &[u8]| bytes.windows(4).any(|part| part == word);
    assert!(zeros == 300_000 && has(b"out\n") && has(b"err\n"));
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_reaches_the_program_and_its_end_does_too() {
    let Some(host) = Host::start().await else {
        return;
    };
    let mut spec = sh("cat");
    spec.streams.open_stdin = true;
    spec.streams.stdin_once = true;
    let id = host.create(spec).await;
    let (mut client, attachment) = attachment(true, Framing::Multiplexed);
    let containers = host.engine.containers();
    containers.attach(&id, attachment).await.unwrap();
    containers.start(&id).await.unwrap();
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let bytes = within(read_all(client)).await;
    assert_eq!(bytes, b"\x01\0\0\0\0\0\0\x05hello");
    assert_eq!(host.wait(&id).await, 0);
    host.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attach_may_ask_for_the_log_first() {
    let Some(host) = Host::start().await else {
        return;
    };
    let id = host.run(sh("echo before; sleep 600")).await;
    within(async {
        while host.log(&id).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let (client, mut attachment) = attachment(false, Framing::Raw);
    attachment.logs = true;
    host.engine
        .containers()
        .attach(&id, attachment)
        .await
        .unwrap();
    let force = engine::Removal {
        force: true,
        volumes: false,
    };
    host.engine.containers().remove(&id, force).await.unwrap();
    assert_eq!(within(read_all(client)).await, b"before\n");
    host.clear().await;
}
