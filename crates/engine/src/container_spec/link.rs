//! Another container under a name of this one's choice.

use super::ParseError;
use serde::{Deserialize, Serialize};

/// Another container that this one finds under a name of its own choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The other one: in the caller's words, and by its id once the request is admitted.
    pub container: String,
    /// The other one's name when it was linked, for when it is gone.
    pub name: String,
    /// What it is called here.
    pub alias: String,
}

impl Link {
    /// What a link is called in errors.
    pub const WHAT: &'static str = "link";

    /// Reads `NAME[:ALIAS]`, or what inspect shows: `/NAME:/PARENT/ALIAS`.
    ///
    /// # Errors
    /// In dockerd's words, if there are more parts or none.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            let words = "empty string specified for links";
            return Err(ParseError::new(Self::WHAT, text, words));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (name, alias) = match *parts {
            [name] => (name, name),
            [name, alias] => match name.strip_prefix('/') {
                Some(name) => (name, alias.rsplit('/').next().unwrap_or(alias)),
                None => (name, alias),
            },
            _ => {
                let words = format!("bad format for links: {text}");
                return Err(ParseError::new(Self::WHAT, text, words));
            }
        };
        Ok(Self {
            container: name.to_owned(),
            name: name.to_owned(),
            alias: alias.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_name_and_perhaps_an_alias() {
        for (text, name, alias) in [
            ("db", "db", "db"),
            ("db:d", "db", "d"),
            ("/db:/web/d", "db", "d"),
            ("db:", "db", ""),
        ] {
            let link = Link::parse(text).unwrap();
            assert_eq!((link.name.as_str(), link.alias.as_str()), (name, alias));
        }
        for (text, words) in [
            ("", "empty string specified for links"),
            ("a:b:c", "bad format for links: a:b:c"),
        ] {
            assert_eq!(Link::parse(text).unwrap_err().reason, words);
        }
    }
}
