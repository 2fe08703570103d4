//! Log drivers: where output goes besides clients, and that `logs` reads it whatever they are.

use crate::Running;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use testing::{PATIENCE, TestHost};

/// Somebody who listens on a socket and passes lines on.
struct Listening {
    path: PathBuf,
    lines: Receiver<String>,
}

fn pass_on(connection: UnixStream, sender: &Sender<String>) {
    for line in BufReader::new(connection).lines() {
        // The test is over once nobody takes it.
        drop(sender.send(line.unwrap()));
    }
}

impl Listening {
    fn on(host: &TestHost) -> Self {
        let path = host.scratch().join("listening.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (sender, connection) = (sender.clone(), connection.unwrap());
                std::thread::spawn(move || pass_on(connection, &sender));
            }
        });
        Self { path, lines }
    }

    fn option(&self, name: &str) -> String {
        format!("{name}=unix://{}", self.path.display())
    }

    /// What comes, until this.
    fn until(&self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines
            .last()
            .is_none_or(|line: &String| !line.ends_with(last))
        {
            let line = self.lines.recv_timeout(PATIENCE);
            assert!(line.is_ok(), "no {last:?} after {lines:?}");
            lines.push(line.unwrap());
        }
        lines
    }
}

#[test]
fn syslog_gets_what_logs_reads_too() {
    let host = TestHost::start();
    let syslog = Listening::on(&host);
    let address = syslog.option("syslog-address");
    let script = "echo one; echo; sleep 0.1; echo two >&2; sleep 0.1; printf end";
    let one = Running::new(
        &host,
        &[
            "--log-driver=syslog",
            "--log-opt",
            &address,
            "--log-opt",
            "tag={{.ImageName}}/{{.ID}}/{{.ImageID}}/{{.Hostname}}",
            "busybox",
            "sh",
            "-c",
            script,
        ],
    );
    host.cli(&["wait", &one.id]).success();
    let lines = syslog.until("end");
    // The image's id is as long as the container's, with its algorithm's name.
    let image = host.inspect(&one.id, "{{.Image}}");
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let tag = format!(
        "busybox/{}/{}/{}[{}]: ",
        &one.id[..12],
        &image[..12],
        name.trim(),
        host.daemon_pid().unwrap()
    );
    let told = |line: &String| {
        let (head, text) = line.split_once(&tag).unwrap();
        (head[..4].to_owned(), text.to_owned())
    };
    let told: Vec<_> = lines.iter().map(told).collect();
    let line = |priority: &str, text: &str| (priority.to_owned(), text.to_owned());
    assert_eq!(
        told,
        [
            line("<30>", "one"),
            line("<27>", "two"),
            line("<30>", "end")
        ]
    );
    let ran = host.cli(&["logs", &one.id]).success();
    assert_eq!(
        (ran.text().as_str(), ran.error().as_str()),
        // An empty line is none to syslog, and is one in the log.
        ("one\n\nend", "two\n")
    );
}

#[test]
fn what_was_written_without_a_daemon_is_sent_by_the_next() {
    let mut host = TestHost::start();
    let syslog = Listening::on(&host);
    let address = syslog.option("syslog-address");
    let script = "echo first; until [ -e /go ]; do sleep 0.05; done; seq 1 500; echo last";
    let id = host.run_detached(&[
        "--log-driver=syslog",
        "--log-opt",
        &address,
        "busybox",
        "sh",
        "-c",
        &format!("(sleep 1; touch /go) & {script}"),
    ]);
    syslog.until("first");
    host.kill_daemon();
    let kept = host
        .paths()
        .container(&id.parse().unwrap())
        .join("container-cached.log");
    host.until("it writes on, which nobody sends away", |_| {
        std::fs::read_to_string(&kept).unwrap().contains("last")
    });
    assert!(syslog.lines.try_recv().is_err(), "nobody is there to send");
    host.start_daemon();
    let lines = syslog.until("last");
    let numbers = lines
        .iter()
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok());
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=500).collect::<Vec<_>>());
    host.cli(&["rm", "-f", &id]).success();
}

