//! A sandbox's name server, as the sandbox's programs see it.

use crate::hosts::{Peer, isolated};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

const SERVER: &str = "127.0.0.11:53";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// Answers one datagram and one connection with what they bring.
fn echo(sockets: net::nameserver::Sockets) {
    let udp = UdpSocket::from(sockets.udp);
    udp.set_nonblocking(false).expect("a socket");
    let tcp = TcpListener::from(sockets.tcp);
    tcp.set_nonblocking(false).expect("a socket");
    std::thread::spawn(move || {
        let mut bytes = [0; 8];
        let (length, from) = udp.recv_from(&mut bytes).expect("a datagram");
        udp.send_to(&bytes[..length], from).expect("it is answered");
        let (mut client, _) = tcp.accept().expect("a connection");
        let length = client.read(&mut bytes).expect("it says something");
        client.write_all(&bytes[..length]).expect("it is answered");
    });
}

#[test]
fn port_53_is_served_and_free_for_the_sandboxs_own_programs() {
    if !isolated("nameserver::port_53_is_served_and_free_for_the_sandboxs_own_programs") {
        return;
    }
    let peer = Peer::start();
    net::namespace::loopback(peer.netns().as_fd()).expect("a loopback");
    echo(net::nameserver::open(peer.netns().as_fd()).expect("it opens"));
    let answers = peer.within(|| {
        let _own = UdpSocket::bind("0.0.0.0:53").expect("the port is free");
        let _listener = TcpListener::bind("0.0.0.0:53").expect("the port is free");
        let udp = UdpSocket::bind("0.0.0.0:0").expect("a port");
        udp.connect(SERVER).expect("an address");
        udp.set_read_timeout(PATIENCE).expect("a socket");
        udp.send(b"data").expect("it is sent");
        let mut bytes = [0; 8];
        let length = udp
            .recv(&mut bytes)
            .expect("an answer from where it was sent");
        let mut tcp = TcpStream::connect(SERVER).expect("a connection");
        tcp.write_all(b"stream").expect("it is sent");
        let mut text = String::new();
        tcp.read_to_string(&mut text).expect("an answer");
        (bytes[..length].to_vec(), text)
    });
    assert_eq!(answers, (b"data".to_vec(), "stream".to_owned()));
}

#[test]
fn a_sandboxs_own_tracking_sees_both_ends_of_a_question() {
    if !isolated("nameserver::a_sandboxs_own_tracking_sees_both_ends_of_a_question") {
        return;
    }
    let peer = Peer::start();
    net::namespace::loopback(peer.netns().as_fd()).expect("a loopback");
    peer.run(
        "nft 'add table inet own; \
              add chain inet own in { type filter hook input priority 0; policy drop; }; \
              add rule inet own in ct state established accept; \
              add chain inet own out { type filter hook output priority 0; }; \
              add rule inet own out ct state invalid drop; \
              add rule inet own in ip daddr 127.0.0.11 ct state new accept'",
    );
    echo(net::nameserver::open(peer.netns().as_fd()).expect("it opens"));
    let answer = peer.within(|| {
        let udp = UdpSocket::bind("0.0.0.0:0").expect("a port");
        udp.connect(SERVER).expect("an address");
        udp.set_read_timeout(PATIENCE).expect("a socket");
        udp.send(b"data").expect("it is sent");
        let mut bytes = [0; 8];
        let length = udp.recv(&mut bytes).expect("an answer");
        let mut tcp = TcpStream::connect(SERVER).expect("a connection");
        tcp.write_all(b"stream").expect("it is sent");
        let mut text = String::new();
        tcp.read_to_string(&mut text).expect("an answer");
        (bytes[..length].to_vec(), text)
    });
    assert_eq!(answer, (b"data".to_vec(), "stream".to_owned()));
}
