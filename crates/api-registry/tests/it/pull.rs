use crate::host::{Host, MANIFEST, sha256};
use http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_manifest_is_read_by_tag_and_digest_to_the_bit() {
    let host = Host::start().await;
    let image = host.image("a/b", "1", "x").await;
    let digest = sha256(&image).to_string();

    for name in ["1", &digest] {
        let read = host.get(&format!("/v2/a/b/manifests/{name}")).await;
        assert_eq!(read.body, image.as_slice());
        assert_eq!(read.header("content-type"), MANIFEST);
        assert_eq!(read.header("docker-content-digest"), digest);
        let path = format!("/v2/a/b/manifests/{name}");
        let head = host.send("HEAD", &path, &[], b"").await;
        assert_eq!(head.header("content-length"), image.len().to_string());
        assert!(head.body.is_empty());
    }
    let missing = host.get("/v2/a/b/manifests/9").await;
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN")
    );
    assert_eq!(
        host.get("/v2/z/manifests/1").await.code(),
        "MANIFEST_UNKNOWN"
    );
}

#[tokio::test]
async fn a_stretch_of_a_blob_is_read() {
    let host = Host::start().await;
    let digest = host.blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");

    let part = host
        .send("GET", &path, &[("range", "bytes=2-4")], b"")
        .await;
    let none = host
        .send("GET", &path, &[("range", "bytes=10-")], b"")
        .await;

    assert_eq!(
        (part.status, &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, &b"234"[..])
    );
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(none.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let host = Host::start().await;
    for tag in ["c", "a", "b", "d"] {
        host.image("r", tag, tag).await;
    }

    let first = host.get("/v2/r/tags/list?n=2").await;
    let next = first.header("link").to_owned();
    let rest = host.get("/v2/r/tags/list?n=2&last=b").await;

    assert_eq!(first.json()["tags"], json!(["a", "b"]));
    assert_eq!(next, "</v2/r/tags/list?last=b&n=2>; rel=\"next\"");
    assert_eq!(rest.json()["tags"], json!(["c", "d"]));
    assert!(!rest.headers.contains_key("link"));
    assert_eq!(
        host.get("/v2/r/tags/list?n=0").await.json()["tags"],
        json!([])
    );
    assert_eq!(
        host.get("/v2/r/tags/list?n=x").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(host.get("/v2/z/tags/list").await.code(), "NAME_UNKNOWN");
    assert_eq!(
        host.get("/v2/_catalog").await.json(),
        json!({"repositories": ["r"]})
    );
}

#[tokio::test]
async fn manifests_about_another_are_listed_and_sorted_out() {
    let host = Host::start().await;
    let image = host.image("a", "1", "x").await;
    let subject = sha256(&image);
    for kind in ["x/sig", "x/sbom"] {
        let about = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json",
                "digest": sha256(b"{}"), "size": 2},
            "layers": [], "annotations": {"k": kind},
            "subject": {"mediaType": MANIFEST, "digest": subject, "size": image.len()},
        });
        let bytes = serde_json::to_vec(&about).unwrap();
        let put = host.put("a", &sha256(&bytes).to_string(), &bytes).await;
        assert_eq!(put.header("oci-subject"), subject.to_string());
    }

    let all = host.get(&format!("/v2/a/referrers/{subject}")).await;
    let path = format!("/v2/a/referrers/{subject}?artifactType=x%2Fsig");
    let one = host.get(&path).await;
    let none = host.get(&format!("/v2/a/referrers/{}", sha256(b"?"))).await;

    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 2);
    assert_eq!(one.json()["manifests"][0]["artifactType"], "x/sig");
    assert_eq!(
        one.json()["manifests"][0]["annotations"],
        json!({"k": "x/sig"})
    );
    assert_eq!(one.json()["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(one.header("oci-filters-applied"), "artifactType");
    assert_eq!(
        (none.status, &none.json()["manifests"]),
        (StatusCode::OK, &json!([]))
    );
}
