//! A small registry on loopback, which misbehaves on demand.

use crate::world::{archive, gzip, sha256};
use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RANGE, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use types::Digest;

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// How blobs are served wrongly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mischief {
    /// So many answers break off in their middle.
    pub(crate) cuts: u32,
    /// Ranges are ignored.
    pub(crate) no_ranges: bool,
    /// The bytes are others.
    pub(crate) corrupt: bool,
    /// There are more bytes.
    pub(crate) longer: bool,
    /// So many answers are `503`.
    pub(crate) unavailable: u32,
    /// So many answers are `429`, with this `Retry-After`.
    pub(crate) limited: (u32, Option<&'static str>),
    /// Between pieces of a body.
    pub(crate) pause: Option<Duration>,
    /// Blobs are at this other server.
    pub(crate) elsewhere: Option<String>,
    /// Only who shows this may see anything.
    pub(crate) secret: Option<Secret>,
    /// So many uploads break off in their middle.
    pub(crate) upload_cuts: u32,
    /// Blobs of other repositories are not mounted.
    pub(crate) no_mounts: bool,
    /// Nobody sees which blobs are there.
    pub(crate) hidden: bool,
    /// The type that manifests are sent as.
    pub(crate) content_type: Option<&'static str>,
    /// The digest that is announced with manifests.
    pub(crate) announced: Option<Digest>,
}

#[derive(Clone, Debug)]
pub(crate) enum Secret {
    Basic(&'static str),
    /// The token that the token server gives, and the realm if it is not this server.
    Token(&'static str, Option<String>),
    /// Nothing is ever enough.
    Never,
    /// The repository is hidden.
    Denied,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    blobs: HashMap<String, Bytes>,
    manifests: HashMap<String, (String, Bytes)>,
    /// Uploads that go on, by their sessions.
    pub(crate) uploads: HashMap<String, Vec<u8>>,
    pub(crate) mischief: Mischief,
    /// Method, path and query, `Authorization`, `Range`.
    pub(crate) log: Vec<(String, Option<String>, Option<String>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

/// What was published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) config: Digest,
    pub(crate) manifest: Digest,
    pub(crate) blobs: Vec<Digest>,
}

pub(crate) const OCI: &str = "application/vnd.oci.image";

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            state: Arc::default(),
        };
        tokio::spawn(server.clone().serve(listener));
        server
    }

