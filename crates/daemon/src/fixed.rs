//! Keys of dockerd's to which corten has one answer: a file may give that, and is told why it
//! cannot have another.

use anyhow::bail;
use serde_json::Value;

type Fits = fn(&Value) -> bool;

/// A key, which values it may have, and why no other.
const FIXED: [(&str, Fits, &str); 16] = [
    (
        "live-restore",
        is_true,
        "containers always live on without the daemon",
    ),
    ("iptables", is_true, "networks and ports need the firewall"),
    ("ip6tables", is_true, "networks and ports need the firewall"),
    ("ip-forward", is_true, "networks need forwarding"),
    (
        "ip-forward-no-drop",
        Value::is_boolean,
        "chains of others are left as they are: true or false",
    ),
    (
        "firewall-backend",
        |value| ["", "nftables"].map(Value::from).contains(value),
        "the firewall is nftables'",
    ),
    (
        "userland-proxy",
        Value::is_boolean,
        "one corten-proxy serves all containers, whatever is said: true or false",
    ),
    (
        "userland-proxy-path",
        Value::is_string,
        "corten-proxy is used, whatever is said: a path",
    ),
    ("selinux-enabled", is_false, "labels are given by container"),
    ("experimental", Value::is_boolean, "true or false"),
    (
        "features",
        |value| {
            value
                .as_object()
                .is_some_and(|all| all.values().all(Value::is_boolean))
        },
        "names with true or false",
    ),
    ("builder", Value::is_object, "there is no build: an object"),
    ("raw-logs", Value::is_boolean, "true or false"),
    (
        "exec-opts",
        |value| *value == serde_json::json!(["native.cgroupdriver=cgroupfs"]) || is_empty(value),
        "control groups are made by the engine: native.cgroupdriver=cgroupfs alone",
    ),
    (
        "default-runtime",
        |value| {
            ["runc", "corten", "io.containerd.runc.v2"]
                .map(Value::from)
                .contains(value)
        },
        "there is one runtime, called runc or corten",
    ),
    (
        "runtimes",
        is_empty,
        "there is one runtime, called runc or corten",
    ),
];

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}

fn is_false(value: &Value) -> bool {
    value.as_bool() == Some(false)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

/// Whether a key is one of these.
///
/// # Errors
/// If its value is not the one that it may have.
pub(crate) fn check(key: &str, value: &Value) -> anyhow::Result<bool> {
    let Some((_, fits, why)) = FIXED.iter().find(|(known, ..)| *known == key) else {
        return Ok(false);
    };
    if !fits(value) {
        bail!("{key}: {value} is not offered: {why}");
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_answer_is_taken_and_another_is_explained() {
        for (key, value) in [
            ("live-restore", json!(true)),
            ("userland-proxy", json!(false)),
            ("features", json!({"buildkit": true})),
            ("exec-opts", json!(["native.cgroupdriver=cgroupfs"])),
            ("default-runtime", json!("runc")),
            ("runtimes", json!({})),
        ] {
            assert!(check(key, &value).unwrap(), "{key}");
        }
        assert!(!check("nope", &json!(1)).unwrap());
        for (key, value, why) in [
            (
                "live-restore",
                json!(false),
                "live-restore: false is not offered: containers",
            ),
            (
                "iptables",
                json!(false),
                "iptables: false is not offered: networks and ports",
            ),
            (
                "exec-opts",
                json!(["native.cgroupdriver=systemd"]),
                "native.cgroupdriver=cgroupfs alone",
            ),
            (
                "runtimes",
                json!({"nvidia": {"path": "x"}}),
                "there is one runtime",
            ),
        ] {
            let refused = check(key, &value).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
