//! Who reaches whom: tables of reachability for every driver, family, mode and policy, between
//! the host, its neighbour on a link, and containers.

use crate::space::{Neighbour, Serving, Space, Tcp, Transport, Udp};
use testing::TestHost;

/// A container that serves, and what leads to it.
pub(crate) struct Server<'a> {
    host: &'a TestHost,
    pub(crate) space: Space,
    pub(crate) id: String,
    _serving: Serving,
}

impl<'a> Server<'a> {
    pub(crate) fn start(host: &'a TestHost, flags: &[&str]) -> Self {
        let mut words = flags.to_vec();
        words.extend(["busybox", "sleep", "600"]);
        let id = host.run_detached(&words);
        let pid = host.inspect(&id, "{{.State.Pid}}");
        let space = Space(pid.trim().parse().expect("a pid"));
        Self {
            host,
            space,
            id,
            _serving: space.serving(),
        }
    }

    fn address(&self, field: &str) -> String {
        let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{field}}}}}{{{{end}}}}");
        self.host.inspect(&self.id, &format).trim().to_owned()
    }

    pub(crate) fn four(&self, port: u16) -> String {
        format!("{}:{port}", self.address("IPAddress"))
    }

    pub(crate) fn six(&self, port: u16) -> String {
        format!("[{}]:{port}", self.address("GlobalIPv6Address"))
    }
}

/// One line of a table: who asks, whom, and which source the other sees, if it is reached.
pub(crate) type Line<'a> = (&'a str, Space, String, Transport, Option<&'a str>);

/// All lines at once: what is not reached takes its time.
pub(crate) fn check(lines: &[Line<'_>]) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let asked = lines.iter().map(|(what, from, to, transport, expected)| {
            scope.spawn(move || {
                let seen = from.seen(to, *transport);
                let right = match (expected, &seen) {
                    (None, None) => true,
                    (Some("any"), Some(_)) => true,
                    (Some(expected), Some(seen)) => *expected == seen.as_str(),
                    _ => false,
                };
                (!right)
                    .then(|| format!("{what}: {to} {transport:?} saw {seen:?}, not {expected:?}"))
            })
        });
        let asked: Vec<_> = asked.collect();
        let asked = asked.into_iter();
        asked
            .filter_map(|one| one.join().expect("it ends"))
            .collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn network(host: &TestHost, number: u8, flags: &[&str]) {
    let subnets = [format!("10.{number}.0.0/24"), format!("fd{number}::/64")];
    let mut words = vec!["network", "create", "--ipv6"];
    for subnet in &subnets {
        words.extend(["--subnet", subnet]);
    }
    words.extend(flags);
    let name = format!("n{number}");
    words.push(&name);
    host.cli(&words).success();
}

fn mode(family: u8, mode: &str) -> String {
    format!("com.docker.network.bridge.gateway_mode_ipv{family}={mode}")
}

/// A container in network `number`, with ports of the host from `8000 + 10 * number` on.
fn server<'a>(host: &'a TestHost, number: u8) -> (Server<'a>, u16) {
    let first = 8000 + 10 * u16::from(number);
    let (tcp, udp) = (format!("{first}:80"), format!("{}:81/udp", first + 1));
    let name = format!("n{number}");
    let flags = ["--network", &name, "-p", &tcp, "-p", &udp];
    (Server::start(host, &flags), first)
}

fn spaces(host: &TestHost) -> (Space, Neighbour) {
    let own = Space(host.daemon_pid().expect("a daemon"));
    let neighbour = Neighbour::of(own);
    (own, neighbour)
}

