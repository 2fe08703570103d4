//! What is done in process: mixed with the reference plugins, and left to them.

use crate::chain::{bridge, with_port};
use crate::hosts::{Peer, isolated};
use crate::pods::{Host, WAYS, Way, attachment, gets, names, neighbour, netns_of, network, sh};
use cni::{Attachment, Code, Dns, Network};
use serde_json::{Value, json};

/// A bridge whose configuration and addresses have this besides the usual.
fn with(host: &Host, own: &Value, ipam: &Value) -> Network {
    let mut plugin = json!({
        "type": "bridge",
        "bridge": "cni0",
        "ipam": {"type": "host-local", "dataDir": host.path("networks"), "subnet": "10.86.0.0/29"},
    });
    let add = |to: &mut Value, from: &Value| {
        let from = from.as_object().expect("an object").clone();
        to.as_object_mut().expect("an object").extend(from);
    };
    add(&mut plugin, own);
    add(&mut plugin["ipam"], ipam);
    network(json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [plugin] }))
}

#[test]
fn both_give_addresses_of_one_store_in_turn() {
    if !isolated("in_process::both_give_addresses_of_one_store_in_turn") {
        return;
    }
    let host = Host::new();
    let network = with(&host, &json!({"capabilities": {"ips": true}}), &json!({}));
    let pod = Peer::start();
    let add = |n: usize, way: Way| {
        let mut attachment = attachment(&format!("pod{n}"), &netns_of(&pod));
        attachment.interface = format!("eth{n}");
        let made = host.runtime_of(way).add(&network, &attachment);
        (attachment, made)
    };
    let mut added = Vec::new();
    for n in 0..5 {
        let (attachment, made) = add(n, WAYS[n % 2]);
        let made = made.expect("it is added");
        assert_eq!(made.ips[0].address, format!("10.86.0.{}/29", n + 2));
        let file = host.told(&format!("networks/net/10.86.0.{}", n + 2));
        assert_eq!(file, format!("pod{n}\r\neth{n}"));
        assert_eq!(
            host.told("networks/net/last_reserved_ip.0"),
            format!("10.86.0.{}", n + 2)
        );
        added.push(attachment);
    }
    let said = WAYS.map(|way| {
        let (_, refused) = add(5, way);
        let refused = refused.expect_err("none is left");
        assert_eq!(host.kept().len(), 5);
        refused.to_string()
    });
    assert_eq!(said[0], said[1]);
    // Each is deleted by whoever added it.
    let runtime = host.runtime().in_process();
    for attachment in &added {
        runtime.delete(&network, attachment).expect("it goes");
    }
    assert_eq!(
        names(&host.path("networks/net")),
        ["last_reserved_ip.0", "lock"]
    );

    // An address that is asked for.
    let asking = |address: &str| {
        let mut attachment = attachment("asking", &netns_of(&pod));
        attachment.capabilities.ips = vec![address.to_owned()];
        attachment
    };
    let outcomes = WAYS.map(|way| {
        let runtime = host.runtime_of(way);
        let made = runtime
            .add(&network, &asking("10.86.0.4/29"))
            .expect("it is free");
        assert_eq!(made.ips[0].address, "10.86.0.4/29");
        runtime
            .delete(&network, &asking("10.86.0.4"))
            .expect("it goes");
        ["10.86.0.1", "10.99.0.1"].map(|address| {
            let refused = runtime.add(&network, &asking(address));
            refused
                .expect_err(address)
                .to_string()
                .replace("[10.99.0.1]", "10.99.0.1")
        })
    });
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn who_added_an_attachment_deletes_it() {
    if !isolated("in_process::who_added_an_attachment_deletes_it") {
        return;
    }
    for way in WAYS {
        let host = Host::new();
        let network = bridge(&host, &["10.88.0.0/16"]);
        let pod = Peer::start();
        let one = with_port(attachment("one", &netns_of(&pod)), 8080);
        host.runtime_of(way)
            .add(&network, &one)
            .expect("it is added");
        let rules = sh("nft list ruleset");
        assert_eq!(
            rules.contains("corten-cni"),
            way == Way::InProcess,
            "{rules}"
        );
        let deleting = host.runtime().in_process();
        deleting.delete(&network, &one).expect("it goes");
        let rules = sh("nft list ruleset");
        assert!(
            !rules.contains("10.88.0.2") && !rules.contains("8080"),
            "{rules}"
        );
        sh("ip link del cni0");
    }
}

#[test]
fn what_is_not_known_in_process_is_named_and_executed() {
    if !isolated("in_process::what_is_not_known_in_process_is_named_and_executed") {
        return;
    }
    let host = Host::new();
    let runtime = host.runtime_of(Way::Executed).in_process();
    let ipam = |ipam: Value| with(&host, &json!({}), &ipam);
    let own = |own: Value| with(&host, &own, &json!({}));
    let one = |plugin: Value| {
        network(json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [plugin] }))
    };
    let dccp = || {
        let mut attachment = with_port(attachment("one", "/run/netns/one"), 53);
        attachment.capabilities.port_mappings[0].protocol = "dccp".into();
        attachment
    };
    let strict = || Attachment {
        args: vec![("IP".into(), "10.86.0.4".into())],
        ..attachment("one", "/run/netns/one")
    };
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    let mut conditional = portmap.clone();
    conditional["conditionsV4"] = json!(["!", "-d", "192.0.2.0/24"]);
    for (network, attachment, named) in [
        (own(json!({"vlan": 4095})), None, "vlan 4095"),
        (own(json!({"vlanTrunk": [{"minID": 5}]})), None, "vlanTrunk"),
        (own(json!({"args": {"cni": {"mac": "x"}}})), None, "mac"),
        (own(json!({"mtu": "1400"})), None, "invalid type: string"),
        (ipam(json!({"type": "static"})), None, "ipam type static"),
        (
            ipam(json!({"routes": [{"dst": "::/0", "mtu": 1400}]})),
            None,
            "mtu",
        ),
        (one(conditional), None, "conditionsV4"),
        (one(portmap), Some(dccp()), "port mapping of dccp"),
        (one(json!({"type": "bandwidth"})), None, "type bandwidth"),
        (own(json!({})), Some(strict()), "CNI_ARGS IP"),
    ] {
        let executed = runtime
            .executed(&network, attachment.as_ref())
            .expect(named);
        let [(kind, why)] = &executed[..] else {
            panic!("{named}: {executed:?}")
        };
        assert_eq!(*kind, network.plugins[0].kind);
        assert!(why.contains(named), "{why}");
    }
    // It is done all the same.
    let pod = Peer::start();
    let one = attachment("one", &netns_of(&pod));
    let fixed = json!({"type": "static", "addresses": [{"address": "10.86.0.4/29"}], "dataDir": null, "subnet": null});
    let network = ipam(fixed);
    let made = runtime.add(&network, &one).expect("it is executed");
    assert_eq!(made.ips[0].address, "10.86.0.4/29");
    runtime.delete(&network, &one).expect("it goes");
    let known = json!({
        "vlan": 7, "vlanTrunk": [{"id": 8}], "preserveDefaultVlan": true, "macspoofchk": true,
        "enabledad": true, "portIsolation": true, "disableContainerInterface": false,
        "hairpinMode": true, "mtu": 1400, "isDefaultGateway": true, "ipMasqBackend": "nftables",
        "args": {"labels": {}},
    });
    let asking = told_by_args(&one, &[("K8S_POD_NAME", "one")]);
    assert_eq!(
        runtime
            .executed(&own(known), Some(&asking))
            .expect("it reads"),
        []
    );
}

