use crate::host::{Answer, Host, MANIFEST, depot};
use api_registry::{Access, Anonymous, Guard, Scheme};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::path::Path;

/// An account `me` with the password `secret`.
fn accounts(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("htpasswd");
    let hash = bcrypt::hash("secret", 4).unwrap();
    std::fs::write(&path, format!("# people\n\nme:{hash}\n")).unwrap();
    path
}

async fn guarded(scheme: Scheme, anonymous: Anonymous) -> Host {
    let dir = tempfile::tempdir().unwrap();
    let access = Access::open(&accounts(dir.path()), scheme, anonymous).unwrap();
    let depot = depot(dir.path()).unwrap();
    let guard = Guard {
        access: Some(access),
        ..Guard::default()
    };
    Host::of(dir, depot, guard).await
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("me:{password}")))
}

async fn with(host: &Host, method: &str, path: &str, shown: &str) -> Answer {
    host.send(method, path, &[("authorization", shown)], b"")
        .await
}

/// A token for scopes, by a name and a password or by nobody.
async fn token(host: &Host, scopes: &str, password: Option<&str>) -> String {
    let path = format!("/token?service=x&{scopes}");
    let answer = match password {
        Some(password) => with(host, "GET", &path, &basic(password)).await,
        None => host.get(&path).await,
    };
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    format!("Bearer {}", answer.json()["token"].as_str().unwrap())
}

