//! A container's place in a network: its link's name, parameters and further addresses.

use testing::TestHost;

const NAME: &str = "driver-opt=com.docker.network.endpoint.ifname";
const SYSCTLS: &str = "driver-opt=com.docker.network.endpoint.sysctls";

fn network(host: &TestHost, name: &str) {
    host.cli(&["network", "create", name]).success();
}

#[test]
fn a_link_is_named_and_set_as_its_place_says() {
    let host = TestHost::start();
    network(&host, "front");
    network(&host, "back");
    let parameters = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.ifname.arp_filter=1";
    let place = format!("name=front,{NAME}=outer,\"{SYSCTLS}={parameters}\"");
    let script = "cd /proc/sys/net/ipv4/conf; cat outer/log_martians outer/arp_filter eth0/arp_filter; ls /sys/class/net";
    let two = ["--network", &place, "--network", "back"];
    let ran = host.cli(&[&["run", "--rm"], &two[..], &["busybox", "sh", "-c", script]].concat());
    let text = ran.success().text();
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(&words[..3], ["1", "1", "0"], "{text}");
    assert!(
        words.contains(&"outer") && words.contains(&"eth0"),
        "{text}"
    );
    // A name that an unnamed link would have: the unnamed one gets the next.
    let place = format!("name=front,{NAME}=eth0,gw-priority=1");
    let two = ["--network", &place, "--network", "back"];
    let ran = host.cli(
        &[
            &["run", "--rm"],
            &two[..],
            &["busybox", "ls", "/sys/class/net"],
        ]
        .concat(),
    );
    let text = ran.success().text();
    assert!(text.contains("eth0") && text.contains("eth1"), "{text}");
}

#[test]
fn places_that_cannot_be_are_refused_in_dockers_words() {
    let host = TestHost::start();
    network(&host, "front");
    network(&host, "back");
    let setting_up = "failed to set up container networking: failed to add interface veth";
    for (option, words) in [
        (
            format!("{NAME}=waytoolongifnamehere"),
            "to \"waytoolongifnamehere\": numerical result out of range",
        ),
        (format!("{NAME}=a/b"), "to \"a/b\": invalid argument"),
        (format!("{NAME}=lo"), "to \"lo\": file exists"),
        (
            format!("{SYSCTLS}=net.ipv4.conf.IFNAME.nosuch=1"),
            "to sandbox: /proc/sys/net/ipv4/conf/eth0/nosuch is not a sysctl file",
        ),
        (
            format!("{SYSCTLS}=net.ipv4.conf.IFNAME.log_martians"),
            "to sandbox: expected sysctl 'net.ipv4.conf.ifname.log_martians' to have format name=value",
        ),
        (
            format!("{SYSCTLS}=net.ipv4.conf.IFNAME.log_martians=abc"),
            "to sandbox: unable to write to '/proc/sys/net/ipv4/conf/eth0/log_martians': write /proc/sys/net/ipv4/conf/eth0/log_martians: invalid argument",
        ),
    ] {
        let place = format!("name=front,{option}");
        let ran = host.cli(&["run", "--rm", "--network", &place, "busybox", "true"]);
        let error = ran.code(125).error();
        assert!(
            error.contains(setting_up) && error.contains(words),
            "{words} in {error}"
        );
    }
    for wrong in [
        "net.ipv4.conf.eth0.log_martians=1",
        "net.ipv4.ip_forward=1",
        "bad",
    ] {
        let place = format!("name=front,{SYSCTLS}={wrong}");
        let ran = host.cli(&["run", "--rm", "--network", &place, "busybox", "true"]);
        let words = format!(
            "invalid config for network front: invalid endpoint settings:\nunrecognised network \
             interface sysctl '{wrong}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' \
             must be 'ipv4', 'ipv6' or 'mpls'"
        );
        let error = ran.code(125).error();
        assert!(error.contains(&words), "{error}");
    }
    let sysctl = [
        "run",
        "--rm",
        "--sysctl",
        "net.ipv4.conf.eth0.log_martians=1",
        "busybox",
        "true",
    ];
    let error = host.cli(&sysctl).code(125).error();
    let words = "interface specific sysctl setting \"net.ipv4.conf.eth0.log_martians\" must be supplied using driver option";
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_place_that_cannot_be_leaves_nothing() {
    let host = TestHost::start();
    network(&host, "front");
    network(&host, "back");
    host.run_detached(&[
        "--name",
        "web",
        "--network",
        "front",
        "busybox",
        "sleep",
        "600",
    ]);
    let option = "com.docker.network.endpoint.ifname=eth0";
    let ran = host.cli(&["network", "connect", "--driver-opt", option, "back", "web"]);
    let error = ran.code(1).error();
    assert!(error.contains("to \"eth0\": file exists"), "{error}");
    let option = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.nosuch=1";
    let ran = host.cli(&["network", "connect", "--driver-opt", option, "back", "web"]);
    let error = ran.code(1).error();
    assert!(
        error.contains("eth1/nosuch is not a sysctl file"),
        "{error}"
    );
    host.cli(&["network", "connect", "back", "web"]).success();
    let names = host.cli(&["exec", "web", "ls", "/sys/class/net"]).success();
    assert_eq!(names.text().matches("eth").count(), 2, "{names}");
}

#[test]
fn addresses_of_the_link_alone_are_given_and_shown() {
    let host = TestHost::start();
    network(&host, "front");
    let place = "name=front,link-local-ip=169.254.8.8,driver-opt=a.b=c";
    host.run_detached(&[
        "--name",
        "web",
        "--network",
        place,
        "busybox",
        "sleep",
        "600",
    ]);
    let own = host
        .cli(&["exec", "web", "ip", "-o", "addr", "show", "eth0"])
        .success();
    assert!(
        own.text()
            .contains("inet 169.254.8.8/16 brd 169.254.255.255"),
        "{own}"
    );
    let shown = "{{with index .NetworkSettings.Networks \"front\"}}{{json .IPAMConfig}} {{json .DriverOpts}}{{end}}";
    assert_eq!(
        host.inspect("web", shown),
        r#"{"LinkLocalIPs":["169.254.8.8"]} {"a.b":"c"}"#
    );
    host.cli(&[
        "network",
        "create",
        "--ipv6",
        "--subnet",
        "fd00:99::/64",
        "six",
    ])
    .success();
    let both = [
        "--link-local-ip",
        "169.254.9.9",
        "--link-local-ip",
        "fe80::99",
    ];
    host.cli(&[&["network", "connect"], &both[..], &["six", "web"]].concat())
        .success();
    let own = host
        .cli(&["exec", "web", "ip", "-o", "addr", "show", "eth1"])
        .success();
    let text = own.text();
    assert!(
        text.contains("inet 169.254.9.9/16") && text.contains("inet6 fe80::99/64"),
        "{text}"
    );
    for (address, words) in [
        ("10.2.2.2", "invalid link local IP address: 10.2.2.2"),
        (
            "bogus",
            "invalid endpoint settings:\ninvalid link-local IP address: bogus",
        ),
    ] {
        let body = format!(
            r#"{{"Container":"web","EndpointConfig":{{"IPAMConfig":{{"LinkLocalIPs":["{address}"]}}}}}}"#
        );
        let refused = host.http("POST", "/networks/bridge/connect", Some(&body));
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json()["message"], words);
    }
}
