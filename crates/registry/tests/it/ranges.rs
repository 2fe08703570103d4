//! Big blobs: in stretches, several at once, from servers that know ranges and from others.

use crate::server::{Server, status};
use crate::{registries, settings};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use oci::image::{Descriptor, media_type};
use registry::{Access, Split};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: u64 = 100_000;

fn content() -> Bytes {
    (0..SIZE)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

/// The range that a request names.
fn range(request: &Request<Bytes>) -> Option<&str> {
    let value = request.headers().get("range")?;
    Some(value.to_str().unwrap())
}

/// The bytes that a request asks for, or all.
fn part(request: &Request<Bytes>, content: &Bytes) -> Response<Full<Bytes>> {
    let Some(range) = range(request).and_then(|range| range.strip_prefix("bytes=")) else {
        return Response::new(Full::from(content.clone()));
    };
    let (first, last) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let last = last.parse().unwrap_or(content.len() - 1);
    Response::builder()
        .status(206)
        .header(
            "content-range",
            format!("bytes {first}-{last}/{}", content.len()),
        )
        .body(Full::from(content.slice(first..=last)))
        .unwrap()
}

/// Fetches a blob from byte `from` on, in stretches of 10,000 bytes.
async fn fetch(server: &Server, least: u64, from: u64) -> Result<Vec<u8>, String> {
    let mut settings = settings(std::path::Path::new("/nonexistent"));
    settings.patience.attempts = 3;
    settings.split = Split {
        least,
        stretch: 10_000,
        ahead: 3,
    };
    let reference = format!("{}/a", server.address).parse().unwrap();
    let repository = registries(settings).repository(&reference, None, Access::Pull);
    let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let blob = Descriptor::new(media_type::LAYER, digest, SIZE);
    let mut download = repository.unwrap().blob(&blob, from);
    let mut fetched = Vec::new();
    while let Some(chunk) = download.chunk().await.map_err(|error| error.to_string())? {
        fetched.extend_from_slice(&chunk);
        assert_eq!(download.at(), from + fetched.len() as u64);
    }
    Ok(fetched)
}

#[tokio::test]
async fn a_big_blob_comes_in_stretches_and_in_order() {
    let server = Server::plain(|request| part(request, &content())).await;
    for from in [0, 1, 9_999, 10_000, 95_000, SIZE] {
        let fetched = fetch(&server, 1, from).await.unwrap();
        assert!(
            fetched == content()[usize::try_from(from).unwrap()..],
            "{from}"
        );
    }
    assert_eq!(fetch(&server, SIZE + 1, 0).await.unwrap(), content());
    let mut ranges = server.shown("range");
    assert_eq!(ranges.pop(), Some(None), "a small one comes whole");
    ranges.truncate(10);
    ranges.sort();
    assert_eq!(ranges.first().unwrap().as_deref(), Some("bytes=0-9999"));
    assert_eq!(ranges.last().unwrap().as_deref(), Some("bytes=90000-"));
}

#[tokio::test]
async fn a_server_without_ranges_is_asked_once() {
    let server = Server::plain(|_| Response::new(Full::from(content()))).await;
    for from in [0, 25_000] {
        let fetched = fetch(&server, 1, from).await.unwrap();
        assert!(
            fetched == content()[usize::try_from(from).unwrap()..],
            "{from}"
        );
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_stretch_that_fails_is_asked_for_again_and_at_last_ends_the_blob() {
    let asked = Arc::new(AtomicUsize::new(0));
    let once = Arc::clone(&asked);
    let server = Server::plain(move |request| {
        match range(request) == Some("bytes=30000-39999") && once.fetch_add(1, Ordering::SeqCst) < 1
        {
            true => status(503),
            false => part(request, &content()),
        }
    })
    .await;
    assert_eq!(fetch(&server, 1, 0).await.unwrap(), content());
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let server = Server::plain(|request| match range(request) {
        Some("bytes=30000-39999") => status(503),
        _ => part(request, &content()),
    })
    .await;
    let error = fetch(&server, 1, 0).await.unwrap_err();
    assert!(error.contains("503"), "{error}");
}

#[tokio::test]
async fn a_server_that_forgets_its_ranges_gives_no_byte_twice() {
    let server = Server::plain(|request| match range(request) {
        Some("bytes=0-9999") => part(request, &content()),
        _ => Response::new(Full::from(content())),
    })
    .await;
    assert_eq!(fetch(&server, 1, 0).await.unwrap(), content());
}
