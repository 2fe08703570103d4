//! Keys and flags of dockerd's to which corten has one answer: who configures may give that, and
//! is told why it cannot be another.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;

type Fits = fn(&Value) -> bool;

/// A key, which values it may have, and why no other.
const FIXED: [(&str, Fits, &str); 43] = [
    (
        "live-restore",
        is_true,
        "containers always live on without the daemon",
    ),
    ("iptables", is_true, FIREWALL),
    ("ip6tables", is_true, FIREWALL),
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
        "default-runtime",
        |value| {
            ["runc", "corten", "io.containerd.runc.v2"]
                .map(Value::from)
                .contains(value)
        },
        ONE_RUNTIME,
    ),
    ("runtimes", is_empty, ONE_RUNTIME),
    ("containerd", Value::is_string, NO_CONTAINERD),
    ("containerd-namespace", Value::is_string, NO_CONTAINERD),
    (
        "containerd-plugin-namespace",
        Value::is_string,
        NO_CONTAINERD,
    ),
    ("cri-containerd", is_false, "there is no containerd beside"),
    (
        "allow-direct-routing",
        is_false,
        "a network's gateway mode says who reaches its containers: routed",
    ),
    (
        "authorization-plugins",
        is_empty,
        "no plugin is asked whether a request may be",
    ),
    (
        "bip6",
        is_empty,
        "fixed-cidr-v6 gives the bridge its subnet of IPv6",
    ),
    (
        "bridge",
        is_empty,
        "the default bridge is the engine's own; networks can be made on others' links",
    ),
    ("bridge-accept-fwmark", is_empty, "no mark lets packets in"),
    (
        "cdi-spec-dirs",
        is_empty,
        "devices are given by their paths",
    ),
    ("cpu-rt-period", is_zero, REAL_TIME),
    ("cpu-rt-runtime", is_zero, REAL_TIME),
    ("default-gateway", is_empty, GATEWAY),
    ("default-gateway-v6", is_empty, GATEWAY),
    (
        "default-stop-timeout",
        is_ten,
        "containers and images say it: 10",
    ),
    (
        "init-path",
        is_empty,
        "corten-init is the init of containers",
    ),
    (
        "min-api-version",
        is_old,
        "every version from 1.24 on is served: one up to that",
    ),
    ("network-control-plane-mtu", Value::is_number, NO_SWARM),
    ("network-diagnostic-port", is_zero, NO_SWARM),
    ("node-generic-resources", is_empty, NO_SWARM),
    ("swarm-default-advertise-addr", Value::is_string, NO_SWARM),
    ("swarm-raft-election-tick", Value::is_number, NO_SWARM),
    ("swarm-raft-heartbeat-tick", Value::is_number, NO_SWARM),
    ("nri-opts", is_off, "no plugin of nodes is asked"),
    (
        "resolv-conf",
        |value| ["", "/etc/resolv.conf"].map(Value::from).contains(value),
        "the host's name servers are those of /etc/resolv.conf",
    ),
    (
        "rootless",
        is_false,
        "a daemon that is not root makes its own namespaces",
    ),
    (
        "storage-opts",
        is_empty,
        "no way to keep layers has options",
    ),
    ("deprecated-key-path", is_empty, "there is no key"),
];

const FIREWALL: &str = "networks and ports need the firewall";
const ONE_RUNTIME: &str = "there is one runtime, called runc or corten";
const NO_CONTAINERD: &str = "no containerd is asked, whatever is said: a text";
const REAL_TIME: &str = "real-time shares are given by container: 0";
const GATEWAY: &str = "the gateway is the bridge's own address: see bip";
const NO_SWARM: &str = "there is no swarm";

/// How a flag has its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// By itself, or `=true` and `=false`.
    Switch,
    Text,
    Number,
    /// One of several.
    Item,
    /// `name=true`, one of several.
    Feature,
}

