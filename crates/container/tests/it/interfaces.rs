//! Network devices of the host that move into the container, and home if it is not to be.

use crate::fixture::{Bundle, Streams, Wrong};
use container::{Gate, injection};
use net::link::{self, Settings};
use netlink::Socket;
use oci::runtime::{NamespaceKind, NetDevice};
use std::fs::File;
use std::os::fd::AsFd;
use sys::namespace::{Kind, unshare};

/// A veth pair with an address, in a new network namespace of this thread, up.
fn host() -> Socket {
    unshare(Kind::Network.flag()).unwrap();
    let mut socket = Socket::route().unwrap();
    let own = File::open("/proc/thread-self/ns/net").unwrap();
    let named = |name| Settings {
        name,
        mtu: Some(1400),
        ..Settings::default()
    };
    let (here, peer) = (named("moves0"), named("stays0"));
    link::add_veth(&mut socket, &here, None, &peer, own.as_fd()).unwrap();
    let link = link::find(&mut socket, "moves0").unwrap();
    net::address::add(&mut socket, link, "10.9.8.7".parse().unwrap(), 24).unwrap();
    socket
}

fn moving(inside: &str) -> Bundle {
    let mut bundle = Bundle::new();
    let device = NetDevice {
        name: inside.to_owned(),
    };
    let devices = &mut bundle.linux().net_devices;
    devices.insert("moves0".to_owned(), device);
    bundle
}

#[test]
fn a_device_moves_in_with_its_address_under_its_new_name() {
    let mut bundle = moving("eth7");
    let mut socket = host();
    let output = bundle.script("ip address show dev eth7");
    assert!(output.contains("inet 10.9.8.7/24"), "{output}");
    assert!(
        output.contains("mtu 1400") && output.contains("UP"),
        "{output}"
    );
    assert!(link::find(&mut socket, "moves0").is_err());
}

#[test]
fn a_device_is_home_again_if_the_container_fails() {
    let bundle = moving("");
    let mut socket = host();
    injection::fail_at(Some("pivot"));
    let streams = Streams::new();
    let made = bundle.create(streams.stdio(), Gate::Open);
    injection::fail_at(None);
    assert!(made.is_err());
    let link = link::find(&mut socket, "moves0").unwrap();
    let address = ("10.9.8.7".parse().unwrap(), 24);
    assert_eq!(net::address::lasting(&mut socket, link).unwrap(), [address]);
}

#[test]
fn devices_that_cannot_move_are_named() {
    let mut bundle = moving("");
    unshare(Kind::Network.flag()).unwrap();
    let error = bundle.run().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("linux.netDevices: move \"moves0\" in")
    );
    let cases: [Wrong<'_>; 3] = [
        ("linux.netDevices", &|b| b.without(NamespaceKind::Network)),
        ("linux.netDevices", &|b| {
            let name = "of more than 15 bytes".to_owned();
            b.linux()
                .net_devices
                .insert("other0".to_owned(), NetDevice { name });
        }),
        ("linux.netDevices", &|b| {
            let name = "moves0".to_owned();
            b.linux()
                .net_devices
                .insert("other0".to_owned(), NetDevice { name });
        }),
    ];
    for (field, change) in cases {
        change(&mut bundle);
        let error = bundle.run().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{field}:")), "{error}");
        bundle = moving("");
    }
}
