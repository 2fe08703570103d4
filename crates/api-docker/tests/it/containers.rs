//! Containers run, attached to, waited for, executed in.

use crate::host::{Answer, Host};
use docker_schema::container::{Inspect, Stats, Summary};
use docker_schema::system::Event;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

pub(crate) fn create(host: &Host, name: &str, body: &Value) -> String {
    let answer = host.post(&format!("/containers/create?name={name}"), body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["Id"].as_str().unwrap().to_owned()
}

/// Pieces of a multiplexed stream: stdout's and stderr's.
pub(crate) fn demultiplex(mut bytes: &[u8]) -> (String, String) {
    let mut streams = (Vec::new(), Vec::new());
    while let [stream, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        let (piece, tail) = rest.split_at(length);
        match stream {
            1 => streams.0.extend_from_slice(piece),
            2 => streams.1.extend_from_slice(piece),
            other => panic!("stream {other}"),
        }
        bytes = tail;
    }
    assert!(bytes.is_empty(), "not framed: {bytes:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(streams.0), text(streams.1))
}

/// The next second, until which what happened so far is told.
pub(crate) fn soon() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs() + 1
}

/// Reads an answer's head from a connection that goes on.
pub(crate) fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&head)
        );
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_container_runs_as_docker_run_runs_it() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let body = json!({
        "image": image, "Cmd": ["sh", "-c", "cat; echo err >&2; exit 5"],
        "OpenStdin": true, "StdinOnce": true,
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
    });
    let id = create(&host, "run", &body);
    let mut attached = host.connect();
    let path = format!("/v1.44/containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1");
    write!(
        attached,
        "POST {path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    .unwrap();
    let switched = head(&mut attached);
    assert!(
        switched.starts_with("HTTP/1.1 101 UPGRADED\r\n"),
        "{switched}"
    );
    let media_type = "content-type: application/vnd.docker.multiplexed-stream";
    assert!(
        switched.to_ascii_lowercase().contains(media_type),
        "{switched}"
    );
    // The head of wait's answer comes before the container is even started.
    let mut wait = host.connect();
    write!(wait, "POST /containers/{id}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    let waiting = head(&mut wait);
    assert!(waiting.starts_with("HTTP/1.1 200 "));
    assert_eq!(
        host.post(&format!("/containers/{id}/start"), &Value::Null)
            .status,
        204
    );
    assert_eq!(
        host.post(&format!("/containers/{id}/start"), &Value::Null)
            .status,
        304
    );
    attached.write_all(b"from the client\n").unwrap();
    attached.shutdown(Shutdown::Write).unwrap();
    let mut output = Vec::new();
    attached.read_to_end(&mut output).unwrap();
    assert_eq!(
        demultiplex(&output),
        ("from the client\n".to_owned(), "err\n".to_owned())
    );
    let mut rest = Vec::new();
    wait.read_to_end(&mut rest).unwrap();
    let ended = Answer::parse(&[waiting.as_bytes(), &rest].concat());
    assert_eq!(ended.json(), json!({"StatusCode": 5}));
    let inspect: Inspect = host.get("/containers/run/json?size=1").document();
    assert_eq!(
        (inspect.state.status.as_str(), inspect.state.exit_code),
        ("exited", 5)
    );
    assert!(inspect.size_root_fs.unwrap() > 0);
    let logs = host.get("/containers/run/logs?stdout=1&stderr=1");
    assert_eq!(demultiplex(&logs.body).0, "from the client\n");
    let list: Vec<Summary> = host.get("/containers/json?all=1").document();
    assert_eq!(list[0].names, ["/run"]);
    assert!(
        list[0].status.starts_with("Exited (5) "),
        "{}",
        list[0].status
    );
}

#[test]
fn events_are_told_in_order() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let id = create(&host, "told", &json!({"Image": image, "Cmd": ["true"]}));
    let mut wait = host.connect();
    write!(wait, "POST /containers/{id}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    head(&mut wait);
    host.post("/containers/told/start", &Value::Null);
    wait.read_to_end(&mut Vec::new()).unwrap();
    host.request("DELETE", "/containers/told", b"");
    let now = soon();
    let filter = "filters=%7B%22container%22%3A%5B%22told%22%5D%7D";
    let lines = host
        .get(&format!("/events?since=1&until={now}&{filter}"))
        .text();
    let events = lines
        .lines()
        .map(|line| docker_schema::decode::<Event>(line.as_bytes()).unwrap());
    let actions: Vec<String> = events.map(|event| event.action).collect();
    assert_eq!(actions, ["create", "start", "die", "destroy"]);
}

#[test]
fn the_oldest_way_to_attach_is_answered_by_200_and_raw_bytes() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let id = create(
        &host,
        "legacy",
        &json!({"Image": image, "Cmd": ["echo", "out"]}),
    );
    let mut attached = host.connect();
    // Two pieces, as a slow client would send them.
    write!(
        attached,
        "POST /containers/{id}/attach?stream=1&stdout=1 HTTP/1.1\r\n"
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(20));
    write!(attached, "Host: d\r\n\r\n").unwrap();
    let answered = head(&mut attached);
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    assert_eq!(answered, expected);
    host.post(&format!("/containers/{id}/start"), &Value::Null);
    let mut output = Vec::new();
    attached.read_to_end(&mut output).unwrap();
    assert_eq!(demultiplex(&output).0, "out\n");
    let missing =
        host.raw(b"POST /containers/nope/attach HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    assert_eq!(Answer::parse(&missing).message(), "No such container: nope");
}

/// COMPAT: Node's libraries ask so, on whichever connection is free.
#[test]
fn a_connection_that_carried_requests_is_taken_over_like_a_new_one() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let options = json!({
        "Image": image, "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true,
        "AttachStdin": true, "AttachStdout": true,
    });
    let id = create(&host, "reused", &options);
    let mut stream = host.connect();
    for _ in 0..3 {
        write!(stream, "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
        assert!(head(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
        let mut body = [0; 2];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"OK");
    }
    // A body that begins as a request would is none.
    let strange = format!("POST /containers/{id}/attach HTTP/1.1\r\n\r\n");
    write!(
        stream,
        "POST /containers/nope/exec HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n",
        strange.len()
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(20));
    write!(stream, "{strange}").unwrap();
    let refused = head(&mut stream);
    assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
    let length = refused.to_lowercase();
    let length = length.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    // In two pieces, as a slow client would send them.
    write!(stream, "POST /containers/{id}/attach").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    write!(
        stream,
        "?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\nearly "
    )
    .unwrap();
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    assert_eq!(head(&mut stream), expected);
    host.post(&format!("/containers/{id}/start"), &Value::Null);
    write!(stream, "late").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut output = Vec::new();
    stream.read_to_end(&mut output).unwrap();
    assert_eq!(demultiplex(&output).0, "early late");
}

#[test]
fn an_exec_ends_with_its_exit_code() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    create(
        &host,
        "execs",
        &json!({"Image": image, "Cmd": ["sleep", "600"]}),
    );
    let body = json!({"Cmd": ["true"]});
    let stopped = host.post("/containers/execs/exec", &body);
    assert_eq!(stopped.status, 409);
    assert!(
        stopped.message().ends_with(" is not running"),
        "{}",
        stopped.message()
    );
    host.post("/containers/execs/start", &Value::Null);
    for round in 0..10 {
        let body = json!({
            "Cmd": ["sh", "-c", "cat; exit 7"],
            "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
        });
        let made = host.post("/containers/execs/exec", &body).json();
        let id = made["Id"].as_str().unwrap();
        let mut stream = host.connect();
        let options = r#"{"Detach":false,"Tty":false}"#;
        // The first bytes of stdin come with the request: they must not be lost.
        write!(
            stream,
            "POST /exec/{id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{options}early ",
            options.len()
        )
        .unwrap();
        assert!(head(&mut stream).starts_with("HTTP/1.1 101 "));
        stream.write_all(b"late").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut output = Vec::new();
        stream.read_to_end(&mut output).unwrap();
        assert_eq!(demultiplex(&output).0, "early late", "round {round}");
        let ended = host.get(&format!("/exec/{id}/json")).json();
        assert_eq!(
            (&ended["Running"], &ended["ExitCode"]),
            (&json!(false), &json!(7))
        );
        let again = host.post(&format!("/exec/{id}/start"), &json!({"Detach": true}));
        let words = format!("exec command {id} has already run");
        assert_eq!((again.status, again.message()), (409, words));
    }
    let made = host.post("/containers/execs/exec", &body).json();
    let id = made["Id"].as_str().unwrap();
    assert_eq!(
        host.post("/containers/execs/kill", &Value::Null).status,
        204
    );
    host.post("/containers/execs/wait", &Value::Null);
    for detach in [false, true] {
        // Docker forgets it with the container's end.
        let late = host.post(&format!("/exec/{id}/start"), &json!({"Detach": detach}));
        let words = format!("No such exec instance: {id}");
        assert_eq!((late.status, late.message()), (404, words));
    }
}

#[test]
fn verbs_and_states_are_dockers() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let id = create(
        &host,
        "verbs",
        &json!({"Image": image, "Cmd": ["sleep", "600"]}),
    );
    let post = |path: &str| host.post(&format!("/containers/verbs/{path}"), &Value::Null);
    let said = |path: &str| {
        let answer = post(path);
        (answer.status, answer.message())
    };
    assert_eq!(post("start").status, 204);
    let taken = host.post(
        "/containers/create?name=verbs",
        &json!({"Image": image, "Cmd": ["true"]}),
    );
    assert_eq!(taken.status, 409);
    assert!(
        taken
            .message()
            .contains(&format!("is already in use by container \"{id}\""))
    );
    let running = host.request("DELETE", "/containers/verbs", b"");
    assert_eq!(
        (running.status, running.message().as_str()),
        (
            409,
            "cannot remove container \"verbs\": container is running: stop the container before removing or force remove"
        )
    );
    assert_eq!(
        said("unpause"),
        (500, format!("Container {id} is not paused"))
    );
    assert_eq!(post("pause").status, 204);
    assert_eq!(
        said("pause"),
        (409, format!("Container {id} is already paused"))
    );
    let paused = host.request("DELETE", "/containers/verbs", b"");
    assert_eq!(
        (paused.status, paused.message().as_str()),
        (
            409,
            "cannot remove container \"verbs\": container is paused and must be unpaused first"
        )
    );
    assert_eq!(post("unpause").status, 204);
    assert_eq!(post("resize?h=10&w=10").status, 200);
    let stats: Stats = host
        .get("/containers/verbs/stats?stream=0&one-shot=1")
        .document();
    assert_eq!(stats.name, "/verbs");
    assert!(stats.cpu_stats.system_cpu_usage > 0 && stats.memory_stats.limit > 0);
    let top = host.get("/containers/verbs/top").json();
    assert_eq!(top["Titles"][1], "PID");
    assert_eq!(top["Processes"].as_array().map(Vec::len), Some(1));
    assert_eq!(post("rename?name=renamed").status, 204);
    assert_eq!(
        host.get("/containers/renamed/json").json()["Name"],
        "/renamed"
    );
    let post = |path: &str| host.post(&format!("/containers/renamed/{path}"), &Value::Null);
    assert_eq!(post("stop?t=0").status, 204);
    assert_eq!(post("stop").status, 304);
    let killed = post("kill");
    let words = format!("cannot kill container: renamed: container {id} is not running");
    assert_eq!((killed.status, killed.message()), (409, words));
    assert_eq!(
        host.post("/containers/prune", &Value::Null).json()["ContainersDeleted"],
        json!([id])
    );
}