/// The flags of these keys, in dockerd's words.
const FLAGS: [(&str, &str, Form); 33] = [
    ("add-runtime", "runtimes", Form::Item),
    ("allow-direct-routing", "allow-direct-routing", Form::Switch),
    ("authorization-plugin", "authorization-plugins", Form::Item),
    ("bip6", "bip6", Form::Text),
    ("bridge", "bridge", Form::Text),
    ("cdi-spec-dir", "cdi-spec-dirs", Form::Item),
    ("containerd", "containerd", Form::Text),
    ("containerd-namespace", "containerd-namespace", Form::Text),
    (
        "containerd-plugins-namespace",
        "containerd-plugin-namespace",
        Form::Text,
    ),
    ("cpu-rt-period", "cpu-rt-period", Form::Number),
    ("cpu-rt-runtime", "cpu-rt-runtime", Form::Number),
    ("cri-containerd", "cri-containerd", Form::Switch),
    ("default-gateway", "default-gateway", Form::Text),
    ("default-gateway-v6", "default-gateway-v6", Form::Text),
    ("default-runtime", "default-runtime", Form::Text),
    ("experimental", "experimental", Form::Switch),
    ("feature", "features", Form::Feature),
    ("firewall-backend", "firewall-backend", Form::Text),
    ("init-path", "init-path", Form::Text),
    ("ip-forward", "ip-forward", Form::Switch),
    ("ip-forward-no-drop", "ip-forward-no-drop", Form::Switch),
    ("ip6tables", "ip6tables", Form::Switch),
    ("iptables", "iptables", Form::Switch),
    ("live-restore", "live-restore", Form::Switch),
    (
        "network-control-plane-mtu",
        "network-control-plane-mtu",
        Form::Number,
    ),
    (
        "node-generic-resource",
        "node-generic-resources",
        Form::Item,
    ),
    ("raw-logs", "raw-logs", Form::Switch),
    ("rootless", "rootless", Form::Switch),
    ("selinux-enabled", "selinux-enabled", Form::Switch),
    ("storage-opt", "storage-opts", Form::Item),
    (
        "swarm-default-advertise-addr",
        "swarm-default-advertise-addr",
        Form::Text,
    ),
    ("userland-proxy", "userland-proxy", Form::Switch),
    ("userland-proxy-path", "userland-proxy-path", Form::Text),
];

