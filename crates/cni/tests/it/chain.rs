//! Chains of the reference plugins: what they make, and that nothing of it is left.

use crate::hosts::{Peer, isolated};
use crate::pods::{Host, attachment, can_get, names, neighbour, netns_of, network, sh};
use cni::{Attachment, Code, Error, Network, PortMapping, Success};
use serde_json::{Value, json};

/// Bridge, host-local and portmap.
fn bridge(host: &Host, subnets: &[&str]) -> Network {
    let ranges: Vec<_> = subnets
        .iter()
        .map(|subnet| json!([{ "subnet": subnet }]))
        .collect();
    network(json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": host.path("networks"),
                    "ranges": ranges,
                    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    }))
}

const BOTH: &[&str] = &["10.88.0.0/16", "fd00:88::/64"];
fn with_port(mut attachment: Attachment, port: u16) -> Attachment {
    attachment.capabilities.port_mappings.push(PortMapping {
        host_port: port,
        container_port: 80,
        protocol: "tcp".into(),
        host_ip: String::new(),
    });
    attachment
}

/// Links, addresses and routes in a pod, without what differs from one to the next.
fn seen_in(pod: &Peer) -> Value {
    let links = pod.run("ip -j addr show dev eth0");
    let mut links: Value = serde_json::from_str(&links).expect("JSON");
    let link = links[0].take();
    let addresses = link["addr_info"].as_array().expect("addresses").iter();
    let addresses = addresses.filter(|address| address["scope"] == "global");
    let addresses: Vec<_> = addresses
        .map(|a| json!([a["local"], a["prefixlen"], a["broadcast"]]))
        .collect();
    let routes = pod.run("ip route show; ip -6 route show | grep -v fe80");
    let mut routes: Vec<_> = routes.lines().map(str::trim).collect();
    routes.sort_unstable();
    json!({
        "mtu": link["mtu"],
        "state": link["operstate"],
        "addresses": addresses,
        "routes": routes,
    })
}

/// A result without what differs from one to the next.
fn plain(success: &Success) -> Value {
    let mut success = success.clone();
    for link in &mut success.interfaces {
        assert_eq!(link.mac.len(), 17, "{link:?}");
        link.mac.clear();
        if link.name.starts_with("veth") {
            link.name = "veth".into();
        }
        if !link.sandbox.is_empty() {
            link.sandbox = "pod".into();
        }
    }
    serde_json::to_value(success).expect("JSON")
}

#[test]
fn pods_of_a_bridge_reach_each_other_and_are_reached_by_mapped_ports() {
    if !isolated("chain::pods_of_a_bridge_reach_each_other_and_are_reached_by_mapped_ports") {
        return;
    }
    let host = Host::new();
    let outside = neighbour();
    let network = bridge(&host, BOTH);
    let runtime = host.runtime();
    let pods = [Peer::start(), Peer::start()];
    let one = with_port(attachment("one", &netns_of(&pods[0])), 8080);
    let two = attachment("two", &netns_of(&pods[1]));

    let made = runtime.add(&network, &one).expect("the first");
    runtime.add(&network, &two).expect("the second");

    assert_eq!(
        plain(&made),
        json!({
            "interfaces": [{"name": "cni0"}, {"name": "veth"}, {"name": "eth0", "sandbox": "pod"}],
            "ips": [
                {"interface": 2, "address": "10.88.0.2/16", "gateway": "10.88.0.1"},
                {"interface": 2, "address": "fd00:88::2/64", "gateway": "fd00:88::1"},
            ],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        })
    );
    assert_eq!(
        seen_in(&pods[0])["addresses"],
        json!([["10.88.0.2", 16, "10.88.255.255"], ["fd00:88::2", 64, null]])
    );
    pods[0].serve();
    for (from, target, reached) in [
        (Some(&pods[1]), "10.88.0.2:80", true),
        (Some(&pods[1]), "[fd00:88::2]:80", true),
        (Some(&outside), "192.0.2.1:8080", true),
        (Some(&outside), "192.0.2.1:8081", false),
        (Some(&pods[1]), "192.0.2.1:8080", true),
        (None, "192.0.2.1:8080", true),
        (None, "127.0.0.1:8080", true),
    ] {
        assert_eq!(can_get(from, target), reached, "{target}");
    }
    pods[1].run("ping -c1 -W2 192.0.2.2");

    for _twice in 0..2 {
        runtime.delete(&network, &one).expect("it goes");
        runtime.delete(&network, &two).expect("it goes");
    }
    assert!(!can_get(Some(&outside), "192.0.2.1:8080"));
    assert_eq!(pods[0].run("ip -br link | grep eth0 || true"), "");
    assert_eq!(host.kept(), [""; 0]);
    let left = names(&host.path("networks/pods"));
    assert_eq!(
        left.iter().filter(|name| name.starts_with("10.")).count(),
        0
    );
    assert!(!sh("ip -br link").contains("veth"), "no pair is left");
}