#[test]
fn what_was_not_begun_when_its_container_ends_is_forgotten() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let body = json!({
        "Image": image, "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none"},
    });
    create(&host, "waiting", &body);
    let post = |path: &str, body: &Value| host.post(path, body);
    assert_eq!(post("/containers/waiting/start", &Value::Null).status, 204);
    let exec = json!({"Cmd": ["true"], "DetachKeys": "ctrl-a,b"});
    let made = post("/containers/waiting/exec", &exec).json();
    let id = made["Id"].as_str().unwrap();
    // The bytes that a terminal sends for the keys.
    let shown = host.get(&format!("/exec/{id}/json")).json();
    assert_eq!(shown["DetachKeys"], "AWI=");
    let inspected = host.get("/containers/waiting/json").json();
    assert_eq!(inspected["ExecIDs"], json!([id]));
    assert_eq!(
        post("/containers/waiting/stop?t=0", &Value::Null).status,
        204
    );
    assert_eq!(host.get(&format!("/exec/{id}/json")).status, 404);
    let inspected = host.get("/containers/waiting/json").json();
    assert_eq!(inspected["ExecIDs"], Value::Null);
}

#[test]
fn ports_that_nobody_spoke_of_are_shown_so() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    for (name, host_config, shown) in [
        ("silent", json!({}), Value::Null),
        ("empty", json!({"PortBindings": {}}), json!({})),
    ] {
        let body = json!({"Image": image, "Cmd": ["true"], "HostConfig": host_config});
        create(&host, name, &body);
        let inspected = host.get(&format!("/containers/{name}/json")).json();
        assert_eq!(inspected["HostConfig"]["PortBindings"], shown, "{name}");
    }
}