/// Takes these flags out of a command line.
///
/// # Errors
/// If one's value is not the one that it may have.
pub(crate) fn strip(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Vec<OsString>> {
    let (mut rest, mut lists) = (Vec::new(), BTreeMap::<&str, Vec<String>>::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default();
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let name = if name == "-b" { "--bridge" } else { name };
        let known = name
            .strip_prefix("--")
            .and_then(|name| FLAGS.iter().find(|(known, ..)| *known == name));
        let Some((flag, key, form)) = known else {
            rest.push(arg);
            continue;
        };
        let text = match (inline, form) {
            (Some(value), _) => value,
            (None, Form::Switch) => "true".to_owned(),
            (None, _) => {
                let next = args.next().and_then(|next| next.into_string().ok());
                next.with_context(|| format!("flag needs an argument: --{flag}"))?
            }
        };
        let wrong = || format!("invalid argument {text:?} for \"--{flag}\"");
        let value = match form {
            Form::Switch => Value::from(truth(&text).with_context(wrong)?),
            Form::Number => Value::from(text.parse::<i64>().with_context(wrong)?),
            Form::Text => Value::from(text),
            Form::Feature => {
                let (name, on) = text.split_once('=').unwrap_or((&text, "true"));
                serde_json::json!({ name: truth(on).with_context(wrong)? })
            }
            Form::Item => {
                let all = lists.entry(key).or_default();
                all.push(text);
                continue;
            }
        };
        check(key, &value)?;
    }
    for (key, all) in lists {
        check(key, &Value::from(all))?;
    }
    Ok(rest)
}

/// As Go reads one.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

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
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_zero(value: &Value) -> bool {
    value.as_i64() == Some(0)
}

fn is_ten(value: &Value) -> bool {
    value.as_i64() == Some(10)
}

/// No newer than the oldest version that is served.
fn is_old(value: &Value) -> bool {
    ["", "1.24"].map(Value::from).contains(value)
}

fn is_off(value: &Value) -> bool {
    value.as_object().is_some_and(|all| {
        let off = |(key, value): (&String, &Value)| key == "enable" && is_false(value);
        all.iter().all(off)
    })
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

    /// The flags of dockerd 28 and what later ones added, and the keys that no flag is called after.
    const DOCKERDS: &str = "add-runtime allow-direct-routing authorization-plugin bip bip6 bridge \
        cdi-spec-dir cgroup-parent config-file containerd containerd-namespace \
        containerd-plugins-namespace cpu-rt-period cpu-rt-runtime cri-containerd data-root debug \
        default-address-pool default-cgroupns-mode default-gateway default-gateway-v6 \
        default-ipc-mode default-network-opt default-runtime default-shm-size default-ulimit dns \
        dns-opt dns-search exec-opt exec-root experimental feature firewall-backend fixed-cidr \
        fixed-cidr-v6 group host host-gateway-ip http-proxy https-proxy icc init init-path \
        insecure-registry ip ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6 label \
        live-restore log-driver log-format log-level log-opt max-concurrent-downloads \
        max-concurrent-uploads max-download-attempts metrics-addr mtu network-control-plane-mtu \
        no-new-privileges no-proxy node-generic-resource pidfile raw-logs registry-mirror \
        rootless seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opt \
        swarm-default-advertise-addr tls tlscacert tlscert tlskey tlsverify userland-proxy \
        userland-proxy-path userns-remap validate";
    const KEYS: &str = "authorization-plugins bridge-accept-fwmark builder cdi-spec-dirs \
        containerd-plugin-namespace default-address-pools default-network-opts \
        default-stop-timeout default-ulimits deprecated-key-path dns-opts exec-opts features \
        host-gateway-ips hosts insecure-registries labels log-opts min-api-version \
        network-diagnostic-port node-generic-resources nri-opts proxies registry-mirrors \
        resolv-conf runtimes storage-opts swarm-raft-election-tick swarm-raft-heartbeat-tick";
    /// Flags that are no keys by this name.
    const NO_KEYS: &str = "add-runtime authorization-plugin cdi-spec-dir config-file \
        containerd-plugins-namespace default-address-pool default-network-opt default-ulimit \
        dns-opt exec-opt feature host http-proxy https-proxy insecure-registry label log-opt \
        no-proxy node-generic-resource registry-mirror storage-opt validate";

    #[test]
    fn every_flag_and_key_of_dockerds_is_read_or_explained() {
        use clap::CommandFactory as _;
        let command = crate::flags::Flags::command();
        let mut read: Vec<String> = Vec::new();
        for argument in command.get_arguments() {
            read.extend(argument.get_long().map(str::to_owned));
            let aliases = argument.get_all_aliases().unwrap_or_default();
            read.extend(aliases.into_iter().map(str::to_owned));
        }
        for flag in DOCKERDS.split_whitespace() {
            let explained = FLAGS.iter().any(|(known, ..)| *known == flag);
            let read = read.iter().any(|known| known == flag);
            assert!(explained != read, "--{flag}");
        }
        let no_keys: Vec<&str> = NO_KEYS.split_whitespace().collect();
        let keys = DOCKERDS.split_whitespace().chain(KEYS.split_whitespace());
        for key in keys.filter(|key| !no_keys.contains(key)) {
            let explained = FIXED.iter().any(|(known, ..)| *known == key);
            let read = crate::file::KNOWN.contains(&key);
            assert!(explained != read, "{key}");
        }
        for (_, key, _) in FLAGS {
            assert!(FIXED.iter().any(|(known, ..)| *known == key), "{key}");
        }
    }

    #[test]
    fn flags_with_one_answer_are_taken_out_and_others_are_explained() {
        let strip = |words: &[&str]| {
            let words = words.iter().map(OsString::from);
            strip(words)
                .map(|rest| rest.len())
                .map_err(|e| e.to_string())
        };
        let unit = [
            "d",
            "-H",
            "fd://",
            "--containerd=/run/containerd/containerd.sock",
        ];
        assert_eq!(strip(&unit), Ok(3));
        assert_eq!(
            strip(&["d", "--iptables", "--userland-proxy=false", "-D"]),
            Ok(2)
        );
        assert_eq!(
            strip(&["d", "--feature", "a=true", "--feature=b=false"]),
            Ok(1)
        );
        for (words, said) in [
            (
                &["--iptables=false"][..],
                "iptables: false is not offered: networks and ports",
            ),
            (
                &["-b", "br0"],
                "bridge: \"br0\" is not offered: the default bridge",
            ),
            (
                &["--add-runtime", "a=/b"],
                "runtimes: [\"a=/b\"] is not offered: there is one",
            ),
            (
                &["--cpu-rt-period=x"],
                "invalid argument \"x\" for \"--cpu-rt-period\"",
            ),
            (&["--bip6"], "flag needs an argument: --bip6"),
        ] {
            let refused = strip(words).unwrap_err();
            assert!(refused.starts_with(said), "{refused}");
        }
    }

    #[test]
    fn one_answer_is_taken_and_another_is_explained() {
        for (key, value) in [
            ("live-restore", json!(true)),
            ("userland-proxy", json!(false)),
            ("features", json!({"buildkit": true})),
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
