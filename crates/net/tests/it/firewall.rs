//! Rules in a real firewall, seen by packets and by the `nft` command.

use crate::hosts::isolated;
use net::nft::{
    Batch, Chain, Compare, Direction, Element, Expression, Family, Field, Hook, Key, Meta,
    Register, Set, Verdict,
};
use netlink::Socket;
use std::process::Command;

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

const TCP: u8 = 6;
const PORTS: Set<'static> = Set {
    name: "ports4",
    key: &[Key::Protocol, Key::Port],
    data: &[Key::Address4, Key::Port],
    ranges: false,
};

fn published(port: u16, to: [u8; 4], to_port: u16) -> Element {
    Element::new()
        .part(&[TCP])
        .part(&port.to_be_bytes())
        .data(&to)
        .data(&to_port.to_be_bytes())
}

fn publishing<'a>() -> Batch<'a> {
    let (protocol, port, to, to_port) = (Register(0), Register(1), Register(4), Register(5));
    Batch::new("corten-test")
        .fresh_table()
        .chain(Chain::Base {
            name: "output",
            kind: "nat",
            hook: Hook::Output,
            priority: -100,
        })
        .set(&PORTS)
        .add("ports4", &[published(8080, [127, 0, 0, 1], 9090)])
        .rule(
            "output",
            &[
                Expression::Meta(Meta::Family, Register(0)),
                Expression::Compare(Register(0), Compare::Is, &[2]),
                Expression::Meta(Meta::Protocol, protocol),
                Expression::Payload(Field::DestinationPort, port),
                Expression::Map(protocol, "ports4", to),
                Expression::Translate(Direction::Destination, Family::V4, to, Some(to_port)),
            ],
        )
}

#[test]
fn a_published_port_is_one_element_of_a_map() {
    if !isolated("firewall::a_published_port_is_one_element_of_a_map") {
        return;
    }
    sh("ip link set lo up");
    let mut socket = Socket::netfilter().expect("netlink");
    publishing()
        .commit(&mut socket)
        .expect("the kernel takes it");
    let shown = sh("nft list table inet corten-test");
    assert!(shown.contains("tcp . 8080 : 127.0.0.1 . 9090"), "{shown}");
    let server = std::net::TcpListener::bind("127.0.0.1:9090").expect("a port");
    let client = std::net::TcpStream::connect("127.0.0.1:8080").expect("translated");
    let (_, from) = server.accept().expect("a connection");
    assert_eq!(
        client.local_addr().expect("bound"),
        from,
        "the source is kept"
    );

    let gone = Batch::new("corten-test").remove("ports4", &[published(8080, [127, 0, 0, 1], 9090)]);
    gone.commit(&mut socket).expect("the element goes");
    assert!(std::net::TcpStream::connect("127.0.0.1:8080").is_err());
    Batch::new("corten-test")
        .delete_table()
        .commit(&mut socket)
        .expect("the table goes");
    assert_eq!(sh("nft list ruleset"), "");
}

#[test]
fn a_refused_batch_changes_nothing() {
    if !isolated("firewall::a_refused_batch_changes_nothing") {
        return;
    }
    let mut socket = Socket::netfilter().expect("netlink");
    let bad = Batch::new("corten-test")
        .table()
        .rule("nowhere", &[Expression::Verdict(Verdict::Drop)]);
    let error = bad.commit(&mut socket).expect_err("there is no such chain");
    assert_eq!(
        error.to_string(),
        "cannot change firewall table corten-test (change 2)"
    );
    assert_eq!(sh("nft list ruleset"), "");
    publishing()
        .commit(&mut socket)
        .expect("the socket is still good");
}

/// More changes than answers find room in a socket's queue.
const MANY: u16 = 20_000;

#[test]
fn a_batch_has_any_length() {
    if !isolated("firewall::a_batch_has_any_length") {
        return;
    }
    let mut socket = Socket::netfilter().expect("netlink");
    let mut batch = publishing();
    for port in 10_000..10_000 + MANY {
        batch = batch.add("ports4", &[published(port, [10, 0, 0, 2], port)]);
    }
    batch.commit(&mut socket).expect("all of them are made");
    let count = |socket: &str| socket.matches("10.0.0.2 .").count();
    let listed = sh("nft list map inet corten-test ports4");
    assert_eq!(count(&listed), usize::from(MANY));
    let mut batch = Batch::new("corten-test");
    for port in 10_000..10_000 + MANY {
        batch = batch.remove("ports4", &[published(port, [10, 0, 0, 2], port)]);
    }
    batch.commit(&mut socket).expect("all of them are removed");
    assert_eq!(count(&sh("nft list map inet corten-test ports4")), 0);
}

#[test]
fn of_many_refused_changes_the_first_is_told() {
    if !isolated("firewall::of_many_refused_changes_the_first_is_told") {
        return;
    }
    let mut socket = Socket::netfilter().expect("netlink");
    publishing().commit(&mut socket).expect("the table");
    let mut batch = Batch::new("corten-test");
    for port in 10_000..10_000 + MANY {
        batch = batch.remove("ports4", &[published(port, [10, 0, 0, 2], port)]);
    }
    let error = batch
        .commit(&mut socket)
        .expect_err("none of them is there");
    assert_eq!(
        error.to_string(),
        "cannot change firewall table corten-test (change 1)"
    );
    publishing()
        .commit(&mut socket)
        .expect("the socket is still good");
}

#[test]
fn ranges_of_ports_are_one_element() {
    if !isolated("firewall::ranges_of_ports_are_one_element") {
        return;
    }
    let mut socket = Socket::netfilter().expect("netlink");
    let set = Set {
        name: "open",
        key: &[Key::Protocol, Key::Port],
        data: &[],
        ranges: true,
    };
    let element = Element::new()
        .part(&[TCP])
        .range(&1000_u16.to_be_bytes(), &1999_u16.to_be_bytes());
    Batch::new("corten-test")
        .table()
        .set(&set)
        .add("open", &[element])
        .commit(&mut socket)
        .expect("the kernel takes it");
    let shown = sh("nft list table inet corten-test");
    assert!(shown.contains("tcp . 1000-1999"), "{shown}");
}
