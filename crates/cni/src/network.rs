//! Network configurations: a name, versions, and plugins in order.

use crate::attachment::is_identifier;
use crate::{Attachment, Error, Success, Version};
use serde_json::{Map, Value, json};

/// A network: its plugins in the order in which they add.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The versions that the configuration may be read by, the newest first.
    pub versions: Vec<Version>,
    /// Whether `CHECK` does nothing.
    pub disable_check: bool,
    /// Whether `GC` does nothing.
    pub disable_gc: bool,
    /// Whether the plugins are those of the document alone, none of files beside it.
    pub only_inlined: bool,
    /// The plugins.
    pub plugins: Vec<PluginConfig>,
    /// The document itself.
    pub document: Value,
}

/// One plugin's part of a network's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// The executable's name.
    pub kind: String,
    /// All of it.
    pub document: Map<String, Value>,
}

impl PluginConfig {
    pub(crate) fn of(document: &Value, origin: &str) -> Result<Self, Error> {
        let object = document.as_object();
        let kind = object.and_then(|o| o.get("type")).and_then(Value::as_str);
        match (object, kind) {
            (Some(object), Some(kind)) if is_file_name(kind) => Ok(Self {
                kind: kind.to_owned(),
                document: object.clone(),
            }),
            (_, Some(kind)) => Err(wrong(origin, format!("{kind:?} is no plugin's name"))),
            (_, None) => Err(wrong(origin, "a plugin has no \"type\"")),
        }
    }

    /// Whether it has a capability.
    pub fn has_capability(&self, name: &str) -> bool {
        let all = self.document.get("capabilities");
        all.and_then(|all| all.get(name)) == Some(&Value::Bool(true))
    }

    /// What the plugin is told: its configuration, with what the runtime puts in.
    pub(crate) fn told(
        &self,
        network: &str,
        version: Version,
        previous: Option<&Success>,
        attachment: Option<&Attachment>,
    ) -> Result<Map<String, Value>, String> {
        let mut told = self.document.clone();
        told.insert("name".into(), network.into());
        told.insert("cniVersion".into(), version.name().into());
        if let Some(previous) = previous {
            told.insert("prevResult".into(), previous.write(version)?);
        }
        let asked = attachment.map(|attachment| attachment.capabilities.by_name());
        let mut granted = asked.unwrap_or_default();
        granted.retain(|name, _| self.has_capability(name));
        if !granted.is_empty() {
            told.insert("runtimeConfig".into(), granted.into());
        }
        Ok(told)
    }
}

fn is_file_name(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\0'])
}

fn wrong(origin: &str, reason: impl Into<String>) -> Error {
    Error::Config {
        origin: origin.to_owned(),
        reason: reason.into(),
    }
}

impl Network {
    /// Reads a list of plugins (`.conflist`). `origin` names it in errors.
    pub fn of_list(document: Value, origin: &str) -> Result<Self, Error> {
        let named = document.get("name");
        let name = named
            .and_then(Value::as_str)
            .ok_or_else(|| wrong(origin, "it has no \"name\""))?;
        if !is_identifier(name) {
            return Err(wrong(origin, format!("{name:?} is no network's name")));
        }
        let plugins = match document.get("plugins") {
            None => Vec::new(),
            Some(Value::Array(plugins)) if !plugins.is_empty() => plugins
                .iter()
                .map(|plugin| PluginConfig::of(plugin, origin))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(wrong(origin, "\"plugins\" is no list with plugins")),
        };
        let only_inlined = flag(&document, "loadOnlyInlinedPlugins", origin)?;
        if only_inlined && plugins.is_empty() {
            let reason = "\"loadOnlyInlinedPlugins\" is true, and there are no \"plugins\"";
            return Err(wrong(origin, reason));
        }
        Ok(Self {
            name: name.to_owned(),
            versions: versions(&document, origin)?,
            disable_check: flag(&document, "disableCheck", origin)?,
            disable_gc: flag(&document, "disableGC", origin)?,
            only_inlined,
            plugins,
            document,
        })
    }

    /// Reads the older form (`.conf`): one plugin, which is the network.
    pub fn of_plugin(document: &Value, origin: &str) -> Result<Self, Error> {
        PluginConfig::of(document, origin)?;
        let mut list = json!({ "name": document.get("name"), "plugins": [document] });
        if let Some(version) = document.get("cniVersion") {
            list["cniVersion"] = version.clone();
        }
        list["loadOnlyInlinedPlugins"] = true.into();
        Self::of_list(list, origin)
    }

