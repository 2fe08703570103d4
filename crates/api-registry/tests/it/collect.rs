use crate::host::{Host, depot, sha256};
use http::StatusCode;

#[tokio::test]
async fn what_is_deleted_goes_unless_another_repository_has_it() {
    let host = Host::start().await;
    let image = host.image("a", "1", "x").await;
    host.image("b", "1", "x").await;
    let manifest = sha256(&image);
    let before = host.blobs();

    for repository in ["a", "b"] {
        let path = format!("/v2/{repository}/manifests/{manifest}");
        let deleted = host.send("DELETE", &path, &[], b"").await;
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        let tags = host
            .get(&format!("/v2/{repository}/tags/list"))
            .await
            .json();
        assert_eq!(tags["tags"], serde_json::json!([]));
        assert_eq!(host.blobs() == before, repository == "a");
    }
    for blob in [sha256(b"x"), sha256(b"{}")] {
        for repository in ["a", "b"] {
            let path = format!("/v2/{repository}/blobs/{blob}");
            assert_eq!(
                host.send("DELETE", &path, &[], b"").await.status,
                StatusCode::ACCEPTED
            );
            assert_eq!(
                host.send("DELETE", &path, &[], b"").await.code(),
                "BLOB_UNKNOWN"
            );
        }
    }
    assert_eq!(host.blobs(), [""; 0]);
}

#[tokio::test]
async fn a_tag_is_deleted_alone() {
    let host = Host::start().await;
    let image = host.image("a", "1", "x").await;

    let deleted = host.send("DELETE", "/v2/a/manifests/1", &[], b"").await;

    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(
        host.get("/v2/a/manifests/1").await.status,
        StatusCode::NOT_FOUND
    );
    let kept = host
        .get(&format!("/v2/a/manifests/{}", sha256(&image)))
        .await;
    assert_eq!(kept.status, StatusCode::OK);
}

#[tokio::test]
async fn a_blob_that_a_crash_left_goes_at_the_next_start() {
    let host = Host::start().await;
    host.image("a", "1", "x").await;
    let before = host.blobs();
    let orphan = host
        .root()
        .join("content/blobs/sha256")
        .join("0".repeat(64));
    std::fs::write(&orphan, b"lost").unwrap();

    let host = host.restart().await;

    assert_eq!(host.blobs(), before);
    assert!(!orphan.exists());
}

#[tokio::test]
async fn one_directory_has_one_registry() {
    let host = Host::start().await;

    let second = depot(&host.root()).unwrap_err();

    assert_eq!(second.to_string(), "cannot open the database");
}
