//! Every field of Docker's answers is in ours, or has a reason why not.

use crate::host::Host;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FIELDS: &str = include_str!("fields.txt");

/// What has all that can be asked for.
fn everything(image: &str) -> Value {
    const SECOND: u64 = 1_000_000_000;
    json!({
        "Image": image, "Cmd": ["sleep", "600"], "Env": ["A=1"], "Labels": {"l": "1"},
        "User": "0", "Hostname": "hn", "Domainname": "dn", "WorkingDir": "/tmp",
        "StopSignal": "TERM", "StopTimeout": 3, "Shell": ["/bin/sh"], "Volumes": {"/an": {}},
        "ExposedPorts": {"80/tcp": {}, "81/udp": {}},
        "Healthcheck": {
            "Test": ["CMD", "true"], "Interval": SECOND, "Timeout": SECOND, "Retries": 2,
            "StartPeriod": SECOND, "StartInterval": SECOND / 10,
        },
        "HostConfig": {
            "Binds": ["/tmp:/x:ro", "kv:/kv"],
            "Mounts": [
                {
                    "Type": "bind", "Source": "/tmp", "Target": "/b", "ReadOnly": true,
                    "BindOptions": {"Propagation": "rprivate", "NonRecursive": true},
                },
                {
                    "Type": "tmpfs", "Target": "/t",
                    "TmpfsOptions": {"SizeBytes": 1_048_576, "Mode": 448},
                },
                {
                    "Type": "volume", "Target": "/v2",
                    "VolumeOptions": {"NoCopy": true, "Labels": {"x": "y"}},
                },
            ],
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            "NetworkMode": "kn", "PidsLimit": 100, "Memory": 67_108_864,
            "Ulimits": [{"Name": "nofile", "Soft": 1000, "Hard": 2000}],
            "Devices": [{
                "PathOnHost": "/dev/null", "PathInContainer": "/dev/xx",
                "CgroupPermissions": "rwm",
            }],
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
            "Tmpfs": {"/tt": "size=1m"}, "Sysctls": {"net.ipv4.ip_forward": "1"},
            "Annotations": {"a": "b"}, "Init": false, "SecurityOpt": ["no-new-privileges"],
        },
        "NetworkingConfig": {"EndpointsConfig": {"kn": {
            "Aliases": ["al"], "DriverOpts": {"a": "b"}, "GwPriority": 1,
            "IPAMConfig": {"IPv4Address": "10.99.1.7", "LinkLocalIPs": ["169.254.3.3"]},
            "MacAddress": "02:42:ac:11:00:99",
        }}},
    })
}

fn made(host: &Host, path: &str, body: &Value) -> Value {
    let answer = host.post(path, body);
    assert!(answer.status < 300, "{path}: {}", answer.text());
    match answer.text().is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

/// The paths of all fields, an array's items as one.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                fields(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| fields(item, &format!("{path}[]"), found)),
        _ => {}
    }
}

/// What a line says of fields: their paths, and why they are not there.
fn read(line: &str) -> (Vec<String>, Option<&str>) {
    let absent = line.strip_prefix('-');
    let mut parts = absent.unwrap_or(line).splitn(3, ": ");
    let object = parts.next().unwrap();
    let names = parts.next().unwrap().split(' ');
    let paths = names.map(|name| match object {
        "." => name.to_owned(),
        object => format!("{object}.{name}"),
    });
    let reason = parts.next();
    assert_eq!(absent.is_some(), reason.is_some(), "{line}");
    (paths.collect(), reason)
}

#[test]
fn every_field_is_answered_or_has_a_reason() {
    let host = Host::new();
    let Some(image) = host.busybox() else { return };
    let subnet = json!({
        "Subnet": "10.99.0.0/16", "Gateway": "10.99.0.1", "IPRange": "10.99.1.0/24",
        "AuxiliaryAddresses": {"x": "10.99.0.9"},
    });
    let network = json!({"Name": "kn", "Labels": {"a": "b"}, "IPAM": {"Config": [subnet]}});
    made(&host, "/networks/create", &network);
    let volume = json!({"Name": "kv", "Labels": {"a": "b"}});
    made(&host, "/volumes/create", &volume);
    made(&host, "/containers/create?name=all", &everything(image));
    made(&host, "/containers/all/start", &Value::Null);
    let exec = json!({"Cmd": ["true"], "User": "0", "Tty": true});
    let exec = made(&host, "/containers/all/exec", &exec);
    let asked_for_health = |host: &Host| {
        let shown = host.get("/containers/all/json").json();
        shown["State"]["Health"]["Log"]
            .as_array()
            .is_some_and(|log| !log.is_empty())
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !asked_for_health(&host) && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in FIELDS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(path) = line.strip_prefix("GET ") {
            let path = path.replace("EXEC", exec["Id"].as_str().unwrap());
            let answer = host.get(&format!("/v1.51{}", path.replace("IMAGE", image)));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            found.clear();
            fields(&answer.json(), "", &mut found);
            continue;
        }
        let (paths, reason) = read(line);
        let odd = paths
            .into_iter()
            .filter(|path| found.contains(path) == reason.is_some());
        wrong.extend(odd);
    }
    assert!(
        wrong.is_empty(),
        "missing, or there in spite of a reason: {wrong:#?}"
    );
}
