//! A real distribution: a debootstrap tree as it is imported, loaded, pulled and run.

use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testing::{Ran, TestHost, missing, run, skipped};

const TEST: &str = "a_debian_is_imported_loaded_pulled_and_run";

/// One test: the tree is made once, and everything is made of it.
#[test]
fn a_debian_is_imported_loaded_pulled_and_run() {
    if std::env::var_os("CORTEN_TEST_HOST").is_some() {
        return;
    }
    for program in ["debootstrap", "zstd", "nsenter", "curl"] {
        if missing(TEST, program) {
            return;
        }
    }
    let host = TestHost::start();
    let Some(tree) = debian(host.scratch()) else {
        return;
    };
    imported(&host, &tree);
    runs_its_programs(&host);
    serves_on_the_hosts_network(&host);
    let image = Image::of(std::fs::read(tree.join("debian.tar.gz")).unwrap());
    loaded(&host, &image);
    pulled(&host, &image);
}

/// Makes the tree, and archives of it beside it: plain, gzip, zstd. Nothing, and said so, if
/// the mirror is not there.
fn debian(scratch: &Path) -> Option<std::path::PathBuf> {
    let directory = scratch.join("debian");
    let mut command = Command::new("timeout");
    command.args(["300", "debootstrap", "--variant=minbase", "bookworm"]);
    let made = command.arg(directory.join("tree")).output().unwrap();
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        let last = said.lines().last().unwrap_or_default().to_owned();
        skipped(TEST, &format!("debootstrap failed: {last}"));
        return None;
    }
    for (option, suffix) in [("-c", "tar"), ("-cz", "tar.gz"), ("-c", "tar.zst")] {
        let mut tar = Command::new("tar");
        tar.current_dir(&directory).env("GZIP", "-1");
        if suffix == "tar.zst" {
            tar.arg("--zstd");
        }
        tar.args(["-C", "tree", option, "-f"]);
        run({
            tar.arg(directory.join(format!("debian.{suffix}"))).arg(".");
            tar
        })
        .success();
    }
    Some(directory)
}

/// The three archives are of one tree: they give one layer.
fn imported(host: &TestHost, tree: &Path) {
    let mut layers = Vec::new();
    for suffix in ["tar", "tar.gz", "tar.zst"] {
        let file = tree.join(format!("debian.{suffix}"));
        host.cli(&["import", file.to_str().unwrap(), "debian:bookworm"])
            .success();
        layers.push(host.inspect("debian:bookworm", "{{json .RootFS.Layers}}"));
    }
    assert!(layers[0].contains("sha256:"), "{layers:?}");
    assert!(layers.iter().all(|one| *one == layers[0]), "{layers:?}");
}

fn debian_says(host: &TestHost, image: &str) -> Ran {
    let script = "cat /etc/os-release; apt --version";
    host.cli(&["run", "--rm", image, "bash", "-c", script])
        .success()
}

fn runs_its_programs(host: &TestHost) {
    let ran = debian_says(host, "debian:bookworm");
    assert!(ran.text().contains("VERSION_CODENAME=bookworm"), "{ran}");
    assert!(ran.text().contains("\napt 2."), "{ran}");
    let perl = r#"use POSIX; my %seen = map { $_ => length } sort keys %ENV;
        print join(",", (POSIX::uname())[0], 6 * 7, -e "/proc/self" ? "proc" : ""), "\n";
        exit 5"#;
    let ran = host
        .cli(&["run", "--rm", "debian:bookworm", "perl", "-e", perl])
        .code(5);
    assert_eq!(ran.text(), "Linux,42,proc\n");
    let packages = ["run", "--rm", "debian:bookworm", "dpkg", "--verify"];
    let ran = host.cli(&packages).success();
    assert_eq!(ran.text(), "", "no file of a package changed on its way");
}

/// A command in the network namespace of the daemon, where containers on `host` are too.
fn beside(host: &TestHost, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    let pid = host.daemon_pid().unwrap().to_string();
    command
        .args(["--net", "--target", &pid, program])
        .args(args);
    command
}

fn fetch(host: &TestHost, args: &[&str]) -> Ran {
    let patient = ["-sSf", "--retry", "50", "--retry-delay", "0"];
    let refused = ["--retry-connrefused", "--retry-max-time", "20"];
    run(beside(
        host,
        "curl",
        &[&patient[..], &refused, args].concat(),
    ))
}

fn serves_on_the_hosts_network(host: &TestHost) {
    let server = r#"use IO::Socket::INET;
        my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8080", Listen => 5) or die "$@";
        while (my $c = $s->accept) {
            while (my $line = <$c>) { last if $line =~ /^\r?$/ }
            print $c "HTTP/1.0 200 OK\r\n\r\nserved by $$\n"; close $c;
        }"#;
    let args = ["--network", "host", "debian:bookworm", "perl", "-e", server];
    let container = host.run_detached(&args);
    let ran = fetch(host, &["http://127.0.0.1:8080/"]).success();
    assert_eq!(ran.text(), "served by 1\n");
    host.cli(&["rm", "-f", &container]).success();
}

