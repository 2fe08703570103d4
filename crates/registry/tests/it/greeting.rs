//! A registry is asked whether it is there before it is asked for anything.

use crate::server::{Server, status, tagged};
use crate::{registries, settings, tags};
use http::Response;
use http_body_util::Full;

#[tokio::test]
async fn a_registry_is_asked_whether_it_is_there_once() {
    let server = Server::whole(|_| tagged("own")).await;
    let nothing = tempfile::tempdir().unwrap();
    let registries = registries(settings(nothing.path()));
    let reference = format!("{}/some/thing", server.address).parse().unwrap();
    let repository = registries.repository(&reference, None, registry::Access::Pull);
    let repository = repository.unwrap();
    for _ in 0..2 {
        assert_eq!(repository.tags().await.unwrap(), ["own"]);
    }
    let tags = "GET /v2/some/thing/tags/list?n=1000";
    assert_eq!(server.asked(), ["GET /v2/", tags, tags]);
}

#[tokio::test]
async fn what_convinces_it_is_known_from_its_first_answer() {
    let server = Server::whole(|request| {
        match (request.uri().path(), request.headers().get("authorization")) {
            ("/token", _) => Response::new(Full::from("{\"token\":\"t\"}")),
            (_, Some(token)) if token == "Bearer t" => tagged("own"),
            (_, _) => {
                let host = request.headers()["host"].to_str().unwrap();
                let realm = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
                let challenge = Response::builder().status(401);
                let challenge = challenge.header("www-authenticate", realm);
                challenge.body(Full::default()).unwrap()
            }
        }
    })
    .await;
    let nothing = tempfile::tempdir().unwrap();
    let name = format!("{}/some/thing", server.address);
    assert_eq!(
        tags(settings(nothing.path()), &name).await.unwrap(),
        ["own"]
    );
    let asked = server.asked();
    assert_eq!(asked[0], "GET /v2/");
    assert!(asked[1].starts_with("GET /token?"), "{asked:?}");
    assert!(
        asked[1].contains("repository%3Asome%2Fthing%3Apull"),
        "{asked:?}"
    );
    assert_eq!(asked[2..], ["GET /v2/some/thing/tags/list?n=1000"]);
}

#[tokio::test]
async fn one_that_is_not_there_is_told_by_that_address() {
    let nothing = tempfile::tempdir().unwrap();
    let failed = tags(settings(nothing.path()), "127.0.0.1:1/some/thing").await;
    let words = failed.unwrap_err();
    assert!(
        words.starts_with("Get \"http://127.0.0.1:1/v2/\": "),
        "{words}"
    );
}

#[tokio::test]
async fn one_that_does_not_greet_is_not_asked_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let nothing = tempfile::tempdir().unwrap();
    let mut patient = settings(nothing.path());
    patient.patience.attempts = 3;
    let name = format!("{address}/some/thing");
    let asking = tags(patient, &name);
    let mut asking = std::pin::pin!(asking);
    let mut hung_up = 0;
    let words = loop {
        tokio::select! {
            accepted = listener.accept() => {
                drop(accepted.unwrap());
                hung_up += 1;
            }
            failed = &mut asking => break failed.unwrap_err(),
        }
    };
    assert!(
        words.starts_with(&format!("Get \"http://{address}/v2/\": ")),
        "{words}"
    );
    // Once by TLS, once in the clear.
    assert_eq!(hung_up, 2);
}

#[tokio::test]
async fn a_refusal_names_what_was_wanted() {
    let server = Server::whole(|_| {
        let challenge = Response::builder().status(401);
        let challenge = challenge.header("www-authenticate", "Basic realm=\"r\"");
        challenge.body(Full::default()).unwrap()
    })
    .await;
    let nothing = tempfile::tempdir().unwrap();
    let registries = registries(settings(nothing.path()));
    let address = &server.address;
    let reference = format!("{address}/some/thing:t").parse().unwrap();
    let repository = registries.repository(&reference, None, registry::Access::Pull);
    let refused = repository.unwrap().manifest().await.unwrap_err();
    let wanted = format!("http://{address}/v2/some/thing/manifests/t");
    assert_eq!(
        refused.to_string(),
        format!("Head \"{wanted}\": no basic auth credentials")
    );
    let searched = registries.search(address, ("a", 1), None).await;
    assert_eq!(
        searched.unwrap_err().to_string(),
        "Unexpected status code 401"
    );
}

#[tokio::test]
async fn a_registry_is_searched_by_its_first_api() {
    let found = r#"{"num_results":1,"query":"a b","results":[{"name":"x/a","star_count":3,
        "is_official":true,"description":"d"}]}"#;
    let server = Server::whole(move |request| match request.uri().path() {
        "/v1/search" => Response::new(Full::from(found)),
        _ => status(404),
    })
    .await;
    let nothing = tempfile::tempdir().unwrap();
    let registries = registries(settings(nothing.path()));
    let search = |host: String| {
        let registries = registries.clone();
        async move { registries.search(&host, ("a b&", 7), None).await }
    };
    let images = search(server.address.clone()).await.unwrap();
    assert_eq!((images[0].name.as_str(), images[0].star_count), ("x/a", 3));
    assert_eq!(
        server.asked(),
        ["GET /v1/_ping", "GET /v1/search?q=a+b%26&n=7"]
    );
    let none = Server::whole(|_| status(404)).await;
    let failed = search(none.address.clone()).await.unwrap_err();
    assert_eq!(failed.to_string(), "Unexpected status code 404");
    let failed = search("127.0.0.1:1".to_owned())
        .await
        .unwrap_err()
        .to_string();
    let words =
        "invalid registry endpoint http://127.0.0.1:1/v1/: Get \"http://127.0.0.1:1/v1/_ping\": ";
    assert!(failed.starts_with(words), "{failed}");
}
