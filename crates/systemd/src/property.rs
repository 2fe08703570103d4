//! A unit's property, and its value as people write it.

use crate::Error;
use zbus::Variant;

/// A unit's property.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    pub(crate) name: String,
    pub(crate) value: Variant<'static>,
}

impl Property {
    /// A property with a value.
    pub fn new(name: &str, value: impl Into<Variant<'static>>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A property whose value is written as GVariant's text: `true`, `'text'`, `uint64 5`, `5`,
    /// `['a', 'b']`. A name of seconds becomes systemd's own, of microseconds.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Property {
            name: name.to_owned(),
            text: text.to_owned(),
            reason,
        };
        if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(wrong("the name is not of three or more letters"));
        }
        let value = value(text.trim()).ok_or_else(|| wrong("it is no simple GVariant"))?;
        let seconds = name
            .strip_suffix("Sec")
            .filter(|stem| stem.ends_with(|letter: char| letter.is_ascii_lowercase()));
        match seconds {
            None => Ok(Self::new(name, value)),
            Some(stem) => {
                let value = microseconds(&value).ok_or_else(|| wrong("it is no number"))?;
                Ok(Self::new(&format!("{stem}USec"), value))
            }
        }
    }
}

fn microseconds(value: &Variant<'_>) -> Option<u64> {
    let seconds: i128 = match value {
        Variant::U8(number) => (*number).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a time in whole microseconds is meant"
            )]
            return u64::try_from((number * 1e6) as i128).ok();
        }
        _ => return None,
    };
    u64::try_from(seconds * 1_000_000).ok()
}

/// A value; an array's are all strings.
fn value(text: &str) -> Option<Variant<'static>> {
    if let Some(items) = text.strip_prefix("@as").map(str::trim_start) {
        return strings(items).map(Variant::from);
    }
    match text {
        "true" => return Some(Variant::from(true)),
        "false" => return Some(Variant::from(false)),
        _ => {}
    }
    match text.chars().next()? {
        '[' => strings(text)
            .filter(|list| !list.is_empty())
            .map(Variant::from),
        '\'' | '"' => {
            let (string, rest) = string(text)?;
            rest.is_empty().then(|| Variant::from(string))
        }
        _ => number(text),
    }
}

fn number(text: &str) -> Option<Variant<'static>> {
    let Some((kind, digits)) = text.split_once(' ') else {
        let whole = text.parse::<i32>().map(Variant::from);
        return whole
            .or_else(|_| text.parse::<f64>().map(Variant::from))
            .ok();
    };
    let digits = digits.trim_start();
    match kind {
        "byte" => digits.parse::<u8>().map(Variant::from).ok(),
        "int16" => digits.parse::<i16>().map(Variant::from).ok(),
        "uint16" => digits.parse::<u16>().map(Variant::from).ok(),
        "int32" => digits.parse::<i32>().map(Variant::from).ok(),
        "uint32" => digits.parse::<u32>().map(Variant::from).ok(),
        "int64" => digits.parse::<i64>().map(Variant::from).ok(),
        "uint64" => digits.parse::<u64>().map(Variant::from).ok(),
        "double" => digits.parse::<f64>().map(Variant::from).ok(),
        _ => None,
    }
}

/// `['a', 'b']`
fn strings(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.trim_start();
    let mut list = Vec::new();
    if rest == "]" {
        return Some(list);
    }
    loop {
        let (item, after) = string(rest)?;
        list.push(item);
        rest = after.trim_start();
        if rest == "]" {
            return Some(list);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

/// A string in quotes of either kind, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    let mut string = String::new();
    let mut letters = text[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            letter if letter == quote => return Some((string, &text[at + 2..])),
            '\\' => string.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                plain @ ('\\' | '\'' | '"') => plain,
                _ => return None,
            }),
            letter => string.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_gvariant_writes_them() {
        for (name, text, expected) in [
            (
                "Description",
                "'a b'",
                Some(("Description", Variant::from("a b".to_owned()))),
            ),
            (
                "Description",
                r#""it's""#,
                Some(("Description", Variant::from("it's".to_owned()))),
            ),
            (
                "Description",
                r"'\'\\\n'",
                Some(("Description", Variant::from("'\\\n".to_owned()))),
            ),
            (
                "SendSIGHUP",
                "true",
                Some(("SendSIGHUP", Variant::from(true))),
            ),
            (
                "CPUWeight",
                "uint64 5",
                Some(("CPUWeight", Variant::from(5_u64))),
            ),
            ("Some", "-5", Some(("Some", Variant::from(-5_i32)))),
            (
                "TimeoutStopUSec",
                "uint64 7",
                Some(("TimeoutStopUSec", Variant::from(7_u64))),
            ),
            (
                "TimeoutStopSec",
                "2",
                Some(("TimeoutStopUSec", Variant::from(2_000_000_u64))),
            ),
            (
                "TimeoutStopSec",
                "1.5",
                Some(("TimeoutStopUSec", Variant::from(1_500_000_u64))),
            ),
            ("After", "['a.service', \"b\"]", {
                let list = vec!["a.service".to_owned(), "b".to_owned()];
                Some(("After", Variant::from(list)))
            }),
            (
                "After",
                "@as []",
                Some(("After", Variant::from(Vec::<String>::new()))),
            ),
            ("After", "[]", None),
            ("TimeoutStopSec", "'x'", None),
            ("TimeoutStopSec", "-1", None),
            ("No", "true", None),
            ("With-Dash", "true", None),
            ("Name", "'open", None),
            ("Name", "'a' 'b'", None),
            ("Name", "uint8 5", None),
            ("Name", "", None),
        ] {
            let parsed = Property::parse(name, text).ok();
            let parsed = parsed.map(|property| (property.name, property.value));
            let expected = expected.map(|(name, value)| (name.to_owned(), value));
            assert_eq!(parsed, expected, "{name}={text}");
        }
    }
}