/// An attachment with words in `CNI_ARGS`, of which plugins may not know all.
fn told_by_args(attachment: &Attachment, words: &[(&str, &str)]) -> Attachment {
    let words = words
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let lenient = ("IgnoreUnknown".to_owned(), "1".to_owned());
    Attachment {
        args: std::iter::once(lenient).chain(words).collect(),
        ..attachment.clone()
    }
}

#[test]
fn addresses_are_asked_for_by_arguments_and_by_the_configuration() {
    if !isolated("in_process::addresses_are_asked_for_by_arguments_and_by_the_configuration") {
        return;
    }
    const MAC: &str = "02:00:00:00:00:07";
    for way in WAYS {
        let host = Host::new();
        let (pod, runtime) = (Peer::start(), host.runtime_of(way));
        let one = attachment("one", &netns_of(&pod));
        let given = |network: &Network, one: &Attachment| {
            let made = runtime.add(network, one).expect("it is added");
            runtime.check(network, one).expect("it is as it was");
            runtime.delete(network, one).expect("it goes");
            let inside = made.interfaces.iter().find(|link| !link.sandbox.is_empty());
            (
                made.ips[0].address.clone(),
                inside.expect("the pod's").mac.clone(),
            )
        };
        let by_args = told_by_args(&one, &[("IP", "10.86.0.5"), ("MAC", MAC)]);
        let asked = ("10.86.0.5/29".to_owned(), MAC.to_owned());
        assert_eq!(given(&with(&host, &json!({}), &json!({})), &by_args), asked);
        let conventional = json!({"args": {"cni": {"mac": MAC, "ips": ["10.86.0.5"]}}});
        let network = with(&host, &conventional, &json!({}));
        assert_eq!(given(&network, &one), asked, "{way:?}");
        // The configuration has the last word.
        let other = told_by_args(&one, &[("MAC", "02:00:00:00:00:08")]);
        assert_eq!(given(&network, &other), asked, "{way:?}");
        sh("ip link del cni0");
    }
}

