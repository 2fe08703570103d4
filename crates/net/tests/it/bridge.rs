//! Reachability between a host, its neighbour and containers.

use crate::hosts::{Peer, isolated};
use net::firewall::Watch;
use net::{
    Addressing, Bridges, Direct, Endpoint, Network, Outside, Peers, Port, Prepared, Protocol,
};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

fn sh(script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .output()
        .expect("sh starts");
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Waits until `holds` does, ten seconds at most.
fn eventually(holds: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "not so after a while: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

const NAT: (Outside, Direct) = (Outside::Open, Direct::Nothing);

fn network(n: u8, (outside, direct): (Outside, Direct), peers: Peers) -> Network {
    let subnet = format!("10.{n}.0.0/24").parse().expect("a subnet");
    let six = format!("fd00:{n}::/64").parse().expect("a subnet");
    Network {
        id: format!("net{n}"),
        bridge: format!("br{n}"),
        addressing: vec![
            Addressing {
                subnet,
                gateway: Some(ip(&format!("10.{n}.0.1"))),
                masked: direct != Direct::Published,
                direct,
            },
            Addressing {
                subnet: six,
                gateway: Some(ip(&format!("fd00:{n}::1"))),
                masked: direct != Direct::Published,
                direct,
            },
        ],
        mtu: None,
        peers,
        outside,
        bare: false,
    }
}

fn endpoint(n: u8, host: u8, ports: Vec<Port>) -> Endpoint {
    Endpoint {
        link_local: Vec::new(),
        settings: Vec::new(),
        sandbox: format!("sandbox{n}-{host}"),
        host_link: format!("v{n}-{host}"),
        link: "eth0".into(),
        mac: [2, 0, 0, 0, n, host],
        addresses: vec![
            (ip(&format!("10.{n}.0.{host}")), 24),
            (ip(&format!("fd00:{n}::{host}")), 64),
        ],
        gateways: vec![ip(&format!("10.{n}.0.1")), ip(&format!("fd00:{n}::1"))],
        ports,
    }
}

/// A neighbour of the host at 192.0.2.2, the host at 192.0.2.1.
fn neighbour() -> Peer {
    let peer = Peer::start();
    sh(
        "ip link set lo up; ip link add out0 type veth peer name out1; ip addr add 192.0.2.1/24 dev out0; ip addr add 2001:db8::1/64 dev out0 nodad; ip link set out0 up",
    );
    sh(&format!("ip link set out1 netns {}", peer.pid()));
    peer.run("ip link set lo up; ip addr add 192.0.2.2/24 dev out1; ip addr add 2001:db8::2/64 dev out1 nodad; ip link set out1 up");
    peer
}

fn can_get(from: Option<&Peer>, target: &str, port: u16) -> bool {
    let target = SocketAddr::new(ip(target), port);
    let get = move || {
        let mut answer = String::new();
        let connection = TcpStream::connect_timeout(&target, Duration::from_secs(3));
        connection
            .and_then(|mut server| server.read_to_string(&mut answer))
            .is_ok()
            && answer == "hello\n"
    };
    from.map_or_else(get, |peer| peer.within(get))
}

#[test]
fn ports_are_published_where_they_were_bound_and_nowhere_else() {
    if !isolated("bridge::ports_are_published_where_they_were_bound_and_nowhere_else") {
        return;
    }
    let outside = neighbour();
    let mut bridges = Bridges::open("corten-test").expect("netlink");
    let net = network(50, NAT, Peers::Reachable);
    bridges.restore([], []).expect("an empty table");
    bridges.add(&net).expect("a network");
    let port = |host: &str, host_port| Port {
        protocol: Protocol::Tcp,
        host: ip(host),
        host_port,
        port: 80,
    };
    let ports = vec![
        port("0.0.0.0", 8080),
        port("127.0.0.1", 8081),
        port("192.0.2.1", 8082),
        port("::", 8083),
    ];
    let server = endpoint(50, 2, ports);
    let container = Peer::start();
    bridges
        .attach(&net, &server, container.netns().as_fd())
        .expect("a container");
    container.serve();
    let client = Peer::start();
    let other = endpoint(50, 3, vec![]);
    bridges
        .attach(&net, &other, client.netns().as_fd())
        .expect("another");

    // (who, address, port, reached)
    for (from, target, port, reached) in [
        (Some(&outside), "192.0.2.1", 8080, true),
        (Some(&outside), "192.0.2.1", 8081, false),
        (Some(&outside), "192.0.2.1", 8082, true),
        (Some(&outside), "2001:db8::1", 8083, true),
        // The sockets that hold the ports take what comes by loopback; there are none here.
        (None, "127.0.0.1", 8080, false),
        (None, "127.0.0.1", 8081, false),
        (None, "192.0.2.1", 8081, false),
        (None, "192.0.2.1", 8082, true),
        (None, "10.50.0.2", 80, true),
        (Some(&client), "10.50.0.2", 80, true),
        (Some(&client), "10.50.0.1", 8080, true),
        (Some(&client), "192.0.2.1", 8082, true),
    ] {
        let who = from.map_or(0, Peer::pid);
        assert_eq!(
            can_get(from, target, port),
            reached,
            "{who} {target}:{port}, outside {} container {}",
            outside.pid(),
            container.pid()
        );
    }
    // A neighbour that routes to the container's own address, or to the host's loopback.
    outside.run("ip route add 10.50.0.0/24 via 192.0.2.1; ip route add 127.0.0.2/32 via 192.0.2.1 2>/dev/null || true");
    assert!(
        !can_get(Some(&outside), "10.50.0.2", 80),
        "only published ports are reached"
    );
    outside.run("ip addr del 127.0.0.1/8 dev lo; sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.out1.route_localnet=1; ip route add 127.0.0.1/32 via 192.0.2.1 dev out1 src 192.0.2.2");
    assert!(
        !can_get(Some(&outside), "127.0.0.1", 8081),
        "a martian is dropped"
    );

    bridges.withdraw(&server).expect("the ports go");
    assert!(!can_get(Some(&outside), "192.0.2.1", 8080));
    bridges.detach(&server).expect("the endpoint goes");
    bridges.detach(&other).expect("the other goes");
    bridges.remove(&net).expect("the network goes");
    bridges.close().expect("the table goes");
    assert_eq!(
        sh("nft list ruleset; ip -br link | grep -E '^(br|v)' || true"),
        ""
    );
}

#[test]
fn what_others_remove_is_noticed_and_put_back() {
    if !isolated("bridge::what_others_remove_is_noticed_and_put_back") {
        return;
    }
    let outside = neighbour();
    let mut bridges = Bridges::open("corten-test").expect("netlink");
    let net = network(50, NAT, Peers::Reachable);
    bridges.restore([], []).expect("an empty table");
    bridges.add(&net).expect("a network");
    let port = Port {
        protocol: Protocol::Tcp,
        host: ip("0.0.0.0"),
        host_port: 8080,
        port: 80,
    };
    let server = endpoint(50, 2, vec![port]);
    let container = Peer::start();
    bridges
        .attach(&net, &server, container.netns().as_fd())
        .expect("a container");
    container.serve();
    let own = bridges.firewall_port().expect("a number");
    let mut watch = Watch::open("corten-test").expect("netlink");
    sh("nft add table inet others; nft delete table inet others");
    assert!(
        !watch.is_damaged(|| own).expect("it tells"),
        "others' tables are theirs"
    );
    sh("nft flush ruleset");
    assert!(watch.is_damaged(|| own).expect("it tells"));
    let restore = |bridges: &mut Bridges| {
        let restored = bridges.restore([&net], [&server]);
        restored.expect("the table comes back");
    };
    restore(&mut bridges);
    assert!(can_get(Some(&outside), "192.0.2.1", 8080));
    sh("nft add rule inet corten-test user ip saddr 203.0.113.9 drop");
    restore(&mut bridges);
    assert!(
        !watch.is_damaged(|| own).expect("it tells"),
        "ours are ours"
    );
    let shown = sh("nft list table inet corten-test");
    assert!(
        shown.contains("203.0.113.9"),
        "people's rules are kept: {shown}"
    );
    assert_eq!(shown.matches("masquerade").count(), 5, "{shown}");
    assert!(can_get(Some(&outside), "192.0.2.1", 8080));
}

#[test]
fn networks_are_kept_apart_as_they_ask() {
    if !isolated("bridge::networks_are_kept_apart_as_they_ask") {
        return;
    }
    let outside = neighbour();
    let mut bridges = Bridges::open("corten-test").expect("netlink");
    bridges.restore([], []).expect("an empty table");
    let kinds = [
        (60, NAT, Peers::Reachable),
        (61, (Outside::Closed, Direct::Nothing), Peers::Reachable),
        (62, NAT, Peers::Isolated),
        (63, (Outside::Open, Direct::Published), Peers::Reachable),
    ];
    let mut containers = Vec::new();
    for (n, beyond, peers) in kinds {
        let net = network(n, beyond, peers);
        bridges.add(&net).expect("a network");
        for host in [2, 3] {
            let container = Peer::start();
            bridges
                .attach(&net, &endpoint(n, host, vec![]), container.netns().as_fd())
                .expect("a container");
            containers.push(container);
        }
    }
    outside.run("ip route add 10.0.0.0/8 via 192.0.2.1; ip -6 route add fd00::/16 via 2001:db8::1");
    let ping = |from: &Peer, to: &str| {
        from.run(&format!(
            "ping -c1 -W1 {to} >/dev/null 2>&1 && echo yes || echo no"
        ))
        .trim()
            == "yes"
    };
    let [open, _, closed, _, apart, _, routed, _] = &containers[..] else {
        panic!("eight containers")
    };
    for (from, to, reached) in [
        (open, "10.60.0.3", true),
        (open, "fd00:60::3", true),
        (open, "192.0.2.2", true),
        (open, "2001:db8::2", true),
        (open, "10.61.0.2", false),
        (open, "10.62.0.2", false),
        (closed, "10.61.0.3", true),
        (closed, "192.0.2.2", false),
        (closed, "10.60.0.2", false),
        (apart, "192.0.2.2", true),
        (routed, "192.0.2.2", true),
        (&outside, "10.63.0.2", true),
        (&outside, "fd00:63::2", true),
        (&outside, "10.60.0.2", false),
        (&outside, "10.61.0.2", false),
        (&outside, "fd00:60::2", false),
    ] {
        assert_eq!(ping(from, to), reached, "{to}");
    }
}

#[test]
fn links_made_ahead_join_whichever_network_is_wanted() {
    if !isolated("bridge::links_made_ahead_join_whichever_network_is_wanted") {
        return;
    }
    let mut bridges = Bridges::open("corten-test").expect("netlink");
    bridges.restore([], []).expect("an empty table");
    let (expected, other) = (
        network(50, NAT, Peers::Reachable),
        network(51, NAT, Peers::Reachable),
    );
    bridges.add(&expected).expect("a network");
    bridges.add(&other).expect("another");
    // The bridge a link is in, whether that sends back where it came from, and whose link it is.
    let place = |link: &str| {
        let shown = sh(&format!("ip -d -o link show {link}"));
        let words: Vec<_> = shown.split_whitespace().map(str::to_owned).collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| word == name);
            at.map(|at| words[at + 1].trim_end_matches('\\').to_owned())
        };
        ["master", "hairpin", "alias"].map(|name| after(name).unwrap_or_default())
    };
    for (n, wanted) in [(50, &expected), (51, &other)] {
        let host_link = format!("v{n}-2");
        let mut links = Prepared::make(&host_link).expect("links");
        bridges.lead(&expected, &mut links).expect("it is there");
        assert_eq!(place(&host_link), ["br50", "on", ""]);
        let endpoint = endpoint(n, 2, Vec::new());
        let bridge = wanted.bridge.as_str();
        bridges
            .join_prepared(wanted, &endpoint, &mut links)
            .expect("it joins");
        assert_eq!(place(&host_link), [bridge, "on", ""]);
        // By this daemon, or by the next if this one does not get to it.
        let owner = |link: &str| (link == host_link).then(|| endpoint.sandbox.clone());
        let marked = match n {
            50 => bridges.mark(&endpoint.sandbox, &links),
            _ => bridges.sweep(&|_, _| true, &owner),
        };
        marked.expect("it is there");
        let alias = format!("corten-test:{}", endpoint.sandbox);
        assert_eq!(place(&host_link), [bridge, "on", &alias]);
        sh(&format!("ping -c 1 -W 5 10.{n}.0.2"));
    }
    // What others make anew is another bridge of the same name.
    let mut links = Prepared::make("v50-3").expect("links");
    bridges.lead(&expected, &mut links).expect("it is there");
    sh("ip link del br50");
    let third = endpoint(50, 3, Vec::new());
    let refused = bridges.join_prepared(&expected, &third, &mut links);
    assert!(
        matches!(refused, Err(net::Error::NoLink { .. })),
        "{refused:?}"
    );
    sh("ip link add br50 type bridge; ip link set br50 up");
    let mut links = Prepared::make("v50-4").expect("links");
    let fourth = endpoint(50, 4, Vec::new());
    bridges
        .join_prepared(&expected, &fourth, &mut links)
        .expect("it joins");
    assert_eq!(place("v50-4")[0], "br50");
}

