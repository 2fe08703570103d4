//! Names of containers and of the processes executed in them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest id: it must be one path component.
const MAX: usize = 255;

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdError {
    /// No characters at all.
    Empty,
    /// More than 255 bytes.
    TooLong,
    /// `.`, `..`, or a character outside `[A-Za-z0-9_+.-]`.
    Invalid(String),
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("id is empty"),
            Self::TooLong => write!(f, "id is longer than {MAX} bytes"),
            Self::Invalid(id) => write!(f, "id {id:?} has characters outside [A-Za-z0-9_+.-]"),
        }
    }
}

impl std::error::Error for IdError {}

fn check(id: &str) -> Result<(), IdError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+.-".contains(&b);
    match id {
        "" => Err(IdError::Empty),
        _ if id.len() > MAX => Err(IdError::TooLong),
        "." | ".." => Err(IdError::Invalid(id.to_owned())),
        _ if id.bytes().all(allowed) => Ok(()),
        _ => Err(IdError::Invalid(id.to_owned())),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(id: &str) -> Result<Self, IdError> {
                check(id).map(|()| Self(id.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(id: String) -> Result<Self, IdError> {
                check(&id).map(|()| Self(id))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<std::path::Path> for $name {
            fn as_ref(&self) -> &std::path::Path {
                self.0.as_ref()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A container's id: one path component of `[A-Za-z0-9_+.-]`, as runc accepts it.
    ///
    /// The engine's own ids are 64 hexadecimal digits.
    ContainerId
}

id! {
    /// The id of a process executed in a container; as [`ContainerId`], unique in its container.
    ExecId
}

impl ContainerId {
    /// The engine's id made of 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The first twelve characters, as lists show them.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl ExecId {
    /// The engine's id made of 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_path_component() {
        for good in ["a", "web-1", "A_b+c.d", &"x".repeat(255)] {
            assert!(good.parse::<ContainerId>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\0", "é", "a b", &"x".repeat(256)] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
    }
}
