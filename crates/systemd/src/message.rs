//! A message's header, as the D-Bus specification draws it, and its body.

use crate::Error;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::io::{self, Read};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{DynamicType, LE, to_bytes};
use zbus::{Signature, Type, Variant};

/// The fixed part of a header: byte order, kind, flags, version, two lengths and a serial.
const FIXED: usize = 16;
/// The most that is taken of one message.
const MOST: usize = 16 << 20;

const CALL: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// Whose method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(crate) destination: &'static str,
    pub(crate) path: &'static str,
    pub(crate) interface: &'static str,
    pub(crate) name: &'static str,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Received {
    /// The answer to the call with this serial, or its refusal.
    Reply(u32, Result<Body, Refusal>),
    /// A signal by its member's name.
    Signal(String, Body),
    /// What nobody here waits for.
    Other,
}

/// A refusal's name and words.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) name: String,
    pub(crate) message: String,
}

/// A message's body, not read yet.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    context: Context,
}

impl Body {
    /// Reads the body as what it must be.
    pub(crate) fn read<T>(&self) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned + Type,
    {
        let data = Data::new(self.bytes.as_slice(), self.context);
        let (body, _) = data.deserialize().map_err(Error::Message)?;
        Ok(body)
    }
}

/// A header's field: a variant, which for a body's signature holds several types in a row.
enum Field {
    Value(Variant<'static>),
    Signature(String),
}

impl Type for Field {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Signature(text) => {
                let mut variant = serializer.serialize_struct("Variant", 2)?;
                variant.serialize_field("signature", &Signature::Signature)?;
                variant.serialize_field("value", text)?;
                variant.end()
            }
        }
    }
}

/// A call's bytes. The body is a tuple of the method's arguments.
pub(crate) fn call<B>(serial: u32, method: &Method, named: bool, body: &B) -> Result<Vec<u8>, Error>
where
    B: Serialize + DynamicType,
{
    let context = Context::new(LE, 0);
    let text = |text: &str| Field::Value(Variant::from(text.to_owned()));
    let path = zbus::ObjectPath::try_from(method.path).map_err(Error::Message)?;
    let mut fields = vec![
        (PATH, Field::Value(Variant::from(path.to_owned()))),
        (INTERFACE, text(method.interface)),
        (MEMBER, text(method.name)),
    ];
    if named {
        fields.push((DESTINATION, text(method.destination)));
    }
    let signature = body.signature().to_string_no_parens();
    if !signature.is_empty() {
        fields.push((SIGNATURE, Field::Signature(signature)));
    }
    let body = to_bytes(context, body).map_err(Error::Message)?;
    let length = u32::try_from(body.bytes().len()).unwrap_or(u32::MAX);
    let header = (b'l', CALL, 0_u8, 1_u8, length, serial, fields);
    let header = to_bytes(context, &header).map_err(Error::Message)?;
    let mut bytes = header.bytes().to_vec();
    bytes.resize(padded(bytes.len()), 0);
    bytes.extend_from_slice(body.bytes());
    Ok(bytes)
}

/// Reads one message.
pub(crate) fn receive(stream: &mut impl Read) -> Result<Received, Error> {
    let failed = || Error::bus("read from");
    let mut head = [0_u8; FIXED];
    stream.read_exact(&mut head).map_err(failed())?;
    let endian = match head[0] {
        b'l' => zbus::wire::Endian::Little,
        b'B' => zbus::wire::Endian::Big,
        _ => return Err(failed()(io::ErrorKind::InvalidData.into())),
    };
    let word = |at: usize| {
        let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
        let number = match endian {
            zbus::wire::Endian::Little => u32::from_le_bytes(bytes),
            zbus::wire::Endian::Big => u32::from_be_bytes(bytes),
        };
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let (body, fields) = (word(4), word(12));
    if body > MOST || fields > MOST {
        return Err(failed()(io::ErrorKind::InvalidData.into()));
    }
    let mut header = head.to_vec();
    header.resize(padded(FIXED + fields), 0);
    stream.read_exact(&mut header[FIXED..]).map_err(failed())?;
    let context = Context::new(endian, 0);
    let mut bytes = vec![0; body];
    stream.read_exact(&mut bytes).map_err(failed())?;
    sort(&header, Body { bytes, context })
}

fn sort(header: &[u8], body: Body) -> Result<Received, Error> {
    type Header = (u8, u8, u8, u8, u32, u32, Vec<(u8, zbus::OwnedVariant)>);
    let data = Data::new(header, body.context);
    let (header, _): (Header, usize) = data.deserialize().map_err(Error::Message)?;
    let (_, kind, _, _, _, _, fields) = header;
    let field = |wanted: u8| fields.iter().find(|(code, _)| *code == wanted);
    let text = |wanted: u8| match field(wanted).map(|(_, value)| &**value) {
        Some(Variant::Str(text)) => text.as_str().to_owned(),
        _ => String::new(),
    };
    let serial = match field(REPLY_SERIAL).map(|(_, value)| &**value) {
        Some(Variant::U32(serial)) => *serial,
        _ => 0,
    };
    Ok(match kind {
        REPLY => Received::Reply(serial, Ok(body)),
        ERROR => {
            // A refusal's first argument is words, where it has any.
            let name = text(ERROR_NAME);
            let message = body.read::<String>().unwrap_or_else(|_| name.clone());
            Received::Reply(serial, Err(Refusal { name, message }))
        }
        SIGNAL => Received::Signal(text(MEMBER), body),
        _ => Received::Other,
    })
}

/// Headers and bodies begin at multiples of eight.
const fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: Method = Method {
        destination: "a.b",
        path: "/c",
        interface: "d.e",
        name: "F",
    };

    #[test]
    fn a_call_has_the_specifications_bytes() {
        let bytes = call(7, &METHOD, true, &("x", 1_u32)).unwrap();
        let expected: &[u8] = b"l\x01\0\x01\x0c\0\0\0\x07\0\0\0\x48\0\0\0\
            \x01\x01o\0\x02\0\0\0/c\0\0\0\0\0\0\
            \x02\x01s\0\x03\0\0\0d.e\0\0\0\0\0\
            \x03\x01s\0\x01\0\0\0F\0\0\0\0\0\0\0\
            \x06\x01s\0\x03\0\0\0a.b\0\0\0\0\0\
            \x08\x01g\0\x02su\0\
            \x01\0\0\0x\0\0\0\x01\0\0\0";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_was_sent_is_read_back() {
        let bytes = call(7, &METHOD, false, &("x", 1_u32)).unwrap();
        let mut signal = bytes.clone();
        signal[1] = SIGNAL;
        let Received::Signal(member, body) = receive(&mut signal.as_slice()).unwrap() else {
            panic!("no signal");
        };
        assert_eq!(member, "F");
        assert_eq!(body.read::<(String, u32)>().unwrap(), ("x".to_owned(), 1));
        assert!(body.read::<(u64, String)>().is_err());
    }

    #[test]
    fn no_piece_of_a_message_is_more_than_an_error() {
        let bytes = call(7, &METHOD, true, &("x", vec![("p", Variant::from(1_u64))])).unwrap();
        for end in 0..bytes.len() {
            assert!(receive(&mut &bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut wrong = bytes.clone();
                wrong[at] = value;
                if let Ok(Received::Signal(_, body)) = receive(&mut wrong.as_slice()) {
                    drop(body.read::<(String, u32)>());
                }
            }
        }
    }
}
