//! Links between real network namespaces.

use crate::hosts::{Peer, isolated};
use net::link::{self, Settings};
use net::{Subnet, address, route};
use netlink::Socket;
use std::os::fd::AsFd;

#[test]
fn a_bridge_joins_two_namespaces() {
    if !isolated("links::a_bridge_joins_two_namespaces") {
        return;
    }
    let mut socket = Socket::route().expect("netlink");
    let subnet: Subnet = "10.99.0.0/24".parse().expect("a subnet");
    let wanted = Settings {
        name: "br-test",
        mtu: Some(1400),
        alias: Some("corten-test:net"),
        ..Settings::default()
    };
    let bridge = link::add_bridge(&mut socket, &wanted).expect("a bridge");
    address::add(&mut socket, bridge, subnet.nth(1).expect("the first"), 24).expect("its address");
    let peers = [Peer::start(), Peer::start()];
    for (n, peer) in peers.iter().enumerate() {
        let name = format!("v{n}");
        let host = Settings {
            name: &name,
            ..Settings::default()
        };
        let inside = Settings {
            name: "eth0",
            mac: Some([2, 0, 0, 0, 0, 9]),
            ..Settings::default()
        };
        link::add_veth(
            &mut socket,
            &host,
            Some(bridge),
            &inside,
            peer.netns().as_fd(),
        )
        .expect("a pair");
        assert!(
            peer.run("ip -br link show eth0")
                .contains("02:00:00:00:00:09")
        );
        peer.run(&format!("ip link set eth0 address 02:00:00:00:00:1{n}; ip addr add 10.99.0.{}/24 dev eth0; ip link set eth0 up", n + 10));
    }
    peers[0].run("ping -c1 -W2 10.99.0.1; ping -c1 -W2 10.99.0.11");
    assert!(
        route::destinations(&mut socket)
            .expect("routes")
            .contains(&subnet)
    );
    let aliases: Vec<_> = link::list(&mut socket)
        .expect("links")
        .into_iter()
        .filter_map(|(_, _, a)| a)
        .collect();
    assert_eq!(aliases, ["corten-test:net"]);
    link::delete(&mut socket, bridge).expect("it goes");
    assert!(matches!(
        link::find(&mut socket, "br-test"),
        Err(net::Error::NoLink { .. })
    ));
}

#[test]
fn a_link_that_is_there_is_named() {
    if !isolated("links::a_link_that_is_there_is_named") {
        return;
    }
    let mut socket = Socket::route().expect("netlink");
    let wanted = Settings {
        name: "br-test",
        ..Settings::default()
    };
    link::add_bridge(&mut socket, &wanted).expect("a bridge");
    let error = link::add_bridge(&mut socket, &wanted).expect_err("a second one");
    assert_eq!(error.to_string(), "cannot make bridge link br-test");
}
