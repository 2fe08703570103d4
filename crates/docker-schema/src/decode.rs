//! JSON read as Go's `encoding/json` reads it: keys in any case, `null` for any zero value.
//!
//! Clients have come to depend on this: docker-py sends `image`, old tools `Hostname: null`.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

/// Why a document could not be read.
#[derive(Debug)]
pub struct DecodeError(serde_json::Error);

impl DecodeError {
    /// Whether there was no document at all, only white space.
    pub fn is_missing(&self) -> bool {
        self.0.is_eof() && self.0.column() == 0
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_missing() {
            return f.write_str("got EOF while reading request body");
        }
        self.0.fmt(f)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a document as Go would.
///
/// # Errors
/// The bytes are no JSON, or a value has another type than its field.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let value: Value = serde_json::from_slice(bytes).map_err(DecodeError)?;
    decode_value(&value)
}

/// Reads a parsed document as Go would.
///
/// # Errors
/// A value has another type than its field.
pub fn decode_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Go(value)).map_err(DecodeError)
}

/// For fields that are a list, or one string which stands for a list of one.
pub(crate) fn words<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::<Words>::deserialize(deserializer)? {
        None => None,
        Some(Words::One(word)) => Some(vec![word]),
        Some(Words::Many(words)) => Some(words),
    })
}

type Error = serde_json::Error;

/// A value that deserializes as Go decodes it.
struct Go<'de>(&'de Value);

/// For a type where Go leaves the zero value when it reads `null`.
macro_rules! zero_on_null {
    ($($method:ident => $visit:ident($zero:expr)),* $(,)?) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                match self.0 {
                    Value::Null => visitor.$visit($zero),
                    value => value.$method(visitor),
                }
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Go<'de> {
    type Error = Error;

    zero_on_null! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(0),
        deserialize_i16 => visit_i16(0),
        deserialize_i32 => visit_i32(0),
        deserialize_i64 => visit_i64(0),
        deserialize_u8 => visit_u8(0),
        deserialize_u16 => visit_u16(0),
        deserialize_u32 => visit_u32(0),
        deserialize_u64 => visit_u64(0),
        deserialize_f32 => visit_f32(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.iter())),
            Value::Object(entries) => visitor.visit_map(Entries::of(entries, None)),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_seq(Items([].iter())),
            Value::Array(items) => visitor.visit_seq(Items(items.iter())),
            value => value.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_map(Entries(Vec::new().into_iter(), None)),
            Value::Object(entries) => visitor.visit_map(Entries::of(entries, None)),
            value => value.deserialize_map(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_map(Entries(Vec::new().into_iter(), None)),
            Value::Object(entries) => visitor.visit_map(Entries::of(entries, Some(fields))),
            value => value.deserialize_struct(name, fields, visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple_struct identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0
            .next()
            .map(|item| seed.deserialize(Go(item)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Keys as the type spells them, with the value whose turn it is.
struct Entries<'de>(
    std::vec::IntoIter<(&'de str, &'de Value)>,
    Option<(&'de str, &'de Value)>,
);

impl<'de> Entries<'de> {
    /// With `fields`, only entries for one of them, none twice; the exact spelling wins.
    fn of(entries: &'de Map<String, Value>, fields: Option<&'static [&'static str]>) -> Self {
        let pairs = match fields {
            None => entries
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect(),
            Some(fields) => fields
                .iter()
                .filter_map(|field| Some((*field, lookup(entries, field)?)))
                .collect::<Vec<_>>(),
        };
        Self(pairs.into_iter(), None)
    }
}

fn lookup<'de>(entries: &'de Map<String, Value>, field: &str) -> Option<&'de Value> {
    let found = entries.get(field).or_else(|| {
        let mut all = entries.iter();
        all.find_map(|(key, value)| key.eq_ignore_ascii_case(field).then_some(value))
    });
    found.filter(|value| !value.is_null())
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.1 = self.0.next();
        let Some((key, _)) = self.1 else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.1.take() else {
            return Err(Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Go(value))
            .map_err(|error| Error::custom(format_args!("field {key}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Document {
        name: String,
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
    fn a_wrong_type_is_an_error_that_names_the_field() {
        let error = decode::<Document>(br#"{"Nested":{"Count":"1"}}"#).unwrap_err();
        assert!(
            error.to_string().starts_with("field Nested: field Count: "),
            "{error}"
        );
        assert!(decode::<Document>(b"").unwrap_err().is_missing());
        assert!(!decode::<Document>(b"{").unwrap_err().is_missing());
    }
}
