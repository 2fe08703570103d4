use crate::server::{OCI, Published, Secret, Server};
use crate::world::{World, archive, sha256};
use images::{Credentials, Error, Event, Images, Patience, Progress, Pull, Remove, Settings};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use types::{Algorithm, ErrorKind, Kind};

pub(crate) fn world() -> World {
    World {
        settings: Settings {
            patience: Patience {
                pause: Duration::from_millis(5),
                silence: Duration::from_millis(1500),
                ..Patience::default()
            },
            ..Settings::default()
        },
        ..World::new()
    }
}

pub(crate) fn request(server: &Server, name: &str) -> Pull {
    Pull {
        reference: format!("{}/{name}", server.address).parse().unwrap(),
        platform: None,
        credentials: None,
    }
}

pub(crate) async fn pull(
    images: &Images,
    server: &Server,
    name: &str,
) -> Result<images::Image, Error> {
    images.pull(request(server, name), Progress::none()).await
}

pub(crate) fn told() -> (Progress, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let progress = Progress::to(move |event| {
        if let Event::Status { id, status } = event {
            let id = id.map(|id| format!("{id}: ")).unwrap_or_default();
            sink.lock().unwrap().push(format!("{id}{status}"));
        }
    });
    (progress, lines)
}

pub(crate) fn assert_nothing(world: &World, images: &Images) {
    assert!(world.files().is_empty(), "{:?}", world.files());
    assert!(images.list().unwrap().is_empty());
    assert!(images.operations().unwrap().is_empty());
}

pub(crate) async fn published(name: &str) -> (Server, Published) {
    let server = Server::start().await;
    let published = server.publish(name, &["one", "two", "three"]);
    (server, published)
}

#[tokio::test]
async fn an_image_is_pulled_in_dockers_words() {
    let (world, (server, image)) = (world(), published("app:1").await);
    let images = world.open();
    let (progress, lines) = told();
    let pulled = images
        .pull(request(&server, "app:1"), progress)
        .await
        .unwrap();
    assert_eq!(pulled.id, image.config);
    assert_eq!(pulled.layers.len(), 3);
    assert_eq!(pulled.manifest.digest, image.manifest);
    let digested = format!("{}/app@{}", server.address, image.manifest);
    assert_eq!(pulled.digests[0].familiar(), digested);
    let lines = lines.lock().unwrap().clone();
    let layer = &image.blobs[0].hex()[..12];
    assert_eq!(lines[0], "1: Pulling from app");
    let of_layer: Vec<_> = lines
        .iter()
        .filter_map(|l| l.strip_prefix(&format!("{layer}: ")))
        .collect();
    assert_eq!(
        of_layer,
        [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Pull complete"
        ]
    );
    let shown = format!("{}/app:1", server.address);
    assert_eq!(
        lines[lines.len() - 2..],
        [
            format!("Digest: {}", image.manifest),
            format!("Status: Downloaded newer image for {shown}")
        ]
    );
    assert_eq!(images.usage().unwrap().total, world.du());
    // Config, manifest, three blobs and three layers.
    assert_eq!(world.files().len(), 8, "{:?}", world.files());
    let (progress, lines) = told();
    images
        .pull(request(&server, "app:1"), progress)
        .await
        .unwrap();
    let last = lines.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last, format!("Status: Image is up to date for {shown}"));
    assert_eq!(server.asked(&image.blobs[0]), 1);
    // By digest, the name is the digest alone.
    let pinned = request(&server, &format!("app@{}", image.manifest));
    assert_eq!(
        images
            .pull(pinned, Progress::none())
            .await
            .unwrap()
            .references
            .len(),
        1
    );
}

