//! `registry serve`, `push`, `pull`, `save`, `login`: images between a daemon and a registry.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use testing::{PATIENCE, Ran, TestHost, binary, run};

pub(crate) const ADDRESS: &str = "127.0.0.1:5000";

/// A registry in the daemon's network namespace, ended on drop.
pub(crate) struct Registry(Child);

impl Registry {
    pub(crate) fn start(host: &TestHost) -> Option<Self> {
        Self::start_with(host, &[])
    }

    /// The same with more flags.
    fn start_with(host: &TestHost, flags: &[&str]) -> Option<Self> {
        let net = format!("--net=/proc/{}/ns/net", host.daemon_pid()?);
        let registry = Command::new("nsenter")
            .arg(net)
            .arg(binary("corten"))
            .args(["registry", "serve", "--listen", ADDRESS, "--root"])
            .arg(host.scratch().join("registry"))
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut registry = Self(registry);
        let line = first_line(registry.0.stderr.take().unwrap());
        assert_eq!(line, format!("listening at {ADDRESS}"));
        Some(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn first_line(from: std::process::ChildStderr) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(from).read_line(&mut line).unwrap();
        sender.send(line.trim().to_owned()).unwrap();
    });
    receiver.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back_the_same() {
    let host = TestHost::start();
    let Some(_registry) = Registry::start(&host) else {
        return;
    };
    let name = format!("{ADDRESS}/team/busybox:1");
    let id = host.inspect(testing::IMAGE, "{{.Id}}");
    host.cli(&["tag", testing::IMAGE, &name]).success();

    let pushed = host.cli(&["push", &name]).success();
    host.cli(&["rmi", "-f", testing::IMAGE, &name]).success();
    let pulled = host.cli(&["pull", &name]).success();

    let digest = pushed.text().split_once("digest: ").unwrap().1.to_owned();
    let digest = digest.split(' ').next().unwrap();
    assert!(
        pulled.text().contains(&format!("Digest: {digest}")),
        "{pulled}"
    );
    assert_eq!(host.inspect(&name, "{{.Id}}"), id);
    let ran = host.cli(&["run", "--rm", "--network", "none", &name, "echo", "back"]);
    assert_eq!(ran.success().text().trim(), "back");
}

#[test]
fn every_tag_is_pushed_and_pulled_on_demand() {
    let host = TestHost::start();
    let Some(_registry) = Registry::start(&host) else {
        return;
    };
    let name = |tag: &str| format!("{ADDRESS}/all{tag}");
    for tag in [":1", ":2"] {
        host.cli(&["tag", testing::IMAGE, &name(tag)]).success();
    }

    host.cli(&["push", "-a", &name("")]).success();
    host.cli(&["rmi", &name(":1"), &name(":2")]).success();
    host.cli(&["pull", "-a", &name("")]).success();

    for tag in [":1", ":2"] {
        host.cli(&["image", "inspect", &name(tag)]).success();
    }
}

#[test]
fn credentials_are_kept_as_docker_keeps_them() {
    let host = TestHost::start();
    let Some(_registry) = Registry::start(&host) else {
        return;
    };
    let home = host.scratch().join("docker");
    let corten = |args: &[&str]| {
        let mut command = host.command(args);
        command.env("DOCKER_CONFIG", &home);
        run(command)
    };

    let login = corten(&["login", "-u", "me", "-p", "secret", ADDRESS]).success();
    let kept = config(&home);
    corten(&["logout", ADDRESS]).success();
    let again = corten(&["logout", ADDRESS]).success();

    assert!(login.text().contains("Login Succeeded"), "{login}");
    let auth = &kept["auths"][ADDRESS]["auth"];
    assert_eq!(auth, "bWU6c2VjcmV0");
    assert!(config(&home)["auths"].get(ADDRESS).is_none());
    assert!(again.text().contains("Not logged in"), "{again}");
}

/// A registry whose token server gives identity tokens, and what that server was asked.
fn token_server(host: &TestHost) -> (String, Arc<Mutex<Vec<String>>>) {
    host.in_network("ip link set lo up").success();
    let listener = host.within_network(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let (own, log) = (address.clone(), Arc::clone(&asked));
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer(&stream, &own, &log);
        }
    });
    (address, asked)
}

