//! A registry in this process, and a plain client of it.

use api_registry::{Depot, Guard, OpenError, Server};
use bytes::Bytes;
use content::Hasher;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::path::{Path, PathBuf};
use types::{Algorithm, Digest};
use unpack::Unpack;

/// A registry, gone on drop.
pub(crate) struct Host {
    dir: tempfile::TempDir,
    pub(crate) address: String,
    client: Client<HttpConnector, Full<Bytes>>,
    task: tokio::task::JoinHandle<()>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first error's code.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// The worker that was built next to this test.
pub(crate) fn worker() -> Unpack {
    let exe = std::env::current_exe().unwrap();
    let worker = exe
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("corten-unpack");
    assert!(
        worker.exists(),
        "build it first: cargo build -p corten-unpack"
    );
    Unpack::new(worker)
}

/// What the registry in a directory has.
pub(crate) fn depot(root: &Path) -> Result<Depot, OpenError> {
    Depot::open(root, worker())
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    async fn over(dir: tempfile::TempDir) -> Self {
        let depot = depot(dir.path()).unwrap();
        Self::of(dir, depot, Guard::default()).await
    }

    /// One with other rules; `depot` is in `dir`.
    pub(crate) async fn of(dir: tempfile::TempDir, depot: Depot, guard: Guard) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), depot, guard).await;
        let server = server.unwrap();
        Self {
            address: server.address().unwrap().to_string(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            task: tokio::spawn(async move { server.serve(std::future::pending()).await.unwrap() }),
            dir,
        }
    }

    /// Another process, as it were, over the same directory.
    pub(crate) async fn restart(self) -> Self {
        self.task.abort();
        drop(self.task.await);
        drop(self.client);
        Self::over(self.dir).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        let answer = self.client.request(request.body(body).unwrap()).await;
        let (head, body) = answer.unwrap().into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    /// Sends a blob in one request.
    pub(crate) async fn blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.send("POST", &path, &[], bytes).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        digest
    }

    /// Sends an image of one layer; gives the manifest's bytes.
    pub(crate) async fn image(&self, repository: &str, name: &str, text: &str) -> Vec<u8> {
        let config = self.blob(repository, b"{}").await;
        let layer = self.blob(repository, text.as_bytes()).await;
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/x", "digest": config, "size": 2},
            "layers": [{"mediaType": LAYER, "digest": layer, "size": text.len()}],
        });
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let answer = self.put(repository, name, &bytes).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        bytes
    }

    pub(crate) async fn put(&self, repository: &str, name: &str, bytes: &[u8]) -> Answer {
        let path = format!("/v2/{repository}/manifests/{name}");
        self.send("PUT", &path, &[("content-type", MANIFEST)], bytes)
            .await
    }

    /// The blobs on disk, by name.
    pub(crate) fn blobs(&self) -> Vec<String> {
        names(&self.dir.path().join("content/blobs/sha256"))
    }

    /// What is not complete on disk.
    pub(crate) fn ingests(&self) -> Vec<String> {
        names(&self.dir.path().join("content/ingests"))
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}
