//! A container made an image.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::{Error, Result, chain};
use crate::images::reference;
use docker_schema::IdResponse;
use docker_schema::container::Config;
use engine::{CommitSpec, ExecConfig};
use http::StatusCode;
use std::collections::BTreeMap;

pub(crate) async fn commit(call: Call) -> Result<Response> {
    let text = |name: &str| call.query.text(name).to_owned();
    let (name, repository, tag) = (text("container"), text("repo"), text("tag"));
    let (author, message) = (text("author"), text("comment"));
    let changes = call.query.all("changes").map(str::to_owned).collect();
    // COMPAT: old clients, which say nothing, mean yes.
    let pause = call.query.flag_or("pause", true);
    let api = call.api.clone();
    let config: Option<Config> = call.document().await?;
    let id = api.engine.containers().resolve(&name)?;
    let reference = match repository.as_str() {
        "" => None,
        repository => Some(reference(repository, &tag)?.or_latest()),
    };
    if reference
        .as_ref()
        .is_some_and(|reference| reference.digest().is_some())
    {
        return Err(Error::bad_request("cannot commit to digest reference"));
    }
    let spec = CommitSpec {
        reference,
        author,
        message,
        changes,
        config: config.map(exec_config).transpose()?,
        pause,
    };
    let committed = api.engine.containers().commit(&id, spec).await;
    let image = committed.map_err(|error| phrase(&error))?;
    let document = IdResponse {
        id: image.id.to_string(),
    };
    Ok(body::json(StatusCode::CREATED, &document))
}

/// The reason alone: that an image was to be made, the caller knows.
fn phrase(error: &engine::Error) -> Error {
    match error {
        engine::Error::Image { source, .. } => Error::of(error).worded(chain(&**source)),
        error => super::phrase::phrase(error),
    }
}

/// What of a container's configuration an image has.
fn exec_config(config: Config) -> Result<ExecConfig> {
    fn set<V>(names: Option<BTreeMap<String, V>>) -> BTreeMap<String, serde_json::Value> {
        let empty = || serde_json::Value::Object(serde_json::Map::new());
        let names = names.unwrap_or_default().into_keys();
        names.map(|name| (name, empty())).collect()
    }
    let text = |text: String| (!text.is_empty()).then_some(text);
    Ok(ExecConfig {
        user: config.user,
        exposed_ports: set(config.exposed_ports),
        env: config.env.unwrap_or_default(),
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        volumes: set(config.volumes),
        working_dir: config.working_dir,
        labels: config.labels.unwrap_or_default(),
        stop_signal: text(config.stop_signal),
        stop_timeout: config.stop_timeout,
        healthcheck: config
            .healthcheck
            .as_ref()
            .map(super::health::check)
            .transpose()?,
        on_build: config.on_build.unwrap_or_default(),
        shell: config.shell.unwrap_or_default(),
        ..ExecConfig::default()
    })
}
