use crate::host::{Host, LAYER, MANIFEST, sha256};
use http::StatusCode;

#[tokio::test]
async fn a_blob_comes_in_pieces_that_must_fit() {
    let host = Host::start().await;
    let begun = host.send("POST", "/v2/a/b/blobs/uploads/", &[], b"").await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let place = begun.header("location").to_owned();
    let piece = |range: &'static str| [("content-range", range)];

    let first = host.send("PATCH", &place, &piece("0-4"), b"hello").await;
    let gap = host.send("PATCH", &place, &piece("9-9"), b"x").await;
    let short = host.send("PATCH", &place, &piece("5-9"), b"x").await;
    let asked = host.get(&place).await;
    let digest = sha256(b"hello world");
    let end = format!("{place}?digest={digest}");
    let put = host.send("PUT", &end, &piece("5-10"), b" world").await;

    assert_eq!(
        (first.status, first.header("range")),
        (StatusCode::ACCEPTED, "0-4")
    );
    assert_eq!(gap.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(short.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        (asked.status, asked.header("range")),
        (StatusCode::NO_CONTENT, "0-4")
    );
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(put.header("docker-content-digest"), digest.to_string());
    assert_eq!(host.get(put.header("location")).await.body, "hello world");
}

#[tokio::test]
async fn an_upload_survives_a_restart_and_can_be_given_up() {
    let host = Host::start().await;
    let begun = host.send("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    let place = begun.header("location").to_owned();
    host.send("PATCH", &place, &[], b"hello").await;

    let host = host.restart().await;
    let asked = host.get(&place).await;
    let gone = host.send("DELETE", &place, &[], b"").await;

    assert_eq!(asked.header("range"), "0-4");
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(host.get(&place).await.code(), "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(host.ingests(), [""; 0]);
}

#[tokio::test]
async fn bytes_that_are_not_what_they_say_are_not_kept() {
    let host = Host::start().await;
    let digest = sha256(b"other");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");

    let lied = host.send("POST", &path, &[], b"hello").await;
    let nonsense = host
        .send("POST", "/v2/a/blobs/uploads/?digest=md5:1", &[], b"")
        .await;

    assert_eq!(
        (lied.status, lied.code().as_str()),
        (StatusCode::BAD_REQUEST, "DIGEST_INVALID")
    );
    assert_eq!(nonsense.code(), "DIGEST_INVALID");
    assert_eq!((host.blobs(), host.ingests()), (vec![], vec![]));
}

#[tokio::test]
async fn sha512_is_a_digest_like_any_other() {
    let host = Host::start().await;
    let digest = content::Hasher::digest(types::Algorithm::Sha512, b"hello");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");

    let sent = host.send("POST", &path, &[], b"hello").await;

    assert_eq!(sent.status, StatusCode::CREATED);
    let read = host.get(&format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(read.body, "hello");
    assert_eq!(host.ingests(), [""; 0]);
}

#[tokio::test]
async fn a_blob_is_mounted_only_from_where_it_is() {
    let host = Host::start().await;
    let digest = host.blob("a", b"hello").await;
    let mount = |from: &str| format!("/v2/b/blobs/uploads/?mount={digest}&from={from}");

    let elsewhere = host.send("POST", &mount("c"), &[], b"").await;
    let before = host.get(&format!("/v2/b/blobs/{digest}")).await;
    let mounted = host.send("POST", &mount("a"), &[], b"").await;

    assert_eq!(elsewhere.status, StatusCode::ACCEPTED);
    assert_eq!(before.code(), "BLOB_UNKNOWN");
    assert_eq!(mounted.status, StatusCode::CREATED);
    assert_eq!(
        host.get(&format!("/v2/b/blobs/{digest}")).await.body,
        "hello"
    );
}

#[tokio::test]
async fn a_manifest_needs_its_blobs_and_no_second_kind() {
    let host = Host::start().await;
    let digest = sha256(b"nowhere");
    let missing = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"x","digest":"{digest}","size":1}},"layers":[]}}"#
    );
    let both = missing.replace("\"layers\"", "\"manifests\":[],\"layers\"");

    for (text, code) in [
        (missing.as_str(), "MANIFEST_BLOB_UNKNOWN"),
        (&both, "MANIFEST_INVALID"),
        ("{", "MANIFEST_INVALID"),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#, "MANIFEST_INVALID"),
    ] {
        assert_eq!(
            host.put("a", "1", text.as_bytes()).await.code(),
            code,
            "{text}"
        );
    }
    let large = vec![b' '; (4 << 20) + 1];
    assert_eq!(
        host.put("a", "1", &large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let image = host.image("a", "1", LAYER).await;
    let other = format!("sha256:{}", "0".repeat(64));
    assert_eq!(host.put("a", &other, &image).await.code(), "DIGEST_INVALID");
    assert_eq!(host.put("a", "-x", &image).await.code(), "MANIFEST_INVALID");
    let named = host.put("A", "1", &image).await;
    assert_eq!(named.code(), "NAME_INVALID");
}

#[tokio::test]
async fn a_manifest_takes_several_tags_at_once() {
    let host = Host::start().await;
    let image = host.image("a", "1", "x").await;
    let name = format!("{}?tag=2&tag=3", sha256(&image));

    let put = host.put("a", &name, &image).await;

    let tags: Vec<_> = put.headers.get_all("oci-tag").iter().collect();
    assert_eq!(tags, ["2", "3"]);
    let tags = host.get("/v2/a/tags/list").await.json();
    assert_eq!(
        tags,
        serde_json::json!({"name": "a", "tags": ["1", "2", "3"]})
    );
}