#[test]
fn a_receiver_that_ends_its_connection_gets_the_next_record_by_another() {
    let host = TestHost::start();
    let listening = host.within_network(|| TcpListener::bind("127.0.0.1:5514").unwrap());
    let (sender, ended) = channel();
    let receiver = std::thread::spawn(move || {
        let accept = || {
            let (connection, _) = listening.accept().unwrap();
            connection.set_read_timeout(Some(PATIENCE)).unwrap();
            BufReader::new(connection).lines()
        };
        let first = accept().next().unwrap().unwrap();
        // Its connection is gone with the reader.
        sender.send(first).unwrap();
        let lines = accept().take(2).map(Result::unwrap);
        lines.collect::<Vec<String>>()
    });
    let id = host.run_detached(&[
        "--log-driver=syslog",
        "--log-opt",
        "syslog-address=tcp://127.0.0.1:5514",
        "busybox",
        "sh",
        "-c",
        "echo one; until [ -e /go ]; do sleep 0.05; done; echo two; echo three; sleep 600",
    ]);
    assert!(ended.recv_timeout(PATIENCE).unwrap().ends_with("one"));
    host.cli(&["exec", &id, "touch", "/go"]).success();
    let lines = receiver.join().unwrap();
    let ends: Vec<_> = lines.iter().map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(ends, [Some("two"), Some("three")]);
    host.cli(&["rm", "-f", &id]).success();
}

#[test]
fn a_container_whose_log_nobody_takes_does_not_start() {
    let host = TestHost::start();
    let address = format!(
        "fluentd-address=unix://{}/nobody.sock",
        host.scratch().display()
    );
    let run = |options: &[&str]| {
        let mut args = vec!["run", "--rm", "--log-driver=fluentd", "--log-opt", &address];
        args.extend(options);
        args.extend(["busybox", "echo", "hi"]);
        host.cli(&args)
    };
    let ran = run(&[]).code(127);
    assert!(
        ran.error().contains(
            "failed to create task for container: failed to initialize logging driver: dial unix"
        ),
        "{}",
        ran.error()
    );
    assert_eq!(
        run(&["--log-opt", "fluentd-async=true"]).success().text(),
        "hi\n"
    );
}

#[test]
fn old_files_are_compressed_and_read_on() {
    let host = TestHost::start();
    let options = ["max-size=20k", "max-file=4", "compress=true"];
    let mut args: Vec<&str> = options.iter().flat_map(|o| ["--log-opt", o]).collect();
    args.extend(["busybox", "sh", "-c", "seq 1 900"]);
    let one = Running::new(&host, &args);
    host.cli(&["wait", &one.id]).success();
    let path = host.inspect(&one.id, "{{.LogPath}}");
    let older = |number: u32| PathBuf::from(format!("{path}.{number}.gz"));
    host.until("old files are compressed", |_| {
        older(1).exists() && older(2).exists()
    });
    assert!(!PathBuf::from(format!("{path}.1")).exists());
    let all = (1..=900).map(|n| format!("{n}\n")).collect::<String>();
    assert_eq!(host.cli(&["logs", &one.id]).success().text(), all);
    let tail = host
        .cli(&["logs", "--tail", "700", &one.id])
        .success()
        .text();
    assert!(
        all.ends_with(&tail) && tail.lines().count() == 700,
        "{}",
        tail.len()
    );
}

#[test]
fn bytes_that_are_no_text_are_sent_and_come_back_but_for_json_files() {
    let host = TestHost::start();
    let socket = host.scratch().join("bytes.sock");
    let syslog = UnixDatagram::bind(&socket).unwrap();
    syslog.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = format!("syslog-address=unixgram://{}", socket.display());
    let exact = &b"a \xff\xc3 b\n"[..];
    for (driver, options, expected) in [
        ("json-file", &[][..], "a \u{fffd}\u{fffd} b\n".as_bytes()),
        ("local", &[], exact),
        ("syslog", &["--log-opt", &address], exact),
    ] {
        let script = r"printf 'a \377\303 b\n'";
        let run = [
            &["--log-driver", driver],
            options,
            &["busybox", "sh", "-c", script],
        ];
        let one = Running::new(&host, &run.concat());
        host.cli(&["wait", &one.id]).success();
        assert_eq!(
            host.cli(&["logs", &one.id]).success().stdout,
            expected,
            "{driver}"
        );
    }
    let mut message = [0; 512];
    let length = syslog.recv(&mut message).unwrap();
    assert!(message[..length].ends_with(exact), "{message:?}");
}

#[test]
fn local_is_read_and_none_is_not() {
    let host = TestHost::start();
    let run = |driver: &str| {
        let one = Running::new(&host, &["--log-driver", driver, "busybox", "echo", "kept"]);
        host.cli(&["wait", &one.id]).success();
        one
    };
    assert_eq!(
        host.cli(&["logs", &run("local").id]).success().text(),
        "kept\n"
    );
    let refused = host.cli(&["logs", &run("none").id]).code(1);
    let words = "configured logging driver does not support reading";
    assert!(refused.error().contains(words), "{}", refused.error());
}