#[test]
fn a_list_is_narrowed_by_ports_and_says_no_more_of_networks_than_docker() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let made = host.post("/networks/create", &json!({"Name": "narrow"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let body = json!({
        "Image": image, "Cmd": ["sleep", "600"], "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "HostConfig": {
            "NetworkMode": "narrow",
            "PortBindings": {
                "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18099"}],
                "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18098"}],
            },
        },
        "NetworkingConfig": {"EndpointsConfig": {"narrow": {"Aliases": ["other"]}}},
    });
    create(&host, "ports", &body);
    let started = host.post("/containers/ports/start", &Value::Null);
    assert_eq!(started.status, 204, "{}", started.text());
    for (filter, found) in [
        (r#"{"publish":["18099"]}"#, 1),
        (r#"{"publish":["18000-18100/tcp"]}"#, 1),
        (r#"{"publish":["80"]}"#, 0),
        (r#"{"publish":["18099/udp"]}"#, 0),
        // What is not exposed is not published.
        (r#"{"publish":["18098"]}"#, 0),
        (r#"{"expose":["81"]}"#, 0),
        (r#"{"expose":["80"]}"#, 1),
        (r#"{"expose":["50-60/udp"]}"#, 1),
        (r#"{"expose":["54/udp"]}"#, 0),
        (r#"{"expose":["54/udp"],"publish":["18099"]}"#, 1),
    ] {
        let escaped = filter
            .replace('"', "%22")
            .replace('{', "%7B")
            .replace('}', "%7D");
        let listed = host.get(&format!("/containers/json?filters={escaped}"));
        let listed: Vec<Summary> = listed.document();
        assert_eq!(listed.len(), found, "{filter}");
    }
    let listed = host.get("/containers/json").json();
    let network = &listed[0]["NetworkSettings"]["Networks"]["narrow"];
    for name in ["Aliases", "DNSNames", "DriverOpts"] {
        assert_eq!(network[name], Value::Null, "{name}");
    }
    let shown = host.get("/containers/ports/json").json();
    let network = &shown["NetworkSettings"]["Networks"]["narrow"];
    assert_eq!(network["Aliases"], json!(["other"]));
}

#[test]
fn what_inspect_shows_is_what_was_asked_for() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let asked = json!({
        "Image": image, "Cmd": ["true"], "Env": ["A=b"], "Labels": {"k": "v"}, "Tty": true,
        "HostConfig": {
            "Memory": 67_108_864, "CapAdd": ["NET_ADMIN"], "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "NetworkMode": "host", "Tmpfs": {"/t": "size=1m"}, "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
            "ReadonlyRootfs": true, "OomScoreAdj": 100, "Mounts": [{"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 4096}}],
        },
    });
    create(&host, "shown", &asked);
    let shown = host.get("/containers/shown/json").json();
    let host_config = &shown["HostConfig"];
    for (key, value) in asked["HostConfig"].as_object().unwrap() {
        assert_eq!(&host_config[key], value, "{key}");
    }
    assert_eq!(shown["Config"]["Labels"], asked["Labels"]);
    assert_eq!(shown["Config"]["Tty"], true);
    assert_eq!(shown["State"]["StartedAt"], "0001-01-01T00:00:00Z");
    // What was not asked for is null or empty exactly as dockerd has it.
    for null in [
        "Binds",
        "VolumesFrom",
        "CapDrop",
        "ExtraHosts",
        "GroupAdd",
        "Links",
        "SecurityOpt",
        "DeviceCgroupRules",
        "DeviceRequests",
        "MemorySwappiness",
        "PidsLimit",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "BlkioWeightDevice",
        "Devices",
    ] {
        assert_eq!(host_config[null], Value::Null, "{null}");
        assert!(
            host_config.as_object().unwrap().contains_key(null),
            "{null}"
        );
    }
    for absent in [
        "Annotations",
        "StorageOpt",
        "Sysctls",
        "KernelMemory",
        "Init",
    ] {
        assert!(
            !host_config.as_object().unwrap().contains_key(absent),
            "{absent}"
        );
    }
}

#[test]
fn what_cannot_be_executed_is_an_error_of_the_start() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    create(
        &host,
        "missing",
        &json!({"Image": image, "Cmd": ["no-such-program"]}),
    );
    let answer = host.post("/containers/missing/start", &Value::Null);
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .message()
            .contains("executable file not found in $PATH"),
        "{}",
        answer.message()
    );
    assert_eq!(
        host.get("/containers/missing/json").json()["State"]["ExitCode"],
        127
    );
    let removed =
        json!({"Image": image, "Cmd": ["no-such-program"], "HostConfig": {"AutoRemove": true}});
    create(&host, "removed", &removed);
    let mut wait = host.connect();
    write!(wait, "POST /containers/removed/wait?condition=removed HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    let waiting = head(&mut wait);
    assert_eq!(
        host.post("/containers/removed/start", &Value::Null).status,
        400
    );
    let mut rest = Vec::new();
    wait.read_to_end(&mut rest).unwrap();
    let ended = Answer::parse(&[waiting.as_bytes(), &rest].concat());
    assert_eq!(ended.json(), json!({"StatusCode": 127}));
    assert_eq!(host.get("/containers/removed/json").status, 404);
}

#[test]
fn a_resize_is_an_event_also_where_there_is_no_terminal() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    for (name, tty) in [("plain", false), ("terminal", true)] {
        let body = json!({"Image": image, "Cmd": ["sleep", "600"], "Tty": tty});
        create(&host, name, &body);
        host.post(&format!("/containers/{name}/start"), &Value::Null);
        let resized = host.post(
            &format!("/containers/{name}/resize?h=12&w=34"),
            &Value::Null,
        );
        assert_eq!(resized.status, 200, "{}", resized.text());
        let filters = json!({"container": [name], "event": ["resize"]}).to_string();
        let filters = filters.replace('"', "%22");
        let told = host.get(&format!(
            "/events?since=1&until={}&filters={filters}",
            soon()
        ));
        let told = told.text();
        let event: Event = docker_schema::decode(told.lines().next().unwrap().as_bytes()).unwrap();
        let attribute = |name: &str| event.actor.attributes.get(name).map(String::as_str);
        assert_eq!(event.action, "resize");
        assert_eq!(attribute("height"), Some("12"));
        assert_eq!(attribute("width"), Some("34"));
    }
}

#[test]
fn a_volume_without_a_name_is_marked_in_what_it_was_asked_for() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let mount = |target: &str, options: Value| json!({"Type": "volume", "Target": target, "VolumeOptions": options});
    let labels = json!({"Labels": {"k": "v"}});
    let named =
        json!({"Type": "volume", "Source": "named", "Target": "/c", "VolumeOptions": labels});
    let mounts = [
        mount("/a", labels.clone()),
        mount("/b", json!({"NoCopy": true})),
        named,
    ];
    let body = json!({"Image": image, "Cmd": ["true"], "HostConfig": {"Mounts": mounts}});
    create(&host, "marked", &body);
    let shown = host.get("/containers/marked/json").json();
    let shown = shown["HostConfig"]["Mounts"].as_array().unwrap();
    let labels: Vec<&Value> = shown
        .iter()
        .map(|m| &m["VolumeOptions"]["Labels"])
        .collect();
    let marked = json!({"k": "v", "com.docker.volume.anonymous": ""});
    assert_eq!(labels, [&marked, &Value::Null, &json!({"k": "v"})]);
}

#[test]
fn the_rest_of_a_body_that_is_answered_before_is_no_request() {
    let host = Host::new();
    let mut stream = host.connect();
    let body = "POST /containers/x/attach HTTP/1.1\r\n\r\nPOST /images/prune HTTP/1.1\r\n\r\n";
    let length = body.len();
    // Nobody reads the body of what is not there.
    write!(
        stream,
        "POST /nowhere HTTP/1.1\r\nHost: d\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    write!(stream, "{body}").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    // The connection may be closed instead.
    drop(write!(
        stream,
        "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
    ));
    let mut answers = Vec::new();
    drop(stream.read_to_end(&mut answers));
    let answers = String::from_utf8_lossy(&answers);
    let statuses = answers.split("HTTP/1.1 ").skip(1);
    let statuses: Vec<_> = statuses.map(|answer| &answer[..3]).collect();
    assert!(
        matches!(&*statuses, ["404"] | ["404", "200"]),
        "{statuses:?}: {answers}"
    );
}
