//! Execs that are started again, resized, or cannot be started.

use crate::containers::{create, demultiplex, head};
use crate::host::Host;
use serde_json::{Value, json};
use std::io::{Read, Write};

/// A running container; `None` where there is no image.
fn running(host: &Host, name: &str) -> Option<()> {
    let image = host.busybox()?;
    let body = json!({"Image": image, "Cmd": ["sleep", "600"]});
    create(host, name, &body);
    let started = host.post(&format!("/containers/{name}/start"), &Value::Null);
    assert_eq!(started.status, 204, "{}", started.text());
    Some(())
}

fn made(host: &Host, container: &str, body: &Value) -> String {
    let answer = host.post(&format!("/containers/{container}/exec"), body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["Id"].as_str().unwrap().to_owned()
}

fn detached(host: &Host, id: &str) -> (u16, String) {
    let answer = host.post(&format!("/exec/{id}/start"), &json!({"Detach": true}));
    let message = match answer.status {
        200 => String::new(),
        _ => answer.message(),
    };
    (answer.status, message)
}

/// What comes of a start with streams, to its end: the answer's first line and the output.
fn attached(host: &Host, id: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = host.connect();
    let body = r#"{"Detach":false}"#;
    write!(
        stream,
        "POST /exec/{id}/start HTTP/1.1\r\nHost: d\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let head = head(&mut stream);
    let mut output = Vec::new();
    stream.read_to_end(&mut output).unwrap();
    (head.lines().next().unwrap().to_owned(), output)
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

#[test]
fn a_second_start_is_told_why_not_in_its_stream() {
    let host = Host::new();
    if running(&host, "again").is_none() {
        return;
    }
    let id = made(&host, "again", &json!({"Cmd": ["sleep", "600"]}));
    assert_eq!(detached(&host, &id), (200, String::new()));
    let words = format!("exec command {id} is already running");
    assert_eq!(detached(&host, &id), (409, words.clone()));
    for (headers, line) in [("", "HTTP/1.1 200 OK"), (UPGRADE, "HTTP/1.1 101 UPGRADED")] {
        let (told, output) = attached(&host, &id, headers);
        assert_eq!(told, line);
        assert_eq!(demultiplex(&output).0, format!("{words}\r\n"));
    }

    let id = made(
        &host,
        "again",
        &json!({"Cmd": ["echo", "once"], "AttachStdout": true}),
    );
    assert_eq!(demultiplex(&attached(&host, &id, UPGRADE).1).0, "once\n");
    let inspected = host.get(&format!("/exec/{id}/json")).json();
    assert_eq!(inspected["ExitCode"], 0);
    let words = format!("exec command {id} has already run");
    assert_eq!(detached(&host, &id), (409, words.clone()));
    let (told, output) = attached(&host, &id, "");
    assert_eq!(told, "HTTP/1.1 200 OK");
    assert_eq!(demultiplex(&output).0, format!("{words}\r\n"));
}

#[test]
fn whoever_runs_can_be_resized_and_who_has_ended_is_not_there() {
    let host = Host::new();
    if running(&host, "sized").is_none() {
        return;
    }
    let resize = |id: &str| {
        let answer = host.post(&format!("/exec/{id}/resize?h=10&w=20"), &Value::Null);
        (answer.status, answer.text())
    };
    for tty in [false, true] {
        let id = made(
            &host,
            "sized",
            &json!({"Cmd": ["sleep", "600"], "Tty": tty}),
        );
        // Whoever asks before the start waits for it.
        let answers = std::thread::scope(|scope| {
            let early = scope.spawn(|| resize(&id));
            assert_eq!(detached(&host, &id), (200, String::new()));
            [early.join().unwrap(), resize(&id)]
        });
        for answer in answers {
            assert_eq!(answer, (200, String::new()), "tty {tty}");
        }
    }
    let id = made(
        &host,
        "sized",
        &json!({"Cmd": ["true"], "AttachStdout": true}),
    );
    attached(&host, &id, "");
    host.get(&format!("/exec/{id}/json"));
    let (status, text) = resize(&id);
    let words = format!("NotFound: process does not exist {id}: not found");
    assert_eq!(status, 404, "{text}");
    assert!(text.contains(&words), "{text}");
}

#[test]
fn what_cannot_be_executed_is_told_in_the_words_of_an_exec() {
    let host = Host::new();
    if running(&host, "refused").is_none() {
        return;
    }
    let began = "OCI runtime exec failed: exec failed: ";
    for (body, status, words, code) in [
        (
            json!({"Cmd": ["/nosuch"]}),
            400,
            "unable to start container process: exec: \"/nosuch\": stat /nosuch: no such file or \
             directory",
            127,
        ),
        (
            json!({"Cmd": ["/etc"]}),
            400,
            "unable to start container process: exec: \"/etc\": is a directory: permission denied",
            126,
        ),
        (
            json!({"Cmd": ["true"], "WorkingDir": "/nosuch"}),
            400,
            "unable to start container process: chdir to cwd (\"/nosuch\") set in config.json \
             failed: no such file or directory",
            127,
        ),
        (
            json!({"Cmd": ["true"], "WorkingDir": "relative"}),
            500,
            "Cwd must be an absolute path",
            128,
        ),
    ] {
        let id = made(&host, "refused", &body);
        let words = format!("{began}{words}");
        assert_eq!(detached(&host, &id), (status, words.clone()));
        let inspected = host.get(&format!("/exec/{id}/json")).json();
        assert_eq!(inspected["ExitCode"], code, "{body}");
        assert_eq!(inspected["Running"], false, "{body}");

        let id = made(&host, "refused", &body);
        let (_, output) = attached(&host, &id, "");
        assert_eq!(demultiplex(&output).0, format!("{words}\r\n"));
    }
}
