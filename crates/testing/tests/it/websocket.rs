//! Attaching by a websocket.

use crate::Running;
use std::os::unix::net::UnixStream;
use testing::TestHost;
use tungstenite::Message;

type Socket = tungstenite::WebSocket<UnixStream>;

fn attach(host: &TestHost, id: &str, query: &str) -> Socket {
    let stream = UnixStream::connect(&host.paths().socket).unwrap();
    let url = format!("ws://daemon/v1.51/containers/{id}/attach/ws?{query}");
    tungstenite::client(url, stream).unwrap().0
}

/// What comes until this, in messages of any length.
fn until(socket: &mut Socket, last: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(last) {
        let message = socket.read().unwrap();
        assert!(message.is_binary(), "{message:?} after {text:?}");
        text.push_str(std::str::from_utf8(&message.into_data()).unwrap());
    }
    text
}

#[test]
fn what_is_typed_comes_back_and_the_end_closes_the_socket() {
    let host = TestHost::start();
    let one = Running::new(
        &host,
        &["-i", "busybox", "sh", "-c", "read a; echo got $a; read b"],
    );
    let mut socket = attach(&host, &one.id, "stream=1&stdin=1&stdout=1&stderr=1");
    socket.send(Message::text("one\n")).unwrap();
    assert_eq!(until(&mut socket, "got one\n"), "got one\n");
    socket.send(Message::binary(&b"two\n"[..])).unwrap();
    assert!(socket.read().unwrap().is_close());
    let mut again = attach(&host, &one.id, "logs=1&stdout=1");
    assert_eq!(until(&mut again, "got one\n"), "got one\n");
}

#[test]
fn what_is_no_websocket_is_refused() {
    let host = TestHost::start();
    let one = Running::sleeping(&host);
    let path = format!("/containers/{}/attach/ws?stream=1", one.id);
    let answer = host.http("GET", &path, None);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(
        host.http("GET", "/containers/nosuch/attach/ws", None)
            .status,
        404
    );
}
