//! Networks that change under a running container: its default routes and published ports lead
//! by the best of those that it is in, as with docker.

use crate::space::{Neighbour, Space, Tcp, Udp};
use std::sync::mpsc::{Receiver, Sender, channel};
use testing::TestHost;

const SLEEP: [&str; 3] = ["busybox", "sleep", "600"];

fn network(host: &TestHost, name: &str, flags: &[&str]) {
    let words = [&["network", "create"], flags, &[name]].concat();
    host.cli(&words).success();
}

fn four(host: &TestHost, number: u8, name: &str) {
    network(host, name, &["--subnet", &format!("10.{number}.0.0/24")]);
}

fn both(host: &TestHost, number: u8, name: &str) {
    let (four, six) = (format!("10.{number}.0.0/24"), format!("fd{number}::/64"));
    network(host, name, &["--ipv6", "--subnet", &four, "--subnet", &six]);
}

fn connect(host: &TestHost, flags: &[&str]) {
    host.cli(&[&["network", "connect"], flags, &["web"]].concat())
        .success();
}

fn disconnect(host: &TestHost, name: &str) {
    host.cli(&["network", "disconnect", name, "web"]).success();
}

/// The gateways of its default routes.
fn routes(host: &TestHost) -> String {
    let script = "ip route; ip -6 route";
    let ran = host.cli(&["exec", "web", "sh", "-c", script]).success();
    let text = ran.text();
    let routes = text.lines().filter(|line| line.starts_with("default"));
    let gateways = routes.filter_map(|line| line.split_whitespace().nth(2));
    gateways.collect::<Vec<_>>().join(" ")
}

fn ports(host: &TestHost) -> String {
    host.inspect("web", "{{json .NetworkSettings.Ports}}")
        .trim()
        .to_owned()
}

/// The host's own space, with `web` on the first network, that answers whoever asks.
fn web(host: &TestHost, network: &str, flags: &[&str]) -> Space {
    let own = Space(host.daemon_pid().expect("a daemon"));
    let words = ["--name", "web", "--network", network];
    host.run_detached(&[&words, flags, &SLEEP].concat());
    let pid = host.inspect("web", "{{.State.Pid}}");
    Space(pid.trim().parse().expect("a pid")).serve();
    own
}

const AT_8080: &str = r#"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"81/udp":[{"HostIp":"0.0.0.0","HostPort":"8081"},{"HostIp":"::","HostPort":"8081"}]}"#;
const PUBLISHED: [&str; 4] = ["-p", "8080:80", "-p", "8081:81/udp"];

/// Somebody who asks by datagrams again and again, from the same port.
struct Asker {
    ask: Sender<()>,
    heard: Receiver<bool>,
}

impl Asker {
    fn start(from: Space) -> Self {
        let (ask, asked) = channel::<()>();
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            from.within(move || {
                let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
                let patience = std::time::Duration::from_secs(2);
                socket.set_read_timeout(Some(patience)).expect("a time");
                while asked.recv().is_ok() {
                    socket.send_to(b"x", "192.0.2.1:8081").expect("it is sent");
                    let answer = socket.recv(&mut [0; 64]);
                    tell.send(answer.is_ok()).expect("it waits");
                }
            });
        });
        Self { ask, heard }
    }

    /// Whether there is an answer.
    fn ask(&self) -> bool {
        self.ask.send(()).expect("it lives");
        self.heard.recv().expect("it answers")
    }
}

