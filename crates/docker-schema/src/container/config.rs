//! The part of a container's configuration that does not depend on the host.
#![expect(missing_docs, reason = "fields bear the Engine API's own names")]

use crate::decode::words;
use crate::{Empty, List, Map, is_empty};
use serde::{Deserialize, Serialize};

/// What runs in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "container.CreateRequest", default, rename_all = "PascalCase")]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Map<Empty>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: List<String>,
    /// A list, or one string which is a list of one.
    #[serde(deserialize_with = "words")]
    pub cmd: List<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "is_empty")]
    pub args_escaped: bool,
    pub image: String,
    pub volumes: Map<Empty>,
    pub working_dir: String,
    /// A list, or one string which is a list of one.
    #[serde(deserialize_with = "words")]
    pub entrypoint: List<String>,
    #[serde(skip_serializing_if = "is_empty")]
    pub network_disabled: bool,
    /// Up to API 1.43.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    pub on_build: List<String>,
    pub labels: Map<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// A list, or one string which is a list of one.
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub shell: List<String>,
}

/// How a container's health is asked for; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "v1.HealthcheckConfig", default, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// Empty: as the image says. `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", command]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_empty")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_empty")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_empty")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_empty")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_empty")]
    pub retries: i64,
}
