//! Networks of containers, and ports of the host that lead to them.

use std::io::Read as _;
use testing::{Ran, TestHost};

/// A server that answers each connection to port 80 with `hello`.
const SERVE: &str = "while true; do echo hello | nc -l -p 80; done";

fn in_daemons_network(host: &TestHost, script: &str) -> Ran {
    let pid = host.daemon_pid().expect("a daemon").to_string();
    let mut command = std::process::Command::new("nsenter");
    command.args(["-t", &pid, "-n", "sh", "-c", script]);
    testing::run(command)
}

/// What the daemon's host gets from a port, asked until it serves.
fn get(host: &TestHost, address: &str, port: u16) -> String {
    let pid = host.daemon_pid().expect("a daemon");
    let address = address.to_owned();
    let asked = move || {
        let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).expect("it lives");
        rustix::thread::move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&namespace),
            Some(rustix::thread::LinkNameSpaceType::Network),
        )
        .expect("it may be joined");
        let mut text = String::new();
        for _ in 0..400 {
            let connected = std::net::TcpStream::connect((address.as_str(), port));
            if connected.is_ok_and(|mut c| c.read_to_string(&mut text).is_ok()) && !text.is_empty()
            {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        text
    };
    std::thread::spawn(asked).join().expect("it does not panic")
}

#[test]
fn a_container_is_on_the_default_bridge_with_an_address_of_its_own() {
    let host = TestHost::start();
    let ran = host.cli(&[
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "ip -o addr show eth0; ip route",
    ]);
    let text = ran.success().text();
    assert!(text.contains("inet 172.17.0.2/16"), "{text}");
    assert!(text.contains("default via 172.17.0.1 dev eth0"), "{text}");
    assert!(
        !text.contains("inet6"),
        "no IPv6 that nobody asked for: {text}"
    );
    let settings = host.cli(&[
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "cat /proc/sys/net/ipv6/conf/eth0/accept_ra; tail -1 /etc/hosts | cut -f1",
    ]);
    let text = settings.success().text();
    assert!(
        text.starts_with("0\n172.17."),
        "no router is believed: {text}"
    );
}

