//! The command line in runc's syntax: `-name`, `--name`, `-name value`, `-name=value`.
//!
//! By hand, for the time that a start takes.

use anyhow::{Result, bail};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing, or `=true` and the like.
    Switch,
    /// A value.
    Value,
}

/// A flag that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    /// A second name; empty if there is none.
    pub(crate) alias: &'static str,
    pub(crate) takes: Takes,
}

/// A flag that takes a value.
pub(crate) const fn value(name: &'static str) -> Flag {
    Flag {
        name,
        alias: "",
        takes: Takes::Value,
    }
}

/// A flag that takes nothing.
pub(crate) const fn switch(name: &'static str) -> Flag {
    Flag {
        name,
        alias: "",
        takes: Takes::Switch,
    }
}

impl Flag {
    /// The same with a second name.
    pub(crate) const fn or(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }
}

/// Where flags end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// At the first word that is none: what follows belongs to somebody else.
    FirstWord,
    /// Flags and words may be mixed.
    End,
}

/// A command line taken apart.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    flags: Vec<(&'static str, String)>,
    /// The words that are no flags.
    pub(crate) words: Vec<String>,
}

impl Arguments {
    /// Takes a command line apart.
    pub(crate) fn parse(line: &[String], known: &[Flag], until: Until) -> Result<Self> {
        let mut parsed = Self::default();
        let mut rest = line.iter();
        while let Some(word) = rest.next() {
            let Some(text) = word.strip_prefix('-').filter(|text| !text.is_empty()) else {
                parsed.words.push(word.clone());
                if until == Until::FirstWord {
                    break;
                }
                continue;
            };
            let text = text.strip_prefix('-').unwrap_or(text);
            if text.is_empty() {
                break;
            }
            let (name, given) = match text.split_once('=') {
                Some((name, given)) => (name, Some(given)),
                None => (text, None),
            };
            let Some(flag) = known
                .iter()
                .find(|flag| flag.name == name || flag.alias == name)
            else {
                bail!("flag provided but not defined: -{name}");
            };
            let given = match (flag.takes, given) {
                (Takes::Switch, given) => switched(flag, given.unwrap_or("true"))?,
                (Takes::Value, Some(given)) => given.to_owned(),
                (Takes::Value, None) => match rest.next() {
                    Some(given) => given.clone(),
                    None => bail!("flag needs an argument: {word}"),
                },
            };
            parsed.flags.push((flag.name, given));
        }
        parsed.words.extend(rest.cloned());
        Ok(parsed)
    }

    /// The value given last.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let given = self.flags.iter().rev().find(|(known, _)| *known == name);
        given.map(|(_, value)| value.as_str())
    }

    /// As [`Self::find`]; an empty value is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.is_empty())
    }

    /// Every value given.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let given = self.flags.iter().filter(move |(known, _)| *known == name);
        given.map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.find(name) == Some("true")
    }

    /// A number, if given.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.find(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => bail!("invalid value {text:?} for flag -{name}"),
        }
    }
}

/// The words that Go takes for a truth value.
fn switched(flag: &Flag, given: &str) -> Result<String> {
    let on = match given {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        _ => bail!("invalid boolean value {given:?} for -{}", flag.name),
    };
    Ok(on.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Flag; 3] = [
        value("bundle").or("b"),
        switch("detach").or("d"),
        value("env").or("e"),
    ];

    fn parse(line: &str, until: Until) -> Result<Arguments> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Arguments::parse(&words, &KNOWN, until)
    }

    #[test]
    fn one_dash_and_two_blank_and_equals_are_the_same() {
        for line in [
            "-bundle x id",
            "--bundle x id",
            "-b=x id",
            "--bundle=x id",
            "id -b x",
        ] {
            let parsed = parse(line, Until::End).unwrap();
            assert_eq!(
                (parsed.find("bundle"), &parsed.words[..]),
                (Some("x"), &["id".to_owned()][..])
            );
        }
    }

    #[test]
    fn what_follows_the_first_word_is_left_alone() {
        let parsed = parse("-d -e A=b -e C id sh -c -- x", Until::FirstWord).unwrap();
        assert!(parsed.on("detach"));
        assert_eq!(parsed.all("env").collect::<Vec<_>>(), ["A=b", "C"]);
        assert_eq!(parsed.words, ["id", "sh", "-c", "--", "x"]);
        let parsed = parse("-d=false -- -x", Until::End).unwrap();
        assert!(!parsed.on("detach"));
        assert_eq!(parsed.words, ["-x"]);
    }

    #[test]
    fn unknown_flags_and_missing_values_are_errors() {
        let message = |line| parse(line, Until::End).unwrap_err().to_string();
        assert_eq!(message("--nope id"), "flag provided but not defined: -nope");
        assert_eq!(message("id --bundle"), "flag needs an argument: --bundle");
        assert!(message("--detach=maybe").contains("maybe"));
    }
}
