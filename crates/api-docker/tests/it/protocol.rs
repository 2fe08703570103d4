//! Versions, headers, errors and ways to connect.

use crate::host::{Answer, Host};
use serde_json::json;

const ERRORS: &str = include_str!("errors.txt");

#[test]
fn a_ping_says_what_clients_negotiate_by() {
    let host = Host::new();
    for method in ["GET", "HEAD"] {
        let pong = host.request(method, "/_ping", b"");
        assert_eq!(pong.status, 200);
        for (name, value) in [
            ("api-version", "1.56"),
            ("docker-experimental", "false"),
            ("ostype", "linux"),
            ("swarm", "inactive"),
            ("cache-control", "no-cache, no-store, must-revalidate"),
            ("pragma", "no-cache"),
        ] {
            assert_eq!(pong.header(name), Some(value), "{method} {name}");
        }
        assert_eq!(pong.text(), if method == "GET" { "OK" } else { "" });
    }
}

#[test]
fn errors_are_said_in_dockers_words() {
    let host = Host::new();
    for line in ERRORS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.splitn(5, " | ").collect();
        let [method, path, body, status, message] = fields.as_slice() else {
            panic!("five fields: {line}");
        };
        let body = body.trim_matches('-');
        let status: u16 = status.parse().unwrap();
        let answer = host.request(method, path, body.as_bytes());
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (status, *message),
            "{method} {path} {body}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let old = host.get("/v1.23/info");
    assert_eq!(
        old.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(
        old.text()
            .starts_with("client version 1.23 is too old. Minimum supported API version is 1.24")
    );
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    let host = Host::new();
    let request = b"POST /containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    let answer = Answer::parse(&host.raw(request));
    let expected = "unsupported Content-Type header (text/plain): must be 'application/json'";
    assert_eq!((answer.status, answer.message().as_str()), (400, expected));
}

#[test]
fn lists_of_nothing_are_empty_and_not_null() {
    let host = Host::new();
    assert_eq!(host.get("/containers/json").text(), "[]\n");
    assert_eq!(host.get("/images/json").text(), "[]\n");
    assert_eq!(host.get("/plugins").text(), "[]\n");
    assert_eq!(
        host.get("/volumes").json(),
        json!({"Volumes": [], "Warnings": null})
    );
    let networks = host.get("/networks").json();
    let names: Vec<_> = networks
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["Name"].as_str())
        .collect();
    assert_eq!(names, [Some("bridge"), Some("host"), Some("none")]);
    assert_eq!(
        host.get("/info").json()["Swarm"]["LocalNodeState"],
        "inactive"
    );
    assert_eq!(host.get("/version").json()["MinAPIVersion"], "1.24");
}

#[test]
fn http_2_without_tls_is_served_on_the_same_socket() {
    let host = Host::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::connect(&host.socket).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let handshake = hyper::client::conn::http2::handshake(executor, io).await;
        let (mut sender, connection) = handshake.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::get("http://d/_ping")
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.version(), http::Version::HTTP_2);
        connection.abort();
    });
}
