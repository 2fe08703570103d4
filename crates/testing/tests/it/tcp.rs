//! TCP: encrypted, with certificates on both sides; and metrics.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use testing::{TestHost, missing};

/// Writes a certificate of an authority and its key.
fn certify(folder: &Path, name: &str, authority: &Issuer<'_, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}-key.pem")), key.serialize_pem()).unwrap();
}

/// Writes an authority's certificate.
fn authority(folder: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

#[test]
fn only_clients_with_a_certificate_get_in_by_tls() {
    if missing("only_clients_with_a_certificate_get_in_by_tls", "docker") {
        return;
    }
    let mut host = TestHost::idle();
    let folder = host.scratch().to_owned();
    let ours = authority(&folder, "ca");
    let theirs = authority(&folder, "stranger-ca");
    certify(&folder, "server", &ours);
    certify(&folder, "client", &ours);
    certify(&folder, "stranger", &theirs);
    let at = |name: &str| folder.join(name).display().to_string();
    let (ca, certificate, key) = (at("ca.pem"), at("server.pem"), at("server-key.pem"));
    let socket = format!("unix://{}", host.paths().socket.display());
    host.start_daemon_with(&[
        "-H",
        &socket,
        "-H",
        "tcp://0.0.0.0:2376",
        "--tlsverify",
        "--tlscacert",
        &ca,
        "--tlscert",
        &certificate,
        "--tlskey",
        &key,
    ]);
    host.import_image();
    let docker = |client: &str, args: &str| {
        host.in_network(&format!(
            "docker -H tcp://127.0.0.1:2376 --tlsverify --tlscacert {ca} --tlscert {} --tlskey {} {args}",
            at(&format!("{client}.pem")),
            at(&format!("{client}-key.pem")),
        ))
    };
    // Streams too: both directions, until the end.
    let ran = docker(
        "client",
        "run --rm -i busybox sh -c 'echo out; echo err >&2; exit 3' </dev/null",
    );
    let ran = ran.code(3);
    assert_eq!(
        (ran.text().as_str(), ran.error().as_str()),
        ("out\n", "err\n")
    );
    let typed = docker("client", "run --rm -i busybox sh -c 'wc -c' </dev/null").success();
    assert_eq!(typed.text(), "0\n");
    docker("stranger", "version").code(1);
    let plain = host
        .in_network("docker -H tcp://127.0.0.1:2376 version")
        .code(1);
    let words = "Client sent an HTTP request to an HTTPS server.";
    assert!(plain.error().contains(words), "{}", plain.error());
}

#[test]
fn an_address_that_strangers_reach_is_refused_without_certificates() {
    let host = TestHost::idle();
    let ran = host
        .cli(&["daemon", "--validate", "-H", "tcp://0.0.0.0:2375"])
        .code(1);
    assert!(ran.error().contains("--tlsverify"), "{}", ran.error());
}

#[test]
fn metrics_count_containers() {
    let mut host = TestHost::idle();
    host.start_daemon_with(&["--metrics-addr", "127.0.0.1:9323"]);
    host.import_image();
    let id = host.run_detached(&["busybox", "sleep", "600"]);
    host.cli(&["history", "busybox"]).success();
    let get = |path: &'static str| {
        host.within_network(move || {
            let mut stream = TcpStream::connect("127.0.0.1:9323").unwrap();
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        })
    };
    let text = get("/metrics");
    for line in [
        "engine_daemon_container_states_containers{state=\"running\"} 1",
        "engine_daemon_container_actions_seconds_count{action=\"create\"} 1",
        "engine_daemon_container_actions_seconds_count{action=\"start\"} 1",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_start_time_seconds gauge",
        "engine_daemon_image_actions_seconds_count{action=\"history\"} 1",
        "engine_daemon_image_actions_seconds_count{action=\"pull\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(get("/info").starts_with("HTTP/1.0 404"));
    host.cli(&["rm", "-f", &id]).success();
}
