//! Names of containers, and what the network's name server does with all others.

mod question;
mod upstream;

use question::{Answer, ask};
use std::time::{Duration, Instant};
use testing::TestHost;
use upstream::Upstream;

/// A container that sleeps in a network, with further arguments.
fn sleeper(host: &TestHost, name: &str, network: &str, more: &[&str]) {
    let mut args = vec!["--name", name, "--network", network];
    args.extend(more);
    args.extend(["busybox", "sleep", "600"]);
    host.run_detached(&args);
}

fn network(host: &TestHost, args: &[&str]) {
    let mut all = vec!["network", "create"];
    all.extend(args);
    host.cli(&all).success();
}

fn address(host: &TestHost, container: &str, network: &str) -> String {
    let template = format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}");
    host.inspect(container, &template)
}

fn pid(host: &TestHost, container: &str) -> String {
    host.inspect(container, "{{.State.Pid}}")
}

/// The addresses of IPv4 that `name` has for a container.
fn look(host: &TestHost, container: &str, name: &str) -> Answer {
    ask(&pid(host, container), name, "A")
}

#[test]
fn containers_find_each_other_by_every_name_and_back() {
    let host = TestHost::start();
    network(&host, &["front"]);
    let more = ["--network-alias", "Db", "--hostname", "store"];
    sleeper(&host, "web", "front", &[]);
    sleeper(&host, "data", "front", &more);
    let own = address(&host, "data", "front");
    let id = host.inspect("data", "{{.Id}}");
    for name in ["data", "DB", "store", &id[..12], "data.front", "db.front"] {
        let answer = look(&host, "web", name);
        assert_eq!(
            (answer.code, answer.records),
            (0, vec![own.clone()]),
            "{name}"
        );
    }
    let names = host.inspect(
        "data",
        "{{json (index .NetworkSettings.Networks \"front\").DNSNames}}",
    );
    assert_eq!(names, format!(r#"["data","Db","{}","store"]"#, &id[..12]));
    let mut octets: Vec<_> = own.split('.').collect();
    octets.reverse();
    let reverse = format!("{}.in-addr.arpa", octets.join("."));
    let answer = ask(&pid(&host, "web"), &reverse, "PTR");
    assert_eq!(answer.records, ["data.front."]);
    // One that has no address of the family is not looked for elsewhere.
    let answer = ask(&pid(&host, "web"), "data", "AAAA");
    assert_eq!((answer.code, answer.records.len()), (0, 0));
    let ran = host.cli(&["exec", "web", "ping", "-c1", "-W2", "db"]);
    assert!(ran.success().text().contains(&own));
}

#[test]
fn names_follow_connect_disconnect_and_rename() {
    let host = TestHost::start();
    network(&host, &["front"]);
    network(&host, &["back"]);
    sleeper(&host, "web", "front", &["--hostname", "h"]);
    sleeper(&host, "data", "back", &[]);
    assert_ne!(
        look(&host, "web", "data").code,
        0,
        "it is in no network of web's"
    );
    let hosts = || {
        host.cli(&["exec", "web", "cat", "/etc/hosts"])
            .success()
            .text()
    };
    let before = hosts();
    host.cli(&["network", "connect", "--alias", "w", "back", "web"])
        .success();
    let own = address(&host, "web", "back");
    assert_eq!(hosts(), format!("{before}{own}\th\n"));
    assert_eq!(
        look(&host, "web", "data").records,
        [address(&host, "data", "back")]
    );
    assert_eq!(look(&host, "data", "w").records, [own]);
    host.cli(&["rename", "web", "site"]).success();
    assert_eq!(look(&host, "data", "site").records.len(), 1);
    assert_ne!(look(&host, "data", "web").code, 0);
    host.cli(&["network", "disconnect", "back", "site"])
        .success();
    assert_ne!(look(&host, "data", "site").code, 0);
    assert_ne!(look(&host, "site", "data").code, 0);
    let after = host.cli(&["exec", "site", "cat", "/etc/hosts"]);
    assert_eq!(after.success().text(), before);
    host.cli(&["rm", "-f", "data"]).success();
    network(&host, &["third"]);
    // The default bridge has no names; the first network that has brings its name server.
    host.run_detached(&["--name", "plain", "busybox", "sleep", "600"]);
    host.cli(&["network", "connect", "front", "plain"])
        .success();
    assert_eq!(look(&host, "plain", "site").records.len(), 1);
    let file = host.cli(&["exec", "plain", "cat", "/etc/resolv.conf"]);
    assert!(file.success().text().contains("\nnameserver 127.0.0.11\n"));
}

#[test]
fn who_has_left_its_networks_is_forgotten_at_its_end() {
    let mut host = TestHost::start();
    network(&host, &["front"]);
    for name in ["web", "data"] {
        sleeper(&host, name, "front", &[]);
        host.cli(&["network", "disconnect", "front", name])
            .success();
    }
    let proxy = host.proxy().as_raw_nonzero();
    host.cli(&["rm", "-f", "web"]).success();
    // The next daemon knows of it, too.
    host.kill_daemon();
    host.start_daemon();
    host.cli(&["rm", "-f", "data"]).success();
    host.stop_daemon();
    // Nobody is left whom it would serve. A zombie has no words.
    let words = format!("/proc/{proxy}/cmdline");
    host.until("the proxy has ended", |_| {
        std::fs::read(&words).unwrap_or_default().is_empty()
    });
}

#[test]
fn an_alias_of_several_leads_to_each_in_turn() {
    let host = TestHost::start();
    network(&host, &["front"]);
    for name in ["aa", "bb", "cc"] {
        sleeper(&host, name, "front", &["--network-alias", "all"]);
    }
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let answer = look(&host, "aa", "all");
        assert_eq!(answer.records.len(), 3);
        first.insert(answer.records[0].clone());
    }
    assert_eq!(first.len(), 3, "each was the first once");
}

#[test]
fn names_and_ports_outlive_the_daemon() {
    let mut host = TestHost::start();
    network(&host, &["front"]);
    sleeper(&host, "web", "front", &["-p", "8080:80"]);
    sleeper(&host, "data", "front", &[]);
    let (web, data) = (pid(&host, "web"), pid(&host, "data"));
    let own = address(&host, "data", "front");
    host.kill_daemon();
    assert_eq!(ask(&web, "data", "A").records, [own]);
    assert!(host.is_bound("0.0.0.0:8080") && host.is_bound("[::]:8080"));
    // One that ends meanwhile is nobody's name any more, and holds no port.
    let kill = |pid: &str| {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    kill(&data);
    let since = Instant::now();
    while ask(&web, "data", "A").code == 0 {
        assert!(
            since.elapsed() < testing::PATIENCE,
            "the name is still told"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    host.start_daemon();
    host.cli(&["start", "data"]).success();
    assert_eq!(ask(&web, "data", "A").records.len(), 1);
    assert!(host.is_bound("0.0.0.0:8080"));
    host.cli(&["rm", "-f", "web"]).success();
    assert!(!host.is_bound("0.0.0.0:8080") && !host.is_bound("[::]:8080"));
}

#[test]
fn names_and_ports_come_back_when_the_proxy_is_killed() {
    let host = TestHost::start();
    network(&host, &["front"]);
    sleeper(&host, "web", "front", &["-p", "8080:80"]);
    sleeper(&host, "data", "front", &[]);
    let web = pid(&host, "web");
    host.kill_proxy();
    // What was asked of the one that is dead is asked again, as every resolver does.
    host.until("the name is known again", |_| {
        question::ask_once(&web, "data", "A").is_some_and(|answer| answer.code == 0)
    });
    host.until("the port is held again", |host| {
        host.is_bound("0.0.0.0:8080")
    });
}

#[test]
fn a_proxy_that_can_hold_no_more_ports_says_so_and_holds_what_it_has() {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
    let host = TestHost::start();
    network(&host, &["front"]);
    sleeper(&host, "web", "front", &["-p", "8080:80"]);
    sleeper(&host, "data", "front", &[]);
    let proxy = host.proxy();
    let open = std::fs::read_dir(format!("/proc/{}/fd", proxy.as_raw_nonzero()));
    let open = open.expect("it runs").count() as u64;
    let allow = |current| {
        let limit = Rlimit {
            current: Some(current),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        let before = prlimit(Some(proxy), Resource::Nofile, limit);
        before.expect("it is ours").current
    };
    let usual = allow(open + 10);
    let many = ["run", "-d", "--network", "front", "--name", "many"];
    let many = [
        &many[..],
        &["-p", "9000-9020:9000-9020", "busybox", "sleep", "600"],
    ]
    .concat();
    let refused = host.cli(&many).error();
    assert!(
        refused.contains("may not have more descriptors") && refused.contains("RLIMIT_NOFILE"),
        "{refused}"
    );
    assert!(!host.is_bound("0.0.0.0:9000"));
    assert!(host.is_bound("0.0.0.0:8080"));
    assert_eq!(ask(&pid(&host, "web"), "data", "A").records.len(), 1);
    // It is the same one still, and has what it is given again.
    allow(usual.unwrap_or(20_000));
    host.cli(&["start", "many"]).success();
    assert_eq!(host.proxy(), proxy);
    assert!(host.is_bound("0.0.0.0:9020"));
}

#[test]
fn the_proxy_keeps_no_right_but_to_enter_networks() {
    let host = TestHost::start();
    network(&host, &["n"]);
    sleeper(&host, "web", "n", &["-p", "8080:80"]);
    let status = format!("/proc/{}/status", host.proxy().as_raw_nonzero());
    let status = std::fs::read_to_string(status).expect("it runs");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a field").trim().to_owned()
    };
    // CAP_SYS_ADMIN is 21.
    assert_eq!(field("CapEff:"), "0000000000200000");
    assert_eq!(field("CapPrm:"), "0000000000200000");
    assert_eq!(field("CapInh:"), "0000000000000000");
    assert_eq!(
        (field("NoNewPrivs:"), field("Seccomp:")),
        ("1".to_owned(), "2".to_owned())
    );
}

#[test]
fn all_other_names_are_asked_of_the_hosts_name_servers() {
    let host = TestHost::start();
    let upstream = Upstream::of_host(&host);
    network(&host, &["front"]);
    sleeper(&host, "web", "front", &[]);
    let web = pid(&host, "web");
    for (kind, record) in [
        ("A", "192.0.2.7"),
        ("AAAA", "2001:db8::7"),
        ("TXT", "\"text\""),
    ] {
        let answer = ask(&web, "example.com", kind);
        assert_eq!(
            (answer.code, answer.records),
            (0, vec![record.to_owned()]),
            "{kind}"
        );
    }
    let unknown = ask(&web, "example.com", "TYPE65280");
    assert_eq!((unknown.code, unknown.records.len()), (0, 1));
    assert_eq!(ask(&web, "nowhere.example.com", "A").code, 3);
    // One answer is too large for a datagram without EDNS, and whole by stream.
    let cut = ask(&web, "large.example.com", "TXT");
    assert!(cut.is_cut);
    let whole = question::ask_by_stream(&web, "large.example.com", "TXT");
    assert!(!whole.is_cut && whole.records.len() == 40);
    let edns = question::ask_with_edns(&web, "large.example.com", "TXT", 8192);
    assert_eq!(edns.records.len(), 40);
    // Both families at once from one socket, as resolvers of the C library ask.
    let both = question::ask_both(&web, "example.com");
    assert_eq!(both, ["192.0.2.7", "2001:db8::7"]);
    assert_eq!(upstream.askers(), ["the host"]);
}

#[test]
fn an_internal_network_asks_nobody() {
    let host = TestHost::start();
    let upstream = Upstream::of_host(&host);
    network(&host, &["--internal", "inner"]);
    sleeper(&host, "web", "inner", &[]);
    sleeper(&host, "data", "inner", &[]);
    assert_eq!(look(&host, "web", "data").records.len(), 1);
    let web = pid(&host, "web");
    for name in ["secret.example.com", "1.2.0.192.in-addr.arpa"] {
        for kind in ["A", "TXT", "PTR"] {
            assert_eq!(ask(&web, name, kind).code, 2, "{name} {kind}");
        }
    }
    assert_eq!(upstream.askers(), [""; 0], "nothing left the network");
}

#[test]
fn name_servers_of_the_caller_are_asked_from_the_container() {
    let host = TestHost::start();
    network(&host, &["--subnet", "10.9.0.0/24", "front"]);
    sleeper(&host, "first", "front", &[]);
    let upstream = Upstream::at(&host, "10.9.0.1");
    let more = [
        "--ip",
        "10.9.0.77",
        "--dns",
        "10.9.0.1",
        "--dns-opt",
        "ndots:2",
    ];
    sleeper(&host, "web", "front", &more);
    let web = pid(&host, "web");
    assert_eq!(ask(&web, "example.com", "A").records, ["192.0.2.7"]);
    assert_eq!(upstream.askers(), ["10.9.0.77"]);
    // It searches its domains first: a name of one label is nobody's until then.
    let single = ask(&web, "single", "A");
    assert_eq!((single.code, single.records.len()), (0, 0));
}

#[test]
fn the_files_say_how_they_were_made() {
    let host = TestHost::start();
    network(&host, &["front"]);
    let file = |args: &[&str]| {
        let mut all = vec!["run", "--rm"];
        all.extend(args);
        all.extend(["busybox", "cat", "/etc/resolv.conf"]);
        host.cli(&all).success().text()
    };
    let text = file(&[
        "--network",
        "front",
        "--dns",
        "1.1.1.1",
        "--dns-search",
        "a.b",
    ]);
    assert_eq!(
        text,
        "# Generated by Docker Engine.\n\
         # This file can be edited; Docker Engine will not make further changes once it\n\
         # has been modified.\n\n\
         nameserver 127.0.0.11\nsearch a.b\noptions ndots:0\n\n\
         # Based on host file: '/etc/resolv.conf' (internal resolver)\n\
         # ExtServers: [1.1.1.1]\n# Overrides: [nameservers search]\n\
         # Option ndots from: internal\n"
    );
    let text = file(&["--network", "none", "--dns", "1.1.1.1"]);
    let end = "nameserver 1.1.1.1\n\n\
               # Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: [nameservers]\n";
    assert!(text.ends_with(end), "{text}");
    // What somebody wrote into it is kept, what nobody did follows the networks.
    sleeper(&host, "web", "bridge", &["--add-host", "gate:host-gateway"]);
    let hosts = host.cli(&["exec", "web", "grep", "gate", "/etc/hosts"]);
    assert_eq!(hosts.success().text(), "172.17.0.1\tgate\n");
    let shared = host.cli(&[
        "run",
        "--rm",
        "--network",
        "container:web",
        "busybox",
        "cat",
        "/etc/hosts",
    ]);
    assert!(shared.success().text().contains("172.17.0.1\tgate\n"));
    let edit = "echo nameserver 9.9.9.9 >/etc/resolv.conf";
    host.cli(&["exec", "web", "sh", "-c", edit]).success();
    host.cli(&["network", "connect", "front", "web"]).success();
    let kept = host.cli(&["exec", "web", "cat", "/etc/resolv.conf"]);
    assert_eq!(kept.success().text(), "nameserver 9.9.9.9\n");
}

#[test]
fn a_host_without_names_of_its_own_gives_its_network_all_the_same() {
    let mut host = TestHost::idle();
    let etc = host.own_etc(&[]);
    for file in ["hosts", "hostname", "resolv.conf"] {
        // A link, or not there to begin with.
        drop(std::fs::remove_file(etc.join(file)));
    }
    host.start_daemon_with(&[]);
    host.import_image();
    let args = [
        "run",
        "--rm",
        "--network",
        "host",
        "--add-host",
        "db:10.1.1.1",
        "busybox",
        "cat",
        "/etc/hosts",
    ];
    let said = host.cli(&args).success().text();
    assert!(said.starts_with("127.0.0.1\tlocalhost\n"), "{said}");
    assert!(said.contains("\n10.1.1.1\tdb\n"), "{said}");
}
