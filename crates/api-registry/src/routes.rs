//! Which path is whose.

use crate::access::{self, TOKEN_PATH, Want};
use crate::answer::{self, Answer, with};
use crate::depot::Depot;
use crate::error::{Error, Result};
use crate::server::House;
use crate::uploads::digest_of;
use crate::{blobs, lists, manifests, uploads};
use http::header::{CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use oci::Reference;
use serde_json::json;

/// A form for a token has at most so many bytes.
const MAX_FORM: usize = 64 << 10;
const FORM: &[u8] = b"application/x-www-form-urlencoded";
const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// A request on its way.
pub(crate) struct Call {
    pub(crate) depot: Depot,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    pub(crate) body: Incoming,
}

/// A request's parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(k, v)| (unescape(k), unescape(v))).collect())
    }

    /// The parameters without those of this name.
    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.0.iter().filter(move |(known, _)| known == name);
        own.map(|(_, value)| value.as_str())
    }
}

/// `%41` and `+`; what is no escape stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs what waits for the disk where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Error::unknown)?
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Base,
    Catalog,
    Tags(String),
    Manifest(String, String),
    Uploads(String),
    Upload(String, String),
    Blob(String, String),
    Referrers(String, String),
}

/// The answer to a request, whatever it is.
pub(crate) async fn answer(house: House, request: Request<Incoming>) -> Answer {
    let (mut head, body) = request.into_parts();
    // HTTP/2 has the host in the URL.
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let wants_head = head.method == Method::HEAD;
    let call = Call {
        depot: house.depot.clone(),
        method: head.method,
        headers: head.headers,
        query: Query::parse(head.uri.query().unwrap_or_default()),
        body,
    };
    let answer = match (&house.access, head.uri.path()) {
        (Some(access), TOKEN_PATH) => token(access, call).await,
        (_, path) => match place(path) {
            Ok(place) => admitted(&house, call, place).await,
            Err(error) => Err(error),
        },
    };
    let answer = answer.unwrap_or_else(|error| answer::refusal(&error));
    let answer = with(answer, VERSION, "registry/2.0");
    match wants_head {
        // HTTP/2 would send a body.
        true => answer::head(answer),
        false => answer,
    }
}

/// Gives out a token; clients ask by a query, or by a form.
async fn token(access: &access::Access, call: Call) -> Result<Answer> {
    if call.method != Method::POST {
        return access.token(&call.headers, &call.query).await;
    }
    let is_form = |value: &HeaderValue| value.as_bytes().starts_with(FORM);
    if !call.headers.get(CONTENT_TYPE).is_some_and(is_form) {
        return Err(Error::unsupported("a form is wanted"));
    }
    let body = Limited::new(call.body, MAX_FORM).collect().await;
    let body = body.map_err(Error::cut)?.to_bytes();
    let form = Query::parse(&String::from_utf8_lossy(&body));
    access.token(&call.headers, &form).await
}

/// Goes on if this client may.
async fn admitted(house: &House, mut call: Call, place: Place) -> Result<Answer> {
    if let Some(access) = &house.access
        && let Some(want) = source(&place, &call)
        && access.denies(&call.headers, &want).await?
    {
        // What cannot be mounted is uploaded.
        call.query = call.query.without("mount").without("from");
    }
    let wants = wants(&place, &call);
    if let Some(access) = &house.access {
        let origin = access::origin(&call.headers, house.scheme);
        if let Some(refusal) = access.refuse(&call.headers, &origin, &wants).await {
            return Ok(refusal);
        }
    }
    route(call, place).await
}

/// What a request does with which repositories.
fn wants(place: &Place, call: &Call) -> Vec<Want> {
    let writes = !matches!(call.method, Method::GET | Method::HEAD);
    match place {
        Place::Base => Vec::new(),
        Place::Catalog => vec![Want::catalog()],
        Place::Uploads(name) | Place::Upload(name, _) => {
            let own = Want::repository(name, &["pull", "push"]);
            [Some(own), source(place, call)]
                .into_iter()
                .flatten()
                .collect()
        }
        Place::Manifest(name, _) | Place::Blob(name, _) if call.method == Method::DELETE => {
            vec![Want::repository(name, &["delete"])]
        }
        Place::Manifest(name, _) if writes => vec![Want::repository(name, &["pull", "push"])],
        Place::Tags(name)
        | Place::Manifest(name, _)
        | Place::Blob(name, _)
        | Place::Referrers(name, _) => vec![Want::repository(name, &["pull"])],
    }
}

/// A blob is never mounted from where the client may not read.
fn source(place: &Place, call: &Call) -> Option<Want> {
    let from = match place {
        Place::Uploads(_) | Place::Upload(..) => call.query.find("from"),
        _ => None,
    };
    Some(Want::repository(from?, &["pull"]))
}

