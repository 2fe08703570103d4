//! Lists: tags, repositories, and manifests about another.

use crate::answer::{self, Answer, with};
use crate::depot::Depot;
use crate::error::{Error, Result};
use crate::records::{BlobRecord, ManifestRecord, SEPARATOR, TagRecord, of};
use crate::routes::Query;
use http::StatusCode;
use http::header::{HeaderName, LINK};
use oci::image::{Descriptor, Index, media_type};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use types::Digest;

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const JSON: &str = "application/json";

/// A part of a list, and whether there is more.
fn page(all: Vec<String>, query: &Query) -> Result<(Vec<String>, bool)> {
    let after = query.find("last");
    let mut rest: Vec<String> = all
        .into_iter()
        .filter(|name| after.is_none_or(|last| name.as_str() > last))
        .collect();
    let Some(count) = query.find("n").filter(|n| !n.is_empty()) else {
        return Ok((rest, false));
    };
    let invalid = |_| Error::page_invalid(format!("n={count:?} is no number"));
    let count: usize = count.parse().map_err(invalid)?;
    let more = rest.len() > count;
    rest.truncate(count);
    Ok((rest, more && count > 0))
}

fn linked(answer: Answer, path: &str, names: &[String], query: &Query) -> Answer {
    let last = names.last().map(String::as_str).unwrap_or_default();
    let count = query.find("n").unwrap_or_default();
    let next = format!("<{path}?last={last}&n={count}>; rel=\"next\"");
    with(answer, LINK, next)
}

pub(crate) fn tags(depot: &Depot, repository: &str, query: &Query) -> Result<Answer> {
    let (tags, known) = depot.0.database.read::<_, metadata::Error>(|read| {
        let all = read.list::<TagRecord>()?;
        let own = all.iter().filter_map(|(key, _)| of(repository, key));
        let tags: Vec<String> = own.map(str::to_owned).collect();
        let blobs = read.list::<BlobRecord>()?;
        let manifests = read.list::<ManifestRecord>()?;
        let known = blobs.iter().any(|(key, _)| of(repository, key).is_some())
            || manifests
                .iter()
                .any(|(key, _)| of(repository, key).is_some());
        Ok((tags, known))
    })?;
    if !known {
        let words = format!("repository {repository} is not here");
        return Err(Error::name_unknown(words));
    }
    let mut tags = tags;
    tags.sort_unstable();
    let (tags, more) = page(tags, query)?;
    let document = json!({"name": repository, "tags": tags});
    let answer = answer::json(StatusCode::OK, JSON, &document);
    Ok(match more {
        true => linked(answer, &format!("/v2/{repository}/tags/list"), &tags, query),
        false => answer,
    })
}

pub(crate) fn catalog(depot: &Depot, query: &Query) -> Result<Answer> {
    let names = depot.0.database.read::<_, metadata::Error>(|read| {
        let all = read.list::<ManifestRecord>()?;
        let names = all.iter().filter_map(|(key, _)| key.split_once(SEPARATOR));
        let names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
        Ok(names.into_iter().collect())
    })?;
    let (names, more) = page(names, query)?;
    let answer = answer::json(StatusCode::OK, JSON, &json!({"repositories": names}));
    Ok(match more {
        true => linked(answer, "/v2/_catalog", &names, query),
        false => answer,
    })
}

/// The manifests whose subject is `digest`, of one type if one is asked for.
pub(crate) fn referrers(
    depot: &Depot,
    repository: &str,
    digest: &Digest,
    query: &Query,
) -> Result<Answer> {
    let wanted = query
        .find("artifactType")
        .filter(|wanted| !wanted.is_empty());
    let all = depot
        .0
        .database
        .read(metadata::Read::list::<ManifestRecord>)?;
    let about = all.into_iter().filter_map(|(key, record)| {
        let own: Digest = of(repository, &key)?.parse().ok()?;
        let is = record.subject.as_ref() == Some(digest);
        let fits = wanted.is_none_or(|wanted| record.artifact_type.as_deref() == Some(wanted));
        (is && fits).then(|| Descriptor {
            artifact_type: record.artifact_type,
            annotations: record.annotations,
            ..Descriptor::new(&record.media_type, own, record.size)
        })
    });
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type::INDEX.to_owned()),
        artifact_type: None,
        manifests: about.collect(),
        subject: None,
        annotations: BTreeMap::new(),
    };
    let answer = answer::json(StatusCode::OK, media_type::INDEX, &index);
    Ok(match wanted {
        Some(_) => with(answer, FILTERS, "artifactType"),
        None => answer,
    })
}
