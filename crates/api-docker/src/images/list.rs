//! Lists of images, and their removal in bulk.

use super::document::{digests, seconds, size, tags, virtual_size};
use super::{blocking, removed};
use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::server::Api;
use crate::version::ApiVersion;
use docker_schema::filters::Filters;
use docker_schema::image::{PruneReport, Summary};
use engine::{ContainerFilter, EventType, LabelFilter};
use images::{Image, Reference, Remove};
use std::collections::BTreeMap;

const FILTERS: [&str; 7] = [
    "before",
    "dangling",
    "label",
    "label!",
    "reference",
    "since",
    "until",
];

/// The version since which a list may tell of images' origin. COMPAT: as of dockerd's store of
/// layers, there is nothing to tell.
const IDENTITY: ApiVersion = ApiVersion::new(1, 54);

pub(crate) async fn list(call: Call) -> Result<Response> {
    let filters = call.query.filters(&FILTERS)?;
    if call.version >= IDENTITY && call.query.flag("identity") && !call.query.flag("manifests") {
        let words = "conflicting options: identity requires manifests=1";
        return Err(Error::bad_request(words));
    }
    let mut summaries = summaries(&call.api, &filters, call.version).await?;
    if call.query.flag("shared-size") {
        let images = call.api.engine.images().clone();
        let usage = blocking(move || images.usage()).await?;
        for summary in &mut summaries {
            let mut found = usage.images.iter();
            if let Some(found) = found.find(|image| image.id.to_string() == summary.id) {
                summary.shared_size = size(found.shared);
            }
        }
    }
    Ok(body::ok(&summaries))
}

/// The images that match, in a list's form.
pub(crate) async fn summaries(
    api: &Api,
    filters: &Filters,
    version: ApiVersion,
) -> Result<Vec<Summary>> {
    let users = api.engine.containers().image_counts();
    let summary = |image: &Image| {
        let id = image.id.to_string();
        Summary {
            containers: users
                .get(&id)
                .map_or(0, |count| i64::try_from(*count).unwrap_or(i64::MAX)),
            created: seconds(image.created),
            labels: labels(image),
            parent_id: super::document::parent(image),
            repo_digests: Some(digests(image)),
            repo_tags: Some(tags(image)),
            shared_size: -1,
            size: size(image.size),
            virtual_size: virtual_size(version, image.size),
            id,
        }
    };
    Ok(matching(api, filters).await?.iter().map(summary).collect())
}

fn labels(image: &Image) -> Option<BTreeMap<String, String>> {
    let labels = &image.config.config.labels;
    let labels: BTreeMap<String, String> = labels
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!labels.is_empty()).then_some(labels)
}

async fn matching(api: &Api, filters: &Filters) -> Result<Vec<Image>> {
    let images = api.engine.images().clone();
    let mut found = blocking(move || images.list()).await?;
    let made = |name: &str| -> Result<Option<Option<types::Timestamp>>> {
        let name = filters.values(name).next();
        let image = name
            .map(|name| api.engine.images().resolve(name))
            .transpose()?;
        Ok(image.map(|image| image.created))
    };
    let (before, since) = (made("before")?, made("since")?);
    let until = crate::query::until(filters)?;
    let dangling = dangling(filters)?;
    found.retain_mut(|image| {
        let nameless = image.references.is_empty() && image.digests.is_empty();
        dangling.is_none_or(|dangling| dangling == nameless)
            && before.is_none_or(|before| image.created < before)
            && since.is_none_or(|since| image.created > since)
            && until.is_none_or(|until| image.created.is_none_or(|created| created < until))
            && labelled(image, filters)
            && referenced(image, filters)
    });
    Ok(found)
}

fn dangling(filters: &Filters) -> Result<Option<bool>> {
    filters.truth("dangling").map_err(Error::bad_request)
}

fn labelled(image: &Image, filters: &Filters) -> bool {
    let labels = &image.config.config.labels;
    let has = |text: &str| {
        let wanted = LabelFilter::parse(text);
        let mut found = labels.iter().filter(|(key, _)| **key == wanted.name);
        found.any(|(_, value)| wanted.value.as_ref().is_none_or(|wanted| wanted == value))
    };
    filters.values("label").all(has) && !filters.values("label!").any(has)
}

/// Whether a name of the image is among those asked for; it keeps no others in the list.
fn referenced(image: &mut Image, filters: &Filters) -> bool {
    if !filters.contains("reference") {
        return true;
    }
    let wanted = |name: &Reference| {
        [name.familiar(), name.familiar_name()].iter().any(|name| {
            let mut patterns = filters.values("reference");
            patterns.any(|pattern| glob(pattern.as_bytes(), name.as_bytes()))
        })
    };
    image.references.retain(wanted);
    image.digests.retain(wanted);
    !(image.references.is_empty() && image.digests.is_empty())
}

/// Shell patterns of `*` and `?`, neither of which is a slash.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if glob(rest, text) => true,
        (Some((b'*', _)), Some((byte, tail))) => *byte != b'/' && glob(pattern, tail),
        (Some((b'?', rest)), Some((byte, tail))) => *byte != b'/' && glob(rest, tail),
        (Some((wanted, rest)), Some((byte, tail))) => wanted == byte && glob(rest, tail),
        _ => false,
    }
}

pub(crate) async fn prune(call: Call) -> Result<Response> {
    let mut filters = call
        .query
        .filters(&["dangling", "label", "label!", "until"])?;
    // Without a word only nameless images go; `dangling=false` is all that no container needs.
    match dangling(&filters)? {
        None => filters = filters.with("dangling", "true"),
        Some(true) => {}
        Some(false) => drop(filters.0.remove("dangling")),
    }
    let used = ContainerFilter {
        all: true,
        ..ContainerFilter::default()
    };
    let used = call.api.engine.containers().list(&used)?;
    let taken = || {
        let images = call.api.engine.images().clone();
        blocking(move || images.usage().map(|usage| usage.total))
    };
    let before = taken().await?;
    let mut report = PruneReport::default();
    for image in matching(&call.api, &filters).await? {
        let id = image.id.to_string();
        if used.iter().any(|container| container.record.image_id == id) {
            continue;
        }
        drop(image);
        let images = call.api.engine.images().clone();
        let how = Remove {
            force: images::Force::Yes,
            ..Remove::default()
        };
        match blocking(move || images.remove(&id, how)).await {
            Ok(removals) => {
                let items = removals.into_iter().map(removed);
                report.images_deleted.get_or_insert_default().extend(items);
            }
            // A container made meanwhile keeps its image.
            Err(error) if error.status() == http::StatusCode::CONFLICT => {}
            Err(error) => return Err(error),
        }
    }
    // What images share with others stays.
    report.space_reclaimed = before.saturating_sub(taken().await?);
    let events = call.api.engine.events();
    events.record_prune(EventType::Image, report.space_reclaimed);
    Ok(body::ok(&report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stop_at_slashes() {
        let glob = |pattern: &str, text: &str| glob(pattern.as_bytes(), text.as_bytes());
        assert!(glob("busy*", "busybox"));
        assert!(glob("busybox:*", "busybox:1.36"));
        assert!(!glob("*", "a/b"));
        assert!(glob("*/b", "a/b"));
        assert!(glob("b?x", "box") && !glob("b?x", "bx"));
    }
}