fn place(path: &str) -> Result<Place> {
    let missing = || Error {
        status: StatusCode::NOT_FOUND,
        code: "UNSUPPORTED",
        message: format!("{path:?} is no place of a registry"),
    };
    let rest = path.strip_prefix("/v2").ok_or_else(missing)?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    match rest {
        "" => return Ok(Place::Base),
        "_catalog" => return Ok(Place::Catalog),
        _ => {}
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Ok(Place::Tags(named(name)?));
    }
    // The last of the words counts: names may have them, too.
    let split = |word: &str| rest.rsplit_once(word);
    if let Some((name, last)) = split("/blobs/uploads") {
        let session = last.strip_prefix('/').unwrap_or(last);
        let session = session.strip_suffix('/').unwrap_or(session);
        return match session {
            "" => Ok(Place::Uploads(named(name)?)),
            session if !session.contains('/') => {
                Ok(Place::Upload(named(name)?, session.to_owned()))
            }
            _ => Err(missing()),
        };
    }
    type Make = fn(String, String) -> Place;
    let words: [(&str, Make); 3] = [
        ("/manifests/", Place::Manifest),
        ("/blobs/", Place::Blob),
        ("/referrers/", Place::Referrers),
    ];
    for (word, make) in words {
        if let Some((name, last)) = split(word)
            && !last.contains('/')
        {
            return Ok(make(named(name)?, last.to_owned()));
        }
    }
    Err(missing())
}

/// A repository's name.
fn named(name: &str) -> Result<String> {
    let parsed = format!("localhost/{name}").parse::<Reference>();
    match parsed {
        Ok(reference) if reference.path() == name && reference.domain() == "localhost" => {
            Ok(name.to_owned())
        }
        _ => Err(Error::name_invalid(format!("invalid repository {name:?}"))),
    }
}

async fn route(call: Call, place: Place) -> Result<Answer> {
    let method = call.method.clone();
    let reads = matches!(method, Method::GET | Method::HEAD);
    let depot = call.depot.clone();
    match place {
        Place::Base if reads => Ok(answer::json(StatusCode::OK, "application/json", &json!({}))),
        Place::Catalog if reads => blocking(move || lists::catalog(&depot, &call.query)).await,
        Place::Tags(name) if reads => {
            blocking(move || lists::tags(&depot, &name, &call.query)).await
        }
        Place::Referrers(name, digest) if reads => {
            let digest = digest_of(&digest)?;
            blocking(move || lists::referrers(&depot, &name, &digest, &call.query)).await
        }
        Place::Manifest(name, last) if reads => {
            blocking(move || manifests::read(&depot, &name, &last, &method)).await
        }
        Place::Manifest(name, last) if method == Method::PUT => {
            let incomer = manifests::Incomer::read(call, name, last).await?;
            blocking(move || manifests::put(&depot, &incomer)).await
        }
        Place::Manifest(name, last) if method == Method::DELETE => {
            blocking(move || manifests::delete(&depot, &name, &last)).await
        }
        Place::Blob(name, digest) if reads => {
            let digest = digest_of(&digest)?;
            let headers = call.headers;
            blocking(move || blobs::read(&depot, &name, &digest, &method, &headers)).await
        }
        Place::Blob(name, digest) if method == Method::DELETE => {
            let digest = digest_of(&digest)?;
            blocking(move || blobs::delete(&depot, &name, &digest)).await
        }
        Place::Uploads(name) if method == Method::POST => uploads::begin(call, name).await,
        Place::Upload(name, session) => uploads::go_on(call, name, session).await,
        _ => Err(Error::unsupported(format!("{method} is not done here"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_by_its_last_words() {
        let two = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let (name, tag) = two("a/blobs/b", "1");
        assert_eq!(
            place("/v2/a/blobs/b/manifests/1").unwrap(),
            Place::Manifest(name, tag)
        );
        let (name, session) = two("a/b", "s1");
        assert_eq!(
            place("/v2/a/b/blobs/uploads/s1").unwrap(),
            Place::Upload(name, session)
        );
        assert_eq!(
            place("/v2/a/blobs/uploads/").unwrap(),
            Place::Uploads("a".into())
        );
        assert_eq!(place("/v2/").unwrap(), Place::Base);
        for (path, code) in [
            ("/v2/A/tags/list", "NAME_INVALID"),
            ("/v2/../x/manifests/1", "NAME_INVALID"),
            ("/v2/x", "UNSUPPORTED"),
            ("/v1/", "UNSUPPORTED"),
        ] {
            assert_eq!(place(path).unwrap_err().code, code, "{path}");
        }
    }
}
