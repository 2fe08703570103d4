//! What people read when something is wrong.

use testing::{Ran, TestHost, binary};

fn away(args: &[&str]) -> Ran {
    let mut command = std::process::Command::new(binary("corten"));
    command.env_clear().args(args);
    testing::run(command)
}

#[test]
fn arguments_that_are_wrong_are_named_with_the_usage() {
    insta::assert_snapshot!(away(&["run", "--foo", "busybox"]), @r"
    exit: 125
    --- stderr
    unknown flag: --foo

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    Run 'corten run --help' for more information
    ");
    insta::assert_snapshot!(away(&["run"]), @r"
    exit: 1
    --- stderr
    corten: 'corten run' requires at least 1 argument

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    See 'corten run --help' for more information
    ");
    insta::assert_snapshot!(away(&["ps", "x"]), @r"
    exit: 1
    --- stderr
    corten: 'corten ps' accepts no arguments

    Usage:  corten ps [OPTIONS]

    Run 'corten ps --help' for more information
    ");
    insta::assert_snapshot!(away(&["run", "--memory"]), @r"
    exit: 125
    --- stderr
    flag needs an argument: --memory

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    Run 'corten run --help' for more information
    ");
    insta::assert_snapshot!(away(&["run", "--memory", "lots", "busybox"]), @r#"
    exit: 125
    --- stderr
    invalid argument "lots" for "--memory" flag: invalid size: 'lots'

    Usage:  corten run [OPTIONS] IMAGE [COMMAND] [ARG...]

    Run 'corten run --help' for more information
    "#);
    insta::assert_snapshot!(away(&["frobnicate"]), @r"
    exit: 1
    --- stderr
    corten: unknown command: corten frobnicate

    Run 'corten --help' for more information
    ");
}

#[test]
fn a_daemon_that_is_not_there_is_named_with_what_to_do() {
    insta::assert_snapshot!(away(&["-H", "unix:///nowhere.sock", "ps"]), @r"
    exit: 1
    --- stderr
    Cannot connect to the corten daemon at unix:///nowhere.sock. Is the corten daemon running?
    caused by: No such file or directory (os error 2)
    hint: start it with `corten daemon -H unix:///nowhere.sock`, or leave out -H, CORTEN_HOST and DOCKER_HOST: corten then starts its own
    ");
    away(&["-H", "unix:///nowhere.sock", "run", "busybox"]).code(125);
    insta::assert_snapshot!(away(&["-H", "carrier-pigeon://x", "ps"]), @r"
    exit: 1
    --- stderr
    unable to parse docker host `carrier-pigeon://x`: only unix:// and tcp:// are supported
    ");
}

#[test]
fn objects_that_do_not_exist_are_named() {
    let host = TestHost::start();
    insta::assert_snapshot!(host.cli(&["rm", "ghost", "spirit"]), @r"
    exit: 1
    --- stderr
    Error response from daemon: No such container: ghost
    Error response from daemon: No such container: spirit
    ");
    insta::assert_snapshot!(host.cli(&["kill", "ghost"]), @r"
    exit: 1
    --- stderr
    Error response from daemon: cannot kill container: ghost: No such container: ghost
    ");
    insta::assert_snapshot!(host.cli(&["inspect", "ghost"]), @r"
    exit: 1
    --- stdout
    []
    --- stderr
    Error: No such object: ghost
    ");
    insta::assert_snapshot!(host.cli(&["rmi", "ghost"]), @r"
    exit: 1
    --- stderr
    Error response from daemon: No such image: ghost:latest
    ");
    insta::assert_snapshot!(host.cli(&["rm", "-f", "ghost"]), @r"
    exit: 0
    --- stderr
    Error response from daemon: No such container: ghost
    ");
}

#[test]
fn one_bad_name_does_not_stop_the_others() {
    let host = TestHost::start();
    let one = crate::Running::sleeping(&host);
    let ran = host.cli(&["kill", "ghost", &one.id]).code(1);
    assert_eq!(ran.text().trim(), one.id);
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let host = TestHost::start();
    for args in [
        &["run", "--rm", "--restart", "always", "busybox"][..],
        &["run", "-d", "-a", "stdout", "busybox"],
        &["run", "--ulimit", "nofile=5:1", "busybox"],
        &["run", "--mount", "type=bind,source=/a", "busybox"],
        &["run", "-p", "x:y:z", "busybox"],
        &["run", "-v", "::", "busybox"],
        &["run", "-e", "=x", "busybox"],
    ] {
        let ran = host.cli(args).code(125);
        assert!(!ran.error().is_empty());
    }
}

#[test]
fn an_image_of_another_system_is_kept_and_not_run() {
    let host = TestHost::start();
    let archive = host.scratch().join("empty.tar");
    std::fs::write(&archive, [0; 1024]).unwrap();
    let archive = archive.to_str().unwrap();
    host.cli(&["import", "--platform", "windows/amd64", archive, "win"])
        .code(0);
    let inspected = host
        .cli(&["image", "inspect", "-f", "{{.Os}}", "win"])
        .code(0);
    assert_eq!(inspected.text(), "windows\n");
    insta::assert_snapshot!(host.cli(&["run", "--rm", "win", "cmd"]), @r#"
    exit: 125
    --- stderr
    corten: Error response from daemon: image operating system "windows" cannot be used on this platform: win

    Run 'corten run --help' for more information
    "#);
}

/// What is created, and what dockerd says of it; read from docker 28.
#[test]
fn what_no_container_is_made_of_is_said_in_dockers_words() {
    let host = TestHost::start();
    let address = "user specified IP address is supported on user defined networks only";
    for (field, words) in [
        (
            r#""HostConfig":{"Memory":-1}"#,
            "Minimum memory limit allowed is 6MB",
        ),
        (
            r#""HostConfig":{"MemoryReservation":1}"#,
            "Minimum memory reservation allowed is 6MB",
        ),
        (
            r#""HostConfig":{"CpuPeriod":-1}"#,
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (
            r#""HostConfig":{"NanoCpus":500000000,"CpuQuota":10000}"#,
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            r#""HostConfig":{"ExtraHosts":["a=1.2.3.4"]}"#,
            r#"bad format for add-host: "a=1.2.3.4""#,
        ),
        (
            r#""HostConfig":{"ExtraHosts":["a:[::1]"]}"#,
            r#"invalid IP address in add-host: "[::1]""#,
        ),
        (
            r#""HostConfig":{"CapAdd":["bad"]}"#,
            r#"invalid CapAdd: unknown capability: "CAP_BAD""#,
        ),
        (
            r#""HostConfig":{"Tmpfs":{"rel":""}}"#,
            "invalid mount path: 'rel' mount path must be absolute",
        ),
        (
            r#""HostConfig":{"Tmpfs":{"/":""}}"#,
            "invalid specification: destination can't be '/'",
        ),
        (
            r#""HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"x"}]}}"#,
            r#"invalid port specification: "x""#,
        ),
        (
            r#""HostConfig":{"PortBindings":{"70000/tcp":[{}]}}"#,
            r#"invalid port specification: "70000""#,
        ),
        (
            r#""HostConfig":{"VolumesFrom":[""]}"#,
            "volumes-from specification cannot be an empty string",
        ),
        (r#""Env":["=x"]"#, "invalid environment variable: =x"),
        (
            r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"MacAddress":"x"}}}"#,
            "invalid config for network bridge: invalid MAC address x",
        ),
        (
            r#""NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"IPv4Address":"172.17.0.9"}}}}"#,
            &format!("invalid config for network bridge: invalid endpoint settings:\n{address}"),
        ),
    ] {
        let body = format!(r#"{{"Image":"busybox",{field}}}"#);
        let answer = host.http("POST", "/containers/create", Some(&body));
        assert_eq!(answer.status, 400, "{field}: {}", answer.text());
        assert_eq!(answer.json()["message"], words, "{field}");
    }
}

#[test]
fn what_a_container_cannot_be_set_up_with_is_the_hosts_failure_unless_it_is_not_there() {
    let host = TestHost::start();
    for (config, status) in [
        (r#""HostConfig":{"Sysctls":{"kernel.shmmax":"x"}}"#, 500),
        (r#""User":"nosuch""#, 500),
        (r#""HostConfig":{"Sysctls":{"net.nosuch":"1"}}"#, 400),
        (r#""Cmd":["nosuch"]"#, 400),
    ] {
        let body = format!(r#"{{"Image":"busybox",{config}}}"#);
        let made = host.http("POST", "/containers/create", Some(&body));
        let id = made.json()["Id"].as_str().unwrap().to_owned();
        let path = format!("/containers/{id}/start");
        let answer = host.http("POST", &path, None);
        assert_eq!(answer.status, status, "{config}: {}", answer.text());
        host.cli(&["rm", &id]).success();
    }
}

#[test]
fn what_is_no_document_is_told_in_the_words_of_gos_reader() {
    let host = TestHost::start();
    let create = "/containers/create";
    for (path, body, words) in [
        (create, "{", "invalid JSON: unexpected EOF"),
        (
            create,
            "x",
            "invalid JSON: invalid character 'x' looking for beginning of value",
        ),
        (create, "{} x", "unexpected content after JSON"),
        (
            create,
            "[]",
            "invalid JSON: json: cannot unmarshal array into Go value of type container.CreateRequest",
        ),
        (
            create,
            r#"{"Cmd":[1]}"#,
            "invalid JSON: json: cannot unmarshal array into Go value of type string",
        ),
        (
            create,
            r#"{"HostConfig":{"CapAdd":"x"}}"#,
            "config cannot be empty in order to create a container",
        ),
        (
            create,
            r#"{"hostconfig":{"Memory":"1g"}}"#,
            "invalid JSON: json: cannot unmarshal string into Go struct field .hostconfig.Memory of type int64",
        ),
        (
            create,
            r#"{"HostConfig":{"BlkioDeviceReadBps":[{"Rate":-1}]}}"#,
            "invalid JSON: json: cannot unmarshal number -1 into Go struct field .HostConfig.BlkioDeviceReadBps.0.Rate of type uint64",
        ),
        (
            create,
            r#"{"HostConfig":{"PortBindings":[]}}"#,
            "invalid JSON: json: cannot unmarshal array into Go struct field .HostConfig.PortBindings of type nat.PortMap",
        ),
        (
            create,
            r#"{"HostConfig":{"Ulimits":{}}}"#,
            "invalid JSON: json: cannot unmarshal object into Go struct field .HostConfig.Ulimits of type []*units.Ulimit",
        ),
        (
            "/networks/create",
            r#"{"Name":1}"#,
            "invalid JSON: json: cannot unmarshal number into Go struct field CreateRequest.Name of type string",
        ),
        (
            "/networks/bridge/connect",
            "",
            r#"invalid name or ID supplied: """#,
        ),
        (
            "/exec/nosuch/start",
            r#"{"Detach":1}"#,
            "invalid JSON: json: cannot unmarshal number into Go struct field ExecStartOptions.Detach of type bool",
        ),
    ] {
        let answer = host.http("POST", path, Some(body));
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.json()["message"], words, "{body}");
    }
    let login = host.http("POST", "/auth", Some(r#"{"username":1}"#));
    assert_eq!(login.status, 500);
    assert_eq!(
        login.json()["message"],
        "json: cannot unmarshal number into Go struct field .username of type string"
    );
    // One that is short is filled up.
    let body = r#"{"Image":"busybox","HostConfig":{"ConsoleSize":[1]}}"#;
    let made = host.http("POST", create, Some(body));
    assert_eq!(made.status, 201, "{}", made.text());
}

/// All that is shown of a container.
fn inspected(host: &TestHost, id: &str) -> serde_json::Value {
    let answer = host.http("GET", &format!("/containers/{id}/json"), None);
    answer.json().clone()
}

/// Fields of a request, how its start is answered, and in which words.
const UNMET: [(&str, u16, &str); 13] = [
    (
        r#""HostConfig":{"Ulimits":[{"Name":"bad","Soft":1}]}"#,
        500,
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: wrong rlimit value: RLIMIT_BAD",
    ),
    (
        r#""HostConfig":{"Ulimits":[{"Name":"nofile","Soft":20,"Hard":10}]}"#,
        500,
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit type 7: invalid argument",
    ),
    (
        r#""HostConfig":{"Sysctls":{"vm.swappiness":"1"}}"#,
        500,
        r#"failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl "vm.swappiness" is not in a separate kernel namespace"#,
    ),
    (
        r#""HostConfig":{"NetworkMode":"host","Sysctls":{"net.ipv4.ip_forward":"1"}}"#,
        500,
        r#"failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl "net.ipv4.ip_forward" not allowed in host network namespace"#,
    ),
    (
        r#""HostConfig":{"DeviceRequests":[{"Count":-1,"Capabilities":[["gpu"]]}]}"#,
        500,
        r#"could not select device driver "" with capabilities: [[gpu]]"#,
    ),
    (
        r#""HostConfig":{"DeviceCgroupRules":["x"]}"#,
        500,
        "invalid device cgroup rule format: 'x'",
    ),
    (
        r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/nosuch"}]}"#,
        500,
        r#"error gathering device information while adding custom device "/dev/nosuch": no such file or directory"#,
    ),
    (
        r#""HostConfig":{"SecurityOpt":["seccomp=bad"]}"#,
        500,
        "Decoding seccomp profile failed: invalid character 'b' looking for beginning of value",
    ),
    (
        r#""HostConfig":{"Tmpfs":{"/t":"bad"}}"#,
        500,
        r#"invalid tmpfs option "bad""#,
    ),
    (
        r#""HostConfig":{"Dns":["bad"]}"#,
        500,
        r#"bad nameserver address bad: ParseAddr("bad"): unable to parse IP"#,
    ),
    (
        r#""HostConfig":{"Mounts":[{"Type":"bind","Source":"/tmp","Target":"/t","BindOptions":{"ReadOnlyForceRecursive":true}}]}"#,
        500,
        "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive",
    ),
    (
        r#""User":"4294967296""#,
        500,
        "uids and gids must be in range 0-2147483647",
    ),
    (
        r#""Cmd":[""]"#,
        400,
        r#"failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "": executable file not found in $PATH"#,
    ),
];

#[test]
fn what_docker_finds_out_at_the_start_is_told_there_and_shown_until_then() {
    let host = TestHost::start();
    for (config, status, words) in UNMET {
        let body = match config.contains("Cmd") {
            true => format!(r#"{{"Image":"busybox",{config}}}"#),
            false => format!(r#"{{"Image":"busybox","Cmd":["true"],{config}}}"#),
        };
        let made = host.http("POST", "/containers/create", Some(&body));
        assert_eq!(made.status, 201, "{config}: {}", made.text());
        let id = made.json()["Id"].as_str().unwrap().to_owned();
        let answer = host.http("POST", &format!("/containers/{id}/start"), None);
        assert_eq!(answer.status, status, "{config}: {}", answer.text());
        assert_eq!(answer.json()["message"], words, "{config}");
        let state = inspected(&host, &id)["State"].clone();
        assert_eq!(state["Status"], "created", "{config}");
        host.cli(&["rm", &id]).success();
    }
}

#[test]
fn what_linux_does_not_know_is_taken_and_shown() {
    let host = TestHost::start();
    let body = r#"{"Image":"busybox","Cmd":["true"],"StopSignal":"99","ArgsEscaped":true,
        "WorkingDir":"/a/../b","Hostname":"a b","ExposedPorts":{"bad":{}},"Volumes":{"/c/../d":{}},
        "HostConfig":{"CpuCount":2,"CpuPercent":50,"Isolation":"DEFAULT","Cgroup":"x",
        "SecurityOpt":["writable-cgroups=true","seccomp={}"],"Init":false}}"#;
    let made = host.http("POST", "/containers/create", Some(body));
    assert_eq!(made.status, 201, "{}", made.text());
    let warned = made.json()["Warnings"].clone();
    assert_eq!(
        warned.as_array().unwrap(),
        &["linux does not support CPU percent. Percent discarded."]
    );
    let id = made.json()["Id"].as_str().unwrap().to_owned();
    let shown = inspected(&host, &id);
    for (field, value) in [
        ("/Config/StopSignal", "99".into()),
        ("/Config/ArgsEscaped", true.into()),
        ("/Config/WorkingDir", "/b".into()),
        ("/Mounts/0/Destination", "/d".into()),
        ("/HostConfig/CpuCount", 2.into()),
        ("/HostConfig/CpuPercent", 0.into()),
        ("/HostConfig/Isolation", "DEFAULT".into()),
        ("/HostConfig/Cgroup", "x".into()),
        ("/HostConfig/Init", false.into()),
    ] {
        let found: Option<&serde_json::Value> = shown.pointer(field);
        assert_eq!(found, Some(&value), "{field}");
    }
    host.cli(&["start", &id]).success();
    host.cli(&["wait", &id]).success();
    host.cli(&["rm", "-v", &id]).success();
}

#[test]
fn an_empty_list_takes_the_images_entry_point_away_and_leaves_its_command() {
    let host = TestHost::start();
    host.cli(&["create", "--name", "made", "busybox", "true"])
        .success();
    let changes = [
        "--change",
        r#"ENTRYPOINT ["echo"]"#,
        "--change",
        r#"CMD ["true"]"#,
    ];
    host.cli(&[&["commit"], &changes[..], &["made", "pointed"]].concat())
        .success();
    for (config, entrypoint) in [
        (r#""Entrypoint":[]"#, serde_json::json!([])),
        (r#""Entrypoint":null"#, serde_json::json!(["echo"])),
        (
            r#""Entrypoint":[""],"Cmd":["true"]"#,
            serde_json::json!(null),
        ),
    ] {
        let body = format!(r#"{{"Image":"pointed",{config}}}"#);
        let made = host.http("POST", "/containers/create", Some(&body));
        let id = made.json()["Id"].as_str().unwrap().to_owned();
        let shown = inspected(&host, &id)["Config"].clone();
        assert_eq!(shown["Entrypoint"], entrypoint, "{config}");
        assert_eq!(shown["Cmd"], serde_json::json!(["true"]), "{config}");
    }
}