/// A container in a network of each mode, with where its ports of the host begin.
struct Modes<'a> {
    nat: (Server<'a>, u16),
    routed: (Server<'a>, u16),
    open: (Server<'a>, u16),
    mixed: (Server<'a>, u16),
}

fn modes(host: &TestHost) -> Modes<'_> {
    for (number, four, six) in [
        (71, "nat", "nat"),
        (72, "routed", "routed"),
        (73, "nat-unprotected", "nat-unprotected"),
        (74, "nat", "routed"),
    ] {
        network(host, number, &["-o", &mode(4, four), "-o", &mode(6, six)]);
    }
    Modes {
        nat: server(host, 71),
        routed: server(host, 72),
        open: server(host, 73),
        mixed: server(host, 74),
    }
}

fn at(port: u16) -> String {
    format!("192.0.2.1:{port}")
}

fn at6(port: u16) -> String {
    format!("[2001:db8::1]:{port}")
}

const ANY: Option<&str> = Some("any");
/// The neighbour's addresses, which published ports keep.
const FOUR: Option<&str> = Some("192.0.2.2");
const SIX: Option<&str> = Some("2001:db8::2");

#[test]
fn ports_of_the_host_lead_where_the_gateway_mode_says() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    let modes = modes(&host);
    let (nat, routed) = (modes.nat.1, modes.routed.1);
    let (open, mixed) = (modes.open.1, modes.mixed.1);
    let lo = |port: u16| format!("127.0.0.1:{port}");
    let inside = modes.nat.0.space;
    check(&[
        ("nat", peer, at(nat), Tcp, FOUR),
        ("nat", peer, at6(nat), Tcp, SIX),
        ("nat", peer, at(nat + 1), Udp, FOUR),
        ("nat", peer, at6(nat + 1), Udp, SIX),
        ("nat from the host", own, at(nat), Tcp, ANY),
        ("nat by loopback", own, lo(nat), Tcp, ANY),
        ("nat by loopback", own, lo(nat + 1), Udp, ANY),
        ("nat by loopback", own, format!("[::1]:{nat}"), Tcp, ANY),
        ("open", peer, at(open), Tcp, FOUR),
        ("mixed", peer, at(mixed), Tcp, FOUR),
        ("routed has none", peer, at(routed), Tcp, None),
        ("routed has none", peer, at6(routed), Tcp, None),
        ("routed has none", own, at(routed), Tcp, None),
        ("mixed has none", peer, at6(mixed), Tcp, None),
        ("to itself", inside, at(nat), Tcp, ANY),
        ("to itself", inside, at6(nat), Tcp, ANY),
        ("another's", modes.routed.0.space, at(nat), Tcp, ANY),
    ]);
    let format = "{{json .NetworkSettings.Ports}}";
    let ports = host.inspect(&modes.routed.0.id, format);
    let bound = r#""80/tcp":[{"HostIp":"0.0.0.0","HostPort":""},{"HostIp":"::","HostPort":""}]"#;
    assert!(ports.contains(bound), "{ports}");
}

#[test]
fn containers_are_reached_by_their_own_addresses_as_the_gateway_mode_says() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    let modes = modes(&host);
    let (nat, routed) = (&modes.nat.0, &modes.routed.0);
    let (open, mixed) = (&modes.open.0, &modes.mixed.0);
    let beside = Server::start(&host, &["--network", "n71"]);
    check(&[
        ("nat", peer, nat.four(80), Tcp, None),
        ("nat", peer, nat.six(80), Tcp, None),
        ("routed", peer, routed.four(80), Tcp, FOUR),
        ("routed", peer, routed.six(80), Tcp, SIX),
        ("routed", peer, routed.four(81), Udp, FOUR),
        ("routed", peer, routed.six(81), Udp, SIX),
        ("open", peer, open.four(80), Tcp, FOUR),
        ("mixed", peer, mixed.four(80), Tcp, None),
        ("mixed", peer, mixed.six(80), Tcp, SIX),
        ("not published", peer, nat.four(82), Tcp, None),
        ("not published", peer, routed.four(82), Tcp, None),
        ("not published", peer, routed.six(82), Tcp, None),
        ("not published", peer, open.four(82), Tcp, FOUR),
        ("not published", peer, open.six(82), Tcp, SIX),
        ("not published", peer, mixed.six(82), Tcp, None),
        ("same network", beside.space, nat.four(82), Tcp, ANY),
        ("same network", beside.space, nat.six(82), Tcp, ANY),
        ("other network", routed.space, nat.four(80), Tcp, None),
        ("other network", nat.space, routed.four(80), Tcp, ANY),
        ("other network", nat.space, routed.four(82), Tcp, None),
        ("other network", nat.space, open.four(80), Tcp, None),
        ("host", own, nat.four(82), Tcp, ANY),
        ("host", own, routed.six(82), Tcp, ANY),
    ]);
    for (to, answered) in [(routed, "yes\n"), (open, "yes\n"), (nat, "no\n")] {
        for address in ["IPAddress", "GlobalIPv6Address"].map(|field| to.address(field)) {
            let ping = format!("ping -c1 -W1 {address} >/dev/null && echo yes || echo no");
            assert_eq!(peer.run(&ping), answered, "{address}");
        }
    }
}