#[tokio::test]
async fn a_registry_of_basic_accounts_wants_a_password_with_every_request() {
    let host = guarded(Scheme::Basic, Anonymous::Nothing).await;
    let nobody = host.get("/v2/").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        nobody.header("www-authenticate"),
        "Basic realm=\"corten registry\""
    );
    assert_eq!(nobody.code(), "UNAUTHORIZED");
    for (shown, status) in [
        (basic("secret"), StatusCode::OK),
        // The second time it is remembered.
        (basic("secret"), StatusCode::OK),
        (basic("wrong"), StatusCode::UNAUTHORIZED),
        ("Basic !".to_owned(), StatusCode::UNAUTHORIZED),
        ("Bearer x.y.z".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(
            with(&host, "GET", "/v2/", &shown).await.status,
            status,
            "{shown}"
        );
    }
    let catalog = host.get("/v2/_catalog").await;
    assert_eq!(catalog.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_is_given_for_a_password_and_does_what_it_was_asked_for() {
    let host = guarded(Scheme::Token, Anonymous::Nothing).await;
    let refused = host.send("POST", "/v2/a/b/blobs/uploads/", &[], b"").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let expected = format!(
        "Bearer realm=\"http://{0}/token\",service=\"{0}\",scope=\"repository:a/b:pull,push\"",
        host.address
    );
    assert_eq!(refused.header("www-authenticate"), expected);

    let scope = "scope=repository:a/b:pull,push";
    for answer in [
        host.get(&format!("/token?{scope}")).await,
        with(&host, "GET", &format!("/token?{scope}"), &basic("wrong")).await,
    ] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let writing = token(&host, scope, Some("secret")).await;
    let reading = token(&host, "scope=repository:a/b:pull", Some("secret")).await;
    for (method, path, shown, status) in [
        (
            "POST",
            "/v2/a/b/blobs/uploads/",
            &writing,
            StatusCode::ACCEPTED,
        ),
        (
            "POST",
            "/v2/a/b/blobs/uploads/",
            &reading,
            StatusCode::UNAUTHORIZED,
        ),
        (
            "POST",
            "/v2/c/blobs/uploads/",
            &writing,
            StatusCode::UNAUTHORIZED,
        ),
        // Not from where the token may not read.
        (
            "POST",
            "/v2/a/b/blobs/uploads/?mount=x&from=c",
            &writing,
            StatusCode::UNAUTHORIZED,
        ),
        ("GET", "/v2/a/b/tags/list", &reading, StatusCode::NOT_FOUND),
        (
            "DELETE",
            "/v2/a/b/manifests/1",
            &writing,
            StatusCode::UNAUTHORIZED,
        ),
        ("GET", "/v2/_catalog", &writing, StatusCode::UNAUTHORIZED),
        ("GET", "/v2/", &reading, StatusCode::OK),
    ] {
        let answer = with(&host, method, path, shown).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_client_of_http2_is_sent_to_the_same_token_server() {
    let host = guarded(Scheme::Token, Anonymous::Nothing).await;
    let mut builder = Client::builder(TokioExecutor::new());
    let client = builder.http2_only(true).build_http::<Full<Bytes>>();
    let url = format!("http://{}/v2/", host.address);
    let answer = client.get(url.parse().unwrap()).await.unwrap();
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    let expected = format!("Bearer realm=\"http://{}/token\"", host.address);
    assert!(challenge.starts_with(&expected), "{challenge}");
}

#[tokio::test]
async fn a_token_is_asked_for_by_a_form_as_well() {
    let host = guarded(Scheme::Token, Anonymous::Nothing).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=password&username=me&password=secret&scope=repository%3Aa%3Apull";
    let answer = host.send("POST", "/token", &form, body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["expires_in"], 300);
    let wrong = body.replace("secret", "x");
    let answer = host.send("POST", "/token", &form, wrong.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_identity_token_does_in_the_passwords_place_until_that_changes() {
    let dir = tempfile::tempdir().unwrap();
    let htpasswd = accounts(dir.path());
    let root = dir.path().to_owned();
    let open = || {
        let access = Access::open(&htpasswd, Scheme::Token, Anonymous::Nothing).unwrap();
        Guard {
            access: Some(access.with_identities(&root).unwrap()),
            ..Guard::default()
        }
    };
    let depot = depot(dir.path()).unwrap();
    let host = Host::of(dir, depot.clone(), open()).await;
    let path = "/token?service=x&scope=repository:a:pull";
    let plain = with(&host, "GET", path, &basic("secret")).await;
    assert!(plain.json().get("refresh_token").is_none());
    let path = format!("{path}&offline_token=true");
    let kept = with(&host, "GET", &path, &basic("secret")).await.json();
    let kept = kept["refresh_token"].as_str().unwrap();

    // Another process has the same key; another password makes it useless.
    let shown = async |host: &Host, token: &str| {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body =
            format!("grant_type=refresh_token&scope=repository%3Aa%3Apull&refresh_token={token}");
        host.send("POST", "/token", &form, body.as_bytes()).await
    };
    let answer = shown(&host, kept).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        claims(&format!("Bearer {}", answer.json()["token"]))["sub"],
        "me"
    );
    assert_eq!(shown(&host, "bWU.x").await.status, StatusCode::UNAUTHORIZED);
    let elsewhere = || tempfile::tempdir().unwrap();
    let other = Host::of(elsewhere(), depot.clone(), open()).await;
    assert_eq!(shown(&other, kept).await.status, StatusCode::OK);
    let hash = bcrypt::hash("changed", 4).unwrap();
    std::fs::write(&htpasswd, format!("me:{hash}\n")).unwrap();
    let changed = Host::of(elsewhere(), depot, open()).await;
    assert_eq!(shown(&changed, kept).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn those_without_an_account_read_where_they_may() {
    let host = guarded(Scheme::Token, Anonymous::Pull).await;
    let scope = "scope=repository:a:pull,push&scope=registry:catalog:*";
    let nobody = token(&host, scope, None).await;
    let tags = with(&host, "GET", "/v2/a/tags/list", &nobody).await;
    assert_eq!(tags.code(), "NAME_UNKNOWN");
    for (method, path) in [("POST", "/v2/a/blobs/uploads/"), ("GET", "/v2/_catalog")] {
        let answer = with(&host, method, path, &nobody).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let host = guarded(Scheme::Basic, Anonymous::Pull).await;
    assert_eq!(host.get("/v2/a/tags/list").await.code(), "NAME_UNKNOWN");
    let write = host.send("POST", "/v2/a/blobs/uploads/", &[], b"").await;
    assert_eq!(write.status, StatusCode::UNAUTHORIZED);
}

/// A registry where `me` and `you` have rights of their own, and everybody reads `public`.
async fn ruled(scheme: Scheme) -> Host {
    let dir = tempfile::tempdir().unwrap();
    let htpasswd = accounts(dir.path());
    let hash = bcrypt::hash("secret", 4).unwrap();
    let text = std::fs::read_to_string(&htpasswd).unwrap();
    std::fs::write(&htpasswd, format!("{text}you:{hash}\n")).unwrap();
    let rights = dir.path().join("rights");
    let rules = "# who      where      what\n\
                 me         team/**    pull,push\n\
                 me         team/*/tmp *\n\
                 *          shared/*   pull\n\
                 -          public/**  pull\n\
                 you        **         pull\n";
    std::fs::write(&rights, rules).unwrap();
    let access = Access::limited(&htpasswd, scheme, &rights).unwrap();
    let depot = depot(dir.path()).unwrap();
    let guard = Guard {
        access: Some(access),
        ..Guard::default()
    };
    Host::of(dir, depot, guard).await
}

const DENIED: &str = "requested access to the resource is denied";

#[tokio::test]
async fn an_account_does_what_its_rights_say_and_is_denied_the_rest() {
    let host = ruled(Scheme::Basic).await;
    let me = basic("secret");
    let you = format!("Basic {}", STANDARD.encode("you:secret"));
    for (shown, method, path, status, code) in [
        (&me, "POST", "/v2/team/a/blobs/uploads/", 202, ""),
        (&me, "DELETE", "/v2/team/a/manifests/1", 403, "DENIED"),
        (
            &me,
            "DELETE",
            "/v2/team/a/tmp/manifests/1",
            404,
            "MANIFEST_UNKNOWN",
        ),
        (&me, "GET", "/v2/shared/a/tags/list", 404, "NAME_UNKNOWN"),
        (&me, "GET", "/v2/shared/a/b/tags/list", 403, "DENIED"),
        (&me, "GET", "/v2/public/a/b/tags/list", 404, "NAME_UNKNOWN"),
        (&me, "PUT", "/v2/shared/a/manifests/1", 403, "DENIED"),
        (&me, "GET", "/v2/team/tags/list", 403, "DENIED"),
        (&me, "GET", "/v2/_catalog", 403, "DENIED"),
        (&me, "GET", "/v2/", 200, ""),
        (&you, "GET", "/v2/_catalog", 200, ""),
        (&you, "GET", "/v2/team/a/tags/list", 404, "NAME_UNKNOWN"),
        (&you, "POST", "/v2/team/a/blobs/uploads/", 403, "DENIED"),
        (
            &basic("wrong"),
            "GET",
            "/v2/public/a/tags/list",
            401,
            "UNAUTHORIZED",
        ),
    ] {
        let answer = with(&host, method, path, shown).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        if status >= 400 {
            assert_eq!(answer.code(), code, "{method} {path}");
        }
        if status == 403 {
            assert_eq!(answer.json()["errors"][0]["message"], DENIED);
        }
    }
    let open = host.get("/v2/public/a/tags/list").await;
    assert_eq!(open.code(), "NAME_UNKNOWN");
    let closed = host.get("/v2/shared/a/tags/list").await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
}

/// The access that a token has.
fn claims(token: &str) -> serde_json::Value {
    let middle = token.split('.').nth(1).unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(middle).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_has_what_was_asked_for_within_the_accounts_rights() {
    let host = ruled(Scheme::Token).await;
    let scopes = "scope=repository:team/a:pull,push,delete&scope=repository:team/a/tmp:*\
                  &scope=repository:other:pull&scope=registry:catalog:*";
    let own = token(&host, scopes, Some("secret")).await;
    let access = |name: &str, actions: &[&str]| serde_json::json!({"type": "repository", "name": name, "actions": actions});
    let own_claims = claims(&own);
    assert_eq!(own_claims["sub"], "me");
    assert_eq!(
        own_claims["access"],
        serde_json::json!([
            access("team/a", &["pull", "push"]),
            access("team/a/tmp", &["pull", "push", "delete"]),
            access("other", &[]),
            {"type": "registry", "name": "catalog", "actions": []},
        ])
    );
    let nobody = token(&host, "scope=repository:public/x:pull,push", None).await;
    let nobody_claims = claims(&nobody);
    assert_eq!(nobody_claims["sub"], "");
    assert_eq!(
        nobody_claims["access"],
        serde_json::json!([access("public/x", &["pull"])])
    );

    let delete = with(&host, "DELETE", "/v2/team/a/manifests/1", &own).await;
    assert_eq!(
        (delete.status, delete.code()),
        (StatusCode::FORBIDDEN, "DENIED".to_owned())
    );
    // What the account may do but the token was not asked for: another token helps.
    let wider = with(&host, "POST", "/v2/team/b/blobs/uploads/", &own).await;
    assert_eq!(wider.status, StatusCode::UNAUTHORIZED);
    let challenge = wider.header("www-authenticate");
    let scope = ",scope=\"repository:team/b:pull,push\",error=\"insufficient_scope\"";
    assert!(challenge.ends_with(scope), "{challenge}");
    // And nobody may become somebody.
    let write = with(&host, "POST", "/v2/public/x/blobs/uploads/", &nobody).await;
    assert_eq!(
        (write.status, write.code()),
        (StatusCode::UNAUTHORIZED, "UNAUTHORIZED".to_owned())
    );
    let forged = with(&host, "GET", "/v2/public/x/tags/list", "Bearer x.y.z").await;
    assert!(
        forged
            .header("www-authenticate")
            .ends_with(",error=\"invalid_token\"")
    );
}

#[tokio::test]
async fn a_blob_is_not_mounted_from_where_the_account_may_not_read() {
    for scheme in [Scheme::Basic, Scheme::Token] {
        let host = ruled(scheme).await;
        let scope = "scope=repository:team/a:pull,push&scope=repository:hidden:pull&scope=repository:team/b:pull,push";
        let shown = match scheme {
            Scheme::Basic => basic("secret"),
            Scheme::Token => token(&host, scope, Some("secret")).await,
        };
        let digest = crate::host::sha256(b"blob");
        let path = format!("/v2/team/a/blobs/uploads/?digest={digest}");
        let header = [("authorization", shown.as_str())];
        let put = host.send("POST", &path, &header, b"blob").await;
        assert_eq!(put.status, StatusCode::CREATED);
        for (from, status) in [
            ("team/a", StatusCode::CREATED),
            ("hidden", StatusCode::ACCEPTED),
        ] {
            let path = format!("/v2/team/b/blobs/uploads/?mount={digest}&from={from}");
            let mount = with(&host, "POST", &path, &shown).await;
            assert_eq!(mount.status, status, "{from}");
        }
    }
}

#[test]
fn rights_that_cannot_be_meant_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let htpasswd = accounts(dir.path());
    let path = dir.path().join("rights");
    for (text, words) in [
        ("me a\n", "rights:1: not ACCOUNT PATTERN ACTIONS"),
        ("\nyou a pull\n", "rights:2: there is no account \"you\""),
        (
            "me a pull,fly\n",
            "\"fly\" is none of pull, push, delete, *",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Access::limited(&htpasswd, Scheme::Basic, &path).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn accounts_that_are_not_hashed_well_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    for (text, words) in [
        ("a:$apr1$x$y\n", "htpasswd:1: not hashed by bcrypt"),
        ("\nme\n", "htpasswd:2: no NAME:HASH"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Access::open(&path, Scheme::Basic, Anonymous::Nothing).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_manifest_without_its_blobs_is_taken_where_that_is_said() {
    let lacking = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{{\"mediaType\":\"x/y\",\
         \"digest\":\"sha256:{}\",\"size\":1}},\"layers\":[]}}",
        "a".repeat(64)
    );
    let whole = Host::start().await;
    let refused = whole.put("a", "1", lacking.as_bytes()).await;
    assert_eq!(refused.code(), "MANIFEST_BLOB_UNKNOWN");

    let dir = tempfile::tempdir().unwrap();
    let depot = depot(dir.path()).unwrap().sparse();
    let sparse = Host::of(dir, depot, Guard::default()).await;
    let taken = sparse.put("a", "1", lacking.as_bytes()).await;
    assert_eq!(taken.status, StatusCode::CREATED);
    assert_eq!(
        sparse.get("/v2/a/manifests/1").await.body,
        lacking.as_bytes()
    );
}