#[test]
fn a_pod_sends_by_its_own_ethernet_address_alone() {
    if !isolated("in_process::a_pod_sends_by_its_own_ethernet_address_alone") {
        return;
    }
    for way in WAYS {
        let host = Host::new();
        let network = with(
            &host,
            &json!({"macspoofchk": true, "isGateway": true}),
            &json!({}),
        );
        let (pod, runtime) = (Peer::start(), host.runtime_of(way));
        let one = attachment("one", &netns_of(&pod));
        runtime.add(&network, &one).expect("it is added");
        runtime.check(&network, &one).expect("it is as it was");
        pod.serve();
        let reached = |should| gets(None, "10.86.0.2:80", should);
        assert!(reached(true), "{way:?}");
        let own = pod.run("ip -br link show eth0 | tr -s ' ' | cut -d' ' -f3");
        let sends_as = |mac: &str| pod.run(&format!("ip link set eth0 address {mac}"));
        sends_as("02:00:00:00:00:09");
        assert!(!reached(false), "{way:?}");
        sends_as(own.trim());
        assert!(reached(true), "{way:?}");
        if way == Way::InProcess {
            sh("nft flush ruleset");
            runtime
                .check(&network, &one)
                .expect_err("its check is gone");
            let networks = [network.clone()];
            runtime.restore(&networks).expect("it comes back");
            runtime.check(&network, &one).expect("it is as it was");
            sends_as("02:00:00:00:00:09");
            assert!(!reached(false), "{way:?}");
        }
        runtime.delete(&network, &one).expect("it goes");
        let left = sh("nft list ruleset bridge");
        assert!(
            !left.contains("veth") && !left.contains(own.trim()),
            "{left}"
        );
        runtime.restore(&[network]).expect("it goes");
        assert!(!sh("nft list tables").contains("corten"), "{way:?}");
        sh("nft flush ruleset; ip link del cni0");
    }
}

#[test]
fn isolated_ports_reach_the_gateway_and_not_each_other() {
    if !isolated("in_process::isolated_ports_reach_the_gateway_and_not_each_other") {
        return;
    }
    let host = Host::new();
    let network = with(
        &host,
        &json!({"portIsolation": true, "isGateway": true}),
        &json!({}),
    );
    let runtime = host.runtime_of(Way::InProcess);
    let pods = [Peer::start(), Peer::start()];
    for (n, pod) in pods.iter().enumerate() {
        let own = attachment(&format!("pod{n}"), &netns_of(pod));
        runtime.add(&network, &own).expect("it is added");
    }
    pods[0].serve();
    assert!(gets(None, "10.86.0.2:80", true));
    assert!(!gets(Some(&pods[1]), "10.86.0.2:80", false));
}

#[test]
fn a_link_that_nothing_is_done_to_has_no_address() {
    if !isolated("in_process::a_link_that_nothing_is_done_to_has_no_address") {
        return;
    }
    let host = Host::new();
    let bare = json!({"type": "bridge", "disableContainerInterface": true});
    let mut clashing = bare.clone();
    clashing["ipam"] =
        json!({"type": "host-local", "dataDir": host.path("networks"), "subnet": "10.86.0.0/29"});
    let of = |plugin: Value| {
        network(json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [plugin] }))
    };
    let (pod, runtime) = (Peer::start(), host.runtime_of(Way::InProcess));
    let one = attachment("one", &netns_of(&pod));
    runtime.add(&of(bare.clone()), &one).expect("it is added");
    let state = pod.run("ip -br addr show eth0 | tr -s ' ' | cut -d' ' -f2-");
    assert_eq!(state.trim(), "DOWN");
    runtime.delete(&of(bare), &one).expect("it goes");
    let refused = runtime.add(&of(clashing), &one).expect_err("both");
    assert!(refused.to_string().contains("cannot use IPAM"), "{refused}");
    assert_eq!(pod.run("ip -br link | grep eth0 || true"), "");
}