#[test]
fn a_published_port_leads_to_the_container_and_is_taken() {
    let host = TestHost::start();
    let run = [
        "-p",
        "8080:80",
        "-p",
        "127.0.0.1:8081:80",
        "--name",
        "web",
        "busybox",
        "sh",
        "-c",
        SERVE,
    ];
    host.run_detached(&run);
    for (address, port) in [
        ("127.0.0.1", 8080),
        ("127.0.0.1", 8081),
        ("172.17.0.1", 8080),
        ("::1", 8080),
    ] {
        assert_eq!(get(&host, address, port), "hello\n", "{address}:{port}");
    }
    let ports = host.inspect("web", "{{json .NetworkSettings.Ports}}");
    assert!(
        ports.contains(
            r#"{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}"#
        ),
        "{ports}"
    );
    let second = host.cli(&[
        "run", "-d", "--name", "two", "-p", "8080:80", "busybox", "true",
    ]);
    let error = second.error();
    assert!(
        error.contains("Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{error}"
    );
    let bound = in_daemons_network(&host, "busybox nc -l -p 8080 </dev/null");
    assert!(bound.error().contains("in use"), "the host cannot bind it");
    host.cli(&["rm", "-f", "web"]).success();
    let free = in_daemons_network(&host, "timeout 0.2 busybox nc -l -p 8080 </dev/null; true");
    assert!(!free.error().contains("in use"), "it is free again");
}

#[test]
fn a_restarted_daemon_takes_networks_over() {
    let mut host = TestHost::start();
    host.run_detached(&[
        "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", SERVE,
    ]);
    let address = host.inspect("web", "{{.NetworkSettings.IPAddress}}");
    host.kill_daemon();
    host.start_daemon();
    assert_eq!(
        host.inspect("web", "{{.NetworkSettings.IPAddress}}"),
        address
    );
    assert_eq!(get(&host, "127.0.0.1", 8080), "hello\n");
    let other = host.cli(&["run", "--rm", "busybox", "hostname", "-i"]);
    assert_ne!(
        other.success().text().trim(),
        address,
        "its address is still its own"
    );
}

#[test]
fn networks_are_made_joined_left_and_removed() {
    let host = TestHost::start();
    let id = host.cli(&[
        "network",
        "create",
        "--subnet",
        "10.9.0.0/24",
        "-o",
        "com.docker.network.driver.mtu=1400",
        "back",
    ]);
    let id = id.success().text().trim().to_owned();
    host.run_detached(&[
        "--name",
        "aa",
        "--network",
        "back",
        "--ip",
        "10.9.0.7",
        "busybox",
        "sleep",
        "600",
    ]);
    host.run_detached(&["--name", "bb", "busybox", "sleep", "600"]);
    let ping = ["exec", "bb", "ping", "-c1", "-W1", "10.9.0.7"];
    host.cli(&ping).code(1);
    host.cli(&["network", "connect", "--alias", "x", "back", "bb"])
        .success();
    host.cli(&ping).success();
    let shown = host.cli(&["exec", "bb", "ip", "-o", "link", "show", "eth1"]);
    assert!(shown.success().text().contains("mtu 1400"));
    let again = host.cli(&["network", "connect", "back", "bb"]);
    assert!(
        again
            .error()
            .contains("endpoint with name bb already exists in network back")
    );
    let busy = host.cli(&["network", "rm", "back"]);
    assert!(
        busy.error()
            .contains("has active endpoints (name:\"aa\" id:"),
        "{}",
        busy.error()
    );
    host.cli(&["network", "disconnect", "back", "bb"]).success();
    host.cli(&ping).code(1);
    host.cli(&["rm", "-f", "aa", "bb"]).success();
    host.cli(&["network", "rm", &id]).success();
    // The kernel takes a container's links with its namespace, in its own time.
    host.until("no link is left", |host| {
        // The one that is made ahead is down.
        let script = "ip -br link show type veth up; ip -br link show type bridge | grep br-; true";
        in_daemons_network(host, script).text().trim().is_empty()
    });
}

#[test]
fn a_namespace_made_ahead_is_as_one_that_is_not() {
    let host = TestHost::start();
    let made = |args: &[&str]| host.cli(&[&["network", "create"], args].concat()).success();
    made(&["--subnet", "10.77.0.0/24", "plain"]);
    let mtu = "com.docker.network.driver.mtu=1300";
    made(&["--subnet", "10.78.0.0/24", "-o", mtu, "small"]);
    made(&[
        "--ipv6",
        "--subnet",
        "10.79.0.0/24",
        "--subnet",
        "fd00:79::/64",
        "six",
    ]);
    let mac = "02:42:00:00:00:07";
    let cases: [&[&str]; 5] = [
        &["--mac-address", mac],
        &[
            "--network",
            "plain",
            "--mac-address",
            mac,
            "--ip",
            "10.77.0.9",
        ],
        &[
            "--network",
            "small",
            "--mac-address",
            mac,
            "--ip",
            "10.78.0.9",
        ],
        &[
            "--network",
            "six",
            "--mac-address",
            mac,
            "--ip",
            "10.79.0.9",
            "--ip6",
            "fd00:79::9",
        ],
        &[
            "--network",
            "name=plain,mac-address=02:42:00:00:00:07,ip=10.77.0.9,\
            \"driver-opt=com.docker.network.endpoint.ifname=lan\"",
        ],
    ];
    // The kernel tells that packets pass (LOWER_UP) before it counts the link as running.
    let script = "ip addr | grep -v valid_lft | sed 's/NO-CARRIER,//; s/@if[0-9]*//; s/ip [0-9]*//; s/link-netnsid.*//'; \
        ip route; ip -6 route; cat /etc/resolv.conf /etc/hosts; \
        cat /proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/ipv6/conf/*/accept_ra; \
        grep -q 127.0.0.11 /etc/resolv.conf && nslookup look 2>&1 | grep -v '^$'; true";
    for case in cases {
        let look = || {
            let args = ["run", "--rm", "--name", "look", "--hostname", "look"];
            let args = [&args, case, &["busybox", "sh", "-c", script]].concat();
            let text = host.cli(&args).success().text();
            // The default network gives the next address each time.
            ["2", "3", "4"].iter().fold(text, |text, last| {
                text.replace(&format!("172.17.0.{last}"), "OWN")
            })
        };
        // Of another kind than the one before, or the first: it is made when it is needed.
        let first = look();
        await_prepared(&host);
        assert_eq!(look(), first, "{case:?}");
        await_prepared(&host);
        assert_eq!(look(), first, "{case:?}");
    }
}

/// Waits for the pair of links that is made ahead: one that says of no container that it is its.
fn await_prepared(host: &TestHost) {
    host.until("links are made ahead", |host| {
        let script = "ip -o link show type veth | grep -v alias; true";
        !in_daemons_network(host, script).text().trim().is_empty()
    });
}

#[test]
fn an_internal_network_leads_nowhere() {
    let host = TestHost::start();
    host.cli(&["network", "create", "--internal", "inner"])
        .success();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--network",
        "inner",
        "busybox",
        "ip",
        "route",
    ]);
    let routes = ran.success().text();
    assert!(!routes.contains("default"), "{routes}");
}

