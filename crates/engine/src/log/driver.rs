//! The drivers, and the options that each takes.

use super::LOG;
use crate::Error;
use std::collections::BTreeMap;

/// A driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    JsonFile,
    Local,
    None,
    /// One that sends records away.
    Remote(&'static str),
}

/// Docker's drivers that are not done.
const OTHERS: [&str; 4] = ["awslogs", "splunk", "gcplogs", "etwlogs"];
/// Options that most drivers take, of what goes along with records.
const ATTRIBUTES: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];
/// Options of the files that are kept for drivers whose records go elsewhere.
const CACHE: [&str; 4] = [
    "cache-disabled",
    "cache-max-size",
    "cache-max-file",
    "cache-compress",
];

impl Driver {
    pub(super) fn read(name: &str) -> Result<Self, Error> {
        match name {
            "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "none" => Ok(Self::None),
            name if OTHERS.contains(&name) => Err(Error::Unsupported {
                option: format!("LogConfig.Type {name:?}"),
                reason: "use fluentd, gelf, journald, json-file, local, none or syslog",
            }),
            name => match forward::DRIVERS.iter().find(|known| **known == name) {
                Some(known) => Ok(Self::Remote(known)),
                None => Err(Error::invalid(
                    LOG,
                    format!("error looking up logging plugin {name}: plugin {name:?} not found"),
                )),
            },
        }
    }

    /// Refuses options that the driver does not have; those of remote ones are refused where
    /// they are read.
    pub(super) fn check_names(self, options: &BTreeMap<String, String>) -> Result<(), String> {
        const FILES: [&str; 3] = ["max-size", "max-file", "compress"];
        for name in options.keys().map(String::as_str) {
            let attribute = ATTRIBUTES.contains(&name);
            match self {
                Self::JsonFile if !attribute && !FILES.contains(&name) => {
                    return Err(format!("unknown log opt '{name}' for json-file log driver"));
                }
                Self::Local if !FILES.contains(&name) => {
                    return Err(format!("unknown log opt '{name}' for log driver local"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A driver's own options; those of all drivers are checked and left out.
///
/// Output never waits for a driver, whatever `mode` says, and what a remote one has not got yet
/// waits in a file: `max-buffer-size` bounds nothing here that is not bounded by that.
pub(super) fn own(options: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    let mode = options.get("mode").map_or("", String::as_str);
    if !matches!(mode, "" | "blocking" | "non-blocking") {
        return Err(format!("logger: logging mode not supported: {mode}"));
    }
    if let Some(size) = options.get("max-buffer-size") {
        if mode != "non-blocking" {
            return Err(
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
                    .to_owned(),
            );
        }
        logs::size(size).map_err(|why| format!("error parsing option max-buffer-size: {why}"))?;
    }
    if let Some(text) = options.get("cache-disabled")
        && switch(text).is_err()
    {
        return Err(format!("invalid value for option cache-disabled: {text}"));
    }
    let common = |name: &str| matches!(name, "mode" | "max-buffer-size") || CACHE.contains(&name);
    let own = options.iter().filter(|(name, _)| !common(name));
    Ok(own
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// What is left of a driver's options besides those of what goes along.
pub(super) fn without_attributes(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut rest = options.clone();
    rest.retain(|name, _| !ATTRIBUTES.contains(&name.as_str()));
    rest
}

/// A switch as Go reads it.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {text:?}: invalid syntax"
        )),
    }
}

/// A number as Go reads it.
pub(super) fn number(text: &str) -> Result<i64, String> {
    let invalid = |_| format!("strconv.Atoi: parsing {text:?}: invalid syntax");
    text.parse().map_err(invalid)
}