#[test]
fn rarer_options_are_done_as_the_reference_does() {
    if !isolated("in_process::rarer_options_are_done_as_the_reference_does") {
        return;
    }
    const RESOLV_CONF: &str = "# ours\n; theirs\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n\
        domain one.test\ndomain two.test\nsearch a.test b.test\noptions ndots:2 rotate\n";
    let seen = WAYS.map(|way| {
        let host = Host::new();
        let file = host.path("resolv.conf");
        std::fs::write(&file, RESOLV_CONF).expect("it is written");
        let own = json!({"promiscMode": true, "forceAddress": true, "isGateway": true});
        let network = with(&host, &own, &json!({"resolvConf": file}));
        sh("ip link add cni0 type bridge && ip addr add 10.99.0.1/24 dev cni0");
        let (pod, runtime) = (Peer::start(), host.runtime_of(way));
        let one = attachment("one", &netns_of(&pod));
        let made = runtime.add(&network, &one).expect("it is added");
        runtime.check(&network, &one).expect("it is as it was");
        let bridge = sh("ip -br -4 addr show cni0 | tr -s ' ' | cut -d' ' -f3-; \
                         ip link show cni0 | grep -o PROMISC");
        runtime.delete(&network, &one).expect("it goes");
        sh("ip link del cni0");
        // The network's gateway alone.
        assert_eq!(bridge.trim(), "10.86.0.1/29 \nPROMISC", "{way:?}");
        made.dns
    });
    let told = Dns {
        nameservers: ["192.0.2.1", "192.0.2.2"].map(str::to_owned).into(),
        domain: "two.test".to_owned(),
        search: ["a.test", "b.test"].map(str::to_owned).into(),
        options: ["ndots:2", "rotate"].map(str::to_owned).into(),
    };
    // The reference bridge passes on what host-local has read since 1.2.
    assert!(seen.contains(&told), "{seen:?}");
    assert!(seen.iter().all(|dns| dns.is_empty() || *dns == told));
}

#[test]
fn wrong_configurations_are_refused_as_the_reference_does() {
    if !isolated("in_process::wrong_configurations_are_refused_as_the_reference_does") {
        return;
    }
    for ipam in [
        json!({"subnet": "10.86.0.0/31"}),
        json!({"subnet": "10.86.0.5/24"}),
        json!({"subnet": "10.86.0.0/24", "rangeStart": "10.87.0.1"}),
        json!({"subnet": "10.86.0.0/24", "rangeEnd": "10.87.0.1"}),
        json!({"subnet": "10.86.0.0/24", "ranges": [[{"subnet": "10.86.0.0/25"}]]}),
        json!({"subnet": "10.86.0.0/24", "ranges": [[]]}),
        json!({"subnet": "10.86.0.0/24", "ranges": [[{"subnet": "10.87.0.0/24"}, {"subnet": "fd00::/64"}]]}),
        json!({"subnet": "10.86.0.0/24", "ranges": [[{"subnet": "10.87.0.0/24"}, {"subnet": "10.87.0.0/25"}]]}),
        json!({"subnet": "10.86.0.0/24", "gateway": "x"}),
    ] {
        for way in WAYS {
            let host = Host::new();
            let network = with(&host, &json!({}), &ipam);
            let pod = Peer::start();
            let one = attachment("one", &netns_of(&pod));
            let error = host.runtime_of(way).add(&network, &one);
            assert!(error.is_err(), "{way:?} {ipam}");
            assert_eq!(
                pod.run("ip -br link | grep eth0 || true"),
                "",
                "{way:?} {ipam}"
            );
            let left = names(&host.path("networks/net"));
            assert!(!left.iter().any(|name| name.starts_with("10.")), "{left:?}");
        }
    }
}

