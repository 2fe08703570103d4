//! Networks that hold a configuration, and networks made from it.

use testing::TestHost;

const ADDRESSES: &[&str] = &[
    "--subnet",
    "192.168.77.0/24",
    "--ip-range",
    "192.168.77.128/25",
    "--aux-address",
    "printer=192.168.77.128",
];

fn create(host: &TestHost, args: &[&str]) -> testing::Ran {
    host.cli(&[&["network", "create"], args].concat())
}

fn field(host: &TestHost, network: &str, template: &str) -> String {
    let ran = host.cli(&["network", "inspect", "--format", template, network]);
    ran.success().text().trim().to_owned()
}

#[test]
fn a_network_takes_the_configuration_of_another_which_stays_while_it_is_used() {
    let host = TestHost::start();
    let options = ["-o", "com.docker.network.driver.mtu=1400", "--label", "a=b"];
    create(
        &host,
        &[&["--config-only", "cfg"], ADDRESSES, &options].concat(),
    )
    .success();
    assert_eq!(
        field(&host, "cfg", "{{.Driver}} {{.ConfigOnly}}"),
        "null true"
    );
    let shown = host.http("GET", "/networks/cfg", None).json();
    assert_eq!(
        shown["IPAM"]["Config"],
        serde_json::json!([{
            "Subnet": "192.168.77.0/24",
            "IPRange": "192.168.77.128/25",
            "AuxiliaryAddresses": {"printer": "192.168.77.128"},
        }])
    );
    // What is only written down takes no addresses from others.
    create(
        &host,
        &[&["--config-only", "same"], ADDRESSES, &[]].concat(),
    )
    .success();
    create(&host, &["--config-from", "cfg", "web"]).success();
    let shape = "{{.Driver}} {{.ConfigOnly}} {{.ConfigFrom.Network}} {{.Labels}} {{.Options}}";
    assert_eq!(
        field(&host, "web", shape),
        "bridge false cfg map[a:b] map[com.docker.network.driver.mtu:1400]"
    );
    let show = "ip -o -4 addr show eth0; cat /sys/class/net/eth0/mtu; ip route";
    let ran = host.cli(&[
        "run",
        "--rm",
        "--network",
        "web",
        "busybox",
        "sh",
        "-c",
        show,
    ]);
    let text = ran.success().text();
    assert!(text.contains("inet 192.168.77.130/24"), "{text}");
    assert!(text.contains("\n1400\n"), "{text}");
    assert!(text.contains("via 192.168.77.129"), "{text}");

    let refused = host.http("DELETE", "/networks/cfg", None);
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["message"],
        "error while removing network: configuration network \"cfg\" is in use"
    );
    // Those that hold a configuration are not pruned: nothing ever runs in them.
    let pruned = host.cli(&["network", "prune", "-f"]).success().text();
    assert_eq!(pruned, "Deleted Networks:\nweb\n\n");
    host.cli(&["network", "rm", "cfg", "same"]).success();
}

#[test]
fn a_configuration_outlives_the_daemon() {
    let mut host = TestHost::start();
    create(&host, &[&["--config-only", "cfg"], ADDRESSES].concat()).success();
    create(&host, &["--config-from", "cfg", "web"]).success();
    host.kill_daemon();
    host.start_daemon();
    assert_eq!(field(&host, "web", "{{.ConfigFrom.Network}}"), "cfg");
    assert_eq!(host.http("DELETE", "/networks/cfg", None).status, 403);
    create(&host, &[&["--config-only", "more"], ADDRESSES].concat()).success();
    host.cli(&["network", "rm", "web"]).success();
    host.cli(&["network", "rm", "cfg", "more"]).success();
}

#[test]
fn what_a_configuration_cannot_be_is_said() {
    let host = TestHost::start();
    create(&host, &["--config-only", "cfg"]).success();
    let refused: [(&str, u16, &str); 7] = [
        (
            r#"{"Name":"n","ConfigOnly":true,"Internal":true}"#,
            403,
            "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
        ),
        (
            r#"{"Name":"n","ConfigOnly":true,"ConfigFrom":{"Network":"cfg"}}"#,
            403,
            "a configuration network cannot depend on another configuration network",
        ),
        (
            r#"{"Name":"n","ConfigFrom":{"Network":"cfg"},"Labels":{"a":"b"}}"#,
            403,
            "user specified configurations are not supported if the network depends on a configuration network",
        ),
        (
            r#"{"Name":"n","ConfigFrom":{"Network":"cfg"},"Options":{"a":"b"}}"#,
            403,
            "network driver options are not supported if the network depends on a configuration network",
        ),
        (
            r#"{"Name":"n","ConfigFrom":{"Network":"bridge"}}"#,
            404,
            "configuration network \"bridge\" does not exist",
        ),
        (
            r#"{"Name":"cfg","ConfigOnly":true}"#,
            409,
            "network with name cfg already exists",
        ),
        (
            r#"{"Name":"n","ConfigOnly":true,"IPAM":{"Config":[{"Subnet":"10.1.2.3/99"}]}}"#,
            400,
            "invalid network config:\ninvalid subnet 10.1.2.3/99: invalid CIDR block notation",
        ),
    ];
    for (body, status, words) in refused {
        let answer = host.http("POST", "/networks/create", Some(body));
        assert_eq!(
            (answer.status, answer.json()["message"].as_str()),
            (status, Some(words)),
            "{body}"
        );
    }
    let ran = host.cli(&["run", "--rm", "--network", "cfg", "busybox", "true"]);
    let words = "failed to set up container networking: cannot create endpoint on configuration-only network";
    assert!(ran.clone().code(125).error().contains(words), "{ran}");
}
