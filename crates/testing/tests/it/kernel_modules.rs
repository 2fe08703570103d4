//! Networks that need more of the kernel than a development machine may have: VLANs, ipvlan, links
//! that lead nowhere, and SCTP. They run on Debian's kernel.

use crate::reachability::{Server, check};
use crate::space::{Neighbour, Sctp, Space, Tcp, Udp};
use testing::TestHost;

fn spaces(host: &TestHost) -> (Space, Neighbour) {
    let own = Space(host.daemon_pid().expect("a daemon"));
    let neighbour = Neighbour::of(own);
    neighbour.space().serve();
    (own, neighbour)
}

/// A network of a driver on a parent, if there is one, with addresses beside the neighbour's.
fn network(host: &TestHost, name: &str, (driver, parent): (&str, &str), flags: &[&str]) {
    let parent = match parent {
        "" => Vec::new(),
        parent => vec!["-o".to_owned(), format!("parent={parent}")],
    };
    let mut words = vec!["network", "create", "-d", driver];
    words.extend(parent.iter().map(String::as_str));
    words.extend(flags);
    words.push(name);
    host.cli(&words).success();
}

/// Removes containers, and then the network. What serves in them ends first, so that their
/// namespaces go.
fn remove<const N: usize>(host: &TestHost, servers: [Server<'_>; N], network: &str) {
    for server in servers {
        let id = server.id.clone();
        drop(server);
        host.cli(&["rm", "-f", &id]).success();
    }
    host.cli(&["network", "rm", network]).success();
}

/// Links of the host whose names begin so.
fn links(own: Space, prefix: &str) -> String {
    let script = format!("ip -br link | cut -d' ' -f1 | cut -d@ -f1 | grep '^{prefix}' || true");
    own.run(&script)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

const VLAN: [&str; 4] = [
    "--subnet",
    "198.51.100.0/24",
    "--ip-range",
    "198.51.100.64/28",
];
const BESIDE: [&str; 4] = ["--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.64/28"];
const ANY: Option<&str> = Some("any");
const NEIGHBOUR: Option<&str> = Some("192.0.2.2");
/// The neighbour's address in VLAN 10.
const TAGGED: Option<&str> = Some("198.51.100.2");

fn tag(neighbour: &Neighbour, number: u16) {
    neighbour.space().run(&format!(
        "ip link add link in0 name in0.{number} type vlan id {number}
         ip addr add 198.51.100.2/24 dev in0.{number}; ip link set in0.{number} up"
    ));
}

#[test]
#[ignore = "needs VLANs: cargo xtask vm"]
fn a_vlan_is_made_for_networks_on_it_and_goes_with_the_last() {
    let mut host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    tag(&neighbour, 10);
    for driver in ["macvlan", "ipvlan"] {
        network(&host, "ten", (driver, "out0.10"), &VLAN);
        network(
            &host,
            "eleven",
            (driver, "out0.11"),
            &["--subnet", "203.0.113.0/24"],
        );
        assert_eq!(links(own, "out0."), "out0.10 out0.11");
        let ten = Server::start(&host, &["--network", "ten"]);
        let eleven = Server::start(&host, &["--network", "eleven"]);
        check(&[
            (driver, peer, ten.four(80), Tcp, TAGGED),
            (driver, ten.space, "198.51.100.2:80".to_owned(), Tcp, ANY),
            (driver, peer, eleven.four(80), Tcp, None),
            (driver, eleven.space, ten.four(80), Tcp, None),
        ]);
        remove(&host, [eleven], "eleven");
        assert_eq!(links(own, "out0."), "out0.10");
        remove(&host, [ten], "ten");
        assert_eq!(links(own, "out0."), "");
    }
    // Of two networks the last takes it away, whoever made it, also after another daemon.
    let second = ["--subnet", "203.0.113.0/24"];
    network(&host, "first", ("macvlan", "out0.10"), &VLAN);
    network(&host, "second", ("macvlan", "out0.10"), &second);
    remove(&host, [], "first");
    host.kill_daemon();
    host.start_daemon();
    let own = Space(host.daemon_pid().expect("a daemon"));
    assert_eq!(links(own, "out0."), "out0.10");
    remove(&host, [], "second");
    assert_eq!(links(own, "out0."), "");
    // The host's own stays.
    own.run("ip link add link out0 name out0.12 type vlan id 12");
    network(&host, "own", ("macvlan", "out0.12"), &VLAN);
    remove(&host, [], "own");
    assert_eq!(links(own, "out0."), "out0.12");
}

#[test]
#[ignore = "needs ipvlan: cargo xtask vm"]
fn ipvlan_flags_say_who_reaches_whom() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    for (flag, each_other) in [("bridge", ANY), ("private", None), ("vepa", None)] {
        let option = format!("ipvlan_flag={flag}");
        let flags = [&BESIDE[..], &["-o", &option, "-o", "ipvlan_mode=l2"]].concat();
        network(&host, "ip", ("ipvlan", "out0"), &flags);
        let [first, second] =
            [(), ()].map(|()| Server::start(&host, &["--network", "ip", "-p", "8080:80"]));
        check(&[
            (flag, peer, first.four(80), Tcp, NEIGHBOUR),
            (flag, peer, first.four(82), Tcp, NEIGHBOUR),
            (flag, peer, first.four(81), Udp, NEIGHBOUR),
            (flag, first.space, "192.0.2.2:80".to_owned(), Tcp, ANY),
            (flag, first.space, second.four(80), Tcp, each_other),
            (flag, own, first.four(80), Tcp, None),
        ]);
        // They have the parent's Ethernet address, and none of their own can be asked for.
        let format = "{{range .NetworkSettings.Networks}}<{{.MacAddress}}>{{end}}";
        assert_eq!(host.inspect(&first.id, format).trim(), "<>");
        let macs = [
            own.run("cat /proc/net/arp; ip -br link show out0"),
            first.space.run("ip -br link show eth0"),
        ];
        let mac = macs[1]
            .split_whitespace()
            .nth(2)
            .expect("an address")
            .to_owned();
        assert!(macs[0].contains(&mac), "{macs:?}");
        let refused = host.cli(&[
            "run",
            "--rm",
            "--network",
            "ip",
            "--mac-address",
            "02:00:00:00:00:01",
            "busybox",
            "true",
        ]);
        assert!(
            refused
                .error()
                .contains("ipvlan interfaces do not support custom mac address assignment")
        );
        remove(&host, [first, second], "ip");
    }
}

#[test]
#[ignore = "needs ipvlan: cargo xtask vm"]
fn routed_ipvlans_send_by_their_link() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    for mode in ["l3", "l3s"] {
        let option = format!("ipvlan_mode={mode}");
        let flags = [
            "--ipv6",
            "--subnet",
            "10.97.0.0/24",
            "--subnet",
            "fd97::/64",
            "-o",
            &option,
        ];
        network(&host, "ip", ("ipvlan", "out0"), &flags);
        let [first, second] = [(), ()].map(|()| Server::start(&host, &["--network", "ip"]));
        let routes = first.space.run("ip route; ip -6 route show default");
        assert!(
            routes.contains("default dev eth0 proto static scope link"),
            "{routes}"
        );
        assert_eq!(routes.matches("default dev eth0").count(), 2, "{routes}");
        let shown = "{{range .NetworkSettings.Networks}}<{{.Gateway}}{{.IPv6Gateway}}>{{end}}";
        assert_eq!(host.inspect(&first.id, shown).trim(), "<>");
        peer.run("ip route replace 10.97.0.0/24 via 192.0.2.1");
        check(&[
            (mode, peer, first.four(80), Tcp, NEIGHBOUR),
            (mode, peer, first.four(81), Udp, NEIGHBOUR),
            (mode, first.space, "192.0.2.2:80".to_owned(), Tcp, ANY),
            (mode, first.space, second.four(80), Tcp, ANY),
            (mode, first.space, second.six(80), Tcp, ANY),
        ]);
        remove(&host, [first, second], "ip");
    }
    assert_eq!(links(own, "di-"), "");
}

