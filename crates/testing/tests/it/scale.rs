//! Many networks, many ports: what they cost, and what is left of them.

use crate::space::{Space, Tcp};
use testing::{Ran, TestHost};

/// A server that answers each connection to the first and the last port with its number.
const SERVE: &str = "nc -ll -p 20000 -e echo first & nc -ll -p 24999 -e echo last & wait";

/// The rules of the firewall without the elements of their sets.
fn rules(host: &TestHost) -> usize {
    let listed = host.in_network("nft -t list ruleset").success().text();
    let rules = listed.lines().map(str::trim);
    rules.filter(|line| !line.is_empty()).count()
}

fn links(host: &TestHost) -> usize {
    let listed = host.in_network("ip -o link show type bridge").success();
    listed.text().lines().count()
}

/// Has several workers at a time do something for each number.
fn at_once(count: usize, work: impl Fn(usize) -> u16 + Sync, expected: u16) {
    const WORKERS: usize = 8;
    std::thread::scope(|scope| {
        for first in 0..WORKERS {
            let work = &work;
            scope.spawn(move || {
                for number in (first..count).step_by(WORKERS) {
                    assert_eq!(work(number), expected, "network {number}");
                }
            });
        }
    });
}

#[test]
fn a_thousand_networks_and_five_thousand_ports_have_the_rules_of_one() {
    const NETWORKS: usize = 1000;
    let host = TestHost::start();
    let create = |number: usize| {
        let body = format!(r#"{{"Name":"many{number}"}}"#);
        let made = host.http("POST", "/networks/create", Some(&body));
        made.status
    };
    assert_eq!(create(NETWORKS), 201);
    let serve = |name: &str, ports: &str| -> Ran {
        let words = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "many1000",
            "-p",
            ports,
        ];
        host.cli(&[&words[..], &["busybox", "sh", "-c", SERVE]].concat())
    };
    serve("one", "19999:20000").success();
    let (few, before) = (rules(&host), links(&host));
    host.cli(&["rm", "-f", "one"]).success();

    at_once(NETWORKS, create, 201);
    serve("web", "20000-24999:20000-24999").success();
    assert_eq!(
        rules(&host),
        few,
        "rules are not many because networks and ports are"
    );
    assert_eq!(links(&host), before + NETWORKS);
    let own = Space(host.daemon_pid().expect("a daemon"));
    for (port, expected) in [(20_000, "first\n"), (24_999, "last\n")] {
        let to = format!("127.0.0.1:{port}");
        host.until("the server answers", |_| own.seen(&to, Tcp).is_some());
        assert_eq!(own.seen(&to, Tcp).as_deref(), Some(expected));
    }
    for port in ["0.0.0.0:20000", "0.0.0.0:22222", "0.0.0.0:24999"] {
        assert!(host.is_bound(port), "{port} is taken");
    }
    let taken = serve("two", "22222:80").error();
    assert!(taken.contains("port is already allocated"), "{taken}");

    host.cli(&["rm", "-f", "web", "two"]).success();
    assert!(!host.is_bound("0.0.0.0:22222"), "it is free again");
    let remove = |number: usize| {
        let removed = host.http("DELETE", &format!("/networks/many{number}"), None);
        removed.status
    };
    at_once(NETWORKS, remove, 204);
    assert_eq!(remove(NETWORKS), 204);
    // The default bridge alone.
    assert_eq!(links(&host), before - 1);
    let left = host.in_network("nft list ruleset").success().text();
    for gone in ["many", "22222", "24999"] {
        assert!(!left.contains(gone), "{gone} is left:\n{left}");
    }
}