#[test]
fn what_was_added_is_deleted_and_collected_after_a_restart() {
    if !isolated("chain::what_was_added_is_deleted_and_collected_after_a_restart") {
        return;
    }
    let host = Host::new();
    let network = bridge(&host, BOTH);
    let pods = [Peer::start(), Peer::start()];
    let attachments = [
        with_port(attachment("one", &netns_of(&pods[0])), 8080),
        // COMPAT: the reference portmap fails CHECK where both iptables and ip6tables are.
        attachment("two", &netns_of(&pods[1])),
    ];
    for one in &attachments {
        host.runtime().add(&network, one).expect("it is added");
    }
    assert_eq!(host.kept(), ["pods-one-eth0", "pods-two-eth0"]);
    // Only the names are known to whoever starts again.
    let valid = [("two".to_owned(), "eth0".to_owned())];
    host.runtime().collect(&network, &valid).expect("collected");
    assert_eq!(host.kept(), ["pods-two-eth0"]);
    assert_eq!(pods[0].run("ip -br link | grep eth0 || true"), "");
    host.runtime()
        .check(&network, &attachments[1])
        .expect("what is valid stays");
    pods[1].run("ip addr del 10.88.0.3/16 dev eth0");
    let error = host.runtime().check(&network, &attachments[1]);
    let error = error.expect_err("it is not as it was made");
    assert!(error.code().is_some_and(|code| code.0 >= 100), "{error}");
    pods[1].run("ip addr add 10.88.0.3/16 dev eth0");
    let bare = attachment("two", &netns_of(&pods[1]));
    host.runtime().delete(&network, &bare).expect("it goes");
    let rules = sh("iptables-save -t nat; ip6tables-save -t nat");
    assert!(!rules.contains("8080") && !rules.contains("88"), "{rules}");
    assert_eq!(host.kept(), [""; 0]);
}

#[test]
fn a_chain_that_fails_leaves_nothing() {
    if !isolated("chain::a_chain_that_fails_leaves_nothing") {
        return;
    }
    let host = Host::new();
    host.speaking(
        "failing",
        &["1.0.0"],
        r#"[ $CNI_COMMAND = DEL ] && exit 0
echo '{"cniVersion": "1.0.0", "code": 105, "msg": "no luck", "details": "none at all"}'; exit 1"#,
    );
    let mut document = bridge(&host, BOTH).document;
    let plugins = document["plugins"].as_array_mut().expect("plugins");
    plugins.push(json!({"type": "failing"}));
    let network = network(document);
    let pod = Peer::start();
    let one = with_port(attachment("one", &netns_of(&pod)), 8080);
    let error = host.runtime().add(&network, &one).expect_err("it fails");
    assert_eq!(
        error.to_string(),
        "network plugin failing failed to ADD (code 105): no luck; none at all"
    );
    assert_eq!(error.code(), Some(Code(105)));
    assert_eq!(pod.run("ip -br link | grep eth0 || true"), "");
    assert!(!sh("iptables-save -t nat").contains("8080"));
    assert_eq!(host.kept(), [""; 0]);
    let left = names(&host.path("networks/pods"));
    assert!(!left.contains(&"10.88.0.2".to_owned()), "{left:?}");
}

#[test]
fn an_address_pool_that_is_used_up_says_so() {
    if !isolated("chain::an_address_pool_that_is_used_up_says_so") {
        return;
    }
    let host = Host::new();
    let network = network(json!({
        "cniVersion": "0.4.0",
        "name": "small",
        "plugins": [{
            "type": "ptp",
            "ipam": {"type": "host-local", "dataDir": host.path("networks"), "subnet": "10.89.0.0/30"},
        }],
    }));
    let pods = [Peer::start(), Peer::start()];
    let runtime = host.runtime();
    let first = attachment("one", &netns_of(&pods[0]));
    let made = runtime.add(&network, &first).expect("the only one");
    assert_eq!(made.ips[0].address, "10.89.0.2/30");
    let second = attachment("two", &netns_of(&pods[1]));
    let error = runtime.add(&network, &second).expect_err("none is left");
    assert!(
        error.to_string().contains("no IP addresses available"),
        "{error}"
    );
    runtime.delete(&network, &first).expect("it goes");
    runtime.add(&network, &second).expect("now there is one");
    runtime.delete(&network, &second).expect("it goes");
}

#[test]
fn the_loopback_of_a_pod_is_set_up() {
    if !isolated("chain::the_loopback_of_a_pod_is_set_up") {
        return;
    }
    let host = Host::new();
    let network = network(json!({
        "cniVersions": ["0.4.0", "1.0.0", "1.1.0"], "name": "lo", "plugins": [{"type": "loopback"}],
    }));
    let pod = Peer::start();
    let mut lo = attachment("one", &netns_of(&pod));
    lo.interface = "lo".into();
    let made = host.runtime().add(&network, &lo).expect("it is up");
    assert_eq!(made.interfaces[0].name, "lo");
    pod.run("ping -c1 -W2 127.0.0.1");
    host.runtime().check(&network, &lo).expect("it is up");
    host.runtime().delete(&network, &lo).expect("it goes down");
    let error = host.runtime().check(&network, &lo);
    assert!(matches!(error, Err(Error::Attachment { .. })), "{error:?}");
}