#[test]
fn who_is_in_the_hosts_network_or_in_none_is_listed_there() {
    let host = TestHost::start();
    for network in ["host", "none"] {
        let inside = || {
            let format = "{{range $id, $c := .Containers}}{{$c.Name}} {{$c.EndpointID}}{{end}}";
            let args = ["network", "inspect", network, "--format", format];
            host.cli(&args).success().text().trim().to_owned()
        };
        let place = || {
            let format = "{{range .NetworkSettings.Networks}}{{.EndpointID}}{{end}}";
            let args = ["inspect", "inside", "--format", format];
            host.cli(&args).success().text().trim().to_owned()
        };
        assert_eq!(inside(), "");
        let run = ["run", "-d", "--name", "inside", "--network", network];
        host.cli(&[&run[..], &["busybox", "sleep", "600"]].concat())
            .success();
        let own = place();
        assert_eq!(own.len(), 64, "{own}");
        assert_eq!(inside(), format!("inside {own}"));
        let refused = host.cli(&["network", "rm", network]);
        assert!(refused.error().contains("pre-defined network"));
        host.cli(&["stop", "-t", "0", "inside"]).success();
        assert_eq!((inside(), place()), (String::new(), String::new()));
        host.cli(&["rm", "inside"]).success();
    }
}

#[test]
fn a_network_is_shared_with_another_container() {
    let host = TestHost::start();
    host.run_detached(&["--name", "aa", "busybox", "sleep", "600"]);
    let address = host.inspect("aa", "{{.NetworkSettings.IPAddress}}");
    let ran = host.cli(&[
        "run",
        "--rm",
        "--network",
        "container:aa",
        "busybox",
        "ip",
        "-o",
        "addr",
    ]);
    assert!(ran.success().text().contains(&address));
}

#[test]
fn dockers_own_client_makes_and_inspects_networks() {
    let host = TestHost::start();
    host.docker(&["network", "create", "--label", "a=b", "front"])
        .success();
    let shown = host.docker(&[
        "network",
        "inspect",
        "front",
        "--format",
        "{{json .IPAM.Config}} {{.Driver}}",
    ]);
    assert_eq!(
        shown.success().text().trim(),
        r#"[{"Subnet":"172.18.0.0/16","Gateway":"172.18.0.1"}] bridge"#
    );
    let again = host.docker(&["network", "create", "front"]);
    assert!(
        again
            .error()
            .contains("network with name front already exists")
    );
    let pruned = host.docker(&["network", "prune", "-f"]);
    assert!(pruned.success().text().contains("front"));
}

#[test]
fn a_flushed_firewall_comes_back_with_and_without_a_daemon() {
    let mut host = TestHost::start();
    let run = ["-p", "8080:80", "--name", "web", "busybox", "sleep", "600"];
    host.run_detached(&run);
    let instance = host.paths().instance();
    let list = format!("nft list table inet {instance}");
    let is_whole = |host: &TestHost| {
        let listed = host.in_network(&format!("{list}; true")).success().text();
        listed.contains("tcp . 8080 : 172.17.0.2 . 80") && listed.contains("chain passing")
    };
    assert!(is_whole(&host));
    let rule = format!("nft add rule inet {instance} user ip saddr 203.0.113.9 drop");
    host.in_network(&rule).success();
    for damage in [
        format!("nft flush chain inet {instance} passing"),
        format!("nft delete element inet {instance} any4 '{{ tcp . 8080 }}'"),
    ] {
        host.in_network(&damage).success();
        host.until("the rules are back", is_whole);
        let listed = host.in_network(&list).success().text();
        assert!(
            listed.contains("203.0.113.9"),
            "people's rules are kept: {listed}"
        );
    }
    host.in_network("nft flush ruleset").success();
    host.until("the table is back", is_whole);
    host.kill_daemon();
    host.in_network("nft flush ruleset").success();
    host.start_daemon();
    assert!(is_whole(&host), "before the first answer");
}

