//! What is about a manifest, in registries that keep no list of it.

use crate::server::{Server, status};
use crate::{registries, settings};
use bytes::Bytes;
use content::Hasher;
use http::{Method, Request, Response};
use http_body_util::Full;
use oci::Reference;
use oci::image::{Descriptor, Manifest, media_type};
use registry::{Access, Repository};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use types::{Algorithm, Digest};

/// Manifests by tag and digest, with what was asked.
#[derive(Default)]
struct Store {
    manifests: HashMap<String, (String, Bytes)>,
    asked: Vec<String>,
}

impl Store {
    /// A registry of before image-spec 1.1: no list of referrers, no word of a subject.
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        self.asked.push(format!("{method} {}", request.uri()));
        let Some(name) = path.strip_prefix("/v2/a/manifests/") else {
            return match path {
                "/v2/" => Response::default(),
                _ => status(404),
            };
        };
        if method == Method::PUT {
            let kind = request.headers()["content-type"].to_str().unwrap();
            let kept = (kind.to_owned(), request.body().clone());
            let digest = sha256(request.body()).to_string();
            self.manifests.insert(digest, kept.clone());
            self.manifests.insert(name.to_owned(), kept);
            return Response::builder()
                .status(201)
                .body(Full::default())
                .unwrap();
        }
        let Some((kind, bytes)) = self.manifests.get(name).cloned() else {
            return status(404);
        };
        if method == Method::DELETE {
            self.manifests.remove(name);
            return Response::builder()
                .status(202)
                .body(Full::default())
                .unwrap();
        }
        let answer = Response::builder().header("content-type", kind);
        answer.body(Full::from(bytes)).unwrap()
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

async fn place() -> (Server, Arc<Mutex<Store>>, Repository, Reference) {
    let store = Arc::new(Mutex::new(Store::default()));
    let answering = Arc::clone(&store);
    let server = Server::plain(move |request| answering.lock().unwrap().answer(request)).await;
    let reference: Reference = format!("{}/a", server.address).parse().unwrap();
    let registries = registries(settings(std::path::Path::new("/nonexistent")));
    let repository = registries.repository(&reference, None, Access::Remove);
    (server, store, repository.unwrap(), reference)
}

/// Sends a manifest of this kind about `subject`, under its digest.
async fn put(repository: &Repository, kind: &str, subject: Option<&Descriptor>) -> Descriptor {
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type::MANIFEST.to_owned()),
        artifact_type: Some(kind.to_owned()),
        config: Descriptor::new("application/vnd.oci.empty.v1+json", sha256(b"{}"), 2),
        layers: Vec::new(),
        subject: subject.cloned(),
        annotations: BTreeMap::from([("kind".to_owned(), kind.to_owned())]),
    };
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let size = bytes.len() as u64;
    let descriptor = Descriptor::new(media_type::MANIFEST, sha256(&bytes), size);
    let name = descriptor.digest.to_string();
    let sent = repository.put_manifest(&name, &descriptor, &bytes).await;
    sent.unwrap();
    descriptor
}

#[tokio::test]
async fn they_are_under_a_tag_until_they_are_removed() {
    let (_server, store, repository, reference) = place().await;
    let image = put(&repository, "x/image", None).await;
    let none = repository.referrers(&image.digest, None).await.unwrap();
    assert!(none.is_empty());

    let signature = put(&repository, "x/signature", Some(&image)).await;
    let parts = put(&repository, "x/parts", Some(&image)).await;
    // Sent once more, it is listed once.
    put(&repository, "x/parts", Some(&image)).await;
    let all = repository.referrers(&image.digest, None).await.unwrap();
    let told: Vec<_> = all.iter().map(|entry| &entry.digest).collect();
    assert_eq!(told, [&signature.digest, &parts.digest]);
    assert_eq!(all[0].artifact_type.as_deref(), Some("x/signature"));
    assert_eq!(all[1].annotations["kind"], "x/parts");
    let tag = format!("sha256-{}", image.digest.hex());
    assert!(store.lock().unwrap().manifests.contains_key(&tag));

    let one = repository.referrers(&image.digest, Some("x/parts")).await;
    assert_eq!(one.unwrap()[..].len(), 1);
    let path = format!(
        "GET /v2/a/referrers/{}?artifactType=x%2Fparts",
        image.digest
    );
    assert!(store.lock().unwrap().asked.contains(&path));

    let gone = reference.with_digest(&signature.digest);
    repository.remove_manifest(&gone).await.unwrap();
    let left = repository.referrers(&image.digest, None).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].digest, parts.digest);
    let again = repository.remove_manifest(&gone).await.unwrap_err();
    assert!(again.to_string().contains("manifest unknown"), "{again}");
}

#[tokio::test]
async fn a_blob_is_removed_once() {
    let kept = Arc::new(Mutex::new(vec![sha256(b"x").to_string()]));
    let answering = Arc::clone(&kept);
    let server = Server::plain(move |request| {
        let blob = request.uri().path().strip_prefix("/v2/a/blobs/");
        let mut kept = answering.lock().unwrap();
        let before = kept.len();
        kept.retain(|digest| request.method() != Method::DELETE || blob != Some(digest));
        status(if kept.len() < before { 202 } else { 404 })
    })
    .await;
    let reference: Reference = format!("{}/a", server.address).parse().unwrap();
    let registries = registries(settings(std::path::Path::new("/nonexistent")));
    let repository = registries.repository(&reference, None, Access::Remove);
    let repository = repository.unwrap();
    repository.remove_blob(&sha256(b"x")).await.unwrap();
    assert!(kept.lock().unwrap().is_empty());
    let again = repository.remove_blob(&sha256(b"x")).await.unwrap_err();
    let refused = matches!(again, registry::Error::Status { status: 404, .. });
    assert!(refused, "{again:?}");
}
