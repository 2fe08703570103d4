//! Images.

mod credentials;
mod document;
mod fetch;
mod list;
mod progress;
mod push;
mod search;

pub(crate) use credentials::login;
pub(crate) use fetch::{create, load, platform};
pub(crate) use list::{list, prune, summaries};
pub(crate) use push::{offered, push, save, save_all};
pub(crate) use search::search;

use crate::body::{self, Response};
use crate::call::Call;
use crate::compat;
use crate::error::{Error, Result};
use crate::version::ApiVersion;
use docker_schema::image::DeleteItem;
use http::StatusCode;
use images::{Force, Parents, Reference, Removal, Remove};

/// Runs what waits for the disk where it holds up nobody.
pub(crate) async fn blocking<T, E>(
    operation: impl FnOnce() -> std::result::Result<T, E> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    E: Send + 'static,
    Error: From<E>,
{
    match tokio::task::spawn_blocking(operation).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Error::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the operation was given up: {error}"),
        )),
    }
}

pub(crate) async fn inspect(call: Call) -> Result<Response> {
    let images = call.api.engine.images();
    let image = images.resolve(call.name())?;
    let driver = images.snapshotter().name();
    let document = document::inspect(&image, call.version, driver);
    Ok(compat::ok(&document, call.version, &document::RULES))
}

/// COMPAT: dockerd's words, whose store of layers has none either.
pub(crate) async fn attestations(call: Call) -> Result<Response> {
    const SINCE: ApiVersion = ApiVersion::new(1, 55);
    if call.version < SINCE {
        return Err(Error::bad_request(format!(
            "GET /images/{{name:.*}}/attestations requires minimum API version {SINCE}"
        )));
    }
    if call.query.all("platform").count() > 1 {
        return Err(Error::bad_request(
            "only one platform value is currently supported",
        ));
    }
    platform(call.query.text("platform"))?;
    Err(Error::not_implemented(
        "the legacy image store does not support attestations",
    ))
}

pub(crate) async fn history(call: Call) -> Result<Response> {
    let images = call.api.engine.images();
    let image = images.resolve(call.name())?;
    let mut items = document::history(&image);
    // COMPAT: images that it was made of here have an entry each, from the newest on.
    let mut parent = image.parent.clone();
    for item in items.iter_mut().skip(1) {
        let found = parent.and_then(|id| images.resolve(&id.to_string()).ok());
        let Some(found) = found else { break };
        document::name(item, &found);
        parent = found.parent.clone();
    }
    Ok(body::ok(&items))
}

/// A reference of a repository and a tag, either of which may say the tag.
pub(crate) fn reference(repository: &str, tag: &str) -> Result<Reference> {
    let parsed = || -> std::result::Result<Reference, images::Error> {
        let reference: Reference = repository.parse()?;
        Ok(match tag {
            "" => reference,
            tag => match tag.parse() {
                Ok(digest) => reference.with_digest(&digest),
                Err(_) => reference.with_tag(tag)?,
            },
        })
    };
    Ok(parsed()?)
}

pub(crate) async fn tag(call: Call) -> Result<Response> {
    let reference = reference(call.query.text("repo"), call.query.text("tag"))?;
    let images = call.api.engine.images().clone();
    let name = call.name().to_owned();
    blocking(move || images.tag(&name, &reference.or_latest())).await?;
    Ok(body::empty(StatusCode::CREATED))
}

pub(crate) async fn remove(call: Call) -> Result<Response> {
    if call.query.find("platforms").is_some() {
        return Err(Call::refuse("platforms", "an image has one platform here"));
    }
    let how = Remove {
        force: if call.query.flag("force") {
            Force::Yes
        } else {
            Force::No
        },
        parents: if call.query.flag("noprune") {
            Parents::Keep
        } else {
            Parents::Prune
        },
    };
    let images = call.api.engine.images().clone();
    let name = call.name().to_owned();
    let removals = blocking(move || images.remove(&name, how)).await?;
    Ok(body::ok(
        &removals.into_iter().map(removed).collect::<Vec<_>>(),
    ))
}

/// One thing that a removal did, in the API's form.
pub(crate) fn removed(removal: Removal) -> DeleteItem {
    match removal {
        Removal::Untagged(untagged) => DeleteItem {
            untagged,
            ..DeleteItem::default()
        },
        Removal::Deleted(digest) => DeleteItem {
            deleted: digest.to_string(),
            ..DeleteItem::default()
        },
    }
}