    async fn serve(self, listener: tokio::net::TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = self.clone();
            let service = hyper::service::service_fn(move |request| {
                let server = server.clone();
                async move { server.take(request).await }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn misbehave(&self, change: impl FnOnce(&mut Mischief)) {
        change(&mut self.state().mischief);
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let bytes = Bytes::copy_from_slice(bytes);
        self.state().blobs.insert(digest.to_string(), bytes);
        digest
    }

    /// A blob under a digest that may be another's.
    pub(crate) fn blob_as(&self, digest: &Digest, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.state().blobs.insert(digest.to_string(), bytes);
    }

    pub(crate) fn manifest(&self, name: &str, media_type: &str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let value = (media_type.to_owned(), Bytes::copy_from_slice(bytes));
        let (repository, _) = name.split_once(':').unwrap();
        let mut state = self.state();
        state.manifests.insert(name.to_owned(), value.clone());
        state
            .manifests
            .insert(format!("{repository}:{digest}"), value);
        digest
    }

    /// Publishes an image of layers with these contents, each padded to be worth a stream.
    pub(crate) fn publish(&self, name: &str, layers: &[&str]) -> Published {
        let archives: Vec<Vec<u8>> = layers
            .iter()
            .map(|text| archive(&[(&format!("file-{text}"), &noise(text, 300_000))]))
            .collect();
        let diff_ids: Vec<Digest> = archives.iter().map(|a| sha256(a)).collect();
        let config = serde_json::to_vec(&serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }))
        .unwrap();
        let blobs: Vec<Vec<u8>> = archives.iter().map(|a| gzip(a)).collect();
        let described: Vec<_> = blobs
            .iter()
            .map(|blob| {
                serde_json::json!({"mediaType": format!("{OCI}.layer.v1.tar+gzip"),
                    "digest": self.blob(blob), "size": blob.len()})
            })
            .collect();
        let manifest = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
            "config": {"mediaType": format!("{OCI}.config.v1+json"),
                "digest": self.blob(&config), "size": config.len()},
            "layers": described,
        }))
        .unwrap();
        Published {
            config: sha256(&config),
            manifest: self.manifest(name, &format!("{OCI}.manifest.v1+json"), &manifest),
            blobs: blobs.iter().map(|blob| sha256(blob)).collect(),
        }
    }

    /// Loses a blob.
    pub(crate) fn forget(&self, digest: &Digest) {
        self.state().blobs.remove(&digest.to_string());
    }

    /// The configuration's bytes.
    pub(crate) fn config_of(&self, image: &Published) -> Vec<u8> {
        self.state().blobs[&image.config.to_string()].to_vec()
    }

    /// How often a blob was asked for.
    pub(crate) fn asked(&self, digest: &Digest) -> usize {
        let state = self.state();
        let hit = |(path, _, _): &&(String, _, _)| path.contains(&digest.to_string());
        state.log.iter().filter(hit).count()
    }

    /// The manifest's bytes.
    pub(crate) fn manifest_of(&self, name: &str) -> Vec<u8> {
        self.state().manifests[name].1.to_vec()
    }

    /// From now on nobody sees which blobs are there.
    pub(crate) fn hide_blobs(&self) {
        self.misbehave(|mischief| mischief.hidden = true);
    }

    async fn take(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let path = request.uri().path().to_owned();
        if let Some((_, session)) = path.split_once("/blobs/uploads/")
            && request.method() == http::Method::GET
        {
            return Ok(self.standing(session, StatusCode::NO_CONTENT));
        }
        match *request.method() {
            http::Method::GET | http::Method::HEAD => Ok(self.answer(&request)),
            _ => match self.admit(&request) {
                Some(refusal) => Ok(refusal),
                None => self.write(request).await,
            },
        }
    }

    /// Notes a request that writes, and refuses it if its sender shows too little.
    fn admit(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let shown = request.headers().get(AUTHORIZATION);
        let shown = shown.map(|value| value.to_str().unwrap().to_owned());
        let mut state = self.state();
        let line = format!("{} {}", request.method(), request.uri());
        state.log.push((line, shown.clone(), None));
        self.refuse(&state.mischief, shown.as_deref())
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let text = |name| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let path = request.uri().path_and_query().unwrap().to_string();
        let (shown, range) = (text(AUTHORIZATION), text(RANGE));
        let mut state = self.state();
        state.log.push((path.clone(), shown.clone(), range.clone()));
        if path.starts_with("/token") {
            return match state.mischief.secret {
                Some(Secret::Token(token, _)) => full(format!("{{\"token\":\"{token}\"}}")),
                _ => status(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "wrong password"),
            };
        }
        if let Some(refusal) = self.refuse(&state.mischief, shown.as_deref()) {
            return refusal;
        }
        let path = path.strip_prefix("/v2/").unwrap_or_default();
        if path.is_empty() {
            return full("{}");
        }
        if let Some((repository, name)) = path.split_once("/manifests/") {
            return manifest(&state, &format!("{repository}:{name}"));
        }
        if let Some((repository, query)) = path.split_once("/tags/list?") {
            return tags(&state, repository, query);
        }
        let digest = path
            .split_once("/blobs/")
            .map_or(path, |(_, digest)| digest)
            .to_owned();
        if request.method() == http::Method::HEAD && state.mischief.hidden {
            return status(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown");
        }
        blob(&mut state, &digest, range.as_deref())
    }

    fn refuse(&self, mischief: &Mischief, shown: Option<&str>) -> Option<Response<Body>> {
        let challenge = match mischief.secret.as_ref()? {
            Secret::Basic(pair) => {
                use base64::Engine;
                let engine = base64::engine::general_purpose::STANDARD;
                if shown == Some(&format!("Basic {}", engine.encode(pair))) {
                    return None;
                }
                "Basic realm=\"r\"".to_owned()
            }
            Secret::Token(token, realm) => {
                if shown == Some(&format!("Bearer {token}")) {
                    return None;
                }
                let own = format!("http://{}/token", self.address);
                let realm = realm.as_ref().unwrap_or(&own);
                format!("Bearer realm=\"{realm}\",service=\"s\"")
            }
            Secret::Never => format!("Bearer realm=\"http://{}/token\"", self.address),
            Secret::Denied => {
                let words = "requested access to the resource is denied";
                return Some(status(StatusCode::UNAUTHORIZED, "DENIED", words));
            }
        };
        let mut refusal = status(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "authentication required",
        );
        refusal
            .headers_mut()
            .insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        Some(refusal)
    }
}