#[test]
fn a_link_that_waits_in_a_network_announces_the_address_it_is_given() {
    if !isolated("bridge::a_link_that_waits_in_a_network_announces_the_address_it_is_given") {
        return;
    }
    let only_four = |mut network: Network| {
        network.addressing.truncate(1);
        network
    };
    let mut bridges = Bridges::open("corten-test").expect("netlink");
    bridges.restore([], []).expect("an empty table");
    let [expected, other] = [54, 55].map(|n| only_four(network(n, NAT, Peers::Reachable)));
    bridges.add(&expected).expect("a network");
    bridges.add(&other).expect("another");
    for (n, wanted) in [(54, &expected), (55, &other)] {
        let host_link = format!("v{n}");
        let mut links = Prepared::make(&host_link).expect("links");
        bridges.lead(&expected, &mut links).expect("it is there");
        let shown = format!("ip -d -o link show {host_link}");
        let waits = || sh(&shown).contains("state forwarding");
        eventually(waits, "the link is up before anybody has it");
        if n == 54 {
            sh("ip neigh add 10.54.0.9 lladdr 02:00:00:00:00:99 nud stale dev br54");
        }
        let mut endpoint = endpoint(n, 9, Vec::new());
        endpoint.addresses.truncate(1);
        endpoint.gateways.truncate(1);
        bridges
            .join_prepared(wanted, &endpoint, &mut links)
            .expect("it joins");
        if n == 54 {
            let own = endpoint.mac.map(|byte| format!("{byte:02x}")).join(":");
            let known = || sh("ip neigh show 10.54.0.9").contains(&own);
            eventually(known, "its address is announced");
        }
        sh(&format!("ping -c 1 -W 5 10.{n}.0.9"));
    }
}

