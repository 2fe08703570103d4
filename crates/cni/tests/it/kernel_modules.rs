//! Options that need more of the kernel than a development machine may have. They run on Debian's
//! kernel.

use crate::hosts::{Peer, isolated};
use crate::pods::{Host, Way, attachment, can_get, gets, netns_of, network, sh};
use cni::{Attachment, Network};
use serde_json::{Value, json};

/// A bridge with options of its own, whose pods have addresses of one subnet.
fn with(host: &Host, name: &str, own: &Value) -> Network {
    let mut plugin = json!({
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": true,
        "ipam": {"type": "host-local", "dataDir": host.path(name), "subnet": "10.86.0.0/24"},
    });
    let own = own.as_object().expect("an object").clone();
    plugin.as_object_mut().expect("an object").extend(own);
    network(json!({ "cniVersion": "1.0.0", "name": name, "plugins": [plugin] }))
}

struct Pod {
    peer: Peer,
    attachment: Attachment,
    address: String,
}

fn add(host: &Host, network: &Network, name: &str) -> Pod {
    let peer = Peer::start();
    let attachment = attachment(name, &netns_of(&peer));
    let runtime = host.runtime_of(Way::InProcess);
    let made = runtime.add(network, &attachment).expect("it is added");
    runtime
        .check(network, &attachment)
        .expect("it is as it was");
    peer.serve();
    let address = made.ips[0].address.split('/').next().expect("an address");
    let address = format!("{address}:80");
    Pod {
        peer,
        attachment,
        address,
    }
}

/// The VLANs of every port, without spaces.
fn vlans() -> String {
    sh("bridge -j vlan show | tr -d ' \\n'")
}

#[test]
#[ignore = "needs VLANs of bridges: cargo xtask vm"]
fn pods_of_a_vlan_reach_each_other_and_their_gateway_alone() {
    if !isolated("kernel_modules::pods_of_a_vlan_reach_each_other_and_their_gateway_alone") {
        return;
    }
    let host = Host::new();
    // Another's bridge, which looks at no VLANs.
    sh("ip link add cni0 type bridge && ip link set cni0 up");
    let five = with(&host, "five", &json!({"vlan": 5}));
    let six = with(
        &host,
        "six",
        &json!({"vlan": 6, "ipam": {"type": "host-local", "dataDir": host.path("six"), "subnet": "10.86.0.0/24", "rangeStart": "10.86.0.100"}, "isGateway": false}),
    );
    let one = add(&host, &five, "one");
    let alone = r#""vlans":[{"vlan":5,"flags":["PVID","EgressUntagged"]}]"#;
    assert!(vlans().contains(alone), "{}", vlans());
    let two = add(&host, &five, "two");
    let other = add(&host, &six, "other");
    assert!(gets(Some(&one.peer), &two.address, true));
    assert!(gets(None, &one.address, true), "the gateway is in the VLAN");
    assert!(!can_get(Some(&other.peer), &one.address));
    assert!(!can_get(Some(&one.peer), &other.address));
    assert!(sh("ip -br -4 addr show cni0.5").contains("10.86.0.1/24"));
    assert_eq!(sh("ip -4 addr show cni0"), "");
    let runtime = host.runtime_of(Way::InProcess);
    for (network, pod) in [(&five, &one), (&five, &two), (&six, &other)] {
        runtime.delete(network, &pod.attachment).expect("it goes");
    }
}

#[test]
#[ignore = "needs VLANs of bridges: cargo xtask vm"]
fn a_trunk_carries_the_vlans_of_others() {
    if !isolated("kernel_modules::a_trunk_carries_the_vlans_of_others") {
        return;
    }
    let host = Host::new();
    let trunk = with(
        &host,
        "trunk",
        &json!({"vlanTrunk": [{"id": 5}, {"minID": 7, "maxID": 8}]}),
    );
    let router = add(&host, &trunk, "router");
    let own = vlans();
    for number in ["\"vlan\":5", "\"vlan\":7,\"vlanEnd\":8", "\"vlan\":1"] {
        let single = number.replace(",\"vlanEnd\":8", "");
        assert!(own.contains(number) || own.contains(&single), "{own}");
    }
    let range =
        json!({"type": "host-local", "dataDir": host.path("five"), "subnet": "10.86.5.0/24"});
    let five = with(
        &host,
        "five",
        &json!({"vlan": 5, "isGateway": false, "ipam": range}),
    );
    let one = add(&host, &five, "one");
    router.peer.run("ip link add link eth0 name eth0.5 type vlan id 5; ip addr add 10.86.5.9/24 dev eth0.5; ip link set eth0.5 up");
    assert!(gets(Some(&router.peer), &one.address, true));
    router.peer.run("ip link add link eth0 name eth0.9 type vlan id 9; ip addr del 10.86.5.9/24 dev eth0.5; ip addr add 10.86.5.9/24 dev eth0.9; ip link set eth0.9 up");
    assert!(!can_get(Some(&router.peer), &one.address));
}
