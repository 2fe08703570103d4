//! `artifact`: files in a registry that are no image, and what is about an image there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testing::{Ran, binary, run};

/// A registry, and a directory for whoever speaks to it.
struct Place {
    registry: Child,
    address: String,
    dir: tempfile::TempDir,
}

impl Place {
    fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// With flags for the registry, which may name files of the directory.
    fn start_with(flags: impl Fn(&Path) -> Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = Command::new(binary("corten"))
            .args(["registry", "serve", "--listen", "127.0.0.1:0", "--root"])
            .arg(dir.path().join("registry"))
            .args(flags(dir.path()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(registry.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening at ").expect(&line);
        Self {
            address: address.to_owned(),
            registry,
            dir,
        }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    fn file(&self, name: &str, contents: &[u8]) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn artifact(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(binary("corten"));
        command.arg("artifact").args(args);
        command.env("DOCKER_CONFIG", self.dir.path());
        run(command)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.kill().unwrap();
        self.registry.wait().unwrap();
    }
}

#[test]
fn files_come_back_as_they_were_with_what_is_about_them() {
    let place = Place::start();
    let (model, card) = (
        place.file("model.bin", &[7; 70_000]),
        place.file("card", b"hi"),
    );
    let name = place.name("team/model:1");
    let typed = format!("{card}:text/plain");
    let pushed = [
        "push",
        "--type",
        "application/x.model",
        "-a",
        "a=b=c",
        &name,
        &model,
        &typed,
    ];
    let pushed = place.artifact(&pushed).success().text();
    assert!(pushed.contains("/team/model@sha256:"), "{pushed}");

    let manifest = place.artifact(&["inspect", &name]).success().text();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["artifactType"], "application/x.model");
    assert_eq!(manifest["annotations"]["a"], "b=c");
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.oci.empty.v1+json"
    );
    assert_eq!(manifest["layers"][1]["mediaType"], "text/plain");

    let into = place.dir.path().join("into");
    let pull = ["pull", "-o", into.to_str().unwrap(), &name];
    assert_eq!(place.artifact(&pull).success().text(), "model.bin\ncard\n");
    assert_eq!(fs::read(into.join("model.bin")).unwrap(), [7; 70_000]);
    assert_eq!(fs::read(into.join("card")).unwrap(), b"hi");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 2);
}

#[test]
fn what_is_about_a_manifest_is_found_by_it_until_it_is_removed() {
    let place = Place::start();
    let (name, repository) = (place.name("team/model:1"), place.name("team/model"));
    let file = place.file("f", b"x");
    let push = |args: &[&str]| {
        let mut words = vec!["push", "--type"];
        words.extend_from_slice(args);
        let pushed = place.artifact(&words).success().text();
        pushed.trim().split_once('@').unwrap().1.to_owned()
    };
    let digest = push(&["x/model", &name, &file]);
    // Neither has a tag.
    let signature = push(&["x/signature", "--subject", "1", &repository, &file]);
    let parts = push(&["x/parts", "--subject", &digest, &repository, &file]);
    let listed = || {
        let json = ["referrers", "--format", "json", &name];
        let text = place.artifact(&json).success().text();
        let listed: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let digest = |entry: &serde_json::Value| entry["digest"].as_str().unwrap().to_owned();
        listed.iter().map(digest).collect::<Vec<_>>()
    };
    let all = listed();
    assert!(all.contains(&signature) && all.contains(&parts) && all.len() == 2);
    let one = ["referrers", "--type", "x/signature", &name];
    let one = place.artifact(&one).success().text();
    let mut lines = one.lines();
    assert!(lines.next().unwrap().starts_with("TYPE "), "{one}");
    assert!(lines.next().unwrap().ends_with(&signature), "{one}");
    assert_eq!(lines.next(), None, "{one}");

    let by_digest = format!("{repository}@{parts}");
    let inspected = place.artifact(&["inspect", &by_digest]).success().text();
    assert!(inspected.contains(&digest), "{inspected}");
    place.artifact(&["rm", &by_digest]).success();
    assert_eq!(listed(), [signature]);
    // A tag that goes takes no manifest with it.
    place.artifact(&["rm", &name]).success();
    let gone = place.artifact(&["inspect", &name]);
    assert!(gone.error().contains("manifest unknown"), "{gone}");
    let by_digest = format!("{repository}@{digest}");
    place.artifact(&["inspect", &by_digest]).success();
}

#[test]
fn what_cannot_be_an_artifact_is_refused_by_name() {
    let place = Place::start();
    let name = place.name("a:1");
    let missing = place.dir.path().join("missing");
    let missing = missing.to_str().unwrap();
    let file = place.file("f", b"x");
    for (args, said) in [
        (vec!["push", "--type", "t/x", &name, missing], "cannot read"),
        (vec!["push", "--type", "tx", &name, &file], "media type"),
        (vec!["push", &name, &file], "--type"),
        (
            vec![
                "push",
                "--type",
                "t/x",
                "--subject",
                "nothing",
                &name,
                &file,
            ],
            "cannot find the subject",
        ),
        (vec!["pull", &name], "manifest unknown"),
        (vec!["pull", &place.name("UPPER/x")], "lowercase"),
    ] {
        let ran = place.artifact(&args);
        assert_ne!(ran.code, 0, "{args:?}");
        let error = ran.error();
        assert!(error.contains(said), "{args:?}: {error}");
    }
    // Nothing of these is there now.
    assert!(
        place
            .artifact(&["inspect", &name])
            .error()
            .contains("manifest unknown")
    );
}

#[test]
fn a_file_is_never_written_outside_the_directory() {
    let place = Place::start();
    let file = place.file("f", b"x");
    let name = place.name("evil:1");
    place
        .artifact(&["push", "--type", "t/x", &name, &file])
        .success();
    let manifest = place.artifact(&["inspect", &name]).success().text();
    let evil = manifest.replace(
        r#""org.opencontainers.image.title":"f""#,
        r#""org.opencontainers.image.title":"../out""#,
    );
    assert_ne!(evil, manifest);
    let evil = place.file("evil.json", evil.as_bytes());
    let put = format!("http://{}/v2/evil/manifests/2", place.address);
    let mut curl = Command::new("curl");
    curl.args([
        "-sf",
        "-X",
        "PUT",
        "-H",
        "Content-Type: application/vnd.oci.image.manifest.v1+json",
    ]);
    curl.arg("--data-binary").arg(format!("@{evil}")).arg(put);
    run(curl).success();
    let into = place.dir.path().join("into");
    let ran = place.artifact(&["pull", "-o", into.to_str().unwrap(), &place.name("evil:2")]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.error().contains(r#"a file called "../out""#), "{ran}");
    assert!(!into.exists() && !place.dir.path().join("out").exists());
}

#[test]
fn who_is_signed_in_is_shown_and_nobody_else_is_served() {
    let place = Place::start_with(|dir| {
        let accounts = dir.join("accounts");
        let hash = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
        fs::write(&accounts, format!("me:{hash}\n")).unwrap();
        vec![
            "--htpasswd".to_owned(),
            accounts.to_str().unwrap().to_owned(),
        ]
    });
    let file = place.file("f", b"x");
    let name = place.name("a:1");
    let push = ["push", "--type", "t/x", &name, &file];
    let refused = place.artifact(&push);
    assert_eq!(refused.code, 1, "{refused}");
    // me:secret
    let auth = "bWU6c2VjcmV0";
    let config = serde_json::json!({"auths": {&place.address: {"auth": auth}}});
    place.file("config.json", config.to_string().as_bytes());
    place.artifact(&push).success();
    place.artifact(&["inspect", &name]).success();
}