/// Publishes an image whose blobs are named by SHA-512, the layer's perhaps by another's.
fn publish_sha512(server: &Server, name: &str, layer_is: &[u8]) {
    let sha512 = |bytes: &[u8]| content::Hasher::digest(Algorithm::Sha512, bytes);
    let layer = archive(&[("file", b"named by SHA-512")]);
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
    }))
    .unwrap();
    let (layer_digest, config_digest) = (sha512(layer_is), sha512(&config));
    server.blob_as(&layer_digest, &layer);
    server.blob_as(&config_digest, &config);
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": {"mediaType": format!("{OCI}.config.v1+json"),
            "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": format!("{OCI}.layer.v1.tar"),
            "digest": layer_digest, "size": layer.len()}],
    }))
    .unwrap();
    server.manifest(name, &format!("{OCI}.manifest.v1+json"), &manifest);
}

#[tokio::test]
async fn blobs_may_be_named_by_sha512_and_are_verified_so() {
    let world = world();
    let images = world.open();
    let server = Server::start().await;
    publish_sha512(&server, "wrong:1", b"something else");
    let refused = pull(&images, &server, "wrong:1").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DataLoss, "{refused:?}");
    assert_nothing(&world, &images);

    let layer = archive(&[("file", b"named by SHA-512")]);
    publish_sha512(&server, "right:1", &layer);
    let image = pull(&images, &server, "right:1").await.unwrap();
    assert_eq!(image.id.algorithm(), Algorithm::Sha512);
    drop(image);
    drop(images);
    // It is found again after a restart.
    let images = world.open();
    let name = format!("{}/right:1", server.address);
    images.resolve(&name).unwrap();
    images.remove(&name, Remove::default()).unwrap();
    assert_nothing(&world, &images);
}