#[test]
fn default_routes_and_ports_lead_by_the_best_network_there_is() {
    let host = TestHost::start();
    four(&host, 91, "b4");
    four(&host, 92, "c4");
    four(&host, 93, "z4");
    both(&host, 96, "y46");
    network(&host, "closed", &["--internal", "--subnet", "10.95.0.0/24"]);
    let six = ["--ipv4=false", "--ipv6", "--subnet", "fd98::/64"];
    network(&host, "a6", &six);
    let own = web(&host, "c4", &PUBLISHED);
    let neighbour = Neighbour::of(own);
    let peer = neighbour.space();
    let led = |step: &str, expected: &str| {
        assert_eq!(routes(&host), expected, "{step}");
        assert_eq!(ports(&host), AT_8080, "{step}");
        for (from, to) in [
            (peer, "192.0.2.1:8080"),
            (peer, "[2001:db8::1]:8080"),
            (own, "127.0.0.1:8080"),
            (own, "[::1]:8080"),
        ] {
            let seen = from.seen(to, Tcp);
            assert!(seen.is_some(), "{step}: {to}");
        }
        for (from, to) in [(peer, "192.0.2.1:8081"), (own, "127.0.0.1:8081")] {
            let seen = from.seen(to, Udp);
            assert!(seen.is_some(), "{step}: {to} by datagrams");
        }
    };
    led("at first", "10.92.0.1");
    connect(&host, &["b4"]);
    led("a name that comes first", "10.91.0.1");
    connect(&host, &["closed"]);
    led("a network that leads nowhere", "10.91.0.1");
    connect(&host, &["--gw-priority", "1", "z4"]);
    led("a priority", "10.93.0.1");
    disconnect(&host, "z4");
    led("without that", "10.91.0.1");
    connect(&host, &["y46"]);
    led("both families", "10.96.0.1 fd96::1");
    connect(&host, &["--gw-priority", "9", "z4"]);
    led("one family, whatever its priority", "10.96.0.1 fd96::1");
    disconnect(&host, "y46");
    led("one family again", "10.93.0.1");
    for gone in ["b4", "c4"] {
        disconnect(&host, gone);
    }
    led("the last that leads out", "10.93.0.1");
    disconnect(&host, "z4");
    assert_eq!(routes(&host), "");
    assert_eq!(ports(&host), "{}", "nothing leads to it");
    assert_eq!(peer.seen("192.0.2.1:8080", Tcp), None);
    // The host's ports are free then.
    host.run_detached(&[&["--rm", "--name", "other"], &PUBLISHED[..2], &SLEEP].concat());
    let taken = host.cli(&["network", "connect", "b4", "web"]);
    let words = "Bind for 0.0.0.0:8080 failed: port is already allocated";
    assert!(taken.error().contains(words), "{taken}");
    assert_eq!(routes(&host), "", "it is as it was");
    host.cli(&["rm", "-f", "other"]).success();
    connect(&host, &["b4"]);
    led("connected again", "10.91.0.1");
    connect(&host, &["a6"]);
    assert_eq!(
        routes(&host),
        "10.91.0.1 fd98::1",
        "a network for each family"
    );
    let six_first =
        r#"{"80/tcp":[{"HostIp":"::","HostPort":"8080"},{"HostIp":"0.0.0.0","HostPort":"8080"}]"#;
    assert!(ports(&host).starts_with(six_first), "{}", ports(&host));
    for (to, family) in [("192.0.2.1:8080", "four"), ("[2001:db8::1]:8080", "six")] {
        assert!(peer.seen(to, Tcp).is_some(), "{family}");
    }
}

#[test]
fn a_restarted_daemon_finds_routes_and_ports_where_they_lead() {
    let mut host = TestHost::start();
    four(&host, 91, "a4");
    four(&host, 92, "b4");
    web(&host, "b4", &PUBLISHED);
    connect(&host, &["a4"]);
    host.kill_daemon();
    host.start_daemon();
    let check = |host: &TestHost, gateway: &str| {
        assert_eq!(routes(host), gateway);
        assert_eq!(ports(host), AT_8080);
        let own = Space(host.daemon_pid().expect("a daemon"));
        assert!(own.seen("127.0.0.1:8080", Tcp).is_some());
        assert!(own.seen("10.91.0.1:8080", Tcp).is_some());
    };
    check(&host, "10.91.0.1");
    disconnect(&host, "a4");
    check(&host, "10.92.0.1");
    host.cli(&["restart", "-t", "0", "web"]).success();
    assert_eq!(routes(&host), "10.92.0.1");
}

#[test]
fn datagrams_of_one_who_goes_on_asking_are_led_on_too() {
    let host = TestHost::start();
    four(&host, 91, "a4");
    four(&host, 92, "b4");
    let own = web(&host, "b4", &PUBLISHED);
    let neighbour = Neighbour::of(own);
    let asker = Asker::start(neighbour.space());
    let ask = || asker.ask();
    assert!(ask(), "at first");
    connect(&host, &["a4"]);
    assert!(ask(), "once another network is the gateway");
    disconnect(&host, "b4");
    assert!(ask(), "once the first is gone");
}

