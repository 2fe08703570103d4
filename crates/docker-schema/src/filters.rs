//! Filters of lists: `{"label":["a=b"]}`, or the old form `{"label":{"a=b":true}}`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Values by the name of the filter; written in the old form as docker's client writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(pub BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// Reads the query parameter `filters`; an empty text is no filter.
    ///
    /// # Errors
    /// The text is neither form.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        match text {
            "" => Ok(Self::default()),
            text => serde_json::from_str(text),
        }
    }

    /// One more value for a filter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let values = self.0.entry(name.to_owned()).or_default();
        values.insert(value.to_owned());
        self
    }

    /// Leaves out all filters but these.
    pub fn keep(&mut self, names: &[&str]) {
        self.0.retain(|name, _| names.contains(&name.as_str()));
    }

    /// The values of one filter.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// What a filter says that is true or false.
    ///
    /// # Errors
    /// Docker's words for what is neither, or both.
    pub fn truth(&self, name: &str) -> Result<Option<bool>, String> {
        let values: Vec<&str> = self.values(name).collect();
        match *values {
            [] => Ok(None),
            ["1" | "true"] => Ok(Some(true)),
            ["0" | "false"] => Ok(Some(false)),
            _ => Err(format!("invalid filter '{name}=[{}]'", values.join(" "))),
        }
    }

    /// Whether a filter is given.
    pub fn contains(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| !values.is_empty())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first filter that is not one of these.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        let mut names = self.0.keys().map(String::as_str);
        names.find(|name| !known.contains(name))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Set(BTreeMap<String, bool>),
}

impl<'de> Deserialize<'de> for Filters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, Values>::deserialize(deserializer)
            .map_err(|_| D::Error::custom("invalid filter"))?;
        let sets = read.into_iter().map(|(name, values)| {
            let values = match values {
                Values::List(values) => values.into_iter().collect(),
                Values::Set(values) => values.into_keys().collect(),
            };
            (name, values)
        });
        Ok(Self(sets.collect()))
    }
}

impl Serialize for Filters {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sets = self.0.iter().map(|(name, values)| {
            let values = values.iter().map(|value| (value, true));
            (name, values.collect::<BTreeMap<_, _>>())
        });
        serializer.collect_map(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let new = Filters::parse(r#"{"label":["a=b","c"],"status":["exited"]}"#).unwrap();
        let old = Filters::parse(r#"{"label":{"a=b":true,"c":true},"status":{"exited":true}}"#);
        assert_eq!(new, old.unwrap());
        assert_eq!(new.values("label").collect::<Vec<_>>(), ["a=b", "c"]);
        assert_eq!(new.unknown(&["label"]), Some("status"));
        assert!(Filters::parse("garbage").is_err());
        assert_eq!(Filters::parse("").unwrap(), Filters::default());
    }
}