/// The configuration names layers' archives by SHA-512: they are verified so, when they are fetched
/// and when they come in an archive.
#[tokio::test]
async fn archives_of_layers_may_be_named_by_sha512_and_are_verified_so() {
    let server = Server::start().await;
    let (right, wrong) = (&archive(&[("a", b"1")]), &archive(&[("a", b"2")]));
    for (name, layer, other, compressed) in [
        ("app:1", right, right, true),
        ("app:2", right, right, false),
        ("app:3", right, wrong, true),
        ("app:4", right, wrong, false),
    ] {
        let id = content::Hasher::digest(Algorithm::Sha512, other);
        let config = serde_json::json!({"architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [id]}});
        let config = serde_json::to_vec(&config).unwrap();
        let (blob, form) = match compressed {
            true => (crate::world::gzip(layer), "+gzip"),
            false => (layer.clone(), ""),
        };
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
            "config": {"mediaType": format!("{OCI}.config.v1+json"),
                "digest": server.blob(&config), "size": config.len()},
            "layers": [{"mediaType": format!("{OCI}.layer.v1.tar{form}"),
                "digest": server.blob(&blob), "size": blob.len()}],
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        server.manifest(name, &format!("{OCI}.manifest.v1+json"), &manifest);
        let world = world();
        let images = world.open();
        let pulled = pull(&images, &server, name).await;
        if std::ptr::eq(layer, other) {
            let image = pulled.unwrap();
            assert_eq!(image.config.rootfs.diff_ids, [id]);
            let mut saved = Vec::new();
            let names = [format!("{}/{name}", server.address)];
            images
                .save(&names, None)
                .unwrap()
                .write(&mut saved)
                .unwrap();
            let second = self::world();
            let images = second.open();
            let loaded = images.load(crate::world::input(saved), None, Progress::none());
            assert_eq!(loaded.await.unwrap()[0].id, image.id);
        } else {
            let refused = pulled.unwrap_err().to_string();
            assert!(
                refused.contains("its archive has digest sha512:"),
                "{refused}"
            );
            drop(images);
            assert!(world.open().list().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn an_index_leads_to_the_hosts_platform() {
    let world = world();
    let images = world.open();
    let server = Server::start().await;
    let image = server.publish("app:inner", &["one"]);
    let size = server.state().log.len() as u64;
    assert_eq!(size, 0);
    let entry = |digest: &types::Digest, architecture: &str| {
        serde_json::json!({"mediaType": format!("{OCI}.manifest.v1+json"), "digest": digest, "size": 1,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let absent = sha256(b"absent");
    let index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"),
        "manifests": [entry(&absent, "arm64"), entry(&image.manifest, "amd64")],
    }))
    .unwrap();
    let top = server.manifest("app:1", &format!("{OCI}.index.v1+json"), &index);
    let pulled = pull(&images, &server, "app:1").await.unwrap();
    assert_eq!(pulled.manifest.digest, image.manifest);
    assert_eq!(pulled.digests[0].digest(), Some(&top));
    let mut other = request(&server, "app:1");
    other.platform = Some("linux/s390x".parse().unwrap());
    let missing = images.pull(other, Progress::none()).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "no matching manifest for linux/s390x in the manifest list entries"
    );
    let mut other = request(&server, "app:inner");
    other.platform = Some("linux/arm64".parse().unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let progress = Progress::to(move |event| heard.lock().unwrap().push(event));
    images.pull(other, progress).await.unwrap();
    let last = told.lock().unwrap().last().cloned();
    let Some(Event::Status { status, .. }) = last else {
        panic!("no status: {last:?}");
    };
    assert!(
        status.starts_with("WARNING: image with reference")
            && status.ends_with("does not match the specified platform (linux/arm64)"),
        "{status}"
    );
}

#[tokio::test]
async fn the_first_image_of_an_index_keeps_its_digest() {
    let (world, server) = (world(), Server::start().await);
    let images = world.open();
    let [first, second] = [("app:a", &["one"][..]), ("app:b", &["one", "two"])]
        .map(|(name, layers)| server.publish(name, layers));
    let entry = |image: &Published, architecture: &str| {
        serde_json::json!({"mediaType": format!("{OCI}.manifest.v1+json"), "size": 1,
            "digest": image.manifest, "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"),
        "manifests": [entry(&first, "amd64"), entry(&second, "arm64")],
    }))
    .unwrap();
    let top = server.manifest("app:1", &format!("{OCI}.index.v1+json"), &index);
    server.manifest("app:2", &format!("{OCI}.index.v1+json"), &index);
    let has_digest = |name: &str| {
        let image = images.resolve(&format!("{}/{name}", server.address));
        let digests = image.unwrap().digests;
        digests.iter().any(|name| name.digest() == Some(&top))
    };
    pull(&images, &server, "app:1").await.unwrap();
    assert!(has_digest("app:1"));
    let mut other = request(&server, "app:2");
    other.platform = Some("linux/arm64".parse().unwrap());
    let (progress, lines) = told();
    let pulled = images.pull(other, progress).await.unwrap();
    assert_eq!(pulled.id, second.config);
    assert!(has_digest("app:1") && !has_digest("app:2"));
    // Of a layer that is here no more is told.
    let lines = lines.lock().unwrap().clone();
    let of = |blob: &types::Digest| {
        let layer = format!("{}: ", &blob.hex()[..12]);
        let said = lines.iter().filter_map(|line| line.strip_prefix(&layer));
        said.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of(&second.blobs[0]), ["Already exists"]);
    assert_eq!(of(&second.blobs[1])[0], "Pulling fs layer");
    // By the digest itself it is the one that was asked for last.
    let mut pinned = request(&server, &format!("app@{top}"));
    pinned.platform = Some("linux/arm64".parse().unwrap());
    images.pull(pinned, Progress::none()).await.unwrap();
    assert!(!has_digest("app:1") && has_digest("app:2"));
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_broke_off() {
    for no_ranges in [false, true] {
        let (world, (server, image)) = (world(), published("app:1").await);
        let images = world.open();
        server.misbehave(|m| {
            m.cuts = 5;
            m.no_ranges = no_ranges;
        });
        assert_eq!(
            pull(&images, &server, "app:1").await.unwrap().id,
            image.config
        );
        let ranges = server
            .state()
            .log
            .iter()
            .filter(|(_, _, range)| range.is_some())
            .count();
        assert_eq!(ranges, 5);
    }
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again() {
    let (world, (server, image)) = (world(), published("app:1").await);
    let images = world.open();
    server.misbehave(|m| {
        m.unavailable = 2;
        m.limited = (2, Some("0"));
    });
    assert_eq!(
        pull(&images, &server, "app:1").await.unwrap().id,
        image.config
    );
    server.publish("app:2", &["four"]);
    server.misbehave(|m| m.limited = (1, None));
    let limited = pull(&images, &server, "app:2").await.unwrap_err();
    assert_eq!(limited.to_string(), "toomanyrequests: slow down");
}

#[tokio::test]
async fn lying_content_is_refused_and_leaves_nothing() {
    for (name, words) in [
        (
            "corrupt",
            "does not match its digest|unpack|verification failed",
        ),
        ("longer", "has more than the limit"),
        ("cut", "unexpected EOF|closed|reset"),
        ("away", "503"),
        ("digest", "manifest verification failed"),
        ("type", "ambiguous"),
        ("absent", "received unexpected HTTP status: 404"),
    ] {
        let (world, (server, image)) = (world(), published("app:1").await);
        let images = world.open();
        server.misbehave(|m| match name {
            "corrupt" => m.corrupt = true,
            "longer" => m.longer = true,
            "cut" => m.cuts = 1000,
            "away" => m.unavailable = u32::MAX,
            "digest" => m.announced = Some(image.config.clone()),
            "type" => m.content_type = Some("application/vnd.oci.image.index.v1+json"),
            _ => {}
        });
        if name == "absent" {
            server.forget(&image.blobs[1]);
        }
        let failed = chain(&pull(&images, &server, "app:1").await.unwrap_err());
        assert!(
            words.split('|').any(|w| failed.contains(w)),
            "{name}: {failed}"
        );
        assert_nothing(&world, &images);
    }
}

#[tokio::test]
async fn what_is_missing_or_hidden_is_said_in_dockers_words() {
    let (world, (server, _)) = (world(), published("app:1").await);
    let images = world.open();
    let shown = format!("{}/app:2", server.address);
    let missing = pull(&images, &server, "app:2").await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        format!("manifest for {shown} not found: manifest unknown: manifest unknown")
    );
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.resource().unwrap().kind, "manifest");
    server.misbehave(|m| m.secret = Some(Secret::Denied));
    let denied = pull(&images, &server, "app:1").await.unwrap_err();
    assert_eq!(
        denied.to_string(),
        format!(
            "pull access denied for {}/app, repository does not exist or may require \
             'docker login': denied: requested access to the resource is denied",
            server.address
        )
    );
    let nobody = Pull {
        reference: "127.0.0.1:9/x".parse().unwrap(),
        platform: None,
        credentials: None,
    };
    let refused = images.pull(nobody, Progress::none()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(
        refused
            .to_string()
            .starts_with("Get \"http://127.0.0.1:9/v2/\": dial tcp"),
        "{refused}"
    );
    assert_nothing(&world, &images);
}

pub(crate) fn password(text: &str) -> Option<Credentials> {
    Some(Credentials::Password {
        username: "user".to_owned(),
        password: text.to_owned(),
    })
}

#[tokio::test]
async fn credentials_and_tokens_convince_a_registry_and_refusals_end() {
    let (world, (server, image)) = (world(), published("app:1").await);
    let images = world.open();
    server.misbehave(|m| m.secret = Some(Secret::Basic("user:pass")));
    for credentials in [None, password("wrong")] {
        let mut wrong = request(&server, "app:1");
        wrong.credentials = credentials;
        let refused = images.pull(wrong, Progress::none()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused}");
    }
    let mut right = request(&server, "app:1");
    right.credentials = password("pass");
    images.pull(right.clone(), Progress::none()).await.unwrap();
    images
        .remove(&image.config.to_string(), Remove::default())
        .unwrap();

    server.misbehave(|m| m.secret = Some(Secret::Token("t0ken", None)));
    server.state().log.clear();
    images
        .pull(request(&server, "app:1"), Progress::none())
        .await
        .unwrap();
    let log = std::mem::take(&mut server.state().log);
    let tokens: Vec<_> = log
        .iter()
        .filter(|(path, _, _)| path.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 1, "one token serves the whole pull");
    assert_eq!(
        tokens[0].0,
        "/token?service=s&scope=repository%3Aapp%3Apull"
    );
    assert_eq!(tokens[0].1, None);

    server.misbehave(|m| m.secret = Some(Secret::Never));
    let refused = images.pull(right, Progress::none()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused}");
    assert!(server.state().log.len() <= 3, "{:?}", server.state().log);
}

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let (world, (server, image)) = (world(), published("app:1").await);
    let images = world.open();
    let other = Server::start().await;
    // The same content elsewhere, as a delivery network has it.
    other.publish("app:1", &["one", "two", "three"]);
    let published = server.config_of(&image);
    other.blob(&published);
    server.misbehave(|m| {
        m.secret = Some(Secret::Basic("user:pass"));
        m.elsewhere = Some(other.address.clone());
    });
    let mut right = request(&server, "app:1");
    right.credentials = password("pass");
    images.pull(right, Progress::none()).await.unwrap();
    let log = other.state().log.clone();
    assert_eq!(log.len(), 4);
    assert!(log.iter().all(|(_, shown, _)| shown.is_none()), "{log:?}");
}

#[tokio::test]
async fn two_pulls_at_once_fetch_each_layer_once() {
    let (world, (server, image)) = (world(), published("app:1").await);
    let other = server.publish("other:1", &["one", "two", "four"]);
    let images = world.open();
    server.misbehave(|m| m.pause = Some(Duration::from_millis(3)));
    let (first, second, third) = tokio::join!(
        pull(&images, &server, "app:1"),
        pull(&images, &server, "app:1"),
        pull(&images, &server, "other:1"),
    );
    assert_eq!(first.unwrap().id, image.config);
    assert_eq!(second.unwrap().id, image.config);
    assert_eq!(third.unwrap().id, other.config);
    for blob in image.blobs.iter().chain(&other.blobs) {
        assert_eq!(server.asked(blob), 1);
    }
    assert_eq!(images.usage().unwrap().total, world.du());
}

#[tokio::test]
async fn a_pull_whose_caller_goes_away_leaves_nothing() {
    let (world, (server, _)) = (world(), published("app:1").await);
    let images = world.open();
    server.misbehave(|m| m.pause = Some(Duration::from_millis(20)));
    let going = pull(&images, &server, "app:1");
    let gone = tokio::time::timeout(Duration::from_millis(300), going).await;
    assert!(gone.is_err());
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !(world.files().is_empty() && images.operations().unwrap().is_empty()) {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.files());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_nothing(&world, &images);
}

#[tokio::test]
async fn a_silent_registry_is_given_up() {
    let mut world = world();
    world.settings.patience.silence = Duration::from_millis(100);
    world.settings.patience.attempts = 2;
    let (server, _) = published("app:1").await;
    let images = world.open();
    server.misbehave(|m| m.pause = Some(Duration::from_secs(60)));
    let failed = pull(&images, &server, "app:1").await.unwrap_err();
    assert!(failed.to_string().contains("timeout"), "{failed}");
    assert_nothing(&world, &images);
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(error) = at {
        text = format!("{text}: {error}");
        at = error.source();
    }
    text
}

#[tokio::test]
async fn of_an_image_that_is_here_nothing_is_told_of_its_layers() {
    let (world, (server, _)) = (world(), published("app:1").await);
    let images = world.open();
    let mut told = Vec::new();
    for _ in 0..2 {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let progress = Progress::to(move |event| {
            if let Event::Status { status, .. } = event {
                hearing.lock().unwrap().push(status);
            }
        });
        images
            .pull(request(&server, "app:1"), progress)
            .await
            .unwrap();
        told.push(heard.lock().unwrap().clone());
    }
    assert!(
        told[0].iter().any(|line| line == "Pulling fs layer"),
        "{told:?}"
    );
    assert_eq!(told[1].len(), 3, "{told:?}");
    assert!(
        told[1][2].starts_with("Status: Image is up to date for"),
        "{told:?}"
    );
}
