//! Configurations: every word must be known.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

/// Words of every plugin's configuration, which say nothing here: they are read elsewhere, or
/// are the runtime's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "that they are known is all")]
pub(crate) struct Plain {
    name: Option<IgnoredAny>,
    cni_version: Option<IgnoredAny>,
    r#type: Option<IgnoredAny>,
    capabilities: Option<IgnoredAny>,
    runtime_config: Option<IgnoredAny>,
    prev_result: Option<IgnoredAny>,
    args: Option<IgnoredAny>,
}

/// The words of [`Plain`].
const PLAIN: [&str; 7] = [
    "name",
    "cniVersion",
    "type",
    "capabilities",
    "runtimeConfig",
    "prevResult",
    "args",
];

/// Reads a configuration, or names what is not understood in it.
pub(crate) fn read<T: DeserializeOwned>(told: &Map<String, Value>) -> Result<T, String> {
    T::deserialize(Value::Object(told.clone())).map_err(|error| error.to_string())
}

/// The same of the words that a plugin has besides those of all.
pub(crate) fn read_own<T: DeserializeOwned>(told: &Map<String, Value>) -> Result<T, String> {
    let mut own = told.clone();
    own.retain(|name, _| !PLAIN.contains(&name.as_str()));
    read(&own)
}
