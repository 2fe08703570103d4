//! A volume's name: one path component.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest name: it must be one path component.
const MAX: usize = 255;

/// A volume's name: one path component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no volume's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Fewer than two characters.
    #[error("volume name is too short, names should be at least two alphanumeric characters")]
    Short,
    /// More than 255 bytes.
    #[error("volume name is longer than 255 bytes")]
    Long,
    /// A character that no name has.
    #[error(
        "{0:?} includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use \
         absolute path"
    )]
    Invalid(String),
}

impl Name {
    /// A name for a volume that its caller did not name: these bytes in hexadecimal digits.
    pub fn random(bytes: [u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if text.len() < 2 {
            return Err(NameError::Short);
        }
        if text.len() > MAX {
            return Err(NameError::Long);
        }
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        match begins && text.bytes().all(inner) {
            true => Ok(Self(text.to_owned())),
            false => Err(NameError::Invalid(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_and_never_a_path() {
        for good in ["ab", "a1", "A_.-", "0x"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in [
            "", "a", "..", ".a", "-a", "_a", "a/b", "a b", "a\0", "ä2", "#x",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(256).parse::<Name>().is_err());
        assert_eq!(Name::random([0xab; 32]).as_str(), "ab".repeat(32));
    }
}