#[test]
fn what_leaves_has_the_source_that_the_network_says() {
    let host = TestHost::start();
    let (_, neighbour) = spaces(&host);
    let peer = neighbour.space();
    peer.serve();
    network(&host, 71, &[]);
    network(
        &host,
        72,
        &["-o", &mode(4, "routed"), "-o", &mode(6, "routed")],
    );
    let unmasked = "com.docker.network.bridge.enable_ip_masquerade=false";
    network(&host, 73, &["-o", unmasked]);
    network(&host, 74, &["--internal"]);
    let [nat, routed, bare, closed] =
        [71, 72, 73, 74].map(|n| Server::start(&host, &["--network", &format!("n{n}")]));
    let (four, six) = ("192.0.2.2:80".to_owned(), "[2001:db8::2]:80".to_owned());
    let own = |of: &Server<'_>| (of.address("IPAddress"), of.address("GlobalIPv6Address"));
    let (routed_own, bare_own) = (own(&routed), own(&bare));
    check(&[
        ("nat", nat.space, four.clone(), Tcp, Some("192.0.2.1")),
        ("nat", nat.space, six.clone(), Tcp, Some("2001:db8::1")),
        (
            "nat",
            nat.space,
            "192.0.2.2:81".to_owned(),
            Udp,
            Some("192.0.2.1"),
        ),
        (
            "routed",
            routed.space,
            four.clone(),
            Tcp,
            Some(&routed_own.0),
        ),
        (
            "routed",
            routed.space,
            six.clone(),
            Tcp,
            Some(&routed_own.1),
        ),
        ("unmasked", bare.space, four.clone(), Tcp, Some(&bare_own.0)),
        ("unmasked", bare.space, six.clone(), Tcp, Some(&bare_own.1)),
        ("internal", closed.space, four, Tcp, None),
        ("internal", closed.space, six, Tcp, None),
    ]);
}

#[test]
fn internal_isolated_and_quiet_networks_lead_nowhere_else() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    let isolated = [mode(4, "isolated"), mode(6, "isolated")];
    network(&host, 71, &["--internal"]);
    network(
        &host,
        72,
        &["--internal", "-o", &isolated[0], "-o", &isolated[1]],
    );
    network(
        &host,
        73,
        &["-o", "com.docker.network.bridge.enable_icc=false"],
    );
    let pair = |n: u8| {
        let name = format!("n{n}");
        [(), ()].map(|()| Server::start(&host, &["--network", &name]))
    };
    let ([closed, closed2], [apart, apart2], [quiet, quiet2]) = (pair(71), pair(72), pair(73));
    check(&[
        ("internal", closed.space, closed2.four(80), Tcp, Some("any")),
        ("internal", closed.space, closed2.six(81), Udp, Some("any")),
        (
            "internal from the host",
            own,
            closed.four(80),
            Tcp,
            Some("any"),
        ),
        ("internal from outside", peer, closed.four(80), Tcp, None),
        ("internal from outside", peer, closed.six(80), Tcp, None),
        ("isolated", apart.space, apart2.four(80), Tcp, Some("any")),
        ("isolated", apart.space, apart2.six(80), Tcp, Some("any")),
        ("isolated from the host", own, apart.four(80), Tcp, None),
        ("isolated from the host", own, apart.six(80), Tcp, None),
        ("isolated from outside", peer, apart.four(80), Tcp, None),
        (
            "no traffic between",
            quiet.space,
            quiet2.four(80),
            Tcp,
            None,
        ),
        ("no traffic between", quiet.space, quiet2.six(80), Tcp, None),
        (
            "no traffic between",
            quiet.space,
            quiet2.four(81),
            Udp,
            None,
        ),
        ("no traffic between", own, quiet2.four(80), Tcp, Some("any")),
        ("other internal", closed.space, apart.four(80), Tcp, None),
        (
            "internal to another",
            closed.space,
            quiet.four(80),
            Tcp,
            None,
        ),
        (
            "another to internal",
            quiet.space,
            closed.four(80),
            Tcp,
            None,
        ),
    ]);
    let bridge = host.cli(&["network", "inspect", "-f", "{{json .IPAM.Config}}", "n72"]);
    assert!(
        !bridge.success().text().contains("Gateway"),
        "an isolated network has none"
    );
}

