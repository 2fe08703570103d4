use crate::server::{Server, status, tagged};
use crate::{registries, say, settings, tags, tags_with};
use http::Response;
use http_body_util::Full;
use registry::{Access, Credentials};

const NAME: &str = "registry.test/some/thing";

#[tokio::test]
async fn mirrors_are_asked_in_their_order_before_the_server() {
    let empty = Server::plain(|_| status(404)).await;
    let full = Server::plain(|_| tagged("mirrored")).await;
    let origin = Server::plain(|_| tagged("own")).await;
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "server = \"http://{}\"\n\
         [host.\"http://127.0.0.1:1\"]\n\
         [host.\"http://{}/cache\"]\n\
         [host.\"http://{}/cache/v9\"]\noverride_path = true\n\
         [host.\"http://{}/cache/v9\".header]\nx-tenant = \"blue\"\n",
        origin.address, empty.address, full.address, full.address
    );
    say(directory.path(), "registry.test", "hosts.toml", &text);
    let found = tags(settings(directory.path()), NAME).await;
    assert_eq!(found.unwrap(), ["mirrored"]);
    let query = "/some/thing/tags/list?n=1000&ns=registry.test";
    assert_eq!(empty.asked(), [format!("GET /cache/v2{query}")]);
    assert_eq!(full.asked(), [format!("GET /cache/v9{query}")]);
    assert_eq!(full.shown("x-tenant"), [Some("blue".to_owned())]);
    assert_eq!(empty.shown("x-tenant"), [None]);
    assert_eq!(origin.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_is_asked_for_what_it_may_be_asked_for() {
    let mirror = Server::plain(|_| status(404)).await;
    let origin = Server::plain(|_| status(404)).await;
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\ncapabilities = [\"pull\"]\n",
        origin.address, mirror.address
    );
    say(directory.path(), "_default", "hosts.toml", &text);
    let registries = registries(settings(directory.path()));
    let digest = format!("sha256:{}", "a".repeat(64));
    for name in [NAME.to_owned(), format!("{NAME}@{digest}")] {
        let repository = registries.repository(&name.parse().unwrap(), None, Access::Pull);
        repository.unwrap().manifest().await.unwrap_err();
    }
    let by_tag = "GET /v2/some/thing/manifests/latest".to_owned();
    let by_digest = format!("GET /v2/some/thing/manifests/{digest}");
    assert_eq!(origin.asked(), [by_tag, by_digest.clone()]);
    assert_eq!(mirror.asked(), [format!("{by_digest}?ns=registry.test")]);
}

#[tokio::test]
async fn credentials_and_headers_are_the_servers_own() {
    let challenge =
        |request: &http::Request<_>| match request.headers().contains_key("authorization") {
            true => tagged("own"),
            false => Response::builder()
                .status(401)
                .header("www-authenticate", "Basic realm=\"x\"")
                .body(Full::default())
                .unwrap(),
        };
    let mirror = Server::plain(challenge).await;
    let elsewhere = Server::plain(|_| tagged("elsewhere")).await;
    let to = format!("http://{}/there", elsewhere.address);
    let origin = Server::plain(move |request| {
        let answer = challenge(request);
        match answer.status().is_success() {
            false => answer,
            true => Response::builder()
                .status(307)
                .header("location", &to)
                .body(Full::default())
                .unwrap(),
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "server = \"http://{}\"\n[header]\nx-secret = \"1\"\n[host.\"http://{}\"]\n",
        origin.address, mirror.address
    );
    say(directory.path(), "registry.test", "hosts.toml", &text);
    let credentials = Credentials::Password {
        username: "u".to_owned(),
        password: "p".to_owned(),
    };
    let found = tags_with(settings(directory.path()), NAME, Some(credentials)).await;
    assert_eq!(found.unwrap(), ["elsewhere"]);
    let basic = Some("Basic dTpw".to_owned());
    assert_eq!(mirror.shown("authorization"), [None]);
    assert_eq!(origin.shown("authorization"), [None, basic]);
    assert_eq!(
        origin.shown("x-secret"),
        [Some("1".to_owned()), Some("1".to_owned())]
    );
    assert_eq!(elsewhere.shown("authorization"), [None]);
    assert_eq!(elsewhere.shown("x-secret"), [None]);
}

#[tokio::test]
async fn a_mirror_is_shown_its_own_credentials_and_no_others() {
    let challenged =
        |request: &http::Request<_>| match request.headers().contains_key("authorization") {
            true => status(404),
            false => Response::builder()
                .status(401)
                .header("www-authenticate", "Basic realm=\"x\"")
                .body(Full::default())
                .unwrap(),
        };
    let known = Server::plain(challenged).await;
    let unknown = Server::plain(challenged).await;
    let origin = Server::plain(challenged).await;
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\n[host.\"http://{}\"]\n",
        origin.address, known.address, unknown.address
    );
    say(directory.path(), "registry.test", "hosts.toml", &text);
    // What the file has for the registry itself is not for it: there, callers sign in.
    let file = directory.path().join("config.json");
    let auths = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"bTpz\"}},\"{}\":{{\"auth\":\"bTpz\"}}}}}}",
        known.address, origin.address
    );
    std::fs::write(&file, auths).unwrap();
    let settings = registry::Settings {
        credentials: Some(file.clone()),
        ..settings(directory.path())
    };
    let credentials = Credentials::Password {
        username: "u".to_owned(),
        password: "p".to_owned(),
    };
    let found = tags_with(settings.clone(), NAME, Some(credentials)).await;
    found.unwrap_err();
    let basic = |text: &str| Some(format!("Basic {text}"));
    assert_eq!(known.shown("authorization"), [None, basic("bTpz")]);
    assert_eq!(unknown.shown("authorization"), [None]);
    assert_eq!(origin.shown("authorization"), [None, basic("dTpw")]);

    std::fs::write(&file, "{\"credsStore\":\"pass\"}").unwrap();
    let refused = tags(settings, NAME).await.unwrap_err();
    assert!(refused.contains("config.json: credsStore: "), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_wrong_is_named() {
    let directory = tempfile::tempdir().unwrap();
    say(
        directory.path(),
        "registry.test_5000_",
        "hosts.toml",
        "sever = 'x'",
    );
    let refused = tags(settings(directory.path()), "registry.test:5000/a").await;
    let refused = refused.unwrap_err();
    let words = "registry.test_5000_/hosts.toml: sever: no key of hosts.toml that is known";
    assert!(refused.ends_with(words), "{refused}");
}
