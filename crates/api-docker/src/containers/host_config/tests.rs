//! Every field of `HostConfig` is done, so that inspect shows what was asked, or refused by name.

use super::*;
use crate::containers::create::specification;
use docker_schema::container::CreateRequest;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Limits that inspect shows as they were asked for.
fn limits() -> Vec<(&'static str, Value)> {
    let rate = json!([{"Path": "/dev/null", "Rate": 1024}]);
    vec![
        ("BlkioDeviceReadBps", rate.clone()),
        ("BlkioDeviceReadIOps", rate.clone()),
        ("BlkioDeviceWriteBps", rate.clone()),
        ("BlkioDeviceWriteIOps", rate),
        ("BlkioWeight", json!(500)),
        (
            "BlkioWeightDevice",
            json!([{"Path": "/dev/null", "Weight": 200}]),
        ),
        ("CgroupParent", json!("/x")),
        ("CpuPeriod", json!(100_000)),
        ("CpuQuota", json!(50_000)),
        ("CpuRealtimePeriod", json!(1_000_000)),
        ("CpuRealtimeRuntime", json!(950_000)),
        ("CpuShares", json!(512)),
        ("CpusetCpus", json!("0")),
        ("CpusetMems", json!("0")),
        ("DeviceCgroupRules", json!(["c 7:* rmw"])),
        (
            "Devices",
            json!([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]),
        ),
        ("KernelMemoryTCP", json!(16_777_216)),
        ("Memory", json!(16_777_216)),
        ("MemoryReservation", json!(8_388_608)),
        ("MemorySwap", json!(-1)),
        ("MemorySwappiness", json!(10)),
        ("NanoCpus", json!(500_000_000)),
        ("OomKillDisable", json!(true)),
        ("PidsLimit", json!(10)),
        (
            "Ulimits",
            json!([{"Name": "nofile", "Hard": 20, "Soft": 10}]),
        ),
    ]
}

/// Other fields that inspect shows as they were asked for.
fn others() -> Vec<(&'static str, Value)> {
    vec![
        ("Annotations", json!({"a": "b"})),
        ("AutoRemove", json!(true)),
        ("Binds", json!(["/a:/b:ro"])),
        ("CapAdd", json!(["SYS_ADMIN"])),
        ("CapDrop", json!(["MKNOD"])),
        ("CgroupnsMode", json!("private")),
        ("ConsoleSize", json!([24, 80])),
        ("Dns", json!(["9.9.9.9"])),
        ("DnsOptions", json!(["ndots:2"])),
        ("DnsSearch", json!(["example.com"])),
        ("ExtraHosts", json!(["a:1.2.3.4"])),
        ("GroupAdd", json!(["audio"])),
        ("Init", json!(true)),
        ("IpcMode", json!("shareable")),
        ("Isolation", json!("default")),
        (
            "LogConfig",
            json!({"Type": "local", "Config": {"max-size": "1m"}}),
        ),
        ("MaskedPaths", json!(["/proc/x"])),
        (
            "Mounts",
            json!([{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1024}}]),
        ),
        ("NetworkMode", json!("host")),
        ("OomScoreAdj", json!(100)),
        ("PidMode", json!("host")),
        (
            "PortBindings",
            json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}),
        ),
        ("Privileged", json!(true)),
        ("PublishAllPorts", json!(true)),
        ("ReadonlyPaths", json!(["/proc/y"])),
        ("ReadonlyRootfs", json!(true)),
        (
            "RestartPolicy",
            json!({"Name": "on-failure", "MaximumRetryCount": 3}),
        ),
        ("Runtime", json!("runc")),
        ("SecurityOpt", json!(["no-new-privileges"])),
        ("ShmSize", json!(1_048_576)),
        ("Sysctls", json!({"net.ipv4.ip_forward": "1"})),
        ("Tmpfs", json!({"/run": "size=1m"})),
        ("UTSMode", json!("host")),
        ("UsernsMode", json!("host")),
        ("VolumeDriver", json!("local")),
        ("VolumesFrom", json!(["other"])),
    ]
}

