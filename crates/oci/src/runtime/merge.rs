//! Fields that are given more than once, as Go's decoder takes them: objects are merged, and of
//! other values the last one counts.

use super::fold::known;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Value};
use std::fmt;

/// A document, with every field in the place where it was given.
pub(super) enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Plain(Value),
}

impl Node {
    fn is_null(&self) -> bool {
        matches!(self, Self::Plain(Value::Null))
    }

    /// Takes what is given later. `null` leaves what was there.
    fn add(&mut self, later: Self) {
        match (self, later) {
            (Self::Object(all), Self::Object(more)) => all.extend(more),
            (_, later) if later.is_null() => {}
            (now, later) => *now = later,
        }
    }
}

/// The fields of a struct by the names it knows them by, each once.
fn merged(given: Vec<(String, Node)>, fields: &[&'static str]) -> Vec<(String, Node)> {
    let mut all: Vec<(String, Node)> = Vec::with_capacity(given.len());
    for (name, node) in given {
        let name = known(fields, &name);
        match all.iter_mut().find(|(there, _)| there == name) {
            Some((_, there)) => there.add(node),
            None => all.push((name.to_owned(), node)),
        }
    }
    all
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

macro_rules! plain {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method<E>(self, value: $type) -> Result<Node, E> {
            Ok(Node::Plain(value.into()))
        }
    )*};
}

impl<'de> Visitor<'de> for Reading {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    plain! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut inside: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(node) = inside.next_element()? {
            all.push(node);
        }
        Ok(Node::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut inside: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = inside.next_entry()? {
            all.push(entry);
        }
        Ok(Node::Object(all))
    }
}

impl<'de> IntoDeserializer<'de, Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Object(all) => visitor.visit_map(MapDeserializer::new(all.into_iter())),
            Self::Array(all) => visitor.visit_seq(SeqDeserializer::new(all.into_iter())),
            Self::Plain(value) => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Object(all) => Self::Object(merged(all, fields)).deserialize_any(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Plain(value) => value.deserialize_enum(name, variants, visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}