#[test]
fn a_macvlan_is_gone_once_it_is_left_and_takes_ports_while_it_is_there() {
    let host = TestHost::start();
    four(&host, 91, "b4");
    let own = web(&host, "b4", &PUBLISHED);
    let _neighbour = Neighbour::of(own);
    let macvlan = ["-d", "macvlan", "-o", "parent=out0"];
    let subnet = ["--subnet", "192.0.2.0/24", "--gateway", "192.0.2.2"];
    network(&host, "a-mac", &[&macvlan[..], &subnet].concat());
    let links = || {
        let ran = host.cli(&["exec", "web", "ls", "/sys/class/net"]).success();
        ran.text().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for _ in 0..2 {
        connect(&host, &["a-mac"]);
        assert_eq!(links(), "eth0 eth1 lo");
        assert_eq!(routes(&host), "192.0.2.2");
        assert_eq!(ports(&host), r#"{"80/tcp":null,"81/udp":null}"#);
        assert_eq!(own.seen("127.0.0.1:8080", Tcp), None);
        disconnect(&host, "a-mac");
        assert_eq!(links(), "eth0 lo");
        assert_eq!(routes(&host), "10.91.0.1");
        assert_eq!(ports(&host), AT_8080);
        assert!(own.seen("127.0.0.1:8080", Tcp).is_some());
    }
}

#[test]
fn exposed_ports_are_shown_while_something_leads_to_the_container() {
    let host = TestHost::start();
    network(&host, "closed", &["--internal"]);
    let shown = || {
        let format = "{{.Ports}}";
        let listed = host.cli(&["ps", "-a", "--format", format]).success();
        (listed.text().trim().to_owned(), ports(&host))
    };
    let nothing = (String::new(), "{}".to_owned());
    let create = ["create", "--name", "web", "--expose", "80"];
    host.cli(&[&create[..], &SLEEP].concat()).success();
    assert_eq!(shown(), nothing, "not started");
    host.cli(&["start", "web"]).success();
    let exposed = ("80/tcp".to_owned(), r#"{"80/tcp":null}"#.to_owned());
    assert_eq!(shown(), exposed);
    disconnect(&host, "bridge");
    assert_eq!(shown(), nothing, "nowhere");
    connect(&host, &["closed"]);
    assert_eq!(shown(), nothing, "in a network that leads nowhere");
    connect(&host, &["bridge"]);
    assert_eq!(shown(), exposed);
    host.cli(&["stop", "-t", "0", "web"]).success();
    assert_eq!(shown(), nothing, "ended");
}

#[test]
fn a_container_that_is_started_again_has_its_address_again() {
    let host = TestHost::start();
    four(&host, 91, "n4");
    let address = |name: &str| {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        host.inspect(name, format)
    };
    for name in ["one", "two", "three"] {
        host.run_detached(&[&["--name", name, "--network", "n4"], &SLEEP[..]].concat());
    }
    host.cli(&["restart", "-t", "0", "one", "two"]).success();
    assert_eq!(address("one"), "10.91.0.2");
    assert_eq!(address("two"), "10.91.0.3");
    host.cli(&["rm", "-f", "two"]).success();
    host.run_detached(&[&["--name", "four", "--network", "n4"], &SLEEP[..]].concat());
    assert_eq!(address("four"), "10.91.0.3", "the first that is free");
}

#[test]
fn datagrams_of_one_who_goes_on_asking_reach_a_container_that_was_made_anew() {
    let host = TestHost::start();
    four(&host, 91, "n4");
    web(&host, "n4", &PUBLISHED);
    let own = Space(host.daemon_pid().expect("a daemon"));
    let neighbour = Neighbour::of(own);
    let asker = Asker::start(neighbour.space());
    let ask = || asker.ask();
    assert!(ask(), "at first");
    host.cli(&["rm", "-f", "web"]).success();
    // Another has the address that it had.
    host.run_detached(&[&["--name", "other", "--network", "n4"], &SLEEP[..]].concat());
    web(&host, "n4", &PUBLISHED);
    assert!(ask(), "once it is another");
}

#[test]
fn who_gets_the_address_of_another_is_reached_at_once_by_who_knew_that_one() {
    let host = TestHost::start();
    host.cli(&["network", "create", "--subnet", "10.91.0.0/24", "known"])
        .success();
    let run = |name: &str| {
        host.cli(&[
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "known",
            "busybox",
            "sleep",
            "600",
        ])
        .success();
    };
    run("neighbour");
    for _ in 0..3 {
        run("next");
        let place = host.inspect(
            "next",
            "{{.NetworkSettings.Networks.known.IPAddress}} {{.NetworkSettings.Networks.known.MacAddress}}",
        );
        assert_eq!(place, "10.91.0.3 02:42:0a:5b:00:03");
        // Both directions: the neighbour's cache, and that of whoever had the address.
        host.cli(&["exec", "neighbour", "ping", "-c1", "-W3", "10.91.0.3"])
            .success();
        host.cli(&["exec", "next", "ping", "-c1", "-W3", "10.91.0.1"])
            .success();
        host.cli(&["rm", "-f", "next"]).success();
    }
}
