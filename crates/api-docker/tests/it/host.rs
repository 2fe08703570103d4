//! A daemon in this process, and requests to it.

use api_docker::{About, Api, Services, Stream};
use docker_schema::decode_value;
use engine::{Config, Engine, ImageUsers};
use images::{Images, Options};
use metadata::Database;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;
use sys::namespace::Kind;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::Paths;

/// A daemon in this process, in a network namespace of its own, which ends with it. Containers
/// that are left are removed at its end.
pub(crate) struct Host {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    stopping: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Where the built executables are. They are built by the first test that needs them.
fn executables() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The whole suite builds them once, before.
        if let Some(built) = std::env::var_os("CORTEN_BINARIES") {
            return PathBuf::from(built);
        }
        let test = std::env::current_exe().unwrap();
        let built = test.ancestors().nth(2).unwrap().to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet"]);
        if built.ends_with("release") {
            cargo.arg("--release");
        }
        for package in [
            "corten-shim",
            "corten-unpack",
            "corten-proxy",
            "corten-hello",
        ] {
            cargo.args(["-p", package]);
        }
        assert!(
            cargo.status().unwrap().success(),
            "executables are not built"
        );
        built
    })
}

impl Host {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("api.sock");
        let paths = Paths::under(
            &directory.path().join("root"),
            &directory.path().join("run"),
        );
        std::fs::create_dir_all(&paths.root).unwrap();
        std::fs::create_dir_all(&paths.run).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let stopping = CancellationToken::new();
        let thread = std::thread::spawn({
            let stopping = stopping.clone();
            move || serve(&paths, listener, stopping)
        });
        Self {
            directory,
            socket,
            stopping,
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Sends one request as it is and reads to the end of the connection.
    pub(crate) fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// One request; the body is JSON unless it is empty.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str("\r\n");
        Answer::parse(&self.raw(&[request.as_bytes(), body].concat()))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        self.request("POST", path, &body)
    }

    /// Imports an image with a static busybox; `None`, with a word why, if this host has none.
    pub(crate) fn busybox(&self) -> Option<&'static str> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
        let Some(busybox) = busybox.into_iter().find(|path| path.exists()) else {
            eprintln!("skipped: no busybox on this host (apt-get install busybox-static)");
            return None;
        };
        let tree = self.directory.path().join("tree");
        std::fs::create_dir_all(tree.join("bin")).unwrap();
        std::fs::copy(busybox, tree.join("bin/busybox")).unwrap();
        for name in ["sh", "cat", "echo", "sleep", "true", "tty"] {
            let link = tree.join("bin").join(name);
            if !link.exists() {
                std::os::unix::fs::symlink("busybox", link).unwrap();
            }
        }
        let archive = Command::new("tar")
            .arg("-C")
            .arg(&tree)
            .args(["-c", "."])
            .output()
            .unwrap();
        let path = "/images/create?fromSrc=-&repo=busybox&tag=test";
        let answer = self.request("POST", path, &archive.stdout);
        assert!(answer.text().contains("sha256:"), "{}", answer.text());
        Some("busybox:test")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let listed = self.get("/containers/json?all=1");
        for container in listed.json().as_array().into_iter().flatten() {
            let id = container["Id"].as_str().unwrap_or_default();
            self.request("DELETE", &format!("/containers/{id}?force=1"), b"");
        }
        self.stopping.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn serve(paths: &Paths, listener: std::os::unix::net::UnixListener, stopping: CancellationToken) {
    // Of this thread, and so of all that the runtime starts from it.
    sys::namespace::unshare(Kind::Network.flag()).unwrap();
    sys::link::loopback_up().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let api = api(paths, stopping.clone()).await;
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::UnixListener::from_std(listener).unwrap();
        let connections = TaskTracker::new();
        loop {
            let (stream, _) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                () = stopping.cancelled() => break,
            };
            let api = api.clone();
            connections.spawn(async move { drop(api.serve(Stream::Unix(stream)).await) });
        }
        connections.close();
        api.tracker.close();
        let ended = async {
            connections.wait().await;
            api.tracker.wait().await;
        };
        tokio::time::timeout(Duration::from_secs(20), ended)
            .await
            .expect("connections and requests end when the daemon stops");
        assert!(api.engine.stop(Duration::from_secs(20)).await);
    });
}

async fn api(paths: &Paths, stopping: CancellationToken) -> Api {
    let built = executables();
    let database = Arc::new(Database::open(&paths.database()).unwrap());
    let options = Options {
        unpack: built.join("corten-unpack"),
        hello: Some(built.join("corten-hello")),
        snapshotter: None,
        registries: images::Settings::default(),
        at_once: images::AtOnce::default(),
        users: Arc::new(ImageUsers::new(Arc::clone(&database))),
        steps: images::Steps::default(),
    };
    let images = Images::open(paths, Arc::clone(&database), options).unwrap();
    let config = Config::new(paths.clone(), built.join("corten-shim"));
    let engine = Engine::open(config, database, Arc::new(images))
        .await
        .unwrap();
    Api::new(Services {
        engine,
        tracker: TaskTracker::new(),
        stopping,
        about: RwLock::new(Arc::new(About {
            host: api_docker::Host {
                cpus: 1,
                memory: 1 << 30,
                ..api_docker::Host::default()
            },
            ..About::default()
        })),
    })
}

/// An answer, its body unchunked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = &bytes[end + 4..];
        let chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        Self {
            status,
            head,
            body: if chunked {
                unchunk(body)
            } else {
                body.to_vec()
            },
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn document<T: serde::de::DeserializeOwned>(&self) -> T {
        decode_value(&self.json()).unwrap()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    whole
}
