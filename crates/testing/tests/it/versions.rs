//! What the API's newer versions have otherwise, and older ones still have.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use testing::TestHost;

fn get(host: &TestHost, path: &str) -> Value {
    let answer = host.http("GET", path, None);
    assert_eq!(
        answer.status,
        200,
        "{path}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    serde_json::from_slice(&answer.body).unwrap()
}

fn keys(document: &Value) -> BTreeSet<&str> {
    document
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// The fields of the first that the second does not have.
fn gone<'a>(old: &'a Value, new: &'a Value) -> Vec<&'a str> {
    keys(old).difference(&keys(new)).copied().collect()
}

fn seconds() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn newer_documents_do_not_have_what_was_deprecated() {
    let host = TestHost::start();
    let id = host.run_detached(&["--name", "one", "busybox", "sleep", "600"]);
    let container = |version: &str| get(&host, &format!("/v{version}/containers/{id}/json"));
    let (old, new) = (container("1.51"), container("1.52"));
    assert_eq!(
        gone(&old["NetworkSettings"], &new["NetworkSettings"]),
        [
            "Bridge",
            "EndpointID",
            "Gateway",
            "GlobalIPv6Address",
            "GlobalIPv6PrefixLen",
            "HairpinMode",
            "IPAddress",
            "IPPrefixLen",
            "IPv6Gateway",
            "LinkLocalIPv6Address",
            "LinkLocalIPv6PrefixLen",
            "MacAddress",
            "SecondaryIPAddresses",
            "SecondaryIPv6Addresses"
        ]
    );
    assert_eq!(gone(&old["Config"], &new["Config"]), ["OnBuild"]);
    assert_eq!(gone(&old, &new), Vec::<&str>::new());
    // Without a version it is the newest one.
    assert_eq!(get(&host, &format!("/containers/{id}/json")), new);

    let image = |version: &str| get(&host, &format!("/v{version}/images/busybox/json"));
    let (old, new) = (image("1.51"), image("1.52"));
    // What says nothing is left out; who made it is said of images made here.
    assert_eq!(gone(&old, &new), ["Author", "Parent"]);
    assert_eq!(
        gone(&old["Config"], &new["Config"]),
        [
            "Entrypoint",
            "Env",
            "Labels",
            "OnBuild",
            "User",
            "Volumes",
            "WorkingDir"
        ]
    );
    assert_eq!(new["Config"]["Cmd"], json!(["sh"]));

    let info = |version: &str| get(&host, &format!("/v{version}/info"));
    assert_eq!(gone(&info("1.51"), &info("1.52")), ["KernelMemoryTCP"]);

    let events = |version: &str| {
        let path = format!("/v{version}/events?since=0&until=1&filters=%7B%7D");
        let answer = host.http("GET", &path, None);
        answer.header("content-type").unwrap().to_owned()
    };
    assert_eq!(events("1.51"), "application/json");
    assert_eq!(events("1.52"), "application/jsonl");
    let past = |version: &str| {
        let path = format!("/v{version}/events?since=1&until={}", seconds());
        let body = host.http("GET", &path, None).body;
        let events = String::from_utf8(body).unwrap();
        let start = events
            .lines()
            .find(|line| line.contains(r#""Action":"create""#));
        serde_json::from_str::<Value>(start.unwrap()).unwrap()
    };
    let now = seconds();
    host.until("its second is over", |_| seconds() > now);
    let (old, new) = (past("1.51"), past("1.52"));
    assert_eq!(gone(&old, &new), ["from", "id", "status"]);
    assert_eq!(old["Actor"], new["Actor"]);
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn newer_documents_have_what_was_added() {
    let host = TestHost::start();
    host.cli(&["network", "create", "--subnet", "10.77.0.0/24", "net"])
        .success();
    host.run_detached(&[
        "--name",
        "one",
        "--network",
        "net",
        "busybox",
        "sleep",
        "600",
    ]);
    host.cli(&["create", "--name", "two", "busybox"]).success();
    host.cli(&["volume", "create", "idle"]).success();

    let network = |version: &str| get(&host, &format!("/v{version}/networks/net"));
    assert_eq!(network("1.51")["Status"], Value::Null);
    // Its own two, the gateway's and the container's.
    let expected = json!({"IPsInUse": 4, "DynamicIPsAvailable": 252});
    assert_eq!(
        network("1.52")["Status"]["IPAM"]["Subnets"]["10.77.0.0/24"],
        expected
    );

    let list = |version: &str| get(&host, &format!("/v{version}/containers/json"));
    assert_eq!(list("1.51")[0]["Health"], Value::Null);
    let expected = json!({"Status": "none", "FailingStreak": 0});
    assert_eq!(list("1.52")[0]["Health"], expected);

    let stats = |version: &str| {
        get(
            &host,
            &format!("/v{version}/containers/one/stats?stream=0&one-shot=1"),
        )
    };
    assert_eq!(stats("1.51")["os_type"], Value::Null);
    assert_eq!(stats("1.52")["os_type"], "linux");

    let df = |rest: &str| get(&host, rest);
    let legacy = [
        "BuildCache",
        "Containers",
        "Images",
        "LayersSize",
        "Volumes",
    ];
    let sums = [
        "BuildCacheUsage",
        "ContainerUsage",
        "ImageUsage",
        "VolumeUsage",
    ];
    assert_eq!(keys(&df("/v1.51/system/df")), legacy.into());
    let both: BTreeSet<&str> = legacy.into_iter().chain(sums).collect();
    assert_eq!(keys(&df("/v1.52/system/df")), both);
    let verbose = df("/v1.52/system/df?verbose=1");
    assert_eq!(keys(&verbose), sums.into());
    let containers = &verbose["ContainerUsage"];
    assert_eq!(
        (&containers["ActiveCount"], &containers["TotalCount"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(containers["Items"].as_array().unwrap().len(), 2);
    let volumes = &verbose["VolumeUsage"];
    assert_eq!(
        (&volumes["ActiveCount"], &volumes["TotalCount"]),
        (&Value::Null, &json!(1))
    );
    let images = &verbose["ImageUsage"];
    assert_eq!(
        (&images["ActiveCount"], &images["TotalCount"]),
        (&json!(1), &json!(1))
    );
    assert!(images["TotalSize"].as_i64().unwrap() > 0);
    assert_eq!(verbose["BuildCacheUsage"], json!({}));
    let one = df("/v1.52/system/df?type=volume");
    assert_eq!(keys(&one), ["VolumeUsage", "Volumes"].into());
    host.cli(&["rm", "-f", "one", "two"]).success();
}

#[test]
fn newer_requests_are_taken_or_refused_in_dockerds_words() {
    let host = TestHost::start();
    let refused = |method: &str, path: &str, status: u16, words: &str| {
        let answer = host.http(method, path, None);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{path}: {body}");
        assert!(body.contains(words), "{path}: {body}");
    };
    let attestations = "images/busybox/attestations";
    refused(
        "GET",
        &format!("/v1.54/{attestations}"),
        400,
        "requires minimum API version 1.55",
    );
    refused(
        "GET",
        &format!("/v1.55/{attestations}"),
        501,
        "the legacy image store does not support attestations",
    );
    refused(
        "GET",
        "/v1.54/images/json?identity=1",
        400,
        "conflicting options: identity requires manifests=1",
    );
    get(&host, "/v1.53/images/json?identity=1");
    let platforms = "images/busybox/get?platform=linux%2Famd64&platform=linux%2Farm64";
    refused(
        "GET",
        &format!("/v1.51/{platforms}"),
        400,
        "multiple platform parameters are not supported in this API version",
    );
    refused(
        "GET",
        &format!("/v1.52/{platforms}"),
        501,
        "an image has one platform here",
    );
    host.cli(&["create", "--name", "one", "busybox"]).success();
    let logs = "containers/one/logs?stdout=1&format=";
    refused(
        "GET",
        &format!("/v1.54/{logs}xml"),
        400,
        "unsupported log format",
    );
    refused(
        "GET",
        &format!("/v1.54/{logs}json"),
        501,
        "format=json is not supported",
    );
    assert_eq!(
        host.http("GET", &format!("/v1.53/{logs}xml"), None).status,
        200
    );
}

#[test]
fn a_container_is_made_as_its_clients_version_says() {
    let host = TestHost::start();
    let create = |version: &str, request: Value| {
        let path = format!("/v{version}/containers/create");
        let answer = host.http("POST", &path, Some(&request.to_string()));
        assert_eq!(answer.status, 201);
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    let request = json!({
        "Image": "busybox",
        "MacAddress": "02:42:ac:11:00:99",
        "HostConfig": {"PortBindings": {"80/tcp": []}}
    });
    let mac = |made: &Value| {
        let id = made["Id"].as_str().unwrap();
        let container = get(&host, &format!("/v1.51/containers/{id}/json"));
        let bindings = &container["HostConfig"]["PortBindings"]["80/tcp"];
        assert_eq!(*bindings, json!([]));
        container["NetworkSettings"]["Networks"]["bridge"]["MacAddress"].clone()
    };
    let oldest = create("1.43", request.clone());
    assert_eq!(oldest["Warnings"], json!([]));
    assert_eq!(mac(&oldest), "02:42:ac:11:00:99");
    let old = create("1.51", request.clone());
    assert_eq!(
        old["Warnings"],
        json!([
            "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
        ])
    );
    assert_eq!(mac(&old), "02:42:ac:11:00:99");
    let new = create("1.52", request);
    assert_eq!(
        new["Warnings"],
        json!([
            "Following container port(s) have an empty list of port-bindings: 80/tcp. Such bindings will be discarded in a future version."
        ])
    );
    assert_eq!(mac(&new), "");
}

#[test]
fn a_running_container_gets_the_hardware_address_that_is_asked_for() {
    let host = TestHost::start();
    host.cli(&["network", "create", "net"]).success();
    host.run_detached(&["--name", "one", "busybox", "sleep", "600"]);
    let request = json!({
        "Container": "one",
        "EndpointConfig": {"MacAddress": "02:42:ac:11:00:99"}
    })
    .to_string();
    for (version, given) in [("1.53", false), ("1.54", true)] {
        let path = format!("/v{version}/networks/net/connect");
        assert_eq!(host.http("POST", &path, Some(&request)).status, 200);
        let words = ["exec", "one", "cat", "/sys/class/net/eth1/address"];
        let shown = host.cli(&words).success().text();
        assert_eq!(
            shown.trim() == "02:42:ac:11:00:99",
            given,
            "{version}: {shown}"
        );
        host.cli(&["network", "disconnect", "net", "one"]).success();
    }
    host.cli(&["rm", "-f", "one"]).success();
}

#[test]
fn limits_of_block_devices_are_changed_and_lifted() {
    let host = TestHost::start();
    host.cli(&["create", "--name", "one", "busybox"]).success();
    let update = |version: &str, request: Value| {
        let path = format!("/v{version}/containers/one/update");
        let answer = host.http("POST", &path, Some(&request.to_string()));
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let shown = get(&host, "/v1.51/containers/one/json");
        shown["HostConfig"]["BlkioDeviceReadBps"].clone()
    };
    let limit = json!([{"Path": "/dev/loop0", "Rate": 1024}]);
    let request = json!({"BlkioDeviceReadBps": limit});
    assert!(
        update("1.54", request.clone())
            .as_array()
            .is_none_or(Vec::is_empty)
    );
    assert_eq!(update("1.55", request), limit);
    assert_eq!(
        update(
            "1.55",
            json!({"BlkioDeviceReadBps": null, "CpuShares": 512})
        ),
        limit
    );
    assert!(
        update("1.55", json!({"BlkioDeviceReadBps": []}))
            .as_array()
            .is_none_or(Vec::is_empty)
    );
}
