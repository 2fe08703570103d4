use super::*;

fn read(document: Value) -> Result<Success, String> {
    Success::read(&document, Version::V110)
}

fn full() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "cni0", "mac": "02:00:00:00:00:01", "mtu": 1400},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/a", "pciID": "0000:00:01.0"},
        ],
        "ips": [
            {"interface": 1, "address": "10.1.0.2/16", "gateway": "10.1.0.1"},
            {"interface": 1, "address": "fd00::2/64"},
        ],
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 5, "table": 0, "scope": 0},
            {"dst": "::/0"},
        ],
        "dns": {"nameservers": ["10.1.0.1"], "search": ["example"]},
    })
}

#[test]
fn a_result_is_written_as_it_was_read() {
    let success = read(full()).expect("a result");
    assert_eq!(success.write(Version::V110), Ok(full()));
}

#[test]
fn older_versions_have_less() {
    let success = read(full()).expect("a result");
    let v1 = success.write(Version::V100).expect("1.0");
    assert_eq!(
        v1["interfaces"][0],
        json!({"name": "cni0", "mac": "02:00:00:00:00:01"})
    );
    assert_eq!(
        v1["routes"][0],
        json!({"dst": "0.0.0.0/0", "gw": "10.1.0.1"})
    );
    let v04 = success.write(Version::V040).expect("0.4");
    assert_eq!(v04["cniVersion"], "0.4.0");
    assert_eq!(v04["ips"][0]["version"], "4");
    assert_eq!(v04["ips"][1]["version"], "6");
    let v02 = success.write(Version::V020).expect("0.2");
    assert_eq!(
        v02,
        json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.1.0.2/16", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
            "ip6": {"ip": "fd00::2/64", "routes": [{"dst": "::/0"}]},
            "dns": {"nameservers": ["10.1.0.1"], "search": ["example"]},
        })
    );
    assert!(Success::default().write(Version::V010).is_err());
}

#[test]
fn results_of_every_version_are_read() {
    let old = json!({
        "ip4": {"ip": "10.1.0.2/16", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
        "dns": {},
    });
    let success = Success::read(&old, Version::V010).expect("0.1");
    assert_eq!(success.ips[0].ip(), "10.1.0.2".parse().ok());
    assert_eq!(success.routes[0].dst, "0.0.0.0/0");
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        let document = json!({
            "cniVersion": version,
            "ips": [{"version": "4", "address": "10.1.0.2/16", "interface": 0}],
            "interfaces": [{"name": "eth0"}],
            "dns": {},
        });
        let success = read(document).expect(version);
        assert_eq!(success.ips[0].interface, Some(0));
    }
}

#[test]
fn what_is_no_result_is_refused() {
    for document in [
        json!([]),
        json!({"cniVersion": "7.0.0"}),
        json!({"cniVersion": 1}),
        json!({"ips": [{"address": "10.1.0.2"}]}),
        json!({"ips": [{"address": "10.1.0.2/33"}]}),
        json!({"ips": [{"address": "10.1.0.2/24", "interface": 0}]}),
        json!({"ips": [{"address": "10.1.0.2/24", "gateway": "x"}]}),
        json!({"cniVersion": "0.2.0", "ip4": 5}),
    ] {
        assert!(read(document.clone()).is_err(), "{document}");
    }
}
