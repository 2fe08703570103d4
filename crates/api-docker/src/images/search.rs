//! Images searched at a registry.

use super::credentials::credentials;
use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use docker_schema::filters::Filters;
use docker_schema::image::SearchResult;
use http::StatusCode;
use types::{ErrorKind, Kind as _};

/// What is found at most if nobody says.
const LIMIT: i64 = 25;
const FILTERS: [&str; 3] = ["is-automated", "is-official", "stars"];

pub(crate) async fn search(call: Call) -> Result<Response> {
    let filters = call.query.filters(&FILTERS)?;
    let (automated, official) = (
        filters.truth("is-automated").map_err(Error::bad_request)?,
        filters.truth("is-official").map_err(Error::bad_request)?,
    );
    let stars = stars(&filters)?;
    let limit = match call.query.number("limit")? {
        None | Some(0) => LIMIT,
        Some(limit) => limit,
    };
    let asked = u32::try_from(limit).ok().filter(|limit| *limit <= 100);
    let asked = asked.ok_or_else(|| {
        Error::bad_request(format!("limit {limit} is outside the range of [1, 100]"))
    })?;
    let term = call.query.text("term").to_owned();
    let (host, words) = place(&term)?;
    if automated == Some(true) {
        // COMPAT: nothing is told to be made by a registry any more.
        return Ok(body::ok(&Vec::<SearchResult>::new()));
    }
    let shown = credentials(call.header("x-registry-auth"));
    let images = call.api.engine.images().clone();
    let found = images.search(host, words, asked, shown).await;
    let found = found.map_err(|error| match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::Unauthenticated => Error::from(error),
        _ => Error::from(error).with_status(StatusCode::INTERNAL_SERVER_ERROR),
    })?;
    let results = found
        .into_iter()
        .filter(|image| official.is_none_or(|official| image.is_official == official))
        .filter(|image| image.star_count >= stars)
        .map(|image| SearchResult {
            star_count: image.star_count,
            is_official: image.is_official,
            name: image.name,
            is_automated: false,
            description: image.description,
        });
    Ok(body::ok(&results.collect::<Vec<_>>()))
}

/// Which registry a term is for, and the words.
fn place(term: &str) -> Result<(&str, &str)> {
    const HUB: &str = "docker.io";
    if term.contains("://") {
        return Err(Error::bad_request(format!(
            "invalid repository name: repository name ({term}) should not have a scheme"
        )));
    }
    let named = |host: &str| host.contains(['.', ':']) || host == "localhost";
    let (host, words) = match term.split_once('/') {
        Some((host, words)) if named(host) => (host, words),
        _ => (HUB, term),
    };
    match host {
        HUB | "index.docker.io" => Ok((HUB, words.strip_prefix("library/").unwrap_or(words))),
        host => Ok((host, words)),
    }
}

/// The most stars that are asked for.
fn stars(filters: &Filters) -> Result<u64> {
    let values = filters.values("stars").map(|text| {
        text.parse::<u64>().map_err(|_| {
            Error::bad_request(format!(
                "invalid filter 'stars={text}': strconv.Atoi: parsing {text:?}: invalid syntax"
            ))
        })
    });
    let values: Vec<u64> = values.collect::<Result<_>>()?;
    Ok(values.into_iter().max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_names_its_registry_or_is_for_the_hub() {
        for (term, host, words) in [
            ("alpine", "docker.io", "alpine"),
            ("library/alpine", "docker.io", "alpine"),
            ("some/alpine", "docker.io", "some/alpine"),
            ("docker.io/library/a", "docker.io", "a"),
            ("r.lan/a/b", "r.lan", "a/b"),
            ("localhost/a", "localhost", "a"),
            ("127.0.0.1:5000/a", "127.0.0.1:5000", "a"),
        ] {
            assert_eq!(place(term).unwrap(), (host, words), "{term}");
        }
        assert!(place("http://x/a").is_err());
    }
}