#[test]
fn a_bridge_keeps_its_ethernet_address_whichever_ports_it_has() {
    if !isolated("bridge::a_bridge_keeps_its_ethernet_address_whichever_ports_it_has") {
        return;
    }
    let own = |name: &str| {
        sh(&format!(
            "ip -br link show {name} | grep -o ..:..:..:..:..:.."
        ))
    };
    let join = |name: &str, mac: &str| {
        sh(&format!(
            "ip link add {name} address {mac} type veth peer name {name}p; ip link set {name} \
             master br53 up"
        ));
    };
    let mut bridges = Bridges::open("corten-test").expect("netlink");
    let net = network(53, NAT, Peers::Reachable);
    bridges.restore([], []).expect("an empty table");
    bridges.add(&net).expect("a network");
    let first = own("br53");
    join("low", "02:00:00:00:00:01");
    assert_eq!(own("br53"), first);

    // One that an earlier daemon made, whose address is that of a port.
    sh(
        "ip link del br53; ip link add br53 type bridge; ip link set br53 alias corten-test:net53 up",
    );
    join("lower", "02:00:00:00:00:02");
    assert_eq!(own("br53"), "02:00:00:00:00:02\n");
    bridges.ensure(&net).expect("it is ours");
    sh("ip link del lower");
    join("other", "02:00:00:00:00:03");
    assert_eq!(own("br53"), "02:00:00:00:00:02\n");
}