    /// The capabilities that some plugin has.
    pub fn capabilities(&self) -> Vec<&str> {
        let all = self
            .plugins
            .iter()
            .filter_map(|p| p.document.get("capabilities"));
        let names = all.filter_map(Value::as_object).flatten();
        let mut names: Vec<_> = names
            .filter(|(_, value)| **value == Value::Bool(true))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A flag, which some write as a text.
fn flag(document: &Value, name: &str, origin: &str) -> Result<bool, Error> {
    match document.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => Err(wrong(origin, format!("{name:?} is {other}"))),
    }
}

/// `cniVersion` and those of `cniVersions` that are known here, the newest first.
fn versions(document: &Value, origin: &str) -> Result<Vec<Version>, Error> {
    let text = |value: &Value| match value.as_str() {
        Some(text) if is_version(text) => Ok(text.to_owned()),
        _ => Err(wrong(origin, format!("{value} is no CNI version"))),
    };
    let one = document.get("cniVersion").map(text).transpose()?;
    let many = match document.get("cniVersions") {
        None => Vec::new(),
        Some(Value::Array(many)) => many.iter().map(text).collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong(origin, "\"cniVersions\" is no list")),
    };
    let said: Vec<_> = match (one, many.is_empty()) {
        (None, true) => vec![String::new()],
        (one, _) => one.into_iter().chain(many).collect(),
    };
    let mut known: Vec<Version> = said.iter().filter_map(|text| text.parse().ok()).collect();
    known.sort_unstable_by(|a, b| b.cmp(a));
    known.dedup();
    if known.is_empty() {
        let newest = Version::V110;
        let reason = format!("CNI version {} is not known; {newest} is", said.join(", "));
        return Err(wrong(origin, reason));
    }
    Ok(known)
}

/// Numbers with dots between them; the empty text is allowed.
fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || text.split('.').all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_known_version_comes_first() {
        for (one, many, newest) in [
            (None, None, Some("0.1.0")),
            (Some("0.4.0"), None, Some("0.4.0")),
            (
                Some("0.4.0"),
                Some(json!(["1.0.0", "0.3.1"])),
                Some("1.0.0"),
            ),
            (
                Some("0.4.0"),
                Some(json!(["1.1.0", "2.0.0"])),
                Some("1.1.0"),
            ),
            (Some("2.0.0"), None, None),
            (Some("one"), None, None),
            (None, Some(json!("1.0.0")), None),
        ] {
            let mut document = json!({ "name": "net", "plugins": [{"type": "ptp"}] });
            if let Some(one) = one {
                document["cniVersion"] = one.into();
            }
            if let Some(many) = &many {
                document["cniVersions"] = many.clone();
            }
            let network = Network::of_list(document, "test").ok();
            let found = network.map(|network| network.versions[0].name());
            assert_eq!(found, newest, "{one:?} {many:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for document in [
            json!({ "plugins": [{"type": "ptp"}] }),
            json!({ "name": "a/b", "plugins": [{"type": "ptp"}] }),
            json!({ "name": "net", "plugins": [] }),
            json!({ "name": "net", "plugins": {} }),
            json!({ "name": "net", "plugins": [{}] }),
            json!({ "name": "net", "plugins": [{"type": "../sh"}] }),
            json!({ "name": "net", "plugins": [{"type": "ptp"}], "disableCheck": 1 }),
            json!({ "name": "net", "loadOnlyInlinedPlugins": true }),
        ] {
            assert!(
                Network::of_list(document.clone(), "test").is_err(),
                "{document}"
            );
        }
    }

    #[test]
    fn a_plugin_is_told_what_it_is_capable_of() {
        let document =
            json!({ "type": "portmap", "capabilities": {"portMappings": true, "mac": false} });
        let plugin = PluginConfig::of(&document, "test").expect("a plugin");
        let capabilities = json!({
            "portMappings": [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp"}],
            "mac": "02:00:00:00:00:01",
            "aliases": ["db"],
        });
        let attachment = Attachment {
            capabilities: serde_json::from_value(capabilities.clone()).expect("capabilities"),
            ..Attachment::default()
        };
        let told = plugin.told("net", Version::V100, None, Some(&attachment));
        let told = told.expect("a configuration");
        let ports = json!({ "portMappings": capabilities["portMappings"] });
        assert_eq!(told["runtimeConfig"], ports);
        assert_eq!(
            (&told["name"], &told["cniVersion"]),
            (&json!("net"), &json!("1.0.0"))
        );
    }
}