/// An image of one layer, and the documents that name it.
struct Image {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Image {
    /// Of a tree compressed with gzip.
    fn of(layer: Vec<u8>) -> Self {
        let mut gzip = Command::new("gzip");
        gzip.arg("-dc");
        let plain = digest(
            &testing::run_with_input(gzip, layer.clone())
                .success()
                .stdout,
        );
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["bash"],"Env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{plain}"]}}}}"#
        );
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:{}","size":{}}}]}}"#,
            digest(config.as_bytes()),
            config.len(),
            digest(&layer),
            layer.len()
        );
        Self {
            layer,
            config: config.into_bytes(),
            manifest: manifest.into_bytes(),
        }
    }

    /// What `skopeo copy … docker-archive:` writes.
    fn docker_archive(&self, name: &str) -> Vec<u8> {
        let config = format!("{}.json", digest(&self.config));
        let manifest =
            format!(r#"[{{"Config":"{config}","RepoTags":["{name}"],"Layers":["layer.tar"]}}]"#);
        archive(&[
            ("layer.tar", &self.layer),
            (&config, &self.config),
            ("manifest.json", manifest.as_bytes()),
        ])
    }

    /// What `skopeo copy … oci-archive:` writes.
    fn oci_archive(&self, name: &str) -> Vec<u8> {
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{MANIFEST}","digest":"sha256:{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}]}}"#,
            digest(&self.manifest),
            self.manifest.len()
        );
        let path = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes));
        archive(&[
            (&path(&self.layer), &self.layer),
            (&path(&self.config), &self.config),
            (&path(&self.manifest), &self.manifest),
            ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
            ("index.json", index.as_bytes()),
        ])
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn loaded(host: &TestHost, image: &Image) {
    for (name, bytes) in [
        ("from-docker:1", image.docker_archive("from-docker:1")),
        ("from-oci:1", image.oci_archive("from-oci:1")),
    ] {
        let ran = host.cli_with_input(&["load"], bytes).success();
        assert!(ran.text().contains(name), "{ran}");
        let ran = debian_says(host, name);
        assert!(ran.text().contains("\napt 2."), "{ran}");
    }
}

/// A registry that ends with the test.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn pulled(host: &TestHost, image: &Image) {
    if missing(TEST, "docker-registry") {
        return;
    }
    let directory = host.scratch().join("registry");
    std::fs::create_dir(&directory).unwrap();
    // The network namespace is this test's own: every port is free.
    let configuration = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:5000\"}}\n",
        directory.display()
    );
    let file = directory.join("config.yml");
    std::fs::write(&file, configuration).unwrap();
    let args = ["serve", file.to_str().unwrap()];
    let mut server = beside(host, "docker-registry", &args);
    server.stdout(Stdio::null()).stderr(Stdio::null());
    let _registry = Registry(server.spawn().unwrap());
    for blob in [&image.layer, &image.config] {
        push_blob(host, blob);
    }
    let manifest = host.scratch().join("manifest.json");
    std::fs::write(&manifest, &image.manifest).unwrap();
    let kind = format!("Content-Type: {MANIFEST}");
    let data = format!("@{}", manifest.display());
    let url = "http://127.0.0.1:5000/v2/debian/manifests/bookworm";
    fetch(
        host,
        &["-X", "PUT", "-H", &kind, "--data-binary", &data, url],
    )
    .success();

    // Nothing of it is there yet: no layer is taken for known.
    let names = ["debian:bookworm", "from-docker:1", "from-oci:1"];
    host.cli(&[&["rmi"][..], &names].concat()).success();
    let name = "127.0.0.1:5000/debian:bookworm";
    let ran = host.cli(&["pull", name]).success();
    let expected = format!("Digest: sha256:{}", digest(&image.manifest));
    assert!(ran.text().contains(&expected), "{ran}");
    let ran = debian_says(host, name);
    assert!(ran.text().contains("\napt 2."), "{ran}");
}

fn push_blob(host: &TestHost, blob: &[u8]) {
    let file = host.scratch().join("blob");
    std::fs::write(&file, blob).unwrap();
    let start = "http://127.0.0.1:5000/v2/debian/blobs/uploads/";
    let location = ["-X", "POST", "-o", "/dev/null", "-w", "%header{location}"];
    let answer = fetch(host, &[&location[..], &[start]].concat()).success();
    let place = format!("{}&digest=sha256:{}", answer.text().trim(), digest(blob));
    let data = format!("@{}", file.display());
    let kind = "Content-Type: application/octet-stream";
    let args = ["-X", "PUT", "-H", kind, "--data-binary", &data, &place];
    fetch(host, &args).success();
}