impl State {
    pub(crate) fn has(&self, digest: &str) -> bool {
        self.blobs.contains_key(digest)
    }
}

/// Two tags at a time, whatever was asked for.
fn tags(state: &State, repository: &str, query: &str) -> Response<Body> {
    let after = query.split_once("last=").map_or("", |(_, last)| last);
    let names = state.manifests.keys().filter_map(|name| {
        let (own, tag) = name.split_once(':')?;
        (own == repository && !tag.contains(':') && tag > after).then_some(tag)
    });
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let more = names.len() > 2;
    names.truncate(2);
    let mut answer = full(serde_json::json!({"name": repository, "tags": names}).to_string());
    if more {
        let next = "</next>; rel=\"next\"".parse().unwrap();
        answer.headers_mut().insert("link", next);
    }
    answer
}

fn manifest(state: &State, name: &str) -> Response<Body> {
    let Some((media_type, bytes)) = state.manifests.get(name) else {
        return status(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "manifest unknown",
        );
    };
    let mut answer = full(bytes.clone());
    let media_type = state.mischief.content_type.unwrap_or(media_type);
    let headers = answer.headers_mut();
    headers.insert("content-type", media_type.parse().unwrap());
    if let Some(digest) = &state.mischief.announced {
        headers.insert("docker-content-digest", digest.to_string().parse().unwrap());
    }
    answer
}

fn blob(state: &mut State, digest: &str, range: Option<&str>) -> Response<Body> {
    let mischief = &mut state.mischief;
    if mischief.unavailable > 0 {
        mischief.unavailable -= 1;
        return status(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "later");
    }
    if mischief.limited.0 > 0 {
        mischief.limited.0 -= 1;
        let mut answer = status(
            StatusCode::TOO_MANY_REQUESTS,
            "TOOMANYREQUESTS",
            "slow down",
        );
        if let Some(after) = mischief.limited.1 {
            answer
                .headers_mut()
                .insert("retry-after", after.parse().unwrap());
        }
        return answer;
    }
    if let Some(host) = &mischief.elsewhere {
        let mut answer = full("");
        *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        let to = format!("http://{host}/v2/x/blobs/{digest}?signature=s3cret");
        answer.headers_mut().insert(LOCATION, to.parse().unwrap());
        return answer;
    }
    let digest = digest.split('?').next().unwrap();
    let Some(bytes) = state.blobs.get(digest) else {
        return status(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown");
    };
    let mut bytes = bytes.to_vec();
    if mischief.corrupt {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
    }
    if mischief.longer {
        bytes.extend_from_slice(&[0; 100]);
    }
    let total = bytes.len();
    let from = range.filter(|_| !mischief.no_ranges).map(|range| {
        range
            .strip_prefix("bytes=")
            .unwrap()
            .trim_end_matches('-')
            .parse::<usize>()
            .unwrap()
    });
    let mut rest = bytes.split_off(from.unwrap_or(0));
    let length = rest.len();
    // Small answers, as configurations are, are left whole.
    let cut = mischief.cuts > 0 && length > 10_000;
    if cut {
        mischief.cuts -= 1;
        // Endlessly often means at once, so that nothing is gained.
        rest.truncate(if mischief.cuts < 100 { length / 2 } else { 0 });
    }
    let mut answer = Response::new(body(rest, cut, mischief.pause));
    answer.headers_mut().insert("content-length", length.into());
    if let Some(from) = from {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {from}-{}/{total}", total - 1);
        answer
            .headers_mut()
            .insert("content-range", range.parse().unwrap());
    }
    answer
}

fn body(bytes: Vec<u8>, cut: bool, pause: Option<Duration>) -> Body {
    let mut pieces: Vec<io::Result<Frame<Bytes>>> = bytes
        .chunks(8 << 10)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    if cut {
        pieces.push(Err(io::ErrorKind::ConnectionReset.into()));
    }
    let pieces = futures_util::stream::unfold(pieces.into_iter(), move |mut left| async move {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        left.next().map(|piece| (piece, left))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(bytes.into()).map_err(|never| match never {});
    Response::new(BodyExt::boxed(body))
}

pub(crate) fn status(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
    let mut answer = full(text);
    *answer.status_mut() = status;
    answer
}

/// Bytes that compress badly, the same for the same seed.
pub(crate) fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed
        .bytes()
        .fold(0x9E37_79B9_u64, |h, b| h.wrapping_mul(31) + u64::from(b));
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
