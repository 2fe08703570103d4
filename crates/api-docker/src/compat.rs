//! Documents as some versions of the API have them: the schema's, without some fields. What
//! stays keeps its order.

use crate::body::{self, Response};
use crate::version::ApiVersion;
use http::StatusCode;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Fields that are left out from a version on.
#[derive(Debug)]
pub(crate) struct Rule {
    since: ApiVersion,
    /// The object that has them; empty: the document itself.
    of: &'static str,
    fields: &'static [&'static str],
    when: When,
}

/// When a field is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// It says nothing: null, an empty text, list or object.
    Empty,
    Null,
}

impl Rule {
    /// Fields that are gone since a version.
    pub(crate) const fn gone(
        since: ApiVersion,
        of: &'static str,
        fields: &'static [&'static str],
    ) -> Self {
        Self {
            since,
            of,
            fields,
            when: When::Always,
        }
    }

    /// Fields that are left out when they say nothing since a version.
    pub(crate) const fn empty(
        since: ApiVersion,
        of: &'static str,
        fields: &'static [&'static str],
    ) -> Self {
        Self {
            when: When::Empty,
            ..Self::gone(since, of, fields)
        }
    }

    /// Fields that are left out when they are null since a version.
    pub(crate) const fn null(
        since: ApiVersion,
        of: &'static str,
        fields: &'static [&'static str],
    ) -> Self {
        Self {
            when: When::Null,
            ..Self::gone(since, of, fields)
        }
    }

    fn takes(&self, name: &str, value: &Node) -> bool {
        self.fields.contains(&name)
            && match self.when {
                When::Always => true,
                When::Empty => value.is_empty(),
                When::Null => matches!(value, Node::Plain(serde_json::Value::Null)),
            }
    }
}

/// A document for a client of this version, with status 200.
pub(crate) fn ok<T: Serialize>(document: &T, version: ApiVersion, rules: &[Rule]) -> Response {
    let mut rules = rules.iter().filter(|rule| rule.since <= version).peekable();
    if rules.peek().is_none() {
        return body::ok(document);
    }
    let read = serde_json::to_vec(document).and_then(|bytes| serde_json::from_slice(&bytes));
    let mut node: Node = match read {
        Ok(node) => node,
        Err(error) => {
            let message = format!("cannot write the answer: {error}");
            return body::text(StatusCode::INTERNAL_SERVER_ERROR, message);
        }
    };
    for rule in rules {
        node.leave_out(rule);
    }
    body::ok(&node)
}

/// A document, its fields in their order.
enum Node {
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
    Plain(serde_json::Value),
}

impl Node {
    fn leave_out(&mut self, rule: &Rule) {
        let Self::Object(fields) = self else {
            return;
        };
        if rule.of.is_empty() {
            return fields.retain(|(name, value)| !rule.takes(name, value));
        }
        let found = fields.iter_mut().find(|(name, _)| name == rule.of);
        if let Some((_, Self::Object(fields))) = found {
            fields.retain(|(name, value)| !rule.takes(name, value));
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Object(fields) => fields.is_empty(),
            Self::List(values) => values.is_empty(),
            Self::Plain(value) => value.is_null() || value.as_str() == Some(""),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Plain(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::with_capacity(map.size_hint().unwrap_or_default());
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut values = Vec::with_capacity(list.size_hint().unwrap_or_default());
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Node::List(values))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(serde_json::Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn what_a_version_does_not_have_is_left_out_and_the_rest_keeps_its_order() {
        const NEW: ApiVersion = ApiVersion::new(1, 52);
        const RULES: [Rule; 3] = [
            Rule::gone(NEW, "Z", &["Old"]),
            Rule::empty(NEW, "", &["Text", "List", "Kept"]),
            Rule::null(NEW, "", &["Nothing", "Other"]),
        ];
        let text = r#"{"Z":{"Old":1,"B":[{"Old":2}],"A":-1.5},"Text":"","List":[],"Kept":"x","Nothing":null,"Other":[]}"#;
        let node: Node = serde_json::from_str(text).unwrap();
        let shown = async |minor| {
            let response = ok(&node, ApiVersion::new(1, minor), &RULES);
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        assert_eq!(shown(51).await, format!("{text}\n"));
        let expected = r#"{"Z":{"B":[{"Old":2}],"A":-1.5},"Kept":"x","Other":[]}"#;
        assert_eq!(shown(52).await, format!("{expected}\n"));
    }
}