#[test]
fn a_port_that_is_mapped_already_is_named_and_stays_where_it_leads() {
    if !isolated("in_process::a_port_that_is_mapped_already_is_named_and_stays_where_it_leads") {
        return;
    }
    let host = Host::new();
    let outside = neighbour();
    let network = bridge(&host, &["10.88.0.0/16"]);
    let runtime = host.runtime_of(Way::InProcess);
    let pods = [Peer::start(), Peer::start()];
    let one = with_port(attachment("one", &netns_of(&pods[0])), 8080);
    let two = with_port(attachment("two", &netns_of(&pods[1])), 8080);
    runtime.add(&network, &one).expect("it is added");
    pods[0].serve();
    let error = runtime.add(&network, &two).expect_err("it is taken");
    assert_eq!(
        error.to_string(),
        "network plugin portmap failed to ADD (code 999): port 8080 of the host is mapped already"
    );
    assert_eq!(error.code(), Some(Code::INTERNAL));
    assert_eq!(host.kept(), ["pods-one-eth0"]);
    assert!(gets(Some(&outside), "192.0.2.1:8080", true));
    runtime.check(&network, &one).expect("it is as it was");
    sh("nft delete table inet corten-cni");
    runtime
        .check(&network, &one)
        .expect_err("others have removed it");
    runtime
        .delete(&network, &one)
        .expect("it goes all the same");
    runtime.add(&network, &two).expect("the table comes back");
    runtime.delete(&network, &two).expect("it goes");
}

#[test]
fn what_others_remove_of_the_table_comes_back() {
    if !isolated("in_process::what_others_remove_of_the_table_comes_back") {
        return;
    }
    let host = Host::new();
    let outside = neighbour();
    let network = bridge(&host, &["10.88.0.0/16", "fd00:88::/64"]);
    let pods = [Peer::start(), Peer::start()];
    let one = with_port(attachment("one", &netns_of(&pods[0])), 8080);
    let two = attachment("two", &netns_of(&pods[1]));
    let runtime = || host.runtime_of(Way::InProcess);
    runtime().add(&network, &one).expect("it is added");
    runtime().add(&network, &two).expect("it is added");
    pods[0].serve();
    // Elements are in any order.
    let table = || {
        let text = sh("nft list table inet corten-cni");
        let words = text
            .split(['\n', ',', '{', '}'])
            .map(|word| word.trim().to_owned());
        let mut words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.sort();
        words
    };
    let before = table();
    let networks = [network];
    sh("nft flush ruleset; nft add table inet others");
    assert!(!gets(Some(&outside), "192.0.2.1:8080", false));
    runtime().restore(&networks).expect("it comes back");
    assert!(gets(Some(&outside), "192.0.2.1:8080", true));
    assert_eq!(table(), before);
    sh(
        "nft flush chain inet corten-cni mapped; nft add element inet corten-cni masked4 { 10.88.0.99 }",
    );
    runtime().restore(&networks).expect("it comes back");
    assert_eq!(table(), before);
    runtime().delete(&networks[0], &one).expect("it goes");
    runtime().delete(&networks[0], &two).expect("it goes");
    runtime().restore(&networks).expect("nothing is left");
    assert_eq!(sh("nft list tables"), "table inet others\n");
}

#[test]
fn an_addition_that_a_kill_breaks_off_is_deleted_by_its_name() {
    let name = "in_process::an_addition_that_a_kill_breaks_off_is_deleted_by_its_name";
    if !isolated(name) {
        return;
    }
    const PLACE: &str = "CORTEN_TEST_PLACE";
    let killing = |directory: &std::path::Path| {
        let ranges = json!([[{"subnet": "10.88.0.0/16"}]]);
        network(json!({
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {"type": "bridge", "isGateway": true, "ipMasq": true,
                 "ipam": {"type": "host-local", "dataDir": directory.join("networks"), "ranges": ranges}},
                {"type": "portmap", "capabilities": {"portMappings": true}},
                {"type": "killing"},
            ],
        }))
    };
    let subject = |netns: &str| with_port(attachment("one", netns), 8080);
    if let Some(place) = std::env::var_os(PLACE) {
        let place = std::path::PathBuf::from(place);
        let netns = std::fs::read_to_string(place.join("netns")).expect("a path");
        let runtime = cni::Runtime::new(vec![place.join("bin")], &place, cni::Limits::default());
        let added = runtime.in_process().add(&killing(&place), &subject(&netns));
        panic!("it was to be killed: {added:?}");
    }
    let host = Host::new();
    host.speaking(
        "killing",
        &["1.0.0"],
        "[ $CNI_COMMAND = ADD ] && kill -9 $PPID; exit 0",
    );
    let pod = Peer::start();
    std::fs::write(host.path("netns"), netns_of(&pod)).expect("a file");
    let status = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture"])
        .env(PLACE, host.path(""))
        .status()
        .expect("it starts");
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9)
    );
    assert!(pod.run("ip -br link").contains("eth0"), "it was there");
    assert!(sh("nft list table inet corten-cni").contains("8080"));
    let network = killing(&host.path(""));
    let bare = attachment("one", &netns_of(&pod));
    host.runtime_of(Way::InProcess)
        .delete(&network, &bare)
        .expect("it goes");
    assert_eq!(pod.run("ip -br link | grep eth0 || true"), "");
    let rules = sh("nft list table inet corten-cni");
    assert!(
        !rules.contains("8080") && !rules.contains("10.88"),
        "{rules}"
    );
    assert_eq!(
        names(&host.path("networks/pods")),
        ["last_reserved_ip.0", "lock"]
    );
    assert_eq!(host.kept(), [""; 0]);
}