fn answer(mut stream: &TcpStream, address: &str, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    for line in reader.by_ref().lines() {
        match line {
            Ok(line) if line.is_empty() => break,
            Ok(line) => head.push(line.to_lowercase()),
            // TLS is tried first.
            Err(_) => return,
        }
    }
    let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
    let length = header("content-length: ").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, extra, text) = match (head[0].contains("/token"), header("authorization: bearer"))
    {
        (true, _) => {
            let body = String::from_utf8(body).unwrap();
            asked.lock().unwrap().push(format!("{} {body}", head[0]));
            let text = r#"{"token":"t","refresh_token":"kept"}"#;
            ("200 OK", String::new(), text)
        }
        (false, Some(_)) if head[0].starts_with("get /v2/ ") => ("200 OK", String::new(), ""),
        (false, Some(_)) => ("404 Not Found", String::new(), ""),
        (false, None) => {
            let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"s\"");
            let challenge = format!("WWW-Authenticate: {challenge}\r\n");
            ("401 Unauthorized", challenge, "")
        }
    };
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream
        .write_all(format!("{head}{text}").as_bytes())
        .unwrap();
}

#[test]
fn an_identity_token_is_kept_in_the_passwords_place_and_shown_from_then_on() {
    let host = TestHost::start();
    let (address, asked) = token_server(&host);
    let home = host.scratch().join("docker");
    let corten = |args: &[&str]| {
        let mut command = host.command(args);
        command.env("DOCKER_CONFIG", &home);
        run(command)
    };

    corten(&["login", "-u", "me", "-p", "secret", &address]).success();
    corten(&["pull", &format!("{address}/some/thing")]).code(1);
    // docker does not sign in with a token: it asks for the password again.
    let again = corten(&["login", &address]).code(1);

    let entry = &config(&home)["auths"][&address];
    assert_eq!(entry["identitytoken"], "kept");
    assert_eq!(entry["auth"], "bWU6", "a name without its password");
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with("get /token?"), "{asked:?}");
    assert!(asked[0].contains("offline_token=true"), "{asked:?}");
    assert!(asked[1].starts_with("post /token http"), "{asked:?}");
    assert!(asked[1].ends_with("&refresh_token=kept"), "{asked:?}");
    let words = "Cannot perform an interactive login from a non TTY device";
    assert!(again.error().contains(words), "{again}");
}

/// What [`signed_in`] pushes.
const NAME: &str = "127.0.0.1:5000/team/busybox:1";

/// A registry with the account `me`, who has signed in with the password `secret` and pushed an
/// image; and commands as that user.
fn signed_in(host: &TestHost) -> Option<(Registry, impl Fn(&[&str]) -> Ran)> {
    let accounts = host.scratch().join("accounts");
    let hash = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    std::fs::write(&accounts, format!("me:{hash}\n")).unwrap();
    let accounts = accounts.display().to_string();
    let registry = Registry::start_with(host, &["--htpasswd", &accounts])?;
    host.import_image();
    let home = host.scratch().join("docker");
    let corten = move |args: &[&str]| {
        let mut command = host.command(args);
        command.env("DOCKER_CONFIG", &home);
        run(command)
    };
    corten(&["login", "-u", "me", "-p", "secret", ADDRESS]).success();
    corten(&["tag", testing::IMAGE, NAME]).success();
    corten(&["push", NAME]).success();
    Some((registry, corten))
}

