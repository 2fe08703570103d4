//! `registry serve`, `push`, `pull`, `save`, `login`: images between a daemon and a registry.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use testing::{PATIENCE, TestHost, binary, run};

const ADDRESS: &str = "127.0.0.1:5000";

/// A registry in the daemon's network namespace, ended on drop.
struct Registry(Child);

impl Registry {
    fn start(host: &TestHost) -> Option<Self> {
        let net = format!("--net=/proc/{}/ns/net", host.daemon_pid()?);
        let registry = Command::new("nsenter")
            .arg(net)
            .arg(binary("corten"))
            .args(["registry", "serve", "--listen", ADDRESS, "--root"])
            .arg(host.scratch().join("registry"))
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
        std::io::BufRead::read_line(&mut std::io::BufReader::new(from), &mut line).unwrap();
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

fn config(home: &Path) -> serde_json::Value {
    let bytes = std::fs::read(home.join("config.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
