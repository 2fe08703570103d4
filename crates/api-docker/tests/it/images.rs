//! Images by import, their documents, names and removal.

use crate::host::Host;
use docker_schema::image::{DeleteItem, Inspect, Summary};
use serde_json::Value;

#[test]
fn an_image_is_imported_named_shown_and_removed() {
    let host = Host::new();
    let Some(name) = host.busybox() else { return };
    let list: Vec<Summary> = host.get("/images/json").document();
    let [image] = list.as_slice() else {
        panic!("one image: {list:?}");
    };
    assert_eq!(image.repo_tags, Some(vec![name.to_owned()]));
    let inspect: Inspect = host.get(&format!("/images/{name}/json")).document();
    assert_eq!(inspect.id, image.id);
    assert_eq!(inspect.root_fs.layers.len(), 1);
    // Who made it is said, as by docker.
    let version = host.get("/version").json()["Version"].clone();
    assert_eq!(Value::from(inspect.docker_version), version);
    let tagged = host.post(
        &format!("/images/{name}/tag?repo=a/b/c&tag=d"),
        &Value::Null,
    );
    assert_eq!(tagged.status, 201);
    assert_eq!(host.get("/images/a/b/c:d/json").status, 200);
    assert_eq!(
        host.get("/images/a/b/c:d/history").json()[0]["Id"],
        Value::from(image.id.clone())
    );
    let filter = "/images/json?filters=%7B%22reference%22%3A%5B%22a/b/*%22%5D%7D";
    assert_eq!(host.get(filter).json().as_array().map(Vec::len), Some(1));
    let removed: Vec<DeleteItem> = host.request("DELETE", "/images/a/b/c:d", b"").document();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0].untagged, "a/b/c:d");
    let removed: Vec<DeleteItem> = host
        .request("DELETE", &format!("/images/{name}"), b"")
        .document();
    assert!(
        removed.iter().any(|item| item.deleted == image.id),
        "{removed:?}"
    );
    assert_eq!(host.get("/images/json").text(), "[]\n");
}

#[test]
fn a_build_is_refused_by_name_when_all_was_sent() {
    let host = Host::new();
    let context = vec![0; 4 << 20];
    for path in ["/build?t=built", "/v1.24/build", "/session"] {
        let answer = host.request("POST", path, &context);
        assert_eq!(answer.status, 501, "{path}");
        let words = "building images is not supported: build them elsewhere, and load, import or \
                     pull them";
        assert_eq!(answer.message(), words, "{path}");
    }
}

#[test]
fn a_bad_archive_is_an_error_in_the_stream() {
    let host = Host::new();
    let answer = host.request("POST", "/images/create?fromSrc=-&repo=bad", &[7; 2048]);
    assert_eq!(answer.status, 200);
    let line = answer.json();
    let message = line["error"].as_str().unwrap();
    assert!(!message.is_empty());
    assert_eq!(line["errorDetail"]["message"], message);
}