#[test]
#[ignore = "needs links that lead nowhere: cargo xtask vm"]
fn a_network_without_a_parent_leads_nowhere() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    for (driver, prefix) in [("macvlan", "dm-"), ("ipvlan", "di-")] {
        network(&host, "alone", (driver, ""), &["--subnet", "10.96.0.0/24"]);
        let id = host
            .cli(&["network", "inspect", "-f", "{{.Id}}", "alone"])
            .success();
        assert_eq!(links(own, prefix), format!("{prefix}{}", &id.text()[..12]));
        let [first, second] = [(), ()].map(|()| Server::start(&host, &["--network", "alone"]));
        check(&[
            (driver, first.space, second.four(80), Tcp, ANY),
            (driver, own, first.four(80), Tcp, None),
            (driver, neighbour.space(), first.four(80), Tcp, None),
            (driver, first.space, "192.0.2.2:80".to_owned(), Tcp, None),
        ]);
        assert_eq!(first.space.run("ip route show default"), "");
        // A host that was started anew has none of them: who joins finds it made again.
        host.cli(&["stop", "-t", "0", &first.id, &second.id])
            .success();
        own.run(&format!("ip link del {}", links(own, prefix)));
        host.cli(&["start", &first.id]).success();
        assert_eq!(links(own, prefix), format!("{prefix}{}", &id.text()[..12]));
        remove(&host, [first, second], "alone");
        assert_eq!(links(own, prefix), "");
    }
}