/// What is shown as it was given, though something else, or nothing, was made of it.
fn as_given() -> Vec<(&'static str, Value)> {
    vec![
        ("Cgroup", json!("container:x")),
        ("ConsoleSize", json!([1, 0])),
        ("ContainerIDFile", json!("/x")),
        ("CpuCount", json!(1)),
        ("DeviceCgroupRules", json!(["x"])),
        (
            "DeviceRequests",
            json!([{"Driver": "x", "Count": 0, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": null}]),
        ),
        ("Init", json!(false)),
        ("MemoryReservation", json!(-1)),
        ("MemorySwap", json!(-2)),
        (
            "Mounts",
            json!([{"Type": "bind", "Source": "/x", "Target": "/y", "Consistency": "cached"}]),
        ),
        ("PortBindings", json!({"80": null, "81/tcp": []})),
    ]
}

/// All that is done.
fn done() -> Vec<(&'static str, Value)> {
    let mut done = limits();
    done.extend(others());
    done.extend(as_given());
    done
}

/// Fields that are refused, by their names or in dockerd's words.
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "IOMaximumBandwidth",
            json!(1),
            "QoS maximum bandwidth configuration is not supported on linux",
        ),
        (
            "IOMaximumIOps",
            json!(1),
            "QoS maximum IOPs configuration is not supported on linux",
        ),
        (
            "StorageOpt",
            json!({"size": "1g"}),
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        ("StorageOpt", json!({"bad": "1g"}), "Unknown option bad"),
    ]
}

/// Fields that say nothing here: a share of the processors that Linux does not know, and a limit
/// that no kernel has any more.
const SILENT: [&str; 2] = ["CpuPercent", "KernelMemory"];

/// Fields that are shown by what the engine knows of other containers.
const OF_OTHERS: [&str; 1] = ["Links"];

fn request(field: &str, value: &Value) -> CreateRequest {
    let body = json!({"Image": "x", "HostConfig": {field: value}});
    CreateRequest::decode(body.to_string().as_bytes()).unwrap()
}

#[test]
fn what_is_done_is_shown_as_it_was_asked_for() {
    for (field, value) in done() {
        let spec = specification(&request(field, &value)).unwrap();
        let shown = serde_json::to_value(show(&spec)).unwrap();
        let given = shown.get(field).cloned().unwrap_or_default();
        assert_eq!(given, value, "{field}");
    }
}

#[test]
fn what_is_not_done_is_refused_by_its_name() {
    for (field, value, words) in refused() {
        let error = specification(&request(field, &value)).unwrap_err();
        assert!(error.to_string().contains(words), "{field}: {error}");
    }
}

#[test]
fn a_list_with_nothing_in_it_is_shown_as_it_was_given() {
    for field in [
        "Binds",
        "BlkioDeviceReadBps",
        "BlkioWeightDevice",
        "CapAdd",
        "DeviceRequests",
        "Devices",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "ExtraHosts",
        "SecurityOpt",
        "Ulimits",
        "VolumesFrom",
    ] {
        for given in [json!([]), json!(null)] {
            let spec = specification(&request(field, &given)).unwrap();
            // As it is kept.
            let kept = serde_json::to_string(&spec).unwrap();
            let spec = serde_json::from_str(&kept).unwrap();
            let shown = serde_json::to_value(show(&spec)).unwrap();
            assert_eq!(shown[field], given, "{field}");
        }
    }
}

/// Values that docker 28 refuses, and its words.
#[test]
fn wrong_values_are_refused_in_dockers_words() {
    let bind = json!({"Type": "bind", "Source": "/tmp", "Target": "/t"});
    let mount = |field: &str, value: Value| {
        let mut mount = bind.clone();
        mount[field] = value;
        json!([mount])
    };
    for (field, value, words) in [
        (
            "CpuShares",
            json!(-1),
            "invalid CPU shares (-1): value must be a positive integer",
        ),
        (
            "MemorySwappiness",
            json!(101),
            "Invalid value: 101, valid memory swappiness range is 0-100",
        ),
        (
            "CgroupnsMode",
            json!("bad"),
            "invalid cgroup namespace mode: bad",
        ),
        (
            "NetworkMode",
            json!("container:"),
            "invalid network mode: invalid container format container:<name|id>",
        ),
        (
            "Annotations",
            json!({"": "x"}),
            "invalid Annotations: the empty string is not permitted as an annotation key",
        ),
        (
            "SecurityOpt",
            json!(["bad"]),
            "invalid --security-opt 1: \"bad\"",
        ),
        (
            "Mounts",
            mount("Source", json!("rel")),
            "invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must \
             be absolute",
        ),
        (
            "Mounts",
            mount("Target", json!("/")),
            "invalid mount config for type \"bind\": invalid specification: destination can't \
             be '/'",
        ),
        (
            "Mounts",
            json!([{"Type": "volume", "Source": "v", "Target": "/t"}]),
            "create v: volume name is too short, names should be at least two alphanumeric \
             characters",
        ),
        (
            "Mounts",
            json!([{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Options": [["bad"]]}}]),
            "invalid mount config for type \"tmpfs\": invalid option: bad",
        ),
        (
            "Binds",
            json!(["v:/x"]),
            "create v: volume name is too short, names should be at least two alphanumeric \
             characters",
        ),
    ] {
        let error = specification(&request(field, &value)).unwrap_err();
        assert_eq!(error.to_string(), words, "{field}");
    }
}

#[test]
fn every_field_is_in_one_of_the_lists() {
    let all = serde_json::to_value(HostConfig {
        annotations: Some(Default::default()),
        init: Some(true),
        kernel_memory: 1,
        kernel_memory_tcp: 1,
        mounts: Some(vec![Default::default()]),
        storage_opt: Some([("a".to_owned(), "b".to_owned())].into()),
        sysctls: Some([("a".to_owned(), "b".to_owned())].into()),
        tmpfs: Some([("a".to_owned(), "b".to_owned())].into()),
        ..HostConfig::default()
    });
    let all = all.unwrap();
    let all: BTreeSet<&str> = all
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let (done, refused) = (done(), refused());
    let listed = done.iter().map(|(field, _)| *field);
    let listed = listed.chain(refused.iter().map(|(field, _, _)| *field));
    let listed: BTreeSet<&str> = listed.chain(SILENT).chain(OF_OTHERS).collect();
    assert_eq!(all, listed);
}