#[test]
fn a_firewall_of_others_that_drops_what_is_forwarded_is_named() {
    let host = TestHost::start();
    let warnings = || host.http("GET", "/info", None).json()["Warnings"].clone();
    assert!(warnings().is_null(), "{}", warnings());
    let chain = "nft add table ip filter
        nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
        nft 'add chain ip filter INPUT { type filter hook input priority 0; policy drop; }'
        nft 'add rule ip filter INPUT accept'";
    host.in_network(chain).success();
    let said = warnings().to_string();
    assert!(
        said.starts_with(r#"["WARNING: table ip filter, chain FORWARD drops by its policy"#),
        "{said}"
    );
    let shown = host.cli(&["info"]).success().error();
    assert!(shown.contains("table ip filter, chain FORWARD"), "{shown}");
    host.in_network("nft 'chain ip filter FORWARD { policy accept; }'")
        .success();
    assert!(warnings().is_null(), "{}", warnings());
}

#[test]
fn what_is_bound_to_loopback_is_reached_from_nowhere_else() {
    let host = TestHost::start();
    let bound = ["-p", "127.0.0.1:8081:80", "-p", "8080:80", "--name", "web"];
    let mut run = bound.to_vec();
    run.extend(["busybox", "sh", "-c", SERVE]);
    host.run_detached(&run);
    assert_eq!(get(&host, "127.0.0.1", 8081), "hello\n");
    let settings = "cat /proc/sys/net/ipv4/conf/*/route_localnet | sort -u";
    assert_eq!(host.in_network(settings).success().text(), "0\n");
    let flushed = ["true", "nft flush ruleset"];
    for firewall in flushed {
        host.in_network(firewall).success();
        let ran = host.cli(&[
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "nc -w2 172.17.0.1 8080 </dev/null; nc -w2 172.17.0.1 8081 </dev/null; true",
        ]);
        assert_eq!(ran.success().text(), "hello\n", "one of the two is reached");
    }
}

/// What a container of the default bridge has: its address, its links' size, its files.
const SHOW: &str = "ip -o addr show eth0 | grep -o 'inet [^ ]*'; cat /sys/class/net/eth0/mtu; \
    grep '^[a-z]' /etc/resolv.conf; grep gate /etc/hosts; true";

#[test]
fn the_daemons_settings_make_the_default_bridge_and_what_is_not_said() {
    let mut host = TestHost::idle();
    host.start_daemon_with(&[
        "--bip=10.9.0.1/24",
        "--fixed-cidr=10.9.0.128/25",
        "--mtu=1400",
        "--icc=false",
        "--ip=127.0.0.1",
        "--dns=10.9.9.9",
        "--dns-search=a.b",
        "--dns-opt=ndots:2",
        "--host-gateway-ip=10.1.1.1",
        "--default-address-pool=base=10.20.0.0/23,size=24",
        "--default-network-opt=bridge=com.docker.network.driver.mtu=1300",
    ]);
    host.import_image();
    let show = [
        "run",
        "--rm",
        "--add-host=gate:host-gateway",
        "busybox",
        "sh",
        "-c",
        SHOW,
    ];
    assert_eq!(
        host.cli(&show).success().text(),
        "inet 10.9.0.128/24\n1400\nnameserver 10.9.9.9\nsearch a.b\noptions ndots:2\n10.1.1.1\tgate\n"
    );

    host.cli(&["network", "create", "one"]).success();
    let own = [
        "run",
        "--rm",
        "--network=one",
        "--dns=10.8.8.8",
        "busybox",
        "sh",
        "-c",
        SHOW,
    ];
    let text = host.cli(&own).success().text();
    assert!(
        text.starts_with("inet 10.20.0.2/24\n1300\nnameserver 127.0.0.11\n"),
        "{text}"
    );
    host.cli(&["network", "create", "two"]).success();
    let full = host.cli(&["network", "create", "three"]).code(1);
    assert_eq!(
        full.error(),
        "Error response from daemon: all predefined address pools have been fully subnetted\n"
    );

    host.cli(&["run", "-d", "--name=one", "busybox", "sleep", "60"])
        .success();
    host.cli(&[
        "run",
        "-d",
        "--name=two",
        "-p",
        "8080:80",
        "busybox",
        "sh",
        "-c",
        SERVE,
    ])
    .success();
    let address = host.inspect("two", "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    let asked = ["exec", "one", "nc", "-w", "1", address.trim(), "80"];
    assert_ne!(host.cli(&asked).code, 0, "neighbours are apart");
    assert_eq!(get(&host, "127.0.0.1", 8080), "hello\n");
    let port = host.cli(&["port", "two"]).success().text();
    assert_eq!(port, "80/tcp -> 127.0.0.1:8080\n");
}

#[test]
fn changed_settings_of_the_default_bridge_wait_until_nobody_is_on_it() {
    let mut host = TestHost::idle();
    host.start_daemon();
    host.import_image();
    host.cli(&["run", "-d", "--name=one", "busybox", "sleep", "60"])
        .success();
    let subnet = |host: &TestHost| {
        let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}";
        let ran = host.cli(&["network", "inspect", "-f", format, "bridge"]);
        ran.success().text()
    };
    assert_eq!(subnet(&host), "172.17.0.0/16 172.17.0.1\n");

    host.stop_daemon();
    host.start_daemon_with(&["--bip=10.9.0.1/24"]);
    assert_eq!(subnet(&host), "172.17.0.0/16 172.17.0.1\n");
    assert!(host.daemon_log().contains("wait until none is"));
    host.cli(&["exec", "one", "ping", "-c", "1", "172.17.0.1"])
        .success();

    host.cli(&["rm", "-f", "one"]).success();
    host.stop_daemon();
    host.start_daemon_with(&["--bip=10.9.0.1/24"]);
    assert_eq!(subnet(&host), "10.9.0.0/24 10.9.0.1\n");
    host.cli(&["run", "--rm", "busybox", "ping", "-c", "1", "10.9.0.1"])
        .success();

    host.stop_daemon();
    host.start_daemon();
    assert_eq!(subnet(&host), "10.9.0.0/24 10.9.0.1\n", "chosen once");
}

#[test]
fn a_hardware_address_of_a_connection_is_kept_for_the_start() {
    let host = TestHost::start();
    host.cli(&["network", "create", "with"]).success();
    let mac = "02:42:ac:11:00:02";
    host.cli(&["create", "--name", "made", "busybox", "sleep", "600"])
        .success();
    let body = format!(r#"{{"Container":"made","EndpointConfig":{{"MacAddress":"{mac}"}}}}"#);
    let joined = host.http("POST", "/v1.51/networks/with/connect", Some(&body));
    assert_eq!(joined.status, 200, "{}", joined.text());
    let shown = || host.inspect("made", "{{.NetworkSettings.Networks.with.MacAddress}}");
    assert_eq!(shown(), mac);
    host.cli(&["start", "made"]).success();
    assert_eq!(shown(), mac);
    host.cli(&["rm", "-f", "made"]).success();
}

#[test]
fn links_in_a_namespace_that_others_keep_are_cut_when_their_container_ends() {
    let host = TestHost::start();
    host.cli(&["network", "create", "--subnet", "10.94.0.0/24", "kept"])
        .success();
    let donor = ["--name", "donor", "--network", "kept", "busybox"];
    let sleep = ["sleep", "600"];
    host.run_detached(&[&donor[..], &sleep].concat());
    let shared = ["--network", "container:donor", "busybox"];
    let inner = host.run_detached(&[&["--name", "inner"][..], &shared, &sleep].concat());
    let inmost = ["--network", "container:inner", "busybox"];
    let inmost = host.run_detached(&[&inmost[..], &sleep].concat());
    let links = |id: &str| {
        let ran = host.cli(&["exec", id, "ls", "/sys/class/net"]).success();
        ran.text().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(links(&inmost), "eth0 lo");
    let path = ["donor", "inner", &inmost].map(|id| host.inspect(id, "{{.ResolvConfPath}}"));
    assert!(path.iter().all(|own| *own == path[0]), "{path:?}");
    // Also of one that shares by another that has ended.
    host.cli(&["rm", "-f", &inner]).success();
    host.cli(&["stop", "-t", "0", "donor"]).success();
    assert_eq!(links(&inmost), "lo", "as soon as its address is free");
    host.cli(&["start", "donor"]).success();
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    assert_eq!(host.inspect("donor", format).trim(), "10.94.0.2");
    assert_eq!(links("donor"), "eth0 lo");

    // Whoever has entered a namespace keeps it, but not its links.
    let pid = host.inspect("donor", "{{.State.Pid}}");
    let mut guest = std::process::Command::new("nsenter");
    guest.args(["-t", pid.trim(), "-n", "sh", "-c", "echo; exec sleep 600"]);
    let guest = guest.stdout(std::process::Stdio::piped()).spawn();
    let mut guest = guest.expect("nsenter starts");
    let entered = guest.stdout.as_mut().expect("a pipe");
    entered.read_exact(&mut [0]).expect("it runs");
    host.cli(&["rm", "-f", "donor"]).success();
    let inside = crate::space::Space(guest.id());
    let end = std::time::Instant::now() + testing::PATIENCE;
    while inside.run("ip -br link").contains("eth0") {
        assert!(std::time::Instant::now() < end, "it is there still");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    guest.kill().expect("it runs");
    guest.wait().expect("it ends");
}
