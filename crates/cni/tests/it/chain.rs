//! Chains of the reference plugins: what they make, and that nothing of it is left.

use crate::hosts::{Peer, isolated};
use crate::pods::{
    Host, WAYS, Way, attachment, can_get, gets, names, neighbour, netns_of, network, sh,
};
use cni::{Attachment, Code, Error, Network, PortMapping, Success};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Bridge, host-local and portmap.
pub(crate) fn bridge(host: &Host, subnets: &[&str]) -> Network {
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
pub(crate) fn with_port(mut attachment: Attachment, port: u16) -> Attachment {
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

/// What there is on the host of a network, without what differs from one to the next.
fn seen_on_host(bridge: &str) -> Value {
    let addresses = sh(&format!(
        "ip -br addr show {bridge} | awk '{{ $1 = $2 = \"\"; print }}' | sed 's/fe80:[^ ]*//'"
    ));
    let routes = sh("ip route show; ip -6 route show | grep -v fe80 || true");
    let routes = routes.lines().filter(|route| !route.contains("out0"));
    // The names of pairs are random.
    let plain = |route: &str| {
        let words = route.split_whitespace();
        let words = words.map(|word| {
            if word.starts_with("veth") {
                "veth"
            } else {
                word
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let mut routes: Vec<_> = routes.map(plain).collect();
    routes.sort();
    let forwarding = sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding");
    json!({ "addresses": addresses.trim(), "routes": routes, "forwarding": forwarding })
}

#[test]
fn pods_of_a_bridge_reach_each_other_and_are_reached_by_mapped_ports() {
    if !isolated("chain::pods_of_a_bridge_reach_each_other_and_are_reached_by_mapped_ports") {
        return;
    }
    let outside = neighbour();
    let seen = WAYS.map(|way| {
        let host = Host::new();
        let network = bridge(&host, BOTH);
        let runtime = host.runtime_of(way);
        let pods = [Peer::start(), Peer::start()];
        let one = with_port(attachment("one", &netns_of(&pods[0])), 8080);
        let two = attachment("two", &netns_of(&pods[1]));

        let made = runtime.add(&network, &one).expect("the first");
        let second = runtime.add(&network, &two).expect("the second");

        pods[0].serve();
        for (from, target, reached) in [
            (Some(&pods[1]), "10.88.0.2:80", true),
            (Some(&pods[1]), "[fd00:88::2]:80", true),
            (Some(&outside), "192.0.2.1:8080", true),
            (Some(&outside), "[2001:db8::1]:8080", true),
            (Some(&outside), "192.0.2.1:8081", false),
            (Some(&pods[1]), "192.0.2.1:8080", true),
            (Some(&pods[1]), "10.88.0.1:8080", true),
            (Some(&pods[0]), "192.0.2.1:8080", true),
            (None, "192.0.2.1:8080", true),
            (None, "10.88.0.2:80", true),
            // In process nothing has links route loopback addresses.
            (None, "127.0.0.1:8080", way == Way::Executed),
        ] {
            let who = from.map(Peer::pid);
            assert_eq!(
                gets(from, target, reached),
                reached,
                "{way:?} {who:?} {target}"
            );
        }
        pods[1].run("ping -c1 -W2 192.0.2.2; ping -c1 -W2 2001:db8::2");
        let seen = json!({
            "results": [plain(&made), plain(&second)],
            "pods": [seen_in(&pods[0]), seen_in(&pods[1])],
            "host": seen_on_host("cni0"),
        });

        if way == Way::InProcess {
            // COMPAT: the reference portmap fails CHECK where both iptables and ip6tables are.
            runtime.check(&network, &one).expect("it is as it was made");
            for (harm, cure) in [
                (
                    "ip addr del 10.88.0.2/16 dev eth0",
                    "ip addr add 10.88.0.2/16 dev eth0; ip route add default via 10.88.0.1",
                ),
                ("ip route del default", "ip route add default via 10.88.0.1"),
            ] {
                pods[0].run(harm);
                let error = runtime.check(&network, &one).expect_err(harm);
                assert_eq!(error.code(), Some(Code::INTERNAL), "{error}");
                pods[0].run(cure);
                runtime.check(&network, &one).expect(cure);
            }
        }
        for _twice in 0..2 {
            runtime.delete(&network, &one).expect("it goes");
            runtime.delete(&network, &two).expect("it goes");
        }
        assert!(!can_get(Some(&outside), "192.0.2.1:8080"));
        assert_eq!(pods[0].run("ip -br link | grep eth0 || true"), "");
        assert_eq!(host.kept(), [""; 0]);
        let files = ["last_reserved_ip.0", "last_reserved_ip.1", "lock"];
        assert_eq!(names(&host.path("networks/pods")), files);
        assert!(!sh("ip -br link").contains("veth"), "no pair is left");
        let rules = sh("nft list ruleset");
        assert!(
            !rules.contains("10.88.0") && !rules.contains("fd00:88"),
            "{rules}"
        );
        sh("ip link del cni0");
        seen
    });
    let [executed, in_process] = seen;
    assert_eq!(executed["results"][0]["ips"][0]["address"], "10.88.0.2/16");
    assert_eq!(executed, in_process);
}

#[test]
fn pods_of_point_to_point_links_reach_each_other_and_the_outside() {
    if !isolated("chain::pods_of_point_to_point_links_reach_each_other_and_the_outside") {
        return;
    }
    let outside = neighbour();
    let seen = WAYS.map(|way| {
        let host = Host::new();
        let network = network(json!({
            "cniVersion": "1.0.0",
            "name": "points",
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": true,
                    "mtu": 1400,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": host.path("networks"),
                        "ranges": [
                            [{"subnet": "10.87.0.0/24", "rangeStart": "10.87.0.20", "gateway": "10.87.0.254"}],
                            [{"subnet": "fd00:87::/64"}],
                        ],
                        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fd00:87::1"}],
                    },
                    "dns": {"nameservers": ["10.87.0.254"], "search": ["pods"]},
                },
                {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
            ],
        }));
        let runtime = host.runtime_of(way);
        let pods = [Peer::start(), Peer::start()];
        let mut one = with_port(attachment("one", &netns_of(&pods[0])), 8080);
        one.capabilities.port_mappings[0].host_ip = "192.0.2.1".into();
        let two = attachment("two", &netns_of(&pods[1]));
        let made = runtime.add(&network, &one).expect("the first");
        runtime.add(&network, &two).expect("the second");
        pods[0].serve();
        for (from, target, reached) in [
            (Some(&pods[1]), "10.87.0.20:80", true),
            (Some(&pods[1]), "[fd00:87::2]:80", true),
            (Some(&pods[1]), "192.0.2.1:8080", true),
            (Some(&outside), "192.0.2.1:8080", true),
            (Some(&outside), "[2001:db8::1]:8080", false),
            (None, "10.87.0.20:80", true),
        ] {
            assert_eq!(gets(from, target, reached), reached, "{way:?} {target}");
        }
        pods[1].run("ping -c1 -W2 192.0.2.2; ping -c1 -W2 2001:db8::2");
        let seen = json!([plain(&made), seen_in(&pods[0]), seen_in(&pods[1]), seen_on_host("lo")]);
        if way == Way::InProcess {
            runtime.check(&network, &one).expect("it is as it was made");
        }
        runtime.delete(&network, &one).expect("it goes");
        runtime.delete(&network, &two).expect("it goes");
        let rules = sh("nft list ruleset");
        assert!(!rules.contains("10.87.0") && !rules.contains("fd00:87"), "{rules}");
        assert!(!sh("ip -br link").contains("veth"), "no pair is left");
        seen
    });
    let [executed, in_process] = seen;
    assert_eq!(executed, in_process);
}

#[test]
fn a_mapped_port_of_udp_is_reached_by_who_sent_to_it_before() {
    if !isolated("chain::a_mapped_port_of_udp_is_reached_by_who_sent_to_it_before") {
        return;
    }
    let outside = neighbour();
    for (way, port) in WAYS.into_iter().zip([5353, 5354]) {
        let host = Host::new();
        let network = bridge(&host, &["10.88.0.0/16"]);
        let runtime = host.runtime_of(way);
        let pods = [Peer::start(), Peer::start()];
        // With it the kernel begins to remember connections.
        let one = with_port(attachment("one", &netns_of(&pods[0])), 8080);
        runtime.add(&network, &one).expect("it is added");
        let client = outside.within(move || {
            let client = UdpSocket::bind("192.0.2.2:4000").expect("a port");
            let patience = Some(Duration::from_millis(200));
            client.set_read_timeout(patience).expect("a time");
            client
                .send_to(b"early", ("192.0.2.1", port))
                .expect("it is sent");
            client
        });
        let mut two = with_port(attachment("two", &netns_of(&pods[1])), port);
        two.capabilities.port_mappings[0].protocol = "udp".into();
        runtime.add(&network, &two).expect("it is added");
        let server = pods[1].within(|| UdpSocket::bind("0.0.0.0:80").expect("a port"));
        let serving = std::thread::spawn(move || {
            let mut asked = [0; 16];
            let (length, from) = server.recv_from(&mut asked).expect("it is asked");
            server.send_to(&asked[..length], from).expect("it is sent");
        });
        let end = Instant::now() + Duration::from_secs(10);
        let mut answer = [0; 16];
        let answered = loop {
            client
                .send_to(b"late", ("192.0.2.1", port))
                .expect("it is sent");
            match client.recv_from(&mut answer) {
                Ok((length, _)) => break length,
                Err(error) => assert!(Instant::now() < end, "{way:?}: {error}"),
            }
        };
        assert_eq!(&answer[..answered], b"late");
        serving.join().expect("it answers");
        runtime.delete(&network, &one).expect("it goes");
        runtime.delete(&network, &two).expect("it goes");
        sh("ip link del cni0");
    }
}

#[test]
fn what_was_added_is_deleted_and_collected_after_a_restart() {
    if !isolated("chain::what_was_added_is_deleted_and_collected_after_a_restart") {
        return;
    }
    for way in WAYS {
        let host = Host::new();
        let network = bridge(&host, BOTH);
        let pods = [Peer::start(), Peer::start()];
        let attachments = [
            with_port(attachment("one", &netns_of(&pods[0])), 8080),
            // COMPAT: the reference portmap fails CHECK where both iptables and ip6tables are.
            attachment("two", &netns_of(&pods[1])),
        ];
        let restarted = || host.runtime_of(way);
        for one in &attachments {
            restarted().add(&network, one).expect("it is added");
        }
        let again = restarted().add(&network, &attachments[0]);
        assert!(matches!(again, Err(Error::Attachment { .. })), "{again:?}");
        assert_eq!(host.kept(), ["pods-one-eth0", "pods-two-eth0"]);
        // Only the names are known to whoever starts again.
        let valid = [("two".to_owned(), "eth0".to_owned())];
        restarted().collect(&network, &valid).expect("collected");
        assert_eq!(host.kept(), ["pods-two-eth0"]);
        assert_eq!(pods[0].run("ip -br link | grep eth0 || true"), "");
        let check = || restarted().check(&network, &attachments[1]);
        check().expect("what is valid stays");
        pods[1].run("ip addr del 10.88.0.3/16 dev eth0");
        let error = check().expect_err("it is not as it was made");
        assert!(error.code().is_some_and(|code| code.0 >= 100), "{error}");
        pods[1].run("ip addr add 10.88.0.3/16 dev eth0");
        let bare = attachment("two", &netns_of(&pods[1]));
        restarted().delete(&network, &bare).expect("it goes");
        let rules = sh("nft list ruleset");
        assert!(
            !rules.contains("8080") && !rules.contains("10.88"),
            "{rules}"
        );
        assert_eq!(host.kept(), [""; 0]);
        sh("ip link del cni0");
    }
}

#[test]
fn a_chain_that_fails_leaves_nothing() {
    if !isolated("chain::a_chain_that_fails_leaves_nothing") {
        return;
    }
    for way in WAYS {
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
        let runtime = host.runtime_of(way);
        let error = runtime.add(&network, &one).expect_err("it fails");
        assert_eq!(
            error.to_string(),
            "network plugin failing failed to ADD (code 105): no luck; none at all"
        );
        assert_eq!(error.code(), Some(Code(105)));
        assert_eq!(pod.run("ip -br link | grep eth0 || true"), "");
        assert!(!sh("nft list ruleset").contains("8080"));
        assert_eq!(host.kept(), [""; 0]);
        let left = names(&host.path("networks/pods"));
        assert!(!left.contains(&"10.88.0.2".to_owned()), "{left:?}");
        let gone = attachment("one", "/proc/none/ns/net");
        let error = runtime.add(&network, &gone).expect_err("it fails");
        assert!(
            error.to_string().contains("failed to open netns"),
            "{error}"
        );
        assert_eq!(host.kept(), [""; 0]);
        sh("ip link del cni0");
    }
}

#[test]
fn an_address_pool_that_is_used_up_says_so() {
    if !isolated("chain::an_address_pool_that_is_used_up_says_so") {
        return;
    }
    let said = WAYS.map(|way| {
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
        let runtime = host.runtime_of(way);
        let first = attachment("one", &netns_of(&pods[0]));
        let made = runtime.add(&network, &first).expect("the only one");
        assert_eq!(made.ips[0].address, "10.89.0.2/30");
        let second = attachment("two", &netns_of(&pods[1]));
        let error = runtime.add(&network, &second).expect_err("none is left");
        runtime.delete(&network, &first).expect("it goes");
        runtime.add(&network, &second).expect("now there is one");
        runtime.delete(&network, &second).expect("it goes");
        error.to_string()
    });
    assert_eq!(
        said[0],
        "network plugin ptp failed to ADD (code 999): failed to allocate for range 0: no IP addresses available in range set: 10.89.0.1-10.89.0.2"
    );
    assert_eq!(said[0], said[1]);
}

#[test]
fn the_loopback_of_a_pod_is_set_up() {
    if !isolated("chain::the_loopback_of_a_pod_is_set_up") {
        return;
    }
    let made = WAYS.map(|way| {
        let host = Host::new();
        let network = network(json!({
            "cniVersions": ["0.4.0", "1.0.0", "1.1.0"], "name": "lo", "plugins": [{"type": "loopback"}],
        }));
        let pod = Peer::start();
        let mut lo = attachment("one", &netns_of(&pod));
        lo.interface = "lo".into();
        let runtime = host.runtime_of(way);
        let made = runtime.add(&network, &lo).expect("it is up");
        assert_eq!(made.interfaces[0].name, "lo");
        pod.run("ping -c1 -W2 127.0.0.1");
        runtime.check(&network, &lo).expect("it is up");
        pod.run("ip link set lo down");
        runtime.check(&network, &lo).expect_err("it is down");
        pod.run("ip link set lo up");
        runtime.delete(&network, &lo).expect("it goes down");
        assert!(pod.run("ip -br link show lo").contains("DOWN"));
        let error = runtime.check(&network, &lo);
        assert!(matches!(error, Err(Error::Attachment { .. })), "{error:?}");
        plain(&made)
    });
    assert_eq!(made[0], made[1]);
}
