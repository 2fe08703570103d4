//! JSON read as Go's `encoding/json` reads it: keys in any case, `null` for any zero value.
//!
//! Clients have come to depend on this: docker-py sends `image`, old tools `Hostname: null`.

mod go_type;
mod mismatch;
mod syntax;

use mismatch::{Failure, Step, kind};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};
use std::fmt;
use syntax::Fault;

/// Why a document could not be read, in Go's words.
#[derive(Debug)]
pub struct DecodeError(Reason);

#[derive(Debug)]
enum Reason {
    Missing,
    Syntax(Fault),
    Value(Failure),
}

impl DecodeError {
    /// Whether there was no document at all, only white space.
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Reason::Missing)
    }

    /// Whether there was a document, and more after it.
    pub fn is_trailing(&self) -> bool {
        matches!(self.0, Reason::Syntax(Fault::Trailing))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Missing => f.write_str("got EOF while reading request body"),
            Reason::Syntax(Fault::Trailing) => f.write_str("unexpected content after JSON"),
            Reason::Syntax(Fault::Broken(words)) => f.write_str(words),
            Reason::Value(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads a document as Go would.
///
/// # Errors
/// The bytes are no JSON, or a value has another type than its field.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        if bytes.trim_ascii().is_empty() {
            return DecodeError(Reason::Missing);
        }
        let fault = syntax::fault(bytes);
        DecodeError(Reason::Syntax(
            fault.unwrap_or_else(|| Fault::Broken(error.to_string())),
        ))
    })?;
    decode_value(&value)
}

/// Reads a parsed document as Go would.
///
/// # Errors
/// A value has another type than its field.
pub fn decode_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Go(value)).map_err(|failure| DecodeError(Reason::Value(failure)))
}

/// For fields that are a list, or one string which stands for a list of one.
pub(crate) fn words<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let words = match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(word)) => return Ok(Some(vec![word])),
        Some(other) => other,
    };
    // COMPAT: what is no list of strings was to be one string.
    decode_value(&words).map(Some).map_err(|_| {
        let kind = kind(&words);
        D::Error::custom(format_args!(
            "json: cannot unmarshal {kind} into Go value of type string"
        ))
    })
}

/// A value that deserializes as Go decodes it.
struct Go<'de>(&'de Value);

impl Go<'_> {
    /// It stands where `wanted` is.
    fn instead<T>(&self, wanted: impl Into<String>) -> Result<T, Failure> {
        Err(Failure::mismatch(self.0, wanted.into()))
    }
}

