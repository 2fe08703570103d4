//! Token servers: what they are asked, by whom, and what is kept of their answers.

use crate::server::{Server, status, tagged};
use crate::{registries, settings};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use registry::{Access, Credentials, Repository};
use std::sync::{Arc, Mutex};

type Forms = Arc<Mutex<Vec<String>>>;

/// A registry with a token server that renews refresh tokens, and the forms it was sent. Each
/// token is good for one request.
async fn renewing() -> (Server, Forms) {
    let forms = Forms::default();
    let noted = Arc::clone(&forms);
    let used: Mutex<Vec<String>> = Mutex::default();
    let server = Server::whole(move |request| {
        if request.uri().path() == "/token" {
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            return given(request, body, &noted);
        }
        let shown = request.headers().get("authorization");
        let shown = shown.map(|value| value.to_str().unwrap().to_owned());
        let mut used = used.lock().unwrap();
        match shown {
            Some(token) if !used.contains(&token) => used.push(token),
            _ => return challenge(request),
        }
        tagged("own")
    })
    .await;
    (server, forms)
}

fn given(request: &Request<Bytes>, body: String, forms: &Forms) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        return status(405);
    }
    let mut forms = forms.lock().unwrap();
    forms.push(body);
    let number = forms.len();
    let text = format!("{{\"access_token\":\"t{number}\",\"refresh_token\":\"r{number}\"}}");
    Response::new(Full::from(text))
}

fn challenge(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let host = request.headers()["host"].to_str().unwrap();
    let scope = "repository:some/thing:pull repository:other:pull";
    let realm =
        format!("Bearer realm=\"http://{host}/token\",service=\"the service\",scope=\"{scope}\"");
    let challenge = Response::builder().status(401);
    let challenge = challenge.header("www-authenticate", realm);
    challenge.body(Full::default()).unwrap()
}

fn repository(server: &Server, token: &str) -> Repository {
    let nothing = tempfile::tempdir().unwrap();
    let registries = registries(settings(nothing.path()));
    let reference = format!("{}/some/thing", server.address).parse().unwrap();
    let credentials = Some(Credentials::IdentityToken(token.to_owned()));
    let repository = registries.repository(&reference, credentials, Access::Pull);
    repository.unwrap()
}

#[tokio::test]
async fn an_identity_token_is_sent_in_a_form_and_its_successor_after_it() {
    let (server, forms) = renewing().await;
    let repository = repository(&server, "a b/+");
    for _ in 0..3 {
        assert_eq!(repository.tags().await.unwrap(), ["own"]);
    }
    let form = |token: &str| {
        format!(
            "service=the%20service&scope=repository%3Asome%2Fthing%3Apull%20\
             repository%3Aother%3Apull&grant_type=refresh_token&client_id=corten\
             &refresh_token={token}"
        )
    };
    let expected = [form("a%20b%2F%2B"), form("r1"), form("r2")];
    assert_eq!(forms.lock().unwrap()[..], expected);
    // Never in a header, nor in a URL.
    let shown = server.shown("authorization");
    assert!(
        !shown
            .iter()
            .flatten()
            .any(|value| value.starts_with("Basic"))
    );
    assert!(server.asked().iter().all(|line| !line.contains("refresh")));
}

#[tokio::test]
async fn an_identity_token_that_is_not_taken_is_told_in_the_servers_words() {
    let server = Server::whole(|request| match request.uri().path() {
        "/token" => Response::builder()
            .status(401)
            .body(Full::from(
                "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"token expired\"}]}",
            ))
            .unwrap(),
        _ => challenge(request),
    })
    .await;
    let error = repository(&server, "old").tags().await.unwrap_err();
    assert!(error.to_string().contains("token expired"), "{error}");
}
