//! The name of the Go type that a field has, found by asking the field's reader what it reads.

use super::mismatch::Failure;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// A list's type: of any length, or of one.
pub(super) fn list<'de, V: Visitor<'de>>(visitor: V, length: Option<usize>) -> String {
    let length = length.map(|n| n.to_string()).unwrap_or_default();
    format!("[{length}]{}", said(visitor.visit_seq(Elements)))
}

/// A map's type.
pub(super) fn map<'de, V: Visitor<'de>>(visitor: V) -> String {
    format!("map[string]{}", said(visitor.visit_map(Pairs(false))))
}

/// The type in an answer that is always a failure.
fn said<T>(answer: Result<T, Failure>) -> String {
    match answer {
        Err(Failure::Said(name)) => name,
        _ => "interface {}".to_owned(),
    }
}

/// Answers each question for a value with the name of what is asked for.
struct Asked;

macro_rules! names {
    ($($method:ident => $name:literal),* $(,)?) => {
        $(
            fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
                Err(Failure::custom($name))
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Failure;

    names! {
        deserialize_any => "interface {}",
        deserialize_bool => "bool",
        deserialize_i32 => "int",
        deserialize_i64 => "int64",
        deserialize_u16 => "uint16",
        deserialize_u32 => "uint",
        deserialize_u64 => "uint64",
        deserialize_f64 => "float64",
        deserialize_str => "string",
        deserialize_string => "string",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        Err(Failure::Said(list(visitor, None)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        Err(Failure::Said(map(visitor)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Failure> {
        Err(Failure::custom(name))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier ignored_any
    }
}

struct Elements;

impl<'de> SeqAccess<'de> for Elements {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        seed.deserialize(Asked).map(Some)
    }
}

/// One pair, and whether its key was given.
struct Pairs(bool);

impl<'de> MapAccess<'de> for Pairs {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        if std::mem::replace(&mut self.0, true) {
            return Ok(None);
        }
        let key: StrDeserializer<'_, Failure> = "".into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(Asked)
    }
}