#[test]
fn a_mirror_gives_an_image_to_the_daemon_that_signs_in_there() {
    let mut host = TestHost::idle();
    let place = |name: &str| host.scratch().join(name).display().to_string();
    let (hosts, file) = (place("certs.d"), place("mirrors.json"));
    let said = format!("[host.\"http://{ADDRESS}\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
    std::fs::create_dir_all(format!("{hosts}/registry.test")).unwrap();
    std::fs::write(format!("{hosts}/registry.test/hosts.toml"), said).unwrap();
    std::fs::write(&file, "{}").unwrap();
    host.start_daemon_with(&["--registry-hosts", &hosts, "--registry-credentials", &file]);
    let Some((_registry, _corten)) = signed_in(&host) else {
        return;
    };

    let pull = || host.cli(&["pull", "registry.test/team/busybox:1"]);
    pull().code(1);
    std::fs::copy(host.scratch().join("docker/config.json"), &file).unwrap();
    pull().success();
}

/// CVE-2019-13509, CVE-2021-41092.
#[test]
fn a_daemon_that_logs_everything_logs_no_secret() {
    let mut host = TestHost::idle();
    host.start_daemon_with(&["--log-level", "trace"]);
    let Some((_registry, corten)) = signed_in(&host) else {
        return;
    };
    corten(&["pull", NAME]).success();
    corten(&["login", "-u", "me", "-p", "wrong-secret", ADDRESS]).code(1);
    let (address, _asked) = token_server(&host);
    corten(&["login", "-u", "me", "-p", "secret", &address]).success();
    corten(&["pull", &format!("{address}/some/thing")]).code(1);

    let log = host.daemon_log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    // The word itself, and as it is after "me:" and in the middle of an encoded document.
    for secret in ["secret", "c2VjcmV0", "NlY3JldC", "zZWNyZX"] {
        let found: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

fn config(home: &Path) -> serde_json::Value {
    let bytes = std::fs::read(home.join("config.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Bytes that the store's blobs and layers take on disk.
fn kept(host: &TestHost) -> u64 {
    let parts = [host.paths().content(), host.paths().layers()];
    let mut du = Command::new("du");
    du.arg("-sb").args(parts);
    let sizes = run(du).success().text();
    let size = |line: &str| line.split_whitespace().next().unwrap().parse::<u64>();
    sizes.lines().map(|line| size(line).unwrap()).sum()
}

/// Runs `turn` so many times, and gives what failed.
fn turns(turn: impl Fn() -> Ran) -> Vec<String> {
    let failed = (0..12).map(|_| turn()).filter(|ran| ran.code != 0);
    failed.map(|ran| ran.error()).collect()
}

#[test]
fn prunes_beside_pulls_and_runs_free_what_nothing_uses_and_nothing_else() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    let host = TestHost::start();
    let Some(_registry) = Registry::start(&host) else {
        return;
    };
    // Two images with a layer in common.
    let names = [1, 2].map(|n| format!("{ADDRESS}/shared:{n}"));
    for name in &names {
        let id = host.run_detached(&["--network", "none", testing::IMAGE, "touch", name]);
        host.cli(&["wait", &id]).success();
        host.cli(&["commit", &id, name]).success();
        host.cli(&["push", name]).success();
        host.cli(&["rm", &id]).success();
    }
    let image = host.inspect(testing::IMAGE, "{{.Id}}");
    host.cli(&["rmi", "-f", testing::IMAGE, &image, &names[0], &names[1]]);
    host.cli(&["image", "prune", "-af"]).success();
    let empty = kept(&host);

    let pull = |name: &str| host.cli(&["pull", "-q", name]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| turns(|| pull(&names[0])));
        let second = scope.spawn(|| turns(|| pull(&names[1])));
        let run = || {
            host.cli(&[
                "run",
                "--rm",
                "--network",
                "none",
                &names[0],
                "echo",
                "whole",
            ])
        };
        let runs = scope.spawn(move || turns(run));
        let prunes = turns(|| host.cli(&["image", "prune", "-af"]));
        assert_eq!(prunes, [] as [String; 0]);
        assert_eq!(first.join().unwrap(), [] as [String; 0]);
        assert_eq!(second.join().unwrap(), [] as [String; 0]);
        // Between its pull and its start an image has no user yet.
        for error in runs.join().unwrap() {
            assert!(error.contains("No such image"), "{error}");
        }
    });

    host.cli(&["pull", "-q", &names[1]]).success();
    let ran = host.cli(&[
        "run",
        "--rm",
        "--network",
        "none",
        &names[1],
        "echo",
        "whole",
    ]);
    assert_eq!(ran.success().text(), "whole\n");
    host.cli(&["image", "prune", "-af"]).success();
    assert_eq!(kept(&host), empty);
}
