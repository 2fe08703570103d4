use crate::pull::{assert_nothing, published, pull, request, told, world};
use crate::server::{Secret, Server};
use images::{Credentials, Error, Images, Progress, Push};
use types::{ErrorKind, Kind};

/// An image pulled from one registry and named for another.
async fn ready() -> (crate::world::World, Images, Server, Server, images::Image) {
    let (world, (from, _)) = (world(), published("app:1").await);
    let to = Server::start().await;
    let images = world.open();
    let image = pull(&images, &from, "app:1").await.unwrap();
    let name = format!("{}/mine:2", to.address).parse().unwrap();
    images.tag(&image.id.to_string(), &name).unwrap();
    (world, images, from, to, image)
}

fn to(server: &Server, name: &str) -> Push {
    Push {
        reference: request(server, name).reference,
        platform: None,
        credentials: None,
    }
}

#[tokio::test]
async fn what_is_pushed_is_what_was_pulled_to_the_bit() {
    let (_world, images, from, server, image) = ready().await;
    let (progress, lines) = told();

    images.push(to(&server, "mine:2"), progress).await.unwrap();

    let pushed = server.manifest_of("mine:2");
    assert_eq!(pushed, from.manifest_of("app:1"));
    let lines = lines.lock().unwrap().join("\n");
    let name = format!("The push refers to repository [{}/mine]", server.address);
    assert!(lines.starts_with(&name), "{lines}");
    assert_eq!(lines.matches(": Preparing").count(), 3);
    assert_eq!(lines.matches(": Pushed").count(), 3);
    let digest = image.manifest.digest.to_string();
    let last = format!("2: digest: {digest} size: {}", image.manifest.size);
    assert!(lines.ends_with(&last), "{lines}");
    let named = images.resolve(&image.id.to_string()).unwrap().digests;
    assert!(named.iter().any(|name| name.domain() == server.address));
}

#[tokio::test]
async fn blobs_that_are_there_are_not_sent_and_those_next_door_are_mounted() {
    let (_world, images, _from, server, image) = ready().await;
    images
        .push(to(&server, "mine:2"), Progress::none())
        .await
        .unwrap();
    let (progress, lines) = told();

    images.push(to(&server, "mine:2"), progress).await.unwrap();

    let lines = lines.lock().unwrap().join("\n");
    assert_eq!(
        lines.matches(": Layer already exists").count(),
        3,
        "{lines}"
    );
    server.hide_blobs();
    let other = request(&server, "other:1").reference;
    images.tag(&image.id.to_string(), &other).unwrap();
    let (progress, lines) = told();
    images.push(to(&server, "other:1"), progress).await.unwrap();
    let lines = lines.lock().unwrap().join("\n");
    assert_eq!(lines.matches(": Mounted from mine").count(), 3, "{lines}");
}

#[tokio::test]
async fn an_upload_that_is_cut_goes_on_where_it_was() {
    let (_world, images, from, server, _) = ready().await;
    server.misbehave(|m| m.upload_cuts = 3);

    images
        .push(to(&server, "mine:2"), Progress::none())
        .await
        .unwrap();

    assert_eq!(server.manifest_of("mine:2"), from.manifest_of("app:1"));
    let state = server.state();
    let patched = state
        .log
        .iter()
        .filter(|(path, _, _)| path.starts_with("PATCH"));
    assert!(patched.count() >= 1, "{:?}", state.log);
}

#[tokio::test]
async fn a_push_asks_for_a_token_that_may_write() {
    let (_world, images, _from, server, _) = ready().await;
    server.misbehave(|m| m.secret = Some(Secret::Token("t", None)));
    let push = Push {
        credentials: Some(Credentials::Password {
            username: "u".into(),
            password: "p".into(),
        }),
        ..to(&server, "mine:2")
    };

    images.push(push, Progress::none()).await.unwrap();

    let state = server.state();
    let asked = state
        .log
        .iter()
        .find(|(path, _, _)| path.contains("/token"));
    let (path, _, _) = asked.unwrap();
    assert!(
        path.contains("scope=repository%3Amine%3Apull%2Cpush"),
        "{path}"
    );
}

#[tokio::test]
async fn a_push_that_is_refused_says_so_and_leaves_no_name() {
    let (_world, images, _from, server, image) = ready().await;
    server.misbehave(|m| m.secret = Some(Secret::Denied));

    let refused = images
        .push(to(&server, "mine:2"), Progress::none())
        .await
        .unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    let words = "denied: requested access to the resource is denied";
    assert_eq!(refused.to_string(), words);
    let named = images.resolve(&image.id.to_string()).unwrap().digests;
    assert!(!named.iter().any(|name| name.domain() == server.address));
}

#[tokio::test]
async fn a_name_that_is_not_here_is_not_pushed() {
    let (world, server) = (world(), Server::start().await);
    let images = world.open();

    let missing = images
        .push(to(&server, "no:1"), Progress::none())
        .await
        .unwrap_err();

    assert!(matches!(missing, Error::NothingToPush { .. }));
    let words = format!(
        "An image does not exist locally with the tag: {}/no",
        server.address
    );
    assert_eq!(missing.to_string(), words);
    assert_nothing(&world, &images);
}

#[tokio::test]
async fn an_offer_is_looked_at_without_a_fetch() {
    let (world, (server, image)) = (world(), published("app:1").await);
    let images = world.open();
    let reference = request(&server, "app:1").reference;

    let offered = images.offered(&reference, None).await.unwrap();

    assert_eq!(offered.descriptor.digest, image.manifest);
    assert_eq!(offered.platforms[0].to_string(), "linux/amd64");
    assert!(image.blobs.iter().all(|blob| server.asked(blob) == 0));
    let missing = request(&server, "app:9").reference;
    let missing = images.offered(&missing, None).await.unwrap_err();
    assert_eq!(missing.to_string(), "manifest unknown: manifest unknown");
    assert_nothing(&world, &images);
}

#[tokio::test]
async fn the_tags_of_a_repository_are_asked_for_page_by_page() {
    let (world, server) = (world(), Server::start().await);
    server.publish("app:1", &["one"]);
    server.publish("app:2", &["two"]);
    server.publish("app:3", &["two"]);
    let images = world.open();
    let reference = request(&server, "app").reference;

    let tags = images.tags(&reference, None).await.unwrap();

    let tags: Vec<_> = tags.iter().filter_map(images::Reference::tag).collect();
    assert_eq!(tags, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_login_is_tried_on_the_registry() {
    let (world, server) = (world(), Server::start().await);
    server.misbehave(|m| m.secret = Some(Secret::Basic("u:p")));
    let images = world.open();
    let password = |password: &str| Credentials::Password {
        username: "u".into(),
        password: password.into(),
    };

    let kept = images.login(&server.address, &password("p")).await.unwrap();
    let refused = images
        .login(&server.address, &password("x"))
        .await
        .unwrap_err();

    assert_eq!(kept, None);
    let words = "login attempt to http://HOST/v2/ failed with status: 401 Unauthorized";
    let shown = refused.to_string().replace(&server.address, "HOST");
    assert_eq!(shown, words);
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
}