#[test]
#[ignore = "needs SCTP: cargo xtask vm"]
fn a_port_of_sctp_leads_to_the_container_and_is_taken() {
    let host = TestHost::start();
    let (own, neighbour) = spaces(&host);
    let peer = neighbour.space();
    host.cli(&[
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "10.95.0.0/24",
        "--subnet",
        "fd95::/64",
        "six",
    ])
    .success();
    let one = Server::start(&host, &["-p", "9000:80/sctp"]);
    let six = Server::start(
        &host,
        &[
            "--network",
            "six",
            "-p",
            "9001:80/sctp",
            "-p",
            "192.0.2.1:9002:80/sctp",
        ],
    );
    let bound = Server::start(&host, &["-p", "127.0.0.1:9003:80/sctp"]);
    for server in [&one, &six, &bound] {
        server.space.serve_sctp();
    }
    let at = |port: u16| format!("192.0.2.1:{port}");
    check(&[
        ("published", peer, at(9000), Sctp, NEIGHBOUR),
        ("of both families", peer, at(9001), Sctp, NEIGHBOUR),
        (
            "of both families",
            peer,
            "[2001:db8::1]:9001".to_owned(),
            Sctp,
            Some("2001:db8::2"),
        ),
        ("at an address", peer, at(9002), Sctp, NEIGHBOUR),
        ("by loopback", own, "127.0.0.1:9000".to_owned(), Sctp, ANY),
        ("by loopback", own, "127.0.0.1:9003".to_owned(), Sctp, ANY),
        ("by loopback", own, "[::1]:9000".to_owned(), Sctp, ANY),
        ("by loopback", own, "[::1]:9001".to_owned(), Sctp, ANY),
        (
            "by IPv6 to IPv4",
            peer,
            "[2001:db8::1]:9000".to_owned(),
            Sctp,
            ANY,
        ),
        ("from the host", own, at(9000), Sctp, ANY),
        ("from a container", six.space, at(9000), Sctp, ANY),
        ("to itself", one.space, at(9000), Sctp, ANY),
        ("another protocol", peer, at(9000), Tcp, None),
        ("not published", peer, at(9009), Sctp, None),
        ("at the loopback", peer, at(9003), Sctp, None),
        ("by its own address", peer, one.four(80), Sctp, None),
    ]);
    let taken = host.cli(&["run", "--rm", "-p", "9000:80/sctp", "busybox", "true"]);
    assert!(taken.error().contains("9000"), "{}", taken.error());
    host.cli(&["rm", "-f", &one.id]).success();
    assert_eq!(peer.seen(&at(9000), Sctp), None);
    host.cli(&["run", "--rm", "-p", "9000:80/sctp", "busybox", "true"])
        .success();
}