#[test]
fn addresses_of_nobody_are_collected() {
    if !isolated("in_process::addresses_of_nobody_are_collected") {
        return;
    }
    let host = Host::new();
    let mut document = bridge(&host, &["10.88.0.0/16"]).document;
    document["cniVersion"] = "1.1.0".into();
    let network = network(document);
    let runtime = host.runtime_of(Way::InProcess);
    let pods = [Peer::start(), Peer::start()];
    for (n, pod) in pods.iter().enumerate() {
        let one = attachment(&format!("pod{n}"), &netns_of(pod));
        runtime.add(&network, &one).expect("it is added");
    }
    runtime.status(&network).expect("it can add");
    // One is forgotten, and a crash left another.
    std::fs::remove_file(host.path("results/pods-pod1-eth0")).expect("a file");
    std::fs::write(host.path("networks/pods/10.88.0.9"), "").expect("a file");
    let valid = [("pod0".to_owned(), "eth0".to_owned())];
    runtime.collect(&network, &valid).expect("collected");
    let left = names(&host.path("networks/pods"));
    assert_eq!(left, ["10.88.0.2", "last_reserved_ip.0", "lock"]);
    let rules = sh("nft list table inet corten-cni");
    assert!(
        rules.contains("10.88.0.2") && !rules.contains("10.88.0.3"),
        "{rules}"
    );
    runtime.collect(&network, &[]).expect("collected");
    assert!(!sh("nft list table inet corten-cni").contains("10.88.0.2"));
}

#[test]
fn many_pods_are_added_at_once() {
    if !isolated("in_process::many_pods_are_added_at_once") {
        return;
    }
    let host = Host::new();
    let network = bridge(&host, &["10.88.0.0/16", "fd00:88::/64"]);
    // As several processes would: each with a runtime of its own, and one with the plugins.
    let pods: Vec<_> = (0..12).map(|_| Peer::start()).collect();
    let add = |n: usize| {
        let port = 8000 + u16::try_from(n).expect("a small number");
        let one = with_port(attachment(&format!("pod{n}"), &netns_of(&pods[n])), port);
        // COMPAT: two portmaps at once can fail over the chains that they share.
        let way = WAYS[usize::from(n != 3)];
        let made = host
            .runtime_of(way)
            .add(&network, &one)
            .expect("it is added");
        (
            one,
            made.ips[0].address.clone(),
            made.ips[1].address.clone(),
        )
    };
    let add = &add;
    let mut added: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..pods.len())
            .map(|n| scope.spawn(move || add(n)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect()
    });
    added.sort_by(|a, b| a.1.cmp(&b.1));
    added.dedup_by(|a, b| a.1 == b.1 || a.2 == b.2);
    assert_eq!(added.len(), pods.len(), "each has addresses of its own");
    let runtime = host.runtime().in_process();
    runtime.collect(&network, &[]).expect("collected");
    assert_eq!(host.kept(), [""; 0]);
    let files = ["last_reserved_ip.0", "last_reserved_ip.1", "lock"];
    assert_eq!(names(&host.path("networks/pods")), files);
    let rules = sh("nft list ruleset");
    assert!(
        !rules.contains("10.88.0.") && !rules.contains("80 :"),
        "{rules}"
    );
    assert!(!sh("ip -br link").contains("veth"));
}