#[test]
fn macvlan_modes_lead_where_they_say() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    peer.serve();
    for (kind, each_other) in [("bridge", Some("any")), ("private", None), ("vepa", None)] {
        let option = format!("macvlan_mode={kind}");
        let words = [
            "network",
            "create",
            "-d",
            "macvlan",
            "--subnet",
            "192.0.2.0/24",
        ];
        let rest = [
            "--ip-range",
            "192.0.2.64/28",
            "-o",
            "parent=out0",
            "-o",
            &option,
            "mac",
        ];
        host.cli(&[&words[..], &rest[..]].concat()).success();
        {
            let [first, second] =
                [(), ()].map(|()| Server::start(&host, &["--network", "mac", "-p", "8080:80"]));
            check(&[
                (kind, peer, first.four(80), Tcp, Some("192.0.2.2")),
                (kind, peer, first.four(82), Tcp, Some("192.0.2.2")),
                (kind, peer, first.four(81), Udp, Some("192.0.2.2")),
                (
                    kind,
                    first.space,
                    "192.0.2.2:80".to_owned(),
                    Tcp,
                    Some("any"),
                ),
                (kind, first.space, second.four(80), Tcp, each_other),
                (kind, own, first.four(80), Tcp, None),
            ]);
            host.cli(&["rm", "-f", &first.id, &second.id]).success();
        }
        host.cli(&["network", "rm", "mac"]).success();
    }
}

#[test]
fn a_range_of_ports_leads_to_each_and_no_further() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    network(&host, 40, &[]);
    let ranges = ["-p", "9100-9102:80-82", "-p", "9200-9201:80-81/udp"];
    let any_of = ["-p", "192.0.2.1:9300-9310:82"];
    let flags = [&["--network", "n40"][..], &ranges, &any_of].concat();
    let first = Server::start(&host, &flags);
    let second = Server::start(&host, &flags[flags.len() - 2..]);
    let port = |server: &Server<'_>| {
        let format = "{{(index (index .NetworkSettings.Ports \"82/tcp\") 0).HostPort}}";
        host.inspect(&server.id, format).trim().to_owned()
    };
    let (one, other) = (port(&first), port(&second));
    assert_ne!(one, other, "each has one of the range");
    let to = |address: &str, port: &str| format!("{address}:{port}");
    check(&[
        (
            "range",
            peer,
            to("192.0.2.1", "9100"),
            Tcp,
            Some("192.0.2.2"),
        ),
        (
            "range",
            peer,
            to("192.0.2.1", "9102"),
            Tcp,
            Some("192.0.2.2"),
        ),
        (
            "range",
            peer,
            to("192.0.2.1", "9201"),
            Udp,
            Some("192.0.2.2"),
        ),
        ("range", own, to("127.0.0.1", "9100"), Tcp, Some("any")),
        ("range", own, to("127.0.0.1", "9201"), Udp, Some("any")),
        (
            "range",
            peer,
            to("[2001:db8::1]", "9102"),
            Tcp,
            Some("2001:db8::2"),
        ),
        ("below", peer, to("192.0.2.1", "9099"), Tcp, None),
        ("above", peer, to("192.0.2.1", "9103"), Tcp, None),
        (
            "any of",
            peer,
            to("192.0.2.1", &other),
            Tcp,
            Some("192.0.2.2"),
        ),
        ("at one address", own, to("127.0.0.1", &other), Tcp, None),
    ]);
}

#[test]
fn a_link_in_macvlans_passthru_mode_is_one_containers() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    peer.serve();
    let words = ["network", "create", "-d", "macvlan", "-o", "parent=out0"];
    let subnet = ["--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.64/28"];
    let mode = ["-o", "macvlan_mode=passthru", "mac"];
    host.cli(&[&words[..], &subnet, &mode].concat()).success();
    let server = Server::start(&host, &["--network", "mac"]);
    let to_peer = "192.0.2.2:80".to_owned();
    check(&[
        ("passthru", peer, server.four(80), Tcp, Some("192.0.2.2")),
        ("passthru", peer, server.four(81), Udp, Some("192.0.2.2")),
        ("passthru", server.space, to_peer, Tcp, Some("any")),
        ("passthru", own, server.four(80), Tcp, None),
    ]);
    let second = host.cli(&["run", "--rm", "--network", "mac", "busybox", "true"]);
    assert_ne!(second.code, 0, "{second}");
    assert!(second.error().contains("mac"), "{second}");
    // It is free for the next once its container has ended, and what serves there.
    let id = server.id.clone();
    drop(server);
    host.cli(&["rm", "-f", &id]).success();
    for _ in 0..3 {
        let next = host.cli(&["run", "--rm", "--network", "mac", "busybox", "true"]);
        next.success();
    }
}
