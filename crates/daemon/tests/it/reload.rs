//! What SIGHUP changes while the daemon runs.

use crate::host::{Daemon, Host, until};
use rustix::process::Signal;
use serde_json::Value;

fn info(daemon: &Daemon) -> Value {
    let answer = daemon.request("GET", "/v1.51/info", b"");
    let start = answer.find('{').unwrap();
    serde_json::Deserializer::from_str(&answer[start..])
        .into_iter()
        .next()
        .unwrap()
        .unwrap()
}

/// The daemon's own events until now.
fn reloads(daemon: &Daemon) -> Vec<Value> {
    let filters = "%7B%22type%22%3A%5B%22daemon%22%5D%7D";
    let path = format!("/v1.51/events?since=1&until={}&filters={filters}", now());
    let answer = daemon.request("GET", &path, b"");
    let lines = answer.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn now() -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

#[test]
fn what_the_file_says_anew_holds_and_is_told() {
    let host = Host::new();
    let file = host.path("daemon.json");
    std::fs::write(&file, r#"{"labels":["a=b"]}"#).unwrap();
    let daemon = host.start(&["--config-file", file.to_str().unwrap()]);
    let first = info(&daemon);
    assert_eq!(first["Labels"], serde_json::json!(["a=b"]));
    assert_eq!(first["Debug"], false);
    std::fs::write(
        &file,
        r#"{"labels":["c=d","e=f","c=d"],"debug":true,"insecure-registries":["10.9.0.0/16","reg.lan:5000"],
            "registry-mirrors":["http://127.0.0.1:5001"],"max-concurrent-downloads":7,
            "max-download-attempts":9,"default-shm-size":"1g","shutdown-timeout":33}"#,
    )
    .unwrap();
    daemon.signal(Signal::HUP);
    until("labels are others", || {
        info(&daemon)["Labels"] == serde_json::json!(["c=d", "e=f"])
    });
    let now = info(&daemon);
    assert_eq!(now["Debug"], true);
    assert_eq!(now["ID"], first["ID"]);
    let registries = &now["RegistryConfig"];
    assert_eq!(
        registries["Mirrors"],
        serde_json::json!(["http://127.0.0.1:5001/"])
    );
    assert_eq!(
        registries["InsecureRegistryCIDRs"],
        serde_json::json!(["10.9.0.0/16", "::1/128", "127.0.0.0/8"])
    );
    assert_eq!(registries["IndexConfigs"]["reg.lan:5000"]["Secure"], false);
    until("it is told", || !reloads(&daemon).is_empty());
    let told = &reloads(&daemon)[0];
    assert_eq!(
        (&told["Action"], &told["Actor"]["ID"]),
        (&"reload".into(), &first["ID"])
    );
    let attributes = &told["Actor"]["Attributes"];
    for (name, text) in [
        ("debug", "true"),
        ("default-shm-size", "1073741824"),
        ("insecure-registries", r#"["10.9.0.0/16","reg.lan:5000"]"#),
        ("labels", r#"["c=d","e=f"]"#),
        ("max-concurrent-downloads", "7"),
        ("max-download-attempts", "9"),
        ("registry-mirrors", r#"["http://127.0.0.1:5001"]"#),
        ("shutdown-timeout", "33"),
    ] {
        assert_eq!(attributes[name], text, "{name}: {attributes}");
    }
    // What is wrong changes nothing; what is right after it does.
    std::fs::write(&file, r#"{"labels":["x=1","x=2"]}"#).unwrap();
    daemon.signal(Signal::HUP);
    std::fs::write(&file, "{}").unwrap();
    daemon.signal(Signal::HUP);
    until("nothing is said any more", || {
        info(&daemon)["Labels"] == serde_json::json!([])
    });
    assert_eq!(
        info(&daemon)["RegistryConfig"]["Mirrors"],
        serde_json::json!([])
    );
    let labels = reloads(&daemon);
    let labels = labels
        .iter()
        .map(|event| &event["Actor"]["Attributes"]["labels"]);
    assert!(
        labels
            .into_iter()
            .all(|labels| !labels.as_str().unwrap().contains("x="))
    );
}