/// For numbers, where Go leaves zero when it reads `null`.
macro_rules! numbers {
    ($($method:ident => $visit:ident($name:literal)),* $(,)?) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
                match self.0 {
                    Value::Null => visitor.$visit(Default::default()),
                    Value::Number(number) => number
                        .$method(visitor)
                        .map_err(|_| Failure::figure(self.0, $name)),
                    _ => self.instead($name),
                }
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Go<'de> {
    type Error = Failure;

    numbers! {
        deserialize_i8 => visit_i8("int8"),
        deserialize_i16 => visit_i16("int16"),
        deserialize_i32 => visit_i32("int"),
        deserialize_i64 => visit_i64("int64"),
        deserialize_u8 => visit_u8("uint8"),
        deserialize_u16 => visit_u16("uint16"),
        deserialize_u32 => visit_u32("uint"),
        deserialize_u64 => visit_u64("uint64"),
        deserialize_f32 => visit_f32("float32"),
        deserialize_f64 => visit_f64("float64"),
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => self.instead("bool"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_str(text),
            _ => self.instead("string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items::of(items)),
            Value::Object(entries) => visitor.visit_map(Entries::of(entries, None)),
            value => value.deserialize_any(visitor).map_err(Failure::custom),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_seq(Items::of(&[])),
            Value::Array(items) => visitor.visit_seq(Items::of(items)),
            _ => self.instead(go_type::list(visitor, None)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let items: &[Value] = match self.0 {
            Value::Null => &[],
            Value::Array(items) => items,
            _ => return self.instead(go_type::list(visitor, Some(length))),
        };
        visitor.visit_seq(Items::exactly(items, length))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_map(Entries::none()),
            Value::Object(entries) => visitor.visit_map(Entries::of(entries, None)),
            _ => self.instead(go_type::map(visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let read = match self.0 {
            Value::Null => visitor.visit_map(Entries::none()),
            Value::Object(entries) => visitor.visit_map(Entries::of(entries, Some(fields))),
            _ => self.instead(name.trim_start_matches('*')),
        };
        read.map_err(|failure| failure.within(name))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let read = self.0.deserialize_enum(name, variants, visitor);
        read.map_err(Failure::custom)
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple_struct identifier ignored_any
    }
}

/// The items of a list, and how many were taken.
struct Items<'de> {
    items: std::slice::Iter<'de, Value>,
    taken: usize,
    /// How many there are at least; those that are missing are zero.
    length: usize,
}

impl<'de> Items<'de> {
    fn of(items: &'de [Value]) -> Self {
        Self::exactly(items, items.len())
    }

    fn exactly(items: &'de [Value], length: usize) -> Self {
        Self {
            items: items.iter(),
            taken: 0,
            length,
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let index = self.taken;
        if index >= self.length {
            return Ok(None);
        }
        self.taken += 1;
        let item = self.items.next().unwrap_or(&Value::Null);
        let read = seed.deserialize(Go(item));
        read.map(Some)
            .map_err(|failure| failure.at(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.taken)
    }
}

/// A key as the type spells it, as the document does, and the value.
type Entry<'de> = (&'de str, &'de str, &'de Value);

/// Entries, with the one whose turn it is.
struct Entries<'de>(std::vec::IntoIter<Entry<'de>>, Option<Entry<'de>>);

impl<'de> Entries<'de> {
    fn none() -> Self {
        Self(Vec::new().into_iter(), None)
    }

    /// With `fields`, only entries for one of them, none twice; the exact spelling wins.
    fn of(entries: &'de Map<String, Value>, fields: Option<&'static [&'static str]>) -> Self {
        let pairs = match fields {
            None => entries
                .iter()
                .map(|(key, value)| (key.as_str(), key.as_str(), value))
                .collect(),
            Some(fields) => fields
                .iter()
                .filter_map(|field| {
                    let (key, value) = lookup(entries, field)?;
                    Some((*field, key, value))
                })
                .collect::<Vec<_>>(),
        };
        Self(pairs.into_iter(), None)
    }
}

fn lookup<'de>(entries: &'de Map<String, Value>, field: &str) -> Option<(&'de str, &'de Value)> {
    let found = entries.get_key_value(field).or_else(|| {
        let mut all = entries.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(field))
    });
    let found = found.map(|(key, value)| (key.as_str(), value));
    found.filter(|(_, value)| !value.is_null())
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        self.1 = self.0.next();
        let Some((key, ..)) = self.1 else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Failure> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((_, key, value)) = self.1.take() else {
            return Err(Failure::custom("a value was asked for before its key"));
        };
        let read = seed.deserialize(Go(value));
        read.map_err(|failure| failure.at(Step::Key(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename = "a.Document", rename_all = "PascalCase")]
    struct Document {
        name: String,
        pair: [u32; 2],
        count: i64,
        list: Option<Vec<String>>,
        labels: BTreeMap<String, String>,
        nested: Option<Box<Self>>,
    }

    #[test]
    fn keys_are_read_in_any_case_and_the_exact_one_wins() {
        let read: Document = decode(br#"{"NAME":"a","count":2,"nested":{"nAmE":"b"}}"#).unwrap();
        assert_eq!((read.name.as_str(), read.count), ("a", 2));
        assert_eq!(read.nested.unwrap().name, "b");
        let both: Document = decode(br#"{"name":"lower","Name":"exact","NAME":"upper"}"#).unwrap();
        assert_eq!(both.name, "exact");
    }

    #[test]
    fn null_is_every_types_zero_value() {
        let read: Document = decode(
            br#"{"Name":null,"Count":null,"List":[null,"b"],"Labels":{"a":null},"Nested":null}"#,
        )
        .unwrap();
        assert_eq!(read.list, Some(vec![String::new(), "b".to_owned()]));
        assert_eq!(read.labels.get("a").map(String::as_str), Some(""));
        assert_eq!(decode::<Document>(b"null").unwrap(), Document::default());
    }

    #[test]
    fn a_wrong_type_is_told_in_gos_words() {
        let words = |body: &str| decode::<Document>(body.as_bytes()).unwrap_err().to_string();
        for (body, told) in [
            (
                r#"{"nested":{"Count":"1"}}"#,
                "string into Go struct field Document.nested.Count of type int64",
            ),
            (
                r#"{"Count":1.5}"#,
                "number 1.5 into Go struct field Document.Count of type int64",
            ),
            (
                r#"{"Name":1}"#,
                "number into Go struct field Document.Name of type string",
            ),
            (
                r#"{"List":"a"}"#,
                "string into Go struct field Document.List of type []string",
            ),
            (
                r#"{"List":["a",{}]}"#,
                "object into Document.List.1 of type string",
            ),
            (
                r#"{"Labels":[]}"#,
                "array into Go struct field Document.Labels of type map[string]string",
            ),
            (
                r#"{"Labels":{"a/b":true}}"#,
                "bool into Go struct field Document.Labels.a~1b of type string",
            ),
            (
                r#"{"Pair":{}}"#,
                "object into Go struct field Document.Pair of type [2]uint",
            ),
            ("[]", "array into Go value of type a.Document"),
        ] {
            assert_eq!(
                words(body),
                format!("json: cannot unmarshal {told}"),
                "{body}"
            );
        }
        assert!(decode::<Document>(b" ").unwrap_err().is_missing());
        assert!(!decode::<Document>(b"{").unwrap_err().is_missing());
        assert!(decode::<Document>(b"{}{}").unwrap_err().is_trailing());
    }

    #[test]
    fn an_array_is_filled_up_and_cut_off() {
        let pair = |body: &str| decode::<Document>(body.as_bytes()).unwrap().pair;
        assert_eq!(pair(r#"{"Pair":[1]}"#), [1, 0]);
        assert_eq!(pair(r#"{"Pair":[1,2,3]}"#), [1, 2]);
    }
}
