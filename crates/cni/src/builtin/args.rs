//! What an attachment is to have by `CNI_ARGS`, and by `args` of the configuration.

use super::links;
use crate::Attachment;
use net::link::Mac;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Addresses that are asked for.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// The Ethernet address.
    pub(crate) mac: Option<Mac>,
    /// Those of the Internet, with or without a prefix length.
    pub(crate) ips: Vec<String>,
}

/// `args.cni` of a configuration.
#[derive(Debug, Default, Deserialize)]
struct Conventional {
    #[serde(default)]
    mac: String,
    #[serde(default)]
    ips: Vec<String>,
}

impl Args {
    /// Of a plugin's configuration and an attachment; the runtime's own configuration is the
    /// last to say which Ethernet address it is.
    pub(crate) fn of(
        told: &Map<String, Value>,
        attachment: Option<&Attachment>,
    ) -> Result<Self, String> {
        let words = attachment.map_or(&[][..], |own| &own.args);
        known(words)?;
        let word = |name: &str| words.iter().find(|(own, _)| own == name);
        let conventional = told.get("args").and_then(|args| args.get("cni"));
        let conventional = conventional.map(Conventional::deserialize).transpose();
        let conventional = conventional
            .map_err(|error| format!("args: {error}"))?
            .unwrap_or_default();
        let by_runtime = told.get("runtimeConfig").and_then(|all| all.get("mac"));
        let macs = [
            by_runtime.and_then(Value::as_str),
            Some(conventional.mac.as_str()),
            word("MAC").map(|(_, text)| text.as_str()),
        ];
        let mac = macs.into_iter().flatten().find(|text| !text.is_empty());
        let parsed = |text| links::mac(text).ok_or_else(|| format!("mac {text:?}"));
        let ip = word("IP").map(|(_, text)| text.clone());
        let ip = ip.filter(|text| !text.is_empty());
        Ok(Self {
            mac: mac.map(parsed).transpose()?,
            ips: ip.into_iter().chain(conventional.ips).collect(),
        })
    }
}

/// What plugins refuse in `CNI_ARGS` is theirs to say: every word that one of them does not
/// know, unless they are told to ignore those.
fn known(words: &[(String, String)]) -> Result<(), String> {
    let ignores = |(name, value): &(String, String)| {
        name == "IgnoreUnknown" && matches!(value.as_str(), "1" | "true" | "TRUE" | "True")
    };
    if words.iter().any(ignores) {
        return Ok(());
    }
    match words.first() {
        Some((name, _)) => Err(format!("CNI_ARGS {name}")),
        None => Ok(()),
    }
}
